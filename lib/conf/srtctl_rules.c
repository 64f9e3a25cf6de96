/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/srtctl_tables.h"
#include <stdio.h>
#include <string.h>

/* ---- what the file says, and where ---- */

bool disagg_srt_given(const struct disagg_import *import, const char *path)
{
	const struct disagg_node *node = disagg_node_find(import->tree, path);

	return node && !disagg_node_is_null(node);
}

const struct disagg_origin *disagg_srt_at(const struct disagg_import *import, const char *path)
{
	char above[128];
	const struct disagg_node *node = NULL;
	size_t len = strlen(path);

	if (len >= sizeof(above))
		return &import->tree->at;
	memcpy(above, path, len + 1);
	for (;;) {
		char *dot;

		node = disagg_node_find(import->tree, above);
		dot = strrchr(above, '.');
		if (node || !dot)
			break;
		*dot = '\0';
	}
	return node ? &node->at : &import->tree->at;
}

void disagg_srt_incomplete(struct disagg_import *import, const char *path, const char *fmt, ...)
{
	const char *variant = import->job->variant;
	const char *text;
	va_list args;

	va_start(args, fmt);
	text = disagg_arena_vprintf(import->arena, fmt, args);
	va_end(args);
	if (!text)
		text = "incomplete";
	if (variant && strcmp(variant, "base") == 0)
		disagg_findings_warn(import->found, disagg_srt_at(import, path),
			"%s (the file's variants may complete its 'base')", text);
	else
		disagg_findings_error(import->found, disagg_srt_at(import, path), "%s", text);
}

/* ---- what follows from it ---- */

int64_t disagg_srt_workers(const struct disagg_srt *srt, enum disagg_srt_mode mode)
{
	return srt->resources.workers[mode].set ? srt->resources.workers[mode].v : 0;
}

static int64_t nodes_of(const struct disagg_srt *srt, enum disagg_srt_mode mode)
{
	return srt->resources.nodes[mode].set ? srt->resources.nodes[mode].v : 0;
}

/* Something of the mode is there: keys that say 0 do not count. */
static bool has_mode(const struct disagg_srt *srt, enum disagg_srt_mode mode)
{
	return disagg_srt_workers(srt, mode) > 0 || nodes_of(srt, mode) > 0;
}

bool disagg_srt_is_disaggregated(const struct disagg_srt *srt)
{
	bool said = srt->resources.nodes[DISAGG_SRT_PREFILL].set ||
		    srt->resources.nodes[DISAGG_SRT_DECODE].set;
	bool any = has_mode(srt, DISAGG_SRT_PREFILL) || has_mode(srt, DISAGG_SRT_DECODE);

	return any || (said && !has_mode(srt, DISAGG_SRT_AGG));
}

int64_t disagg_srt_gpus(const struct disagg_srt *srt, enum disagg_srt_mode mode)
{
	const struct disagg_srt_resources *res = &srt->resources;
	int64_t workers = disagg_srt_workers(srt, mode);

	if (res->gpus[mode].set)
		return res->gpus[mode].v;
	if (nodes_of(srt, mode) && workers)
		return nodes_of(srt, mode) * res->gpus_per_node.v / workers;
	if (mode == DISAGG_SRT_DECODE && res->nodes[mode].set && workers)
		return disagg_srt_gpus(srt, DISAGG_SRT_PREFILL);
	return res->gpus_per_node.v;
}

static int64_t total_gpus(const struct disagg_srt *srt)
{
	int64_t total = 0;

	for (int mode = 0; mode < DISAGG_SRT_MODES; mode++)
		total += disagg_srt_workers(srt, (enum disagg_srt_mode)mode) *
			 disagg_srt_gpus(srt, (enum disagg_srt_mode)mode);
	return total;
}

bool disagg_srt_colocated(const struct disagg_srt *srt)
{
	const struct disagg_srt_backend *backend = &srt->backend;

	if (backend->type != DISAGG_SRT_VLLM || backend->colocation != DISAGG_YES ||
		!disagg_srt_workers(srt, DISAGG_SRT_PREFILL) ||
		!disagg_srt_workers(srt, DISAGG_SRT_DECODE))
		return false;
	return total_gpus(srt) <= srt->resources.gpus_per_node.v ||
	       backend->colocation_across_nodes == DISAGG_YES;
}

int64_t disagg_srt_worker_nodes(const struct disagg_srt *srt)
{
	int64_t gpn = srt->resources.gpus_per_node.v;

	if (disagg_srt_colocated(srt))
		return (total_gpus(srt) + gpn - 1) / gpn;
	if (disagg_srt_is_disaggregated(srt))
		return nodes_of(srt, DISAGG_SRT_PREFILL) + nodes_of(srt, DISAGG_SRT_DECODE);
	return nodes_of(srt, DISAGG_SRT_AGG) ? nodes_of(srt, DISAGG_SRT_AGG) : 1;
}

unsigned disagg_srt_reserved_nodes(const struct disagg_srt *srt)
{
	unsigned wanted = 0;

	wanted += srt->infra.dedicated_node == DISAGG_YES;
	wanted += srt->frontend.dedicated_node == DISAGG_YES;
	wanted += srt->benchmark.dedicated_node == DISAGG_YES;

	return wanted && srt->benchmark.colocate != DISAGG_NO ? 1 : wanted;
}

bool disagg_srt_direct(const struct disagg_srt *srt)
{
	return !disagg_srt_is_disaggregated(srt) &&
	       (srt->frontend.type == DISAGG_SRT_F_VLLM ||
		       srt->frontend.type == DISAGG_SRT_F_TRTLLM_SERVE);
}

bool disagg_srt_uses_nginx(const struct disagg_srt *srt)
{
	return srt->frontend.multiple != DISAGG_NO && disagg_srt_worker_nodes(srt) > 1;
}

/* ---- topology ---- */

static void check_mixed(struct disagg_import *import, const struct disagg_srt *srt)
{
	if (disagg_srt_is_disaggregated(srt) && has_mode(srt, DISAGG_SRT_AGG))
		disagg_findings_error(import->found, disagg_srt_at(import, "resources.agg_workers"),
			"resources: agg_* and prefill_*/decode_* exclude each other: an aggregated "
			"worker does both");
}

static void check_disaggregated(struct disagg_import *import, const struct disagg_srt *srt)
{
	bool prefill = disagg_srt_workers(srt, DISAGG_SRT_PREFILL) > 0;
	bool decode = disagg_srt_workers(srt, DISAGG_SRT_DECODE) > 0;

	if (prefill != decode)
		disagg_srt_incomplete(import,
			prefill ? "resources.decode_workers" : "resources.prefill_workers",
			"resources: %s workers but no %s workers: expected both, or agg_nodes and "
			"agg_workers",
			prefill ? "prefill" : "decode", prefill ? "decode" : "prefill");
	else if (!prefill)
		disagg_srt_incomplete(import, "resources",
			"resources: no workers: expected prefill_workers and decode_workers");
	else if (disagg_srt_worker_nodes(srt) < 1)
		disagg_srt_incomplete(import, "resources",
			"resources: no nodes: expected prefill_nodes and decode_nodes");
}

static void check_topology(struct disagg_import *import, const struct disagg_srt *srt)
{
	check_mixed(import, srt);
	if (disagg_srt_is_disaggregated(srt))
		check_disaggregated(import, srt);
	else if (!disagg_srt_workers(srt, DISAGG_SRT_AGG))
		disagg_srt_incomplete(import, "resources",
			"resources: no workers: expected prefill_nodes, prefill_workers, "
			"decode_nodes and decode_workers, or agg_nodes and agg_workers");
	else if (srt->resources.nodes[DISAGG_SRT_AGG].set && !nodes_of(srt, DISAGG_SRT_AGG))
		disagg_findings_error(import->found, disagg_srt_at(import, "resources.agg_nodes"),
			"resources.agg_nodes: expected at least 1 for %lld workers, got 0",
			(long long)disagg_srt_workers(srt, DISAGG_SRT_AGG));
}

static void check_gpus(struct disagg_import *import, const struct disagg_srt *srt)
{
	for (int i = 0; i < DISAGG_SRT_MODES; i++) {
		enum disagg_srt_mode mode = (enum disagg_srt_mode)i;
		int64_t workers = disagg_srt_workers(srt, mode);
		const char *name = disagg_srt_modes[mode];
		char path[64];

		if (!workers || disagg_srt_gpus(srt, mode) > 0)
			continue;
		snprintf(path, sizeof(path), "resources.%s%s",
			srt->resources.gpus[mode].set ? "gpus_per_" : name,
			srt->resources.gpus[mode].set ? name : "_workers");
		if (srt->resources.gpus[mode].set)
			disagg_findings_error(import->found, disagg_srt_at(import, path),
				"%s: a worker needs at least 1 GPU, got 0", path);
		else
			disagg_findings_error(import->found, disagg_srt_at(import, path),
				"%s: %lld workers cannot share the %lld GPUs of %lld nodes", path,
				(long long)workers,
				(long long)(nodes_of(srt, mode) * srt->resources.gpus_per_node.v),
				(long long)nodes_of(srt, mode));
	}
}

static void check_het(struct disagg_import *import, const struct disagg_srt *srt)
{
	const struct disagg_origin *at = disagg_srt_at(import, "resources.het_jobs");

	if (srt->resources.het_jobs != DISAGG_YES)
		return;
	if (nodes_of(srt, DISAGG_SRT_PREFILL) < 1 || nodes_of(srt, DISAGG_SRT_DECODE) < 1)
		disagg_findings_error(import->found, at,
			"resources.het_jobs: expected prefill_nodes and decode_nodes of at least 1");
	if (srt->backend.type != DISAGG_SRT_SGLANG)
		disagg_findings_error(import->found, at,
			"resources.het_jobs: only the sglang backend has it, got '%s'",
			disagg_srt_backends[srt->backend.type]);
	if (srt->frontend.dedicated_node == DISAGG_YES ||
		srt->benchmark.dedicated_node == DISAGG_YES)
		disagg_findings_error(import->found, at,
			"resources.het_jobs: there is no dedicated frontend or client node beside "
			"two pools of nodes");
}

/* ---- frontend ---- */

/* Which engines a frontend can speak to. */
static void check_frontend_backend(struct disagg_import *import, const struct disagg_srt *srt)
{
	static const int needs[DISAGG_SRT_FRONTENDS] = {
		[DISAGG_SRT_F_DYNAMO] = -1,
		[DISAGG_SRT_F_SGLANG] = DISAGG_SRT_SGLANG,
		[DISAGG_SRT_F_TRTLLM_SERVE] = DISAGG_SRT_TRTLLM,
		[DISAGG_SRT_F_VLLM] = DISAGG_SRT_VLLM,
	};
	int need = needs[srt->frontend.type];

	if (need >= 0 && need != srt->backend.type)
		disagg_findings_error(import->found, disagg_srt_at(import, "frontend.type"),
			"frontend.type: '%s' speaks only to backend.type '%s', got '%s'",
			disagg_srt_frontends[srt->frontend.type], disagg_srt_backends[need],
			disagg_srt_backends[srt->backend.type]);
}

static void check_frontend(struct disagg_import *import, const struct disagg_srt *srt)
{
	const char *name = disagg_srt_frontends[srt->frontend.type];
	const struct disagg_origin *at = disagg_srt_at(import, "frontend.type");
	bool disaggregated = disagg_srt_is_disaggregated(srt);

	check_frontend_backend(import, srt);
	if (srt->frontend.type != DISAGG_SRT_F_TRTLLM_SERVE &&
		srt->frontend.type != DISAGG_SRT_F_VLLM)
		return;
	if (srt->frontend.multiple != DISAGG_NO)
		disagg_findings_error(import->found, at,
			"frontend.type: '%s' has one public port: expected "
			"enable_multiple_frontends: false",
			name);
	if (srt->frontend.type == DISAGG_SRT_F_VLLM && disaggregated)
		disagg_findings_error(
			import->found, at, "frontend.type: 'vllm' serves aggregated workers only");
	else if (!disaggregated && disagg_srt_workers(srt, DISAGG_SRT_AGG) != 1)
		disagg_findings_error(import->found, at,
			"frontend.type: '%s' serves exactly 1 aggregated worker, got %lld", name,
			(long long)disagg_srt_workers(srt, DISAGG_SRT_AGG));
}

static void check_placement(struct disagg_import *import, const struct disagg_srt *srt)
{
	bool decode = disagg_srt_workers(srt, DISAGG_SRT_DECODE) > 0;
	const struct disagg_origin *front =
		disagg_srt_at(import, "frontend.orchestrator_placement");
	const struct disagg_origin *client = disagg_srt_at(import, "benchmark.client_placement");

	if (srt->frontend.placement == DISAGG_SRT_F_FIRST_DECODE) {
		if (srt->frontend.dedicated_node == DISAGG_YES)
			disagg_findings_error(import->found, front,
				"frontend.dedicated_node needs orchestrator_placement: head, got "
				"'first_decode': the node would stay empty");
		else if (!decode)
			disagg_findings_error(import->found, front,
				"frontend.orchestrator_placement: 'first_decode', but there are no "
				"decode workers");
		else if (disagg_srt_uses_nginx(srt))
			disagg_findings_warn(import->found, front,
				"frontend.orchestrator_placement has no effect with several "
				"frontends");
	}
	if (srt->benchmark.placement != DISAGG_SRT_C_LAST_DECODE)
		return;
	if (srt->benchmark.dedicated_node == DISAGG_YES)
		disagg_findings_error(import->found, client,
			"benchmark.client_dedicated_node needs client_placement: head, got "
			"'last_decode': the node would stay empty");
	else if (!decode)
		disagg_findings_error(import->found, client,
			"benchmark.client_placement: 'last_decode', but there are no decode "
			"workers");
}

/* ---- dynamo, mounts ---- */

static void check_dynamo(struct disagg_import *import, const struct disagg_srt *srt)
{
	const struct disagg_srt_dynamo *dynamo = &srt->dynamo;
	int sources = (dynamo->hash != NULL) + (dynamo->wheel != NULL) +
		      (dynamo->top_of_tree == DISAGG_YES);

	if (sources > 1)
		disagg_findings_error(import->found, disagg_srt_at(import, "dynamo"),
			"dynamo: expected only one of hash, top_of_tree and wheel, got %d",
			sources);
	if (dynamo->wheel) {
		size_t len = strlen(dynamo->wheel);

		if (!dynamo->wheel[strspn(dynamo->wheel, " ")] || strchr(dynamo->wheel, '/') ||
			(len > 4 && strcmp(dynamo->wheel + len - 4, ".whl") == 0))
			disagg_findings_error(import->found, disagg_srt_at(import, "dynamo.wheel"),
				"dynamo.wheel: expected a version such as '1.2.0', got '%s'",
				dynamo->wheel);
	}
	if (dynamo->cargo_patches.count && !dynamo->hash)
		disagg_findings_error(import->found, disagg_srt_at(import, "dynamo.cargo_patches"),
			"dynamo.cargo_patches need a source build: expected dynamo.hash");
}

static void check_mounts(struct disagg_import *import, const struct disagg_srt *srt)
{
	for (unsigned i = 0; i < srt->extra_mount.count; i++) {
		const char *mount = srt->extra_mount.v[i];
		const char *colon = strchr(mount, ':');
		char path[32];

		if (colon && colon != mount && colon[1] && colon[1] != ':')
			continue;
		snprintf(path, sizeof(path), "extra_mount[%u]", i);
		disagg_findings_error(import->found, disagg_srt_at(import, path),
			"%s: expected 'HOST_PATH:CONTAINER_PATH', got '%s'", path, mount);
	}
}

/* What places a worker's step is the plan's. */
static void check_steps(struct disagg_import *import, const struct disagg_srt *srt)
{
	static const char *const owned[] = {"nodes", "nodelist", "exclude", "relative", "ntasks",
		"ntasks-per-node", "distribution", "overlap", "overcommit", "gpus", "gpus-per-node",
		"gpus-per-task", "gres", "cpus-per-task", "het-group", "jobid", NULL};

	for (unsigned i = 0; i < srt->srun_options.count; i++) {
		const struct disagg_kv *kv = &srt->srun_options.v[i];

		for (unsigned j = 0; owned[j]; j++) {
			if (strcmp(owned[j], kv->key) == 0)
				disagg_findings_error(import->found, &kv->at,
					"srun_options: '%s' follows from the plan: remove it",
					kv->key);
		}
	}
}

int disagg_srt_check(struct disagg_import *import, struct disagg_srt *srt)
{
	static void (*const rules[])(struct disagg_import *, const struct disagg_srt *) = {
		check_topology,
		check_gpus,
		check_het,
		check_frontend,
		check_placement,
		check_dynamo,
		check_mounts,
		check_steps,
		disagg_srt_check_engine,
		disagg_srt_check_monitoring,
	};

	if (disagg_srt_check_benchmark(import, srt))
		return -1;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](import, srt);
	return 0;
}
