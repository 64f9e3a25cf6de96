/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/*
 * Profilers around a worker: srtctl's `profiling:` (nsys by steps, nsys-time by
 * seconds, torch) and TensorRT-LLM's `profiling.nsys_on`.
 */
enum profiler { NONE, NSYS, NSYS_TIME, TORCH };

static enum profiler profiler_of(const struct disagg_cmd *cmd)
{
	static const char *const names[] = {
		[NSYS] = "nsys", [NSYS_TIME] = "nsys-time", [TORCH] = "torch"};
	const char *type = disagg_cmd_setting(cmd, "profiling.type");

	for (unsigned i = NSYS; type && i <= TORCH; i++) {
		if (strcmp(type, names[i]) == 0)
			return (enum profiler)i;
	}
	return NONE;
}

static bool is_trtllm_nsys(const struct disagg_cmd *cmd)
{
	return cmd->job->dialect == DISAGG_TRTLLM &&
	       disagg_cmd_setting_on(cmd, "profiling.nsys_on", false);
}

/* A step of this role's phase, "start_step"; -1: none. */
static int64_t step(const struct disagg_cmd *cmd, const char *which)
{
	const char *mode = disagg_cmd_mode(cmd);
	char key[64];

	snprintf(key, sizeof(key), "profiling.%s.%s",
		strcmp(mode, "agg") == 0 ? "aggregated" : mode, which);
	return disagg_cmd_setting_int(cmd, key);
}

static void step_env(struct disagg_cmd *cmd, const char *suffix, int64_t value)
{
	char name[64];

	if (value < 0)
		return;
	snprintf(name, sizeof(name), "PROFILE_%s_%s", disagg_cmd_mode(cmd), suffix);
	for (char *c = name; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	disagg_cmd_envf(cmd, name, "%lld", (long long)value);
}

/* Without a range nothing would be recorded: the harness's own is taken. */
static void trtllm_env(struct disagg_cmd *cmd)
{
	bool context = cmd->role->kind == DISAGG_PREFILL;
	const char *range = disagg_cmd_setting(
		cmd, context ? "profiling.ctx_profile_range" : "profiling.gen_profile_range");

	disagg_cmd_env(cmd, "TLLM_PROFILE_RECORD_GC", "1");
	disagg_cmd_env(cmd, "TLLM_NVTX_DEBUG", "1");
	disagg_cmd_env(cmd, "NSYS_MPI_STORE_TEAMS_PER_RANK", "1");
	disagg_cmd_env(cmd, "TLLM_PROFILE_START_STOP",
		range	  ? range
		: context ? "10-30"
			  : "200-250");
}

static void torch_env(struct disagg_cmd *cmd)
{
	const char *folder = disagg_arena_printf(cmd->arena, "profiles/%s", disagg_cmd_mode(cmd));
	const char *path = disagg_cmd_path(cmd, folder);

	disagg_cmd_folder(cmd, folder);
	if (path)
		disagg_cmd_env(cmd, "SGLANG_TORCH_PROFILER_DIR", path);
}

static void nsys_env(struct disagg_cmd *cmd, bool by_time, int64_t start, int64_t stop)
{
	int64_t seconds = disagg_cmd_setting_int(cmd, "profiling.benchmark_duration_secs");

	if (by_time) {
		disagg_cmd_envf(cmd, "PROFILE_BENCHMARK_DURATION_SECS", "%lld",
			(long long)(seconds < 0 ? 300 : seconds));
	} else if (start >= 0 && stop >= 0) {
		disagg_cmd_envf(cmd, "TLLM_PROFILE_START_STOP", "%lld-%lld", (long long)start,
			(long long)stop);
		disagg_cmd_env(cmd, "TLLM_LLMAPI_ENABLE_NVTX", "1");
	}
}

void disagg_cmd_profile_env(struct disagg_cmd *cmd)
{
	enum profiler profiler = profiler_of(cmd);
	int64_t start = step(cmd, "start_step"), stop = step(cmd, "stop_step");

	if (is_trtllm_nsys(cmd))
		trtllm_env(cmd);
	if (cmd->job->dialect == DISAGG_TRTLLM || profiler == NONE)
		return;
	disagg_cmd_env(cmd, "PROFILING_MODE", disagg_cmd_mode(cmd));
	disagg_cmd_env(cmd, "PROFILE_TYPE", disagg_cmd_setting(cmd, "profiling.type"));
	step_env(cmd, "START_STEP", start);
	step_env(cmd, "STOP_STEP", stop);
	if (profiler == TORCH)
		torch_env(cmd);
	else
		nsys_env(cmd, profiler == NSYS_TIME, start, stop);
}

/* ---- nsys before the command ---- */

static void put_output(struct disagg_cmd *cmd, bool per_task)
{
	const char *folder = disagg_arena_printf(cmd->arena, "profiles/%s", disagg_cmd_mode(cmd));
	const char *path = disagg_cmd_path(cmd, folder);

	disagg_cmd_folder(cmd, folder);
	disagg_cmd_put(cmd, "-o");
	/* nsys itself puts the task's number in */
	disagg_cmd_putf(cmd, "%s/%s_%u_rank%s", path ? path : "", cmd->role->name,
		(unsigned)cmd->index,
		per_task ? "%q{SLURM_PROCID}"
			 : disagg_arena_printf(cmd->arena, "%u", (unsigned)cmd->rank));
}

static void put_window(struct disagg_cmd *cmd, bool by_time)
{
	static const char *const by_call[] = {
		"-c", "cudaProfilerApi", "--capture-range-end", "stop", NULL};
	const char *delay = disagg_cmd_setting(cmd, "profiling.delay_secs");
	const char *duration = disagg_cmd_setting(cmd, "profiling.duration_secs");

	if (!by_time) {
		disagg_cmd_put_all(cmd, by_call);
		return;
	}
	if (delay)
		disagg_cmd_flag(cmd, "--delay", "%s", delay);
	if (duration)
		disagg_cmd_flag(cmd, "--duration", "%s", duration);
}

static void put_extra(struct disagg_cmd *cmd)
{
	const struct disagg_node *extra = disagg_cmd_section(cmd, "profiling.extra_nsys_args");

	for (uint32_t i = 0; extra && extra->kind == DISAGG_SEQ && i < extra->count; i++)
		disagg_cmd_put(cmd, disagg_cmd_text(cmd, extra->item[i]));
}

static void trtllm_prefix(struct disagg_cmd *cmd)
{
	static const char *const args[] = {"nsys", "profile", "-t", "cuda,nvtx,python-gil", "-c",
		"cudaProfilerApi", "--cuda-graph-trace", "node", "--capture-range-end=stop",
		"--gpu-metrics-devices=none", "-f", "true", NULL};

	disagg_cmd_put_all(cmd, args);
	put_output(cmd, true);
}

void disagg_cmd_profile_prefix(struct disagg_cmd *cmd)
{
	static const char *const overwrite[] = {"--force-overwrite", "true", NULL};
	static const char *const linger[] = {"--kill", "none", "--wait", "all", NULL};
	enum profiler profiler = profiler_of(cmd);
	bool mpi = cmd->role->engine == DISAGG_E_TRTLLM;

	if (cmd->job->dialect == DISAGG_TRTLLM) {
		if (is_trtllm_nsys(cmd))
			trtllm_prefix(cmd);
		return;
	}
	if (profiler != NSYS && profiler != NSYS_TIME)
		return;
	disagg_cmd_put(cmd, "nsys");
	disagg_cmd_put(cmd, "profile");
	disagg_cmd_flag(cmd, "-t", "%s", mpi ? "cuda,nvtx,ucx" : "cuda,nvtx");
	if (mpi)
		disagg_cmd_put(cmd, "--sample=none");
	disagg_cmd_put(cmd, "--cuda-graph-trace=node");
	put_window(cmd, profiler == NSYS_TIME);
	put_extra(cmd);
	if (mpi)
		disagg_cmd_put_all(cmd, linger);
	disagg_cmd_put_all(cmd, overwrite);
	if (!mpi && cmd->dynamo)
		disagg_cmd_put(cmd, "--trace-fork-before-exec=true");
	put_output(cmd, mpi);
}
