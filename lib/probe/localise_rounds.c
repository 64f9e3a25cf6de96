/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/localise_build.h"

#include "lib/host/latency.h"

#define NOBODY UINT32_MAX
/* Pairs that are repeated for their path: of a whole leaf's some are enough. */
#define PATHS_MAX 192

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

/* The circle's first turn is A's pairs; a node without a partner sits opposite nobody. */
static void sit_down(struct disagg_localise *search, size_t present)
{
	search->seats = present + present % 2;
	for (size_t i = 0; i < search->seats; i++)
		search->circle[i % 2 ? search->seats - 1 - i / 2 : i / 2] =
			i < present ? search->order[i] : NOBODY;
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
	sit_down(search, present);
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

void localise_screened(struct disagg_localise *search)
{
	localise_refer(search);
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

/* ---- S ---- */

/* Who sits at a seat in this turn: the first stays, the others move on by one. */
static uint32_t sitting(const struct disagg_localise *search, size_t seat)
{
	size_t moving = search->seats - 1;

	return search->circle[seat ? 1 + (seat - 1 + search->turn) % moving : 0];
}

/* The next turn of which a pair is to be tested. */
static int sweep(struct disagg_localise *search)
{
	while (!search->round_count && search->turn + 2 < search->seats) {
		search->turn++;
		for (size_t seat = 0; seat < search->seats / 2; seat++) {
			struct disagg_localise_pair pair = {.a = sitting(search, seat),
				.b = sitting(search, search->seats - 1 - seat),
				.purpose = DISAGG_LOCALISE_SWEEP,
				.step = search->turn - 1};

			if (pair.a == NOBODY || pair.b == NOBODY ||
				search->node[pair.a].state != NODE_GOOD ||
				search->node[pair.b].state != NODE_GOOD)
				continue;
			if (!add_test(search, pair))
				return -1;
		}
	}
	return 0;
}

int localise_plan(struct disagg_localise *search)
{
	if (!search->rounds)
		return screen(search);
	if (!search->screened) {
		localise_refer(search);
		if (!search->screen_repeated && many_slow(search)) {
			screen_again(search);
			return 0;
		}
		localise_screened(search);
	}
	shuffle(search);
	if (confirm(search) < 0 || repeat(search) < 0)
		return -1;
	if (!search->round_count && rematch(search) < 0)
		return -1;
	if (!search->round_count && search->setup.all_pairs && sweep(search) < 0)
		return -1;
	return 0;
}
