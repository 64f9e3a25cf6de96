/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/job.h"
#include "lib/base/num.h"
#include "lib/base/strbuf.h"
#include "lib/conf/cluster.h"
#include <string.h>

const char *const disagg_engine_names[DISAGG_E_COUNT + 1] = {
	[DISAGG_E_COMMAND] = "command",
	[DISAGG_E_SGLANG] = "sglang",
	[DISAGG_E_TRTLLM] = "trtllm",
	[DISAGG_E_VLLM] = "vllm",
	[DISAGG_E_MOCKER] = "mocker",
	[DISAGG_E_SGLANG_ROUTER] = "sglang_router",
	[DISAGG_E_TRTLLM_SERVER] = "trtllm_server",
	[DISAGG_E_DYNAMO_FRONTEND] = "dynamo_frontend",
	[DISAGG_E_VLLM_SERVER] = "vllm_server",
	[DISAGG_E_NGINX] = "nginx",
	[DISAGG_E_ETCD] = "etcd",
	[DISAGG_E_NATS] = "nats",
	[DISAGG_E_MOONCAKE_MASTER] = "mooncake_master",
	[DISAGG_E_BENCHMARK] = "benchmark",
};

const char *const disagg_role_kind_names[] = {
	[DISAGG_PREFILL] = "prefill",
	[DISAGG_DECODE] = "decode",
	[DISAGG_AGG] = "agg",
	[DISAGG_FRONTEND] = "frontend",
	[DISAGG_INFRA] = "infra",
	[DISAGG_BENCHMARK] = "benchmark",
	[DISAGG_OTHER] = "other",
	NULL,
};

const char *const disagg_dialect_names[] = {
	[DISAGG_NATIVE] = "native",
	[DISAGG_TRTLLM] = "trtllm",
	[DISAGG_SRTCTL] = "srtctl",
	NULL,
};

const char *const disagg_binding_names[] = {
	[DISAGG_BIND_AUTO] = "auto",
	[DISAGG_BIND_CPU] = "cpu",
	[DISAGG_BIND_NIC] = "nic",
	[DISAGG_BIND_NONE] = "none",
	NULL,
};

const char *const disagg_port_names[DISAGG_PORT_COUNT + 1] = {
	[DISAGG_PORT_SYSTEM] = "system",
	[DISAGG_PORT_HTTP] = "http",
	[DISAGG_PORT_BOOTSTRAP] = "bootstrap",
	[DISAGG_PORT_KV_EVENTS] = "kv_events",
	[DISAGG_PORT_NIXL] = "nixl",
	[DISAGG_PORT_RPC] = "rpc",
	[DISAGG_PORT_DIST] = "dist",
};

const char *const disagg_bench_clients[] = {
	[DISAGG_CLIENT_AUTO] = "auto",
	[DISAGG_CLIENT_OWN] = "own",
	[DISAGG_CLIENT_DISAGG] = "disagg",
	NULL,
};

struct disagg_role *disagg_job_add_role(struct disagg_import *import, const char *name,
	enum disagg_role_kind kind, enum disagg_engine engine)
{
	struct disagg_job *job = import->job;
	struct disagg_role *role;

	/* all at once, so that a role's address holds while others are added */
	if (!job->role)
		job->role = disagg_arena_array(import->arena, DISAGG_MAX_ROLES, sizeof(*role));
	if (!job->role)
		return NULL;
	if (job->role_count == DISAGG_MAX_ROLES) {
		disagg_findings_error(import->found, &import->tree->at,
			"too many roles: at most %u are allowed", DISAGG_MAX_ROLES);
		return NULL;
	}
	role = &job->role[job->role_count];
	role->name = disagg_arena_strdup(import->arena, name);
	if (!role->name)
		return NULL;
	role->kind = kind;
	role->engine = engine;
	role->at = import->tree->at;
	role->workers = 1;
	role->port = -1;
	for (unsigned i = 0; i < DISAGG_PORT_COUNT; i++)
		role->pin[i] = -1;
	role->critical = true;
	if (import->cluster)
		role->binding = (enum disagg_binding)import->cluster->binding;
	job->role_count++;
	return role;
}

static struct disagg_kv *map_slot(const struct disagg_map *map, const char *key)
{
	for (unsigned i = 0; i < map->count; i++) {
		if (strcmp(map->v[i].key, key) == 0)
			return &map->v[i];
	}
	return NULL;
}

int disagg_map_merge(
	struct disagg_arena *arena, struct disagg_map *map, const struct disagg_map *over)
{
	struct disagg_map merged;

	if (!over->count)
		return 0;
	/* a copy: the layers below may still be shared with other roles */
	merged.count = map->count;
	merged.v = disagg_arena_grow(
		arena, map->v, map->count, map->count + over->count, sizeof(*merged.v));
	if (!merged.v)
		return -1;
	for (unsigned i = 0; i < over->count; i++) {
		struct disagg_kv *slot = map_slot(&merged, over->v[i].key);

		if (!slot)
			slot = &merged.v[merged.count++];
		*slot = over->v[i];
	}
	*map = merged;
	return 0;
}

int disagg_map_set(struct disagg_arena *arena, struct disagg_map *map, const char *key,
	const char *value, struct disagg_origin at)
{
	struct disagg_kv one = {.at = at};

	one.key = disagg_arena_strdup(arena, key);
	one.value = disagg_arena_strdup(arena, value ? value : "");
	if (!one.key || !one.value)
		return -1;
	return disagg_map_merge(arena, map, &(struct disagg_map){&one, 1});
}

const char *disagg_map_get(const struct disagg_map *map, const char *key)
{
	const struct disagg_kv *slot = map_slot(map, key);

	return slot ? slot->value : NULL;
}

/* Which of two words for one option counts; *ret_new says the later one. */
static void directive_settle(struct disagg_import *import, const struct disagg_directive *have,
	const struct disagg_directive *want, bool *ret_new)
{
	char where[320];
	struct disagg_err err = DISAGG_ERR_INIT;

	*ret_new = false;
	if (strcmp(have->value, want->value) == 0 || disagg_text_is_placeholder(want->value))
		return;
	if (disagg_text_is_placeholder(have->value) || have->from_cluster) {
		*ret_new = true;
		return;
	}
	if (want->from_cluster)
		return;
	disagg_err_at(&err, DISAGG_CONFIG, have->at.source, have->at.line, have->at.col, "'%s'",
		have->value);
	disagg_err_format(&err, where, sizeof(where));
	disagg_findings_error(import->found, &want->at,
		"'%s' is '%s' here, but another line of the file has another value (%s): "
		"remove one",
		want->option, want->value, where);
}

int disagg_job_directive(struct disagg_import *import, const char *option, const char *value,
	struct disagg_origin at, bool from_cluster)
{
	struct disagg_job *job = import->job;
	struct disagg_directive want = {.at = at, .from_cluster = from_cluster};
	struct disagg_directive *grown;

	want.option = disagg_arena_strdup(import->arena, option);
	want.value = disagg_arena_strdup(import->arena, value ? value : "");
	if (!want.option || !want.value)
		return -1;
	for (unsigned i = 0; i < job->directive_count; i++) {
		bool later;

		if (strcmp(job->directive[i].option, option) != 0)
			continue;
		directive_settle(import, &job->directive[i], &want, &later);
		if (later)
			job->directive[i] = want;
		return 0;
	}
	grown = disagg_arena_grow(import->arena, job->directive, job->directive_count,
		(size_t)job->directive_count + 1, sizeof(*grown));
	if (!grown)
		return -1;
	grown[job->directive_count++] = want;
	job->directive = grown;
	return 0;
}

static int settings_leaf(
	struct disagg_import *import, const char *path, const struct disagg_node *node)
{
	struct disagg_strbuf json;
	int result = -1;

	if (disagg_node_is_null(node))
		return 0;
	if (node->kind == DISAGG_SCALAR)
		return disagg_map_set(
			import->arena, &import->job->settings, path, node->text, node->at);
	disagg_strbuf_init(&json, DISAGG_MAX_YAML_BYTES);
	disagg_node_json(node, &json);
	if (!json.failed)
		result = disagg_map_set(
			import->arena, &import->job->settings, path, json.text, node->at);
	disagg_strbuf_release(&json);
	return result;
}

/* The parser bounds the depth of a tree, and so this one's. */
int disagg_job_settings(
	struct disagg_import *import, const char *prefix, const struct disagg_node *tree)
{
	if (!tree)
		return 0;
	if (tree->kind != DISAGG_MAP)
		return settings_leaf(import, prefix, tree);
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct disagg_pair *pair = &tree->pair[i];
		const char *path = disagg_arena_printf(
			import->arena, "%s%s%s", prefix, prefix[0] ? "." : "", pair->key);

		if (!path || disagg_job_settings(import, path, pair->value))
			return -1;
	}
	return 0;
}

const struct disagg_role *disagg_job_role(const struct disagg_job *job, const char *name)
{
	for (unsigned i = 0; i < job->role_count; i++) {
		if (strcmp(job->role[i].name, name) == 0)
			return &job->role[i];
	}
	return NULL;
}

static bool flag_equal(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b))
			return false;
	}
	return *a == *b;
}

const struct disagg_node *disagg_arg_get(const struct disagg_node *args, const char *flag)
{
	if (!args || args->kind != DISAGG_MAP)
		return NULL;
	for (uint32_t i = 0; i < args->count; i++) {
		if (flag_equal(args->pair[i].key, flag))
			return args->pair[i].value;
	}
	return NULL;
}

int disagg_arg_int(
	const struct disagg_node *args, const char *flag, int64_t min, int64_t max, int64_t *ret)
{
	const struct disagg_node *node = disagg_arg_get(args, flag);

	if (!node || node->kind != DISAGG_SCALAR)
		return -1;
	return disagg_num_int(node->text, min, max, ret);
}
