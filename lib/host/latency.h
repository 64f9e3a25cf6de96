/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_LATENCY_H
#define DISAGG_HOST_LATENCY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Samples and what is told of them, and the random numbers of a load.  Samples
 * are seconds as float: millions of them are kept, and seven digits are more
 * than a clock over a network is good for.
 */
struct disagg_latency {
	size_t count; /* 0: the rest means nothing */
	double mean, median, std, p90, p99;
};

struct disagg_samples {
	float *v;
	size_t count, size;
};

/* -1: no memory; the samples so far stay. */
int disagg_samples_add(struct disagg_samples *samples, float seconds);
int disagg_samples_join(struct disagg_samples *samples, const float *more, size_t count);
void disagg_samples_release(struct disagg_samples *samples);

/* Sorts the samples.  Percentiles lie on the line between the two nearest
 * samples, std is that of the whole population, as numpy has both by default. */
struct disagg_latency disagg_latency_of(struct disagg_samples *samples);

/* Repeatable random numbers (splitmix64); any state is a good one. */
uint64_t disagg_random_next(uint64_t *state);
/* Evenly in [low, high]. */
uint32_t disagg_random_between(uint64_t *state, uint32_t low, uint32_t high);
/* Exponential with that mean: the gaps of Poisson arrivals. */
double disagg_random_gap(uint64_t *state, double mean);

#endif
