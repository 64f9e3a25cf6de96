/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include <inttypes.h>

/* What Dynamo finds its workers with, and Mooncake's store.  Data lives on the
 * node: on a shared file system leases expire while a sync waits. */

static const char *scratch(struct disagg_cmd *cmd)
{
	disagg_cmd_scratch(cmd);
	return cmd->out->scratch ? cmd->out->scratch : "";
}

/* Ports that are counted from the service's own stay with it. */
static bool is_pinned(const struct disagg_cmd *cmd)
{
	return cmd->plan->role[cmd->service->role].pin[DISAGG_PORT_HTTP] > 0;
}

int disagg_engine_etcd(struct disagg_cmd *cmd)
{
	const char *ip = disagg_cmd_ip(cmd, cmd->service->node);
	int port = disagg_cmd_port(cmd, DISAGG_PORT_HTTP);
	int peer = port + 1;

	disagg_cmd_listens(cmd, peer, is_pinned(cmd));
	disagg_cmd_put(cmd, "etcd");
	disagg_cmd_own(cmd, "--name", "disagg");
	disagg_cmd_own(cmd, "--data-dir", "%s", scratch(cmd));
	disagg_cmd_own(cmd, "--listen-client-urls", "http://0.0.0.0:%d", port);
	disagg_cmd_own(cmd, "--advertise-client-urls", "http://%s:%d", ip, port);
	/* alone, but it listens for peers all the same */
	disagg_cmd_own(cmd, "--listen-peer-urls", "http://127.0.0.1:%d", peer);
	disagg_cmd_own(cmd, "--initial-advertise-peer-urls", "http://127.0.0.1:%d", peer);
	disagg_cmd_own(cmd, "--initial-cluster", "disagg=http://127.0.0.1:%d", peer);
	disagg_cmd_flags(cmd, cmd->role->args, NULL, DISAGG_FLAG_DASHES);
	return 0;
}

/* The largest message has no flag, only a key of the file. */
static const char *nats_file(struct disagg_cmd *cmd, int64_t megabytes)
{
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 4096);
	disagg_strbuf_printf(&text, "max_payload: %" PRId64 "\n", megabytes * 1024 * 1024);
	disagg_cmd_file(cmd, "nats.conf", &text);
	return disagg_cmd_path(cmd, "nats.conf");
}

int disagg_engine_nats(struct disagg_cmd *cmd)
{
	static const char *const skip[] = {"port", NULL};
	int64_t megabytes = disagg_cmd_setting_int(cmd, "infra.nats_max_payload_mb");
	const char *file = megabytes > 0 ? nats_file(cmd, megabytes) : NULL;

	disagg_cmd_put(cmd, "nats-server");
	if (file)
		disagg_cmd_flag(cmd, "-c", "%s", file);
	disagg_cmd_own(cmd, "--addr", "0.0.0.0");
	disagg_cmd_flag(cmd, "--port", "%d", disagg_cmd_port(cmd, DISAGG_PORT_HTTP));
	disagg_cmd_put(cmd, "--jetstream");
	disagg_cmd_own(cmd, "--store_dir", "%s", scratch(cmd));
	disagg_cmd_flags(cmd, cmd->role->args, skip, DISAGG_FLAG_AS_IS);
	return 0;
}

/* ---- Mooncake ---- */

enum { METADATA = 1, METRICS = 2 }; /* behind the master's port */

int disagg_engine_mooncake_master(struct disagg_cmd *cmd)
{
	static const char *const skip[] = {"port", NULL};
	const struct disagg_node *extra =
		disagg_cmd_section(cmd, "backend.mooncake_kv_store.master_extra_args");
	int port = disagg_cmd_port(cmd, DISAGG_PORT_HTTP);

	disagg_cmd_listens(cmd, port + METADATA, is_pinned(cmd));
	disagg_cmd_listens(cmd, port + METRICS, is_pinned(cmd));
	disagg_cmd_put(cmd, "mooncake_master");
	disagg_cmd_putf(cmd, "--port=%d", port);
	disagg_cmd_put(cmd, "--enable_http_metadata_server=true");
	disagg_cmd_putf(cmd, "--http_metadata_server_port=%d", port + METADATA);
	disagg_cmd_put(cmd, "--eviction_high_watermark_ratio=0.9");
	disagg_cmd_put(cmd, "--default_kv_lease_ttl=10000");
	disagg_cmd_put(cmd, "--rpc_thread_num=16");
	disagg_cmd_put(cmd, "--enable_metric_reporting=true");
	disagg_cmd_putf(cmd, "--metrics_port=%d", port + METRICS);
	for (uint32_t i = 0; extra && extra->kind == DISAGG_SEQ && i < extra->count; i++)
		disagg_cmd_put(cmd, disagg_cmd_text(cmd, extra->item[i]));
	disagg_cmd_flags(cmd, cmd->role->args, skip, DISAGG_FLAG_ASSIGN);
	return 0;
}

static bool is_master(const char *key)
{
	static const char master[] = "master_server_address";
	unsigned i = 0;

	while (key[i] && key[i] == master[i])
		i++;
	return key[i] == master[i];
}

/* vLLM's connector reads a file and no variables; the master's address in it
 * is ours, whatever the file says. */
static void store_file(struct disagg_cmd *cmd, const char *master)
{
	static const char name[] = "mooncake_store_config.json";
	const struct disagg_node *config =
		disagg_cmd_section(cmd, "backend.mooncake_kv_store.store_config");
	const char *path = disagg_cmd_path(cmd, name);
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, DISAGG_MAX_YAML_BYTES);
	disagg_strbuf_puts(&text, "{");
	for (uint32_t i = 0; config && config->kind == DISAGG_MAP && i < config->count; i++) {
		if (is_master(config->pair[i].key))
			continue;
		disagg_strbuf_json(&text, config->pair[i].key);
		disagg_strbuf_putc(&text, ':');
		disagg_node_json(config->pair[i].value, &text);
		disagg_strbuf_putc(&text, ',');
	}
	disagg_strbuf_puts(&text, "\"master_server_address\":");
	disagg_strbuf_json(&text, master);
	disagg_strbuf_puts(&text, "}\n");
	disagg_cmd_file(cmd, name, &text);
	if (path)
		disagg_cmd_env(cmd, "MOONCAKE_CONFIG_PATH", path);
}

void disagg_cmd_mooncake_env(struct disagg_cmd *cmd)
{
	const struct disagg_service *service = disagg_cmd_service(cmd, DISAGG_E_MOONCAKE_MASTER);
	const char *ip, *master;
	int port;

	if (!service)
		return;
	ip = disagg_cmd_ip(cmd, service->node);
	port = disagg_cmd_service_port(cmd, service);
	master = disagg_arena_printf(cmd->arena, "%s:%d", ip, port);
	if (!master) {
		cmd->failed = true;
		return;
	}
	disagg_cmd_env_default(
		cmd, "MOONCAKE_LOCAL_HOSTNAME", "%s", disagg_cmd_ip(cmd, cmd->process->node));
	disagg_cmd_env(cmd, "MOONCAKE_MASTER", master);
	disagg_cmd_envf(
		cmd, "MOONCAKE_TE_META_DATA_SERVER", "http://%s:%d/metadata", ip, port + METADATA);
	if (cmd->role->engine == DISAGG_E_VLLM)
		store_file(cmd, master);
}
