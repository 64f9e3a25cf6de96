/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/localise_build.h"

#include "lib/base/limits.h"
#include "lib/host/latency.h"
#include <string.h>

/* ---- setting up ---- */

static int build(struct disagg_localise *search)
{
	size_t nodes = search->setup.nodes, rails = search->setup.rails;
	double *best = disagg_arena_array(search->arena, nodes * rails, sizeof(*best));

	search->node = disagg_arena_array(search->arena, nodes, sizeof(*search->node));
	search->round = disagg_arena_array(search->arena, nodes, sizeof(*search->round));
	search->round_test = disagg_arena_array(search->arena, nodes, sizeof(size_t));
	search->order = disagg_arena_array(search->arena, nodes, sizeof(*search->order));
	search->circle = disagg_arena_array(search->arena, nodes + 1, sizeof(*search->circle));
	search->scratch = disagg_arena_array(search->arena, nodes, sizeof(*search->scratch));
	search->ref = disagg_arena_array(search->arena, rails, sizeof(*search->ref));
	search->floor = disagg_arena_array(search->arena, rails, sizeof(*search->floor));
	search->path_floor = disagg_arena_array(search->arena, rails, sizeof(*search->path_floor));
	search->below_reference = disagg_arena_array(search->arena, rails, sizeof(bool));
	if (!best || !search->node || !search->round || !search->round_test || !search->order ||
		!search->scratch || !search->ref || !search->floor || !search->path_floor ||
		!search->below_reference)
		return -1;
	for (size_t i = 0; i < nodes * rails; i++)
		best[i] = -1;
	for (size_t i = 0; i < nodes; i++) {
		search->node[i].best = best + i * rails;
		search->order[i] = (uint32_t)i;
	}
	return 0;
}

int disagg_localise_new(struct disagg_arena *arena, const struct disagg_localise_setup *setup,
	struct disagg_localise **ret, struct disagg_err *err)
{
	struct disagg_localise *search;

	if (!setup->nodes || setup->nodes > DISAGG_MAX_NODES || !setup->rails ||
		setup->rails > DISAGG_LOCALISE_RAILS_MAX)
		return disagg_err_set(err, DISAGG_INVALID,
			"cannot search %zu nodes with %zu rails: expected 1 to %u and 1 to %d",
			setup->nodes, setup->rails, DISAGG_MAX_NODES, DISAGG_LOCALISE_RAILS_MAX);
	search = disagg_arena_alloc(arena, sizeof(*search));
	if (!search)
		return disagg_err_nomem(err);
	search->arena = arena;
	search->setup = *setup;
	search->rule = setup->rule ? *setup->rule : disagg_localise_rule_default;
	search->random = setup->seed;
	if (build(search) < 0)
		return disagg_err_nomem(err);
	*ret = search;
	return 0;
}

/* ---- a round's end ---- */

/* Decides over a suspect after each of its tests. */
static void decide(struct disagg_localise *search, struct localise_node *node)
{
	bool slow = node->lost == node->confirms, near = false;

	for (size_t rail = 0; rail < search->setup.rails; rail++) {
		double best = node->best[rail], ref = search->ref[rail];

		if (best < 0 || best >= search->floor[rail])
			continue;
		slow = true;
		near |= best > ref - 2 * (ref - search->floor[rail]);
	}
	if (!slow && (node->confirms >= 2 || !node->suspected)) {
		node->state = NODE_GOOD;
		return;
	}
	node->suspected = true;
	node->state = NODE_SUSPECT;
	if (slow && node->confirms >= (near ? 4u : 3u))
		node->state = NODE_GUILTY;
}

static void confirm_told(struct disagg_localise *search, const struct localise_test *test)
{
	struct localise_node *node = &search->node[test->pair.a];

	if (test->state == TEST_VOID || node->state == NODE_DROPPED)
		return;
	node->confirms++;
	if (test->state == TEST_LOST)
		node->lost++;
	for (size_t rail = 0; test->state == TEST_MEASURED && rail < search->setup.rails; rail++)
		if (test->value[rail] > node->best[rail])
			node->best[rail] = test->value[rail];
	decide(search, node);
}

static void rematch_told(struct disagg_localise *search, const struct localise_test *test)
{
	uint32_t both[2] = {test->pair.a, test->pair.b};
	bool slow = localise_test_slow(search, test, search->floor);

	for (int k = 0; k < 2 && test->state != TEST_VOID; k++) {
		struct localise_node *node = &search->node[both[k]];

		if (node->state == NODE_DROPPED)
			continue;
		node->suspected |= slow;
		node->state = slow ? NODE_SUSPECT : NODE_GOOD;
	}
}

static void repeat_told(struct disagg_localise *search, const struct localise_test *again)
{
	struct localise_test *test = &search->test[again->repeat_of];

	test->repeat_open = false;
	test->repeats++;
	if (again->state == TEST_VOID) {
		test->state = TEST_VOID;
		test->repeats = 0;
		return;
	}
	test->path_fine = !localise_test_slow(search, again, search->floor);
	if (again->state != TEST_MEASURED)
		return;
	if (!test->repeat_best)
		test->repeat_best = again->value;
	for (size_t rail = 0; rail < search->setup.rails; rail++)
		if (again->value[rail] > test->repeat_best[rail])
			test->repeat_best[rail] = again->value[rail];
}

static void end_round(struct disagg_localise *search)
{
	for (size_t i = 0; i < search->round_count; i++) {
		struct localise_test *test = &search->test[search->round_test[i]];

		if (test->state == TEST_OPEN)
			test->state = TEST_LOST;
		search->node[test->pair.a].busy = search->node[test->pair.b].busy = false;
		if (test->pair.purpose == DISAGG_LOCALISE_CONFIRM)
			confirm_told(search, test);
		else if (test->pair.purpose == DISAGG_LOCALISE_REMATCH)
			rematch_told(search, test);
		else if (test->pair.purpose == DISAGG_LOCALISE_REPEAT)
			repeat_told(search, test);
	}
	search->round_count = 0;
}

int disagg_localise_next(struct disagg_localise *search, const struct disagg_localise_pair **ret,
	size_t *ret_count, struct disagg_err *err)
{
	end_round(search);
	if (localise_plan(search) < 0)
		return disagg_err_nomem(err);
	*ret_count = search->round_count;
	*ret = search->round;
	search->ran += search->round_count;
	search->rounds += search->round_count > 0;
	return 0;
}

void disagg_localise_stop(struct disagg_localise *search)
{
	end_round(search);
	if (search->rounds && !search->screened)
		localise_screened(search);
}

void disagg_localise_result(struct disagg_localise *search, size_t index, const double *value)
{
	struct localise_test *test;

	if (index >= search->round_count)
		return;
	test = &search->test[search->round_test[index]];
	if (test->state == TEST_VOID ||
		(test->state == TEST_MEASURED &&
			(!value || !localise_slow(search, test->value, search->floor))))
		return;
	if (!value) {
		test->state = TEST_LOST;
		return;
	}
	for (size_t rail = 0; rail < search->setup.rails; rail++)
		if (test->state != TEST_MEASURED || value[rail] > test->value[rail])
			test->value[rail] = value[rail];
	test->state = TEST_MEASURED;
}

void disagg_localise_drop(struct disagg_localise *search, uint32_t node)
{
	if (node >= search->setup.nodes || search->node[node].state == NODE_DROPPED)
		return;
	search->node[node].state = NODE_DROPPED;
	for (size_t i = 0; i < search->round_count; i++) {
		struct localise_test *test = &search->test[search->round_test[i]];

		if ((test->pair.a == node || test->pair.b == node) && test->state != TEST_MEASURED)
			test->state = TEST_VOID;
	}
}

bool disagg_localise_sweeps(const struct disagg_localise *search)
{
	return search->turn > 0;
}

unsigned disagg_localise_rounds(const struct disagg_localise *search)
{
	return search->rounds;
}

size_t disagg_localise_tests(const struct disagg_localise *search)
{
	return search->ran;
}
