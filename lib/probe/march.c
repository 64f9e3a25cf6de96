/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gpuprobes.h"

#include "lib/probe/gpudev.h"
#include <string.h>

#define CHUNK	    (256ull << 20) /* of the GPU's memory */
#define CHUNKS_MOST 2048	   /* 512 GiB */
#define WINDOW	    (16ull << 20)  /* of the host's, pinned */
#define WORDS	    (WINDOW / sizeof(uint64_t))
#define NO_VALUE    0x100

/* What a chunk is filled with; each word's address comes last. */
static const int patterns[] = {0x00, 0x55, 0xaa, 0xff, NO_VALUE};

struct march {
	struct disagg_probe_run *run;
	struct disagg_cuda cuda;
	struct disagg_gpudev dev;
	uint64_t *window[2]; /* pinned: while one is on its way the other is compared */
	CUevent moved[2];    /* each window's last copy */
	uint64_t *wanted;
	CUdeviceptr chunk[CHUNKS_MOST];
	uint64_t chunk_bytes;
	size_t chunks;

	uint64_t errors; /* words */
	uint64_t first;	 /* the first wrong word: where in what is tested, and what it was */
	uint64_t got, want;
};

/* ---- memory ---- */

static int take_memory(struct march *march, struct disagg_err *err)
{
	size_t free_bytes = 0, total = 0;
	uint64_t goal;

	if (disagg_cuda_check(&march->cuda, march->cuda.memory_info(&free_bytes, &total),
		    "cuMemGetInfo", err) != 0)
		return -1;
	goal = free_bytes / 10 * 9;
	march->chunk_bytes = goal < CHUNK ? goal / WINDOW * WINDOW : CHUNK;
	while (march->chunks < CHUNKS_MOST && march->chunk_bytes > 0 &&
		(march->chunks + 1) * march->chunk_bytes <= goal &&
		march->cuda.alloc(&march->chunk[march->chunks], march->chunk_bytes) == CUDA_SUCCESS)
		march->chunks++;
	if (march->chunks == 0)
		return disagg_err_set(err, DISAGG_MISSING,
			"%zu MiB of the GPU's memory are free: too little to test",
			free_bytes >> 20);
	return 0;
}

static int open_all(struct march *march, struct disagg_err *err)
{
	const struct disagg_cuda *cuda = &march->cuda;
	void *memory = NULL;

	if (disagg_cuda_open(&march->cuda, err) != 0 ||
		disagg_gpudev_open(&march->dev, &march->cuda, march->run->gpu, err) != 0 ||
		disagg_cuda_check(cuda,
			cuda->host_alloc(&memory, 3 * WINDOW, CU_MEMHOSTALLOC_PORTABLE),
			"cuMemHostAlloc", err) != 0)
		return -1;
	march->window[0] = memory;
	march->window[1] = march->window[0] + WORDS;
	march->wanted = march->window[1] + WORDS;
	for (size_t i = 0; i < 2; i++)
		if (disagg_cuda_check(cuda, cuda->event_create(&march->moved[i], CU_EVENT_DEFAULT),
			    "cuEventCreate", err) != 0)
			return -1;
	return take_memory(march, err);
}

static void close_all(struct march *march)
{
	for (size_t i = 0; i < march->chunks; i++)
		march->cuda.free(march->chunk[i]);
	if (march->window[0])
		march->cuda.host_free(march->window[0]);
	if (march->dev.cuda)
		disagg_gpudev_close(&march->dev);
}

/* ---- one pattern over all ---- */

static size_t windows(const struct march *march)
{
	return march->chunks * (march->chunk_bytes / WINDOW);
}

/* Where a window of all is on the GPU. */
static CUdeviceptr place(const struct march *march, size_t window)
{
	size_t a_chunk = march->chunk_bytes / WINDOW;

	return march->chunk[window / a_chunk] + window % a_chunk * WINDOW;
}

static void put_addresses(uint64_t *words, size_t window)
{
	for (size_t i = 0; i < WORDS; i++)
		words[i] = window * WINDOW + i * sizeof(*words);
}

static int await(struct march *march, size_t window, struct disagg_err *err)
{
	return disagg_cuda_check(&march->cuda, march->cuda.event_sync(march->moved[window % 2]),
		"cuEventSynchronize", err);
}

static int mark(struct march *march, size_t window, struct disagg_err *err)
{
	return disagg_cuda_check(&march->cuda,
		march->cuda.event_record(march->moved[window % 2], march->dev.stream),
		"cuEventRecord", err);
}

static int write_addresses(struct march *march, struct disagg_err *err)
{
	for (size_t i = 0; i < windows(march); i++) {
		uint64_t *words = march->window[i % 2];

		if (i >= 2 && await(march, i, err) != 0)
			return -1;
		put_addresses(words, i);
		if (disagg_cuda_check(&march->cuda,
			    march->cuda.copy_to_device(
				    place(march, i), words, WINDOW, march->dev.stream),
			    "cuMemcpyHtoD", err) != 0 ||
			mark(march, i, err) != 0)
			return -1;
	}
	return disagg_gpudev_sync(&march->dev, err);
}

static int write_all(struct march *march, int pattern, struct disagg_err *err)
{
	if (pattern == NO_VALUE)
		return write_addresses(march, err);
	for (size_t i = 0; i < march->chunks; i++)
		if (disagg_cuda_check(&march->cuda,
			    march->cuda.fill8(march->chunk[i], (unsigned char)pattern,
				    march->chunk_bytes, march->dev.stream),
			    "cuMemsetD8", err) != 0)
			return -1;
	return disagg_gpudev_sync(&march->dev, err);
}

static void compare(struct march *march, size_t window)
{
	const uint64_t *words = march->window[window % 2];

	if (memcmp(words, march->wanted, WINDOW) == 0)
		return;
	for (size_t i = 0; i < WORDS; i++) {
		if (words[i] == march->wanted[i] || march->errors++ > 0)
			continue;
		march->first = window * WINDOW + i * sizeof(*words);
		march->got = words[i];
		march->want = march->wanted[i];
	}
}

static int fetch(struct march *march, size_t window, struct disagg_err *err)
{
	if (disagg_cuda_check(&march->cuda,
		    march->cuda.copy_to_host(march->window[window % 2], place(march, window),
			    WINDOW, march->dev.stream),
		    "cuMemcpyDtoH", err) != 0)
		return -1;
	return mark(march, window, err);
}

static int read_all(struct march *march, int pattern, struct disagg_err *err)
{
	if (pattern != NO_VALUE)
		memset(march->wanted, pattern, WINDOW);
	if (fetch(march, 0, err) != 0)
		return -1;
	for (size_t i = 0; i < windows(march); i++) {
		if (await(march, i, err) != 0 ||
			(i + 1 < windows(march) && fetch(march, i + 1, err) != 0))
			return -1;
		if (pattern == NO_VALUE)
			put_addresses(march->wanted, i);
		compare(march, i);
	}
	return 0;
}

/* ---- all ---- */

static void report(struct march *march)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	uint64_t bytes = march->chunks * march->chunk_bytes;

	record.param = "00 55 aa ff address";
	record.has_value = true;
	record.value = (double)bytes / (double)(1ull << 30);
	record.unit = "GiB";
	if (march->errors > 0) {
		record.status = DISAGG_PROBE_FAIL;
		record.reason = disagg_arena_printf(march->run->arena,
			"%llu words of the memory are wrong, the first at %#llx of %#llx: it was "
			"%016llx, %016llx was written",
			(unsigned long long)march->errors, (unsigned long long)march->first,
			(unsigned long long)bytes, (unsigned long long)march->got,
			(unsigned long long)march->want);
		record.hint = "reset the GPU so that rows are remapped; where it stays, have it "
			      "replaced";
	}
	march->run->emit(march->run, &record);
}

static int run_all(struct march *march, struct disagg_err *err)
{
	if (open_all(march, err) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		if (write_all(march, patterns[i], err) != 0 ||
			read_all(march, patterns[i], err) != 0)
			return -1;
	report(march);
	return 0;
}

int disagg_probe_march_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct march march = {.run = run};
	int rc = run_all(&march, err);

	close_all(&march);
	return rc;
}
