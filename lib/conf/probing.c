/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/cluster.h"
#include "lib/conf/job.h"
#include <string.h>

#define DAY    86400
#define MINUTE 60

const char *const disagg_probing_suites[] = {"none", "quick", "standard", "thorough", NULL};
const char *const disagg_probing_failures[] = {"fail", "exclude", "warn", NULL};

/* A suite's own time and as much again, for the steps of a large job to start. */
static const int64_t suite_timeout[] = {
	[DISAGG_PROBING_NONE] = 0,
	[DISAGG_PROBING_QUICK] = 5 * MINUTE,
	[DISAGG_PROBING_STANDARD] = 10 * MINUTE,
	[DISAGG_PROBING_THOROUGH] = 60 * MINUTE,
};

/* No defaults here: what the job file leaves open is the cluster file's. */
#define AT(field) offsetof(struct disagg_probing, field)
static const struct disagg_row probing_rows[] = {
	{.key = "suite",
		.kind = DISAGG_K_ENUM,
		.names = disagg_probing_suites,
		.offset = AT(suite),
		.doc = "how much is measured; default quick, and none where there are no probes:"},
	{.key = "on_failure",
		.kind = DISAGG_K_ENUM,
		.names = disagg_probing_failures,
		.offset = AT(failure),
		.doc = "what a node that fails does: fail (default) ends the job, exclude goes on "
		       "without the node, warn goes on with it"},
	{.key = "spare_nodes",
		.kind = DISAGG_K_INT,
		.offset = AT(spare_nodes),
		.min = 0,
		.max = DISAGG_MAX_NODES - 1,
		.doc = "nodes to ask for beside those of the plan, to take the place of excluded "
		       "ones; default 0"},
	{.key = "timeout",
		.kind = DISAGG_K_DURATION,
		.offset = AT(timeout),
		.min = 1,
		.max = DAY,
		.doc = "how long all probes together may take; default 5m, 10m or 60m by suite"},
	{.key = "only",
		.kind = DISAGG_K_STRS,
		.offset = AT(only),
		.doc = "names of probes to run in place of the suite; a star at the end is any rest"},
	{.key = "skip",
		.kind = DISAGG_K_STRS,
		.offset = AT(skip),
		.doc = "names of probes to leave out"},
	{.key = "reference",
		.kind = DISAGG_K_TEXT,
		.flags = DISAGG_F_NOEMPTY,
		.offset = AT(reference),
		.doc = "file of values to hold against, over those that are shipped"},
	{.key = NULL},
};
const struct disagg_table disagg_probing_table = {"probes", probing_rows};
#undef AT

static const struct disagg_node *section_of(const struct disagg_node *tree)
{
	const struct disagg_node *section = tree ? disagg_node_get(tree, "probes") : NULL;

	return section && !disagg_node_is_null(section) ? section : NULL;
}

static bool has(const struct disagg_node *section, const char *key)
{
	const struct disagg_node *node =
		section && section->kind == DISAGG_MAP ? disagg_node_get(section, key) : NULL;

	return node && !disagg_node_is_null(node);
}

/* A suite that there is not: it has been told, and the rest is read as of one that there is. */
static bool is_other_suite(const struct disagg_node *section)
{
	const struct disagg_node *suite = section ? disagg_node_get(section, "suite") : NULL;

	return suite &&
	       (suite->kind != DISAGG_SCALAR ||
		       strcmp(suite->text, disagg_probing_suites[DISAGG_PROBING_NONE]) != 0);
}

int disagg_probing_read(struct disagg_import *import)
{
	struct disagg_schema_walk walk = {.arena = import->arena,
		.found = import->found,
		.trace = &import->job->trace,
		.prefix = "probes"};
	struct disagg_probing *probing = &import->job->probing;
	const struct disagg_node *own = section_of(import->tree);
	const struct disagg_node *common =
		section_of(import->cluster ? import->cluster->tree : NULL);

	if (common)
		*probing = import->cluster->probing;
	if (own && disagg_schema_read(&walk, &disagg_probing_table, own, probing))
		return -1;
	probing->own = own;
	if (((own || common) && !has(own, "suite") && !has(common, "suite")) ||
		(probing->suite == DISAGG_PROBING_NONE && is_other_suite(own)))
		probing->suite = DISAGG_PROBING_QUICK;
	if (!probing->timeout.set)
		probing->timeout = (struct disagg_int){true, suite_timeout[probing->suite]};
	return 0;
}

/* ---- rules ---- */

static const struct disagg_origin *key_at(const struct disagg_import *import, const char *key)
{
	const struct disagg_node *own = section_of(import->tree);
	const struct disagg_node *common =
		section_of(import->cluster ? import->cluster->tree : NULL);

	if (has(own, key))
		return &disagg_node_get(own, key)->at;
	if (has(common, key))
		return &disagg_node_get(common, key)->at;
	return own ? &own->at : common ? &common->at : &import->tree->at;
}

/* "gemm.bf16", "nccl.*"; which there are the program that runs them knows. */
static bool is_name(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return strlen(text) < 64 && (text[len] ? strcmp(text + len, "*") == 0 : len > 0);
}

static void check_names(
	struct disagg_import *import, const char *key, const struct disagg_strs *names)
{
	for (unsigned i = 0; i < names->count; i++) {
		if (!is_name(names->v[i]))
			disagg_findings_error(import->found, key_at(import, key),
				"probes.%s: expected names of probes, such as gemm.bf16 or nccl.*, "
				"got '%s'",
				key, names->v[i]);
	}
}

static void check_acceptance(struct disagg_import *import)
{
	const struct disagg_probing *probing = &import->job->probing;

	if (probing->failure == DISAGG_PROBING_EXCLUDES &&
		has(section_of(import->tree), "on_failure"))
		disagg_findings_error(import->found, key_at(import, "on_failure"),
			"probes.on_failure: 'exclude' needs roles to go on with: say fail or warn");
	if (probing->spare_nodes.v && has(section_of(import->tree), "spare_nodes"))
		disagg_findings_error(import->found, key_at(import, "spare_nodes"),
			"probes.spare_nodes: a job without roles has no use for spare nodes: say "
			"nodes: for how many are probed");
}

/* The load generator of `benchmark:` is a role too, which the file did not name. */
static void check_measured(struct disagg_import *import)
{
	const struct disagg_node *bench = disagg_node_get(import->tree, "benchmark");

	if (import->job->dialect == DISAGG_NATIVE && import->job->role_count && bench &&
		!disagg_node_get(import->tree, "roles"))
		disagg_findings_error(import->found, &bench->at,
			"benchmark: there is nothing to measure: the file has no roles:");
}

void disagg_probing_check(struct disagg_import *import)
{
	const struct disagg_probing *probing = &import->job->probing;

	if (probing->suite == DISAGG_PROBING_NONE)
		return;
	check_names(import, "only", &probing->only);
	check_names(import, "skip", &probing->skip);
	check_measured(import);
	if (disagg_job_accepts(import->job))
		check_acceptance(import);
	else if (probing->failure == DISAGG_PROBING_EXCLUDES && !probing->spare_nodes.v)
		disagg_findings_warn(import->found, key_at(import, "on_failure"),
			"probes.on_failure: without spare_nodes: there is nothing to take an "
			"excluded node's place, and the job ends");
}
