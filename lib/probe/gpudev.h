/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_GPUDEV_H
#define DISAGG_PROBE_GPUDEV_H

#include "lib/probe/cuda.h"
#include "lib/probe/gpustate.h"
#include "lib/probe/probe.h"

/*
 * One GPU to measure: its context, a stream, and the two events between which
 * work on that stream is timed.  Only CUDA's events time GPU work: the host's
 * clock has the launch and other processes in it.
 */
struct disagg_gpudev {
	const struct disagg_cuda *cuda;
	CUdevice device;
	CUcontext context;
	CUstream stream;
	CUevent begin, end;
	struct disagg_gpustate *state; /* looked at while work runs; NULL */
};

/* Finds the GPU by its UUID among those that CUDA shows, and makes its context current.
 * DISAGG_MISSING: CUDA does not show it.  DISAGG_SYSTEM: a call failed. */
int disagg_gpudev_open(struct disagg_gpudev *ret, const struct disagg_cuda *cuda,
	const struct disagg_gpu *gpu, struct disagg_err *err);
int disagg_gpudev_use(const struct disagg_gpudev *dev, struct disagg_err *err);
void disagg_gpudev_close(struct disagg_gpudev *dev);

/* DISAGG_SYSTEM: "8192 MiB on the GPU: 2 CUDA_ERROR_OUT_OF_MEMORY". */
int disagg_gpudev_alloc(
	const struct disagg_gpudev *dev, uint64_t bytes, CUdeviceptr *ret, struct disagg_err *err);
/* Waits for all on the stream. */
int disagg_gpudev_sync(const struct disagg_gpudev *dev, struct disagg_err *err);

/* `bytes` at `to` become the block over and over; a block is copied once from the host. */
struct disagg_block {
	const void *bytes;
	size_t size;
};
int disagg_gpudev_tile(const struct disagg_gpudev *dev, CUdeviceptr to, uint64_t bytes,
	const struct disagg_block *block, struct disagg_err *err);

/* Puts one piece of work on the stream; -1 with err. */
typedef int disagg_gpudev_work(void *context, struct disagg_err *err);

/* `times` of it, one behind the other; seconds of all. */
int disagg_gpudev_time(const struct disagg_gpudev *dev, disagg_gpudev_work *work, void *context,
	unsigned times, double *ret, struct disagg_err *err);

/*
 * Warm-up until two batches differ by less than 1 %, for 3 s of GPU time at
 * most, then DISAGG_BATCHES of them.
 */
#define DISAGG_BATCHES 5
struct disagg_gpudev_plan {
	double batch_s; /* how long a batch is to be */
	unsigned most;	/* pieces of work in a batch; at least 1 */
};
struct disagg_gpudev_timing {
	unsigned times;		      /* pieces in a batch */
	double batch[DISAGG_BATCHES]; /* seconds of one piece, by batch */
	double median;
};
int disagg_gpudev_measure(const struct disagg_gpudev *dev, disagg_gpudev_work *work, void *context,
	const struct disagg_gpudev_plan *plan, struct disagg_gpudev_timing *ret,
	struct disagg_err *err);

/*
 * A record with value = amount / median / 1e9 (1e12 where the unit is TFLOPS),
 * the batches' values as raw, and the state as its hint.
 */
struct disagg_gpudev_value {
	const char *probe; /* NULL: that of the run */
	const char *param;
	double amount; /* of one piece: bytes, operations */
	const char *unit;
};
struct disagg_probe_record disagg_gpudev_record(
	const struct disagg_gpudev_value *value, const struct disagg_gpudev_timing *timing);

/* "8K", "512M", "1G", or the number where it is none of these whole. */
const char *disagg_bytes_text(struct disagg_arena *arena, uint64_t bytes);

#endif
