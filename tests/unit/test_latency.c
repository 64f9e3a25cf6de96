/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/latency.h"

#include "lib/base/arena.h"
#include "tests/unit/tap.h"
#include <math.h>

/* Expected values are those of numpy's percentile, mean and std. */
static const struct {
	const char *name;
	float v[8];
	size_t count;
	double mean, median, std, p90, p99;
} rows[] = {
	{"one sample is all of it", {3}, 1, 3, 3, 0, 3, 3},
	{"two samples", {2, 1}, 2, 1.5, 1.5, 0.5, 1.9, 1.99},
	{"odd and unsorted", {5, 1, 4, 2, 3}, 5, 3, 3, 1.4142135624, 4.6, 4.96},
	{"even, with repeats", {1, 1, 2, 10}, 4, 3.5, 1.5, 3.7749172176, 7.6, 9.76},
};

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-6;
}

static void test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_samples samples = {.v = NULL};
		struct disagg_latency got;

		disagg_samples_join(&samples, rows[i].v, rows[i].count);
		got = disagg_latency_of(&samples);
		ok(got.count == rows[i].count && near(got.mean, rows[i].mean) &&
				near(got.median, rows[i].median) && near(got.std, rows[i].std) &&
				near(got.p90, rows[i].p90) && near(got.p99, rows[i].p99),
			rows[i].name);
		disagg_samples_release(&samples);
	}
}

static void test_none(void)
{
	struct disagg_samples samples = {.v = NULL};

	is_int((intmax_t)disagg_latency_of(&samples).count, 0, "no samples count as none");
	is_int(disagg_samples_join(&samples, NULL, 0), 0, "nothing can be joined");
	disagg_samples_release(&samples);
}

static void test_growth(void)
{
	struct disagg_samples samples = {.v = NULL};
	struct disagg_latency got;
	int failed = 0;

	for (int i = 0; i < 10001; i++)
		failed |= disagg_samples_add(&samples, (float)i);
	got = disagg_latency_of(&samples);
	ok(!failed && near(got.median, 5000) && near(got.p99, 9900), "ten thousand samples");
	disagg_samples_release(&samples);
	is_int((intmax_t)samples.count, 0, "released samples are empty");
}

static void test_no_memory(void)
{
	struct disagg_samples samples = {.v = NULL};
	const float v[3] = {1, 2, 3};

	disagg_samples_join(&samples, v, 3);
	disagg_alloc_fail_after(0);
	is_int(disagg_samples_join(&samples, v, (size_t)1), 0, "no memory is needed where it fits");
	for (int i = 0; i < 60; i++)
		disagg_samples_add(&samples, 1);
	is_int(disagg_samples_add(&samples, 1), -1, "no memory is told");
	disagg_alloc_fail_after(-1);
	is_int((intmax_t)samples.count, 64, "and what was there stays");
	is_int(disagg_samples_join(&samples, v, SIZE_MAX / 2), -1, "a count too large is refused");
	disagg_samples_release(&samples);
}

static void test_random(void)
{
	uint64_t a = 7, b = 7, zero = 0;
	uint32_t low = UINT32_MAX, high = 0;
	double sum = 0, least = 1;

	is_int((intmax_t)(disagg_random_next(&zero) >> 32), 0xe220a839, "splitmix64 of seed 0");
	for (int i = 0; i < 100000; i++) {
		uint32_t x = disagg_random_between(&a, 80, 100);
		double gap = disagg_random_gap(&b, 0.5);

		low = x < low ? x : low;
		high = x > high ? x : high;
		sum += gap;
		least = gap < least ? gap : least;
	}
	ok(low == 80 && high == 100, "both ends are met and none is passed");
	ok(fabs(sum / 100000 - 0.5) < 0.01, "gaps have their mean");
	ok(least >= 0, "and none is negative");
	is_int(disagg_random_between(&a, 5, 5), 5, "a range of one");
}

int main(void)
{
	test_rows();
	test_none();
	test_growth();
	test_no_memory();
	test_random();
	return tap_done();
}
