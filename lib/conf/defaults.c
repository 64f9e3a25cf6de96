/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/load.h"

/*
 * The cluster file is the weakest layer that a person writes: it fills what
 * the job file leaves open, whichever dialect that is in.  Every step holds
 * when an importer has done it already.
 */
static bool left_open(const char *value)
{
	return !value || disagg_text_is_placeholder(value);
}

static struct disagg_origin cluster_at(const struct disagg_cluster *cluster, const char *key)
{
	const struct disagg_node *node = disagg_node_get(cluster->tree, key);

	if (node)
		return node->at;
	return cluster->tree ? cluster->tree->at : (struct disagg_origin){.source = "default"};
}

static int directives(struct disagg_import *import)
{
	const struct disagg_cluster *cluster = import->cluster;
	const struct {
		const char *option;
		const char *value;
	} fields[] = {
		{"account", cluster->account},
		{"partition", cluster->partition},
		{"qos", cluster->qos},
		{"reservation", cluster->reservation},
		{"time", cluster->time},
		{"constraint", cluster->constraint},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].value &&
			disagg_job_directive(import, fields[i].option, fields[i].value,
				cluster_at(cluster, fields[i].option), true))
			return -1;
	}
	for (unsigned i = 0; i < cluster->sbatch.count; i++) {
		const struct disagg_kv *kv = &cluster->sbatch.v[i];

		if (disagg_job_directive(import, kv->key, kv->value, kv->at, true))
			return -1;
	}
	return 0;
}

/* Entries of `under` that `map` does not have. */
static int map_fill(
	struct disagg_arena *arena, struct disagg_map *map, const struct disagg_map *under)
{
	for (unsigned i = 0; i < under->count; i++) {
		const struct disagg_kv *kv = &under->v[i];

		if (!disagg_map_get(map, kv->key) &&
			disagg_map_set(arena, map, kv->key, kv->value, kv->at))
			return -1;
	}
	return 0;
}

static int roles(struct disagg_import *import)
{
	const struct disagg_cluster *cluster = import->cluster;

	for (unsigned i = 0; i < import->job->role_count; i++) {
		struct disagg_role *role = &import->job->role[i];

		if (map_fill(import->arena, &role->env, &cluster->env))
			return -1;
	}
	return 0;
}

static void scalars(struct disagg_import *import)
{
	const struct disagg_cluster *cluster = import->cluster;
	struct disagg_job *job = import->job;

	job->cluster = cluster->tree;
	job->cluster_name = cluster->name;
	if (cluster->gpus_per_node.set)
		job->node_gpus = (unsigned)cluster->gpus_per_node.v;
	if (!job->cpus_per_gpu && cluster->cpus_per_gpu.set)
		job->cpus_per_gpu = (unsigned)cluster->cpus_per_gpu.v;
	/* a cluster that refuses --gpus-per-node has no GPUs to count */
	if (cluster->gpus == 1 || cluster->use_gpus_per_node == DISAGG_NO)
		job->gpus_unmanaged = true;
	if (cluster->use_segment == DISAGG_NO)
		job->want_segment = false;
	if (cluster->use_exclusive == DISAGG_YES)
		job->want_exclusive = true;
	if (left_open(job->network_interface))
		job->network_interface = cluster->network_interface;
	if (left_open(job->log_dir))
		job->log_dir = cluster->log_dir;
	if (!job->health.timeout.set)
		job->health.timeout = cluster->health_timeout;
	if (!job->health.interval.set)
		job->health.interval = cluster->health_interval;
}

/* "cluster.partition" and so on, for --explain. */
static int trace(struct disagg_import *import, const char *path, const struct disagg_node *node)
{
	struct disagg_arena *arena = import->arena;

	if (node->kind == DISAGG_SCALAR)
		return disagg_trace_add(&import->job->trace, path, node->text, node->at);
	for (uint32_t i = 0; i < node->count; i++) {
		const char *below =
			node->kind == DISAGG_MAP
				? disagg_arena_printf(arena, "%s.%s", path, node->pair[i].key)
				: disagg_arena_printf(arena, "%s[%u]", path, (unsigned)i);
		const struct disagg_node *child =
			node->kind == DISAGG_MAP ? node->pair[i].value : node->item[i];

		if (!below || trace(import, below, child))
			return -1;
	}
	return 0;
}

int disagg_job_defaults(struct disagg_import *import)
{
	if (!import->cluster)
		return 0;
	scalars(import);
	if (directives(import) || roles(import))
		return -1;
	return import->cluster->tree ? trace(import, "cluster", import->cluster->tree) : 0;
}
