/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/cluster_flat.h"
#include "lib/conf/job.h"
#include <fnmatch.h>
#include <string.h>

#define AT(field) offsetof(struct disagg_cluster, field)

static const char *const gpus_names[] = {"managed", "unmanaged", NULL};

static const struct disagg_row health_rows[] = {
	{.key = "timeout",
		.kind = DISAGG_K_DURATION,
		.offset = AT(health_timeout),
		.min = 1,
		.max = 604800,
		.doc = "how long a deployment may take to become ready"},
	{.key = "interval",
		.kind = DISAGG_K_DURATION,
		.offset = AT(health_interval),
		.min = 1,
		.max = 86400,
		.doc = "time between two looks at an endpoint"},
	{.key = NULL},
};
static const struct disagg_table health_table = {"health", health_rows};

static const struct disagg_row cluster_rows[] = {
	{.key = "name",
		.kind = DISAGG_K_TEXT,
		.offset = AT(name),
		.doc = "the cluster's name, as it travels with a job; a file has it as the key"},
	{.key = "account",
		.kind = DISAGG_K_STR,
		.offset = AT(account),
		.doc = "account, where the job file names none"},
	{.key = "partition",
		.kind = DISAGG_K_STR,
		.offset = AT(partition),
		.doc = "partition, where the job file names none"},
	{.key = "qos", .kind = DISAGG_K_STR, .offset = AT(qos), .doc = "quality of service"},
	{.key = "reservation",
		.kind = DISAGG_K_STR,
		.offset = AT(reservation),
		.doc = "reservation"},
	{.key = "time",
		.kind = DISAGG_K_STR,
		.offset = AT(time),
		.doc = "time limit, as sbatch --time reads it"},
	{.key = "constraint",
		.kind = DISAGG_K_STR,
		.offset = AT(constraint),
		.doc = "node features to ask for"},
	{.key = "gpus_per_node",
		.kind = DISAGG_K_INT,
		.offset = AT(gpus_per_node),
		.min = 1,
		.max = DISAGG_MAX_GPUS_PER_NODE,
		.doc = "GPUs that a node has"},
	{.key = "cpus_per_gpu",
		.kind = DISAGG_K_INT,
		.offset = AT(cpus_per_gpu),
		.min = 1,
		.max = 1024,
		.doc = "CPUs to ask for with each GPU when nodes are shared"},
	{.key = "gpus",
		.kind = DISAGG_K_ENUM,
		.offset = AT(gpus),
		.names = gpus_names,
		.doc = "unmanaged: Slurm has no GPU gres here, a job gets whole nodes"},
	{.key = "binding",
		.kind = DISAGG_K_ENUM,
		.offset = AT(binding),
		.names = disagg_binding_names,
		.doc = "what workers are bound to; weaker than a role's binding"},
	{.key = "network_interface",
		.kind = DISAGG_K_TEXT,
		.offset = AT(network_interface),
		.doc = "interface that the engines talk over"},
	{.key = "use_gpus_per_node",
		.kind = DISAGG_K_TRI,
		.offset = AT(use_gpus_per_node),
		.doc = "false: the cluster refuses --gpus-per-node; the same as gpus: unmanaged"},
	{.key = "use_segment",
		.kind = DISAGG_K_TRI,
		.offset = AT(use_segment),
		.doc = "whether to ask for --segment; false: never, whatever a job file says"},
	{.key = "use_exclusive",
		.kind = DISAGG_K_TRI,
		.offset = AT(use_exclusive),
		.doc = "true: always ask for --exclusive"},
	{.key = "nginx_raise_ulimit",
		.kind = DISAGG_K_TRI,
		.offset = AT(nginx_raise_ulimit),
		.doc = "raise nginx's limit of open files"},
	{.key = "models",
		.kind = DISAGG_K_MAP,
		.offset = AT(models),
		.doc = "short names of model paths"},
	{.key = "containers",
		.kind = DISAGG_K_MAP,
		.offset = AT(containers),
		.doc = "short names of container images"},
	{.key = "mounts",
		.kind = DISAGG_K_MAP,
		.offset = AT(mounts),
		.doc = "host path: container path, for every container"},
	{.key = "sbatch",
		.kind = DISAGG_K_LOOSEMAP,
		.offset = AT(sbatch),
		.doc = "options for sbatch, weaker than the job file's"},
	{.key = "env",
		.kind = DISAGG_K_LOOSEMAP,
		.offset = AT(env),
		.doc = "environment of every role, weaker than the job file's"},
	{.key = "health",
		.kind = DISAGG_K_STRUCT,
		.offset = 0,
		.sub = &health_table,
		.doc = "limits of the wait for readiness"},
	{.key = "log_dir",
		.kind = DISAGG_K_TEXT,
		.offset = AT(log_dir),
		.doc = "folder of the run directories"},
	{.key = "probes",
		.kind = DISAGG_K_STRUCT,
		.offset = AT(probing),
		.sub = &disagg_probing_table,
		.doc = "probes of every job, weaker than the job file's"},
	{.key = NULL},
};
static const struct disagg_table cluster_table = {"cluster", cluster_rows};

struct cluster_file {
	const char *dflt;
	const struct disagg_node *clusters;
	const struct disagg_node *env;
};

static const struct disagg_row file_rows[] = {
	{.key = "default",
		.kind = DISAGG_K_TEXT,
		.offset = offsetof(struct cluster_file, dflt),
		.doc = "the cluster to take where none is named"},
	{.key = "clusters",
		.kind = DISAGG_K_NODE,
		.flags = DISAGG_F_REQUIRED,
		.offset = offsetof(struct cluster_file, clusters),
		.doc = "clusters by name"},
	{.key = "env",
		.kind = DISAGG_K_NODE,
		.offset = offsetof(struct cluster_file, env),
		.doc = "environment by the cluster's name: a list of {match: GLOB, set: {K: V}}"},
	{.key = NULL},
};
static const struct disagg_table file_table = {"cluster file", file_rows};

struct env_rule {
	const char *match;
	struct disagg_map set;
};

static const struct disagg_row env_rows[] = {
	{.key = "match",
		.kind = DISAGG_K_TEXT,
		.flags = DISAGG_F_REQUIRED | DISAGG_F_NOEMPTY,
		.offset = offsetof(struct env_rule, match),
		.doc = "glob of the cluster's name"},
	{.key = "set",
		.kind = DISAGG_K_LOOSEMAP,
		.flags = DISAGG_F_REQUIRED,
		.offset = offsetof(struct env_rule, set),
		.doc = "variables and their values"},
	{.key = NULL},
};
static const struct disagg_table env_table = {"env rule", env_rows};

struct reading {
	struct disagg_arena *arena;
	struct disagg_findings *found;
};

static int table_read(const struct reading *rd, const struct disagg_table *table,
	const char *prefix, const struct disagg_node *map, void *ret)
{
	struct disagg_schema_walk walk = {.arena = rd->arena, .found = rd->found, .prefix = prefix};

	return disagg_schema_read(&walk, table, map, ret);
}

static bool is_map(const struct reading *rd, const struct disagg_node *node, const char *what)
{
	if (node && node->kind == DISAGG_MAP)
		return true;
	if (node)
		disagg_findings_error(rd->found, &node->at, "%s: expected a map, got %s", what,
			disagg_node_type_name(node));
	return false;
}

static int node_put(const struct reading *rd, struct disagg_node *map, const char *key,
	struct disagg_node *value)
{
	return value ? disagg_node_put(rd->arena, map, key, value->at, value) : -1;
}

static int env_put_all(
	const struct reading *rd, struct disagg_node *env, const struct disagg_map *set)
{
	for (unsigned i = 0; i < set->count; i++) {
		struct disagg_node *value =
			disagg_node_scalar(rd->arena, set->v[i].value, true, set->v[i].at);

		if (node_put(rd, env, set->v[i].key, value))
			return -1;
	}
	return 0;
}

/* The rules of `env:` whose glob fits `name`, into `env`; all are checked. */
static int env_rules(const struct reading *rd, const struct disagg_node *rules, const char *name,
	struct disagg_node *env)
{
	if (!rules || disagg_node_is_null(rules))
		return 0;
	if (rules->kind != DISAGG_SEQ) {
		disagg_findings_error(rd->found, &rules->at,
			"env: expected a list of {match: GLOB, set: {NAME: VALUE}}, got %s",
			disagg_node_type_name(rules));
		return 0;
	}
	for (uint32_t i = 0; i < rules->count; i++) {
		struct env_rule rule = {0};

		if (!is_map(rd, rules->item[i], "env rule"))
			continue;
		if (table_read(rd, &env_table, "env", rules->item[i], &rule))
			return -1;
		if (!name || !rule.match || fnmatch(rule.match, name, 0) != 0)
			continue;
		if (env_put_all(rd, env, &rule.set))
			return -1;
	}
	return 0;
}

/* "a, b, c" of the clusters there are. */
static const char *names_list(const struct reading *rd, const struct disagg_node *clusters)
{
	const char *list = "";

	for (uint32_t i = 0; list && i < clusters->count && i < 20; i++)
		list = disagg_arena_printf(
			rd->arena, "%s%s'%s'", list, i ? ", " : "", clusters->pair[i].key);
	return list;
}

static int unknown_cluster(const struct reading *rd, const struct disagg_origin *at,
	const char *name, const struct disagg_node *clusters)
{
	const char *list = names_list(rd, clusters);

	if (!list)
		return -1;
	disagg_findings_error(
		rd->found, at, "there is no cluster '%s': expected one of %s", name, list);
	return 0;
}

/* By name, by default, or the only one; NULL where none is meant. */
static int pick(const struct reading *rd, const struct cluster_file *file,
	const struct disagg_node *root, const char *name, const struct disagg_pair **ret)
{
	const struct disagg_node *clusters = file->clusters;
	const struct disagg_node *dflt = disagg_node_get(root, "default");
	const char *want = name ? name : file->dflt;

	if (!want && clusters->count == 1) {
		*ret = &clusters->pair[0];
		return 0;
	}
	if (!want) {
		disagg_findings_warn(rd->found, &clusters->at,
			"no cluster is chosen: there are %u and no 'default'",
			(unsigned)clusters->count);
		return 0;
	}
	for (uint32_t i = 0; i < clusters->count; i++) {
		if (strcmp(clusters->pair[i].key, want) == 0) {
			*ret = &clusters->pair[i];
			return 0;
		}
	}
	return unknown_cluster(rd, name || !dflt ? &clusters->at : &dflt->at, want, clusters);
}

/* What travels: the cluster's own keys, its name, and its whole environment. */
static struct disagg_node *carried_tree(const struct reading *rd, const char *name,
	const struct disagg_node *map, struct disagg_node *env)
{
	struct disagg_node *tree = disagg_node_map(rd->arena, map->at);
	struct disagg_map own = {0};

	if (!tree || node_put(rd, tree, "name", disagg_node_scalar(rd->arena, name, true, map->at)))
		return NULL;
	for (uint32_t i = 0; i < map->count; i++) {
		const struct disagg_pair *pair = &map->pair[i];

		if (strcmp(pair->key, "env") == 0 || strcmp(pair->key, "name") == 0 ||
			strncmp(pair->key, "x-", 2) == 0 || disagg_node_is_null(pair->value))
			continue;
		if (node_put(rd, tree, pair->key, pair->value))
			return NULL;
	}
	if (disagg_node_get(map, "env")) {
		struct disagg_cluster scratch = {0};

		/* the text of each value, as the table reads it */
		if (table_read(rd, &cluster_table, name, map, &scratch))
			return NULL;
		own = scratch.env;
	}
	if (env_put_all(rd, env, &own) || (env->count && node_put(rd, tree, "env", env)))
		return NULL;
	return tree;
}

int disagg_cluster_read_carried(struct disagg_arena *arena, const struct disagg_node *tree,
	struct disagg_cluster **ret_cluster, struct disagg_findings *found)
{
	struct reading rd = {arena, found};
	struct disagg_cluster *cluster = disagg_arena_alloc(arena, sizeof(*cluster));

	if (!cluster)
		return -1;
	if (!is_map(&rd, tree, "cluster"))
		return 0;
	if (table_read(&rd, &cluster_table, "cluster", tree, cluster))
		return -1;
	cluster->tree = tree;
	*ret_cluster = cluster;
	return 0;
}

/* Every cluster of a file is checked, so that a mistake shows at once and not
 * on the day that its cluster is first used. */
static int check_clusters(const struct reading *rd, const struct disagg_node *clusters)
{
	for (uint32_t i = 0; i < clusters->count; i++) {
		const struct disagg_pair *pair = &clusters->pair[i];
		const struct disagg_node *own_name = disagg_node_get(pair->value, "name");
		const char *prefix = disagg_arena_printf(rd->arena, "clusters.%s", pair->key);
		struct disagg_cluster scratch = {0};

		if (!prefix)
			return -1;
		if (!is_map(rd, pair->value, prefix))
			continue;
		if (own_name)
			disagg_findings_error(rd->found, &own_name->at,
				"%s.name: unknown key: a cluster's name is the key '%s' above it",
				prefix, pair->key);
		if (table_read(rd, &cluster_table, prefix, pair->value, &scratch))
			return -1;
	}
	return 0;
}

static int read_named(const struct reading *rd, const struct disagg_node *root, const char *name,
	struct disagg_cluster **ret_cluster)
{
	struct cluster_file file = {0};
	const struct disagg_pair *chosen = NULL;
	struct disagg_node *env = disagg_node_map(rd->arena, root->at);
	struct disagg_node *tree;
	unsigned errors = rd->found->errors;

	if (!env || table_read(rd, &file_table, "", root, &file))
		return -1;
	if (!is_map(rd, file.clusters, "clusters"))
		return 0;
	if (check_clusters(rd, file.clusters) || pick(rd, &file, root, name, &chosen) ||
		env_rules(rd, file.env, chosen ? chosen->key : NULL, env))
		return -1;
	if (!chosen || rd->found->errors != errors)
		return 0;
	tree = carried_tree(rd, chosen->key, chosen->value, env);
	if (!tree)
		return -1;
	return disagg_cluster_read_carried(rd->arena, tree, ret_cluster, rd->found);
}

static int read_flat(const struct reading *rd, const struct disagg_node *root, const char *name,
	struct disagg_cluster **ret_cluster)
{
	const struct disagg_node *tree = NULL;

	if (disagg_cluster_flat_tree(rd->arena, root, name, &tree, rd->found))
		return -1;
	return tree ? disagg_cluster_read_carried(rd->arena, tree, ret_cluster, rd->found) : 0;
}

int disagg_cluster_read(struct disagg_arena *arena, const struct disagg_node *root,
	const char *name, struct disagg_cluster **ret_cluster, struct disagg_findings *found)
{
	struct reading rd = {arena, found};

	*ret_cluster = NULL;
	if (!is_map(&rd, root, "cluster file"))
		return 0;
	if (!disagg_node_get(root, "clusters") && disagg_cluster_is_flat(root))
		return read_flat(&rd, root, name, ret_cluster);
	return read_named(&rd, root, name, ret_cluster);
}

static const char *alias(const struct disagg_map *map, const char *name)
{
	for (unsigned i = 0; name && i < map->count; i++) {
		if (strcmp(map->v[i].key, name) == 0)
			return map->v[i].value;
	}
	return name;
}

const char *disagg_cluster_model(const struct disagg_cluster *cluster, const char *name)
{
	return cluster ? alias(&cluster->models, name) : name;
}

const char *disagg_cluster_container(const struct disagg_cluster *cluster, const char *name)
{
	return cluster ? alias(&cluster->containers, name) : name;
}
