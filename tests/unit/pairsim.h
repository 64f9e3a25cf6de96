/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_PAIRSIM_H
#define DISAGG_TESTS_PAIRSIM_H

/*
 * A fleet that is not there: a healthy node gives 1 +- 0.5 %, a slow one 0.85 of it; a
 * test gives the slower of its two, +- 2 % from run to run, and is disturbed by
 * -20 % with the probability `glitch`.
 */
#include "lib/probe/localise.h"

#include "lib/host/latency.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIM_RAILS    8
#define SIM_NODES    1100
#define SIM_MEETINGS 64

struct sim {
	size_t nodes, rails, bad;
	double noise, spread, slow, glitch, reference;
	bool leaves;	    /* of 16 nodes */
	int bad_rail;	    /* >= 0: only this rail of a bad node */
	int path_a, path_b; /* leaves, or nodes without leaves; -1: none */
	int hangs, gone;    /* a node; -1: none */
	bool all_pairs;
	uint64_t random;

	double cap[SIM_NODES];
	bool is_bad[SIM_NODES];
	unsigned leaf[SIM_NODES];

	/* what came of it */
	unsigned rounds;
	size_t tests, count;
	size_t met; /* pairs of nodes, the first SIM_MEETINGS of them */
	bool together[SIM_MEETINGS][SIM_MEETINGS];
	const struct disagg_finding *finding;
};

static inline struct sim sim_of(size_t nodes, size_t bad, uint64_t seed)
{
	struct sim sim = {.nodes = nodes, .rails = 1, .bad = bad, .noise = 0.02, .spread = 0.005};

	sim.slow = 0.85;
	sim.bad_rail = sim.path_a = sim.path_b = sim.hangs = sim.gone = -1;
	sim.random = seed * 1000003 + nodes * 101 + bad;
	return sim;
}

static inline double sim_gauss(struct sim *sim, double sd)
{
	double u = ((double)(disagg_random_next(&sim->random) >> 11) + 0.5) / 9007199254740992.0;
	double v = ((double)(disagg_random_next(&sim->random) >> 11) + 0.5) / 9007199254740992.0;

	return sd * sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static inline bool sim_chance(struct sim *sim, double chance)
{
	return (double)(disagg_random_next(&sim->random) >> 11) / 9007199254740992.0 < chance;
}

static inline void sim_fleet(struct sim *sim)
{
	for (size_t i = 0; i < sim->nodes; i++) {
		sim->cap[i] = 1 + sim_gauss(sim, sim->spread);
		sim->leaf[i] = (unsigned)(i / 16);
	}
	for (size_t left = sim->bad; left;) {
		uint32_t at = disagg_random_between(&sim->random, 0, (uint32_t)sim->nodes - 1);

		if (sim->is_bad[at])
			continue;
		sim->is_bad[at] = true;
		left--;
	}
}

static inline double sim_cap(const struct sim *sim, uint32_t node, int rail)
{
	bool slow = sim->is_bad[node] && (sim->bad_rail < 0 || sim->bad_rail == rail);

	return sim->cap[node] * (slow ? sim->slow : 1);
}

static inline bool sim_on_path(const struct sim *sim, const struct disagg_localise_pair *pair)
{
	int a = sim->leaves ? (int)sim->leaf[pair->a] : (int)pair->a;
	int b = sim->leaves ? (int)sim->leaf[pair->b] : (int)pair->b;

	if (sim->path_a < 0)
		return false;
	if (sim->path_b < 0) /* a whole leaf */
		return (a == sim->path_a) != (b == sim->path_a);
	return (a == sim->path_a && b == sim->path_b) || (a == sim->path_b && b == sim->path_a);
}

static inline bool sim_is(int node, const struct disagg_localise_pair *pair)
{
	return node >= 0 && ((uint32_t)node == pair->a || (uint32_t)node == pair->b);
}

static inline void sim_meet(struct sim *sim, const struct disagg_localise_pair *pair)
{
	uint32_t a = pair->a < pair->b ? pair->a : pair->b;
	uint32_t b = pair->a < pair->b ? pair->b : pair->a;

	if (b >= SIM_MEETINGS || sim->together[a][b])
		return;
	sim->together[a][b] = true;
	sim->met++;
}

static inline void sim_test(struct sim *sim, struct disagg_localise *search, size_t at,
	const struct disagg_localise_pair *pair)
{
	bool glitch = sim_chance(sim, sim->glitch);
	double value[SIM_RAILS];

	sim_meet(sim, pair);
	if (sim_is(sim->gone, pair)) {
		disagg_localise_drop(search, (uint32_t)sim->gone);
		return;
	}
	if (sim_is(sim->hangs, pair)) {
		disagg_localise_result(search, at, NULL);
		return;
	}
	for (size_t r = 0; r < sim->rails; r++) {
		value[r] = fmin(sim_cap(sim, pair->a, (int)r), sim_cap(sim, pair->b, (int)r)) *
			   (1 + sim_gauss(sim, sim->noise));
		if (glitch)
			value[r] *= 0.8;
		if (sim_on_path(sim, pair))
			value[r] *= 0.7;
	}
	disagg_localise_result(search, at, value);
}

/* -1: the search itself failed, or tested a node twice at once. */
static inline int sim_run(struct sim *sim, struct disagg_arena *arena)
{
	struct disagg_localise_setup setup = {.nodes = sim->nodes, .rails = sim->rails};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_localise *search;

	sim_fleet(sim);
	setup.leaf = sim->leaves ? sim->leaf : NULL;
	setup.reference = sim->reference;
	setup.all_pairs = sim->all_pairs;
	setup.seed = disagg_random_next(&sim->random);
	if (disagg_localise_new(arena, &setup, &search, &err) < 0)
		return -1;
	for (;;) {
		const struct disagg_localise_pair *pair;
		bool used[SIM_NODES] = {false};
		size_t count;

		if (disagg_localise_next(search, &pair, &count, &err) < 0)
			return -1;
		if (!count)
			break;
		for (size_t i = 0; i < count; i++) {
			if (used[pair[i].a] || used[pair[i].b] || pair[i].a == pair[i].b)
				return -1;
			used[pair[i].a] = used[pair[i].b] = true;
			sim_test(sim, search, i, &pair[i]);
		}
	}
	sim->rounds = disagg_localise_rounds(search);
	sim->tests = disagg_localise_tests(search);
	return disagg_localise_findings(search, &sim->finding, &sim->count, &err);
}

/* Whether exactly the bad nodes were named, and no path. */
static inline bool sim_exact(const struct sim *sim)
{
	size_t named = 0;

	for (size_t i = 0; i < sim->count; i++) {
		const struct disagg_finding *finding = &sim->finding[i];

		if (finding->kind == DISAGG_FINDING_TRANSIENT)
			continue;
		if (finding->kind !=
				(sim->bad_rail < 0 ? DISAGG_FINDING_NODE : DISAGG_FINDING_RAIL) ||
			!sim->is_bad[finding->a] || finding->rail != sim->bad_rail)
			return false;
		named++;
	}
	return named == sim->bad;
}

static inline size_t sim_found(const struct sim *sim, enum disagg_finding_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < sim->count; i++)
		count += sim->finding[i].kind == kind;
	return count;
}

static inline const struct disagg_finding *sim_first(
	const struct sim *sim, enum disagg_finding_kind kind)
{
	for (size_t i = 0; i < sim->count; i++)
		if (sim->finding[i].kind == kind)
			return &sim->finding[i];
	return NULL;
}

#endif
