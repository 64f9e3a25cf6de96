/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/interop.h"

#include "lib/probe/collective_record.h"
#include "lib/probe/phase.h"

#define MOST_RANKS    1000000 /* sums are exact in FP32 up to here */
#define MOST_STALL_MS 3600000
#define MOST_SIZES    16
#define LEAST_BUSBW   (64u << 10)
#define MOST_BYTES    (INT64_C(16) << 30)

struct interop {
	struct disagg_probe_run *run;
	struct disagg_ranks ranks;
	unsigned first, total, nodes, iterations, stall_ms;
	uint64_t sizes[MOST_SIZES];
	size_t size_count;
	const char *id; /* NULL: it is made here */
	enum disagg_phase phase;
};

static int number(const struct disagg_json *args, const char *name, int64_t most, unsigned *ret,
	struct disagg_err *err)
{
	int64_t value;

	if (disagg_json_int(disagg_json_at(args, name), &value) != 0 || value < 0 || value > most)
		return disagg_err_set(
			err, DISAGG_INVALID, "'%s' is 0 to %lld", name, (long long)most);
	*ret = (unsigned)value;
	return 0;
}

static int read_args(struct interop *interop, struct disagg_err *err)
{
	const struct disagg_json *args = interop->run->args;
	const struct disagg_json *sizes = disagg_json_at(args, "sizes");

	if (number(args, "first_rank", MOST_RANKS, &interop->first, err) != 0 ||
		number(args, "ranks", MOST_RANKS, &interop->total, err) != 0 ||
		number(args, "nodes", MOST_RANKS, &interop->nodes, err) != 0 ||
		number(args, "iterations", DISAGG_RANKS_ITERATIONS, &interop->iterations, err) !=
			0 ||
		number(args, "stall_ms", MOST_STALL_MS, &interop->stall_ms, err) != 0)
		return -1;
	if (interop->first + interop->run->gpu_count > interop->total)
		return disagg_err_set(err, DISAGG_INVALID, "ranks %u to %zu are not of %u",
			interop->first, interop->first + interop->run->gpu_count - 1,
			interop->total);
	for (size_t i = 0; i < disagg_json_count(sizes) && i < MOST_SIZES; i++) {
		int64_t bytes;

		if (disagg_json_int(disagg_json_item(sizes, i), &bytes) != 0 ||
			bytes < DISAGG_RANKS_ELEMENT || bytes > MOST_BYTES)
			return disagg_err_set(err, DISAGG_INVALID, "a size is 4 bytes to 16G");
		interop->sizes[interop->size_count++] = (uint64_t)bytes;
	}
	if (interop->size_count == 0)
		return disagg_err_set(err, DISAGG_INVALID, "'sizes' are missing");
	interop->id = disagg_json_text(disagg_json_at(args, "id"));
	return 0;
}

static int join(struct interop *interop, struct disagg_err *err)
{
	struct disagg_ranks *ranks = &interop->ranks;
	uint64_t most = 0;
	ncclUniqueId id;

	if (interop->id && disagg_nccl_id_read(interop->id, &id, err) != 0)
		return -1;
	if (!interop->id && disagg_nccl_check(&ranks->nccl, ranks->nccl.get_unique_id(&id), NULL,
				    "ncclGetUniqueId", err) != 0)
		return -1;
	for (size_t i = 0; i < interop->size_count; i++)
		if (interop->sizes[i] > most)
			most = interop->sizes[i];
	/* before the others wait for it */
	if (disagg_ranks_buffers(ranks, most, err) != 0)
		return -1;
	interop->phase = DISAGG_PHASE_BOOTSTRAP;
	disagg_phase_note(interop->run, interop->phase, interop->id ? NULL : &id);
	if (disagg_ranks_join(ranks, &id, interop->first, interop->total, err) != 0)
		return -1;
	interop->phase = DISAGG_PHASE_INIT;
	disagg_phase_note(interop->run, interop->phase, NULL);
	return 0;
}

static void emit(struct interop *interop, const struct disagg_ranks_job *job,
	const struct disagg_ranks_timing *timing, double duration_s)
{
	struct disagg_probe_record record = disagg_collective_record(&interop->ranks, job, timing);
	const struct disagg_gpu *gpu = interop->run->gpus;
	double algbw = disagg_collective_algbw(job->bytes, timing->seconds);

	record.gpu_name = gpu->name;
	record.cohort = gpu->cohort;
	record.duration_ms = duration_s * 1e3;
	record.hint = disagg_arena_printf(interop->run->arena,
		"%u ranks on %u nodes; algbw %.4g GB/s; %.4g GB/s on the wire of a GPU",
		interop->total, interop->nodes, algbw,
		disagg_collective_wire(record.value, interop->nodes, interop->total));
	/* of less, it is the time that says something */
	if (interop->total > 1 && job->bytes >= LEAST_BUSBW) {
		record.param = disagg_collective_param(interop->run, job, "");
		interop->run->emit(interop->run, &record);
	}
	record.param = disagg_collective_param(interop->run, job, "time");
	record.value = timing->seconds * 1e6;
	record.unit = "us";
	record.better = DISAGG_BETTER_NONE;
	for (size_t i = 0; i < record.raw_count; i++)
		record.raw[i] = timing->each[i] * 1e6;
	interop->run->emit(interop->run, &record);
}

static void emit_world(struct interop *interop)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.param = "world size";
	record.has_value = true;
	record.value = interop->total;
	record.unit = "ranks";
	record.hint = disagg_arena_printf(interop->run->arena, "on %u nodes", interop->nodes);
	interop->run->emit(interop->run, &record);
}

static int measure(struct interop *interop, struct disagg_err *err)
{
	for (size_t i = 0; i < interop->size_count; i++) {
		double start = disagg_collective_now();
		struct disagg_ranks_job job = {.collective = DISAGG_ALL_REDUCE};
		struct disagg_ranks_timing timing;
		unsigned wrong;

		job.bytes = disagg_ranks_shape(&interop->ranks, job.collective, interop->sizes[i])
				    .bytes;
		if (disagg_collective_verify(interop->run, &interop->ranks, &job, &wrong, err) != 0)
			return -1;
		if (interop->phase < DISAGG_PHASE_FIRST) {
			interop->phase = DISAGG_PHASE_FIRST;
			disagg_phase_note(interop->run, interop->phase, NULL);
		}
		if (disagg_ranks_measure(
			    &interop->ranks, &job, interop->iterations, &timing, err) != 0)
			return -1;
		emit(interop, &job, &timing, disagg_collective_now() - start);
	}
	if (interop->first == 0)
		emit_world(interop);
	return 0;
}

int disagg_probe_interop_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct interop interop = {.run = run};
	unsigned gpus;

	if (read_args(&interop, err) != 0 || disagg_collective_gpus(run, &gpus, err) != 0 ||
		disagg_ranks_open(&interop.ranks, run->arena, gpus, err) != 0)
		return -1;
	interop.ranks.stall_ms = interop.stall_ms;
	if (join(&interop, err) != 0 || measure(&interop, err) != 0) {
		disagg_phase_give_up(run, interop.phase, err);
		return -1;
	}
	disagg_ranks_close(&interop.ranks);
	return 0;
}
