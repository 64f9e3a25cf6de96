/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gpuprobes.h"

#include "lib/probe/gpudev.h"
#include "lib/probe/p2pmatrix.h"
#include <string.h>

#define MOST	DISAGG_MAX_GPUS_PER_NODE
#define WARM	2
#define COPIES	10
#define SAMPLES 3 /* of which the middle counts */
#define BLOCK	(1u << 20)
#define WINDOW	(16u << 20) /* pinned, that a result is read back through */

struct seat {
	struct disagg_gpudev dev;
	CUdeviceptr to, from;
};

struct p2p {
	struct disagg_probe_run *run;
	struct disagg_cuda cuda;
	struct seat seat[MOST];
	struct disagg_p2pmatrix matrix;
	uint64_t bytes;
	unsigned char *block, *window;
	bool direct[MOST][MOST]; /* else a copy goes through the host */
};

static int check(const struct p2p *p2p, CUresult result, const char *what, struct disagg_err *err)
{
	return disagg_cuda_check(&p2p->cuda, result, what, err);
}

/* ---- opening ---- */

/* What GPU `from` sends: no two GPUs the same, and no two bytes beside each other. */
static void make_block(struct p2p *p2p, size_t from)
{
	uint32_t state = 0x9e3779b9u * (uint32_t)(from + 1);

	for (size_t i = 0; i < BLOCK; i++) {
		state = state * 1664525u + 1013904223u;
		p2p->block[i] = (unsigned char)(state >> 24);
	}
}

static int open_seat(struct p2p *p2p, size_t index, struct disagg_err *err)
{
	struct seat *seat = &p2p->seat[index];
	struct disagg_block block = {p2p->block, BLOCK};

	make_block(p2p, index);
	if (disagg_gpudev_open(&seat->dev, &p2p->cuda, &p2p->run->gpus[index], err) != 0 ||
		disagg_gpudev_alloc(&seat->dev, p2p->bytes, &seat->to, err) != 0 ||
		disagg_gpudev_alloc(&seat->dev, p2p->bytes, &seat->from, err) != 0 ||
		disagg_gpudev_tile(&seat->dev, seat->from, p2p->bytes, &block, err) != 0)
		return disagg_err_wrap(err, "GPU %d", p2p->run->gpus[index].index);
	return 0;
}

/* Where it is refused a copy goes through the host, which is slow and no error. */
static void enable_peers(struct p2p *p2p, size_t index)
{
	const struct disagg_cuda *cuda = &p2p->cuda;
	struct disagg_err ignored = DISAGG_ERR_INIT;

	if (disagg_gpudev_use(&p2p->seat[index].dev, &ignored) != 0)
		return;
	for (size_t i = 0; i < p2p->matrix.count; i++) {
		CUresult result;
		int can = 0;

		if (i == index ||
			cuda->device_can_peer(&can, p2p->seat[index].dev.device,
				p2p->seat[i].dev.device) != CUDA_SUCCESS ||
			!can)
			continue;
		result = cuda->context_enable_peer(p2p->seat[i].dev.context, 0);
		p2p->direct[index][i] =
			result == CUDA_SUCCESS || result == CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
	}
}

static int check_gpus(const struct p2p *p2p, struct disagg_err *err)
{
	size_t count = p2p->matrix.count, instances = 0;

	for (size_t i = 0; i < count; i++)
		instances += p2p->run->gpus[i].mig;
	if (count < 2)
		return disagg_err_set(err, DISAGG_SKIPPED, "one GPU has no path to another");
	if (instances > 0)
		return disagg_err_set(
			err, DISAGG_SKIPPED, "MIG instances have no paths to each other");
	if (p2p->bytes == 0)
		return disagg_err_set(err, DISAGG_INVALID, "a copy of 0 bytes has no bandwidth");
	return 0;
}

static int open_all(struct p2p *p2p, struct disagg_err *err)
{
	void *window = NULL;

	if (check_gpus(p2p, err) != 0)
		return -1;
	p2p->block = disagg_arena_alloc(p2p->run->arena, BLOCK);
	if (!p2p->block)
		return disagg_err_nomem(err);
	if (disagg_cuda_open(&p2p->cuda, err) != 0)
		return -1;
	for (size_t i = 0; i < p2p->matrix.count; i++)
		if (open_seat(p2p, i, err) != 0)
			return -1;
	for (size_t i = 0; i < p2p->matrix.count; i++)
		enable_peers(p2p, i);
	if (check(p2p, p2p->cuda.host_alloc(&window, WINDOW, CU_MEMHOSTALLOC_PORTABLE),
		    "cuMemHostAlloc", err) != 0)
		return -1;
	p2p->window = window;
	return 0;
}

static void close_all(struct p2p *p2p)
{
	struct disagg_err ignored = DISAGG_ERR_INIT;

	for (size_t i = 0; i < p2p->matrix.count; i++) {
		struct seat *seat = &p2p->seat[i];

		if (!seat->dev.cuda || disagg_gpudev_use(&seat->dev, &ignored) != 0)
			continue;
		if (seat->to)
			p2p->cuda.free(seat->to);
		if (seat->from)
			p2p->cuda.free(seat->from);
		disagg_gpudev_close(&seat->dev);
	}
	if (p2p->window)
		p2p->cuda.host_free(p2p->window);
}

/* ---- a round ---- */

struct path {
	size_t from, to;
};

/* The sender pushes: its copy engines and its stream. */
static int start_copies(
	struct p2p *p2p, const struct path *path, unsigned copies, struct disagg_err *err)
{
	const struct disagg_cuda *cuda = &p2p->cuda;
	const struct seat *from = &p2p->seat[path->from], *to = &p2p->seat[path->to];

	if (disagg_gpudev_use(&from->dev, err) != 0 ||
		check(p2p, cuda->event_record(from->dev.begin, from->dev.stream), "cuEventRecord",
			err) != 0)
		return -1;
	for (unsigned i = 0; i < copies; i++)
		if (check(p2p,
			    cuda->copy_to_peer(to->to, to->dev.context, from->from,
				    from->dev.context, p2p->bytes, from->dev.stream),
			    "cuMemcpyPeer", err) != 0)
			return -1;
	return check(
		p2p, cuda->event_record(from->dev.end, from->dev.stream), "cuEventRecord", err);
}

/* All paths at once; seconds of a copy, of each. */
static int time_paths(struct p2p *p2p, const struct path *paths, size_t count, double *ret,
	struct disagg_err *err)
{
	for (size_t i = 0; i < count; i++)
		if (start_copies(p2p, &paths[i], WARM, err) != 0)
			return -1;
	for (size_t i = 0; i < count; i++)
		if (start_copies(p2p, &paths[i], COPIES, err) != 0)
			return -1;
	for (size_t i = 0; i < count; i++) {
		const struct disagg_gpudev *dev = &p2p->seat[paths[i].from].dev;
		float ms = 0;

		if (disagg_gpudev_use(dev, err) != 0 ||
			check(p2p, p2p->cuda.event_sync(dev->end), "cuEventSynchronize", err) !=
				0 ||
			check(p2p, p2p->cuda.event_elapsed(&ms, dev->begin, dev->end),
				"cuEventElapsedTime", err) != 0)
			return -1;
		if (!(ms > 0))
			return disagg_err_set(err, DISAGG_INVALID,
				"CUDA's events say that a copy took %g ms", (double)ms);
		ret[i] = (double)ms / 1e3 / COPIES;
	}
	return 0;
}

static double middle(const double *a)
{
	double low = a[0] < a[1] ? a[0] : a[1], high = a[0] < a[1] ? a[1] : a[0];

	return a[2] < low ? low : a[2] > high ? high : a[2];
}

static int measure_paths(
	struct p2p *p2p, const struct path *paths, size_t count, struct disagg_err *err)
{
	double seconds[SAMPLES][MOST];

	for (size_t s = 0; s < SAMPLES; s++)
		if (time_paths(p2p, paths, count, seconds[s], err) != 0)
			return -1;
	for (size_t i = 0; i < count; i++) {
		double samples[SAMPLES] = {seconds[0][i], seconds[1][i], seconds[2][i]};

		p2p->matrix.rate[paths[i].from][paths[i].to] =
			(double)p2p->bytes / middle(samples) / 1e9;
	}
	return 0;
}

/* ---- the data ---- */

static bool is_block(const struct p2p *p2p, const unsigned char *bytes, uint64_t len)
{
	for (uint64_t at = 0; at < len; at += BLOCK)
		if (memcmp(bytes + at, p2p->block, len - at < BLOCK ? len - at : BLOCK) != 0)
			return false;
	return true;
}

/* Every byte that lies in the receiver's memory. */
static int check_path(struct p2p *p2p, const struct path *path, struct disagg_err *err)
{
	const struct seat *to = &p2p->seat[path->to];
	const struct disagg_cuda *cuda = &p2p->cuda;

	make_block(p2p, path->from);
	if (disagg_gpudev_use(&to->dev, err) != 0)
		return -1;
	for (uint64_t at = 0; at < p2p->bytes; at += WINDOW) {
		uint64_t len = p2p->bytes - at < WINDOW ? p2p->bytes - at : WINDOW;

		if (check(p2p, cuda->copy_to_host(p2p->window, to->to + at, len, to->dev.stream),
			    "cuMemcpyDtoH", err) != 0 ||
			disagg_gpudev_sync(&to->dev, err) != 0)
			return -1;
		if (!is_block(p2p, p2p->window, len))
			p2p->matrix.wrong[path->from][path->to] = true;
	}
	return check(p2p, cuda->fill8(to->to, 0, p2p->bytes, to->dev.stream), "cuMemsetD8", err);
}

/* One round's pairs, first one way, then the other. */
static int run_round(struct p2p *p2p, size_t round, struct disagg_err *err)
{
	size_t pairs[MOST][2], count = disagg_p2p_round(p2p->matrix.count, round, pairs);

	for (size_t way = 0; way < 2; way++) {
		struct path paths[MOST];

		for (size_t i = 0; i < count; i++)
			paths[i] = (struct path){pairs[i][way], pairs[i][1 - way]};
		if (measure_paths(p2p, paths, count, err) != 0)
			return -1;
		for (size_t i = 0; i < count; i++)
			if (check_path(p2p, &paths[i], err) != 0)
				return -1;
	}
	return 0;
}

/* ---- records ---- */

static struct disagg_probe_record record_of(const struct p2p *p2p, size_t gpu)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.gpu = p2p->run->gpus[gpu].index;
	record.param = disagg_bytes_text(p2p->run->arena, p2p->bytes);
	record.has_value = true;
	record.unit = "GB/s";
	return record;
}

static void report_gpu(struct p2p *p2p, size_t gpu)
{
	struct disagg_probe_record record = record_of(p2p, gpu);
	const struct disagg_p2pmatrix *matrix = &p2p->matrix;

	record.better = DISAGG_BETTER_MORE;
	record.value = disagg_p2pmatrix_of(matrix, gpu);
	for (size_t i = 0; i < matrix->count && record.raw_count < DISAGG_PROBE_RAW_MAX; i++)
		if (i != gpu)
			record.raw[record.raw_count++] = matrix->rate[gpu][i];
	if (!p2p->direct[gpu][gpu ? 0 : 1])
		record.hint = "no peer access: copies go through the host";
	if (matrix->spoils[gpu]) {
		record.status = DISAGG_PROBE_FAIL;
		record.reason = disagg_arena_printf(p2p->run->arena,
			"what went over %zu of its %zu paths has changed", matrix->wrong_of[gpu],
			2 * (matrix->count - 1));
		record.hint = "its memory or its NVLinks change data without an error: take it out";
	} else if (matrix->blamed[gpu]) {
		record.status = DISAGG_PROBE_FAIL;
		record.reason = disagg_arena_printf(p2p->run->arena,
			"%zu of its %zu paths are below %.2f of the node's median of %.4g GB/s",
			matrix->low_of[gpu], 2 * (matrix->count - 1), DISAGG_P2P_LOW,
			matrix->median);
		record.hint = "the paths of this GPU are slow, the others' are not: look at its "
			      "NVLinks (nvidia-smi nvlink -s -e)";
	}
	p2p->run->emit(p2p->run, &record);
}

/* A path that is bad while the GPU at neither end is to blame. */
static bool is_by_itself(const struct disagg_p2pmatrix *matrix, size_t from, size_t to)
{
	return (matrix->wrong[from][to] && !matrix->spoils[from] && !matrix->spoils[to]) ||
	       (matrix->low[from][to] && !matrix->blamed[from] && !matrix->blamed[to]);
}

static void report_path(struct p2p *p2p, size_t from, size_t to)
{
	struct disagg_arena *arena = p2p->run->arena;
	struct disagg_probe_record record = record_of(p2p, from);

	record.value = p2p->matrix.rate[from][to];
	record.peer = disagg_arena_printf(arena, "%s:%d", p2p->run->node, p2p->run->gpus[to].index);
	record.status = DISAGG_PROBE_FAIL;
	if (p2p->matrix.wrong[from][to])
		record.reason = disagg_arena_printf(arena,
			"what GPU %d received is not what was sent", p2p->run->gpus[to].index);
	else
		record.reason = disagg_arena_printf(arena,
			"the path to GPU %d has %.4g GB/s, below %.2f of the node's median of "
			"%.4g GB/s; the other paths of both are good",
			p2p->run->gpus[to].index, record.value, DISAGG_P2P_LOW, p2p->matrix.median);
	p2p->run->emit(p2p->run, &record);
}

static void report_all(struct p2p *p2p)
{
	const struct disagg_p2pmatrix *matrix = &p2p->matrix;

	for (size_t i = 0; i < matrix->count; i++)
		report_gpu(p2p, i);
	for (size_t i = 0; i < matrix->count; i++)
		for (size_t j = 0; j < matrix->count; j++)
			if (is_by_itself(matrix, i, j))
				report_path(p2p, i, j);
}

static int run_all(struct p2p *p2p, struct disagg_err *err)
{
	if (open_all(p2p, err) != 0)
		return -1;
	for (size_t i = 0; i < disagg_p2p_rounds(p2p->matrix.count); i++)
		if (run_round(p2p, i, err) != 0)
			return -1;
	disagg_p2pmatrix_judge(&p2p->matrix);
	report_all(p2p);
	return 0;
}

int disagg_probe_p2p_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct p2p *p2p = disagg_arena_alloc(run->arena, sizeof(*p2p));
	int rc;

	if (!p2p)
		return disagg_err_nomem(err);
	if (run->gpu_count > MOST)
		return disagg_err_set(err, DISAGG_INVALID, "more than %u GPUs on a node", MOST);
	p2p->run = run;
	p2p->bytes = run->options->copy_bytes;
	p2p->matrix.count = run->gpu_count;
	rc = run_all(p2p, err);
	close_all(p2p);
	return rc;
}
