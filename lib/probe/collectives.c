/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/collectives.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NVLS_MIN_BYTES (UINT64_C(4) << 30)
#define RING_LOW       360.0 /* GB/s */
#define RING_HIGH      375.0

/* which of a rank's buffers is S / n */
enum part { NEITHER, SENT, RECEIVED };

static const struct collective {
	const char *name;
	double factor; /* times (n - 1) / n; 0: busbw is algbw */
	enum part part;
} collectives[DISAGG_COLLECTIVES] = {
	[DISAGG_ALL_REDUCE] = {"all_reduce", 2.0, NEITHER},
	[DISAGG_ALL_GATHER] = {"all_gather", 1.0, SENT},
	[DISAGG_REDUCE_SCATTER] = {"reduce_scatter", 1.0, RECEIVED},
	[DISAGG_ALLTOALL] = {"alltoall", 1.0, NEITHER},
	[DISAGG_SENDRECV] = {"sendrecv", 0.0, NEITHER},
	[DISAGG_BROADCAST] = {"broadcast", 0.0, NEITHER},
};

const char *disagg_collective_name(enum disagg_collective collective)
{
	return collectives[collective].name;
}

double disagg_collective_factor(enum disagg_collective collective, unsigned ranks)
{
	double factor = collectives[collective].factor;

	if (factor == 0)
		return 1.0;
	return ranks ? factor * (ranks - 1.0) / ranks : 0;
}

double disagg_collective_algbw(uint64_t bytes, double seconds)
{
	return seconds > 0 ? (double)bytes / seconds / 1e9 : 0;
}

double disagg_collective_busbw(
	enum disagg_collective collective, unsigned ranks, uint64_t bytes, double seconds)
{
	return disagg_collective_algbw(bytes, seconds) *
	       disagg_collective_factor(collective, ranks);
}

struct disagg_collective_shape disagg_collective_shape(
	enum disagg_collective collective, unsigned ranks, uint64_t bytes, unsigned element)
{
	struct disagg_collective_shape shape = {0};
	enum part part = collectives[collective].part;

	if (ranks == 0 || element == 0)
		return shape;
	shape.part_bytes = bytes / ranks / element * element;
	/* only what is cut into parts needs a whole number of them */
	shape.bytes = collectives[collective].factor == 1.0 ? shape.part_bytes * ranks
							    : bytes / element * element;
	shape.send_bytes = part == SENT ? shape.part_bytes : shape.bytes;
	shape.recv_bytes = part == RECEIVED ? shape.part_bytes : shape.bytes;
	return shape;
}

double disagg_collective_wire(double busbw, unsigned nodes, unsigned ranks)
{
	return nodes > 1 && ranks > 1 ? busbw * (nodes - 1.0) / (ranks - 1.0) : 0;
}

double disagg_collective_from_wire(double wire, unsigned nodes, unsigned ranks)
{
	return nodes > 1 && ranks > 1 ? wire * (ranks - 1.0) / (nodes - 1.0) : 0;
}

const char *disagg_size_name(uint64_t bytes, char buf[DISAGG_SIZE_NAME])
{
	static const char units[] = {0, 'K', 'M', 'G', 'T'};
	size_t unit = 0;

	while (bytes && bytes % 1024 == 0 && unit + 1 < sizeof(units)) {
		bytes /= 1024;
		unit++;
	}
	if (unit)
		snprintf(buf, DISAGG_SIZE_NAME, "%" PRIu64 "%c", bytes, units[unit]);
	else
		snprintf(buf, DISAGG_SIZE_NAME, "%" PRIu64, bytes);
	return buf;
}

bool disagg_nvls_inactive(const char *gpu_name, unsigned gpus, uint64_t bytes, double busbw)
{
	bool nvlink4 = gpu_name && (strstr(gpu_name, "H100 80GB HBM3") ||
					   strstr(gpu_name, "H200") || strstr(gpu_name, "H800"));

	/* "GH200" has one GPU a node or a switch of its own */
	if (!nvlink4 || strstr(gpu_name, "GH200") || strstr(gpu_name, "NVL"))
		return false;
	return gpus == 8 && bytes >= NVLS_MIN_BYTES && busbw >= RING_LOW && busbw <= RING_HIGH;
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

double disagg_percentile(double *values, size_t count, double percent)
{
	double rank;

	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), by_value);
	rank = ceil(percent / 100 * (double)count);
	if (rank < 1)
		rank = 1;
	return values[rank > (double)count ? count - 1 : (size_t)rank - 1];
}
