/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gpuprobes.h"

#include "lib/probe/gpudev.h"
#include <stdlib.h>

enum { WARM_TIMES = 100, TIMES = 1000, SMALL_BYTES = 8 };

struct small {
	struct disagg_probe_run *run;
	struct disagg_cuda cuda;
	struct disagg_gpudev dev;
	CUdeviceptr at;
	void *host;
	double us[TIMES];
};

static int fill(void *context, struct disagg_err *err)
{
	struct small *small = context;

	return disagg_cuda_check(&small->cuda,
		small->cuda.fill32(small->at, 0x5a5a5a5a, 1, small->dev.stream), "cuMemsetD32",
		err);
}

static int copy(void *context, struct disagg_err *err)
{
	struct small *small = context;

	return disagg_cuda_check(&small->cuda,
		small->cuda.copy_to_host(small->host, small->at, SMALL_BYTES, small->dev.stream),
		"cuMemcpyDtoH", err);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int measure(
	struct small *small, disagg_gpudev_work *work, const char *param, struct disagg_err *err)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	double seconds;

	for (int i = -WARM_TIMES; i < TIMES; i++) {
		if (disagg_gpudev_time(&small->dev, work, small, 1, &seconds, err) != 0)
			return -1;
		if (i >= 0)
			small->us[i] = seconds * 1e6;
	}
	qsort(small->us, TIMES, sizeof(*small->us), compare);
	record.param = param;
	record.has_value = true;
	record.value = small->us[TIMES / 2];
	record.unit = "us";
	record.better = DISAGG_BETTER_LESS;
	record.raw[record.raw_count++] = small->us[TIMES / 2];
	record.raw[record.raw_count++] = small->us[TIMES - TIMES / 100];
	record.raw[record.raw_count++] = small->us[TIMES - 1];
	small->run->emit(small->run, &record);
	return 0;
}

static int run_all(struct small *small, struct disagg_err *err)
{
	if (disagg_cuda_open(&small->cuda, err) != 0 ||
		disagg_gpudev_open(&small->dev, &small->cuda, small->run->gpu, err) != 0 ||
		disagg_gpudev_alloc(&small->dev, SMALL_BYTES, &small->at, err) != 0 ||
		disagg_cuda_check(&small->cuda,
			small->cuda.host_alloc(&small->host, SMALL_BYTES, CU_MEMHOSTALLOC_PORTABLE),
			"cuMemHostAlloc", err) != 0 ||
		measure(small, fill, "fill 4", err) != 0 || measure(small, copy, "d2h 8", err) != 0)
		return -1;
	return 0;
}

int disagg_probe_latency_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct small small = {.run = run};
	int rc = run_all(&small, err);

	if (small.at)
		small.cuda.free(small.at);
	if (small.host)
		small.cuda.host_free(small.host);
	if (small.dev.cuda)
		disagg_gpudev_close(&small.dev);
	return rc;
}
