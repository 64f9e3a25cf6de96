/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/kvpath_build.h"

#include "lib/probe/stats.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LIMIT	  0.07
#define SIGMAS	  (3.5 * 1.4826)
#define FLOWS_MIN 8

struct limits {
	double median, floor; /* floor 0: too few pairs */
	bool representative;  /* all of them are */
};

static size_t rates(const struct kvpath *path, size_t node)
{
	size_t count = 0;

	for (size_t i = 0; i < path->flows; i++) {
		const struct disagg_kvpath_flow *flow = &path->flow[i];

		if (path->result[i].get_gbs > 0 &&
			(node == SIZE_MAX || flow->prefill == node || flow->decode == node))
			path->scratch[count++] = path->result[i].get_gbs;
	}
	disagg_stats_sort(path->scratch, count);
	return count;
}

static struct limits limits_of(const struct kvpath *path)
{
	struct limits limits = {.representative = true};
	size_t count = rates(path, SIZE_MAX);
	double mad;

	limits.median = disagg_stats_percentile(path->scratch, count, 0.5);
	mad = disagg_stats_mad(path->scratch, count, limits.median);
	if (count >= FLOWS_MIN)
		limits.floor = limits.median - fmax(LIMIT * limits.median, SIGMAS * mad);
	for (size_t i = 0; i < path->flows; i++)
		limits.representative &=
			path->result[i].representative || path->result[i].get_gbs <= 0;
	return limits;
}

static struct disagg_probe_record of_flow(const struct kvpath *path, size_t at)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.probe = path->probe->name;
	record.node = disagg_fleet_name(path->fleet, path->flow[at].decode);
	record.peer = disagg_fleet_name(path->fleet, path->flow[at].prefill);
	record.unit = "GB/s";
	record.hint = path->result[at].label;
	return record;
}

/* ---- pairs ---- */

static void tell_slow(const struct kvpath *path, size_t at, const struct limits *limits)
{
	struct disagg_probe_record record = of_flow(path, at);
	char reason[192];

	if (path->result[at].get_gbs <= 0 || path->result[at].get_gbs >= limits->floor)
		return;
	snprintf(reason, sizeof(reason),
		"%.4g GB/s alone, expected %.4g (the fleet's median), slow below %.4g",
		path->result[at].get_gbs, limits->median, limits->floor);
	record.param = "slow";
	record.has_value = true;
	record.value = path->result[at].get_gbs;
	record.status = limits->representative ? DISAGG_PROBE_WARN : DISAGG_PROBE_PASS;
	record.reason = reason;
	disagg_fleet_emit(path->fleet, &record);
}

static void tell_congested(const struct kvpath *path, size_t at, unsigned sharing)
{
	const struct kvpath_result *result = &path->result[at];
	struct disagg_probe_record record = of_flow(path, at);
	char reason[192];

	if (result->get_gbs <= 0 || result->together_gbs <= 0)
		return;
	record.param = "congestion";
	record.unit = "times";
	record.has_value = true;
	record.value = result->get_gbs / result->together_gbs;
	if (record.value > DISAGG_KVPATH_CONGESTED * sharing) {
		snprintf(reason, sizeof(reason),
			"%.3g times slower with all pairs than alone; %u pairs that share a node's "
			"NICs explain %u times",
			record.value, sharing, sharing);
		record.reason = reason;
		record.status = result->representative ? DISAGG_PROBE_WARN : DISAGG_PROBE_PASS;
	}
	disagg_fleet_emit(path->fleet, &record);
}

static void tell_missing(const struct kvpath *path, size_t at)
{
	struct disagg_probe_record record = of_flow(path, at);

	if (path->result[at].label)
		return;
	record.param = "reach";
	record.unit = NULL;
	record.status = DISAGG_PROBE_UNKNOWN;
	record.reason = path->result[at].reason ? path->result[at].reason
						: "no measurement came of this pair";
	disagg_fleet_emit(path->fleet, &record);
}

/* ---- nodes ---- */

/* Slow in all of its pairs, two at least. */
static bool all_slow(const struct kvpath *path, size_t node, const struct limits *limits)
{
	size_t count = rates(path, node);

	return count >= 2 && path->scratch[count - 1] < limits->floor;
}

static void tell_node(const struct kvpath *path, size_t node, const struct limits *limits)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	size_t count = rates(path, node);
	char reason[192];

	record.probe = path->probe->name;
	record.node = disagg_fleet_name(path->fleet, node);
	record.param = "verdict";
	if (count) {
		record.unit = "GB/s";
		record.has_value = true;
		record.value = disagg_stats_percentile(path->scratch, count, 0.5);
	}
	if (all_slow(path, node, limits)) {
		snprintf(reason, sizeof(reason),
			"%.4g GB/s at best with each of %zu nodes, expected %.4g (the fleet's "
			"median), slow below %.4g",
			path->scratch[count - 1], count, limits->median, limits->floor);
		record.reason = reason;
		record.status = limits->representative ? DISAGG_PROBE_FAIL : DISAGG_PROBE_PASS;
	}
	if (!limits->representative)
		record.hint = "TCP: not representative, no node is judged by it";
	disagg_fleet_emit(path->fleet, &record);
}

static bool in_a_flow(const struct kvpath *path, size_t node)
{
	for (size_t i = 0; i < path->flows; i++)
		if (path->flow[i].prefill == node || path->flow[i].decode == node)
			return true;
	return false;
}

static void tell_apart(const struct kvpath *path, size_t node)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.probe = path->probe->name;
	record.node = disagg_fleet_name(path->fleet, node);
	record.status = DISAGG_PROBE_SKIP;
	record.reason = "no KV cache passes between this node and another";
	disagg_fleet_emit(path->fleet, &record);
}

static void tell_nodes(const struct kvpath *path, const struct limits *limits)
{
	for (size_t node = 0; node < path->nodes; node++) {
		if (disagg_fleet_lost(path->fleet, node))
			continue;
		if (!in_a_flow(path, node))
			tell_apart(path, node);
		else if (rates(path, node))
			tell_node(path, node, limits);
	}
}

/* ---- how long a request's cache takes ---- */

static struct disagg_kv_side side_of(const struct kvpath *path, enum disagg_role_kind kind)
{
	struct disagg_kv_side side = {0, 1};

	for (uint32_t i = 0; i < path->plan->role_count && !side.tp; i++)
		if (path->plan->role[i].kind == kind)
			side.tp = path->plan->role[i].gpus;
	return side;
}

/* Every rank over a path of its own, at the slowest pair's rate. */
static int tell_seconds(const struct kvpath *path, double gbs, struct disagg_err *err)
{
	static const uint64_t lengths[] = {1024, 8192, 32768};
	struct disagg_kv_side side[2] = {
		side_of(path, DISAGG_PREFILL), side_of(path, DISAGG_DECODE)};
	struct disagg_arena *arena = disagg_fleet_arena(path->fleet);
	size_t ranks[2] = {(size_t)side[0].tp * side[0].pp, (size_t)side[1].tp * side[1].pp};
	double *bandwidth = disagg_arena_array(arena, ranks[0] * ranks[1] + 1, sizeof(double));

	if (!bandwidth)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < ranks[0] * ranks[1]; i++)
		bandwidth[i] = gbs * 1e9;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
		uint64_t *matrix;

		if (disagg_kv_matrix(arena, &path->model, lengths[i], side, &matrix, err) < 0)
			return -1;
		record.probe = path->probe->name;
		record.node = disagg_fleet_name(path->fleet, path->flow[0].decode);
		record.param =
			disagg_arena_printf(arena, "t_kv %llu", (unsigned long long)lengths[i]);
		record.unit = "ms";
		record.has_value = true;
		record.value = 1e3 * disagg_kv_seconds(matrix, bandwidth, ranks[0], ranks[1]);
		record.hint = disagg_arena_printf(arena,
			"%.4g MiB a request, tp %u to tp %u, each rank at %.4g GB/s",
			(double)disagg_kv_request_bytes(&path->model, lengths[i]) / (1 << 20),
			side[0].tp, side[1].tp, gbs);
		disagg_fleet_emit(path->fleet, &record);
	}
	return 0;
}

static int tell_contention(const struct kvpath *path, struct disagg_err *err)
{
	struct disagg_arena *arena = disagg_fleet_arena(path->fleet);
	unsigned *sharing = disagg_arena_array(arena, path->flows, sizeof(*sharing));
	struct disagg_kv_flow *flow = disagg_arena_array(arena, path->flows, sizeof(*flow));

	if (!sharing || !flow)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < path->flows; i++) {
		flow[i].from = path->flow[i].prefill;
		flow[i].to = path->flow[i].decode;
	}
	if (disagg_kv_contention(arena, flow, path->flows, path->nodes, sharing, err) < 0)
		return -1;
	for (size_t i = 0; i < path->flows; i++)
		tell_congested(path, i, sharing[i]);
	return 0;
}

int kvpath_tell(struct kvpath *path, struct disagg_err *err)
{
	struct limits limits = limits_of(path);

	for (size_t i = 0; i < path->flows; i++) {
		tell_missing(path, i);
		tell_slow(path, i, &limits);
	}
	tell_nodes(path, &limits);
	if (tell_contention(path, err) < 0)
		return -1;
	if (!path->plan || !path->has_model || !rates(path, SIZE_MAX))
		return 0;
	return tell_seconds(path, path->scratch[0], err);
}
