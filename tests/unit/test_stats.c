/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/stats.h"

#include "lib/host/latency.h"
#include "tests/unit/tap.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * (fabs(b) + 1);
}

static void known_values(void)
{
	double values[] = {9, 1, 2, 4, 2, 6, 1};
	double four[] = {4, 1, 3, 2};
	struct disagg_stats stats;

	disagg_stats_of(values, 7, &stats);
	ok(stats.count == 7 && stats.min == 1 && stats.max == 9, "count and ends");
	ok(stats.median == 2, "median of an odd number");
	ok(stats.mad == 1, "mad: of 1 1 0 0 2 4 7 it is 1");
	ok(near(stats.mean, 25.0 / 7), "mean");
	ok(near(stats.p99, 8.82), "p99 lies between the two last");
	ok(near(stats.p1, 1), "p1");
	disagg_stats_of(four, 4, &stats);
	ok(stats.median == 2.5 && stats.mad == 1, "median and mad of an even number");
	ok(near(stats.cv, sqrt(5.0 / 3) / 2.5), "cv by n - 1");
}

static void odd_inputs(void)
{
	double same[] = {5, 5, 5, 5};
	double one[] = {-3};
	double zero_mean[] = {-1, 1};
	struct disagg_stats stats;

	disagg_stats_of(NULL, 0, &stats);
	ok(stats.count == 0 && stats.median == 0 && stats.mad == 0 && stats.cv == 0, "nothing");
	disagg_stats_of(one, 1, &stats);
	ok(stats.median == -3 && stats.p1 == -3 && stats.p99 == -3 && stats.mad == 0, "one value");
	disagg_stats_of(same, 4, &stats);
	ok(stats.mad == 0 && stats.cv == 0, "equal values have no spread");
	disagg_stats_of(zero_mean, 2, &stats);
	ok(stats.cv == 0, "no cv without a mean");
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* So many are not sorted by comparing: both sides of zero, all sizes, and equal ones. */
static void many_values(void)
{
	static const size_t counts[] = {999, 1000, 1001, 5000};
	static double values[5000], sorted[5000];
	uint64_t seed = 11;

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		size_t count = counts[i];

		for (size_t k = 0; k < count; k++) {
			double part = (double)disagg_random_between(&seed, 0, 2000) - 1000;

			values[k] = k % 3 ? 700 + part / 100 : ldexp(part, (int)(k % 2000) - 1060);
		}
		memcpy(sorted, values, sizeof(values));
		qsort(sorted, count, sizeof(*sorted), by_value);
		disagg_stats_sort(values, count);
		ok(memcmp(values, sorted, count * sizeof(*values)) == 0, "as qsort has them");
	}
	for (size_t k = 0; k < 5000; k++)
		values[k] = 3;
	disagg_stats_sort(values, 5000);
	ok(values[0] == 3 && values[4999] == 3, "equal values stay");
}

/* Against the plain way: all distances sorted. */
static void mad_as_defined(void)
{
	uint64_t seed = 7;
	bool good = true;

	for (unsigned round = 0; round < 300; round++) {
		size_t count = 1 + disagg_random_between(&seed, 0, 40);
		double values[64], far[64], median, want;

		for (size_t i = 0; i < count; i++)
			values[i] = disagg_random_between(&seed, 0, 30) / 2.0;
		disagg_stats_sort(values, count);
		median = disagg_stats_percentile(values, count, 0.5);
		for (size_t i = 0; i < count; i++)
			far[i] = fabs(values[i] - median);
		disagg_stats_sort(far, count);
		want = disagg_stats_percentile(far, count, 0.5);
		good = good && near(disagg_stats_mad(values, count, median), want);
	}
	ok(good, "mad is the median of the distances");
}

static void histograms(void)
{
	double values[] = {0, 0.9, 1, 2, 4};
	double same[] = {3, 3};
	size_t bin[4];

	disagg_stats_histogram(values, 5, bin, 4);
	ok(bin[0] == 2 && bin[1] == 1 && bin[2] == 1 && bin[3] == 1,
		"the largest is in the last bin");
	disagg_stats_histogram(same, 2, bin, 4);
	ok(bin[0] == 2 && bin[1] + bin[2] + bin[3] == 0, "no width: the first bin");
}

int main(void)
{
	known_values();
	odd_inputs();
	many_values();
	mad_as_defined();
	histograms();
	return tap_done();
}
