/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/pair.h"

#include "lib/probe/collective_record.h"
#include "lib/probe/phase.h"
#include <stdlib.h>
#include <string.h>

#define MOST_NODES	   3
#define MOST_BYTES	   (INT64_C(16) << 30)
#define DEFAULT_ITERATIONS 20
#define MOST_STALL_MS	   3600000

struct pair {
	struct disagg_probe_run *run;
	struct disagg_ranks ranks;
	const char *name[MOST_NODES];
	unsigned nodes, node, per_node, iterations, stall_ms;
	uint64_t bytes;
	bool rails;
	const char *id; /* NULL: it is made here */
	enum disagg_phase phase;
};

/* ---- args ---- */

static int count_of(const struct disagg_json *args, const char *name, int64_t most, int64_t *ret)
{
	return disagg_json_int(disagg_json_at(args, name), ret) == 0 && *ret >= 0 && *ret <= most
		       ? 0
		       : -1;
}

static int read_args(struct pair *pair, struct disagg_err *err)
{
	const struct disagg_json *args = pair->run->args;
	const struct disagg_json *nodes = disagg_json_at(args, "nodes");
	const struct disagg_json *rails = disagg_json_at(args, "rails");
	int64_t node, per_node, bytes, iterations = DEFAULT_ITERATIONS, stall_ms = 0;

	pair->nodes = (unsigned)disagg_json_count(nodes);
	for (unsigned i = 0; i < pair->nodes && i < MOST_NODES; i++)
		pair->name[i] = disagg_json_text(disagg_json_item(nodes, i));
	if (pair->nodes < 2 || pair->nodes > MOST_NODES || !pair->name[0] || !pair->name[1] ||
		!pair->name[pair->nodes - 1])
		return disagg_err_set(err, DISAGG_INVALID, "'nodes' are 2 or 3 names");
	if (count_of(args, "node", pair->nodes - 1, &node) != 0 ||
		count_of(args, "ranks_per_node", (int64_t)pair->run->gpu_count, &per_node) != 0 ||
		per_node == 0)
		return disagg_err_set(err, DISAGG_INVALID,
			"'node' is one of 'nodes', and 'ranks_per_node' 1 to the %zu GPUs here",
			pair->run->gpu_count);
	if (count_of(args, "bytes", MOST_BYTES, &bytes) != 0 || bytes < DISAGG_RANKS_ELEMENT)
		return disagg_err_set(err, DISAGG_INVALID, "'bytes' is 4 to 16G");
	if (disagg_json_at(args, "iterations") &&
		count_of(args, "iterations", DISAGG_RANKS_ITERATIONS, &iterations) != 0)
		return disagg_err_set(
			err, DISAGG_INVALID, "'iterations' is at most %d", DISAGG_RANKS_ITERATIONS);
	if (disagg_json_at(args, "stall_ms") &&
		count_of(args, "stall_ms", MOST_STALL_MS, &stall_ms) != 0)
		return disagg_err_set(err, DISAGG_INVALID, "'stall_ms' is at most an hour");
	pair->stall_ms = (unsigned)stall_ms;
	pair->node = (unsigned)node;
	pair->per_node = (unsigned)per_node;
	pair->bytes = (uint64_t)bytes / DISAGG_RANKS_ELEMENT * DISAGG_RANKS_ELEMENT;
	pair->iterations = (unsigned)iterations;
	pair->rails = !rails || disagg_json_is_true(rails);
	pair->id = disagg_json_text(disagg_json_at(args, "id"));
	return 0;
}

/* ---- measuring ---- */

static int join(struct pair *pair, struct disagg_err *err)
{
	struct disagg_ranks *ranks = &pair->ranks;
	ncclUniqueId id;

	if (pair->id && disagg_nccl_id_read(pair->id, &id, err) != 0)
		return -1;
	if (!pair->id && disagg_nccl_check(&ranks->nccl, ranks->nccl.get_unique_id(&id), NULL,
				 "ncclGetUniqueId", err) != 0)
		return -1;
	pair->phase = DISAGG_PHASE_BOOTSTRAP;
	disagg_phase_note(pair->run, pair->phase, pair->id ? NULL : &id);
	if (disagg_ranks_join(ranks, &id, pair->node * pair->per_node, pair->nodes * pair->per_node,
		    err) != 0)
		return -1;
	pair->phase = DISAGG_PHASE_INIT;
	disagg_phase_note(pair->run, pair->phase, NULL);
	return disagg_ranks_buffers(ranks, pair->bytes, err);
}

static int measure_rails(
	struct pair *pair, unsigned one, unsigned other, double *seconds, struct disagg_err *err)
{
	unsigned peer = pair->node == one ? other : one;
	struct disagg_ranks_job job = {.bytes = pair->bytes};
	char size[DISAGG_SIZE_NAME];

	if (pair->node != one && pair->node != other)
		return 0;
	if (disagg_ranks_exchange(&pair->ranks, peer * pair->per_node, job.bytes, pair->iterations,
		    seconds, err) != 0)
		return disagg_err_wrap(err, "rails with '%s'", pair->name[peer]);
	for (unsigned rail = 0; pair->node == one && rail < pair->per_node; rail++) {
		struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

		record.peer = pair->name[other];
		record.rail = (int)rail;
		record.param = disagg_arena_printf(
			pair->run->arena, "rail %s", disagg_size_name(job.bytes, size));
		record.has_value = true;
		record.unit = "GB/s";
		record.value = disagg_collective_algbw(job.bytes, seconds[rail]);
		pair->run->emit(pair->run, &record);
	}
	return 0;
}

static int measure_all_reduce(struct pair *pair, struct disagg_err *err)
{
	struct disagg_ranks_job job = {.collective = DISAGG_ALL_REDUCE, .bytes = pair->bytes};
	struct disagg_probe_record record;
	struct disagg_ranks_timing timing;

	if (disagg_ranks_measure(&pair->ranks, &job, pair->iterations, &timing, err) != 0)
		return -1;
	record = disagg_collective_record(&pair->ranks, &job, &timing);
	record.better = DISAGG_BETTER_NONE;
	record.peer = pair->name[1];
	record.param = disagg_collective_param(pair->run, &job, "");
	if (pair->node == 0)
		pair->run->emit(pair->run, &record);
	return 0;
}

static int measure(struct pair *pair, struct disagg_err *err)
{
	struct disagg_ranks_job job = {.collective = DISAGG_ALL_REDUCE, .bytes = pair->bytes};
	double *seconds = disagg_arena_array(pair->run->arena, pair->per_node, sizeof(double));
	unsigned wrong;

	if (!seconds)
		return disagg_err_nomem(err);
	if (join(pair, err) != 0 ||
		disagg_collective_verify(pair->run, &pair->ranks, &job, &wrong, err) != 0)
		return -1;
	pair->phase = DISAGG_PHASE_FIRST;
	disagg_phase_note(pair->run, pair->phase, NULL);
	for (unsigned one = 0; pair->rails && one < pair->nodes; one++)
		for (unsigned other = one + 1; other < pair->nodes; other++)
			if (measure_rails(pair, one, other, seconds, err) != 0)
				return -1;
	return measure_all_reduce(pair, err);
}

int disagg_probe_pair_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct pair pair = {.run = run};
	unsigned gpus;

	if (read_args(&pair, err) != 0 || disagg_collective_gpus(run, &gpus, err) != 0)
		return -1;
	if (setenv("NCCL_PXN_DISABLE", "1", 1) != 0 || setenv("NCCL_CROSS_NIC", "0", 1) != 0)
		return disagg_err_nomem(err);
	if (disagg_ranks_open(&pair.ranks, run->arena, pair.per_node, err) != 0)
		return -1;
	pair.ranks.stall_ms = pair.stall_ms;
	if (measure(&pair, err) != 0) {
		disagg_phase_give_up(run, pair.phase, err);
		return -1;
	}
	disagg_ranks_close(&pair.ranks);
	return 0;
}
