/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include <string.h>
#include <strings.h>

/* The push handler's info lines, one a request, would drown all others. */
#define WORKER_LOG "info,dynamo_runtime::pipeline::network::ingress::push_handler=warn"
#define KVBM_PORT  5600
#define KV_PORT	   5200

static const char *request_plane(const struct disagg_cmd *cmd)
{
	const char *plane = disagg_cmd_setting(cmd, "dynamo.request_plane");

	return plane ? plane : "tcp";
}

/* Where Dynamo's processes find each other. */
static void discovery_env(struct disagg_cmd *cmd)
{
	const struct disagg_service *etcd = disagg_cmd_service(cmd, DISAGG_E_ETCD);
	const struct disagg_service *nats = disagg_cmd_service(cmd, DISAGG_E_NATS);

	if (etcd)
		disagg_cmd_env_default(cmd, "ETCD_ENDPOINTS", "http://%s:%d",
			disagg_cmd_host(cmd, etcd->node), disagg_cmd_service_port(cmd, etcd));
	if (nats)
		disagg_cmd_env_default(cmd, "NATS_SERVER", "nats://%s:%d",
			disagg_cmd_host(cmd, nats->node), disagg_cmd_service_port(cmd, nats));
}

/* Only where both are said: on, and where to. */
static void trace_env(struct disagg_cmd *cmd, const char *component)
{
	const char *endpoint = disagg_cmd_setting(cmd, "observability.otel_endpoint");

	if (!endpoint || !disagg_cmd_setting_on(cmd, "observability.enable_otel", false))
		return;
	disagg_cmd_env_default(cmd, "DYN_LOGGING_JSONL", "1");
	disagg_cmd_env_default(cmd, "OTEL_EXPORT_ENABLED", "1");
	disagg_cmd_env_default(cmd, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "%s", endpoint);
	disagg_cmd_env_default(cmd, "OTEL_SERVICE_NAME", "dynamo-%s", component);
}

/* srtctl's one knob for the records that its offline tools read. */
static void span_env(struct disagg_cmd *cmd)
{
	if (!disagg_cmd_setting_on(cmd, "observability.enabled", false))
		return;
	disagg_cmd_env_default(cmd, "DYN_LOGGING_SPAN_EVENTS", "true");
	disagg_cmd_env_default(cmd, "DYN_LOGGING_JSONL", "true");
	/* the events are of that level */
	disagg_cmd_env_default(cmd, "DYN_LOG", "debug");
}

/* Which wheel the file's setup script is to install. */
static void wheel_env(struct disagg_cmd *cmd)
{
	const char *wheel = disagg_cmd_setting(cmd, "dynamo.wheel");

	if (!wheel || !wheel[0])
		return;
	disagg_cmd_env_default(cmd, "DYNAMO_WHEEL_NAME", "ai_dynamo-%s-py3-none-any.whl", wheel);
	disagg_cmd_env_default(cmd, "DYNAMO_VERSION", "%s", wheel);
}

static void common_env(struct disagg_cmd *cmd, const char *component)
{
	const char *event_plane = disagg_cmd_setting(cmd, "dynamo.event_plane");

	discovery_env(cmd);
	/* dynamo.trtllm is told by a flag alone */
	if (cmd->role->engine != DISAGG_E_TRTLLM)
		disagg_cmd_env_default(cmd, "DYN_REQUEST_PLANE", "%s", request_plane(cmd));
	disagg_cmd_env_default(cmd, "DYN_SKIP_SGLANG_LOG_FORMATTING", "1");
	if (event_plane)
		disagg_cmd_env_default(cmd, "DYN_EVENT_PLANE", "%s", event_plane);
	trace_env(cmd, component);
	span_env(cmd);
	wheel_env(cmd);
}

/* The block manager's leader listens on two ports of its own; its default, one
 * pair on 127.0.0.1, serves one worker of one node. */
static void kvbm_env(struct disagg_cmd *cmd)
{
	const char *connector = disagg_map_get(&cmd->role->env, "DYN_CONNECTOR");
	int32_t kv = cmd->leader ? cmd->leader->port[DISAGG_PORT_KV_EVENTS] : -1;
	int port = KVBM_PORT + 2 * (kv - KV_PORT) + cmd->site->port_offset;

	if (!connector || strcasecmp(connector, "kvbm") != 0)
		return;
	if (cmd->nodes > 1)
		disagg_cmd_env_default(cmd, "DYN_KVBM_LEADER_ZMQ_HOST", "%s",
			disagg_cmd_ip(cmd, cmd->leader->node));
	if (kv < KV_PORT || port + 1 > 65535)
		return;
	disagg_cmd_listens(cmd, port, false);
	disagg_cmd_listens(cmd, port + 1, false);
	disagg_cmd_env_default(cmd, "DYN_KVBM_LEADER_ZMQ_PUB_PORT", "%d", port);
	disagg_cmd_env_default(cmd, "DYN_KVBM_LEADER_ZMQ_ACK_PORT", "%d", port + 1);
}

void disagg_cmd_dynamo_env(struct disagg_cmd *cmd)
{
	int system = disagg_cmd_port(cmd, DISAGG_PORT_SYSTEM);

	disagg_cmd_env_default(cmd, "HEAD_NODE_IP", "%s", disagg_cmd_ip(cmd, cmd->plan->head_node));
	if (!cmd->dynamo)
		return;
	common_env(cmd, disagg_cmd_mode(cmd));
	if (system > 0)
		disagg_cmd_env_default(cmd, "DYN_SYSTEM_PORT", "%d", system);
	if (!disagg_envlist_get(&cmd->out->env, "DYN_LOG"))
		disagg_cmd_env_default(cmd, "DYN_LOG", WORKER_LOG);
	kvbm_env(cmd);
}

/* A dump a process: two workers of a node must not write the same file. */
void disagg_cmd_dynamo_flags(struct disagg_cmd *cmd)
{
	const char *name = disagg_arena_printf(cmd->arena, "%s_%u_rank%u_config.json",
		cmd->role->name, (unsigned)cmd->index, (unsigned)cmd->rank);
	const char *path = disagg_cmd_path(cmd, name);

	disagg_cmd_own(cmd, "--request-plane", "%s", request_plane(cmd));
	if (path && cmd->role->engine != DISAGG_E_TRTLLM)
		disagg_cmd_own(cmd, "--dump-config-to", "%s", path);
}

/* ---- KV events ---- */

/* What the file says of this role: true, or a map of publisher and topic. */
static const struct disagg_node *kv_section(const struct disagg_cmd *cmd)
{
	const struct disagg_node *all = disagg_cmd_section(cmd, "backend.kv_events_config");
	const char *key = cmd->role->kind == DISAGG_AGG ? "aggregated" : disagg_cmd_mode(cmd);

	if (!all || all->kind == DISAGG_MAP)
		return disagg_node_get(all, key);
	return disagg_cmd_is_half(cmd) ? all : NULL;
}

static bool is_off(const struct disagg_node *node)
{
	struct disagg_scalar scalar;

	if (node->kind != DISAGG_SCALAR)
		return false;
	scalar = disagg_scalar_read(node);
	return scalar.type != DISAGG_T_BOOL || !scalar.boolean;
}

static void put_key(struct disagg_strbuf *json, const char *key)
{
	disagg_strbuf_puts(json, json->len > 1 ? ", " : "");
	disagg_strbuf_json(json, key);
	disagg_strbuf_puts(json, ": ");
}

/* The file's value of a key, else ours. */
static void put_known(struct disagg_strbuf *json, const struct disagg_node *section,
	const char *key, const char *otherwise)
{
	const struct disagg_node *given = disagg_node_get(section, key);

	put_key(json, key);
	if (given)
		disagg_node_json(given, json);
	else
		disagg_strbuf_puts(json, otherwise);
}

static void put_others(
	struct disagg_strbuf *json, const struct disagg_node *section, const char *more)
{
	for (uint32_t i = 0; section->kind == DISAGG_MAP && i < section->count; i++) {
		const char *key = section->pair[i].key;

		if (strcmp(key, "publisher") == 0 || strcmp(key, "topic") == 0 ||
			strcmp(key, "endpoint") == 0 || (more && strcmp(key, more) == 0))
			continue;
		put_key(json, key);
		disagg_node_json(section->pair[i].value, json);
	}
}

void disagg_cmd_kv_events(struct disagg_cmd *cmd, const char *more)
{
	const struct disagg_node *section = kv_section(cmd);
	int port = disagg_cmd_port(cmd, DISAGG_PORT_KV_EVENTS);
	struct disagg_strbuf json;

	if (!section || is_off(section) || port <= 0)
		return;
	disagg_strbuf_init(&json, DISAGG_MAX_YAML_BYTES);
	disagg_strbuf_putc(&json, '{');
	put_known(&json, section, "publisher", "\"zmq\"");
	put_known(&json, section, "topic", "\"kv-events\"");
	if (more)
		put_known(&json, section, more, "true");
	put_others(&json, section, more);
	disagg_strbuf_printf(&json, ", \"endpoint\": \"tcp://*:%d\"}", port);
	if (json.failed)
		cmd->failed = true;
	disagg_cmd_own(cmd, "--kv-events-config", "%s", json.text);
	disagg_strbuf_release(&json);
}

/* ---- the frontend ---- */

/* A record a request; Dynamo's own place for them is the node's /tmp. */
static void request_trace_env(struct disagg_cmd *cmd)
{
	const char *path = disagg_cmd_path(cmd, "dynamo-request-trace");

	if (!path || !disagg_cmd_setting_on(cmd, "observability.enabled", false))
		return;
	disagg_cmd_env_default(cmd, "DYN_REQUEST_TRACE", "1");
	disagg_cmd_env_default(cmd, "DYN_REQUEST_TRACE_FILE_PATH", "%s", path);
}

int disagg_engine_dynamo_frontend(struct disagg_cmd *cmd)
{
	static const char *const program[] = {"python3", "-m", "dynamo.frontend", NULL};
	static const char *const skip[] = {"http-port", "port", NULL};

	common_env(cmd, "frontend");
	request_trace_env(cmd);
	disagg_cmd_put_all(cmd, program);
	disagg_cmd_flag(cmd, "--http-port", "%d", disagg_cmd_port(cmd, DISAGG_PORT_HTTP));
	disagg_cmd_flags(cmd, cmd->role->args, skip, DISAGG_FLAG_AS_IS);
	return 0;
}
