/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/collective_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

double disagg_collective_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int disagg_collective_gpus(
	const struct disagg_probe_run *run, unsigned *ret, struct disagg_err *err)
{
	for (size_t i = 0; i < run->gpu_count; i++)
		if (run->gpus[i].mig)
			return disagg_err_set(err, DISAGG_SKIPPED,
				"NCCL does not connect MIG instances, and '%s' is one",
				run->gpus[i].uuid);
	/* CUDA counts the fastest first where it is not told otherwise */
	if (setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1) != 0)
		return disagg_err_nomem(err);
	*ret = (unsigned)run->gpu_count;
	return 0;
}

const char *disagg_collective_param(
	struct disagg_probe_run *run, const struct disagg_ranks_job *job, const char *more)
{
	char size[DISAGG_SIZE_NAME];

	return disagg_arena_printf(run->arena, "%s %s%s%s", disagg_collective_name(job->collective),
		disagg_size_name(job->bytes, size), *more ? " " : "", more);
}

static void emit_wrong(struct disagg_probe_run *run, const struct disagg_ranks_job *job,
	unsigned gpu, const struct disagg_ranks_wrong *wrong)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.gpu = (int)gpu;
	if (gpu < run->gpu_count) {
		record.gpu_uuid = run->gpus[gpu].uuid;
		record.gpu_name = run->gpus[gpu].name;
		record.cohort = run->gpus[gpu].cohort;
	}
	record.param = disagg_collective_param(run, job, job->in_place ? "in-place" : "");
	record.status = DISAGG_PROBE_FAIL;
	record.reason = disagg_arena_printf(run->arena,
		"%" PRIu64
		" elements of what GPU %u received are wrong: the first, element %" PRIu64
		", is %.9g in place of %.9g",
		wrong->count, gpu, wrong->first, wrong->got, wrong->want);
	record.hint = "a GPU, a link or a switch changes data: run gemm.sdc, hbm.march and "
		      "p2p.matrix, and take the node out until it is found";
	run->emit(run, &record);
}

int disagg_collective_verify(struct disagg_probe_run *run, struct disagg_ranks *ranks,
	const struct disagg_ranks_job *job, unsigned *ret_wrong, struct disagg_err *err)
{
	*ret_wrong = 0;
	if (disagg_ranks_fill(ranks, job, err) != 0 || disagg_ranks_run(ranks, job, err) != 0)
		return -1;
	for (unsigned i = 0; i < ranks->count; i++) {
		struct disagg_ranks_wrong wrong;

		if (disagg_ranks_check(ranks, job, i, &wrong, err) != 0)
			return -1;
		if (wrong.count == 0)
			continue;
		emit_wrong(run, job, i, &wrong);
		++*ret_wrong;
	}
	return 0;
}

struct disagg_probe_record disagg_collective_record(const struct disagg_ranks *ranks,
	const struct disagg_ranks_job *job, const struct disagg_ranks_timing *timing)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.has_value = true;
	record.value =
		disagg_collective_busbw(job->collective, ranks->total, job->bytes, timing->seconds);
	record.unit = "GB/s";
	record.better = DISAGG_BETTER_MORE;
	for (unsigned i = 0; i < timing->count && i < DISAGG_PROBE_RAW_MAX; i++)
		record.raw[record.raw_count++] = disagg_collective_busbw(
			job->collective, ranks->total, job->bytes, timing->each[i]);
	return record;
}
