/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/srtctl_tables.h"
#include <stdio.h>
#include <string.h>

/* "backend.vllm_config.prefill" */
static void config_path(
	const struct disagg_srt *srt, enum disagg_srt_mode mode, char *ret, size_t size)
{
	snprintf(ret, size, "backend.%s_config.%s", disagg_srt_backends[srt->backend.type],
		disagg_srt_sections[mode]);
}

static void bad_sizes(struct disagg_import *import, const struct disagg_srt *srt,
	enum disagg_srt_mode mode, const struct disagg_srt_parallel *par)
{
	char path[64];

	config_path(srt, mode, path, sizeof(path));
	disagg_findings_error(import->found, disagg_srt_at(import, path),
		"%s: expected parallel sizes of at least 1, got tensor %lld, pipeline %lld, data "
		"%lld",
		path, (long long)par->tp, (long long)par->pp, (long long)par->dp);
}

/* vLLM's data parallelism must fill the worker exactly, and its replicas the
 * nodes. */
static void check_data_parallel(struct disagg_import *import, const struct disagg_srt *srt,
	enum disagg_srt_mode mode, const struct disagg_srt_parallel *par)
{
	int64_t gpus = disagg_srt_gpus(srt, mode);
	int64_t gpn = srt->resources.gpus_per_node.v;
	int64_t local = gpus < gpn ? gpus : gpn;
	int64_t replica = par->tp * par->pp;
	char path[64];

	config_path(srt, mode, path, sizeof(path));
	if (disagg_srt_world(srt, par) != gpus) {
		disagg_findings_error(import->found, disagg_srt_at(import, path),
			"%s: data-parallel-size %lld * tensor-parallel-size %lld * "
			"pipeline-parallel-size %lld takes %lld GPUs, but a worker has %lld",
			path, (long long)par->dp, (long long)par->tp, (long long)par->pp,
			(long long)disagg_srt_world(srt, par), (long long)gpus);
		return;
	}
	if (srt->backend.dp_launch_mode != DISAGG_SRT_DP_PER_NODE)
		return;
	if (replica > local ? replica % local != 0 : local % replica != 0)
		disagg_findings_error(import->found, disagg_srt_at(import, path),
			"%s: a replica of %lld GPUs does not divide evenly over nodes where the "
			"worker has %lld GPUs each",
			path, (long long)replica, (long long)local);
}

/* Every rank has a GPU; some GPUs may have no rank. */
static void check_idle(struct disagg_import *import, const struct disagg_srt *srt,
	enum disagg_srt_mode mode, const struct disagg_srt_parallel *par)
{
	int64_t gpus = disagg_srt_gpus(srt, mode);
	int64_t world = disagg_srt_world(srt, par);
	char path[64];

	config_path(srt, mode, path, sizeof(path));
	if (world > gpus)
		disagg_findings_error(import->found, disagg_srt_at(import, path),
			"%s: a parallelism of %lld GPUs (tensor %lld, pipeline %lld, data %lld) "
			"does not fit a worker of %lld",
			path, (long long)world, (long long)par->tp, (long long)par->pp,
			(long long)par->dp, (long long)gpus);
	else if (world < gpus)
		disagg_findings_warn(import->found, disagg_srt_at(import, path),
			"%s: a parallelism of %lld GPUs (tensor %lld, pipeline %lld, data %lld) "
			"leaves %lld of a worker's %lld GPUs idle",
			path, (long long)world, (long long)par->tp, (long long)par->pp,
			(long long)par->dp, (long long)(gpus - world), (long long)gpus);
}

static void check_parallelism(
	struct disagg_import *import, const struct disagg_srt *srt, enum disagg_srt_mode mode)
{
	struct disagg_srt_parallel par = disagg_srt_parallelism(srt, mode);

	if (disagg_srt_world(srt, &par) < 0)
		bad_sizes(import, srt, mode, &par);
	else if (srt->backend.type != DISAGG_SRT_VLLM)
		return; /* disagg_job_validate compares tensor and pipeline sizes */
	else if (par.dp_given && srt->frontend.type != DISAGG_SRT_F_VLLM)
		check_data_parallel(import, srt, mode, &par);
	else
		check_idle(import, srt, mode, &par);
}

/* ---- vLLM's flags that the plan owns ---- */

static void refuse_flag(struct disagg_import *import, const char *path, const char *flag,
	const struct disagg_node *value, bool is_error, const char *why)
{
	(is_error ? disagg_findings_error : disagg_findings_warn)(
		import->found, &value->at, "%s.%s: %s", path, flag, why);
}

static void check_vllm_flags(
	struct disagg_import *import, const struct disagg_srt *srt, enum disagg_srt_mode mode)
{
	static const struct {
		const char *flag;
		bool direct; /* with frontend.type vllm, else with data parallelism per node */
		bool is_error;
		const char *why;
	} owned[] = {
		{"headless", false, true, "follows from the plan; remove it"},
		{"data-parallel-hybrid-lb", false, false,
			"follows from the plan; it has no effect"},
		{"headless", true, false, "follows from the plan; it has no effect"},
		{"host", true, false, "the frontend's; it has no effect"},
		{"port", true, false, "the frontend's; it has no effect"},
		{"master-addr", true, false, "follows from the plan; it has no effect"},
		{"nnodes", true, false, "follows from the plan; it has no effect"},
		{"node-rank", true, false, "follows from the plan; it has no effect"},
	};
	bool direct = srt->frontend.type == DISAGG_SRT_F_VLLM;
	bool dp = disagg_srt_parallelism(srt, mode).dp_given &&
		  srt->backend.dp_launch_mode == DISAGG_SRT_DP_PER_NODE;
	char path[64];

	config_path(srt, mode, path, sizeof(path));
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
		const struct disagg_node *value =
			disagg_srt_flag(srt->backend.config[mode], owned[i].flag);

		if (value && (owned[i].direct ? direct : dp && !direct))
			refuse_flag(import, path, owned[i].flag, value, owned[i].is_error,
				owned[i].why);
	}
}

static void check_modes(struct disagg_import *import, const struct disagg_srt *srt)
{
	bool deprecated = false;

	for (int i = 0; i < DISAGG_SRT_MODES; i++) {
		enum disagg_srt_mode mode = (enum disagg_srt_mode)i;
		const struct disagg_node *config = srt->backend.config[mode];
		char path[64];

		config_path(srt, mode, path, sizeof(path));
		if (config && config->kind != DISAGG_MAP) {
			disagg_findings_error(import->found, &config->at,
				"%s: expected a map of settings, got %s", path,
				disagg_node_type_name(config));
			continue;
		}
		if (!config || srt->backend.type == DISAGG_SRT_MOCKER ||
			!disagg_srt_workers(srt, mode))
			continue;
		check_parallelism(import, srt, mode);
		if (srt->backend.type != DISAGG_SRT_VLLM)
			continue;
		check_vllm_flags(import, srt, mode);
		deprecated |= disagg_srt_parallelism(srt, mode).dp_given &&
			      srt->frontend.type != DISAGG_SRT_F_VLLM &&
			      srt->backend.dp_launch_mode == DISAGG_SRT_DP_PER_GPU;
	}
	if (deprecated)
		disagg_findings_warn(import->found, disagg_srt_at(import, "backend.dp_launch_mode"),
			"backend.dp_launch_mode: 'per_gpu' is deprecated; expected 'per_node'");
}

/* ---- KV events, the KV store ---- */

static bool is_bool(const struct disagg_node *node)
{
	return node->kind == DISAGG_SCALAR && disagg_scalar_read(node).type == DISAGG_T_BOOL;
}

static void check_kv_events(struct disagg_import *import, const struct disagg_srt *srt)
{
	const struct disagg_node *events = srt->backend.kv_events;

	if (!events || is_bool(events))
		return;
	if (events->kind != DISAGG_MAP) {
		disagg_findings_error(import->found, &events->at,
			"backend.kv_events_config: expected true, false or a map by mode, got %s",
			disagg_node_type_name(events));
		return;
	}
	for (uint32_t i = 0; i < events->count; i++) {
		const struct disagg_pair *pair = &events->pair[i];
		const char *near = disagg_nearest_name(disagg_srt_sections, pair->key);
		int mode = 0;

		while (disagg_srt_sections[mode] && strcmp(disagg_srt_sections[mode], pair->key))
			mode++;
		if (mode == DISAGG_SRT_MODES)
			disagg_findings_error(import->found, &pair->at,
				"backend.kv_events_config: unknown key '%s': expected prefill, "
				"decode or aggregated%s%s%s",
				pair->key, near ? "; did you mean '" : "", near ? near : "",
				near ? "'?" : "");
		else if (!is_bool(pair->value) && pair->value->kind != DISAGG_MAP &&
			 !disagg_node_is_null(pair->value))
			disagg_findings_error(import->found, &pair->value->at,
				"backend.kv_events_config.%s: expected true, false or a map, got %s",
				pair->key, disagg_node_type_name(pair->value));
	}
}

/* Whether a mode sends its KV cache through Mooncake. */
static bool wires_mooncake(const struct disagg_srt *srt, enum disagg_srt_mode mode)
{
	bool vllm = srt->backend.type == DISAGG_SRT_VLLM;
	const struct disagg_node *value = disagg_srt_flag(srt->backend.config[mode],
		vllm ? "kv-transfer-config" : "disaggregation-transfer-backend");

	if (!value || value->kind != DISAGG_SCALAR)
		return false;
	return vllm ? strcasestr(value->text, "mooncake") != NULL
		    : strcmp(value->text, "mooncake") == 0;
}

static void check_mooncake(struct disagg_import *import, const struct disagg_srt *srt)
{
	bool vllm = srt->backend.type == DISAGG_SRT_VLLM;

	if (!disagg_srt_given(import, "backend.mooncake_kv_store") ||
		!disagg_srt_is_disaggregated(srt) || wires_mooncake(srt, DISAGG_SRT_PREFILL) ||
		wires_mooncake(srt, DISAGG_SRT_DECODE))
		return;
	disagg_findings_error(import->found, disagg_srt_at(import, "backend.mooncake_kv_store"),
		"backend.mooncake_kv_store: no worker uses it: expected %s in %s_config.prefill and "
		".decode",
		vllm ? "a kv-transfer-config with a Mooncake connector"
		     : "disaggregation-transfer-backend: mooncake",
		disagg_srt_backends[srt->backend.type]);
}

/* ---- profiling ---- */

static void check_profiling_phases(struct disagg_import *import, const struct disagg_srt *srt)
{
	bool disaggregated = disagg_srt_is_disaggregated(srt);

	for (int mode = 0; mode < DISAGG_SRT_MODES; mode++) {
		bool wanted = (mode == DISAGG_SRT_AGG) != disaggregated;
		char path[32];
		bool given;

		snprintf(path, sizeof(path), "profiling.%s", disagg_srt_sections[mode]);
		given = disagg_srt_given(import, path);
		if (given && !wanted)
			disagg_findings_error(import->found, disagg_srt_at(import, path),
				"%s: the job has no such workers; expected %s", path,
				disaggregated ? "profiling.prefill and profiling.decode"
					      : "profiling.aggregated");
		else if (!given && wanted)
			disagg_srt_incomplete(
				import, path, "%s is missing: profiling.type asks for it", path);
	}
}

static void check_profiler_flags(struct disagg_import *import, const struct disagg_srt *srt)
{
	for (int mode = 0; mode < DISAGG_SRT_MODES; mode++) {
		const struct disagg_node *config = srt->backend.config[mode];

		for (uint32_t i = 0; config && config->kind == DISAGG_MAP && i < config->count;
			i++) {
			const struct disagg_pair *pair = &config->pair[i];

			if (strncmp(pair->key, "profiler-config", 15) == 0 ||
				strncmp(pair->key, "profiler_config", 15) == 0)
				disagg_findings_error(import->found, &pair->at,
					"'%s' follows from 'profiling' with type nsys; remove it",
					pair->key);
		}
	}
}

static void check_profiling(struct disagg_import *import, const struct disagg_srt *srt)
{
	const struct disagg_srt_profiling *prof = &srt->profiling;
	const struct disagg_origin *at = disagg_srt_at(import, "profiling.type");

	if (prof->type == DISAGG_SRT_P_NONE)
		return;
	if (prof->type == DISAGG_SRT_P_TORCH && srt->backend.type == DISAGG_SRT_TRTLLM)
		disagg_findings_error(import->found, at,
			"profiling.type: 'torch' is not for the trtllm backend; expected 'nsys'");
	if (prof->type == DISAGG_SRT_P_NSYS_TIME) {
		if (!prof->delay.set || !prof->duration.set)
			disagg_findings_error(import->found, at,
				"profiling.type: 'nsys-time' needs delay_secs and duration_secs");
		return;
	}
	check_profiling_phases(import, srt);
	if (prof->type == DISAGG_SRT_P_NSYS && srt->backend.type == DISAGG_SRT_VLLM)
		check_profiler_flags(import, srt);
}

void disagg_srt_check_engine(struct disagg_import *import, const struct disagg_srt *srt)
{
	check_modes(import, srt);
	check_kv_events(import, srt);
	check_mooncake(import, srt);
	check_profiling(import, srt);
}
