/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/suspects.h"

#include <signal.h>
#include <string.h>

#define TOLD_S 1.0 /* until disagg-run knows why it was told to end */

struct verdict_row {
	int code;	  /* -1: any */
	const char *mark; /* in the verdict's text */
	enum disagg_weight weight;
	enum disagg_fault fault;
	bool is_hard;
	const char *id, *title, *hint;
};

/* In disagg-run's own words (helpers/run*.c); the first that fits.  A worker's last words,
 * which a verdict quotes, are not ours. */
static const struct verdict_row rows[] = {
	/* it quotes what the probes found, in words that are marks below */
	{DISAGG_CHECK, "failed the probes: ", DISAGG_WEIGHT_VERDICT, DISAGG_FAULT_UNKNOWN, false,
		"disagg-run.probes", "nodes failed the probes before the run",
		"see probes/report.md in the run directory, and its drain lines"},
	{DISAGG_CHECK, "is preempted", DISAGG_WEIGHT_CAUSE, DISAGG_FAULT_SCHEDULER, true,
		"slurm.preempted", "the job was preempted",
		"submit again, or under a QOS that is not preempted"},
	{DISAGG_CHECK, "is requeued", DISAGG_WEIGHT_CAUSE, DISAGG_FAULT_SCHEDULER, true,
		"slurm.requeued", "the job was requeued",
		"Slurm runs it again; see its next run directory"},
	{DISAGG_DIED, "lost its node", DISAGG_WEIGHT_CAUSE, DISAGG_FAULT_SCHEDULER, true,
		"slurm.node_fail", "a node of the job failed",
		"see 'scontrol show node' for the node's reason; submit again without it"},
	{DISAGG_DIED, "a node of the job has failed", DISAGG_WEIGHT_CAUSE, DISAGG_FAULT_SCHEDULER,
		true, "slurm.node_fail", "a node of the job failed",
		"see 'scontrol show node' for the node's reason; submit again without it"},
	{DISAGG_TIMEOUT, "time limit", DISAGG_WEIGHT_END, DISAGG_FAULT_SCHEDULER, true,
		"slurm.time_limit", "the job reached its time limit",
		"ask for more time, or look why it had not ended by then"},
	{DISAGG_CHECK, "time limit", DISAGG_WEIGHT_END, DISAGG_FAULT_SCHEDULER, true,
		"slurm.time_limit", "the job reached its time limit",
		"ask for more time, or look why it had not ended by then"},
	{DISAGG_CHECK, "is cancelled", DISAGG_WEIGHT_END, DISAGG_FAULT_CANCELLED, true,
		"slurm.cancelled", "the job was cancelled",
		"somebody, or a script, called scancel"},
	{DISAGG_CHECK, "ended by signal", DISAGG_WEIGHT_END, DISAGG_FAULT_CANCELLED, true,
		"disagg-run.told", "disagg-run was told to end by a signal",
		"somebody, or a script, sent it (scancel --signal, kill)"},
	{-1, "the benchmark failed", DISAGG_WEIGHT_SYMPTOM, DISAGG_FAULT_USER_APP, false,
		"disagg-run.benchmark", "the benchmark failed, and the deployment had not",
		"see benchmark.log"},
	{-1, "and the file fixes it", DISAGG_WEIGHT_SYMPTOM, DISAGG_FAULT_CONFIG, false,
		"disagg-run.port", "a port that the configuration fixes is taken",
		"take the port out of the engine's settings, so that another can be chosen"},
	{-1, "No space left on device", DISAGG_WEIGHT_CAUSE, DISAGG_FAULT_STORAGE, false,
		"storage.full", "the file system of the run directory is full",
		"make room there, or choose another with log_dir"},
	{-1, "Disk quota exceeded", DISAGG_WEIGHT_CAUSE, DISAGG_FAULT_STORAGE, false,
		"storage.full", "the quota of the run directory's file system is used up",
		"make room there, or choose another with log_dir"},
	{-1, "does not start", DISAGG_WEIGHT_VERDICT, DISAGG_FAULT_SCHEDULER, false, "slurm.launch",
		"a step could not be started", "see slurmd's log on its node, and the step's log"},
	{-1, "could not be probed", DISAGG_WEIGHT_VERDICT, DISAGG_FAULT_UNKNOWN, false,
		"disagg-run.unprobed", "nodes could not be measured before the run",
		"see probes/report.md in the run directory, and measure them again"},
	{DISAGG_TIMEOUT, "not ready after", DISAGG_WEIGHT_SYMPTOM, DISAGG_FAULT_SERVICE_TIMEOUT,
		false, "disagg-run.not_ready", "the deployment was not ready in time",
		"see the end of the log of what is missing; health.timeout says how long to wait"},
	{DISAGG_TIMEOUT, "no good answer", DISAGG_WEIGHT_SYMPTOM, DISAGG_FAULT_SERVICE_TIMEOUT,
		false, "disagg-run.lost", "a worker answered no more, though it had not ended",
		"see the end of its log; py-spy or gdb on the process says where it hangs"},
	{DISAGG_TIMEOUT, "", DISAGG_WEIGHT_SYMPTOM, DISAGG_FAULT_SERVICE_TIMEOUT, false,
		"disagg-run.timeout", "disagg-run waited in vain",
		"its verdict says for whom; see that log's end"},
	{DISAGG_INVALID, "", DISAGG_WEIGHT_VERDICT, DISAGG_FAULT_CONFIG, false,
		"disagg-run.invalid", "what serves is not what the configuration says",
		"compare the model and its served name on both sides"},
	{DISAGG_CONFIG, "", DISAGG_WEIGHT_VERDICT, DISAGG_FAULT_CONFIG, false, "disagg-run.config",
		"the configuration cannot be run", "disagg-run's verdict says where"},
	{DISAGG_MISSING, "", DISAGG_WEIGHT_VERDICT, DISAGG_FAULT_CONFIG, false,
		"disagg-run.missing", "something that the run needs is not there",
		"disagg-run's verdict says what"},
	{DISAGG_SYSTEM, "", DISAGG_WEIGHT_VERDICT, DISAGG_FAULT_SCHEDULER, false,
		"disagg-run.system", "disagg-run could not start what it had to",
		"its verdict says of whom; see the end of that log, and the node"},
	{DISAGG_DIED, "", DISAGG_WEIGHT_VERDICT, DISAGG_FAULT_USER_APP, false, "disagg-run.ended",
		"a worker ended by itself, and its log does not say why",
		"see the end of its log, and its command line"},
	{-1, "", DISAGG_WEIGHT_EXIT, DISAGG_FAULT_UNKNOWN, false, "disagg-run",
		"disagg-run ended the run, and no log says why",
		"its verdict says for whom; see that log's end"},
};

static const struct verdict_row *row_of(const struct disagg_state_verdict *verdict)
{
	const char *text = verdict->text ? verdict->text : "";
	const struct verdict_row *row = rows;

	while ((row->code >= 0 && row->code != verdict->code) || !strstr(text, row->mark))
		row++;
	return row;
}

static bool is_name(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static const struct disagg_state_unit *unit_named(
	const struct disagg_suspects *suspects, const char *name)
{
	const struct disagg_state *state = &suspects->files->state;

	for (unsigned i = 0; name && i < state->unit_count; i++) {
		if (is_name(state->unit[i]->name, name))
			return state->unit[i];
	}
	return NULL;
}

/* "... missing: decode_1 (no answer yet)": the worker that stands behind the mark. */
static const char *missing_worker(
	const struct disagg_suspects *suspects, const struct disagg_state_verdict *verdict)
{
	static const char mark[] = "missing: ";
	const char *at = verdict->text ? strstr(verdict->text, mark) : NULL;
	const struct disagg_state_unit *unit;
	char name[128];
	size_t len;

	if (!at)
		return NULL;
	at += sizeof(mark) - 1;
	len = strcspn(at, " ,(");
	if (len >= sizeof(name))
		return NULL;
	memcpy(name, at, len);
	name[len] = '\0';
	unit = unit_named(suspects, name);
	return unit ? unit->name : NULL;
}

/* ---- a worker that ended ---- */

static struct disagg_suspect *first_exit(struct disagg_suspects *suspects, const char *worker)
{
	struct disagg_suspect *first = NULL;

	for (unsigned i = 0; i < suspects->count; i++) {
		struct disagg_suspect *suspect = &suspects->v[i];

		if (suspect->exit && is_name(suspect->worker, worker) &&
			(!first || suspect->at < first->at))
			first = suspect;
	}
	return first;
}

/* What the worker's own log tells last of others' failures is still more than that
 * it ended. */
static bool promote_consequence(struct disagg_suspects *suspects, const char *worker)
{
	for (unsigned i = 0; i < suspects->count; i++) {
		struct disagg_suspect *suspect = &suspects->v[i];

		if (!suspect->event || !is_name(suspect->worker, worker) ||
			suspect->weight != DISAGG_WEIGHT_CONSEQUENCE || suspect->went_on ||
			suspect->fault == DISAGG_FAULT_CANCELLED ||
			strncmp(suspect->id, "slurm.", 6) == 0)
			continue;
		suspect->weight = DISAGG_WEIGHT_VERDICT;
		return true;
	}
	return false;
}

/* The exit of whom disagg-run saw end first comes before others' words of it. */
static void settle_ended(
	struct disagg_suspects *suspects, const struct disagg_state_verdict *verdict)
{
	const struct disagg_state_unit *unit = unit_named(suspects, verdict->worker);
	struct disagg_suspect *exit = first_exit(suspects, verdict->worker);
	struct disagg_suspect suspect = {
		.weight = DISAGG_WEIGHT_VERDICT,
		.fault = DISAGG_FAULT_USER_APP,
		.at = verdict->at,
		.id = "disagg-run.ended",
		.title = "a worker ended, though nobody had told it to and it met no error",
		.hint = "a server does not end by itself: see its command line, and its log's end",
		.worker = verdict->worker,
		.node = unit ? unit->host : NULL,
		.rank = -1,
		.gpu = -1,
		.where = "disagg-run",
		.text = verdict->text ? verdict->text : "",
	};

	if (exit && disagg_suspects_has_reason(suspects, exit->exit))
		return;
	if (promote_consequence(suspects, verdict->worker))
		return;
	if (!exit) {
		disagg_suspects_add(suspects, &suspect);
		return;
	}
	if (exit->weight == DISAGG_WEIGHT_EXIT)
		exit->weight = DISAGG_WEIGHT_VERDICT;
}

/* ---- what ends all ---- */

/* Once all are told to end, they tell of peers that are gone and of signals, and who does not
 * end is killed. */
static void settle_after(struct disagg_suspects *suspects, double at)
{
	for (unsigned i = 0; at > 0 && i < suspects->count; i++) {
		struct disagg_suspect *suspect = &suspects->v[i];

		if (suspect->event && !suspect->is_hard &&
			suspect->weight < DISAGG_WEIGHT_CONSEQUENCE &&
			suspect->event->first.line.stamp != DISAGG_STAMP_NONE &&
			suspect->at > at - TOLD_S)
			suspect->weight = DISAGG_WEIGHT_CONSEQUENCE;
		if (suspect->exit && suspect->exit->signal == SIGKILL && suspect->at > at)
			suspect->weight = DISAGG_WEIGHT_EXIT;
	}
}

/* "... on 'NODE' ..." */
static const char *node_in(
	const struct disagg_suspects *suspects, const struct disagg_state_verdict *verdict)
{
	static const char mark[] = " on '";
	const char *at = verdict->text ? strstr(verdict->text, mark) : NULL;
	size_t len;

	if (!at)
		return NULL;
	at += sizeof(mark) - 1;
	len = strcspn(at, "' ");
	return len && len < 256 && at[len] == '\'' ? disagg_arena_strndup(suspects->arena, at, len)
						   : NULL;
}

static void add_row(struct disagg_suspects *suspects, const struct verdict_row *row,
	const struct disagg_state_verdict *verdict)
{
	const char *worker = verdict->worker ? verdict->worker : missing_worker(suspects, verdict);
	const struct disagg_state_unit *unit = unit_named(suspects, worker);
	const struct disagg_suspect suspect = {
		.weight = row->weight,
		.fault = row->fault,
		.is_hard = row->is_hard,
		.at = verdict->at,
		.id = row->id,
		.title = row->title,
		.hint = row->hint,
		.worker = worker,
		.node = unit ? unit->host : node_in(suspects, verdict),
		.rank = -1,
		.gpu = -1,
		.where = "disagg-run",
		.text = verdict->text ? verdict->text : "",
	};

	disagg_suspects_add(suspects, &suspect);
}

/* Where there is no room for the verdict, that is the verdict. */
static void add_full(struct disagg_suspects *suspects)
{
	const struct disagg_suspect suspect = {
		.weight = DISAGG_WEIGHT_CAUSE,
		.fault = DISAGG_FAULT_STORAGE,
		.id = "storage.full",
		.title = "the file system of the run directory is full",
		.hint = "make room there, or choose another with log_dir",
		.rank = -1,
		.gpu = -1,
		.where = "disk",
		.text = disagg_arena_printf(
			suspects->arena, "no space is left in '%s'", suspects->files->full),
	};

	disagg_suspects_add(suspects, &suspect);
}

void disagg_suspects_verdict(struct disagg_suspects *suspects)
{
	const struct disagg_state_verdict *verdict = &suspects->files->state.verdict;
	bool told = suspects->files->has_state && verdict->set;
	const struct verdict_row *row;

	if (!told && suspects->files->full)
		add_full(suspects);

	if (!told || verdict->code == DISAGG_OK)
		return;
	row = row_of(verdict);
	if (row->is_hard)
		settle_after(suspects, verdict->at);
	if (verdict->worker && strcmp(row->id, "disagg-run.ended") == 0)
		settle_ended(suspects, verdict);
	else
		add_row(suspects, row, verdict);
}
