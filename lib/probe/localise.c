/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/localise_build.h"

#include "lib/base/limits.h"
#include "lib/host/latency.h"
#include <string.h>

#define NOBODY UINT32_MAX
/* Pairs that are repeated for their path: of a whole leaf's some are enough. */
#define PATHS_MAX 192

/* ---- setting up ---- */

static int build(struct disagg_localise *search)
{
	size_t nodes = search->setup.nodes, rails = search->setup.rails;
	double *best = disagg_arena_array(search->arena, nodes * rails, sizeof(*best));

	search->node = disagg_arena_array(search->arena, nodes, sizeof(*search->node));
	search->round = disagg_arena_array(search->arena, nodes, sizeof(*search->round));
	search->round_test = disagg_arena_array(search->arena, nodes, sizeof(size_t));
	search->order = disagg_arena_array(search->arena, nodes, sizeof(*search->order));
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

/* ---- tests ---- */

static void hand_out(struct disagg_localise *search, size_t at)
{
	const struct disagg_localise_pair *pair = &search->test[at].pair;

	search->round_test[search->round_count] = at;
	search->round[search->round_count++] = *pair;
	search->node[pair->a].busy = search->node[pair->b].busy = true;
}

static void meet(struct localise_node *node, uint32_t other)
{
	if (node->met_count < LOCALISE_MEETINGS)
		node->met[node->met_count++] = other;
}

static struct localise_test *add_test(
	struct disagg_localise *search, struct disagg_localise_pair pair)
{
	struct localise_test *test;

	if (search->test_count == search->test_size) {
		size_t size = search->test_size ? 2 * search->test_size : search->setup.nodes + 16;
		struct localise_test *grown = disagg_arena_grow(
			search->arena, search->test, search->test_count, size, sizeof(*grown));

		if (!grown)
			return NULL;
		search->test = grown;
		search->test_size = size;
	}
	test = &search->test[search->test_count];
	test->value = disagg_arena_array(search->arena, search->setup.rails, sizeof(double));
	if (!test->value)
		return NULL;
	test->pair = pair;
	meet(&search->node[pair.a], pair.b);
	meet(&search->node[pair.b], pair.a);
	hand_out(search, search->test_count++);
	return test;
}

static void shuffle(struct disagg_localise *search)
{
	for (uint32_t i = (uint32_t)search->setup.nodes - 1; i > 0; i--) {
		uint32_t j = disagg_random_between(&search->random, 0, i);
		uint32_t kept = search->order[i];

		search->order[i] = search->order[j];
		search->order[j] = kept;
	}
}

static bool same_leaf(const struct disagg_localise *search, uint32_t a, uint32_t b)
{
	return search->setup.leaf && search->setup.leaf[a] == search->setup.leaf[b];
}

/* ---- A ---- */

/* Exchanges the second of pair `at` with one of another pair, so that neither is
 * within a leaf; where the largest leaf holds more than half, some stay. */
static void cross_leaf(struct disagg_localise *search, uint32_t *order, size_t at, size_t pairs)
{
	size_t start = disagg_random_between(&search->random, 0, (uint32_t)pairs - 1);

	for (size_t i = 0; i < pairs; i++) {
		size_t other = (start + i) % pairs;
		uint32_t *mine = &order[2 * at], *theirs = &order[2 * other];
		uint32_t kept = mine[1];

		if (other == at || same_leaf(search, mine[0], theirs[1]) ||
			same_leaf(search, theirs[0], mine[1]))
			continue;
		mine[1] = theirs[1];
		theirs[1] = kept;
		return;
	}
}

static int screen(struct disagg_localise *search)
{
	size_t pairs, present = 0;

	shuffle(search);
	for (size_t i = 0; i < search->setup.nodes; i++)
		if (search->node[search->order[i]].state != NODE_DROPPED) {
			uint32_t kept = search->order[present];

			search->order[present++] = search->order[i];
			search->order[i] = kept;
		}
	pairs = present / 2;
	for (size_t i = 0; i < pairs; i++)
		if (same_leaf(search, search->order[2 * i], search->order[2 * i + 1]))
			cross_leaf(search, search->order, i, pairs);
	for (size_t i = 0; i < pairs; i++) {
		struct disagg_localise_pair pair = {
			.a = search->order[2 * i],
			.b = search->order[2 * i + 1],
			.purpose = DISAGG_LOCALISE_SCREEN,
		};

		if (!add_test(search, pair))
			return -1;
	}
	return 0;
}

/* The same pairs again, all of them: the fabric is as busy.  Of the slow ones the better
 * counts; of all it would raise the median. */
static void screen_again(struct disagg_localise *search)
{
	search->screen_repeated = true;
	for (size_t i = 0; i < search->test_count; i++) {
		struct localise_test *test = &search->test[i];

		if (search->node[test->pair.a].state == NODE_DROPPED ||
			search->node[test->pair.b].state == NODE_DROPPED)
			continue;
		test->pair.step = 1;
		hand_out(search, i);
	}
}

static void judge_screened(struct disagg_localise *search)
{
	for (size_t i = 0; i < search->test_count; i++) {
		struct localise_test *test = &search->test[i];
		bool slow = localise_test_slow(search, test, search->floor);
		uint32_t both[2] = {test->pair.a, test->pair.b};

		for (int k = 0; k < 2 && test->state != TEST_VOID; k++) {
			struct localise_node *node = &search->node[both[k]];

			if (node->state != NODE_UNTESTED)
				continue;
			node->state = slow ? NODE_SUSPECT : NODE_GOOD;
			node->suspected = slow;
		}
	}
	search->screened = true;
}

static bool many_slow(const struct disagg_localise *search)
{
	size_t slow = 0;

	for (size_t i = 0; i < search->test_count; i++)
		if (localise_test_slow(search, &search->test[i], search->floor))
			slow++;
	return (double)slow > search->rule.repeat_share * (double)search->test_count;
}

/* ---- B to E ---- */

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

static bool tested_together(const struct disagg_localise *search, uint32_t a, uint32_t b)
{
	const struct localise_node *node = &search->node[a];

	for (unsigned i = 0; i < node->met_count; i++)
		if (node->met[i] == b)
			return true;
	return false;
}

/* A node in `state` that is free; a new partner before an old one, and the leaf that the
 * step asks for before another. */
static uint32_t partner_of(struct disagg_localise *search, uint32_t node,
	enum localise_node_state state, bool near_leaf)
{
	uint32_t found = NOBODY;
	int best = -1;

	for (size_t i = 0; i < search->setup.nodes; i++) {
		uint32_t other = search->order[i];
		int score;

		if (other == node || search->node[other].busy || search->node[other].state != state)
			continue;
		score = !search->setup.leaf || same_leaf(search, node, other) == near_leaf;
		score += 2 * !tested_together(search, node, other);
		if (score > best) {
			best = score;
			found = other;
		}
		if (best == 3)
			break;
	}
	return found;
}

/* Where a whole leaf is suspect it is slow to all others, and none of its nodes is
 * to blame: two of them are fast together. */
static int ask_leaf(struct disagg_localise *search, uint32_t at)
{
	struct disagg_localise_pair pair = {.a = at, .purpose = DISAGG_LOCALISE_REMATCH};
	struct localise_node *node = &search->node[at];

	if (!search->setup.leaf || node->asked_leaf || node->confirms || !node->suspected)
		return 0;
	for (uint32_t i = 0; i < search->setup.nodes; i++)
		if (search->node[i].state == NODE_GOOD && same_leaf(search, at, i))
			return 0;
	pair.b = partner_of(search, at, NODE_SUSPECT, true);
	if (pair.b == NOBODY || !same_leaf(search, at, pair.b))
		return 0;
	node->asked_leaf = search->node[pair.b].asked_leaf = true;
	return add_test(search, pair) ? 0 : -1;
}

static int confirm(struct disagg_localise *search)
{
	for (uint32_t i = 0; i < search->setup.nodes; i++) {
		struct localise_node *node = &search->node[i];
		struct disagg_localise_pair pair = {
			.a = i, .purpose = DISAGG_LOCALISE_CONFIRM, .step = node->confirms + 1};

		if (node->busy || (node->state != NODE_SUSPECT && node->state != NODE_UNTESTED))
			continue;
		if (ask_leaf(search, i) < 0)
			return -1;
		if (node->busy)
			continue;
		pair.b = partner_of(search, i, NODE_GOOD, node->confirms % 2 == 0);
		if (pair.b != NOBODY && !add_test(search, pair))
			return -1;
	}
	return 0;
}

/* Nobody has passed: other pairs may. */
static int rematch(struct disagg_localise *search)
{
	if (search->rematches++ >= LOCALISE_REMATCHES)
		return 0;
	for (size_t k = 0; k < search->setup.nodes; k++) {
		struct disagg_localise_pair pair = {.a = search->order[k],
			.purpose = DISAGG_LOCALISE_REMATCH,
			.step = search->rematches - 1};
		enum localise_node_state state = search->node[pair.a].state;

		if (search->node[pair.a].busy || state == NODE_DROPPED || state == NODE_GUILTY)
			continue;
		pair.b = partner_of(search, pair.a, NODE_UNTESTED, false);
		if (pair.b == NOBODY)
			pair.b = partner_of(search, pair.a, NODE_SUSPECT, false);
		if (pair.b == NOBODY || tested_together(search, pair.a, pair.b))
			continue;
		if (!add_test(search, pair))
			return -1;
	}
	return 0;
}

/* ---- R ---- */

static int repeat(struct disagg_localise *search)
{
	size_t count = search->test_count;

	for (size_t i = 0; i < count; i++) {
		struct localise_test *test = &search->test[i], *again;
		struct disagg_localise_pair pair = test->pair;

		if (!localise_path_open(search, test) || search->node[pair.a].busy ||
			search->node[pair.b].busy || (!test->repeats && search->paths == PATHS_MAX))
			continue;
		search->paths += !test->repeats;
		pair.purpose = DISAGG_LOCALISE_REPEAT;
		pair.step = test->repeats;
		test->repeat_open = true;
		again = add_test(search, pair);
		if (!again)
			return -1;
		again->repeat_of = i;
	}
	return 0;
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

/* ---- a round's end ---- */

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

/* Adds the tests of the next round. */
static int plan_round(struct disagg_localise *search)
{
	if (!search->rounds)
		return screen(search);
	if (!search->screened) {
		localise_refer(search);
		if (!search->screen_repeated && many_slow(search)) {
			screen_again(search);
			return 0;
		}
		judge_screened(search);
	}
	shuffle(search);
	if (confirm(search) < 0 || repeat(search) < 0)
		return -1;
	if (!search->round_count && rematch(search) < 0)
		return -1;
	return 0;
}

int disagg_localise_next(struct disagg_localise *search, const struct disagg_localise_pair **ret,
	size_t *ret_count, struct disagg_err *err)
{
	end_round(search);
	if (plan_round(search) < 0)
		return disagg_err_nomem(err);
	*ret_count = search->round_count;
	*ret = search->round;
	search->ran += search->round_count;
	search->rounds += search->round_count > 0;
	return 0;
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

unsigned disagg_localise_rounds(const struct disagg_localise *search)
{
	return search->rounds;
}

size_t disagg_localise_tests(const struct disagg_localise *search)
{
	return search->ran;
}

double disagg_localise_ref(const struct disagg_localise *search, size_t rail)
{
	return search->ref[rail];
}

double disagg_localise_floor(const struct disagg_localise *search, size_t rail)
{
	return search->floor[rail];
}
