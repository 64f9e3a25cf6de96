/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_RANKS_H
#define DISAGG_PROBE_RANKS_H

#include "lib/probe/collectives.h"
#include "lib/probe/nccl.h"
#include "lib/base/arena.h"

/*
 * The GPUs that this process sees, as ranks of one NCCL communicator: one
 * thread drives them all, in NCCL's groups.  For a child with a deadline: every
 * call but the waits may block for as long as NCCL does.
 */
#define DISAGG_RANKS_ITERATIONS 256 /* at most */
#define DISAGG_RANKS_WARMUP	5   /* runs, or as many as are timed if that is fewer */
#define DISAGG_RANKS_ELEMENT	4   /* bytes: all is FP32 */
#define DISAGG_RANKS_STAGING	(16u << 20)

struct disagg_rank {
	int number; /* in the communicator; its GPU is the position in `list` */
	CUdevice device;
	CUcontext context;
	CUstream stream;
	ncclComm_t comm;
	CUdeviceptr send, recv; /* of buffer_bytes each */
	CUevent *marks;		/* of the timed iterations: before each, and after the last */
};

struct disagg_ranks {
	struct disagg_cuda cuda;
	struct disagg_nccl nccl;
	struct disagg_rank *list;
	unsigned count; /* here */
	unsigned total; /* in the communicator */
	uint64_t buffer_bytes;
	/* a wait for the GPUs gives up after so long, with DISAGG_TIMEOUT; 0: never */
	unsigned stall_ms;
	unsigned char *staging; /* pinned: what the GPUs' memory is filled from and read into */
	unsigned char *pattern; /* what is compared with */
};

/*
 * CUDA, NCCL, and a context and a stream on each of the first `gpus` GPUs.
 * DISAGG_SKIPPED: no driver, no NCCL, no GPU.  Others as cuda.h and nccl.h say.
 */
int disagg_ranks_open(struct disagg_ranks *ranks, struct disagg_arena *arena, unsigned gpus,
	struct disagg_err *err);
void disagg_ranks_close(struct disagg_ranks *ranks);

/* The communicator: of these GPUs alone; or ranks first, first + 1, ... of `total`. */
int disagg_ranks_join_all(struct disagg_ranks *ranks, struct disagg_err *err);
int disagg_ranks_join(struct disagg_ranks *ranks, const ncclUniqueId *id, unsigned first,
	unsigned total, struct disagg_err *err);

/* Two buffers a GPU; once, of the largest size.  DISAGG_SYSTEM: no memory there. */
int disagg_ranks_buffers(struct disagg_ranks *ranks, uint64_t bytes, struct disagg_err *err);

struct disagg_ranks_job {
	enum disagg_collective collective;
	uint64_t bytes; /* S of collectives.h, already cut by its shape */
	bool in_place;	/* not for alltoall and sendrecv */
};
struct disagg_collective_shape disagg_ranks_shape(
	const struct disagg_ranks *ranks, enum disagg_collective collective, uint64_t bytes);

/* Where a rank's part of a job is, on its GPU.  In place: all_gather sends the part of the
 * receive buffer that is its own, reduce_scatter receives into it, the others use one buffer. */
struct disagg_ranks_place {
	struct disagg_collective_shape shape;
	CUdeviceptr send, recv;
};
struct disagg_ranks_place disagg_ranks_place(const struct disagg_ranks *ranks,
	const struct disagg_rank *rank, const struct disagg_ranks_job *job);

/*
 * What a job starts from: element i of rank r is (7 r + 3 i) mod 16, a small whole
 * number, so that sums are exact in FP32 up to a million ranks.  Fills the send
 * buffers (in place: the one that is used) and sets what is received to NaNs.
 */
int disagg_ranks_fill(
	struct disagg_ranks *ranks, const struct disagg_ranks_job *job, struct disagg_err *err);

/* One run, until all GPUs have done it. */
int disagg_ranks_run(
	struct disagg_ranks *ranks, const struct disagg_ranks_job *job, struct disagg_err *err);

/* What GPU `index` received, every element of it, after a fill and one run. */
struct disagg_ranks_wrong {
	uint64_t count; /* elements that differ; 0: all is right */
	uint64_t first; /* the first of them, and what it is */
	double got, want;
};
int disagg_ranks_check(struct disagg_ranks *ranks, const struct disagg_ranks_job *job,
	unsigned index, struct disagg_ranks_wrong *ret, struct disagg_err *err);

/* Warm-up and `iterations` timed runs, one behind the other; by CUDA events, each the
 * longest over the GPUs of this process. */
struct disagg_ranks_timing {
	double seconds; /* of a run: all together by their number */
	unsigned count;
	double each[DISAGG_RANKS_ITERATIONS];
};
int disagg_ranks_measure(struct disagg_ranks *ranks, const struct disagg_ranks_job *job,
	unsigned iterations, struct disagg_ranks_timing *ret, struct disagg_err *err);

/*
 * Rank with rank: each GPU here sends `bytes` to rank `peer_first` + its position and
 * receives as many from it, all at once; seconds of a run, of each GPU, go to ret[index].
 */
int disagg_ranks_exchange(struct disagg_ranks *ranks, unsigned peer_first, uint64_t bytes,
	unsigned iterations, double *ret, struct disagg_err *err);

#endif
