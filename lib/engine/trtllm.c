/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include "lib/conf/scalar.h"
#include "lib/base/num.h"
#include <string.h>

/* ---- the settings, which the engine reads from a file ---- */

/* Statistics that srtctl's observability.enabled asks for, where the file does
 * not say otherwise. */
static void put_statistics(struct disagg_cmd *cmd, struct disagg_strbuf *text)
{
	static const char *const keys[] = {"enable_iter_perf_stats", "return_perf_metrics"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (disagg_cmd_setting_on(cmd, "observability.enabled", false) &&
			!disagg_arg_get(cmd->role->args, keys[i]))
			disagg_strbuf_printf(text, "%s: true\n", keys[i]);
	}
}

static bool has_settings(const struct disagg_cmd *cmd)
{
	return cmd->role->args && cmd->role->args->kind == DISAGG_MAP && cmd->role->args->count;
}

const char *disagg_cmd_trtllm_config(struct disagg_cmd *cmd)
{
	struct disagg_strbuf text;
	const char *name;

	if (cmd->job->dialect == DISAGG_TRTLLM)
		name = cmd->role->kind == DISAGG_PREFILL ? "ctx_config.yaml" : "gen_config.yaml";
	else
		name = disagg_arena_printf(cmd->arena, "trtllm_config_%s.yaml", cmd->role->name);
	disagg_strbuf_init(&text, DISAGG_MAX_YAML_BYTES);
	put_statistics(cmd, &text);
	if (has_settings(cmd))
		disagg_cmd_yaml(cmd->role->args, 0, &text);
	else if (!text.len)
		disagg_strbuf_puts(&text, "{}\n");
	disagg_cmd_file(cmd, name, &text);
	return disagg_cmd_path(cmd, name);
}

/* ---- memory of the two CPUs, not of the GPUs of a Grace board ---- */

static bool binds_memory(const struct disagg_cmd *cmd)
{
	const char *gpu = cmd->job->gpu_type;
	bool grace = gpu && (strcmp(gpu, "gb200") == 0 || strcmp(gpu, "gb300") == 0);

	if (cmd->job->dialect == DISAGG_TRTLLM)
		return disagg_cmd_setting_on(cmd, "slurm.numa_bind", false);
	return disagg_cmd_is_half(cmd) && disagg_cmd_setting_on(cmd, "backend.numa_memory_bind",
						  grace && cmd->job->dialect == DISAGG_SRTCTL);
}

static void put_numactl(struct disagg_cmd *cmd)
{
	static const char *const numactl[] = {"numactl", "-m", "0,1", NULL};

	if (binds_memory(cmd))
		disagg_cmd_put_all(cmd, numactl);
}

/* ---- environment ---- */

/* The load balancer's shared memory: one a worker, not one a node. */
static void balancer_env(struct disagg_cmd *cmd)
{
	disagg_cmd_env_default(cmd, "TRTLLM_EPLB_SHM_NAME", "moe_shared_%016llx_%s_%u",
		disagg_cmd_hash(cmd), cmd->role->name, (unsigned)cmd->index);
}

/* As many requests as can be in flight at once: the smallest concurrency that
 * will be measured, or what a gen server holds.  0: not known. */
static int64_t queue_size(const struct disagg_cmd *cmd)
{
	const struct disagg_strs *list = &cmd->job->bench.concurrencies;
	const struct disagg_node *dp = disagg_arg_get(cmd->role->args, "enable_attention_dp");
	int64_t size = 0, batch;

	for (unsigned i = 0; i < list->count; i++) {
		int64_t one;

		if (disagg_num_int(list->v[i], 1, INT32_MAX, &one) == 0 && (!size || one < size))
			size = one;
	}
	if (disagg_arg_int(cmd->role->args, "max_batch_size", 1, INT32_MAX, &batch))
		return size;
	if (dp && dp->kind == DISAGG_SCALAR && disagg_scalar_read(dp).boolean && cmd->role->tp)
		batch *= cmd->role->tp;
	return size && size < batch ? size : batch;
}

static void benchmark_env(struct disagg_cmd *cmd)
{
	bool gen = cmd->role->kind != DISAGG_PREFILL;
	const char *mode = disagg_cmd_setting(cmd, "benchmark.mode");

	if (!mode)
		return;
	if (strcmp(mode, "gen_only") == 0) {
		disagg_cmd_env_default(cmd, "TRTLLM_DISABLE_KV_CACHE_TRANSFER_OVERLAP", "1");
		if (gen && queue_size(cmd))
			disagg_cmd_env_default(cmd, "TLLM_BENCHMARK_REQ_QUEUES_SIZE", "%lld",
				(long long)queue_size(cmd));
	} else if (strcmp(mode, "gen_only_no_context") == 0 && gen) {
		disagg_cmd_env_default(cmd, "TRTLLM_DISAGG_BENCHMARK_GEN_ONLY", "1");
	}
}

static void harness_env(struct disagg_cmd *cmd)
{
	/* images set it for other uses, and the transfer then finds no path */
	if (!disagg_map_get(&cmd->role->env, "UCX_TLS"))
		disagg_cmd_env(cmd, "UCX_TLS", NULL);
	benchmark_env(cmd);
}

/* ---- three ways to start it ---- */

/* TensorRT-LLM's own harness: one MPI world a server.  The profiler goes around
 * the launcher: in all ranks but one that is what works on the GPUs. */
static void put_harness(struct disagg_cmd *cmd)
{
	const char *config = disagg_cmd_trtllm_config(cmd);

	disagg_cmd_profile_prefix(cmd);
	disagg_cmd_put(cmd, "trtllm-llmapi-launch");
	put_numactl(cmd);
	disagg_cmd_put(cmd, "trtllm-serve");
	disagg_cmd_put(cmd, disagg_cmd_model(cmd));
	disagg_cmd_flag(cmd, "--host", "%s", disagg_cmd_host(cmd, cmd->leader->node));
	disagg_cmd_flag(cmd, "--port", "%d",
		disagg_cmd_port_of(cmd, cmd->worker->role, DISAGG_PORT_HTTP,
			cmd->leader->port[DISAGG_PORT_HTTP]));
	disagg_cmd_flag(cmd, "--config", "%s", config ? config : "");
}

static void put_parallelism(struct disagg_cmd *cmd)
{
	static const char *const keys[] = {
		"tensor_parallel_size", "moe_expert_parallel_size", "pipeline_parallel_size"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct disagg_node *value = disagg_arg_get(cmd->role->args, keys[i]);

		if (value && !disagg_node_is_null(value))
			disagg_cmd_putf(cmd, "--%s", keys[i]);
		if (value && !disagg_node_is_null(value))
			disagg_cmd_put(cmd, disagg_cmd_text(cmd, value));
	}
}

static void put_serve(struct disagg_cmd *cmd)
{
	const struct disagg_service *direct = disagg_cmd_direct(cmd);
	const char *config = disagg_cmd_trtllm_config(cmd);
	int port = disagg_cmd_port_of(
		cmd, cmd->worker->role, DISAGG_PORT_HTTP, cmd->leader->port[DISAGG_PORT_HTTP]);

	disagg_cmd_put(cmd, "trtllm-serve");
	disagg_cmd_put(cmd, disagg_cmd_model(cmd));
	disagg_cmd_flag(cmd, "--host", "0.0.0.0");
	disagg_cmd_flag(cmd, "--port", "%d", direct ? disagg_cmd_service_port(cmd, direct) : port);
	put_parallelism(cmd);
	disagg_cmd_flag(cmd, "--config", "%s", config ? config : "");
}

static bool publishes(const struct disagg_cmd *cmd)
{
	if (disagg_cmd_section(cmd, "backend.publish_events_and_metrics"))
		return disagg_cmd_setting_on(cmd, "backend.publish_events_and_metrics", false);
	return disagg_cmd_setting_on(cmd, "observability.enabled", false);
}

static void put_dynamo(struct disagg_cmd *cmd)
{
	static const char *const program[] = {"python3", "-m", "dynamo.trtllm", NULL};
	const char *config = disagg_cmd_trtllm_config(cmd);

	disagg_cmd_put_all(cmd, program);
	disagg_cmd_flag(cmd, "--model-path", "%s", disagg_cmd_model(cmd));
	if (cmd->job->served_name)
		disagg_cmd_flag(cmd, "--served-model-name", "%s", cmd->job->served_name);
	if (disagg_cmd_is_half(cmd))
		disagg_cmd_flag(cmd, "--disaggregation-mode", "%s", disagg_cmd_mode(cmd));
	disagg_cmd_flag(cmd, "--extra-engine-args", "%s", config ? config : "");
	disagg_cmd_dynamo_flags(cmd);
	if (publishes(cmd))
		disagg_cmd_put(cmd, "--publish-events-and-metrics");
}

int disagg_engine_trtllm(struct disagg_cmd *cmd)
{
	if (disagg_cmd_need_model(cmd))
		return -1;
	if (cmd->job->dialect == DISAGG_TRTLLM) {
		put_harness(cmd);
		harness_env(cmd);
		disagg_cmd_profile_env(cmd);
		return 0;
	}
	disagg_cmd_profile_prefix(cmd);
	put_numactl(cmd);
	disagg_cmd_put(cmd, "trtllm-llmapi-launch");
	if (cmd->dynamo)
		put_dynamo(cmd);
	else
		put_serve(cmd);
	disagg_cmd_dynamo_env(cmd);
	disagg_cmd_profile_env(cmd);
	balancer_env(cmd);
	return 0;
}
