/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include <string.h>

/* trtllm-serve disaggregated reads its servers from a file. */

/* The harness names nodes, srtctl their addresses. */
static const char *address(const struct disagg_cmd *cmd, uint32_t node)
{
	return cmd->job->dialect == DISAGG_TRTLLM ? disagg_cmd_host(cmd, node)
						  : disagg_cmd_ip(cmd, node);
}

static bool is_listed(
	const struct disagg_cmd *cmd, const struct disagg_worker *worker, bool context)
{
	enum disagg_role_kind kind = cmd->plan->role[worker->role].kind;

	return context ? kind == DISAGG_PREFILL : kind == DISAGG_DECODE;
}

static void put_urls(struct disagg_cmd *cmd, bool context, struct disagg_strbuf *text)
{
	const struct disagg_plan *plan = cmd->plan;
	unsigned count = 0;

	for (uint32_t i = 0; i < plan->worker_count; i++)
		count += is_listed(cmd, &plan->worker[i], context);
	disagg_strbuf_printf(text, "  num_instances: %u\n  urls:%s\n", count, count ? "" : " []");
	for (uint32_t i = 0; i < plan->worker_count; i++) {
		const struct disagg_process *leader = disagg_cmd_leader(cmd, &plan->worker[i]);

		if (is_listed(cmd, &plan->worker[i], context))
			disagg_strbuf_printf(text, "  - \"%s:%d\"\n", address(cmd, leader->node),
				disagg_cmd_port_of(cmd, plan->worker[i].role, DISAGG_PORT_HTTP,
					leader->port[DISAGG_PORT_HTTP]));
	}
}

static void put_servers(struct disagg_cmd *cmd, bool context, struct disagg_strbuf *text)
{
	bool harness = cmd->job->dialect == DISAGG_TRTLLM;
	const char *path = context ? (harness ? "ctx_router_config" : "frontend.ctx_router")
				   : (harness ? "gen_router_config" : "frontend.gen_router");
	const struct disagg_node *router = disagg_cmd_section(cmd, path);

	disagg_strbuf_puts(text, context ? "context_servers:\n" : "generation_servers:\n");
	put_urls(cmd, context, text);
	if (router && router->kind == DISAGG_MAP && router->count) {
		disagg_strbuf_puts(text, "  router:\n");
		disagg_cmd_yaml(router, 2, text);
	}
}

static const struct disagg_node *extra_settings(const struct disagg_cmd *cmd)
{
	return disagg_cmd_section(cmd, cmd->job->dialect == DISAGG_TRTLLM
					       ? "server_config_extra"
					       : "frontend.server_config_extra");
}

/* The file's own keys come in the place of ours: no key may stand twice. */
static void put_head(struct disagg_cmd *cmd, struct disagg_strbuf *text)
{
	const struct disagg_node *extra = extra_settings(cmd);
	bool harness = cmd->job->dialect == DISAGG_TRTLLM;

	if (harness && !disagg_node_get(extra, "backend"))
		disagg_strbuf_puts(text, "backend: \"pytorch\"\n");
	if (!disagg_node_get(extra, "hostname"))
		disagg_strbuf_printf(text, "hostname: \"%s\"\n",
			harness ? disagg_cmd_host(cmd, cmd->service->node) : "0.0.0.0");
	if (!disagg_node_get(extra, "port"))
		disagg_strbuf_printf(text, "port: %d\n", disagg_cmd_port(cmd, DISAGG_PORT_HTTP));
	if (!disagg_node_get(extra, "context_servers"))
		put_servers(cmd, true, text);
	if (!disagg_node_get(extra, "generation_servers"))
		put_servers(cmd, false, text);
	if (extra && extra->kind == DISAGG_MAP && extra->count)
		disagg_cmd_yaml(extra, 0, text);
}

int disagg_engine_trtllm_server(struct disagg_cmd *cmd)
{
	static const char *const waits[] = {"-t", "7200", "-r", "7200", NULL};
	bool srtctl = cmd->job->dialect == DISAGG_SRTCTL;
	const char *name = srtctl ? "ser.yaml" : "server_config.yaml";
	const char *path = disagg_cmd_path(cmd, name);
	struct disagg_strbuf text;

	if (disagg_cmd_direct(cmd))
		return 0;
	disagg_strbuf_init(&text, DISAGG_MAX_YAML_BYTES);
	put_head(cmd, &text);
	disagg_cmd_file(cmd, name, &text);
	disagg_cmd_put(cmd, "trtllm-serve");
	disagg_cmd_put(cmd, "disaggregated");
	disagg_cmd_flag(cmd, srtctl ? "--config" : "-c", "%s", path ? path : "");
	if (!srtctl)
		disagg_cmd_put_all(cmd, waits);
	if (cmd->job->dialect != DISAGG_TRTLLM)
		disagg_cmd_flags(cmd, cmd->role->args, NULL, DISAGG_FLAG_AS_IS);
	if (disagg_cmd_setting_is(cmd, "benchmark.mode", "gen_only_no_context"))
		disagg_cmd_env_default(cmd, "TRTLLM_DISAGG_BENCHMARK_GEN_ONLY", "1");
	return 0;
}
