/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/latency.h"

#include "lib/base/arena.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int reserve(struct disagg_samples *samples, size_t more)
{
	size_t size = samples->size ? samples->size : 64;
	float *v;

	if (more > SIZE_MAX / sizeof(*v) / 2 - samples->count)
		return -1;
	while (size < samples->count + more)
		size *= 2;
	if (size == samples->size)
		return 0;
	v = disagg_raw_realloc(samples->v, size * sizeof(*v));
	if (!v)
		return -1;
	samples->v = v;
	samples->size = size;
	return 0;
}

int disagg_samples_add(struct disagg_samples *samples, float seconds)
{
	if (samples->count == samples->size && reserve(samples, 1))
		return -1;
	samples->v[samples->count++] = seconds;
	return 0;
}

int disagg_samples_join(struct disagg_samples *samples, const float *more, size_t count)
{
	if (!count)
		return 0;
	if (reserve(samples, count))
		return -1;
	memcpy(samples->v + samples->count, more, count * sizeof(*more));
	samples->count += count;
	return 0;
}

void disagg_samples_release(struct disagg_samples *samples)
{
	free(samples->v);
	*samples = (struct disagg_samples){.v = NULL};
}

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static double percentile(const struct disagg_samples *sorted, double share)
{
	double place = share * (double)(sorted->count - 1);
	size_t below = (size_t)place;
	double low = (double)sorted->v[below];

	if (below + 1 == sorted->count)
		return low;
	return low + (place - (double)below) * ((double)sorted->v[below + 1] - low);
}

struct disagg_latency disagg_latency_of(struct disagg_samples *samples)
{
	struct disagg_latency ret = {.count = samples->count};
	double sum = 0, squares = 0;

	if (!samples->count)
		return ret;
	qsort(samples->v, samples->count, sizeof(*samples->v), by_size);
	for (size_t i = 0; i < samples->count; i++)
		sum += (double)samples->v[i];
	ret.mean = sum / (double)samples->count;
	for (size_t i = 0; i < samples->count; i++)
		squares += ((double)samples->v[i] - ret.mean) * ((double)samples->v[i] - ret.mean);
	ret.std = sqrt(squares / (double)samples->count);
	ret.median = percentile(samples, 0.5);
	ret.p90 = percentile(samples, 0.9);
	ret.p99 = percentile(samples, 0.99);
	return ret;
}

uint64_t disagg_random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint32_t disagg_random_between(uint64_t *state, uint32_t low, uint32_t high)
{
	uint64_t width = (uint64_t)high - low + 1;

	/* the upper 32 bits scaled; the bias is below width / 2^32 */
	return low + (uint32_t)((disagg_random_next(state) >> 32) * width >> 32);
}

double disagg_random_gap(uint64_t *state, double mean)
{
	/* in (0, 1]: the logarithm is finite */
	double even = (double)((disagg_random_next(state) >> 11) + 1) / 9007199254740992.0;

	return -mean * log(even);
}
