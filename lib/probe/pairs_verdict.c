/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/pairs_build.h"

#include "lib/host/http.h"
#include <stdio.h>
#include <string.h>

#define REASON 768

static const char *name_of(const struct pairs *pairs, uint32_t node)
{
	return disagg_fleet_name(pairs->fleet, node);
}

static const char *leaf_of(const struct pairs *pairs, uint32_t node)
{
	const char *name = pairs->has_leaves ? pairs->leaf_name[node] : NULL;

	return name ? name : "?";
}

/* ", expected ..." with what it was held against. */
static void expected(
	const struct pairs *pairs, const struct disagg_finding *finding, char *buf, size_t size)
{
	bool of_line = pairs->reference > 0 && finding->expected >= pairs->reference &&
		       finding->expected <= pairs->reference;

	snprintf(buf, size, "expected %.4g GB/s (%s), slow below %.4g", finding->expected,
		finding->relative ? "the fastest pair's"
		: of_line	  ? "0.9 of the ports' rate"
				  : "the median of the pairs that are not slow",
		finding->limit);
}

/* ---- a text for each kind ---- */

typedef void tell_fn(const struct pairs *pairs, const struct disagg_finding *finding,
	const char *held, char *reason);

static void tell_node(const struct pairs *pairs, const struct disagg_finding *finding,
	const char *held, char *reason)
{
	char rail[32] = "its worst rail";

	(void)pairs;
	if (finding->rail >= 0)
		snprintf(rail, sizeof(rail), "rail %d", finding->rail);
	snprintf(reason, REASON, "%.4g GB/s at best on %s, with %s%u partner%s; %s", finding->value,
		rail, finding->tests > 1 ? "each of " : "", finding->tests,
		finding->tests == 1 ? "" : "s", held);
}

static void tell_hangs(const struct pairs *pairs, const struct disagg_finding *finding,
	const char *held, char *reason)
{
	const char *why = pairs->why[finding->a];

	(void)held;
	snprintf(reason, REASON, "no test with it came to an end, with %u partner%s: %s",
		finding->tests, finding->tests == 1 ? "" : "s", why ? why : "no value came");
}

static void tell_path(const struct pairs *pairs, const struct disagg_finding *finding,
	const char *held, char *reason)
{
	const char *a = name_of(pairs, finding->a), *b = name_of(pairs, finding->b);
	char rail[32] = "";

	if (finding->rail >= 0)
		snprintf(rail, sizeof(rail), " on rail %d", finding->rail);
	if (pairs->has_leaves)
		snprintf(reason, REASON,
			"the path between leaf '%s' and leaf '%s' is slow, not the nodes: %.4g GB/s "
			"at best%s between %s and %s, repeated (%u such pairs); %s",
			leaf_of(pairs, finding->a), leaf_of(pairs, finding->b), finding->value,
			rail, a, b, finding->tests, held);
	else
		snprintf(reason, REASON,
			"the path between %s and %s is slow, not the nodes: %.4g GB/s at best%s, "
			"repeated; both are fast with others; %s",
			a, b, finding->value, rail, held);
}

static void tell_leaf(const struct pairs *pairs, const struct disagg_finding *finding,
	const char *held, char *reason)
{
	snprintf(reason, REASON,
		"leaf '%s' is slow to the others, its nodes are not: %.4g GB/s from it, in %u "
		"pairs that were repeated; %s",
		leaf_of(pairs, finding->a), finding->value, finding->tests, held);
}

static void tell_pair(const struct pairs *pairs, const struct disagg_finding *finding,
	const char *held, char *reason)
{
	snprintf(reason, REASON,
		"%.4g GB/s between %s and %s, and no %s was left to tell which of both; %s",
		finding->value, name_of(pairs, finding->a), name_of(pairs, finding->b),
		pairs->cut ? "time" : "node", held);
}

static void tell_fleet(const struct pairs *pairs, const struct disagg_finding *finding,
	const char *held, char *reason)
{
	(void)held;
	snprintf(reason, REASON,
		"nearly all pairs of the fleet are slow: %.4g GB/s on average, expected %.4g (0.9 "
		"of the %zu GPUs' share of the ports' rate)",
		finding->value, finding->expected, pairs->rails);
}

static void tell_transient(const struct pairs *pairs, const struct disagg_finding *finding,
	const char *held, char *reason)
{
	snprintf(reason, REASON, "%.4g GB/s with %s once, not when repeated; %s", finding->value,
		name_of(pairs, finding->b), held);
}

static void tell_untested(const struct pairs *pairs, const struct disagg_finding *finding,
	const char *held, char *reason)
{
	const char *why = pairs->why[finding->a];

	(void)held;
	snprintf(reason, REASON, "%s",
		why	     ? why
		: pairs->cut ? "no time was left to test it"
			     : "no node was left to test it with");
}

static const struct kind {
	enum disagg_probe_status status;
	bool has_peer;
	tell_fn *tell;
	const char *hint;
} kinds[] = {
	[DISAGG_FINDING_NODE] = {DISAGG_PROBE_FAIL, false, tell_node,
		"its NICs, their cables and PCIe links; GPUDirect RDMA"},
	[DISAGG_FINDING_RAIL] = {DISAGG_PROBE_FAIL, false, tell_node,
		"the NIC of that GPU, its cable and its switch port"},
	[DISAGG_FINDING_HANGS] = {DISAGG_PROBE_UNKNOWN, false, tell_hangs, NULL},
	[DISAGG_FINDING_PATH] = {DISAGG_PROBE_WARN, true, tell_path,
		"the links between these switches; adaptive routing"},
	[DISAGG_FINDING_LEAF] = {DISAGG_PROBE_WARN, false, tell_leaf, "that switch's uplinks"},
	[DISAGG_FINDING_PAIR] = {DISAGG_PROBE_WARN, true, tell_pair,
		"run it over more nodes: a third one tells"},
	[DISAGG_FINDING_FLEET] = {DISAGG_PROBE_WARN, false, tell_fleet,
		"NCCL's transport (NCCL_DEBUG=INFO): NET/IB with GDRDMA, or sockets?"},
	[DISAGG_FINDING_TRANSIENT] = {DISAGG_PROBE_PASS, true, tell_transient, NULL},
	[DISAGG_FINDING_UNTESTED] = {DISAGG_PROBE_UNKNOWN, false, tell_untested, NULL},
};

static void tell(struct pairs *pairs, const struct disagg_finding *finding)
{
	const struct kind *kind = &kinds[finding->kind];
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	char held[160], reason[REASON];

	expected(pairs, finding, held, sizeof(held));
	kind->tell(pairs, finding, held, reason);
	record.probe = pairs->probe->name;
	record.node = name_of(pairs, finding->a);
	record.peer = kind->has_peer ? name_of(pairs, finding->b) : NULL;
	record.param = finding->kind == DISAGG_FINDING_FLEET ? "fleet" : "verdict";
	record.rail = finding->rail;
	record.gpu = finding->kind == DISAGG_FINDING_RAIL ? finding->rail : -1;
	record.status = kind->status;
	if (finding->relative && record.status == DISAGG_PROBE_FAIL)
		record.status = DISAGG_PROBE_WARN;
	/* which of both was never measured at all */
	if (finding->kind == DISAGG_FINDING_PAIR && finding->value <= 0)
		record.status = DISAGG_PROBE_UNKNOWN;
	record.reason = reason;
	record.hint = kind->hint;
	record.has_value = finding->value > 0;
	record.value = finding->value;
	record.unit = "GB/s";
	if (finding->expected > 0) {
		record.has_ref = record.has_floor = true;
		record.ref = finding->expected;
		record.ref_source = "the pairs of this run";
		record.floor = finding->limit;
	}
	disagg_fleet_emit(pairs->fleet, &record);
}

/* Nodes that nothing was found about. */
static void tell_good(struct pairs *pairs, uint32_t node)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.probe = pairs->probe->name;
	record.node = name_of(pairs, node);
	record.param = "verdict";
	record.has_value = pairs->best[node] >= 0;
	record.value = pairs->best[node];
	record.unit = "GB/s";
	disagg_fleet_emit(pairs->fleet, &record);
}

/* Whether the finding is a verdict over its node a alone. */
static bool is_of_node(const struct disagg_finding *finding)
{
	return finding->kind != DISAGG_FINDING_FLEET && finding->kind != DISAGG_FINDING_PATH &&
	       finding->kind != DISAGG_FINDING_LEAF && finding->kind != DISAGG_FINDING_TRANSIENT;
}

/* A node without a GPU is not part of this. */
static bool has_no_gpu(const struct pairs *pairs, const struct disagg_finding *finding)
{
	return finding->kind == DISAGG_FINDING_UNTESTED &&
	       !disagg_fleet_lost(pairs->fleet, finding->a) &&
	       disagg_fleet_gpus(pairs->fleet, finding->a, NULL) == 0;
}

static void tell_no_gpu(struct pairs *pairs, uint32_t node)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.probe = pairs->probe->name;
	record.node = name_of(pairs, node);
	record.status = DISAGG_PROBE_SKIP;
	record.reason = "no GPU on this node";
	disagg_fleet_emit(pairs->fleet, &record);
}

/* What the search took, for whoever waited for it. */
static void tell_search(struct pairs *pairs)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	char reason[160];
	double most_s = DISAGG_PAIRS_DEADLINES * pairs->probe->deadline_ms / 1e3;

	record.probe = pairs->probe->name;
	record.node = name_of(pairs, 0);
	record.param = "search";
	record.has_value = true;
	record.value = (double)(disagg_monotonic_ns() - pairs->start_ns) / 1e9;
	record.unit = "s";
	snprintf(reason, sizeof(reason), "%u rounds, %zu tests%s",
		disagg_localise_rounds(pairs->search), disagg_localise_tests(pairs->search),
		pairs->cut ? "" : ", to its end");
	if (pairs->cut)
		snprintf(reason + strlen(reason), sizeof(reason) - strlen(reason),
			": cut off after %.0f s, so that some %s", most_s,
			disagg_localise_sweeps(pairs->search) ? "paths are not tested"
							      : "nodes are undecided");
	record.reason = reason;
	disagg_fleet_emit(pairs->fleet, &record);
}

int pairs_tell(struct pairs *pairs, struct disagg_err *err)
{
	const struct disagg_finding *finding;
	size_t count;
	bool *told =
		disagg_arena_array(disagg_fleet_arena(pairs->fleet), pairs->nodes, sizeof(bool));

	if (!told)
		return disagg_err_nomem(err);
	if (disagg_localise_findings(pairs->search, &finding, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		told[finding[i].a] |= is_of_node(&finding[i]);
		if (finding[i].kind == DISAGG_FINDING_PAIR)
			told[finding[i].b] = true;
		if (has_no_gpu(pairs, &finding[i]))
			tell_no_gpu(pairs, finding[i].a);
		else
			tell(pairs, &finding[i]);
	}
	for (uint32_t i = 0; i < pairs->nodes; i++)
		if (!told[i])
			tell_good(pairs, i);
	tell_search(pairs);
	return 0;
}
