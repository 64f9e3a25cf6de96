/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/ranks.h"

#include <string.h>
#include <time.h>

#define ELEMENT	       DISAGG_RANKS_ELEMENT
#define POLL_NS	       50000
#define POLLS_A_LOOK   200 /* at NCCL's errors */
#define LAUNCHES_AHEAD 64  /* a stream takes so many before the launching call blocks */

static struct disagg_rank *use(struct disagg_ranks *ranks, unsigned index)
{
	struct disagg_rank *rank = &ranks->list[index];

	return ranks->cuda.context_set(rank->context) == CUDA_SUCCESS ? rank : NULL;
}

static int cuda(
	const struct disagg_ranks *ranks, CUresult result, const char *what, struct disagg_err *err)
{
	return disagg_cuda_check(&ranks->cuda, result, what, err);
}

static int nccl(const struct disagg_ranks *ranks, ncclResult_t result, const char *what,
	struct disagg_err *err)
{
	return disagg_nccl_check(
		&ranks->nccl, result, ranks->list ? ranks->list[0].comm : NULL, what, err);
}

/* ---- opening ---- */

static int open_rank(struct disagg_ranks *ranks, struct disagg_arena *arena, unsigned index,
	struct disagg_err *err)
{
	struct disagg_rank *rank = &ranks->list[index];
	const struct disagg_cuda *api = &ranks->cuda;

	rank->marks = disagg_arena_array(arena, DISAGG_RANKS_ITERATIONS + 1, sizeof(CUevent));
	if (!rank->marks)
		return disagg_err_nomem(err);
	if (cuda(ranks, api->device_get(&rank->device, (int)index), "cuDeviceGet", err) != 0 ||
		cuda(ranks, api->context_retain(&rank->context, rank->device),
			"cuDevicePrimaryCtxRetain", err) != 0 ||
		cuda(ranks, api->context_set(rank->context), "cuCtxSetCurrent", err) != 0 ||
		cuda(ranks, api->stream_create(&rank->stream, CU_STREAM_NON_BLOCKING),
			"cuStreamCreate", err) != 0)
		return disagg_err_wrap(err, "GPU %u", index);
	for (size_t i = 0; i <= DISAGG_RANKS_ITERATIONS; i++)
		if (cuda(ranks, api->event_create(&rank->marks[i], CU_EVENT_DEFAULT),
			    "cuEventCreate", err) != 0)
			return disagg_err_wrap(err, "GPU %u", index);
	return 0;
}

int disagg_ranks_open(struct disagg_ranks *ranks, struct disagg_arena *arena, unsigned gpus,
	struct disagg_err *err)
{
	int seen = 0;

	*ranks = (struct disagg_ranks){.count = gpus};
	if (disagg_cuda_open(&ranks->cuda, err) != 0 || disagg_nccl_open(&ranks->nccl, err) != 0 ||
		cuda(ranks, ranks->cuda.device_count(&seen), "cuDeviceGetCount", err) != 0)
		return -1;
	if (gpus == 0 || (unsigned)seen < gpus)
		return disagg_err_set(err, DISAGG_MISSING,
			"CUDA sees %d GPUs where %u are to take part (CUDA_VISIBLE_DEVICES)", seen,
			gpus);
	ranks->list = disagg_arena_array(arena, gpus, sizeof(*ranks->list));
	ranks->pattern = disagg_arena_alloc(arena, DISAGG_RANKS_STAGING);
	if (!ranks->list || !ranks->pattern)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < gpus; i++)
		if (open_rank(ranks, arena, i, err) != 0)
			return -1;
	return cuda(ranks,
		ranks->cuda.host_alloc(
			(void **)&ranks->staging, DISAGG_RANKS_STAGING, CU_MEMHOSTALLOC_PORTABLE),
		"cuMemHostAlloc", err);
}

void disagg_ranks_close(struct disagg_ranks *ranks)
{
	for (unsigned i = 0; ranks->list && i < ranks->count; i++) {
		struct disagg_rank *rank = use(ranks, i);

		if (rank && rank->comm)
			ranks->nccl.destroy(rank->comm);
		if (rank && rank->send)
			ranks->cuda.free(rank->send);
		if (rank && rank->recv)
			ranks->cuda.free(rank->recv);
		ranks->list[i].comm = NULL;
		ranks->list[i].send = ranks->list[i].recv = 0;
	}
}

int disagg_ranks_join_all(struct disagg_ranks *ranks, struct disagg_err *err)
{
	ncclUniqueId id;

	/* ncclCommInitAll is this, for devices that are counted from 0 too */
	if (nccl(ranks, ranks->nccl.get_unique_id(&id), "ncclGetUniqueId", err) != 0)
		return -1;
	return disagg_ranks_join(ranks, &id, 0, ranks->count, err);
}

int disagg_ranks_join(struct disagg_ranks *ranks, const ncclUniqueId *id, unsigned first,
	unsigned total, struct disagg_err *err)
{
	if (nccl(ranks, ranks->nccl.group_start(), "ncclGroupStart", err) != 0)
		return -1;
	for (unsigned i = 0; i < ranks->count; i++) {
		struct disagg_rank *rank = use(ranks, i);

		if (!rank)
			return disagg_err_set(err, DISAGG_SYSTEM, "GPU %u: cuCtxSetCurrent", i);
		rank->number = (int)(first + i);
		if (nccl(ranks, ranks->nccl.init_rank(&rank->comm, (int)total, *id, rank->number),
			    "ncclCommInitRank", err) != 0)
			return disagg_err_wrap(err, "GPU %u", i);
	}
	ranks->total = total;
	return nccl(ranks, ranks->nccl.group_end(), "ncclCommInitRank", err);
}

int disagg_ranks_buffers(struct disagg_ranks *ranks, uint64_t bytes, struct disagg_err *err)
{
	for (unsigned i = 0; i < ranks->count; i++) {
		struct disagg_rank *rank = use(ranks, i);

		if (!rank)
			return disagg_err_set(err, DISAGG_SYSTEM, "GPU %u: cuCtxSetCurrent", i);
		if (cuda(ranks, ranks->cuda.alloc(&rank->send, bytes), "cuMemAlloc", err) != 0 ||
			cuda(ranks, ranks->cuda.alloc(&rank->recv, bytes), "cuMemAlloc", err) != 0)
			return disagg_err_wrap(err, "GPU %u, two buffers of %llu bytes", i,
				(unsigned long long)bytes);
	}
	ranks->buffer_bytes = bytes;
	return 0;
}

struct disagg_collective_shape disagg_ranks_shape(
	const struct disagg_ranks *ranks, enum disagg_collective collective, uint64_t bytes)
{
	return disagg_collective_shape(collective, ranks->total, bytes, ELEMENT);
}

/* ---- running ---- */

struct disagg_ranks_place disagg_ranks_place(const struct disagg_ranks *ranks,
	const struct disagg_rank *rank, const struct disagg_ranks_job *job)
{
	struct disagg_ranks_place place = {
		.shape = disagg_ranks_shape(ranks, job->collective, job->bytes),
		.send = job->in_place ? rank->recv : rank->send,
		.recv = rank->recv};
	uint64_t own = (uint64_t)rank->number * place.shape.part_bytes;

	if (job->in_place && job->collective == DISAGG_ALL_GATHER)
		place.send += own;
	if (job->in_place && job->collective == DISAGG_REDUCE_SCATTER)
		place.recv += own;
	return place;
}

struct call {
	struct disagg_ranks *ranks;
	struct disagg_rank *rank;
	CUdeviceptr send, recv;
	size_t part, whole; /* elements */
};

static ncclResult_t to_all(struct call *call)
{
	const struct disagg_nccl *api = &call->ranks->nccl;
	ncclResult_t result = ncclSuccess;

	for (unsigned peer = 0; peer < call->ranks->total && result == ncclSuccess; peer++) {
		uint64_t at = (uint64_t)peer * call->part * ELEMENT;

		result = api->send((const void *)(uintptr_t)(call->send + at), call->part,
			ncclFloat32, (int)peer, call->rank->comm, call->rank->stream);
		if (result == ncclSuccess)
			result = api->recv((void *)(uintptr_t)(call->recv + at), call->part,
				ncclFloat32, (int)peer, call->rank->comm, call->rank->stream);
	}
	return result;
}

static ncclResult_t to_next(struct call *call)
{
	const struct disagg_nccl *api = &call->ranks->nccl;
	int total = (int)call->ranks->total, number = call->rank->number;
	ncclResult_t result = api->send((const void *)(uintptr_t)call->send, call->whole,
		ncclFloat32, (number + 1) % total, call->rank->comm, call->rank->stream);

	if (result != ncclSuccess)
		return result;
	return api->recv((void *)(uintptr_t)call->recv, call->whole, ncclFloat32,
		(number + total - 1) % total, call->rank->comm, call->rank->stream);
}

static ncclResult_t issue(struct call *call, enum disagg_collective collective)
{
	const struct disagg_nccl *api = &call->ranks->nccl;
	const void *send = (const void *)(uintptr_t)call->send;
	void *recv = (void *)(uintptr_t)call->recv;
	ncclComm_t comm = call->rank->comm;
	CUstream stream = call->rank->stream;

	switch (collective) {
	case DISAGG_ALL_REDUCE:
		return api->all_reduce(send, recv, call->whole, ncclFloat32, ncclSum, comm, stream);
	case DISAGG_ALL_GATHER:
		return api->all_gather(send, recv, call->part, ncclFloat32, comm, stream);
	case DISAGG_REDUCE_SCATTER:
		return api->reduce_scatter(
			send, recv, call->part, ncclFloat32, ncclSum, comm, stream);
	case DISAGG_BROADCAST:
		return api->broadcast(send, recv, call->whole, ncclFloat32, 0, comm, stream);
	case DISAGG_ALLTOALL:
		return to_all(call);
	case DISAGG_SENDRECV:
	default:
		return to_next(call);
	}
}

static int launch(
	struct disagg_ranks *ranks, const struct disagg_ranks_job *job, struct disagg_err *err)
{
	if (nccl(ranks, ranks->nccl.group_start(), "ncclGroupStart", err) != 0)
		return -1;
	for (unsigned i = 0; i < ranks->count; i++) {
		struct disagg_ranks_place place = disagg_ranks_place(ranks, &ranks->list[i], job);
		struct call call = {.ranks = ranks,
			.rank = use(ranks, i),
			.send = place.send,
			.recv = place.recv,
			.part = place.shape.part_bytes / ELEMENT,
			.whole = place.shape.bytes / ELEMENT};

		if (!call.rank)
			return disagg_err_set(err, DISAGG_SYSTEM, "GPU %u: cuCtxSetCurrent", i);
		if (nccl(ranks, issue(&call, job->collective),
			    disagg_collective_name(job->collective), err) != 0)
			return disagg_err_wrap(err, "GPU %u", i);
	}
	return nccl(ranks, ranks->nccl.group_end(), disagg_collective_name(job->collective), err);
}

/* 0: none; 1: NCCL is still at work; -1 */
static int look_for_errors(struct disagg_ranks *ranks, struct disagg_err *err)
{
	int at_work = 0;

	for (unsigned i = 0; i < ranks->count; i++) {
		ncclResult_t result = ncclSuccess;

		if (nccl(ranks, ranks->nccl.async_error(ranks->list[i].comm, &result),
			    "ncclCommGetAsyncError", err) != 0)
			return -1;
		if (result == ncclInProgress)
			at_work = 1;
		else if (nccl(ranks, result, "the communicator", err) != 0)
			return disagg_err_wrap(err, "rank %d", ranks->list[i].number);
	}
	return at_work;
}

/* 0: all its work is done; 1: not yet; -1 */
static int ask(struct disagg_ranks *ranks, unsigned index, struct disagg_err *err)
{
	struct disagg_rank *rank = use(ranks, index);
	CUresult state = rank ? ranks->cuda.stream_query(rank->stream) : CUDA_ERROR_UNKNOWN;

	if (state == CUDA_ERROR_NOT_READY)
		return 1;
	return cuda(ranks, state, "waiting for a GPU", err) == 0
		       ? 0
		       : disagg_err_wrap(err, "GPU %u", index);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* A lost peer shows in NCCL's error only: the stream never ends then. */
static int wait_all(struct disagg_ranks *ranks, struct disagg_err *err)
{
	const struct timespec nap = {.tv_nsec = POLL_NS};
	int64_t start = now_ms();
	unsigned done = 0;
	int state;

	for (unsigned polls = 1;; polls++) {
		for (state = 0; done < ranks->count && state == 0; done += state == 0)
			state = ask(ranks, done, err);
		if (state == 0 || (state > 0 && polls % POLLS_A_LOOK == 0)) {
			int errors = look_for_errors(ranks, err);

			if (errors < 0 || (errors == 0 && state == 0))
				return errors;
		}
		if (state < 0)
			return -1;
		if (ranks->stall_ms && now_ms() - start > ranks->stall_ms)
			return disagg_err_set(err, DISAGG_TIMEOUT,
				"waited %u ms in vain for the other ranks", ranks->stall_ms);
		nanosleep(&nap, NULL);
	}
}

int disagg_ranks_run(
	struct disagg_ranks *ranks, const struct disagg_ranks_job *job, struct disagg_err *err)
{
	return launch(ranks, job, err) == 0 ? wait_all(ranks, err) : -1;
}

/* ---- timing ---- */

static int mark(struct disagg_ranks *ranks, unsigned at, struct disagg_err *err)
{
	for (unsigned i = 0; i < ranks->count; i++) {
		struct disagg_rank *rank = use(ranks, i);

		if (!rank)
			return disagg_err_set(err, DISAGG_SYSTEM, "GPU %u: cuCtxSetCurrent", i);
		if (cuda(ranks, ranks->cuda.event_record(rank->marks[at], rank->stream),
			    "cuEventRecord", err) != 0)
			return disagg_err_wrap(err, "GPU %u", i);
	}
	return 0;
}

/* Seconds between two marks on one GPU. */
static int between(struct disagg_ranks *ranks, unsigned index, const unsigned marks[2], double *ret,
	struct disagg_err *err)
{
	struct disagg_rank *rank = use(ranks, index);
	float ms = 0;

	if (!rank)
		return disagg_err_set(err, DISAGG_SYSTEM, "GPU %u: cuCtxSetCurrent", index);
	if (cuda(ranks,
		    ranks->cuda.event_elapsed(&ms, rank->marks[marks[0]], rank->marks[marks[1]]),
		    "cuEventElapsedTime", err) != 0)
		return disagg_err_wrap(err, "GPU %u", index);
	*ret = (double)ms / 1e3;
	return 0;
}

static int longest(
	struct disagg_ranks *ranks, unsigned from, unsigned to, double *ret, struct disagg_err *err)
{
	const unsigned marks[2] = {from, to};

	*ret = 0;
	for (unsigned i = 0; i < ranks->count; i++) {
		double seconds;

		if (between(ranks, i, marks, &seconds, err) != 0)
			return -1;
		if (seconds > *ret)
			*ret = seconds;
	}
	return 0;
}

static unsigned bounded(unsigned iterations)
{
	if (iterations == 0)
		return 1;
	return iterations > DISAGG_RANKS_ITERATIONS ? DISAGG_RANKS_ITERATIONS : iterations;
}

static unsigned warm_up(unsigned iterations)
{
	return iterations < DISAGG_RANKS_WARMUP ? iterations : DISAGG_RANKS_WARMUP;
}

int disagg_ranks_measure(struct disagg_ranks *ranks, const struct disagg_ranks_job *job,
	unsigned iterations, struct disagg_ranks_timing *ret, struct disagg_err *err)
{
	iterations = bounded(iterations);
	for (unsigned i = 0; i < warm_up(iterations); i++)
		if (launch(ranks, job, err) != 0)
			return -1;
	if (wait_all(ranks, err) != 0 || mark(ranks, 0, err) != 0)
		return -1;
	for (unsigned i = 0; i < iterations; i++)
		if (launch(ranks, job, err) != 0 || mark(ranks, i + 1, err) != 0 ||
			((i + 1) % LAUNCHES_AHEAD == 0 && wait_all(ranks, err) != 0))
			return -1;
	if (wait_all(ranks, err) != 0 || longest(ranks, 0, iterations, &ret->seconds, err) != 0)
		return -1;
	ret->seconds /= iterations;
	ret->count = iterations;
	for (unsigned i = 0; i < iterations; i++)
		if (longest(ranks, i, i + 1, &ret->each[i], err) != 0)
			return -1;
	return 0;
}

static int launch_exchange(
	struct disagg_ranks *ranks, unsigned peer_first, uint64_t bytes, struct disagg_err *err)
{
	const struct disagg_nccl *api = &ranks->nccl;

	if (nccl(ranks, api->group_start(), "ncclGroupStart", err) != 0)
		return -1;
	for (unsigned i = 0; i < ranks->count; i++) {
		struct disagg_rank *rank = use(ranks, i);
		int peer = (int)(peer_first + i);

		if (!rank)
			return disagg_err_set(err, DISAGG_SYSTEM, "GPU %u: cuCtxSetCurrent", i);
		if (nccl(ranks,
			    api->send((const void *)(uintptr_t)rank->send, bytes / ELEMENT,
				    ncclFloat32, peer, rank->comm, rank->stream),
			    "ncclSend", err) != 0 ||
			nccl(ranks,
				api->recv((void *)(uintptr_t)rank->recv, bytes / ELEMENT,
					ncclFloat32, peer, rank->comm, rank->stream),
				"ncclRecv", err) != 0)
			return disagg_err_wrap(err, "GPU %u", i);
	}
	return nccl(ranks, api->group_end(), "ncclSend and ncclRecv", err);
}

int disagg_ranks_exchange(struct disagg_ranks *ranks, unsigned peer_first, uint64_t bytes,
	unsigned iterations, double *ret, struct disagg_err *err)
{
	const unsigned marks[2] = {0, 1};

	iterations = bounded(iterations);
	for (unsigned i = 0; i < warm_up(iterations); i++)
		if (launch_exchange(ranks, peer_first, bytes, err) != 0)
			return -1;
	if (wait_all(ranks, err) != 0 || mark(ranks, 0, err) != 0)
		return -1;
	for (unsigned i = 0; i < iterations; i++)
		if (launch_exchange(ranks, peer_first, bytes, err) != 0 ||
			((i + 1) % LAUNCHES_AHEAD == 0 && wait_all(ranks, err) != 0))
			return -1;
	if (mark(ranks, 1, err) != 0 || wait_all(ranks, err) != 0)
		return -1;
	for (unsigned i = 0; i < ranks->count; i++) {
		if (between(ranks, i, marks, &ret[i], err) != 0)
			return -1;
		ret[i] /= iterations;
	}
	return 0;
}
