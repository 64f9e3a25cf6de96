/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/suspects.h"

#include <string.h>

#define WENT_ON_S   60.0  /* a process that logs on for so long had not died of it */
#define CRASH_S	    120.0 /* a reason is told at most so long before the crash */
#define CRASH_BYTES (256u * 1024u)
#define SAME_END_S  5.0

/* ---- whose log it is ---- */

static const char *name_in(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const struct disagg_state_unit *unit_of_log(
	const struct disagg_state *state, const char *name)
{
	for (unsigned i = 0; i < state->unit_count; i++) {
		if (state->unit[i]->log && strcmp(name_in(state->unit[i]->log), name) == 0)
			return state->unit[i];
	}
	return NULL;
}

/* The output of the job itself, and of what looks after the nodes, is no worker's. */
static bool is_job_output(const char *name)
{
	static const char *const begins[] = {
		"slurm-", "job", "sbatch", "disagg-", "install", "nodes.log"};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		if (strncmp(name, begins[i], strlen(begins[i])) == 0)
			return true;
	}
	return false;
}

static int set_workers(struct disagg_suspects *suspects)
{
	unsigned count = suspects->scan->file_count;

	suspects->unit = disagg_arena_array(suspects->arena, count + 1u, sizeof(*suspects->unit));
	suspects->worker =
		disagg_arena_array(suspects->arena, count + 1u, sizeof(*suspects->worker));
	if (!suspects->unit || !suspects->worker)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		const char *name = name_in(suspects->scan->file[i].name);

		if (suspects->files->has_state)
			suspects->unit[i] = unit_of_log(&suspects->files->state, name);
		if (suspects->unit[i])
			suspects->worker[i] = suspects->unit[i]->name;
		else if (!suspects->files->has_state && !is_job_output(name))
			suspects->worker[i] =
				disagg_arena_strndup(suspects->arena, name, strcspn(name, "."));
	}
	return 0;
}

static double end_of(const struct disagg_suspects *suspects, unsigned file)
{
	const struct disagg_exits *exits = &suspects->files->exits;
	const char *worker = suspects->worker[file];
	double last = suspects->unit[file] ? suspects->unit[file]->ended : 0;

	for (unsigned i = 0; last <= 0 && worker && i < exits->count; i++) {
		if (exits->v[i].worker && strcmp(exits->v[i].worker, worker) == 0 &&
			exits->v[i].at > last)
			last = exits->v[i].at;
	}
	return last;
}

static int set_clocks(struct disagg_suspects *suspects, const double *utc_offset_s)
{
	unsigned count = suspects->scan->file_count;

	suspects->clock = disagg_arena_array(suspects->arena, count + 1u, sizeof(*suspects->clock));
	if (!suspects->clock)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		const struct disagg_scan_file *file = &suspects->scan->file[i];

		suspects->clock[i] = (struct disagg_clock_file){
			.stamp = file->has_time ? file->stamp : DISAGG_STAMP_NONE,
			.last_s = file->last_s,
			.ended_s = end_of(suspects, i),
		};
	}
	disagg_clocks_estimate(suspects->clock, count, utc_offset_s);
	return 0;
}

double disagg_suspects_time(
	const struct disagg_suspects *suspects, unsigned file, const struct disagg_line *line)
{
	switch (line->stamp) {
	case DISAGG_STAMP_ZONED:
		return line->time_s;
	case DISAGG_STAMP_LOCAL:
		return line->time_s + suspects->clock[file].offset_s;
	case DISAGG_STAMP_NONE:
		break;
	}
	return suspects->clock[file].ended_s;
}

void disagg_suspects_add(struct disagg_suspects *suspects, const struct disagg_suspect *suspect)
{
	unsigned room = suspects->room ? suspects->room * 2 : 64;
	struct disagg_suspect *grown;

	if (suspects->count == suspects->room) {
		grown = disagg_arena_grow(
			suspects->arena, suspects->v, suspects->count, room, sizeof(*grown));
		if (!grown) {
			suspects->no_memory = true;
			return;
		}
		suspects->v = grown;
		suspects->room = room;
	}
	suspects->v[suspects->count++] = *suspect;
}

/* ---- lines ---- */

static bool went_on(const struct disagg_suspects *suspects, const struct disagg_event *event)
{
	const struct disagg_scan_file *file = &suspects->scan->file[event->file];

	return file->has_time && file->stamp == event->last.line.stamp &&
	       file->last_s - event->last.line.time_s > WENT_ON_S;
}

/* What a process does not live on with: that its log goes on is another rank's. */
static bool is_fatal(enum disagg_fault fault)
{
	return fault == DISAGG_FAULT_OOM_GPU || fault == DISAGG_FAULT_OOM_HOST ||
	       fault == DISAGG_FAULT_GPU_HW || fault == DISAGG_FAULT_GPU_MEM ||
	       fault == DISAGG_FAULT_NVLINK || fault == DISAGG_FAULT_PCIE ||
	       fault == DISAGG_FAULT_SCHEDULER;
}

static enum disagg_weight weigh(
	const struct disagg_suspects *suspects, const struct disagg_event *event)
{
	static const enum disagg_weight weights[DISAGG_RANK_COUNT] = {
		[DISAGG_RANK_CAUSE] = DISAGG_WEIGHT_CAUSE,
		[DISAGG_RANK_CRASH] = DISAGG_WEIGHT_LEAD,
		[DISAGG_RANK_SYMPTOM] = DISAGG_WEIGHT_SYMPTOM,
		[DISAGG_RANK_CONSEQUENCE] = DISAGG_WEIGHT_CONSEQUENCE,
		[DISAGG_RANK_TRACE] = DISAGG_WEIGHT_TRACE,
	};
	const struct disagg_signature *signature = &suspects->signatures->v[event->signature];
	enum disagg_weight weight = weights[signature->rank];
	enum disagg_level level = event->first.line.level;

	if (weight == DISAGG_WEIGHT_CONSEQUENCE && !event->shown)
		return DISAGG_WEIGHT_TRACE;
	if (weight > DISAGG_WEIGHT_SYMPTOM)
		return weight;
	if (weight == DISAGG_WEIGHT_SYMPTOM && (signature->fault == DISAGG_FAULT_SCHEDULER ||
						       signature->fault == DISAGG_FAULT_CANCELLED))
		return DISAGG_WEIGHT_END;
	if (!event->shown)
		return went_on(suspects, event) ? DISAGG_WEIGHT_TRACE : DISAGG_WEIGHT_GOT_OVER;
	if (!went_on(suspects, event))
		return weight;
	if (weight == DISAGG_WEIGHT_SYMPTOM || level == DISAGG_LEVEL_WARN)
		return DISAGG_WEIGHT_GOT_OVER;
	return is_fatal(signature->fault) ? weight : DISAGG_WEIGHT_WENT_ON;
}

/* What befell the whole job is told in every log, and is the fault of none that tells it;
 * of a lost node only a line that names it says whose it was. */
static bool is_of_job(const struct disagg_signature *signature, const struct disagg_line *line)
{
	static const char *const ids[] = {
		"slurm.preempted", "slurm.time_limit", "slurm.cancelled", "slurm.node_fail"};

	for (size_t i = 0; !line->node[0] && i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (strcmp(signature->id, ids[i]) == 0)
			return true;
	}
	return false;
}

static void add_event(struct disagg_suspects *suspects, const struct disagg_event *event)
{
	const struct disagg_signature *signature = &suspects->signatures->v[event->signature];
	const struct disagg_line *line = &event->first.line;
	struct disagg_suspect suspect = {
		.weight = weigh(suspects, event),
		.fault = signature->fault,
		.at = disagg_suspects_time(suspects, event->file, line),
		.id = signature->id,
		.title = signature->title,
		.hint = signature->hint,
		.worker = suspects->worker[event->file],
		.rank = line->rank,
		.gpu = line->gpu,
		.node = line->node[0] ? line->node : NULL,
		.pci = line->pci[0] ? line->pci : NULL,
		.event = event,
		.went_on = went_on(suspects, event),
		.where = suspects->scan->file[event->file].name,
		.text = event->first.text,
		.is_hard = signature->fault == DISAGG_FAULT_SCHEDULER &&
			   signature->rank == DISAGG_RANK_CAUSE,
	};

	if (is_of_job(signature, line))
		suspect.worker = suspect.node = NULL;
	disagg_suspects_add(suspects, &suspect);
}

static bool is_reason_of(const struct disagg_suspect *reason, const struct disagg_suspect *crash)
{
	if (reason->event->first.offset > crash->event->first.offset ||
		reason->weight > DISAGG_WEIGHT_SYMPTOM || reason == crash)
		return false;
	if (reason->at > 0 && crash->at > 0)
		return crash->at - reason->at <= CRASH_S;
	return crash->event->first.offset - reason->event->first.offset <= CRASH_BYTES;
}

/* Of one file, in the order of its lines: a crash that had a reason is a
 * consequence, and the reason leads. */
static void settle_crashes(struct disagg_suspects *suspects, unsigned begin)
{
	for (unsigned i = begin; i < suspects->count; i++) {
		struct disagg_suspect *crash = &suspects->v[i];

		if (crash->weight != DISAGG_WEIGHT_LEAD ||
			suspects->signatures->v[crash->event->signature].rank != DISAGG_RANK_CRASH)
			continue;
		for (unsigned j = begin; j < i; j++) {
			struct disagg_suspect *reason = &suspects->v[j];

			if (!is_reason_of(reason, crash))
				continue;
			crash->weight = DISAGG_WEIGHT_CONSEQUENCE;
			if (reason->weight == DISAGG_WEIGHT_SYMPTOM)
				reason->weight = DISAGG_WEIGHT_LEAD;
			break;
		}
	}
}

static void add_events(struct disagg_suspects *suspects)
{
	const struct disagg_scan *scan = suspects->scan;
	unsigned begin = 0;

	for (unsigned i = 0; i < scan->event_count; i++) {
		if (i && scan->event[i].file != scan->event[i - 1].file) {
			settle_crashes(suspects, begin);
			begin = suspects->count;
		}
		add_event(suspects, &scan->event[i]);
	}
	settle_crashes(suspects, begin);
}

int disagg_suspects_find(
	struct disagg_suspects *suspects, const double *utc_offset_s, struct disagg_err *err)
{
	if (set_workers(suspects) || set_clocks(suspects, utc_offset_s))
		return disagg_err_nomem(err);
	add_events(suspects);
	disagg_suspects_machine(suspects);
	return suspects->no_memory ? disagg_err_nomem(err) : 0;
}
