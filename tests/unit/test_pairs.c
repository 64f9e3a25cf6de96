/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nccl.pairs over agents, each a process, and NCCL's stub between them: two GPUs a
 * node, 2 % of noise.  test_pairs NODES: so many instead of 8.
 */
#include "lib/probe/pairs.h"

#include "lib/base/num.h"
#include "tests/unit/fleetcase.h"
#include "tests/unit/probe_child.h"
#include "tests/unit/tap.h"

/* Its node's name and GPUs for the stubs. */
static int with_stub(struct disagg_probe_run *run, struct disagg_err *err)
{
	setenv("STUB_NODE", run->node, 1);
	setenv("STUB_GPUS", "2", 1);
	return disagg_pairs_run(run, err);
}

static const struct disagg_probe probes[] = {
	{.name = "nccl.pairs",
		.kind = DISAGG_PROBE_FLEET,
		.needs_gpu = true,
		.deadline_ms = 60000,
		.run = with_stub,
		.lead = disagg_pairs_lead},
	{.name = "short", /* a hang costs its deadline in each round */
		.kind = DISAGG_PROBE_FLEET,
		.needs_gpu = true,
		.deadline_ms = 4000,
		.run = with_stub,
		.lead = disagg_pairs_lead},
	{.name = "cut", /* no time for a second round */
		.kind = DISAGG_PROBE_FLEET,
		.needs_gpu = true,
		.deadline_ms = 1,
		.run = with_stub,
		.lead = disagg_pairs_lead},
	{.name = NULL},
};

static int two_gpus(struct disagg_arena *arena, const struct disagg_probe_options *options,
	struct disagg_gpu_list *ret, struct disagg_err *err)
{
	struct disagg_gpu *gpu = disagg_arena_array(arena, 2, sizeof(*gpu));

	(void)options;
	if (!gpu)
		return disagg_err_nomem(err);
	for (int i = 0; i < 2; i++) {
		gpu[i].index = i;
		gpu[i].uuid = i ? "GPU-1" : "GPU-0";
		gpu[i].name = "NVIDIA H200";
	}
	ret->gpu = gpu;
	ret->count = 2;
	return 0;
}

struct tally {
	size_t verdicts, pairs, fails, warns, unknowns;
	char node[8]; /* of the last that is no pass */
	int rail;
	double value, ref;
	char reason[800];
	char search[200]; /* what is said of all of it */
};

static struct tally tally_of(struct disagg_fleet *fleet)
{
	struct tally tally = {.rail = -1};
	size_t count;
	const struct disagg_probe_record *const *records = disagg_fleet_records(fleet, &count);

	for (size_t i = 0; i < count; i++) {
		const struct disagg_probe_record *record = records[i];

		if (record->param && strcmp(record->param, "search") == 0)
			snprintf(tally.search, sizeof(tally.search), "%s", record->reason);
		if (!record->param || strcmp(record->param, "verdict") != 0) {
			tally.pairs += record->peer && record->rail >= 0;
			continue;
		}
		tally.verdicts += !record->peer;
		tally.fails += record->status == DISAGG_PROBE_FAIL;
		tally.warns += record->status == DISAGG_PROBE_WARN;
		tally.unknowns += record->status == DISAGG_PROBE_UNKNOWN;
		if (record->status == DISAGG_PROBE_PASS)
			continue;
		snprintf(tally.node, sizeof(tally.node), "%s", record->node);
		snprintf(tally.reason, sizeof(tally.reason), "%s", record->reason);
		tally.rail = record->rail;
		tally.value = record->value;
		tally.ref = record->ref;
	}
	return tally;
}

static struct tally run(size_t nodes, const char *faults, size_t probe)
{
	struct fleetcase fleetcase = {.probes = probes, .nodes = nodes, .devices = two_gpus};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct tally tally = {.rail = -1};

	setenv("STUB_NOISE", "2", 1);
	setenv("STUB_NIC", "1", 1); /* GB/s: small messages are no matter of latency then */
	setenv("STUB_FAULTS", faults, 1);
	fleetcase.options.sysroot = "/nowhere";
	fleetcase.options.nccl_max_bytes = 256 << 10;
	if (!ok(fleetcase_start(&fleetcase, &err) == 0, "the agents start"))
		return tally;
	if (!ok(disagg_pairs_lead(fleetcase.fleet, &probes[probe], &err) == 0, "the search ends"))
		printf("# %s; %s\n", err.text, fleetcase.said);
	tally = tally_of(fleetcase.fleet);
	is_int(fleetcase_end(&fleetcase), 0, "all agents end");
	if (tally.reason[0])
		printf("# %s: %s\n", tally.node, tally.reason);
	return tally;
}

/* A slow node and a slow rail at once, of eight. */
static void few(void)
{
	struct tally tally =
		run(8, "slow-node node=n3 by=0.85; slow-rail node=n5 rail=1 by=0.8", 0);

	is_int((intmax_t)tally.verdicts, 8, "a verdict over every node");
	ok(tally.pairs >= 8, "and a record of each pair and rail");
	is_int((intmax_t)(tally.fails), 2, "two are against a node");
	is_int((intmax_t)(tally.warns + tally.unknowns), 0, "and nothing else is said");
	ok(strcmp(tally.node, "n5") == 0 && tally.rail == 1,
		"the slow rail is named with its node, behind the slow node");
	ok(tally.value < 0.95 * tally.ref && tally.value > 0.7 * tally.ref,
		"with its value and what was expected");
	has_str(tally.reason, "on rail 1, with each of", "and why");
	has_str(tally.search, " tests, to its end", "what the search took is told");
}

/* The search has a limit; what is not decided then is against nobody. */
static void is_cut(void)
{
	struct tally tally = run(4, "", 2);

	is_int((intmax_t)(tally.fails + tally.warns), 0, "a search that is cut off blames nobody");
	ok(tally.unknowns > 0, "and says what is not known");
	has_str(tally.search, "1 rounds, 2 tests: cut off after 0 s", "and that it was cut off");
}

static void searches(size_t nodes)
{
	struct tally tally = run(nodes, "", 0);

	is_int((intmax_t)tally.verdicts, (intmax_t)nodes, "a verdict over every node");
	ok(tally.pairs >= nodes, "and a record of each pair and rail");
	is_int((intmax_t)(tally.fails + tally.warns + tally.unknowns), 0,
		"of a healthy fleet none is against a node");

	tally = run(nodes, "slow-node node=n3 by=0.85", 0);
	ok(tally.fails == 1 && strcmp(tally.node, "n3") == 0 && tally.rail == -1,
		"a node at 0.85 is named, alone");
	ok(tally.value < 0.92 * tally.ref && tally.value > 0.78 * tally.ref,
		"with its value and what was expected");
	has_str(tally.reason, "expected", "and why");

	tally = run(nodes, "slow-rail node=n5 rail=1 by=0.8", 0);
	ok(tally.fails == 1 && strcmp(tally.node, "n5") == 0 && tally.rail == 1,
		"a slow rail is named with its node");
	has_str(tally.reason, "rail 1", "in the text too");
}

static void many(size_t nodes)
{
	struct tally tally = run(nodes,
		"slow-node node=n3,n9,n30,n41 by=0.85; slow-rail node=n5 "
		"rail=0 by=0.8",
		0);

	is_int((intmax_t)tally.fails, 5, "four slow nodes and one slow rail");
	is_int((intmax_t)tally.verdicts, (intmax_t)nodes, "a verdict over every node");
	tally = run(nodes, "nccl-hang node=n6", 1);
	ok(tally.unknowns == 1 && strcmp(tally.node, "n6") == 0 && tally.fails == 0,
		"a node that hangs is unknown, and no partner of it");
	has_str(tally.reason, "no test with it", "with the reason");
}

int main(int argc, char **argv)
{
	int64_t nodes = 8;

	if (argc > 1 && disagg_num_int(argv[1], 41, FLEETCASE_MOST, &nodes) < 0)
		return 2;
	use_stubs(argv);
	if (argc == 1) {
		few();
		is_cut();
	} else {
		searches((size_t)nodes);
		many((size_t)nodes);
	}
	return tap_done();
}
