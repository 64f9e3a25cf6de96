/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/localise_build.h"

#include "lib/probe/stats.h"
#include <math.h>

/* Of the normal distribution: sd = 1.4826 MAD. */
#define SD_OF_MAD 1.4826
#define CLIPS	  4
#define WIDEST	  1.5
/* A deviation of fewer pairs is a guess. */
#define PAIRS_MIN 16

const struct disagg_localise_rule disagg_localise_rule_default = {
	.limit = 0.05,
	.sigmas = 2.5,
	.path_limit = 0.07,
	.path_sigmas = 3.5,
	.small_limit = 0.10,
	.repeat_share = 0.10,
	.min_nodes = 8,
};

struct spread {
	double median, sd;
};

static size_t screened(const struct disagg_localise *search, size_t rail, double above)
{
	size_t count = 0;

	for (size_t i = 0; i < search->test_count; i++) {
		const struct localise_test *test = &search->test[i];

		if (test->pair.purpose == DISAGG_LOCALISE_SCREEN && test->state == TEST_MEASURED &&
			test->value[rail] >= 0 && test->value[rail] >= above)
			search->scratch[count++] = test->value[rail];
	}
	return count;
}

static struct spread spread_of(struct disagg_localise *search, size_t rail, double above)
{
	struct spread spread = {0, 0};
	size_t count = screened(search, rail, above);

	if (!count)
		return spread;
	disagg_stats_sort(search->scratch, count);
	spread.median = disagg_stats_percentile(search->scratch, count, 0.5);
	spread.sd = SD_OF_MAD * disagg_stats_mad(search->scratch, count, spread.median);
	return spread;
}

/* Median and spread of what is not slow: the slow ones would widen the limit
 * that is to find them.  Values so wide are of two kinds: it starts from the upper
 * quartile then, which is among the fast ones until half of the pairs are slow. */
static struct spread clipped(struct disagg_localise *search, size_t rail)
{
	const struct disagg_localise_rule *rule = &search->rule;
	struct spread spread = spread_of(search, rail, 0);
	size_t count;

	if (spread.sd > rule->limit * spread.median) {
		count = screened(search, rail, 0);
		disagg_stats_sort(search->scratch, count);
		spread.median = disagg_stats_percentile(search->scratch, count, 0.75);
		spread.sd = 0;
	}
	for (int i = 0; i < CLIPS && spread.median > 0; i++)
		spread = spread_of(search, rail,
			spread.median - fmax(rule->path_limit * spread.median,
						rule->path_sigmas * spread.sd));
	return spread;
}

/* The median of the fastest pairs: with few pairs the slow ones may be half. */
static struct spread fastest(struct disagg_localise *search, size_t rail)
{
	struct spread spread = {0, 0};
	size_t count = screened(search, rail, 0);

	for (size_t i = 0; i < count; i++)
		spread.median = fmax(spread.median, search->scratch[i]);
	return spread;
}

static struct spread by_reference(
	struct disagg_localise *search, size_t rail, struct spread measured)
{
	double floor = search->setup.reference * (1 - search->rule.path_limit);
	size_t all = screened(search, rail, 0), fine = screened(search, rail, floor);
	bool few = search->setup.nodes < search->rule.min_nodes;
	struct spread spread = {search->setup.reference, measured.sd};

	search->below_reference[rail] = fine * 10 < all;
	if (fine * 2 < all && fine * 10 >= all)
		spread.sd = spread_of(search, rail, floor).sd;
	else if (!few)
		return measured;
	return spread;
}

/* Noise widens the limit, by half at most: it costs tests where it is not wide enough,
 * and hides slow nodes where it is too wide. */
static double floor_of(struct spread spread, double limit, double sigmas)
{
	double below = fmax(limit * spread.median, sigmas * spread.sd);

	return spread.median - fmin(below, WIDEST * limit * spread.median);
}

void localise_refer(struct disagg_localise *search)
{
	const struct disagg_localise_rule *rule = &search->rule;
	bool few = search->setup.nodes < rule->min_nodes;

	search->relative = few && search->setup.reference <= 0;
	for (size_t rail = 0; rail < search->setup.rails; rail++) {
		struct spread spread =
			search->relative ? fastest(search, rail) : clipped(search, rail);
		double limit = search->relative ? rule->small_limit : rule->limit;
		double path = search->relative ? rule->small_limit : rule->path_limit;

		if (search->setup.reference > 0)
			spread = by_reference(search, rail, spread);
		if (screened(search, rail, 0) < PAIRS_MIN)
			spread.sd = 0;
		search->ref[rail] = spread.median;
		search->floor[rail] = floor_of(spread, limit, rule->sigmas);
		search->path_floor[rail] = floor_of(spread, path, rule->path_sigmas);
	}
}

bool localise_slow(const struct disagg_localise *search, const double *value, const double *floor)
{
	for (size_t rail = 0; value && rail < search->setup.rails; rail++)
		if (value[rail] >= 0 && value[rail] < floor[rail])
			return true;
	return false;
}

bool localise_test_slow(
	const struct disagg_localise *search, const struct localise_test *test, const double *floor)
{
	return test->state == TEST_LOST ||
	       (test->state == TEST_MEASURED && localise_slow(search, test->value, floor));
}

bool localise_path_open(const struct disagg_localise *search, const struct localise_test *test)
{
	const struct localise_node *a = &search->node[test->pair.a],
				   *b = &search->node[test->pair.b];

	return test->pair.purpose <= DISAGG_LOCALISE_CONFIRM && !test->repeat_open &&
	       !test->path_fine && test->repeats < LOCALISE_REPEATS && a->state == NODE_GOOD &&
	       b->state == NODE_GOOD && localise_test_slow(search, test, search->path_floor);
}
