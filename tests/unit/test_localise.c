/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/localise.h"

#include "lib/base/num.h"
#include "tests/unit/pairsim.h"
#include "tests/unit/tap.h"

/* ---- exact, over many fleets: test_localise SEEDS for more of them ---- */

struct total {
	unsigned runs, exact, most;
	double rounds, tests;
};

static void one(struct total *total, struct sim *sim)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	int rc = sim_run(sim, &arena);

	total->runs++;
	total->exact += rc == 0 && sim_exact(sim);
	total->rounds += sim->rounds;
	total->tests += (double)sim->tests;
	if (sim->rounds > total->most)
		total->most = sim->rounds;
	disagg_arena_release(&arena);
}

static void exact(size_t nodes, double glitch, int64_t seeds)
{
	static const size_t bad[] = {0, 1, 2, 4, 8, 16, 32};
	char what[128];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct total total = {0};

		for (int64_t seed = 0; seed < seeds; seed++) {
			struct sim sim = sim_of(nodes, bad[i], (uint64_t)seed);

			sim.glitch = glitch;
			one(&total, &sim);
		}
		printf("# %4zu nodes, %2zu slow, %.1f %% disturbed: exact %u of %u; rounds %.1f, at most "
		       "%u; tests %.0f\n",
			nodes, bad[i], 100 * glitch, total.exact, total.runs,
			total.rounds / total.runs, total.most, total.tests / total.runs);
		snprintf(what, sizeof(what), "%zu nodes, %zu slow, disturbed %.3f: always exact",
			nodes, bad[i], glitch);
		is_int(total.exact, total.runs, what);
	}
}

/* ---- what else there is ---- */

static void rails(int64_t seeds)
{
	struct total total = {0};

	for (int64_t seed = 0; seed < seeds; seed++) {
		struct sim sim = sim_of(128, 4, (uint64_t)seed);

		sim.rails = SIM_RAILS;
		sim.bad_rail = (int)(seed % SIM_RAILS);
		one(&total, &sim);
	}
	printf("# rails: exact %u of %u; rounds %.1f\n", total.exact, total.runs,
		total.rounds / total.runs);
	is_int(total.exact, total.runs, "a slow rail is named with its node and number");
}

static void paths(int64_t seeds)
{
	unsigned found = 0, blamed = 0, most = 0;

	for (int64_t seed = 0; seed < seeds; seed++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct sim sim = sim_of(128, 0, (uint64_t)seed);
		const struct disagg_finding *path;
		unsigned a, b;

		sim.leaves = true;
		sim.path_a = 2;
		sim.path_b = 5;
		if (sim_run(&sim, &arena) == 0) {
			path = sim_first(&sim, DISAGG_FINDING_PATH);
			a = path ? sim.leaf[path->a] : 0;
			b = path ? sim.leaf[path->b] : 0;
			found += sim_found(&sim, DISAGG_FINDING_PATH) == 1 && a + b == 7 &&
				 a * b == 10 && fabs(path->value - 0.7) < 0.1;
			blamed += sim_found(&sim, DISAGG_FINDING_NODE) > 0;
		}
		most = sim.rounds > most ? sim.rounds : most;
		disagg_arena_release(&arena);
	}
	printf("# paths: %u of %d found, at most %u rounds\n", found, (int)seeds, most);
	is_int(blamed, 0, "a slow path between two leaves is no node's fault");
	/* a random matching tests this pair of leaves in 9 of 10 cases */
	ok(found * 10 >= (unsigned)seeds * 7, "and is named by its leaves when it was met");
}

static void leaf(int64_t seeds)
{
	int64_t good = 0;

	for (int64_t seed = 0; seed < seeds; seed++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct sim sim = sim_of(128, 0, (uint64_t)seed);

		sim.leaves = true;
		sim.path_a = 3;
		if (sim_run(&sim, &arena) == 0 && sim_found(&sim, DISAGG_FINDING_LEAF) == 1 &&
			sim.leaf[sim_first(&sim, DISAGG_FINDING_LEAF)->a] == 3 &&
			!sim_found(&sim, DISAGG_FINDING_NODE) &&
			!sim_found(&sim, DISAGG_FINDING_PATH))
			good++;
		disagg_arena_release(&arena);
	}
	is_int(good, seeds, "a leaf that is slow to all others is named once, and no node of it");
}

/* Every two nodes meet, so that a slow path between any two is found. */
static void all_pairs(int64_t seeds)
{
	static const size_t nodes[] = {8, 9, 16, 17, 40};

	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		unsigned n = (unsigned)nodes[i], found = 0, beside = 0, met = 0;
		struct total total = {0};

		for (int64_t seed = 0; seed < seeds; seed++) {
			struct disagg_arena arena = DISAGG_ARENA_INIT;
			struct sim sim = sim_of(n, 0, (uint64_t)seed);
			const struct disagg_finding *path;

			sim.all_pairs = true;
			one(&total, &sim);
			met += sim.met == (size_t)n * (n - 1) / 2;

			sim = sim_of(n, (size_t)seed % 2, (uint64_t)seed);
			sim.all_pairs = true;
			sim.path_a = (int)(seed % n);
			sim.path_b = (int)((seed + 1 + seed / n % (n - 1)) % n);
			if (sim_run(&sim, &arena) == 0) {
				bool hidden = sim.is_bad[sim.path_a] || sim.is_bad[sim.path_b];

				path = sim_first(&sim, DISAGG_FINDING_PATH);
				found += hidden ||
					 (path &&
						 path->a + path->b ==
							 (unsigned)(sim.path_a + sim.path_b) &&
						 fabs(path->value - 0.7) < 0.1 &&
						 sim_found(&sim, DISAGG_FINDING_PATH) == 1);
				beside += sim_found(&sim, DISAGG_FINDING_NODE) == sim.bad;
			}
			disagg_arena_release(&arena);
		}
		printf("# %u nodes, all pairs: rounds %.1f\n", n, total.rounds / total.runs);
		is_int(total.exact, seeds, "all pairs of a healthy fleet: nothing is found");
		is_int(met, seeds, "every two nodes meet");
		is_int(found, seeds, "a slow path is named, once");
		is_int(beside, seeds, "beside a slow node, which is");
	}
}

static void crosses_leaves(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_localise_setup setup = {.nodes = 64, .rails = 1, .seed = 5};
	const struct disagg_localise_pair *pair;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_localise *search;
	size_t count = 0, within = 0;
	unsigned leaves[64];

	for (unsigned i = 0; i < 64; i++)
		leaves[i] = i < 32 ? 0 : 1 + i / 8;
	setup.leaf = leaves;
	ok(disagg_localise_new(&arena, &setup, &search, &err) == 0 &&
			disagg_localise_next(search, &pair, &count, &err) == 0,
		"a first round of 64 nodes");
	is_int((intmax_t)count, 32, "has all of them");
	for (size_t i = 0; i < count; i++)
		within += leaves[pair[i].a] == leaves[pair[i].b];
	is_int((intmax_t)within, 0, "and no pair under one leaf, though half of them share one");
	disagg_arena_release(&arena);
}

static void odd_and_small(int64_t seeds)
{
	static const size_t nodes[] = {3, 4, 5, 6, 7, 9, 33, 513};

	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		struct total total = {0};
		char what[64];

		for (int64_t seed = 0; seed < seeds; seed++) {
			struct sim sim = sim_of(nodes[i], (size_t)seed % 2, (uint64_t)seed);

			sim.reference = 1;
			sim.noise = nodes[i] < 8 ? 0.01 : 0.02;
			one(&total, &sim);
		}
		printf("# %zu nodes with a reference value: exact %u of %u; rounds %.1f\n",
			nodes[i], total.exact, total.runs, total.rounds / total.runs);
		snprintf(what, sizeof(what), "%zu nodes, none or one slow: exact", nodes[i]);
		is_int(total.exact, total.runs, what);
	}
}

/* Of five nodes one has four partners, however often it met them. */
static void counts_partners(int64_t seeds)
{
	unsigned found = 0, right = 0;

	for (int64_t seed = 0; seed < seeds; seed++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct sim sim = sim_of(5, 1, (uint64_t)seed);
		int rc = sim_run(&sim, &arena);

		for (size_t i = 0; rc == 0 && i < sim.count; i++) {
			uint32_t at = sim.finding[i].a;
			unsigned met = 0;

			if (sim.finding[i].kind != DISAGG_FINDING_NODE)
				continue;
			for (uint32_t other = 0; other < 5; other++)
				met += sim.together[at][other] || sim.together[other][at];
			found++;
			right += sim.finding[i].tests == met;
		}
		disagg_arena_release(&arena);
	}
	ok(found > 0 && right == found, "a partner that is met again counts once");
}

static void two(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct sim sim = sim_of(2, 1, 1);

	sim.reference = 1;
	ok(sim_run(&sim, &arena) == 0 && sim.count == 1 &&
			sim.finding[0].kind == DISAGG_FINDING_PAIR,
		"of two nodes the pair is named: which of both no test can tell");
	sim = sim_of(2, 1, 1);
	ok(sim_run(&sim, &arena) == 0 && sim.count == 0, "without a reference value nothing is");
	sim = sim_of(1, 0, 1);
	ok(sim_run(&sim, &arena) == 0 && sim_first(&sim, DISAGG_FINDING_UNTESTED),
		"one node is untested");
	sim = sim_of(6, 1, 3);
	sim.noise = 0.01;
	ok(sim_run(&sim, &arena) == 0 && sim_found(&sim, DISAGG_FINDING_NODE) == 1 &&
			sim.finding[0].relative && sim.is_bad[sim.finding[0].a],
		"of six without a reference value it is a hint");
	disagg_arena_release(&arena);
}

static void lost(int64_t seeds)
{
	int64_t hangs = 0, gone = 0;

	for (int64_t seed = 0; seed < seeds; seed++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct sim sim = sim_of(64, 2, (uint64_t)seed);

		sim.hangs = 7;
		sim_run(&sim, &arena);
		hangs += sim_found(&sim, DISAGG_FINDING_HANGS) == 1 &&
			 sim_first(&sim, DISAGG_FINDING_HANGS)->a == 7 &&
			 sim_found(&sim, DISAGG_FINDING_NODE) == 2u - sim.is_bad[7];
		disagg_arena_release(&arena);
		sim = sim_of(64, 2, (uint64_t)seed);
		sim.gone = 7;
		sim_run(&sim, &arena);
		gone += sim_found(&sim, DISAGG_FINDING_UNTESTED) == 1 &&
			sim_first(&sim, DISAGG_FINDING_UNTESTED)->a == 7 &&
			sim_found(&sim, DISAGG_FINDING_NODE) == 2u - sim.is_bad[7] &&
			sim.count == 3u - sim.is_bad[7] + sim_found(&sim, DISAGG_FINDING_TRANSIENT);
		disagg_arena_release(&arena);
	}
	is_int(hangs, seeds, "a node whose tests never end is named, and no partner of it");
	is_int(gone, seeds, "a node that cannot be tested is untested, and its partner is judged");
}

static void more_bad_than_good(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	unsigned good = 0;

	for (uint64_t seed = 0; seed < 20; seed++) {
		struct sim sim = sim_of(64, 24, seed);

		sim.reference = 1;
		sim_run(&sim, &arena);
		good += sim_exact(&sim);
		if (!seed)
			printf("# 24 of 64 slow: %u rounds, %zu tests\n", sim.rounds, sim.tests);
	}
	is_int(good, 20, "24 of 64 slow, more suspects than nodes that passed: exact, in batches");
	{
		struct sim sim = sim_of(64, 0, 1);

		sim.reference = 2;
		ok(sim_run(&sim, &arena) == 0 && sim.count == 1 &&
				sim.finding[0].kind == DISAGG_FINDING_FLEET,
			"all pairs at half the reference value: one finding over the fleet");
		sim = sim_of(64, 3, 1);
		sim.reference = 1.2;
		ok(sim_run(&sim, &arena) == 0 && sim_found(&sim, DISAGG_FINDING_FLEET) == 1 &&
				sim_found(&sim, DISAGG_FINDING_NODE) == 3,
			"and the slow nodes of such a fleet are named beside it");
	}
	disagg_arena_release(&arena);
}

/* A limit that is moved by its own size changes the outcome. */
/* Stopped before round `after`: node 0 slow with all, the others fast. */
static size_t stopped(unsigned after, enum disagg_finding_kind kind, size_t *ret_others)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_localise_setup setup = {.nodes = 16, .rails = 1, .seed = 3};
	const struct disagg_localise_pair *pair;
	const struct disagg_finding *finding = NULL;
	struct disagg_localise *search;
	size_t count, found = 0;

	*ret_others = 0;
	if (disagg_localise_new(&arena, &setup, &search, NULL) < 0)
		return 0;
	for (unsigned round = 0; round < after; round++) {
		if (disagg_localise_next(search, &pair, &count, NULL) < 0)
			return 0;
		for (size_t i = 0; i < count; i++) {
			double value = pair[i].a && pair[i].b ? 1 : 0.5;

			disagg_localise_result(search, i, &value);
		}
	}
	disagg_localise_stop(search);
	if (disagg_localise_findings(search, &finding, &count, NULL) < 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		found += finding[i].kind == kind;
		*ret_others += finding[i].kind != kind;
	}
	disagg_arena_release(&arena);
	return found;
}

static void stops(void)
{
	size_t others;

	is_int((intmax_t)stopped(0, DISAGG_FINDING_UNTESTED, &others), 16,
		"stopped at once: no node is tested");
	/* one slow pair of eight repeats the round first */
	is_int((intmax_t)stopped(1, DISAGG_FINDING_PAIR, &others), 1,
		"stopped after the first round: one of the two is slow");
	is_int((intmax_t)others, 0, "and nothing is said of the rest");
	is_int((intmax_t)stopped(3, DISAGG_FINDING_NODE, &others), 0,
		"stopped before the third confirmation: no node is guilty");
	is_int((intmax_t)stopped(12, DISAGG_FINDING_NODE, &others), 1, "at its end one is");
}

static void limits(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct sim sim = sim_of(64, 1, 9);

	sim.noise = 0.002;
	sim.spread = 0;
	sim.slow = 0.94;
	ok(sim_run(&sim, &arena) == 0 && sim_exact(&sim), "6 % below is found");
	sim = sim_of(64, 1, 9);
	sim.noise = 0.002;
	sim.spread = 0;
	sim.slow = 0.96;
	ok(sim_run(&sim, &arena) == 0 && sim.count == 0, "4 % below is not");
	disagg_arena_release(&arena);
}

static void setups(void)
{
	static const struct disagg_localise_setup refused[] = {
		{.nodes = 0, .rails = 1},
		{.nodes = 2, .rails = 0},
		{.nodes = 1u << 30, .rails = 1},
		{.nodes = 2, .rails = 1000},
	};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_localise *search = NULL;
	int wrong = 0, failed = 0;

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		wrong += disagg_localise_new(&arena, &refused[i], &search, &err) == 0 || search;
	is_int(wrong, 0, "setups out of range are refused");
	for (long at = 0; at < 12; at++) {
		struct disagg_localise_setup setup = {.nodes = 16, .rails = 1};

		disagg_alloc_fail_after(at);
		failed += disagg_localise_new(&arena, &setup, &search, &err) < 0;
		disagg_alloc_fail_after(-1);
		disagg_arena_release(&arena);
	}
	ok(failed > 0, "memory that runs out is told");
}

int main(int argc, char **argv)
{
	int64_t seeds = 4;

	if (argc > 1 && disagg_num_int(argv[1], 1, 100000, &seeds) < 0)
		return 2;
	exact(512, 0, seeds);
	exact(1024, 0, seeds);
	exact(512, 0.005, seeds);
	exact(1024, 0.005, seeds);
	rails(seeds);
	paths(seeds < 40 ? 10 * seeds : seeds);
	leaf(seeds);
	all_pairs(seeds < 40 ? 10 * seeds : seeds);
	odd_and_small(seeds < 40 ? 5 * seeds : seeds);
	counts_partners(50);
	lost(seeds);
	two();
	more_bad_than_good();
	crosses_leaves();
	stops();
	limits();
	setups();
	return tap_done();
}
