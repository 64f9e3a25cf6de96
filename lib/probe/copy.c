/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gpuprobes.h"

#include "lib/probe/gpudev.h"
#include "lib/probe/numa.h"
#include <string.h>

#define HBM_BATCH_S    0.1
#define PCIE_BATCH_S   0.1
#define SHARED_BATCH_S 0.4 /* longer: the other GPUs' children do not start at the same time */
#define BATCH_MOST     100u

/* One GPU, pinned memory of the host, and a buffer on the GPU for each direction. */
struct copier {
	struct disagg_probe_run *run;
	struct disagg_cuda cuda;
	struct disagg_gpudev dev;
	struct disagg_gpustate state;
	uint64_t bytes;
	void *host_to, *host_from;
	CUdeviceptr to, from; /* of the device: what is written, what is read */
	CUstream other;	      /* the second direction of both at once */
	CUevent forked, joined;
};

static int check(
	const struct copier *copier, CUresult result, const char *what, struct disagg_err *err)
{
	return disagg_cuda_check(&copier->cuda, result, what, err);
}

static void close_all(struct copier *copier)
{
	const struct disagg_cuda *cuda = &copier->cuda;

	if (!copier->dev.cuda)
		return;
	if (copier->to)
		cuda->free(copier->to);
	if (copier->from)
		cuda->free(copier->from);
	if (copier->host_to)
		cuda->host_free(copier->host_to);
	if (copier->host_from)
		cuda->host_free(copier->host_from);
	disagg_gpustate_close(&copier->state);
	disagg_gpudev_close(&copier->dev);
}

static int open_gpu(struct copier *copier, struct disagg_err *err)
{
	if (copier->bytes == 0)
		return disagg_err_set(err, DISAGG_INVALID, "a copy of 0 bytes has no bandwidth");
	if (disagg_cuda_open(&copier->cuda, err) != 0 ||
		disagg_gpudev_open(&copier->dev, &copier->cuda, copier->run->gpu, err) != 0)
		return -1;
	disagg_gpustate_open(&copier->state, copier->run->gpu);
	copier->dev.state = &copier->state;
	if (disagg_gpudev_alloc(&copier->dev, copier->bytes, &copier->to, err) != 0 ||
		disagg_gpudev_alloc(&copier->dev, copier->bytes, &copier->from, err) != 0)
		return -1;
	return 0;
}

static int measure(struct copier *copier, disagg_gpudev_work *work, double batch_s,
	struct disagg_gpudev_value value, struct disagg_err *err)
{
	struct disagg_gpudev_plan plan = {.batch_s = batch_s, .most = BATCH_MOST};
	struct disagg_gpudev_timing timing;
	struct disagg_probe_record record;

	value.unit = "GB/s";
	if (!value.param)
		return disagg_err_nomem(err);
	if (disagg_gpudev_measure(&copier->dev, work, copier, &plan, &timing, err) != 0)
		return -1;
	record = disagg_gpudev_record(&value, &timing);
	record.hint = disagg_gpustate_hint(&copier->state, copier->run->arena);
	copier->run->emit(copier->run, &record);
	return 0;
}

/* ---- hbm.copy ---- */

static int copy_within(void *context, struct disagg_err *err)
{
	struct copier *copier = context;

	return check(copier,
		copier->cuda.copy_on_device(
			copier->to, copier->from, copier->bytes, copier->dev.stream),
		"cuMemcpyDtoD", err);
}

int disagg_probe_hbm_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct copier copier = {.run = run, .bytes = 2 * run->options->copy_bytes};
	struct disagg_gpudev_value value = {.amount = 2 * (double)copier.bytes};
	int rc = open_gpu(&copier, err);

	value.param = disagg_bytes_text(run->arena, copier.bytes);
	if (rc == 0)
		rc = measure(&copier, copy_within, HBM_BATCH_S, value, err);
	close_all(&copier);
	return rc;
}

/* ---- PCIe ---- */

static int copy_down(void *context, struct disagg_err *err)
{
	struct copier *copier = context;

	return check(copier,
		copier->cuda.copy_to_device(
			copier->to, copier->host_from, copier->bytes, copier->dev.stream),
		"cuMemcpyHtoD", err);
}

static int copy_up(void *context, struct disagg_err *err)
{
	struct copier *copier = context;

	return check(copier,
		copier->cuda.copy_to_host(
			copier->host_to, copier->from, copier->bytes, copier->dev.stream),
		"cuMemcpyDtoH", err);
}

/* Both directions at once, from one mark to where both are done. */
static int copy_both(void *context, struct disagg_err *err)
{
	struct copier *copier = context;
	const struct disagg_cuda *cuda = &copier->cuda;
	CUstream stream = copier->dev.stream;

	if (check(copier, cuda->event_record(copier->forked, stream), "cuEventRecord", err) != 0 ||
		check(copier, cuda->stream_wait(copier->other, copier->forked, 0),
			"cuStreamWaitEvent", err) != 0 ||
		copy_down(copier, err) != 0 ||
		check(copier,
			cuda->copy_to_host(
				copier->host_to, copier->from, copier->bytes, copier->other),
			"cuMemcpyDtoH", err) != 0 ||
		check(copier, cuda->event_record(copier->joined, copier->other), "cuEventRecord",
			err) != 0)
		return -1;
	return check(
		copier, cuda->stream_wait(stream, copier->joined, 0), "cuStreamWaitEvent", err);
}

static int open_host(struct copier *copier, struct disagg_err *err)
{
	const struct disagg_cuda *cuda = &copier->cuda;
	size_t bytes = copier->bytes;

	/* pinned memory comes from the node of the CPU that asks for it */
	disagg_numa_bind_near(copier->run->options->sysroot, copier->run->gpu->pci);
	if (open_gpu(copier, err) != 0)
		return -1;
	if (check(copier, cuda->host_alloc(&copier->host_to, bytes, CU_MEMHOSTALLOC_PORTABLE),
		    "cuMemHostAlloc", err) != 0 ||
		check(copier, cuda->host_alloc(&copier->host_from, bytes, CU_MEMHOSTALLOC_PORTABLE),
			"cuMemHostAlloc", err) != 0)
		return disagg_err_wrap(err, "%zu MiB of pinned memory (ulimit -l)", bytes >> 20);
	memset(copier->host_from, 0x5a, bytes);
	return 0;
}

/* Down and up again; whether it is as it was. */
static int there_and_back(
	struct copier *copier, unsigned char flip, bool *ret_same, struct disagg_err *err)
{
	const struct disagg_cuda *cuda = &copier->cuda;
	unsigned char *from = copier->host_from;

	for (size_t i = 0; i < copier->bytes; i++)
		from[i] = (unsigned char)((i ^ i >> 8 ^ i >> 17) ^ flip);
	memset(copier->host_to, 0, copier->bytes);
	if (copy_down(copier, err) != 0 ||
		check(copier,
			cuda->copy_to_host(
				copier->host_to, copier->to, copier->bytes, copier->dev.stream),
			"cuMemcpyDtoH", err) != 0 ||
		disagg_gpudev_sync(&copier->dev, err) != 0)
		return -1;
	*ret_same = memcmp(copier->host_to, from, copier->bytes) == 0;
	return 0;
}

/* Each bit both ways, so that one that is stuck shows. */
static int check_bytes(struct copier *copier, struct disagg_err *err)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	bool same, same_flipped;

	if (there_and_back(copier, 0, &same, err) != 0 ||
		there_and_back(copier, 0xff, &same_flipped, err) != 0)
		return -1;
	if (same && same_flipped)
		return 0;
	record.param = "data";
	record.status = DISAGG_PROBE_FAIL;
	record.reason = "what was copied to the GPU and back has changed on the way";
	record.hint = "a bad link, slot or memory: run hbm.march, and look for PCIe errors";
	copier->run->emit(copier->run, &record);
	return 0;
}

static int run_alone(struct copier *copier, struct disagg_err *err)
{
	const char *size = disagg_bytes_text(copier->run->arena, copier->bytes);
	struct disagg_gpudev_value value = {
		.probe = "pcie.h2d", .param = size, .amount = (double)copier->bytes};

	if (open_host(copier, err) != 0 ||
		measure(copier, copy_down, PCIE_BATCH_S, value, err) != 0)
		return -1;
	value.probe = "pcie.d2h";
	if (measure(copier, copy_up, PCIE_BATCH_S, value, err) != 0)
		return -1;
	return check_bytes(copier, err);
}

int disagg_probe_pcie_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct copier copier = {.run = run, .bytes = run->options->copy_bytes};
	int rc = run_alone(&copier, err);

	close_all(&copier);
	return rc;
}

static int open_second(struct copier *copier, struct disagg_err *err)
{
	const struct disagg_cuda *cuda = &copier->cuda;

	if (check(copier, cuda->stream_create(&copier->other, CU_STREAM_NON_BLOCKING),
		    "cuStreamCreate", err) != 0 ||
		check(copier, cuda->event_create(&copier->forked, CU_EVENT_DEFAULT),
			"cuEventCreate", err) != 0 ||
		check(copier, cuda->event_create(&copier->joined, CU_EVENT_DEFAULT),
			"cuEventCreate", err) != 0)
		return -1;
	return 0;
}

static int run_shared(struct copier *copier, struct disagg_err *err)
{
	static const struct {
		const char *name;
		disagg_gpudev_work *work;
		double copies;
	} ways[] = {{"h2d", copy_down, 1}, {"d2h", copy_up, 1}, {"both", copy_both, 2}};
	struct disagg_arena *arena = copier->run->arena;
	const char *size = disagg_bytes_text(arena, copier->bytes);

	if (open_host(copier, err) != 0 || open_second(copier, err) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct disagg_gpudev_value value = {
			.param = disagg_arena_printf(arena, "%s %s", ways[i].name, size),
			.amount = ways[i].copies * (double)copier->bytes};

		if (measure(copier, ways[i].work, SHARED_BATCH_S, value, err) != 0)
			return -1;
	}
	return 0;
}

int disagg_probe_pcie_shared_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct copier copier = {.run = run, .bytes = run->options->copy_bytes};
	int rc = run_shared(&copier, err);

	close_all(&copier);
	return rc;
}
