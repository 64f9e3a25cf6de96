/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/intra.h"

#include "lib/base/fd.h"
#include "lib/base/num.h"
#include "lib/probe/collective_record.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_SIZES 48
#define MOST_SYSFS 65536 /* its files say that they have a page */

struct intra {
	struct disagg_probe_run *run;
	struct disagg_ranks ranks;
	const char *hint; /* of every record; NULL */
	bool brief;	  /* busbw out of place only */
};

/* ---- records ---- */

static void emit_value(struct intra *intra, struct disagg_probe_record *record,
	const struct disagg_ranks_job *job, const char *more)
{
	const struct disagg_gpu *first = intra->run->gpus;

	record->param = disagg_collective_param(intra->run, job, more);
	record->gpu_name = first->name;
	record->cohort = first->cohort;
	if (!record->hint)
		record->hint = intra->hint;
	intra->run->emit(intra->run, record);
}

static void look_for_nvls(
	struct intra *intra, const struct disagg_ranks_job *job, struct disagg_probe_record *record)
{
	if (job->collective != DISAGG_ALL_REDUCE ||
		!disagg_nvls_inactive(
			intra->run->gpus->name, intra->ranks.count, job->bytes, record->value))
		return;
	record->status = DISAGG_PROBE_WARN;
	record->reason = disagg_arena_printf(intra->run->arena,
		"NVLS inactive: %.0f GB/s is what rings reach without the switches' multicast, "
		"with it 8 GPUs reach 473",
		record->value);
	record->hint = "no bad link: look at the fabric manager's state, NCCL_NVLS_ENABLE, "
		       "NCCL_ALGO and the driver's version";
}

static void emit_rest(struct intra *intra, const struct disagg_ranks_job *job,
	struct disagg_ranks_timing *timing, const struct disagg_probe_record *like)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	double most, least;

	record.duration_ms = like->duration_ms;
	record.has_value = true;
	record.unit = "GB/s";
	record.value = disagg_collective_algbw(job->bytes, timing->seconds);
	emit_value(intra, &record, job, "algbw");
	most = disagg_percentile(timing->each, timing->count, 99);
	least = disagg_percentile(timing->each, timing->count, 0);
	if (least <= 0)
		return;
	record.unit = "ratio";
	record.value = most / least;
	emit_value(intra, &record, job, "p99/min");
}

/* ---- measuring ---- */

static int measure(struct intra *intra, const struct disagg_ranks_job *job, struct disagg_err *err)
{
	double start = disagg_collective_now();
	struct disagg_probe_record record;
	struct disagg_ranks_timing timing;
	unsigned wrong;

	if (disagg_collective_verify(intra->run, &intra->ranks, job, &wrong, err) != 0 ||
		disagg_ranks_measure(&intra->ranks, job, intra->run->options->nccl_iterations,
			&timing, err) != 0)
		return -1;
	record = disagg_collective_record(&intra->ranks, job, &timing);
	record.duration_ms = (disagg_collective_now() - start) * 1e3;
	look_for_nvls(intra, job, &record);
	/* one GPU sends nothing: its busbw is 0 by the formula, or that of its memory */
	if (intra->ranks.count > 1)
		emit_value(intra, &record, job, job->in_place ? "in-place" : "");
	if (!job->in_place && !intra->brief)
		emit_rest(intra, job, &timing, &record);
	return 0;
}

static bool has_in_place(enum disagg_collective collective)
{
	return collective == DISAGG_ALL_REDUCE || collective == DISAGG_ALL_GATHER ||
	       collective == DISAGG_REDUCE_SCATTER;
}

static int sweep(struct intra *intra, enum disagg_collective collective, const uint64_t *sizes,
	size_t count, struct disagg_err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct disagg_ranks_job job = {.collective = collective};

		job.bytes = disagg_ranks_shape(&intra->ranks, collective, sizes[i]).bytes;
		if (job.bytes == 0)
			continue;
		if (measure(intra, &job, err) != 0)
			return disagg_err_wrap(err, "%s of %" PRIu64 " bytes",
				disagg_collective_name(collective), job.bytes);
		job.in_place = true;
		if (!intra->brief && has_in_place(collective) && measure(intra, &job, err) != 0)
			return disagg_err_wrap(err, "%s of %" PRIu64 " bytes in place",
				disagg_collective_name(collective), job.bytes);
	}
	return 0;
}

static size_t sizes_between(uint64_t least, uint64_t most, uint64_t *ret)
{
	size_t count = 0;

	for (uint64_t bytes = least; bytes && bytes <= most && count < MOST_SIZES; bytes *= 2)
		ret[count++] = bytes;
	return count;
}

/* The ends, and what is between them; the array is changed. */
static size_t thin_out(uint64_t *sizes, size_t count, bool middle)
{
	uint64_t last;

	if (count < 3)
		return count;
	last = sizes[count - 1];
	sizes[1] = sizes[(count - 1) / 2];
	sizes[middle ? 2 : 1] = last;
	return middle && count > 2 ? 3 : 2;
}

static int start(struct intra *intra, unsigned gpus, uint64_t most, struct disagg_err *err)
{
	if (disagg_ranks_open(&intra->ranks, intra->run->arena, gpus, err) != 0 ||
		disagg_ranks_join_all(&intra->ranks, err) != 0)
		return -1;
	return disagg_ranks_buffers(&intra->ranks, most, err);
}

static int measure_all(struct intra *intra, struct disagg_err *err)
{
	static const enum disagg_collective others[] = {
		DISAGG_ALL_GATHER, DISAGG_REDUCE_SCATTER, DISAGG_ALLTOALL, DISAGG_SENDRECV};
	const struct disagg_probe_options *options = intra->run->options;
	uint64_t sizes[MOST_SIZES];
	size_t count = sizes_between(options->nccl_min_bytes, options->nccl_max_bytes, sizes);

	if (options->suite == DISAGG_SUITE_QUICK)
		count = thin_out(sizes, count, false);
	if (sweep(intra, DISAGG_ALL_REDUCE, sizes, count, err) != 0)
		return -1;
	if (options->suite == DISAGG_SUITE_QUICK)
		return 0;
	if (options->suite != DISAGG_SUITE_THOROUGH)
		count = thin_out(sizes, count, true);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (sweep(intra, others[i], sizes, count, err) != 0)
			return -1;
	return 0;
}

int disagg_probe_intra_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct intra intra = {.run = run};
	unsigned gpus;
	int result;

	if (disagg_collective_gpus(run, &gpus, err) != 0 ||
		start(&intra, gpus, run->options->nccl_max_bytes, err) != 0)
		return -1;
	result = measure_all(&intra, err);
	disagg_ranks_close(&intra.ranks);
	return result;
}

/* ---- through the NICs ---- */

/* Gb/s of "400 Gb/sec (4X NDR)"; 0: it is something else. */
static double port_rate(struct disagg_arena *arena, const char *path)
{
	double rate = 0;
	char *text, *end;
	size_t len;

	if (disagg_fd_read_file(arena, path, MOST_SYSFS, &text, &len, NULL) != 0)
		return 0;
	end = strstr(text, " Gb/sec");
	if (!end)
		return 0;
	*end = '\0';
	return disagg_num_real(text, &rate) == 0 ? rate : 0;
}

/* The ports of all RDMA devices, and Gb/s of them together. */
static unsigned rdma_ports(const struct disagg_probe_run *run, double *ret_rate)
{
	const char *root =
		disagg_arena_printf(run->arena, "%s/sys/class/infiniband", run->options->sysroot);
	DIR *dir = root ? opendir(root) : NULL;
	unsigned ports = 0;

	*ret_rate = 0;
	for (const struct dirent *at; dir && (at = readdir(dir));) {
		const char *path =
			disagg_arena_printf(run->arena, "%s/%s/ports/1/rate", root, at->d_name);
		struct stat seen;

		if (at->d_name[0] == '.' || !path || stat(path, &seen) != 0)
			continue;
		ports++;
		*ret_rate += port_rate(run->arena, path);
	}
	if (dir)
		closedir(dir);
	return ports;
}

int disagg_probe_loopback_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct intra intra = {.run = run, .brief = true};
	uint64_t sizes[MOST_SIZES];
	unsigned gpus, ports;
	double rate;
	size_t count;
	int result;

	if (disagg_collective_gpus(run, &gpus, err) != 0)
		return -1;
	if (gpus < 2)
		return disagg_err_set(err, DISAGG_SKIPPED, "one GPU sends nothing to another");
	ports = rdma_ports(run, &rate);
	if (ports == 0)
		return disagg_err_set(err, DISAGG_SKIPPED,
			"no RDMA device in '%s/sys/class/infiniband'", run->options->sysroot);
	if (setenv("NCCL_P2P_DISABLE", "1", 1) != 0 || setenv("NCCL_SHM_DISABLE", "1", 1) != 0)
		return disagg_err_nomem(err);
	intra.hint = disagg_arena_printf(run->arena,
		"through the NICs: %u RDMA ports with %.0f GB/s in all", ports, rate / 8);
	if (start(&intra, gpus, run->options->nccl_max_bytes, err) != 0)
		return -1;
	count = sizes_between(run->options->nccl_min_bytes, run->options->nccl_max_bytes, sizes);
	result = sweep(&intra, DISAGG_ALL_REDUCE, sizes, thin_out(sizes, count, false), err);
	disagg_ranks_close(&intra.ranks);
	return result;
}
