/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/native.h"
#include "lib/base/strbuf.h"
#include <string.h>

const struct disagg_origin *disagg_native_at(
	const struct disagg_node *map, const char *key, const struct disagg_origin *otherwise)
{
	const struct disagg_node *node = disagg_node_get(map, key);

	return node ? &node->at : otherwise;
}

int disagg_native_read(struct disagg_import *import, const struct disagg_table *table,
	const char *prefix, const struct disagg_node *map, void *ret)
{
	struct disagg_schema_walk walk = {
		.arena = import->arena,
		.found = import->found,
		.trace = &import->job->trace,
		.prefix = prefix,
	};

	return disagg_schema_read(&walk, table, map, ret);
}

/* ---- environment ---- */

/* Whether the text of a plain number is not what YAML 1.1 makes of it: a job
 * that travels as JSON would come back with another text. */
static bool number_changes(const struct disagg_node *node)
{
	struct disagg_strbuf json;
	bool changes;

	disagg_strbuf_init(&json, 256);
	disagg_node_json(node, &json);
	changes = json.failed || strcmp(json.text, node->text) != 0;
	disagg_strbuf_release(&json);
	return changes;
}

static void env_value_check(struct disagg_import *import, const char *path, const char *key,
	const struct disagg_node *node)
{
	struct disagg_scalar scalar;

	if (node->kind != DISAGG_SCALAR || node->quoted)
		return;
	scalar = disagg_scalar_read(node);
	if (scalar.type == DISAGG_T_BOOL)
		disagg_findings_error(import->found, &node->at,
			"%s.%s: '%s' is a boolean in YAML: quote it, as \"%s\"", path, key,
			node->text, node->text);
	else if ((scalar.type == DISAGG_T_INT || scalar.type == DISAGG_T_REAL) &&
		 number_changes(node))
		disagg_findings_error(import->found, &node->at,
			"%s.%s: YAML reads '%s' as another number: quote it, as \"%s\"", path, key,
			node->text, node->text);
}

void disagg_native_env_check(
	struct disagg_import *import, const char *path, const struct disagg_node *env)
{
	if (!env || env->kind != DISAGG_MAP)
		return;
	for (uint32_t i = 0; i < env->count; i++)
		env_value_check(import, path, env->pair[i].key, env->pair[i].value);
}

static int env_read(struct native *native)
{
	struct disagg_import *import = native->import;

	disagg_native_env_check(import, "env", disagg_node_get(import->tree, "env"));
	if (import->cluster && disagg_map_merge(import->arena, &native->env, &import->cluster->env))
		return -1;
	return disagg_map_merge(import->arena, &native->env, &native->file.env);
}

/* ---- containers ---- */

int disagg_native_container(struct disagg_import *import, struct disagg_container *to,
	const struct disagg_container *over)
{
	if (over->image)
		to->image = disagg_cluster_container(import->cluster, over->image);
	if (over->name)
		to->name = over->name;
	if (over->workdir)
		to->workdir = over->workdir;
	return disagg_map_merge(import->arena, &to->mounts, &over->mounts);
}

static int container_read(struct native *native)
{
	struct disagg_import *import = native->import;
	struct disagg_container *to = &import->job->container;

	if (import->cluster &&
		disagg_map_merge(import->arena, &to->mounts, &import->cluster->mounts))
		return -1;
	return disagg_native_container(import, to, &native->file.container);
}

/* ---- slurm ---- */

static int directives_of_map(struct disagg_import *import, const struct disagg_map *map)
{
	for (unsigned i = 0; i < map->count; i++) {
		if (disagg_job_directive(
			    import, map->v[i].key, map->v[i].value, map->v[i].at, false))
			return -1;
	}
	return 0;
}

static int slurm_read(struct native *native)
{
	struct disagg_import *import = native->import;
	const struct native_slurm *slurm = &native->file.slurm;
	const struct disagg_node *section = disagg_node_get(import->tree, "slurm");
	struct disagg_job *job = import->job;

	for (const struct native_option *row = disagg_native_options; row->key; row++) {
		const char *const *value =
			(const char *const *)(const void *)((const char *)slurm + row->offset);

		if (*value &&
			disagg_job_directive(import, row->option, *value,
				*disagg_native_at(section, row->key, &import->tree->at), false))
			return -1;
	}
	if (directives_of_map(import, &slurm->sbatch))
		return -1;
	job->want_segment = slurm->segment == DISAGG_YES ||
			    (slurm->segment == DISAGG_UNSET && import->cluster &&
				    import->cluster->use_segment == DISAGG_YES);
	job->want_exclusive = slurm->exclusive == DISAGG_YES || disagg_job_accepts(job);
	if (slurm->cpus_per_gpu.set)
		job->cpus_per_gpu = (unsigned)slurm->cpus_per_gpu.v;
	for (unsigned i = 0; i < job->directive_count; i++) {
		if (strcmp(job->directive[i].option, "job-name") == 0)
			return 0;
	}
	return disagg_job_directive(import, "job-name", job->name ? job->name : "",
		*disagg_native_at(import->tree, "name", &import->tree->at), false);
}

/* ---- the job ---- */

/* Whether each service that `role` waits for has its place in the new order. */
static bool role_may_start(
	const struct disagg_job *job, const struct disagg_role *role, const bool *placed)
{
	for (unsigned a = 0; a < role->after.count; a++) {
		for (unsigned i = 0; i < job->role_count; i++) {
			if (!placed[i] && strcmp(job->role[i].name, role->after.v[a]) == 0)
				return false;
		}
	}
	return true;
}

/* The first that can start; with a cycle the first that is left. */
static unsigned next_service(const struct disagg_job *job, const bool *placed)
{
	unsigned left = job->role_count;

	for (unsigned i = job->role_count; i-- > 0;) {
		if (!placed[i])
			left = i;
	}
	for (unsigned i = left; i < job->role_count; i++) {
		if (!placed[i] && role_may_start(job, &job->role[i], placed))
			return i;
	}
	return left;
}

/* Roles with GPUs as the file has them, then services in the order in which
 * they can start; those in a cycle come last, for validation to refuse. */
static int roles_sort(struct disagg_import *import)
{
	struct disagg_job *job = import->job;
	bool placed[DISAGG_MAX_ROLES] = {false};
	struct disagg_role *sorted =
		disagg_arena_array(import->arena, DISAGG_MAX_ROLES, sizeof(*sorted));
	unsigned count = 0;

	if (!sorted)
		return -1;
	for (unsigned i = 0; i < job->role_count; i++) {
		placed[i] = job->role[i].gpus > 0;
		if (placed[i])
			sorted[count++] = job->role[i];
	}
	while (count < job->role_count) {
		unsigned next = next_service(job, placed);

		placed[next] = true;
		sorted[count++] = job->role[next];
	}
	job->role = sorted;
	return 0;
}

static void gpus_per_node_read(struct native *native)
{
	struct disagg_import *import = native->import;
	struct disagg_job *job = import->job;
	const struct disagg_cluster *cluster = import->cluster;

	if (native->file.gpus_per_node.set)
		job->gpus_per_node = (unsigned)native->file.gpus_per_node.v;
	else if (cluster && cluster->gpus_per_node.set)
		job->gpus_per_node = (unsigned)cluster->gpus_per_node.v;
	else if (disagg_node_get(import->tree, "gpus_per_node"))
		return; /* it could not be read, and that has been said */
	else if (native->any_gpus || disagg_job_accepts(job))
		disagg_findings_error(import->found, &import->tree->at,
			"gpus_per_node is missing: %s and the cluster file does not say how many a "
			"node has",
			native->any_gpus ? "roles use GPUs" : "probes take whole nodes");
	else
		job->gpus_per_node = 1;
}

static void head_read(struct native *native)
{
	struct disagg_import *import = native->import;
	const struct native_file *file = &native->file;
	struct disagg_job *job = import->job;

	if (file->disagg.set && file->disagg.v != 1)
		disagg_findings_error(import->found,
			disagg_native_at(import->tree, "disagg", &import->tree->at),
			"disagg: this version reads schema 1, got %lld", (long long)file->disagg.v);
	job->rule = DISAGG_RULE_NATIVE;
	job->name = file->name;
	job->want_nodes = (unsigned)file->nodes.v;
	job->model_path = disagg_cluster_model(import->cluster, file->model.path);
	job->served_name = file->model.served_name;
	job->precision = file->model.precision;
	job->health = file->health;
	job->log_dir = file->log_dir;
	job->network_interface = file->network_interface;
	job->reserve_infra = file->reserve.infra == DISAGG_YES;
	job->reserve_frontend = file->reserve.frontend == DISAGG_YES;
	job->reserve_client = file->reserve.client == DISAGG_YES;
	job->reserve_together = file->reserve.together == DISAGG_YES;
	native->default_placement = file->placement;
}

/* The file without its roles, whose values their own table reads and traces. */
static struct disagg_node *head_of(struct disagg_import *import)
{
	struct disagg_node *head = disagg_node_map(import->arena, import->tree->at);

	for (uint32_t i = 0; head && i < import->tree->count; i++) {
		const struct disagg_pair *pair = &import->tree->pair[i];

		if (strcmp(pair->key, "roles") != 0 &&
			disagg_node_put(import->arena, head, pair->key, pair->at, pair->value))
			return NULL;
	}
	return head;
}

int disagg_import_native(struct disagg_import *import)
{
	struct native native = {.import = import};
	const struct disagg_node *head = head_of(import);

	if (!head || disagg_native_read(import, &disagg_native_table, "", head, &native.file))
		return -1;
	head_read(&native);
	if (env_read(&native) || container_read(&native) || slurm_read(&native) ||
		disagg_native_roles(&native) || disagg_native_bench(&native) || roles_sort(import))
		return -1;
	gpus_per_node_read(&native);
	return 0;
}
