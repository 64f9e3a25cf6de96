/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/host/rundir.h"
#include <string.h>
#include <time.h>

#define MS_NS	   INT64_C(1000000)
#define REASON_MS  600 /* until what slurmstepd says has come to a log */
#define LOOKED_AT  8   /* logs: Slurm tells every step */
#define LAST_LINES 12
#define OLD_S	   5

/*
 * A signal does not say why.  Where Slurm ends the whole job, slurmstepd writes
 * the reason to each step's log; where only we were told, nothing comes.
 */
enum reason { NONE, CANCELLED, REQUEUED, PREEMPTED, LIMIT, NODE };

static const struct {
	const char *mark;
	const char *text;
	int code;
} reasons[] = {
	[NONE] = {NULL, NULL, DISAGG_CHECK},
	[CANCELLED] = {" CANCELLED AT ", "the job is cancelled", DISAGG_CHECK},
	[REQUEUED] = {"DUE TO JOB REQUEUE", "the job is requeued", DISAGG_CHECK},
	[PREEMPTED] = {"DUE TO PREEMPTION", "the job is preempted", DISAGG_CHECK},
	[LIMIT] = {"DUE TO TIME LIMIT", "the job's time limit has come", DISAGG_TIMEOUT},
	[NODE] = {"DUE TO NODE FAILURE", "a node of the job has failed", DISAGG_DIED},
};

/* The tail of a log, line by line; NULL ends it. */
static char *next_line(char **text)
{
	char *line = *text;
	size_t len;

	if (!line || !*line)
		return NULL;
	len = strcspn(line, "\n");
	*text = line + len + (line[len] == '\n');
	line[len] = '\0';
	return line;
}

/* "... CANCELLED AT 2026-11-26T19:01:40 DUE TO ..." of an earlier end of the step,
 * which was started again since. */
static bool is_old(const char *line, double told_at)
{
	const char *at = strstr(line, reasons[CANCELLED].mark);
	struct tm tm = {.tm_isdst = -1};

	if (!at || !strptime(at + strlen(reasons[CANCELLED].mark), "%Y-%m-%dT%H:%M:%S", &tm))
		return false;
	return (double)mktime(&tm) < told_at - OLD_S;
}

static enum reason reason_in(struct disagg_arena *scratch, const struct unit *unit, double told_at)
{
	char *text = disagg_rundir_tail(scratch, unit->shown.log, LAST_LINES);
	enum reason found = NONE;
	char *line;

	while ((line = next_line(&text))) {
		if (strncmp(line, "slurmstepd", strlen("slurmstepd")) != 0 || is_old(line, told_at))
			continue;
		for (enum reason i = CANCELLED; i <= NODE; i++)
			found = i > found && strstr(line, reasons[i].mark) ? i : found;
	}
	return found;
}

static enum reason find_reason(const struct run *run, struct disagg_arena *scratch)
{
	enum reason found = NONE;
	unsigned looked = 0;

	for (unsigned i = 0; i < run->unit_count && looked < LOOKED_AT && found == NONE; i++) {
		const struct disagg_state_unit *unit = &run->unit[i].shown;

		if (unit->started <= 0 || (unit->ended > 0 && unit->ended < run->told_at - 1))
			continue;
		found = reason_in(scratch, &run->unit[i], run->told_at);
		looked++;
	}
	return found;
}

/* Whose node it was, and srun's word about it; NULL where no log says so. */
static const struct unit *on_failed_node(
	const struct run *run, struct disagg_arena *scratch, const char **ret_line)
{
	for (unsigned i = 0; i < run->unit_count; i++) {
		char *text = disagg_rundir_tail(scratch, run->unit[i].shown.log, LAST_LINES);
		char *line;

		while ((line = next_line(&text))) {
			if (strncmp(line, RUN_NODE_FAILURE, strlen(RUN_NODE_FAILURE)) != 0)
				continue;
			*ret_line = line;
			return &run->unit[i];
		}
	}
	return NULL;
}

static void judge(struct run *run, enum reason reason)
{
	const char *phase = disagg_phase_names[run->state.phase];
	const char *signal = strsignal(run->told);

	if (reason > CANCELLED)
		run_verdict(run, reasons[reason].code, NULL, "%s (signal %d, %s, in phase '%s')",
			reasons[reason].text, run->told, signal, phase);
	else if (run->serving)
		run_verdict(run, DISAGG_OK, NULL, "told to end by signal %d (%s)%s%s", run->told,
			signal, reason ? ": " : "", reason ? reasons[reason].text : "");
	else
		run_verdict(run, DISAGG_CHECK, NULL, "ended by signal %d (%s) in phase '%s'%s%s",
			run->told, signal, phase, reason ? ": " : "",
			reason ? reasons[reason].text : "");
}

void run_told_tick(struct run *run)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	const struct unit *unit = NULL;
	const char *line = "";
	enum reason reason;

	if (!run->told || run->state.verdict.set)
		return;
	reason = find_reason(run, &scratch);
	if (reason == NODE)
		unit = on_failed_node(run, &scratch, &line);
	if (unit)
		run_verdict(run, DISAGG_DIED, unit, "'%s' has lost its node: %s (signal %d)",
			unit->shown.name, line, run->told);
	else if ((reason != NONE && reason != NODE) || run_ns() >= run->told_ns + REASON_MS * MS_NS)
		judge(run, reason);
	disagg_arena_release(&scratch);
}
