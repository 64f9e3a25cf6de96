/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include "lib/plan/place.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PORT_BASE   20000 /* where a process looks for free ports of its own */
#define PORT_STRIDE 50u
#define PORT_ROOM   640u
#define RPC_PORT    8400

/* ---- how the ranks of a worker find each other ---- */

enum layout {
	ONE_NODE,
	MULTI_NODE,    /* one engine over several nodes */
	DP_PER_NODE,   /* a process a node with whole ranks */
	DP_OVER_NODES, /* a rank spans nodes */
	DP_PER_GPU,
};

static enum layout layout_of(const struct disagg_cmd *cmd)
{
	bool whole = disagg_role_dp_rank_gpus(cmd->role, cmd->plan->gpus_per_node) != 0;

	if (cmd->role->dp_layout == DISAGG_DP_PER_GPU)
		return DP_PER_GPU;
	if (cmd->role->dp_layout == DISAGG_DP_PER_NODE)
		return whole ? DP_PER_NODE : cmd->nodes > 1 ? DP_OVER_NODES : ONE_NODE;
	return cmd->nodes > 1 ? MULTI_NODE : ONE_NODE;
}

static void put_nodes(struct disagg_cmd *cmd)
{
	disagg_cmd_flag(cmd, "--master-addr", "%s", disagg_cmd_ip(cmd, cmd->leader->node));
	/* vLLM's default is one port for all: two workers of a node would meet */
	if (disagg_cmd_port(cmd, DISAGG_PORT_DIST) > 0)
		disagg_cmd_own(cmd, "--master-port", "%d", disagg_cmd_port(cmd, DISAGG_PORT_DIST));
	disagg_cmd_flag(cmd, "--nnodes", "%u", (unsigned)cmd->nodes);
	disagg_cmd_flag(cmd, "--node-rank", "%u", (unsigned)cmd->node_rank);
}

/* The plan's port; where a rank spans nodes, the file's or the usual one. */
static void put_dp_address(struct disagg_cmd *cmd)
{
	int port = disagg_cmd_port(cmd, DISAGG_PORT_RPC);
	int64_t given;
	bool pinned;

	if (port <= 0) {
		port = RPC_PORT + cmd->site->port_offset;
		pinned = disagg_arg_int(
				 cmd->role->args, "data-parallel-rpc-port", 1, 65535, &given) == 0;
		if (pinned)
			port = (int)given;
		disagg_cmd_listens(cmd, port, pinned);
	}
	disagg_cmd_flag(
		cmd, "--data-parallel-address", "%s", disagg_cmd_ip(cmd, cmd->leader->node));
	disagg_cmd_flag(cmd, "--data-parallel-rpc-port", "%d", port);
}

static void put_local_ranks(struct disagg_cmd *cmd)
{
	uint32_t gpus = disagg_role_dp_rank_gpus(cmd->role, cmd->plan->gpus_per_node);

	disagg_cmd_flag(cmd, "--data-parallel-size-local", "%u", cmd->process->gpu_count / gpus);
	disagg_cmd_flag(cmd, "--data-parallel-start-rank", "%u", (unsigned)cmd->rank);
	put_dp_address(cmd);
	/* each node's process registers with the frontend */
	disagg_cmd_put(cmd, "--data-parallel-hybrid-lb");
}

static void put_headless(struct disagg_cmd *cmd)
{
	if (cmd->node_rank)
		disagg_cmd_put(cmd, "--headless");
}

static void put_layout(struct disagg_cmd *cmd, enum layout layout)
{
	switch (layout) {
	case ONE_NODE:
		return;
	case MULTI_NODE:
		put_nodes(cmd);
		put_headless(cmd);
		return;
	case DP_PER_NODE:
		put_local_ranks(cmd);
		return;
	case DP_OVER_NODES:
		put_nodes(cmd);
		put_dp_address(cmd);
		put_headless(cmd);
		return;
	case DP_PER_GPU:
		disagg_cmd_flag(cmd, "--data-parallel-rank", "%u", (unsigned)cmd->rank);
		put_dp_address(cmd);
		return;
	}
}

/* What put_layout says in the file's place. */
static const char *const *owned_by(const struct disagg_cmd *cmd, enum layout layout)
{
	static const char *const plain[] = {"connector", NULL};
	static const char *const nodes[] = {
		"connector", "master-addr", "nnodes", "node-rank", "headless", NULL};
	static const char *const ranks[] = {"connector", "data-parallel-rpc-port",
		"data-parallel-size-local", "data-parallel-start-rank", "data-parallel-hybrid-lb",
		"data-parallel-address", "data-parallel-rank", "master-addr", "nnodes", "node-rank",
		"headless", NULL};
	static const char *const rank[] = {"connector", "data-parallel-rank",
		"data-parallel-address", "data-parallel-rpc-port", NULL};
	static const char *const serve[] = {"connector", "headless", "host", "port", "master-addr",
		"nnodes", "node-rank", NULL};
	static const char *const follow[] = {"connector", "headless", "host", "port", "master-addr",
		"nnodes", "node-rank", "api-server-count", NULL};

	if (!cmd->dynamo)
		return cmd->node_rank ? follow : serve;
	if (layout == ONE_NODE)
		return plain;
	if (layout == DP_PER_GPU)
		return rank;
	return layout == MULTI_NODE ? nodes : ranks;
}

/* ---- KV transfer ---- */

/* A connector's short name as vLLM's own JSON; anything else is JSON already. */
static const char *connector_json(const char *name)
{
	static const struct {
		const char *name, *json;
	} known[] = {
		{"nixl", "{\"kv_connector\": \"NixlConnector\", \"kv_role\": \"kv_both\"}"},
		{"lmcache", "{\"kv_connector\": \"LMCacheConnectorV1\", \"kv_role\": \"kv_both\"}"},
		{"kvbm", "{\"kv_connector\": \"DynamoConnector\", \"kv_connector_module_path\": "
			 "\"kvbm.vllm_integration.connector\", \"kv_role\": \"kv_both\"}"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcasecmp(known[i].name, name) == 0)
			return known[i].json;
	}
	return name;
}

/* The role's word, else the file's.  `connector: null` is srtctl's way to say
 * none; a file that says nothing means nixl. */
static const char *connector_of(struct disagg_cmd *cmd)
{
	const struct disagg_node *own = disagg_arg_get(cmd->role->args, "connector");
	const struct disagg_node *backend = disagg_cmd_section(cmd, "backend");
	const struct disagg_node *all = disagg_node_get(backend, "connector");

	if (own && !disagg_node_is_null(own))
		return disagg_cmd_text(cmd, own);
	if (all)
		return disagg_node_is_null(all) ? NULL : disagg_cmd_text(cmd, all);
	return cmd->job->dialect == DISAGG_SRTCTL || disagg_cmd_is_half(cmd) ? "nixl" : NULL;
}

static void put_connector(struct disagg_cmd *cmd)
{
	const char *connector = connector_of(cmd);

	if (connector && connector[0] && strcmp(connector, "none") != 0 &&
		strcmp(connector, "null") != 0)
		disagg_cmd_own(cmd, "--kv-transfer-config", "%s", connector_json(connector));
}

/* ---- the process ---- */

/* CUDA_VISIBLE_DEVICES has the process's own GPUs alone: they count from 0. */
static void put_devices(struct disagg_cmd *cmd)
{
	struct disagg_strbuf list;

	if (disagg_cmd_setting_on(cmd, "backend.set_cuda_visible_devices", false) ||
		cmd->job->dialect != DISAGG_SRTCTL || !cmd->process->gpu_count)
		return;
	disagg_strbuf_init(&list, 16 * DISAGG_MAX_GPUS_PER_NODE);
	for (unsigned i = 0; i < cmd->process->gpu_count; i++)
		disagg_strbuf_printf(&list, "%s%u", i ? "," : "", i);
	if (list.failed)
		cmd->failed = true;
	disagg_cmd_own(cmd, "--device-ids", "%s", list.text);
	disagg_strbuf_release(&list);
}

/* nsys by steps: vLLM's own switch begins and ends what is recorded. */
static void put_profiler(struct disagg_cmd *cmd)
{
	const char *mode = disagg_cmd_mode(cmd);
	bool agg = strcmp(mode, "agg") == 0;
	int64_t start, stop;
	char key[2][64];

	snprintf(key[0], sizeof(key[0]), "profiling.%s.start_step", agg ? "aggregated" : mode);
	snprintf(key[1], sizeof(key[1]), "profiling.%s.stop_step", agg ? "aggregated" : mode);
	start = disagg_cmd_setting_int(cmd, key[0]);
	stop = disagg_cmd_setting_int(cmd, key[1]);
	if (start < 0 || stop < 0 || !disagg_cmd_setting_is(cmd, "profiling.type", "nsys"))
		return;
	disagg_cmd_own(cmd, "--profiler-config",
		"{\"profiler\": \"cuda\", \"delay_iterations\": %lld, \"max_iterations\": %lld}",
		(long long)start, (long long)(stop > start ? stop - start : 0));
}

static void put_port_base(struct disagg_cmd *cmd)
{
	int port = PORT_BASE + (int)(PORT_STRIDE * (disagg_cmd_ordinal(cmd) % PORT_ROOM)) +
		   cmd->site->port_offset;

	disagg_cmd_listens(cmd, port, false);
	disagg_cmd_envf(cmd, "VLLM_PORT", "%d", port);
}

static void process_env(struct disagg_cmd *cmd)
{
	int kv = disagg_cmd_port(cmd, DISAGG_PORT_KV_EVENTS);
	int nixl = disagg_cmd_port(cmd, DISAGG_PORT_NIXL);

	if (kv > 0)
		disagg_cmd_envf(cmd, "DYN_VLLM_KV_EVENT_PORT", "%d", kv);
	if (nixl > 0) {
		disagg_cmd_envf(cmd, "VLLM_NIXL_SIDE_CHANNEL_PORT", "%d", nixl);
		disagg_cmd_envf(cmd, "VLLM_NIXL_SIDE_CHANNEL_HOST", "%s",
			disagg_cmd_ip(cmd, cmd->process->node));
	}
	/* ranks on several nodes would race for one number: vLLM chooses then */
	if (cmd->nodes > 1)
		disagg_cmd_env(cmd, "VLLM_PORT", NULL);
	else
		put_port_base(cmd);
}

static void put_dynamo(struct disagg_cmd *cmd, enum layout layout)
{
	static const char *const program[] = {"python3", "-m", "dynamo.vllm", NULL};

	disagg_cmd_put_all(cmd, program);
	disagg_cmd_own(cmd, "--model", "%s", disagg_cmd_model(cmd));
	if (cmd->job->served_name)
		disagg_cmd_own(cmd, "--served-model-name", "%s", cmd->job->served_name);
	if (disagg_cmd_is_half(cmd))
		disagg_cmd_own(cmd, "--disaggregation-mode", "%s", disagg_cmd_mode(cmd));
	put_connector(cmd);
	put_devices(cmd);
	put_layout(cmd, layout);
	disagg_cmd_dynamo_flags(cmd);
	disagg_cmd_kv_events(cmd, "enable_kv_cache_events");
}

/* vLLM's own server: the public port where it is the frontend as well. */
static void put_serve(struct disagg_cmd *cmd, enum layout layout)
{
	const struct disagg_service *direct = disagg_cmd_direct(cmd);
	int port = direct ? disagg_cmd_service_port(cmd, direct)
			  : disagg_cmd_port(cmd, DISAGG_PORT_HTTP);

	disagg_cmd_put(cmd, "vllm");
	disagg_cmd_put(cmd, "serve");
	disagg_cmd_put(cmd, disagg_cmd_model(cmd));
	if (!cmd->node_rank) {
		disagg_cmd_flag(cmd, "--host", "0.0.0.0");
		disagg_cmd_flag(cmd, "--port", "%d", port);
	}
	if (cmd->job->served_name)
		disagg_cmd_own(cmd, "--served-model-name", "%s", cmd->job->served_name);
	if (!direct) {
		put_connector(cmd);
		disagg_cmd_kv_events(cmd, "enable_kv_cache_events");
	}
	put_devices(cmd);
	put_layout(cmd, layout);
}

int disagg_engine_vllm(struct disagg_cmd *cmd)
{
	enum layout layout = layout_of(cmd);

	if (disagg_cmd_need_model(cmd))
		return -1;
	disagg_cmd_profile_prefix(cmd);
	if (cmd->dynamo)
		put_dynamo(cmd, layout);
	else
		put_serve(cmd, layout);
	put_profiler(cmd);
	disagg_cmd_flags(cmd, cmd->role->args, owned_by(cmd, layout), DISAGG_FLAG_DASHES);
	disagg_cmd_dynamo_env(cmd);
	disagg_cmd_profile_env(cmd);
	process_env(cmd);
	disagg_cmd_mooncake_env(cmd);
	return 0;
}

/* The only worker listens on this service's port: there is nothing to start. */
int disagg_engine_vllm_server(struct disagg_cmd *cmd)
{
	cmd->out->argc = 0;
	return 0;
}
