/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gpudev.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WARM_S	     3.0
#define WARM_CHANGE  0.01
#define WARM_BATCHES 64 /* where a batch's time is next to nothing */

static int check(
	const struct disagg_gpudev *dev, CUresult result, const char *what, struct disagg_err *err)
{
	return disagg_cuda_check(dev->cuda, result, what, err);
}

/* ---- opening ---- */

/* A driver that tells instances apart names them "MIG-"; an older one cannot be asked. */
static bool is_gpu(const struct disagg_cuda *cuda, CUdevice device, const struct disagg_gpu *gpu)
{
	CUuuid uuid;
	char text[41];

	if (cuda->device_uuid_v2 && cuda->device_uuid_v2(&uuid, device) == CUDA_SUCCESS) {
		disagg_cuda_uuid_text(&uuid, gpu->mig ? "MIG" : "GPU", text);
		if (strcmp(text, gpu->uuid) == 0)
			return true;
	}
	if (cuda->device_uuid(&uuid, device) != CUDA_SUCCESS)
		return false;
	disagg_cuda_uuid_text(&uuid, "GPU", text);
	return strcmp(text, gpu->uuid) == 0;
}

static int find(struct disagg_gpudev *dev, const struct disagg_gpu *gpu, struct disagg_err *err)
{
	int count = 0;

	if (check(dev, dev->cuda->device_count(&count), "cuDeviceGetCount", err) != 0)
		return -1;
	for (int i = 0; i < count; i++) {
		if (check(dev, dev->cuda->device_get(&dev->device, i), "cuDeviceGet", err) != 0)
			return -1;
		if (is_gpu(dev->cuda, dev->device, gpu))
			return 0;
	}
	return disagg_err_set(err, DISAGG_MISSING, "CUDA shows %d GPUs and '%s' is none of them",
		count, gpu->uuid);
}

int disagg_gpudev_open(struct disagg_gpudev *ret, const struct disagg_cuda *cuda,
	const struct disagg_gpu *gpu, struct disagg_err *err)
{
	struct disagg_gpudev dev = {.cuda = cuda};

	if (find(&dev, gpu, err) != 0 ||
		check(&dev, cuda->context_retain(&dev.context, dev.device),
			"cuDevicePrimaryCtxRetain", err) != 0 ||
		disagg_gpudev_use(&dev, err) != 0 ||
		check(&dev, cuda->stream_create(&dev.stream, CU_STREAM_NON_BLOCKING),
			"cuStreamCreate", err) != 0 ||
		check(&dev, cuda->event_create(&dev.begin, CU_EVENT_DEFAULT), "cuEventCreate",
			err) != 0 ||
		check(&dev, cuda->event_create(&dev.end, CU_EVENT_DEFAULT), "cuEventCreate", err) !=
			0)
		return -1;
	*ret = dev;
	return 0;
}

int disagg_gpudev_use(const struct disagg_gpudev *dev, struct disagg_err *err)
{
	return check(dev, dev->cuda->context_set(dev->context), "cuCtxSetCurrent", err);
}

void disagg_gpudev_close(struct disagg_gpudev *dev)
{
	if (!dev->cuda || dev->cuda->context_set(dev->context) != CUDA_SUCCESS)
		return;
	dev->cuda->event_destroy(dev->begin);
	dev->cuda->event_destroy(dev->end);
	dev->cuda->stream_destroy(dev->stream);
	dev->cuda->context_release(dev->device);
	dev->cuda = NULL;
}

int disagg_gpudev_alloc(
	const struct disagg_gpudev *dev, uint64_t bytes, CUdeviceptr *ret, struct disagg_err *err)
{
	if (check(dev, dev->cuda->alloc(ret, bytes), "cuMemAlloc", err) == 0)
		return 0;
	return disagg_err_wrap(
		err, "%llu MiB on the GPU", (unsigned long long)((bytes + 0xfffff) >> 20));
}

int disagg_gpudev_sync(const struct disagg_gpudev *dev, struct disagg_err *err)
{
	return check(dev, dev->cuda->stream_sync(dev->stream), "cuStreamSynchronize", err);
}

int disagg_gpudev_tile(const struct disagg_gpudev *dev, CUdeviceptr to, uint64_t bytes,
	const struct disagg_block *block, struct disagg_err *err)
{
	uint64_t done = bytes < block->size ? bytes : block->size;

	if (check(dev, dev->cuda->copy_to_device(to, block->bytes, done, dev->stream),
		    "cuMemcpyHtoD", err) != 0)
		return -1;
	/* what is there doubles; its length stays a multiple of the block */
	while (done < bytes) {
		uint64_t more = bytes - done < done ? bytes - done : done;

		if (check(dev, dev->cuda->copy_on_device(to + done, to, more, dev->stream),
			    "cuMemcpyDtoD", err) != 0)
			return -1;
		done += more;
	}
	return disagg_gpudev_sync(dev, err);
}

/* ---- time ---- */

int disagg_gpudev_time(const struct disagg_gpudev *dev, disagg_gpudev_work *work, void *context,
	unsigned times, double *ret, struct disagg_err *err)
{
	const struct disagg_cuda *cuda = dev->cuda;
	float ms = 0;

	if (check(dev, cuda->event_record(dev->begin, dev->stream), "cuEventRecord", err) != 0)
		return -1;
	for (unsigned i = 0; i < times; i++)
		if (work(context, err) != 0)
			return -1;
	if (check(dev, cuda->event_record(dev->end, dev->stream), "cuEventRecord", err) != 0)
		return -1;
	if (dev->state) /* while it runs: clocks rise as soon as it has ended */
		disagg_gpustate_look(dev->state);
	if (check(dev, cuda->event_sync(dev->end), "cuEventSynchronize", err) != 0 ||
		check(dev, cuda->event_elapsed(&ms, dev->begin, dev->end), "cuEventElapsedTime",
			err) != 0)
		return -1;
	if (!(ms > 0))
		return disagg_err_set(err, DISAGG_INVALID,
			"CUDA's events say that %u times the work took %g ms", times, (double)ms);
	*ret = (double)ms / 1e3;
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of(const double *values, size_t count)
{
	double sorted[DISAGG_BATCHES];

	memcpy(sorted, values, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare);
	return sorted[count / 2];
}

static unsigned batch_of(const struct disagg_gpudev_plan *plan, double one_s)
{
	double times = ceil(plan->batch_s / one_s);

	if (times < 1)
		return 1;
	return times < plan->most ? (unsigned)times : plan->most;
}

int disagg_gpudev_measure(const struct disagg_gpudev *dev, disagg_gpudev_work *work, void *context,
	const struct disagg_gpudev_plan *plan, struct disagg_gpudev_timing *ret,
	struct disagg_err *err)
{
	struct disagg_gpudev_timing timing;
	double one, last = 0, spent = 0;

	/* the first loads what the work needs */
	for (int i = 0; i < 2; i++)
		if (disagg_gpudev_time(dev, work, context, 1, &one, err) != 0)
			return -1;
	timing.times = batch_of(plan, one);
	for (int i = 0; i < WARM_BATCHES && spent < WARM_S; i++) {
		double now;

		if (disagg_gpudev_time(dev, work, context, timing.times, &now, err) != 0)
			return -1;
		spent += now;
		if (fabs(now - last) < WARM_CHANGE * now)
			break;
		last = now;
	}
	for (size_t i = 0; i < DISAGG_BATCHES; i++) {
		if (disagg_gpudev_time(dev, work, context, timing.times, &timing.batch[i], err) !=
			0)
			return -1;
		timing.batch[i] /= timing.times;
	}
	timing.median = median_of(timing.batch, DISAGG_BATCHES);
	*ret = timing;
	return 0;
}

/* ---- records ---- */

struct disagg_probe_record disagg_gpudev_record(
	const struct disagg_gpudev_value *value, const struct disagg_gpudev_timing *timing)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	double scale = strcmp(value->unit, "TFLOPS") == 0 ? 1e12 : 1e9;

	record.probe = value->probe;
	record.param = value->param;
	record.unit = value->unit;
	record.better = DISAGG_BETTER_MORE;
	record.has_value = true;
	record.value = value->amount / timing->median / scale;
	for (size_t i = 0; i < DISAGG_BATCHES; i++)
		record.raw[record.raw_count++] = value->amount / timing->batch[i] / scale;
	return record;
}

const char *disagg_bytes_text(struct disagg_arena *arena, uint64_t bytes)
{
	static const char units[] = {'G', 'M', 'K'};

	for (size_t i = 0; i < sizeof(units); i++) {
		uint64_t unit = UINT64_C(1) << (30 - 10 * i);

		if (bytes >= unit && bytes % unit == 0)
			return disagg_arena_printf(
				arena, "%llu%c", (unsigned long long)(bytes / unit), units[i]);
	}
	return disagg_arena_printf(arena, "%llu", (unsigned long long)bytes);
}
