/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/diagnose.h"

#include "lib/diag/suspects.h"
#include <stdlib.h>
#include <string.h>

#define SAME_MOMENT_S 2.0  /* clocks of nodes, and what is told late */
#define LEAD_S	      10.0 /* a cause that comes so soon after a crash is its cause */
#define HARD_S	      60.0 /* the kernel tells whole seconds, and some of it late */
#define NO_TIME	      1e300

const char *const disagg_outcome_names[] = {"none", "success", "failure", NULL};
const char *const disagg_confidence_names[] = {"low", "medium", "high", NULL};

/* ---- choosing ---- */

/* What is nearer to the metal comes first, of what is told at the same moment; a network
 * error is what a process sees of another's end. */
static int order_of(enum disagg_fault fault)
{
	static const enum disagg_fault order[] = {DISAGG_FAULT_GPU_MEM, DISAGG_FAULT_PCIE,
		DISAGG_FAULT_GPU_HW, DISAGG_FAULT_NVLINK, DISAGG_FAULT_SCHEDULER,
		DISAGG_FAULT_OOM_HOST, DISAGG_FAULT_OOM_GPU, DISAGG_FAULT_STORAGE,
		DISAGG_FAULT_CONFIG, DISAGG_FAULT_USER_APP, DISAGG_FAULT_FABRIC};
	int count = sizeof(order) / sizeof(order[0]);

	for (int i = 0; i < count; i++) {
		if (order[i] == fault)
			return i;
	}
	return count;
}

static double time_of(const struct disagg_suspect *suspect)
{
	return suspect->at > 0 ? suspect->at : NO_TIME;
}

/* A suspect is its file's first of its weight: later ones follow from it. */
static bool is_first_of_file(
	const struct disagg_suspects *suspects, unsigned index, enum disagg_weight most)
{
	const struct disagg_suspect *suspect = &suspects->v[index];

	for (unsigned i = 0; suspect->event && i < suspects->count; i++) {
		const struct disagg_suspect *other = &suspects->v[i];

		if (other->event && i != index && other->weight <= most &&
			other->event->file == suspect->event->file &&
			other->event->first.offset < suspect->event->first.offset)
			return false;
	}
	return true;
}

static double earliest(const struct disagg_suspects *suspects, enum disagg_weight most)
{
	double first = NO_TIME;

	for (unsigned i = 0; i < suspects->count; i++) {
		if (suspects->v[i].weight <= most && time_of(&suspects->v[i]) < first)
			first = time_of(&suspects->v[i]);
	}
	return first;
}

static bool is_of(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Whether a comes before b as the cause, of two that are near enough in time; of equals
 * that of the worker that disagg-run saw fail. */
static bool is_sooner(
	const struct disagg_suspect *a, const struct disagg_suspect *b, const char *failed)
{
	if (a->is_hard != b->is_hard)
		return a->is_hard;
	if (a->weight != b->weight)
		return a->weight < b->weight;
	if (order_of(a->fault) != order_of(b->fault))
		return order_of(a->fault) < order_of(b->fault);
	if (is_of(a->worker, failed) != is_of(b->worker, failed))
		return is_of(a->worker, failed);
	return time_of(a) < time_of(b);
}

/* Whether a suspect is early enough to be the cause; of what has no time only what is
 * hard counts beside what has one. */
static bool is_early(const struct disagg_suspect *suspect, double first, double first_cause)
{
	if (first >= NO_TIME)
		return true;
	if (suspect->is_hard)
		return suspect->at <= 0 || !suspect->kernel || suspect->at <= first + HARD_S;
	if (suspect->weight == DISAGG_WEIGHT_CAUSE)
		return time_of(suspect) <= first_cause + SAME_MOMENT_S &&
		       time_of(suspect) <= first + LEAD_S;
	return time_of(suspect) <= first + SAME_MOMENT_S;
}

/* The best of those of at most this weight; NULL where there is none. */
static const struct disagg_suspect *choose(
	const struct disagg_suspects *suspects, enum disagg_weight most)
{
	const struct disagg_suspect *best = NULL;
	const char *failed =
		suspects->files->has_state ? suspects->files->state.verdict.worker : NULL;
	double first = earliest(suspects, most);
	double first_cause = earliest(suspects, DISAGG_WEIGHT_CAUSE);

	for (unsigned i = 0; i < suspects->count; i++) {
		const struct disagg_suspect *suspect = &suspects->v[i];

		if (suspect->weight > most || !is_early(suspect, first, first_cause) ||
			!is_first_of_file(suspects, i, most))
			continue;
		if (!best || is_sooner(suspect, best, failed))
			best = suspect;
	}
	return best;
}

static const struct disagg_suspect *find_cause(const struct disagg_suspects *suspects)
{
	/* a weight alone is chosen from with all above it, for they are empty then */
	static const enum disagg_weight rounds[] = {DISAGG_WEIGHT_LEAD, DISAGG_WEIGHT_SYMPTOM,
		DISAGG_WEIGHT_WENT_ON, DISAGG_WEIGHT_END, DISAGG_WEIGHT_VERDICT,
		DISAGG_WEIGHT_GOT_OVER, DISAGG_WEIGHT_CONSEQUENCE, DISAGG_WEIGHT_EXIT};
	const struct disagg_suspect *cause = NULL;

	for (size_t i = 0; !cause && i < sizeof(rounds) / sizeof(rounds[0]); i++)
		cause = choose(suspects, rounds[i]);
	return cause;
}

/* ---- whether it failed at all ---- */

static bool has_failed_exit(const struct disagg_runfiles *files)
{
	for (unsigned i = 0; i < files->exits.count; i++) {
		if (disagg_exit_is_failure(&files->exits.v[i]))
			return true;
	}
	return false;
}

/* A consequence that a process does not tell unless something failed: not what is told
 * at any end (a peer that is gone, a signal). */
static bool tells_failure(const struct disagg_suspect *cause)
{
	if (cause->weight <= DISAGG_WEIGHT_END)
		return true;
	return cause->weight == DISAGG_WEIGHT_CONSEQUENCE && !cause->went_on &&
	       cause->fault != DISAGG_FAULT_SERVICE_TIMEOUT &&
	       cause->fault != DISAGG_FAULT_CANCELLED;
}

static enum disagg_outcome outcome_of(
	const struct disagg_runfiles *files, const struct disagg_suspect *cause)
{
	const char *state = files->slurm_state;
	bool told_bad = state && strcmp(state, "COMPLETED") != 0 && strcmp(state, "RUNNING") != 0 &&
			strcmp(state, "COMPLETING") != 0 && strcmp(state, "PENDING") != 0;

	if (told_bad)
		return DISAGG_OUTCOME_FAILURE;
	if (files->has_state && files->state.verdict.set)
		return files->state.verdict.code == DISAGG_OK ? DISAGG_OUTCOME_SUCCESS
							      : DISAGG_OUTCOME_FAILURE;
	if (state && strcmp(state, "COMPLETED") == 0)
		return DISAGG_OUTCOME_SUCCESS;
	if (cause && tells_failure(cause))
		return DISAGG_OUTCOME_FAILURE;
	return has_failed_exit(files) ? DISAGG_OUTCOME_FAILURE : DISAGG_OUTCOME_NONE;
}

/* ---- telling it ---- */

static void add_evidence(
	struct disagg_diagnosis *diagnosis, const char *where, const char *text, double at)
{
	if (!where || !text || diagnosis->evidence_count == DISAGG_EVIDENCE_MOST)
		return;
	for (unsigned i = 0; i < diagnosis->evidence_count; i++) {
		if (strcmp(diagnosis->evidence[i].text, text) == 0)
			return;
	}
	diagnosis->evidence[diagnosis->evidence_count++] =
		(struct disagg_evidence){.where = where, .text = text, .at = at};
}

/* How the worker that is blamed ended: its own first failure. */
static const struct disagg_suspect *exit_of(
	const struct disagg_suspects *suspects, const char *worker)
{
	const struct disagg_suspect *first = NULL;

	for (unsigned i = 0; i < suspects->count; i++) {
		const struct disagg_suspect *suspect = &suspects->v[i];

		if (suspect->exit && is_of(suspect->worker, worker) &&
			(!first || time_of(suspect) < time_of(first)))
			first = suspect;
	}
	return first;
}

/* The node that disagg-run's verdict names; NULL. */
static const char *verdict_node(const struct disagg_suspects *suspects)
{
	const char *text = suspects->files->has_state ? suspects->files->state.verdict.text : NULL;
	struct disagg_line line;

	if (!text)
		return NULL;
	disagg_line_read(text, strlen(text), 0, &line);
	return line.node[0] ? disagg_arena_strdup(suspects->arena, line.node) : NULL;
}

/* Where the cause was: as it says itself, as its rank's end tells, as the worker's
 * first failure does, or the worker's first node. */
static const char *node_of(const struct disagg_suspects *suspects,
	const struct disagg_suspect *cause, const struct disagg_suspect *exit, const char *worker)
{
	const struct disagg_exits *exits = &suspects->files->exits;
	const struct disagg_state_unit *unit =
		cause->event ? suspects->unit[cause->event->file] : NULL;

	if (cause->node)
		return cause->node;
	if (cause->fault == DISAGG_FAULT_SCHEDULER && verdict_node(suspects))
		return verdict_node(suspects);
	for (unsigned i = 0; cause->rank >= 0 && i < exits->count; i++) {
		if (exits->v[i].rank == cause->rank && is_of(exits->v[i].worker, cause->worker))
			return exits->v[i].node;
	}
	if (!worker)
		return NULL;
	if (exit && exit->node)
		return exit->node;
	for (unsigned i = 0;
		!unit && suspects->files->has_state && i < suspects->files->state.unit_count; i++) {
		if (is_of(suspects->files->state.unit[i]->name, worker))
			unit = suspects->files->state.unit[i];
	}
	return unit ? unit->host : NULL;
}

static enum disagg_confidence confidence_of(const struct disagg_suspects *suspects,
	const struct disagg_suspect *cause, const struct disagg_suspect *exit)
{
	const struct disagg_state_verdict *verdict = &suspects->files->state.verdict;
	bool agrees = exit || (suspects->files->has_state && verdict->set &&
				      is_of(verdict->worker, cause->worker));

	if (cause->is_hard && cause->weight <= DISAGG_WEIGHT_END)
		return DISAGG_CONFIDENCE_HIGH;
	if (cause->weight == DISAGG_WEIGHT_CAUSE && agrees)
		return DISAGG_CONFIDENCE_HIGH;
	if (cause->weight <= DISAGG_WEIGHT_LEAD ||
		(cause->weight == DISAGG_WEIGHT_SYMPTOM && agrees &&
			cause->fault != DISAGG_FAULT_UNKNOWN))
		return DISAGG_CONFIDENCE_MEDIUM;
	return DISAGG_CONFIDENCE_LOW;
}

/* The first lines of level 'error' of a worker, where nothing better is known. */
static void add_traces(struct disagg_diagnosis *diagnosis, const struct disagg_suspects *suspects)
{
	for (unsigned i = 0; i < suspects->count; i++) {
		const struct disagg_suspect *suspect = &suspects->v[i];

		if (suspect->weight == DISAGG_WEIGHT_TRACE && suspect->event &&
			(!diagnosis->worker || is_of(suspect->worker, diagnosis->worker)))
			add_evidence(diagnosis, suspect->where, suspect->text, suspect->at);
	}
}

static void tell_cause(struct disagg_diagnosis *diagnosis, const struct disagg_suspects *suspects,
	const struct disagg_suspect *cause)
{
	const struct disagg_state_verdict *verdict = &suspects->files->state.verdict;
	const struct disagg_suspect *exit;

	diagnosis->fault = cause->fault;
	diagnosis->id = cause->id;
	diagnosis->title = cause->title;
	diagnosis->hint = cause->hint;
	diagnosis->worker = cause->worker				 ? cause->worker
			    : suspects->files->has_state && verdict->set ? verdict->worker
									 : NULL;
	exit = exit_of(suspects, diagnosis->worker);
	diagnosis->node = node_of(suspects, cause, exit, diagnosis->worker);
	diagnosis->pci = cause->pci;
	diagnosis->rank = cause->rank;
	diagnosis->gpu = cause->gpu;
	diagnosis->at = cause->at;
	diagnosis->confidence = confidence_of(suspects, cause, exit);
	add_evidence(diagnosis, cause->where, cause->text, cause->at);
	if (cause->event && cause->event->count > 1)
		add_evidence(diagnosis, cause->where, cause->event->last.text, 0);
	if (exit)
		add_evidence(diagnosis, "exit", exit->text, exit->at);
	if (cause->weight >= DISAGG_WEIGHT_EXIT)
		add_traces(diagnosis, suspects);
	if (suspects->files->has_state && verdict->set && verdict->text)
		add_evidence(diagnosis, "disagg-run", verdict->text, verdict->at);
}

/* ---- signals over all files ---- */

static void add_to_signal(struct disagg_suspects *suspects, struct disagg_signal *signal,
	const struct disagg_event *event)
{
	double first = disagg_suspects_time(suspects, event->file, &event->first.line);
	double last = disagg_suspects_time(suspects, event->file, &event->last.line);
	unsigned *grown = disagg_arena_grow(suspects->arena, signal->file, signal->file_count,
		signal->file_count + 1u, sizeof(*grown));
	const char *text[DISAGG_SAMPLES] = {
		event->first.text, event->count > 1 ? event->last.text : NULL};

	if (!grown) {
		suspects->no_memory = true;
		return;
	}
	grown[signal->file_count++] = event->file;
	signal->file = grown;
	signal->count += event->count;
	if (first > 0 && (signal->first_s <= 0 || first < signal->first_s))
		signal->first_s = first;
	if (last > signal->last_s)
		signal->last_s = last;
	for (unsigned i = 0; i < DISAGG_SAMPLES; i++) {
		unsigned at = signal->sample[0] ? 1 : 0;

		if (!text[i] || signal->sample[DISAGG_SAMPLES - 1])
			continue;
		signal->sample[at] = text[i];
		signal->sample_file[at] = event->file;
	}
}

static int by_time(const void *a, const void *b)
{
	const struct disagg_signal *x = a, *y = b;
	double first = x->first_s > 0 ? x->first_s : NO_TIME;
	double other = y->first_s > 0 ? y->first_s : NO_TIME;

	if (x->is_cause != y->is_cause)
		return x->is_cause ? -1 : 1;
	if (first != other)
		return first < other ? -1 : 1;
	return (x->signature > y->signature) - (x->signature < y->signature);
}

static int add_signals(struct disagg_diagnosis *diagnosis, struct disagg_suspects *suspects,
	const struct disagg_suspect *cause, struct disagg_err *err)
{
	unsigned count = suspects->signatures->count, kept = 0;
	struct disagg_signal *signal =
		disagg_arena_array(suspects->arena, count + 1u, sizeof(*signal));

	if (!signal)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < suspects->scan->event_count; i++) {
		const struct disagg_event *event = &suspects->scan->event[i];

		signal[event->signature].signature = &suspects->signatures->v[event->signature];
		signal[event->signature].is_cause |=
			cause && cause->event && cause->event->signature == event->signature;
		add_to_signal(suspects, &signal[event->signature], event);
	}
	for (unsigned i = 0; i < count; i++) {
		if (signal[i].count)
			signal[kept++] = signal[i];
	}
	if (kept)
		qsort(signal, kept, sizeof(*signal), by_time);
	diagnosis->signal = signal;
	diagnosis->signal_count = kept;
	return suspects->no_memory ? disagg_err_nomem(err) : 0;
}

/* ---- exits, by time ---- */

static int by_exit(const void *a, const void *b)
{
	const struct disagg_exit *x = a, *y = b;
	double first = x->at > 0 ? x->at : NO_TIME, other = y->at > 0 ? y->at : NO_TIME;

	return (first > other) - (first < other);
}

static int add_exits(struct disagg_arena *arena, struct disagg_diagnosis *diagnosis,
	const struct disagg_exits *exits, struct disagg_err *err)
{
	struct disagg_exit *copy = disagg_arena_array(arena, exits->count + 1u, sizeof(*copy));

	if (!copy)
		return disagg_err_nomem(err);
	if (exits->count) {
		memcpy(copy, exits->v, exits->count * sizeof(*copy));
		qsort(copy, exits->count, sizeof(*copy), by_exit);
	}
	diagnosis->exit = copy;
	diagnosis->exit_count = exits->count;
	return 0;
}

int disagg_diagnose(struct disagg_arena *arena, const struct disagg_signatures *signatures,
	const struct disagg_runfiles *files, const struct disagg_scan *scan,
	const struct disagg_diagnose_options *options, struct disagg_diagnosis *ret,
	struct disagg_err *err)
{
	struct disagg_suspects suspects = {
		.arena = arena, .signatures = signatures, .files = files, .scan = scan};
	struct disagg_diagnosis diagnosis = {.rank = -1, .gpu = -1};
	const struct disagg_suspect *cause;

	if (disagg_suspects_find(&suspects, options->utc_offset_s, err))
		return -1;
	cause = find_cause(&suspects);
	diagnosis.outcome = outcome_of(files, cause);
	if (diagnosis.outcome != DISAGG_OUTCOME_FAILURE)
		cause = NULL;
	if (cause)
		tell_cause(&diagnosis, &suspects, cause);
	for (unsigned i = 0; i < scan->file_count; i++)
		diagnosis.clocks_differ |=
			suspects.clock[i].estimated && suspects.clock[i].offset_s != 0;
	if (add_signals(&diagnosis, &suspects, cause, err) ||
		add_exits(arena, &diagnosis, &files->exits, err))
		return -1;
	*ret = diagnosis;
	return 0;
}
