/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/stats.h"

#include "lib/base/arena.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MANY	   1000u
#define DIGIT_BITS 11u
#define DIGITS	   (1u << DIGIT_BITS)
#define SIGN	   (UINT64_C(1) << 63)

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* As unsigned numbers the bits of doubles are in the order of their values with the
 * sign flipped, and of those below zero all others too. */
static uint64_t key_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits ^ (bits & SIGN ? UINT64_MAX : SIGN);
}

/* By one digit of the keys; false: all have the same, and nothing was moved. */
static bool sort_digit(const double *from, double *to, size_t count, unsigned shift)
{
	size_t start[DIGITS] = {0}, sum = 0;

	for (size_t i = 0; i < count; i++)
		start[key_of(from[i]) >> shift & (DIGITS - 1)]++;
	if (start[key_of(from[0]) >> shift & (DIGITS - 1)] == count)
		return false;
	for (size_t i = 0; i < DIGITS; i++) {
		size_t these = start[i];

		start[i] = sum;
		sum += these;
	}
	for (size_t i = 0; i < count; i++)
		to[start[key_of(from[i]) >> shift & (DIGITS - 1)]++] = from[i];
	return true;
}

/* A radix sort: of ten thousands of values ten times as fast as qsort. */
static bool sort_digits(double *values, size_t count)
{
	double *room = disagg_raw_realloc(NULL, count * sizeof(*room));
	double *from = values, *to = room;

	if (!room)
		return false;
	for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
		double *sorted = to;

		if (!sort_digit(from, to, count, shift))
			continue;
		to = from;
		from = sorted;
	}
	if (from != values)
		memcpy(values, from, count * sizeof(*values));
	free(room);
	return true;
}

void disagg_stats_sort(double *values, size_t count)
{
	if (count >= MANY && sort_digits(values, count))
		return;
	if (count > 1)
		qsort(values, count, sizeof(*values), compare);
}

double disagg_stats_percentile(const double *sorted, size_t count, double part)
{
	double at, low;
	size_t i;

	if (count == 0)
		return 0;
	at = part * (double)(count - 1);
	low = floor(at);
	i = (size_t)low;
	if (i + 1 >= count)
		return sorted[count - 1];
	return sorted[i] + (at - low) * (sorted[i + 1] - sorted[i]);
}

/*
 * The distances from the median grow to the left and to the right of it: the
 * two rows are merged up to the middle one.
 */
double disagg_stats_mad(const double *sorted, size_t count, double median)
{
	size_t right = 0, left, step;
	double last = 0, before = 0;

	while (right < count && sorted[right] < median)
		right++;
	left = right;
	for (step = 0; step < count / 2 + 1; step++) {
		double up = right < count ? sorted[right] - median : INFINITY;
		double down = left > 0 ? median - sorted[left - 1] : INFINITY;

		before = last;
		if (up <= down) {
			last = up;
			right++;
		} else {
			last = down;
			left--;
		}
	}
	if (count == 0)
		return 0;
	return count % 2 ? last : (before + last) / 2;
}

static void add_moments(const double *values, size_t count, struct disagg_stats *stats)
{
	double sum = 0, squares = 0;

	for (size_t i = 0; i < count; i++)
		sum += values[i];
	stats->mean = sum / (double)count;
	for (size_t i = 0; i < count; i++)
		squares += (values[i] - stats->mean) * (values[i] - stats->mean);
	if (count > 1 && stats->mean != 0)
		stats->cv = sqrt(squares / (double)(count - 1)) / fabs(stats->mean);
}

void disagg_stats_of(double *values, size_t count, struct disagg_stats *ret)
{
	struct disagg_stats stats = {.count = count};

	if (count > 0) {
		disagg_stats_sort(values, count);
		stats.min = values[0];
		stats.max = values[count - 1];
		stats.p1 = disagg_stats_percentile(values, count, 0.01);
		stats.median = disagg_stats_percentile(values, count, 0.5);
		stats.p99 = disagg_stats_percentile(values, count, 0.99);
		stats.mad = disagg_stats_mad(values, count, stats.median);
		add_moments(values, count, &stats);
	}
	*ret = stats;
}

void disagg_stats_histogram(const double *sorted, size_t count, size_t *ret_bin, size_t bins)
{
	double width = count > 0 ? sorted[count - 1] - sorted[0] : 0;

	for (size_t i = 0; i < bins; i++)
		ret_bin[i] = 0;
	for (size_t i = 0; i < count; i++) {
		size_t bin = 0;

		if (width > 0)
			bin = (size_t)((sorted[i] - sorted[0]) / width * (double)bins);
		ret_bin[bin < bins ? bin : bins - 1]++;
	}
}
