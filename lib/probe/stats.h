/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_STATS_H
#define DISAGG_PROBE_STATS_H

#include <stddef.h>

/* Robust statistics of finite values. */
struct disagg_stats {
	size_t count; /* 0: the rest is 0 and means nothing */
	double min, p1, median, p99, max;
	double mean;
	double cv;  /* standard deviation (n - 1) / mean; 0 for a mean of 0 or one value */
	double mad; /* median of |value - median|; times 1.4826 it is the sd of a normal */
};

/* Sorts the values. */
void disagg_stats_of(double *values, size_t count, struct disagg_stats *ret);

void disagg_stats_sort(double *values, size_t count);

/* Of sorted values, `part` in [0, 1]; between two values on the line from one to the
 * other (as numpy's default).  0 where there is none. */
double disagg_stats_percentile(const double *sorted, size_t count, double part);

/* Of sorted values, in O(count). */
double disagg_stats_mad(const double *sorted, size_t count, double median);

/*
 * How many of the sorted values are in each of `bins` ranges of equal width from
 * min to max; all in the first where min is max.
 */
void disagg_stats_histogram(const double *sorted, size_t count, size_t *ret_bin, size_t bins);

#endif
