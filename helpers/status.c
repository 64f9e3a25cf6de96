/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/helper.h"
#include "lib/base/fd.h"
#include "lib/base/num.h"
#include "lib/diag/redact.h"
#include "lib/host/jobs.h"
#include "lib/host/rundir.h"
#include "lib/host/state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATE_BYTES (32u * 1024u * 1024u)
#define TAIL_LINES  10
#define WATCH_S	    2
#define MOST_EMPTY  30u

enum { O_FORMAT = 256, O_WATCH };
enum { AS_TEXT, AS_JSON };

static const char *const format_names[] = {"text", "json", NULL};

static const struct helper_option options[] = {
	{"format", O_FORMAT, HELPER_VALUE, "FORMAT", "text (default) or json: state.json as it is"},
	{"watch", O_WATCH, HELPER_FLAG, NULL, "again every 2 s, until the run is over"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const struct helper helper = {
	.name = "disagg-status",
	.synopsis = "[OPTION]... JOBID|RUN_DIR",
	.about = "Shows what a run of a deployment is doing: its phases, each worker and service\n"
		 "with its address, what is waited for, and the end of a failed worker's log.  A\n"
		 "job's run directory is looked for here and in the job's working directory.\n",
	.option = options,
	.examples = "  disagg-status 1234\n"
		    "  disagg-status --watch disagg-1234\n"
		    "  disagg-status --format=json 1234 | jq .verdict\n",
	.environment = "  PATH   where squeue is\n",
	.exits = "  0 ok, also where the run failed or has not begun; 2 usage, 3 state.json is\n"
		 "  damaged, 4 no such run, 5 a system call failed\n",
	.features = "disagg.state/1",
};

struct call {
	int format;
	bool watch;
	unsigned empty_looks; /* at a job that runs and has no run directory */
};

extern char **environ;

static int take(void *context, int id, const char *value)
{
	struct call *call = context;

	if (id == O_WATCH) {
		call->watch = true;
		return 0;
	}
	call->format = helper_choice(&helper, "format", format_names, value);
	return call->format < 0 ? DISAGG_USAGE : 0;
}

/* ---- showing it ---- */

static void put_clock(struct disagg_strbuf *out, double at)
{
	time_t seconds = (time_t)at;
	struct tm tm;
	char text[32];

	if (at > 0 && localtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%H:%M:%S", &tm))
		disagg_strbuf_puts(out, text);
	else
		disagg_strbuf_puts(out, "-");
}

/* With its day, where that is not the day of the start: a limit may be far off. */
static void put_limit(struct disagg_strbuf *out, double begins, double ends)
{
	time_t from = (time_t)begins, to = (time_t)ends;
	struct tm first, last;
	char day[32];

	if (begins > 0 && localtime_r(&from, &first) && localtime_r(&to, &last) &&
		(first.tm_yday != last.tm_yday || first.tm_year != last.tm_year) &&
		strftime(day, sizeof(day), "%Y-%m-%d ", &last))
		disagg_strbuf_puts(out, day);
	put_clock(out, ends);
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static bool is_frontend_started(const struct disagg_state *state)
{
	size_t len = state->frontend ? strlen(state->frontend) : 0;

	for (unsigned i = 0; len && i < state->unit_count; i++) {
		const struct disagg_state_unit *unit = state->unit[i];

		if (unit->url && strncmp(unit->url, state->frontend, len) == 0 &&
			strchr("/", unit->url[len]))
			return unit->started > 0;
	}
	return true;
}

static void put_head(struct disagg_strbuf *out, const struct disagg_state *state)
{
	double begins = 0;

	disagg_strbuf_printf(out, "job %s  %s%s  %s", or_dash(state->job_id), or_dash(state->name),
		state->rehearse ? " (rehearsal)" : "", disagg_phase_names[state->phase]);
	disagg_strbuf_puts(out, "\nphases");
	for (unsigned i = 0; i < DISAGG_PHASE_COUNT; i++) {
		if (state->phase_at[i] <= 0)
			continue;
		if (begins <= 0 || state->phase_at[i] < begins)
			begins = state->phase_at[i];
		disagg_strbuf_printf(out, "  %s ", disagg_phase_names[i]);
		put_clock(out, state->phase_at[i]);
	}
	if (state->ends_at > 0) {
		disagg_strbuf_puts(out, "  limit ");
		put_limit(out, begins, state->ends_at);
	}
	disagg_strbuf_printf(out, "\nfrontend %s%s\nfiles %s\n", or_dash(state->frontend),
		is_frontend_started(state) ? "" : " (not started)", or_dash(state->run_dir));
	if (state->waiting_for)
		disagg_strbuf_printf(out, "waiting: %s\n", state->waiting_for);
	for (unsigned i = 0; i < state->warning_count; i++)
		disagg_strbuf_printf(out, "warning: %s\n", state->warning[i]);
}

/* How it ended, or for how long it has not answered. */
static void put_remark(struct disagg_strbuf *out, const struct disagg_state_unit *unit)
{
	if (unit->how)
		disagg_strbuf_puts(out, unit->how);
	else if (unit->silent > 0)
		disagg_strbuf_printf(out, "no good answer for %.0f s: %s",
			(double)time(NULL) - unit->silent, or_dash(unit->why));
	disagg_strbuf_putc(out, '\n');
}

static void put_units(struct disagg_strbuf *out, const struct disagg_state *state)
{
	int width = 4;

	for (unsigned i = 0; i < state->unit_count; i++) {
		int len = (int)strlen(state->unit[i]->name);

		width = len > width && len < 40 ? len : width;
	}
	disagg_strbuf_printf(out, "\n%-*s  %-9s %-8s %-30s %s\n", width, "name", "state", "since",
		"address", "");
	for (unsigned i = 0; i < state->unit_count; i++) {
		const struct disagg_state_unit *unit = state->unit[i];
		double since = unit->ended > 0	 ? unit->ended
			       : unit->ready > 0 ? unit->ready
			       : unit->up > 0	 ? unit->up
						 : unit->started;

		disagg_strbuf_printf(out, "%-*s  %-9s ", width, unit->name,
			disagg_unit_state_names[unit->state]);
		put_clock(out, since);
		disagg_strbuf_printf(out, "%s%-30s ", since > 0 ? " " : "        ",
			unit->url ? unit->url : or_dash(unit->host));
		put_remark(out, unit);
	}
}

static void put_verdict(struct disagg_strbuf *out, const struct disagg_state *state)
{
	const struct disagg_state_verdict *verdict = &state->verdict;

	if (verdict->set)
		disagg_strbuf_printf(
			out, "\nverdict %d: %s\n", verdict->code, or_dash(verdict->text));
}

static void mask(void *context, char *bytes, size_t len)
{
	disagg_redact(context, bytes, len, true);
}

static void put_tail(struct disagg_arena *arena, struct disagg_strbuf *out,
	const struct disagg_state *state, struct disagg_redactor *redactor)
{
	const struct disagg_rundir_mask how = {.take = mask, .context = redactor};
	const char *worker = state->verdict.set ? state->verdict.worker : NULL;

	for (unsigned i = 0; worker && i < state->unit_count; i++) {
		const struct disagg_state_unit *unit = state->unit[i];

		if (strcmp(unit->name, worker) != 0 || !unit->log)
			continue;
		disagg_strbuf_printf(out, "end of %s:\n%s\n", unit->log,
			or_dash(disagg_rundir_tail_masked(arena, unit->log, TAIL_LINES, &how)));
	}
}

/* What looks like a secret is masked: terminals are shared and recorded.  A verdict and a
 * remark have words of logs too. */
static int put_page(struct disagg_arena *arena, struct disagg_strbuf *out,
	const struct disagg_state *state, struct disagg_err *err)
{
	struct disagg_redactor *redactor;

	if (disagg_redactor_new(&redactor, err))
		return -1;
	put_head(out, state);
	put_units(out, state);
	put_verdict(out, state);
	mask(redactor, out->text, out->len);
	put_tail(arena, out, state, redactor);
	disagg_redactor_free(redactor);
	return 0;
}

static int render(struct disagg_arena *arena, const char *dir, int format,
	struct disagg_strbuf *out, bool *ret_over, struct disagg_err *err)
{
	const char *path = disagg_arena_printf(arena, "%s/" DISAGG_RUNDIR_STATE, dir);
	struct disagg_state state;
	char *bytes;
	size_t len;

	if (!path)
		return disagg_err_nomem(err);
	if (disagg_state_read(arena, path, &state, err))
		return -1;
	*ret_over = state.phase == DISAGG_PHASE_DONE;
	if (format != AS_JSON)
		return put_page(arena, out, &state, err);
	if (disagg_fd_read_file(arena, path, STATE_BYTES, &bytes, &len, err))
		return -1;
	disagg_strbuf_add(out, bytes, len);
	return 0;
}

/* Whether Slurm knows a job that has not begun.  One that is watched gets a while
 * to make its run directory. */
static bool is_to_come(struct disagg_arena *arena, const char *word, struct call *call,
	struct disagg_job_facts *ret)
{
	int64_t job;

	if (disagg_num_int(word, 1, UINT32_MAX, &job) ||
		disagg_jobs_ask(
			arena, word, getenv("PATH"), (const char *const *)environ, ret, NULL))
		return false;
	if (strcmp(ret->state, "PENDING") == 0 || strcmp(ret->state, "CONFIGURING") == 0)
		return true;
	return call->watch && strcmp(ret->state, "RUNNING") == 0 &&
	       call->empty_looks++ < MOST_EMPTY;
}

/* Text alone: there is no state.json that JSON could be. */
static int show_to_come(const char *word, const struct disagg_job_facts *facts, int format)
{
	if (format == AS_JSON)
		return helper_fail(&helper, DISAGG_OK, "job %s is %s: nothing to show yet", word,
			facts->state);
	printf("job %s is %s%s%s%s: nothing to show yet\n", word, facts->state,
		facts->reason ? " (" : "", facts->reason ? facts->reason : "",
		facts->reason ? ")" : "");
	return fflush(stdout) ? DISAGG_SYSTEM : DISAGG_OK;
}

static int show(const char *word, struct call *call, bool *ret_over)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_strbuf out;
	const char *dir =
		disagg_jobs_run(&arena, word, getenv("PATH"), (const char *const *)environ);
	struct disagg_job_facts facts;
	int rc;

	disagg_strbuf_init(&out, 0);
	if (!dir && is_to_come(&arena, word, call, &facts))
		rc = show_to_come(word, &facts, call->format);
	else if (!dir)
		rc = helper_fail(&helper, DISAGG_MISSING,
			"no run of '%s' is found: expected a job whose run directory is in its working "
			"directory, or the run directory itself",
			word);
	else if (render(&arena, dir, call->format, &out, ret_over, &err))
		rc = helper_fail_err(&helper, &err);
	else
		rc = helper_print(&helper, &out);
	disagg_strbuf_release(&out);
	disagg_arena_release(&arena);
	return rc;
}

static int watch(const char *word, struct call *call)
{
	bool over = false, screen = isatty(STDOUT_FILENO);
	int rc;

	for (;;) {
		if (screen && call->format == AS_TEXT && disagg_fd_write_all(1, "\033[H\033[2J", 7))
			return helper_fail(&helper, DISAGG_SYSTEM, "cannot write to stdout: %m");
		rc = show(word, call, &over);
		if (rc || over)
			return rc;
		sleep(WATCH_S);
	}
}

int main(int argc, char **argv)
{
	struct call call = {.format = AS_TEXT};
	bool over = false;
	int first, rc = helper_parse(&helper, argc, argv, take, &call, &first);

	if (rc >= 0)
		return rc;
	if (first >= argc)
		return helper_usage(&helper, "expected a JOBID or a RUN_DIR");
	if (first + 1 < argc)
		return helper_usage(&helper, "unexpected argument '%s'", argv[first + 1]);
	return call.watch ? watch(argv[first], &call) : show(argv[first], &call, &over);
}
