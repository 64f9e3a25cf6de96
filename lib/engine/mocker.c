/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include <string.h>

/* Dynamo's simulated engine: its settings have flags of their own, which
 * backend.mocker_config goes over. */
static const struct setting {
	const char *key, *flag;
	const char *dflt;  /* NULL: the flag is left out */
	const char *quiet; /* the value that is the engine's own */
	bool real;
} settings[] = {
	{"engine_type", "--engine-type", "vllm", NULL, false},
	{"speedup_ratio", "--speedup-ratio", "100", NULL, true},
	{"data_parallel_size", "--data-parallel-size", "1", NULL, false},
	{"num_gpu_blocks_override", "--num-gpu-blocks-override", "16384", NULL, false},
	{"max_num_seqs", "--max-num-seqs", "256", NULL, false},
	{"max_num_batched_tokens", "--max-num-batched-tokens", "8192", NULL, false},
	{"decode_speedup_ratio", "--decode-speedup-ratio", NULL, "1.0", true},
	{"block_size", "--block-size", NULL, NULL, false},
	{"num_workers", "--num-workers", NULL, "1", false},
	{"startup_time", "--startup-time", NULL, NULL, true},
	{"kv_transfer_bandwidth", "--kv-transfer-bandwidth", NULL, NULL, true},
	{"kv_cache_dtype", "--kv-cache-dtype", NULL, NULL, false},
	{"preemption_mode", "--preemption-mode", NULL, NULL, false},
};

/* A real number always with its point: "100.0". */
static const char *text_of(struct disagg_cmd *cmd, const char *text, bool real)
{
	bool whole = real && !strpbrk(text, ".eE");
	const char *shown = whole ? disagg_arena_printf(cmd->arena, "%s.0", text) : text;

	if (!shown)
		cmd->failed = true;
	return shown ? shown : "";
}

static void put_setting(struct disagg_cmd *cmd, const struct setting *setting)
{
	const char *key = disagg_arena_printf(cmd->arena, "backend.%s", setting->key);
	const char *value = key ? disagg_cmd_setting(cmd, key) : NULL;

	if (!value)
		value = setting->dflt;
	if (!value ||
		(setting->quiet && strcmp(text_of(cmd, value, setting->real), setting->quiet) == 0))
		return;
	disagg_cmd_own(cmd, setting->flag, "%s", text_of(cmd, value, setting->real));
}

int disagg_engine_mocker(struct disagg_cmd *cmd)
{
	static const char *const program[] = {"python3", "-m", "dynamo.mocker", NULL};
	int bootstrap = disagg_cmd_port(cmd, DISAGG_PORT_BOOTSTRAP);

	if (disagg_cmd_need_model(cmd))
		return -1;
	disagg_cmd_profile_prefix(cmd);
	disagg_cmd_put_all(cmd, program);
	disagg_cmd_own(cmd, "--model-path", "%s", disagg_cmd_model(cmd));
	if (disagg_cmd_is_half(cmd))
		disagg_cmd_own(cmd, "--disaggregation-mode", "%s", disagg_cmd_mode(cmd));
	if (cmd->role->kind == DISAGG_PREFILL && bootstrap > 0)
		disagg_cmd_own(cmd, "--bootstrap-ports", "%d", bootstrap);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		put_setting(cmd, &settings[i]);
	if (!disagg_cmd_setting_on(cmd, "backend.enable_prefix_caching", true))
		disagg_cmd_put(cmd, "--no-enable-prefix-caching");
	if (!disagg_cmd_setting_on(cmd, "backend.enable_chunked_prefill", true))
		disagg_cmd_put(cmd, "--no-enable-chunked-prefill");
	disagg_cmd_flags(cmd, cmd->role->args, NULL, DISAGG_FLAG_DASHES);
	disagg_cmd_dynamo_env(cmd);
	disagg_cmd_profile_env(cmd);
	return 0;
}
