/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/cluster_flat.h"
#include <string.h>

#define AT(field) offsetof(struct disagg_cluster, field)

struct flat {
	struct disagg_cluster cluster;
	struct disagg_int attempts, interval;
};

#define FLAT(field) offsetof(struct flat, field)

static const struct disagg_row flat_health_rows[] = {
	{.key = "max_attempts",
		.kind = DISAGG_K_INT,
		.offset = FLAT(attempts),
		.min = 1,
		.max = 100000,
		.doc = "looks before a deployment counts as dead"},
	{.key = "interval_seconds",
		.kind = DISAGG_K_INT,
		.offset = FLAT(interval),
		.min = 1,
		.max = 86400,
		.doc = "seconds between two looks"},
	{.key = NULL},
};
static const struct disagg_table flat_health_table = {"default_health_check", flat_health_rows};

static const struct disagg_row flat_rows[] = {
	{.key = "cluster", .kind = DISAGG_K_TEXT, .offset = AT(name), .doc = "the cluster's name"},
	{.key = "default_account", .kind = DISAGG_K_STR, .offset = AT(account), .doc = "account"},
	{.key = "default_partition",
		.kind = DISAGG_K_STR,
		.offset = AT(partition),
		.doc = "partition"},
	{.key = "default_time_limit",
		.kind = DISAGG_K_STR,
		.offset = AT(time),
		.doc = "time limit"},
	{.key = "gpus_per_node",
		.kind = DISAGG_K_INT,
		.offset = AT(gpus_per_node),
		.min = 1,
		.max = DISAGG_MAX_GPUS_PER_NODE,
		.doc = "GPUs that a node has"},
	{.key = "network_interface",
		.kind = DISAGG_K_TEXT,
		.offset = AT(network_interface),
		.doc = "interface that the engines talk over"},
	{.key = "use_gpus_per_node_directive",
		.kind = DISAGG_K_TRI,
		.offset = AT(use_gpus_per_node),
		.doc = "see use_gpus_per_node"},
	{.key = "use_segment_sbatch_directive",
		.kind = DISAGG_K_TRI,
		.offset = AT(use_segment),
		.doc = "see use_segment"},
	{.key = "use_exclusive_sbatch_directive",
		.kind = DISAGG_K_TRI,
		.offset = AT(use_exclusive),
		.doc = "see use_exclusive"},
	{.key = "use_het_jobs",
		.kind = DISAGG_K_IGNORE,
		.doc = "one allocation is used whatever this says"},
	{.key = "default_sbatch_directives",
		.kind = DISAGG_K_LOOSEMAP,
		.offset = AT(sbatch),
		.doc = "see sbatch"},
	{.key = "default_health_check",
		.kind = DISAGG_K_STRUCT,
		.sub = &flat_health_table,
		.doc = "see health"},
	{.key = "srtctl_root", .kind = DISAGG_K_IGNORE, .doc = "srtctl's own folder"},
	{.key = "output_dir", .kind = DISAGG_K_TEXT, .offset = AT(log_dir), .doc = "see log_dir"},
	{.key = "model_paths", .kind = DISAGG_K_MAP, .offset = AT(models), .doc = "see models"},
	{.key = "containers",
		.kind = DISAGG_K_MAP,
		.offset = AT(containers),
		.doc = "see containers"},
	{.key = "cloud", .kind = DISAGG_K_IGNORE, .doc = "srtctl's upload of logs"},
	{.key = "default_mounts", .kind = DISAGG_K_MAP, .offset = AT(mounts), .doc = "see mounts"},
	{.key = "default_bash_preamble",
		.kind = DISAGG_K_IGNORE,
		.flags = DISAGG_F_WARN,
		.doc = "shell lines before each step"},
	{.key = "reporting", .kind = DISAGG_K_IGNORE, .doc = "srtctl's status reports"},
	{.key = "telemetry", .kind = DISAGG_K_IGNORE, .doc = "srtctl's power measurement"},
	{.key = "nginx_raise_ulimit",
		.kind = DISAGG_K_TRI,
		.offset = AT(nginx_raise_ulimit),
		.doc = "raise nginx's limit of open files"},
	{.key = NULL},
};
static const struct disagg_table flat_table = {"srtslurm.yaml", flat_rows};

/* The flat form's keys by our names; a key that is not here does not travel. */
static const struct {
	const char *flat;
	const char *ours;
} flat_names[] = {
	{"default_account", "account"},
	{"default_partition", "partition"},
	{"default_time_limit", "time"},
	{"gpus_per_node", "gpus_per_node"},
	{"network_interface", "network_interface"},
	{"use_gpus_per_node_directive", "use_gpus_per_node"},
	{"use_segment_sbatch_directive", "use_segment"},
	{"use_exclusive_sbatch_directive", "use_exclusive"},
	{"default_sbatch_directives", "sbatch"},
	{"output_dir", "log_dir"},
	{"model_paths", "models"},
	{"containers", "containers"},
	{"default_mounts", "mounts"},
	{"nginx_raise_ulimit", "nginx_raise_ulimit"},
};

static int node_put(struct disagg_arena *arena, struct disagg_node *map, const char *key,
	struct disagg_node *value)
{
	return value ? disagg_node_put(arena, map, key, value->at, value) : -1;
}

bool disagg_cluster_is_flat(const struct disagg_node *root)
{
	for (uint32_t i = 0; i < root->count; i++) {
		for (const struct disagg_row *row = flat_rows; row->key; row++) {
			if (strcmp(root->pair[i].key, row->key) == 0)
				return true;
		}
	}
	return false;
}

static struct disagg_node *int_node(
	struct disagg_arena *arena, int64_t value, struct disagg_origin at)
{
	const char *text = disagg_arena_printf(arena, "%lld", (long long)value);

	return text ? disagg_node_scalar(arena, text, false, at) : NULL;
}

static int flat_health(struct disagg_arena *arena, const struct flat *flat,
	const struct disagg_node *root, struct disagg_node *tree)
{
	const struct disagg_node *section = disagg_node_get(root, "default_health_check");
	int64_t interval = flat->interval.set ? flat->interval.v : 10;
	struct disagg_node *health;

	if (!section || disagg_node_is_null(section))
		return 0;
	health = disagg_node_map(arena, section->at);
	if (!health)
		return -1;
	if (flat->attempts.set &&
		node_put(arena, health, "timeout",
			int_node(arena, flat->attempts.v * interval, section->at)))
		return -1;
	if (node_put(arena, health, "interval", int_node(arena, interval, section->at)))
		return -1;
	return node_put(arena, tree, "health", health);
}

static int flat_tree(struct disagg_arena *arena, const struct flat *flat,
	const struct disagg_node *root, struct disagg_node **ret)
{
	struct disagg_node *tree = disagg_node_map(arena, root->at);
	const char *name = flat->cluster.name ? flat->cluster.name : "default";

	if (!tree || node_put(arena, tree, "name", disagg_node_scalar(arena, name, true, root->at)))
		return -1;
	for (size_t i = 0; i < sizeof(flat_names) / sizeof(flat_names[0]); i++) {
		struct disagg_node *value = disagg_node_get(root, flat_names[i].flat);

		if (value && !disagg_node_is_null(value) &&
			node_put(arena, tree, flat_names[i].ours, value))
			return -1;
	}
	*ret = tree;
	return flat_health(arena, flat, root, tree);
}

int disagg_cluster_flat_tree(struct disagg_arena *arena, const struct disagg_node *root,
	const char *name, const struct disagg_node **ret_tree, struct disagg_findings *found)
{
	struct disagg_schema_walk walk = {.arena = arena, .found = found, .prefix = ""};
	struct flat flat = {0};
	struct disagg_node *tree = NULL;
	unsigned errors = found->errors;
	const char *own;

	if (disagg_schema_read(&walk, &flat_table, root, &flat))
		return -1;
	own = flat.cluster.name ? flat.cluster.name : "default";
	if (name && strcmp(name, own) != 0)
		disagg_findings_error(found, &root->at,
			"there is no cluster '%s': expected '%s', the only one of this file", name,
			own);
	if (found->errors != errors)
		return 0;
	if (flat_tree(arena, &flat, root, &tree))
		return -1;
	*ret_tree = tree;
	return 0;
}
