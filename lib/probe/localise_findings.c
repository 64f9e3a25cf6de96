/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/localise_build.h"

#include <string.h>

/* A leaf, not its paths, where it is slow to so many others. */
#define LEAF_PATHS 3

struct findings {
	struct disagg_localise *search;
	struct disagg_finding *item;
	size_t count, size;
	bool *told; /* of a node */
};

static struct disagg_finding *add(struct findings *list, enum disagg_finding_kind kind, uint32_t a)
{
	struct disagg_finding *item;

	if (list->count == list->size) {
		size_t size = list->size ? 2 * list->size : 32;

		item = disagg_arena_grow(
			list->search->arena, list->item, list->count, size, sizeof(*item));
		if (!item)
			return NULL;
		list->item = item;
		list->size = size;
	}
	item = &list->item[list->count++];
	item->kind = kind;
	item->a = item->b = a;
	item->rail = -1;
	item->relative = list->search->relative;
	return item;
}

/* Value, reference and limit of one rail. */
static void of_rail(const struct disagg_localise *search, struct disagg_finding *item,
	const double *value, size_t rail)
{
	item->value = value && value[rail] > 0 ? value[rail] : 0;
	item->expected = search->ref[rail];
	item->limit = search->floor[rail];
}

/* Of the rail that is worst; returns how many are slow. */
static size_t of_worst(const struct disagg_localise *search, struct disagg_finding *item,
	const double *value, const double *floor)
{
	size_t slow = 0, worst = 0;
	double least = 2;

	for (size_t rail = 0; rail < search->setup.rails; rail++) {
		double share = value && search->ref[rail] > 0 ? value[rail] / search->ref[rail] : 0;

		if (value && (value[rail] < 0 || value[rail] >= floor[rail]))
			continue;
		slow++;
		if (share < least) {
			least = share;
			worst = rail;
		}
	}
	of_rail(search, item, value, worst);
	item->rail = slow == 1 && search->setup.rails > 1 ? (int)worst : -1;
	return slow;
}

/* ---- nodes and their rails ---- */

/* How many others it was tested with; one that it met again counts once. */
static unsigned partners_of(const struct disagg_localise *search, uint32_t at)
{
	uint32_t seen[LOCALISE_MEETINGS];
	unsigned count = 0;

	for (size_t i = 0; i < search->test_count && count < LOCALISE_MEETINGS; i++) {
		const struct localise_test *test = &search->test[i];
		uint32_t other = test->pair.a == at ? test->pair.b : test->pair.a;
		unsigned k = 0;

		if ((test->pair.a != at && test->pair.b != at) ||
			(test->state != TEST_MEASURED && test->state != TEST_LOST))
			continue;
		while (k < count && seen[k] != other)
			k++;
		if (k == count)
			seen[count++] = other;
	}
	return count;
}

static int guilty(struct findings *list, uint32_t at)
{
	const struct disagg_localise *search = list->search;
	const struct localise_node *node = &search->node[at];
	struct disagg_finding item = {.kind = DISAGG_FINDING_NODE}, *added;
	size_t slow = of_worst(search, &item, node->best, search->floor);
	size_t rails = search->setup.rails;
	unsigned partners = partners_of(search, at);

	list->told[at] = true;
	if (node->lost == node->confirms || slow * 2 > rails || rails == 1) {
		added = add(list,
			node->lost == node->confirms ? DISAGG_FINDING_HANGS : DISAGG_FINDING_NODE,
			at);
		if (!added)
			return -1;
		of_worst(search, added, node->best, search->floor);
		added->rail = -1;
		added->tests = partners;
		return 0;
	}
	for (size_t rail = 0; rail < rails; rail++) {
		if (node->best[rail] < 0 || node->best[rail] >= search->floor[rail])
			continue;
		added = add(list, DISAGG_FINDING_RAIL, at);
		if (!added)
			return -1;
		of_rail(search, added, node->best, rail);
		added->rail = (int)rail;
		added->tests = partners;
	}
	return 0;
}

/* With few nodes a slow one may be in every screened pair: then one has passed since. */
static bool below_reference(const struct disagg_localise *search)
{
	size_t below = 0, passed = 0;

	for (size_t rail = 0; rail < search->setup.rails; rail++)
		below += search->below_reference[rail];
	for (size_t i = 0; i < search->setup.nodes; i++)
		passed += search->node[i].state == NODE_GOOD;
	if (search->setup.nodes < search->rule.min_nodes && (passed || search->setup.nodes <= 2))
		return false;
	return below && below * 2 >= search->setup.rails;
}

static int fleet(struct findings *list)
{
	const struct disagg_localise *search = list->search;
	struct disagg_finding *item;
	double sum = 0;
	size_t count = 0;

	if (!below_reference(search))
		return 0;
	item = add(list, DISAGG_FINDING_FLEET, 0);
	if (!item)
		return -1;
	for (size_t i = 0; i < search->test_count; i++) {
		const struct localise_test *test = &search->test[i];

		if (test->state != TEST_MEASURED || test->value[0] < 0)
			continue;
		sum += test->value[0];
		count++;
	}
	item->value = count ? sum / (double)count : 0;
	item->expected = search->setup.reference;
	item->limit = search->setup.reference * (1 - search->rule.path_limit);
	item->tests = (unsigned)count;
	return 0;
}

/* Suspects over whom nothing could be decided, with whom they were slow. */
static int undecided(struct findings *list, const struct localise_test *test)
{
	const struct disagg_localise *search = list->search;
	uint32_t a = test->pair.a, b = test->pair.b;
	bool open = search->node[a].state == NODE_SUSPECT && !list->told[a];
	struct disagg_finding *item;

	open |= search->node[b].state == NODE_SUSPECT && !list->told[b];
	if (!open || test->state == TEST_VOID)
		return 0;
	list->told[a] = list->told[b] = true;
	if (below_reference(search))
		return 0;
	item = add(list, DISAGG_FINDING_PAIR, a);
	if (!item)
		return -1;
	item->b = b;
	item->tests = 1;
	of_worst(search, item, test->state == TEST_MEASURED ? test->value : NULL, search->floor);
	return 0;
}

static int nodes(struct findings *list)
{
	const struct disagg_localise *search = list->search;

	for (uint32_t i = 0; i < search->setup.nodes; i++)
		if (search->node[i].state == NODE_GUILTY && guilty(list, i) < 0)
			return -1;
	for (size_t i = 0; i < search->test_count; i++)
		if (undecided(list, &search->test[i]) < 0)
			return -1;
	for (uint32_t i = 0; i < search->setup.nodes; i++) {
		enum localise_node_state state = search->node[i].state;

		if (list->told[i] || state == NODE_GOOD || state == NODE_GUILTY)
			continue;
		if (!add(list, DISAGG_FINDING_UNTESTED, i))
			return -1;
	}
	return 0;
}

/* ---- paths ---- */

static unsigned leaf_of(const struct disagg_localise *search, uint32_t node)
{
	return search->setup.leaf ? search->setup.leaf[node] : node;
}

static bool same_path(const struct disagg_localise *search, const struct disagg_finding *item,
	const struct disagg_localise_pair *pair)
{
	unsigned a = leaf_of(search, item->a), b = leaf_of(search, item->b);
	unsigned c = leaf_of(search, pair->a), d = leaf_of(search, pair->b);

	return (a == c && b == d) || (a == d && b == c);
}

static int path(struct findings *list, const struct localise_test *test)
{
	const struct disagg_localise *search = list->search;
	struct disagg_finding *item;

	for (size_t i = 0; i < list->count; i++)
		if (list->item[i].kind == DISAGG_FINDING_PATH &&
			same_path(search, &list->item[i], &test->pair)) {
			list->item[i].tests++;
			return 0;
		}
	item = add(list, DISAGG_FINDING_PATH, test->pair.a);
	if (!item)
		return -1;
	item->b = test->pair.b;
	item->tests = 1;
	of_worst(search, item, test->repeat_best, search->floor);
	return 0;
}

static unsigned paths_of(const struct findings *list, unsigned leaf)
{
	unsigned paths = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct disagg_finding *item = &list->item[i];

		paths += item->kind == DISAGG_FINDING_PATH &&
			 (leaf_of(list->search, item->a) == leaf ||
				 leaf_of(list->search, item->b) == leaf);
	}
	return paths;
}

/* Whether most screened pairs that leave the leaf are slow. */
static bool leaves_slowly(const struct disagg_localise *search, unsigned leaf)
{
	size_t all = 0, slow = 0;

	for (size_t i = 0; i < search->test_count; i++) {
		const struct localise_test *test = &search->test[i];
		bool a = leaf_of(search, test->pair.a) == leaf;

		if (test->pair.purpose != DISAGG_LOCALISE_SCREEN ||
			a == (leaf_of(search, test->pair.b) == leaf))
			continue;
		all++;
		slow += localise_test_slow(search, test, search->path_floor);
	}
	return slow * 2 > all;
}

/* A leaf takes the place of its paths. */
static void merge_leaf(struct findings *list, size_t at, unsigned leaf)
{
	struct disagg_finding *first = &list->item[at];
	size_t kept = at + 1;

	if (leaf_of(list->search, first->a) != leaf) {
		uint32_t other = first->a;

		first->a = first->b;
		first->b = other;
	}
	first->kind = DISAGG_FINDING_LEAF;
	for (size_t i = at + 1; i < list->count; i++) {
		const struct disagg_finding *item = &list->item[i];

		if (item->kind == DISAGG_FINDING_PATH &&
			(leaf_of(list->search, item->a) == leaf ||
				leaf_of(list->search, item->b) == leaf))
			first->tests += item->tests;
		else
			list->item[kept++] = *item;
	}
	memset(&list->item[kept], 0, (list->count - kept) * sizeof(*list->item));
	list->count = kept;
}

static void leaves(struct findings *list)
{
	for (size_t i = 0; list->search->setup.leaf && i < list->count; i++) {
		uint32_t both[2] = {list->item[i].a, list->item[i].b};

		for (int k = 0; k < 2 && list->item[i].kind == DISAGG_FINDING_PATH; k++) {
			unsigned leaf = leaf_of(list->search, both[k]);

			if (paths_of(list, leaf) >= LEAF_PATHS && leaves_slowly(list->search, leaf))
				merge_leaf(list, i, leaf);
		}
	}
}

static int transient(struct findings *list, const struct localise_test *test)
{
	struct disagg_finding *item = add(list, DISAGG_FINDING_TRANSIENT, test->pair.a);

	if (!item)
		return -1;
	item->b = test->pair.b;
	item->tests = test->repeats + 1;
	of_worst(list->search, item, test->state == TEST_MEASURED ? test->value : NULL,
		list->search->path_floor);
	return 0;
}

static int paths(struct findings *list)
{
	const struct disagg_localise *search = list->search;

	for (size_t i = 0; i < search->test_count; i++) {
		const struct localise_test *test = &search->test[i];

		if (test->repeats >= LOCALISE_REPEATS && !test->path_fine && path(list, test) < 0)
			return -1;
	}
	leaves(list);
	for (size_t i = 0; i < search->test_count; i++)
		if (search->test[i].path_fine && transient(list, &search->test[i]) < 0)
			return -1;
	return 0;
}

int disagg_localise_findings(struct disagg_localise *search, const struct disagg_finding **ret,
	size_t *ret_count, struct disagg_err *err)
{
	struct findings list = {.search = search};

	list.told = disagg_arena_array(search->arena, search->setup.nodes, sizeof(bool));
	if (!list.told || fleet(&list) < 0 || nodes(&list) < 0 || paths(&list) < 0)
		return disagg_err_nomem(err);
	*ret = list.item;
	*ret_count = list.count;
	return 0;
}
