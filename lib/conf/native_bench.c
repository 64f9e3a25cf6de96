/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/native.h"
#include "lib/base/num.h"
#include "lib/base/strbuf.h"
#include <string.h>

static int bench_option(struct disagg_import *import, const struct disagg_pair *pair)
{
	struct disagg_strbuf json;
	const char *text = pair->value->text;
	int result;

	disagg_strbuf_init(&json, DISAGG_MAX_YAML_BYTES);
	if (pair->value->kind != DISAGG_SCALAR) {
		disagg_node_json(pair->value, &json);
		text = json.text;
	}
	result = json.failed ? -1
			     : disagg_map_set(import->arena, &import->job->bench.options, pair->key,
				       text, pair->value->at);
	disagg_strbuf_release(&json);
	return result;
}

static int bench_options(struct disagg_import *import, const struct disagg_node *section)
{
	for (uint32_t i = 0; section && section->kind == DISAGG_MAP && i < section->count; i++) {
		const struct disagg_row *row = disagg_native_bench_table.row;

		while (row->key && strcmp(row->key, section->pair[i].key) != 0)
			row++;
		if (!row->key && !disagg_node_is_null(section->pair[i].value) &&
			bench_option(import, &section->pair[i]))
			return -1;
	}
	return 0;
}

/* "4x8x16" is [4, 8, 16]. */
static int concurrencies_split(struct disagg_import *import, struct disagg_strs *list)
{
	const char *text = list->count == 1 ? list->v[0] : NULL;
	unsigned count = 1, n = 0;

	if (!text || !strchr(text, 'x'))
		return 0;
	for (const char *c = text; *c; c++)
		count += *c == 'x';
	list->v = disagg_arena_array(import->arena, count, sizeof(*list->v));
	if (!list->v)
		return -1;
	for (const char *at = text; n < count; n++) {
		size_t len = strcspn(at, "x");

		list->v[n] = disagg_arena_strndup(import->arena, at, len);
		if (!list->v[n])
			return -1;
		at += len + (at[len] != '\0');
	}
	list->count = count;
	return 0;
}

static void bench_check(struct disagg_import *import, const struct disagg_node *section)
{
	const struct disagg_bench *bench = &import->job->bench;
	int64_t number;
	double rate;

	for (unsigned i = 0; i < bench->concurrencies.count; i++) {
		if (disagg_num_int(bench->concurrencies.v[i], 1, 10000000, &number))
			disagg_findings_error(import->found,
				disagg_native_at(section, "concurrencies", &section->at),
				"benchmark.concurrencies: expected whole numbers of at least 1, "
				"got '%s'",
				bench->concurrencies.v[i]);
	}
	if (bench->request_rate && strcmp(bench->request_rate, "inf") != 0 &&
		!disagg_text_is_placeholder(bench->request_rate) &&
		(disagg_num_real(bench->request_rate, &rate) || rate <= 0))
		disagg_findings_error(import->found,
			disagg_native_at(section, "request_rate", &section->at),
			"benchmark.request_rate: expected inf or a number above 0, got '%s'",
			bench->request_rate);
	if (bench->type && strcmp(bench->type, "sa-bench") == 0 &&
		!(bench->isl.set && bench->osl.set && bench->concurrencies.count))
		disagg_findings_error(import->found, &section->at,
			"benchmark: 'sa-bench' needs isl:, osl: and concurrencies:");
	if (bench->type && strcmp(bench->type, "custom") == 0 &&
		!disagg_map_get(&bench->options, "command"))
		disagg_findings_error(
			import->found, &section->at, "benchmark: 'custom' needs command:");
}

/* What a load generator waits for: the frontends, or all workers. */
static int bench_after(struct disagg_import *import, struct disagg_strs *after)
{
	const struct disagg_job *job = import->job;
	unsigned frontends = 0;

	for (unsigned i = 0; i < job->role_count; i++)
		frontends += job->role[i].kind == DISAGG_FRONTEND;
	after->v =
		disagg_arena_array(import->arena, (size_t)job->role_count + 1, sizeof(*after->v));
	if (!after->v)
		return -1;
	for (unsigned i = 0; i < job->role_count; i++) {
		const struct disagg_role *role = &job->role[i];

		if (frontends ? role->kind == DISAGG_FRONTEND : role->gpus > 0)
			after->v[after->count++] = role->name;
	}
	return 0;
}

static int bench_role(struct native *native, const struct disagg_node *section)
{
	struct disagg_import *import = native->import;
	struct disagg_job *job = import->job;
	struct disagg_role *role;
	struct disagg_strs after = {0};

	if (!job->bench.type || strcmp(job->bench.type, "manual") == 0)
		return 0;
	for (unsigned i = 0; i < job->role_count; i++) {
		if (job->role[i].kind == DISAGG_BENCHMARK ||
			strcmp(job->role[i].name, "benchmark") == 0)
			return 0;
	}
	if (bench_after(import, &after))
		return -1;
	role = disagg_job_add_role(import, "benchmark", DISAGG_BENCHMARK, DISAGG_E_BENCHMARK);
	if (!role)
		return -1;
	role->at = section->at;
	role->site = DISAGG_SITE_CLIENT;
	role->env = native->env;
	role->container = job->container;
	role->srun_options = native->file.slurm.srun;
	role->script = disagg_map_get(&job->bench.options, "command");
	role->after = after;
	return 0;
}

int disagg_native_bench(struct native *native)
{
	struct disagg_import *import = native->import;
	const struct disagg_node *section = disagg_node_get(import->tree, "benchmark");
	struct disagg_bench *bench = &import->job->bench;

	if (!section || section->kind != DISAGG_MAP)
		return 0;
	bench->type = disagg_native_benches[native->file.bench.type];
	bench->isl = native->file.bench.isl;
	bench->osl = native->file.bench.osl;
	bench->concurrencies = native->file.bench.concurrencies;
	bench->request_rate = native->file.bench.request_rate;
	bench->client = (enum disagg_bench_client)native->file.bench.client;
	if (concurrencies_split(import, &bench->concurrencies) || bench_options(import, section))
		return -1;
	bench_check(import, section);
	return bench_role(native, section);
}
