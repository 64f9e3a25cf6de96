/* SPDX-License-Identifier: Apache-2.0 */
/* Each threshold from both sides: a value just inside passes, one just outside
 * does not, and the text names the test.  The numbers here are the contract's. */
#include "lib/probe/judge.h"

#include "lib/host/latency.h"
#include "tests/unit/tap.h"
#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846

static struct disagg_arena arena = {.limit = (size_t)512 << 20};
static struct disagg_reference *reference;

struct fleet {
	struct disagg_probe_record record[64];
	struct disagg_probe_record *at[64];
	struct disagg_judge_cohort cohort;
	struct disagg_finding finding;
};

struct kind {
	const char *probe, *param, *unit;
	enum disagg_probe_better better;
	const char *gpu;
	unsigned gpus;
};

static const struct kind gemm = {
	"gemm.bf16", "8192", "TFLOPS", DISAGG_BETTER_MORE, "NVIDIA H200", 8};

static void set(struct disagg_probe_record *record, const struct kind *kind, double value)
{
	*record = (struct disagg_probe_record)DISAGG_PROBE_RECORD_INIT;
	record->probe = kind->probe;
	record->param = kind->param;
	record->unit = kind->unit;
	record->better = kind->better;
	record->gpu_name = kind->gpu;
	record->node = "n1";
	record->gpu = 0;
	record->has_value = true;
	record->value = value;
}

static struct disagg_probe_record *judge(
	struct fleet *fleet, const struct kind *kind, size_t count, const char *err_what)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	for (size_t i = 0; i < count; i++)
		fleet->at[i] = &fleet->record[i];
	fleet->cohort = (struct disagg_judge_cohort){
		.record = fleet->at, .count = count, .gpu_name = kind->gpu, .gpus = kind->gpus};
	if (disagg_judge_values(&arena, reference, &fleet->cohort, &fleet->finding, &err) != 0)
		ok(false, err_what);
	return &fleet->record[0];
}

/* One record alone: tests 1 and 2. */
static struct disagg_probe_record *alone(struct fleet *fleet, const struct kind *kind, double value)
{
	set(&fleet->record[0], kind, value);
	return judge(fleet, kind, 1, "judging one record");
}

/* The first among others, `count` in all, whose values are around the median by +-spread. */
static struct disagg_probe_record *among(struct fleet *fleet, const struct kind *kind, double value,
	size_t count, double median, double spread)
{
	set(&fleet->record[0], kind, value);
	for (size_t i = 1; i < count; i++)
		set(&fleet->record[i], kind,
			i == 1	? median
			: i % 2 ? median - spread
				: median + spread);
	return judge(fleet, kind, count, "judging a fleet");
}

static void is_status(const struct disagg_probe_record *record, enum disagg_probe_status want,
	const char *reason, const char *what)
{
	is_str(disagg_probe_status_name(record->status), disagg_probe_status_name(want), what);
	if (reason)
		is_str(record->reason, reason, what);
}

#define H200_SOURCE                                                                                \
	"H200-SXM: measured 769 to 798 with random data, zeros give 894 (confidence high)"

static void floors(struct fleet *fleet)
{
	struct kind b200 = {"hbm.copy", "1G", "GB/s", DISAGG_BETTER_MORE, "NVIDIA B300", 8};

	is_status(alone(fleet, &b200, 4623), DISAGG_PROBE_PASS, NULL, "at the floor");
	is_status(alone(fleet, &b200, 4622.5), DISAGG_PROBE_FAIL,
		"4622.5 GB/s is below the floor of 4623 (B300: dcgm floor 4623 (confidence low))",
		"below the floor");
	ok(fleet->record[0].has_floor && fleet->record[0].floor == 4623 &&
			!fleet->record[0].has_ref,
		"the record has the floor");
}

static void references(struct fleet *fleet)
{
	struct kind d2h = {"pcie.d2h", "512M", "GB/s", DISAGG_BETTER_MORE, "NVIDIA B200", 8};

	/* 0.95 x 785 = 745.75, 0.90 x 785 = 706.5 */
	is_status(alone(fleet, &gemm, 745.8), DISAGG_PROBE_PASS, NULL, "0.95 of the reference");
	is_status(alone(fleet, &gemm, 745.7), DISAGG_PROBE_WARN,
		"745.7 TFLOPS is 0.950 of the reference of 785, expected at least 0.950 (" H200_SOURCE
		")",
		"below 0.95 of the reference");
	is_status(alone(fleet, &gemm, 706.6), DISAGG_PROBE_WARN, NULL, "0.90 of the reference");
	is_status(alone(fleet, &gemm, 706.4), DISAGG_PROBE_FAIL,
		"706.4 TFLOPS is 0.900 of the reference of 785, expected at least 0.900 (" H200_SOURCE
		")",
		"below 0.90 of the reference");
	is_status(alone(fleet, &gemm, 650), DISAGG_PROBE_FAIL,
		"650 TFLOPS is below the floor of 700; 650 TFLOPS is 0.828 of the reference of 785, expected at least 0.900 (" H200_SOURCE
		")",
		"floor and reference are told apart");
	is_status(alone(fleet, &d2h, 49), DISAGG_PROBE_WARN, NULL,
		"a reference of low confidence only warns");
	is_status(alone(fleet, &d2h, 47.9), DISAGG_PROBE_FAIL, NULL, "its floor fails");
}

static void collectives(struct fleet *fleet)
{
	static const struct {
		const char *param;
		double ref, fail, warn;
	} cases[] = {
		/* 16G: 0.90 of it is above the floor of 431 */
		{"all_reduce 16M", 219.9, 0.80, 0.85},
		{"all_reduce 32M", 275.8, 0.85, 0.90},
		{"all_reduce 128M", 401.9, 0.85, 0.90},
		{"all_reduce 256M", 436.2, 0.90, 0.95},
		{"all_reduce 512M", 450.3, 0.90, 0.95},
		{"all_reduce 8G", 477.5, 0.90, 0.95},
		{"all_reduce 1M", 39.9, 0.80, 0.85},
	};
	struct kind nccl = {"nccl.intra", NULL, "GB/s", DISAGG_BETTER_MORE, "NVIDIA H200", 8};
	char want[32];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		double ref = cases[i].ref, fail = cases[i].fail, warn = cases[i].warn;

		nccl.param = cases[i].param;
		is_status(alone(fleet, &nccl, ref * (warn + 0.001)), DISAGG_PROBE_PASS, NULL,
			nccl.param);
		is_status(alone(fleet, &nccl, ref * (warn - 0.001)), DISAGG_PROBE_WARN, NULL,
			nccl.param);
		is_status(alone(fleet, &nccl, ref * (fail + 0.001)), DISAGG_PROBE_WARN, NULL,
			nccl.param);
		is_status(alone(fleet, &nccl, ref * (fail - 0.001)), DISAGG_PROBE_FAIL, NULL,
			nccl.param);
		snprintf(want, sizeof(want), "expected at least %.3f", fail);
		has_str(fleet->record[0].reason, want, "the part that was expected");
	}
	nccl.gpus = 4;
	is_status(alone(fleet, &nccl, 1), DISAGG_PROBE_PASS, NULL, "no reference for 4 GPUs");
	nccl.probe = "nccl.interop";
	is_status(among(fleet, &nccl, 90, 16, 100, 0), DISAGG_PROBE_WARN, NULL,
		"nccl.interop's bandwidth only warns");
}

static void sizes(void)
{
	static const struct {
		const char *param;
		int64_t want;
	} cases[] = {
		{"8192", 8192},
		{"1G", INT64_C(1) << 30},
		{"all_reduce 8M", 8 << 20},
		{"all_reduce 64K in-place", 64 << 10},
		{"isolated 2T x", INT64_C(2) << 40},
		{"verdict", -1},
		{"", -1},
		{"M", -1},
		{"-1M", -1},
		{"99999999999999999999G", -1},
		{NULL, -1},
	};
	size_t at, len;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_int(disagg_param_bytes(cases[i].param, &at, &len), cases[i].want,
			cases[i].param ? cases[i].param : "none");
}

static void relative_steps(struct fleet *fleet)
{
	static const struct {
		const char *probe;
		double rel;
		enum disagg_probe_status worst;
		const char *span;
	} cases[] = {
		{"gemm.bf16", 0.07, DISAGG_PROBE_FAIL, "7 %"},
		{"hbm.copy", 0.03, DISAGG_PROBE_FAIL, "3 %"},
		{"pcie.h2d", 0.03, DISAGG_PROBE_FAIL, "3 %"},
		{"pcie.d2h", 0.03, DISAGG_PROBE_FAIL, "3 %"},
		{"pcie.shared", 0.07, DISAGG_PROBE_WARN, "7 %"},
		{"p2p.matrix", 0.03, DISAGG_PROBE_FAIL, "3 %"},
		{"nccl.intra", 0.05, DISAGG_PROBE_FAIL, "5 %"},
		{"nccl.pairs", 0.05, DISAGG_PROBE_FAIL, "5 %"},
		{"nccl.interop", 0.05, DISAGG_PROBE_WARN, "5 %"},
		{"nccl.nic_loopback", 0.05, DISAGG_PROBE_FAIL, "5 %"},
		{"rdma.bw", 0.05, DISAGG_PROBE_FAIL, "5 %"},
		{"kv.path", 0.07, DISAGG_PROBE_FAIL, "7 %"},
		{"storage.model", 0.20, DISAGG_PROBE_WARN, "20 %"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct kind kind = {cases[i].probe, "x", "u", DISAGG_BETTER_MORE, NULL, 0};
		double edge = 1000 * (1 - cases[i].rel);
		char want[128];

		is_status(among(fleet, &kind, edge + 1, 16, 1000, 0), DISAGG_PROBE_PASS, NULL,
			kind.probe);
		snprintf(want, sizeof(want),
			"%.5g u is below %.5g: the median of 16 is 1000, less %s", edge - 1, edge,
			cases[i].span);
		is_status(among(fleet, &kind, edge - 1, 16, 1000, 0), cases[i].worst, want,
			kind.probe);
	}
}

static void fleets(struct fleet *fleet)
{
	struct kind odd = {"gemm.bf16", "777", "TFLOPS", DISAGG_BETTER_MORE, NULL, 0};
	struct kind free = {"clock.skew", NULL, "ms", DISAGG_BETTER_LESS, NULL, 0};

	is_status(among(fleet, &odd, 900, 7, 1000, 0), DISAGG_PROBE_PASS, NULL,
		"7 members have no statistics");
	ok(!fleet->record[0].has_fleet, "and the record none");
	is_status(among(fleet, &odd, 900, 8, 1000, 0), DISAGG_PROBE_FAIL, NULL, "8 members have");
	ok(fleet->record[0].has_fleet && fleet->record[0].fleet_median == 1000 &&
			fleet->record[0].fleet_mad == 0 && fleet->record[0].z == 0,
		"median and MAD are in the record; no z without MAD");
	/* MAD 40: 3.5 (1 + 2.33 / sqrt(17)) x 1.4826 x 40 = 324.860 is more than 10 % */
	is_status(among(fleet, &odd, 676, 17, 1000, 40), DISAGG_PROBE_PASS, NULL, "k x MAD");
	ok(fabs(fleet->record[0].z - (676 - 1000) / (1.4826 * 40)) < 1e-6, "its z");
	is_status(among(fleet, &odd, 675, 17, 1000, 40), DISAGG_PROBE_FAIL,
		"675 TFLOPS is below 675.14: the median of 17 is 1000, less 5.48 x 1.4826 x MAD",
		"beyond k x MAD");
	/* MAD 7: 3.5 (1 + 5.5 / sqrt(17)) x 1.4826 x 7 = 84.778 is less than 10 % */
	is_status(among(fleet, &odd, 916, 17, 1000, 7), DISAGG_PROBE_PASS, NULL,
		"a small MAD of few is in more doubt");
	is_status(among(fleet, &odd, 915, 17, 1000, 7), DISAGG_PROBE_FAIL,
		"915 TFLOPS is below 915.22: the median of 17 is 1000, less 8.17 x 1.4826 x MAD",
		"but not in any");
	/* MAD 10: 81.2 is less than 10 %, 121.1 is more */
	is_status(among(fleet, &odd, 901, 17, 1000, 10), DISAGG_PROBE_PASS, NULL,
		"up to 10 % of the median");
	is_status(among(fleet, &odd, 899, 17, 1000, 10), DISAGG_PROBE_FAIL,
		"899 TFLOPS is below 900: the median of 17 is 1000, less 6.74 x 1.4826 x MAD",
		"and no further");
	/* MAD 5: 60.6 is less than 7 % */
	is_status(among(fleet, &odd, 931, 17, 1000, 5), DISAGG_PROBE_PASS, NULL,
		"a small MAD does not sharpen the step");
	is_status(among(fleet, &free, 1000, 16, 1, 0), DISAGG_PROBE_PASS, NULL,
		"a probe without a rule is left alone");
	odd.better = DISAGG_BETTER_NONE;
	is_status(among(fleet, &odd, 1, 16, 1000, 0), DISAGG_PROBE_PASS, NULL,
		"a value without a better side is left alone");
}

static void latencies(struct fleet *fleet)
{
	struct kind launch = {"latency.launch", "p50", "us", DISAGG_BETTER_LESS, NULL, 0};

	is_status(among(fleet, &launch, 11.9, 16, 10, 0), DISAGG_PROBE_PASS, NULL, "plus 20 %");
	is_status(among(fleet, &launch, 12.1, 16, 10, 0), DISAGG_PROBE_FAIL,
		"12.1 us is above 12: the median of 16 is 10, plus 20 %", "more than plus 20 %");
	is_status(among(fleet, &launch, 8.1, 16, 10, 0), DISAGG_PROBE_PASS, NULL, "less 20 %");
	is_status(among(fleet, &launch, 7.9, 16, 10, 0), DISAGG_PROBE_WARN,
		"7.9 us is far below the median of 16, 10: too good, it has not measured the same",
		"more than less 20 %");
	launch.probe = "kv.path";
	is_status(among(fleet, &launch, 11.9, 16, 10, 0), DISAGG_PROBE_PASS, NULL,
		"a latency of any probe has 20 %");
}

static void common_causes(struct fleet *fleet)
{
	struct disagg_probe_record *first = among(fleet, &gemm, 690, 16, 690, 2);

	is_status(first, DISAGG_PROBE_WARN,
		"690 TFLOPS is below the floor of 700; 690 TFLOPS is 0.879 of the reference of 785, expected at least 0.900 (as "
		"the whole cohort: see the cluster's finding)",
		"all are slow: a warning each");
	is_str(disagg_probe_status_name(fleet->finding.status), "fail", "and one finding");
	is_int((intmax_t)fleet->finding.members, 16, "of all");
	has_str(fleet->finding.text,
		"gemm.bf16 8192: the median of 16 values, 690 TFLOPS is below the floor of 700",
		"which says what");
	first = among(fleet, &gemm, 600, 16, 690, 2);
	is_status(first, DISAGG_PROBE_FAIL, NULL, "one that is slower still fails");
	is_int((intmax_t)fleet->finding.members, 15, "and is not among them");
	first = among(fleet, &gemm, 730, 16, 730, 2);
	is_status(first, DISAGG_PROBE_WARN, NULL, "between 0.90 and 0.95");
	is_str(disagg_probe_status_name(fleet->finding.status), "warn", "the finding warns");
	among(fleet, &gemm, 770, 16, 780, 2);
	is_str(disagg_probe_status_name(fleet->finding.status), "pass", "no finding of a good one");
	among(fleet, &gemm, 690, 7, 690, 2);
	is_str(disagg_probe_status_name(fleet->finding.status), "pass", "nor of 7");
	is_status(&fleet->record[0], DISAGG_PROBE_FAIL, NULL, "where each fails alone");
}

static void statuses(struct fleet *fleet)
{
	struct disagg_probe_record *first = &fleet->record[0];

	set(first, &gemm, 1);
	first->status = DISAGG_PROBE_UNKNOWN;
	judge(fleet, &gemm, 1, "unknown");
	is_status(first, DISAGG_PROBE_UNKNOWN, NULL, "unknown stays unknown");
	set(first, &gemm, 1);
	first->status = DISAGG_PROBE_SKIP;
	judge(fleet, &gemm, 1, "skip");
	is_status(first, DISAGG_PROBE_SKIP, NULL, "skip stays skip");
	set(first, &gemm, 780);
	first->status = DISAGG_PROBE_FAIL;
	first->reason = "the result is wrong";
	judge(fleet, &gemm, 1, "fail");
	is_status(first, DISAGG_PROBE_FAIL, "the result is wrong", "a fail is not made better");
	set(first, &gemm, 1);
	first->reason = "clocks 500 MHz";
	judge(fleet, &gemm, 1, "reason");
	ok(strncmp(first->reason, "clocks 500 MHz; 1 TFLOPS is below", 33) == 0,
		"what the probe said goes first");
	set(first, &gemm, NAN);
	judge(fleet, &gemm, 1, "nan");
	is_status(first, DISAGG_PROBE_PASS, NULL, "no number is not judged");
	{
		struct kind nvls = {"nccl.intra", "all_reduce 1G", "GB/s", DISAGG_BETTER_MORE,
			"NVIDIA H200", 8};

		set(first, &nvls, 360);
		judge(fleet, &nvls, 1, "slow");
		is_status(first, DISAGG_PROBE_FAIL, NULL, "0.78 of the reference fails");
		set(first, &nvls, 360);
		first->status = DISAGG_PROBE_WARN;
		first->reason = "NVLS inactive";
		judge(fleet, &nvls, 1, "slow for a cause");
		is_status(first, DISAGG_PROBE_WARN, NULL, "unless the probe names the cause");
	}
	set(first, &gemm, 1);
	first->peer = "n2:0";
	judge(fleet, &gemm, 1, "pair");
	is_status(first, DISAGG_PROBE_WARN, NULL, "a pair of nodes only warns");
	first->peer = "n1:3";
	ok(!disagg_record_is_pair(first), "two GPUs of a node are no pair of nodes");
	first->peer = "n1";
	ok(!disagg_record_is_pair(first), "nor is the node itself");
	first->peer = "n10";
	ok(disagg_record_is_pair(first), "n10 is not n1");
	ok(disagg_status_worse(DISAGG_PROBE_UNKNOWN, DISAGG_PROBE_WARN) == DISAGG_PROBE_UNKNOWN &&
			disagg_status_worse(DISAGG_PROBE_UNKNOWN, DISAGG_PROBE_FAIL) ==
				DISAGG_PROBE_FAIL &&
			disagg_status_worse(DISAGG_PROBE_SKIP, DISAGG_PROBE_PASS) ==
				DISAGG_PROBE_PASS,
		"fail, unknown, warn, pass, skip");
}

static struct disagg_probe_record *sums(struct fleet *fleet, size_t count, const char *const *sum)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	for (size_t i = 0; i < count; i++) {
		set(&fleet->record[i], &gemm, 0);
		fleet->record[i].probe = "gemm.sdc";
		fleet->record[i].has_value = false;
		fleet->record[i].digest = sum[i];
		fleet->at[i] = &fleet->record[i];
	}
	fleet->cohort = (struct disagg_judge_cohort){.record = fleet->at, .count = count};
	ok(disagg_judge_digests(&arena, &fleet->cohort, &fleet->finding, &err) == 0, "digests");
	return fleet->record;
}

static void digests(struct fleet *fleet)
{
	struct disagg_probe_record *record =
		sums(fleet, 4, (const char *const[]){"a1", "a1", "b2", "a1"});

	is_status(&record[2], DISAGG_PROBE_FAIL,
		"the checksum b2 of the result differs from a1, which 3 of 4 have",
		"the minority fails");
	ok(record[0].status == DISAGG_PROBE_PASS && record[3].status == DISAGG_PROBE_PASS,
		"the majority does not");
	ok(fleet->finding.status == DISAGG_PROBE_PASS, "no finding of the cluster");
	record = sums(fleet, 4, (const char *const[]){"a1", "b2", "b2", "a1"});
	ok(record[0].status == DISAGG_PROBE_WARN && record[1].status == DISAGG_PROBE_WARN,
		"two against two: both warn");
	is_str(fleet->finding.text,
		"gemm.sdc 8192: 2 different checksums of the same computation among 4 results and "
		"no majority: at least one computes wrong; run it on more GPUs of the kind",
		"and one finding");
	ok(fleet->finding.status == DISAGG_PROBE_FAIL, "that fails");
	record = sums(fleet, 3, (const char *const[]){"a1", "a1", "a1"});
	ok(record[0].status == DISAGG_PROBE_PASS, "equal ones pass");
	record = sums(fleet, 1, (const char *const[]){"a1"});
	ok(record[0].status == DISAGG_PROBE_PASS, "one alone passes");
}

/* What each node has, of hw.inventory. */
static struct disagg_probe_record *parts(
	struct fleet *fleet, const char *param, const char *const *digest)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	for (size_t i = 0; i < 5; i++) {
		set(&fleet->record[i], &gemm, 0);
		fleet->record[i].probe = "hw.inventory";
		fleet->record[i].param = param;
		fleet->record[i].has_value = false;
		fleet->record[i].digest = digest[i];
		fleet->at[i] = &fleet->record[i];
	}
	fleet->cohort = (struct disagg_judge_cohort){.record = fleet->at, .count = 5};
	ok(disagg_judge_digests(&arena, &fleet->cohort, &fleet->finding, &err) == 0, "parts");
	return fleet->record;
}

static void inventories(struct fleet *fleet)
{
	struct disagg_probe_record *record = parts(fleet, "gpus",
		(const char *const[]){"8 x NVIDIA H200", "7 x NVIDIA H200", "8 x NVIDIA H200",
			"none", "8 x NVIDIA H200"});

	is_status(&record[1], DISAGG_PROBE_FAIL,
		"it has 7 x NVIDIA H200 in place of 8 x NVIDIA H200, which 3 of 5 nodes have",
		"a node that lacks a GPU fails");
	is_status(&record[3], DISAGG_PROBE_FAIL,
		"it has none in place of 8 x NVIDIA H200, which 3 of 5 nodes have",
		"so does one that lacks all");
	is_status(&record[0], DISAGG_PROBE_PASS, NULL, "the majority does not");
	record = parts(fleet, "gpus",
		(const char *const[]){"8 x NVIDIA H200", "4 x NVIDIA B200", "8 x NVIDIA H200",
			"4 x NVIDIA B200", "8 x NVIDIA H200"});
	is_status(&record[1], DISAGG_PROBE_WARN, NULL, "another kind of node warns");
	record = parts(fleet, "power",
		(const char *const[]){
			"8 x 700 W", "8 x 500 W", "8 x 700 W", "8 x 700 W", "8 x 700 W"});
	is_status(&record[1], DISAGG_PROBE_WARN, NULL, "what differs in anything else warns");
	record = parts(fleet, "nvlink_domain",
		(const char *const[]){"4 x clique 1 of a", "4 x clique 1 of b", "4 x clique 1 of a",
			"4 x clique 2 of a", "4 x clique 1 of a"});
	ok(record[1].status == DISAGG_PROBE_PASS && !record[1].reason,
		"a node of another rack is no worse");
	record = parts(fleet, "gpus",
		(const char *const[]){"8 x NVIDIA H200", "7 x NVIDIA H200", "8 x NVIDIA H200",
			"7 x NVIDIA H200", "6 x NVIDIA H200"});
	ok(fleet->finding.status == DISAGG_PROBE_WARN && record[0].status == DISAGG_PROBE_WARN,
		"where there is no majority all warn");
}

/* ---- a fleet of 8192 GPUs ---- */

static double normal(uint64_t *seed)
{
	double a = ((double)(disagg_random_next(seed) >> 11) + 0.5) / 9007199254740992.0;
	double b = (double)(disagg_random_next(seed) >> 11) / 9007199254740992.0;

	return sqrt(-2 * log(a)) * cos(2 * PI * b);
}

static void simulate(void)
{
	enum { GPUS = 8192, SLOW = 40, ROUNDS = 10 };
	struct disagg_err err = DISAGG_ERR_INIT;
	size_t false_flags = 0, found = 0;
	uint64_t seed = 42;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct disagg_probe_record *record = calloc(GPUS, sizeof(*record));
		struct disagg_probe_record **at = calloc(GPUS, sizeof(*at));
		struct disagg_judge_cohort cohort = {.record = at, .count = GPUS};
		struct disagg_finding finding;

		for (size_t i = 0; record && at && i < GPUS; i++) {
			double mean = i < SLOW ? 0.9 * 785 : 785;

			set(&record[i], &gemm, mean + 0.015 * 785 * normal(&seed));
			at[i] = &record[i];
		}
		if (!record || !at ||
			disagg_judge_values(&arena, NULL, &cohort, &finding, &err) != 0)
			ok(false, "no memory");
		for (size_t i = 0; record && i < GPUS; i++) {
			bool failed = record[i].status == DISAGG_PROBE_FAIL;

			found += i < SLOW && failed;
			false_flags += i >= SLOW && failed;
		}
		free(record);
		free(at);
	}
	printf("# %d x %d GPUs: %zu false flags, %zu of %d found\n", ROUNDS, GPUS, false_flags,
		found, ROUNDS * SLOW);
	is_int((intmax_t)false_flags, 0, "no false flag");
	ok(found >= ROUNDS * SLOW * 95 / 100, "at least 95 % of the slow ones are found");
}

/* Values that agree by chance, of samples that do not. */
static void noises(struct fleet *fleet)
{
	static const struct kind copy = {"pcie.h2d", "256K", "GB/s", DISAGG_BETTER_MORE, NULL, 0};
	static const struct {
		double value;
		enum disagg_probe_status want;
		const char *reason;
	} rows[] = {
		{4809, DISAGG_PROBE_PASS, NULL},
		{4808, DISAGG_PROBE_FAIL,
			"4808 GB/s is below 4808.7: the median of 16 is 5000, less 5.54 x the "
			"noise of a value"},
	};

	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		for (size_t i = 0; i < 16; i++) {
			struct disagg_probe_record *record = &fleet->record[i];

			set(record, &copy, i ? 5000 + (double)(i % 3) - 1 : rows[row].value);
			record->raw_count = 3;
			record->raw[0] = record->value - 40;
			record->raw[1] = record->value;
			record->raw[2] = record->value + 40;
		}
		is_status(judge(fleet, &copy, 16, "judging noise"), rows[row].want,
			rows[row].reason, "the noise of the samples counts");
	}
	fleet->record[0].raw_count = 2;
	fleet->record[0].status = DISAGG_PROBE_PASS;
	fleet->record[0].reason = NULL;
	for (size_t i = 1; i < 16; i++) {
		fleet->record[i].raw_count = 2;
		fleet->record[i].status = DISAGG_PROBE_PASS;
	}
	is_status(judge(fleet, &copy, 16, "judging noise"), DISAGG_PROBE_FAIL,
		"4808 GB/s is below 4850: the median of 16 is 5000, less 3 %",
		"two samples tell no noise");
}

/* 16 nodes with 2 GPUs, each value the median of three samples with 2 % of noise. */
static void simulate_small(void)
{
	enum { GPUS = 32, COHORTS = 4000 };
	static const struct kind copy = {"pcie.h2d", "256K", "GB/s", DISAGG_BETTER_MORE, NULL, 0};
	struct fleet *fleet = calloc(1, sizeof(*fleet));
	uint64_t seed = 7;
	size_t flags = 0, found = 0;

	for (unsigned cohort = 0; fleet && cohort < COHORTS; cohort++) {
		struct disagg_arena scratch = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;

		fleet->cohort = (struct disagg_judge_cohort){.record = fleet->at, .count = GPUS};
		for (unsigned i = 0; i < GPUS; i++) {
			struct disagg_probe_record *record = &fleet->record[i];
			double raw[3], mean = i ? 56.8 : 0.85 * 56.8;

			for (unsigned j = 0; j < 3; j++)
				raw[j] = mean * (1 + 0.02 * normal(&seed));
			set(record, &copy,
				fmax(fmin(raw[0], raw[1]), fmin(fmax(raw[0], raw[1]), raw[2])));
			memcpy(record->raw, raw, sizeof(raw));
			record->raw_count = 3;
			fleet->at[i] = record;
		}
		if (disagg_judge_values(&scratch, NULL, &fleet->cohort, &fleet->finding, &err) != 0)
			ok(false, "no memory");
		found += fleet->record[0].status == DISAGG_PROBE_FAIL;
		for (unsigned i = 1; i < GPUS; i++)
			flags += fleet->record[i].status == DISAGG_PROBE_FAIL;
		disagg_arena_release(&scratch);
	}
	printf("# %d metrics of %d GPUs: %zu false flags, %zu slow ones found\n", COHORTS, GPUS,
		flags, found);
	is_int((intmax_t)flags, 0, "no false flag in a small fleet with noise");
	ok(found >= COHORTS * 99 / 100, "99 % of GPUs at 0.85 are found");
	free(fleet);
}

int main(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct fleet *fleet = calloc(1, sizeof(*fleet));

	if (!fleet || disagg_reference_load(&arena, NULL, &reference, &err) != 0)
		return 5;
	floors(fleet);
	references(fleet);
	collectives(fleet);
	sizes();
	relative_steps(fleet);
	fleets(fleet);
	latencies(fleet);
	common_causes(fleet);
	statuses(fleet);
	digests(fleet);
	inventories(fleet);
	noises(fleet);
	simulate();
	simulate_small();
	free(fleet);
	disagg_arena_release(&arena);
	return tap_done();
}
