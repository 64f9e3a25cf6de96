/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/ranks.h"

#include <string.h>

#define PERIOD	  16u /* elements after which the values repeat */
#define QUIET_NAN 0x7fc00000u
#define SUM	  (-1) /* in place of a rank: of all */

/* A stretch of a receive buffer, and whose values are to be in it. */
struct region {
	uint64_t at, bytes;
	uint64_t element; /* of the source, at its start */
	int source;
};

static float value_of(unsigned rank, uint64_t element)
{
	return (float)((7u * rank + 3u * (element % PERIOD)) % PERIOD);
}

static float value(const struct disagg_ranks *ranks, int source, uint64_t element)
{
	double sum = 0;

	if (source != SUM)
		return value_of((unsigned)source, element);
	for (unsigned rank = 0; rank < ranks->total; rank++)
		sum += value_of(rank, element);
	return (float)sum;
}

/* `bytes` of what a source has from an element on. */
static void write_values(const struct disagg_ranks *ranks, const struct region *region,
	unsigned char *out, uint64_t bytes)
{
	float period[PERIOD];
	size_t unit = sizeof(period);

	for (unsigned i = 0; i < PERIOD; i++)
		period[i] = value(ranks, region->source, region->element + i);
	for (uint64_t at = 0; at < bytes; at += unit)
		memcpy(out + at, period, bytes - at < unit ? bytes - at : unit);
}

static uint64_t at_most(uint64_t bytes)
{
	return bytes < DISAGG_RANKS_STAGING ? bytes : DISAGG_RANKS_STAGING;
}

/* ---- filling ---- */

/* The first part from the host, the rest from what is there already. */
static int fill_region(struct disagg_ranks *ranks, const struct disagg_rank *rank,
	const struct region *region, CUdeviceptr to, struct disagg_err *err)
{
	const struct disagg_cuda *api = &ranks->cuda;
	uint64_t done = at_most(region->bytes);
	CUresult result;

	write_values(ranks, region, ranks->staging, done);
	result = api->copy_to_device(to, ranks->staging, done, rank->stream);
	while (result == CUDA_SUCCESS && done < region->bytes) {
		uint64_t more = region->bytes - done < done ? region->bytes - done : done;

		result = api->copy_on_device(to + done, to, more, rank->stream);
		done += more;
	}
	if (result == CUDA_SUCCESS) /* the staging memory is used again */
		result = api->stream_sync(rank->stream);
	return disagg_cuda_check(api, result, "filling a buffer", err);
}

int disagg_ranks_fill(
	struct disagg_ranks *ranks, const struct disagg_ranks_job *job, struct disagg_err *err)
{
	for (unsigned i = 0; i < ranks->count; i++) {
		struct disagg_rank *rank = &ranks->list[i];
		struct disagg_ranks_place place = disagg_ranks_place(ranks, rank, job);
		struct region region = {.bytes = place.shape.send_bytes, .source = rank->number};
		const struct disagg_cuda *api = &ranks->cuda;

		if (disagg_cuda_check(
			    api, api->context_set(rank->context), "cuCtxSetCurrent", err) != 0 ||
			disagg_cuda_check(api,
				api->fill32(rank->recv, QUIET_NAN,
					place.shape.bytes / DISAGG_RANKS_ELEMENT, rank->stream),
				"cuMemsetD32Async", err) != 0 ||
			fill_region(ranks, rank, &region, place.send, err) != 0)
			return disagg_err_wrap(err, "GPU %u", i);
	}
	return 0;
}

/* ---- checking ---- */

/* What rank `own` is to have received, region by region; false: there are no more. */
static bool expected(const struct disagg_ranks *ranks, const struct disagg_ranks_job *job, int own,
	unsigned at, struct region *ret)
{
	struct disagg_collective_shape shape =
		disagg_ranks_shape(ranks, job->collective, job->bytes);
	uint64_t part = shape.part_bytes, elements = part / DISAGG_RANKS_ELEMENT;
	int total = (int)ranks->total, source = (int)at;

	switch (job->collective) {
	case DISAGG_ALL_REDUCE:
		*ret = (struct region){.bytes = shape.bytes, .source = SUM};
		return at == 0;
	case DISAGG_REDUCE_SCATTER:
		*ret = (struct region){
			.bytes = part, .element = (uint64_t)own * elements, .source = SUM};
		return at == 0;
	case DISAGG_ALL_GATHER:
		*ret = (struct region){.at = at * part, .bytes = part, .source = source};
		return source < total;
	case DISAGG_ALLTOALL:
		*ret = (struct region){.at = at * part,
			.bytes = part,
			.element = (uint64_t)own * elements,
			.source = source};
		return source < total;
	case DISAGG_BROADCAST:
		*ret = (struct region){.bytes = shape.bytes, .source = 0};
		return at == 0;
	case DISAGG_SENDRECV:
	default:
		*ret = (struct region){.bytes = shape.bytes, .source = (own + total - 1) % total};
		return at == 0;
	}
}

/* Elements that differ; values that are equal have equal bytes: none is a -0 or a NaN. */
static void compare(const struct disagg_ranks *ranks, uint64_t bytes, uint64_t first,
	struct disagg_ranks_wrong *wrong)
{
	if (memcmp(ranks->staging, ranks->pattern, bytes) == 0)
		return;
	for (uint64_t i = 0; i < bytes / DISAGG_RANKS_ELEMENT; i++) {
		float got, want;

		memcpy(&got, ranks->staging + i * DISAGG_RANKS_ELEMENT, sizeof(got));
		memcpy(&want, ranks->pattern + i * DISAGG_RANKS_ELEMENT, sizeof(want));
		if (memcmp(&got, &want, sizeof(got)) == 0)
			continue;
		if (wrong->count++ == 0) {
			wrong->first = first + i;
			wrong->got = (double)got;
			wrong->want = (double)want;
		}
	}
}

static int check_region(struct disagg_ranks *ranks, const struct disagg_rank *rank,
	const struct region *region, CUdeviceptr from, struct disagg_ranks_wrong *wrong)
{
	const struct disagg_cuda *api = &ranks->cuda;

	/* a whole number of periods, so the same for each piece */
	write_values(ranks, region, ranks->pattern, at_most(region->bytes));
	for (uint64_t at = 0; at < region->bytes; at += DISAGG_RANKS_STAGING) {
		uint64_t bytes = at_most(region->bytes - at);
		CUresult result = api->copy_to_host(
			ranks->staging, from + region->at + at, bytes, rank->stream);

		if (result == CUDA_SUCCESS)
			result = api->stream_sync(rank->stream);
		if (result != CUDA_SUCCESS)
			return (int)result;
		compare(ranks, bytes, (region->at + at) / DISAGG_RANKS_ELEMENT, wrong);
	}
	return CUDA_SUCCESS;
}

int disagg_ranks_check(struct disagg_ranks *ranks, const struct disagg_ranks_job *job,
	unsigned index, struct disagg_ranks_wrong *ret, struct disagg_err *err)
{
	struct disagg_rank *rank = &ranks->list[index];
	struct disagg_ranks_place place = disagg_ranks_place(ranks, rank, job);
	struct disagg_ranks_wrong wrong = {0};
	struct region region;

	if (disagg_cuda_check(&ranks->cuda, ranks->cuda.context_set(rank->context),
		    "cuCtxSetCurrent", err) != 0)
		return -1;
	for (unsigned at = 0; expected(ranks, job, rank->number, at, &region); at++) {
		int result = check_region(ranks, rank, &region, place.recv, &wrong);

		if (disagg_cuda_check(
			    &ranks->cuda, (CUresult)result, "reading what was received", err) != 0)
			return disagg_err_wrap(err, "GPU %u", index);
	}
	*ret = wrong;
	return 0;
}
