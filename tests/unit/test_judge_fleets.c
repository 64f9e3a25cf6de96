/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Healthy fleets of 16 nodes with 8 GPUs and 2 % of noise, all metrics of a suite, judged
 * by themselves alone: how many are blamed.  And the same with one GPU at 0.85.
 * test_judge_fleets FLEETS [SEED]: so many, of another seed.
 */
#include "lib/probe/judge.h"

#include "lib/base/num.h"
#include "lib/host/latency.h"
#include "tests/unit/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI    3.14159265358979323846
#define NODES 16
#define GPUS  (8 * NODES)
#define NOISE 0.02

/* `metrics` of `members` values each. */
static const struct kind {
	const char *probe, *unit;
	enum disagg_probe_better better;
	unsigned members, metrics;
} kinds[] = {
	{"gemm.bf16", "TFLOPS", DISAGG_BETTER_MORE, GPUS, 1},
	{"hbm.copy", "GB/s", DISAGG_BETTER_MORE, GPUS, 1},
	{"pcie.h2d", "GB/s", DISAGG_BETTER_MORE, GPUS, 1},
	{"pcie.d2h", "GB/s", DISAGG_BETTER_MORE, GPUS, 1},
	{"pcie.shared", "GB/s", DISAGG_BETTER_MORE, GPUS, 3},
	{"p2p.matrix", "GB/s", DISAGG_BETTER_MORE, GPUS, 2},
	/* 5 collectives and 8 sizes, of which one and then another is in place too */
	{"nccl.intra", "GB/s", DISAGG_BETTER_MORE, NODES, 44},
	{"kv.path", "GB/s", DISAGG_BETTER_MORE, NODES, 5},
};

enum noise { NORMAL, TRIANGULAR, NOISES };
static const char *const noise_names[] = {"normal", "triangular"};

static double uniform(uint64_t *seed)
{
	return ((double)(disagg_random_next(seed) >> 11) + 0.5) / 9007199254740992.0;
}

/* Of mean 0 and standard deviation 1; the triangular one ends at 2.45. */
static double draw(uint64_t *seed, enum noise noise)
{
	double a = uniform(seed), b = uniform(seed);

	if (noise == NORMAL)
		return sqrt(-2 * log(a)) * cos(2 * PI * b);
	return (a + b - 1) * sqrt(6);
}

struct tally {
	unsigned fleets, flagged; /* with a record that is no pass */
	unsigned failed;	  /* with one that fails */
	size_t flags, fails, records;
	unsigned found;
};

/* One metric; the first GPU at `first` of the rest.  Whether it was found. */
static bool judge(const struct kind *kind, double first, enum noise noise, uint64_t *seed,
	struct tally *tally)
{
	static struct disagg_probe_record record[GPUS];
	struct disagg_probe_record *at[GPUS];
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_judge_cohort cohort = {.record = at, .count = kind->members};
	struct disagg_finding finding;
	struct disagg_err err = DISAGG_ERR_INIT;
	bool found;

	for (unsigned i = 0; i < kind->members; i++) {
		record[i] = (struct disagg_probe_record)DISAGG_PROBE_RECORD_INIT;
		record[i].probe = kind->probe;
		record[i].param = "size";
		record[i].node = "n1";
		record[i].unit = kind->unit;
		record[i].better = kind->better;
		record[i].has_value = true;
		record[i].value = (i ? 100 : 100 * first) * (1 + NOISE * draw(seed, noise));
		at[i] = &record[i];
	}
	if (disagg_judge_values(&arena, NULL, &cohort, &finding, &err) != 0)
		ok(false, "no memory");
	found = record[0].status == DISAGG_PROBE_FAIL;
	for (unsigned i = first < 1; i < kind->members; i++) {
		tally->flags += record[i].status != DISAGG_PROBE_PASS;
		tally->fails += record[i].status == DISAGG_PROBE_FAIL;
		tally->records++;
	}
	disagg_arena_release(&arena);
	return found;
}

static struct tally healthy(unsigned fleets, enum noise noise, uint64_t *seed)
{
	struct tally tally = {.fleets = fleets};

	for (unsigned i = 0; i < fleets; i++) {
		struct tally before = tally;

		for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
			for (unsigned m = 0; m < kinds[k].metrics; m++)
				judge(&kinds[k], 1, noise, seed, &tally);
		tally.flagged += tally.flags > before.flags;
		tally.failed += tally.fails > before.fails;
	}
	printf("# %u healthy fleets, %s noise: %u with a flag, %u with a failure; %zu flags of "
	       "%zu records\n",
		fleets, noise_names[noise], tally.flagged, tally.failed, tally.flags,
		tally.records);
	return tally;
}

/* A node that is slow in all of nccl.intra: whether one size at least says so. */
static unsigned recall_node(unsigned fleets, enum noise noise, uint64_t *seed)
{
	const struct kind *kind = &kinds[6];
	struct tally tally = {.fleets = fleets};
	unsigned found = 0;

	for (unsigned i = 0; i < fleets; i++) {
		bool any = false;

		for (unsigned m = 0; m < kind->metrics; m++)
			any |= judge(kind, 0.85, noise, seed, &tally);
		found += any;
	}
	printf("# a node at 0.85 in NCCL, %s noise: found %u of %u\n", noise_names[noise], found,
		fleets);
	return found;
}

static unsigned recall(unsigned fleets, enum noise noise, uint64_t *seed)
{
	struct tally tally = {.fleets = fleets};
	unsigned found = 0;

	for (unsigned i = 0; i < fleets; i++)
		found += judge(&kinds[0], 0.85, noise, seed, &tally);
	printf("# a GPU at 0.85, %s noise: found %u of %u; %zu others\n", noise_names[noise], found,
		fleets, tally.flags);
	return found;
}

int main(int argc, char **argv)
{
	int64_t fleets = 60, start = 1;
	uint64_t seed;

	if ((argc > 1 && disagg_num_int(argv[1], 1, 1000000, &fleets)) ||
		(argc > 2 && disagg_num_int(argv[2], 1, 1000000, &start)))
		return 2;
	seed = (uint64_t)start * 1000003;
	for (int noise = 0; noise < NOISES; noise++) {
		struct tally tally = healthy((unsigned)fleets, (enum noise)noise, &seed);
		unsigned found = recall((unsigned)fleets, (enum noise)noise, &seed);

		ok(tally.flagged * 50 <= tally.fleets,
			"less than one healthy fleet of 50 is blamed");
		ok(found * 100 >= 95 * (unsigned)fleets, "95 % of GPUs at 0.85 are found");
		found = recall_node((unsigned)fleets, (enum noise)noise, &seed);
		ok(found * 100 >= 95 * (unsigned)fleets, "and of nodes");
	}
	return tap_done();
}
