/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/host/rundir.h"
#include "lib/host/stepenv.h"
#include "lib/plan/render.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WRITE_EVERY_NS INT64_C(200000000)
#define MOST_SAID      4096 /* of a warning */

double run_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int64_t run_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- words ---- */

static void erase_live(struct run *run)
{
	if (run->live_shown)
		fputs("\r\033[K", stderr);
	run->live_shown = false;
}

void run_say(struct run *run, const char *fmt, ...)
{
	time_t seconds = time(NULL);
	struct tm tm;
	char clock[16] = "";
	va_list args;

	if (localtime_r(&seconds, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	erase_live(run);
	fprintf(stderr, "disagg-run: %s ", clock);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

void run_live(struct run *run)
{
	unsigned count[DISAGG_UNIT_STATE_COUNT] = {0};
	enum disagg_phase phase = run->state.phase;

	if (!run->live || phase > DISAGG_PHASE_BENCHMARK)
		return;
	run->live_shown = true;
	if (phase == DISAGG_PHASE_PROBE) {
		fprintf(stderr, "\r\033[Kprobing for %.0f s",
			run_now() - run->state.phase_at[phase]);
		return;
	}
	for (unsigned i = 0; i < run->unit_count; i++)
		count[run->unit[i].shown.state]++;
	fprintf(stderr, "\r\033[K%s for %.0f s: %u ready, %u running, %u starting, %u to come",
		disagg_phase_names[phase], run_now() - run->state.phase_at[phase],
		count[DISAGG_UNIT_READY], count[DISAGG_UNIT_RUNNING], count[DISAGG_UNIT_LAUNCHING],
		count[DISAGG_UNIT_PLANNED]);
}

void run_warn(struct run *run, const char *fmt, ...)
{
	struct disagg_state *state = &run->state;
	char line[MOST_SAID];
	const char **list, *text;
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	run_say(run, "warning: %s", line);
	if (state->warning_count >= DISAGG_MAX_WARNINGS)
		return;
	text = disagg_arena_strdup(&run->arena, line);
	list = disagg_arena_grow(&run->arena, state->warning, state->warning_count,
		state->warning_count + 1u, sizeof(*list));
	if (!text || !list)
		return;
	list[state->warning_count++] = text;
	state->warning = list;
	run_state_touch(run);
}

/* ---- state.json ---- */

void run_state_touch(struct run *run)
{
	run->dirty = true;
}

static void write_state(struct run *run)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	run->dirty = false;
	run->written_ns = run_ns();
	run->state.updated = run_now();
	if (disagg_state_write(&run->state, &err) == 0 || run->state_failed)
		return;
	run->state_failed = true;
	run_verdict_err(run, NULL, &err);
}

void run_state_flush(struct run *run)
{
	if (run->dirty && run_ns() - run->written_ns >= WRITE_EVERY_NS)
		write_state(run);
}

void run_phase(struct run *run, enum disagg_phase phase)
{
	run->state.phase = phase;
	if (run->state.phase_at[phase] <= 0)
		run->state.phase_at[phase] = run_now();
	write_state(run);
}

static void set_verdict(struct run *run, int code, const struct unit *unit, const char *text)
{
	struct disagg_state_verdict *verdict = &run->state.verdict;

	if (verdict->set)
		return;
	*verdict = (struct disagg_state_verdict){.set = true,
		.code = code,
		.at = run_now(),
		.text = text ? text : "out of memory",
		.worker = unit ? unit->shown.name : NULL};
	run_say(run, "%s%s", code ? "verdict: " : "", verdict->text);
	write_state(run);
}

void run_verdict(struct run *run, int code, const struct unit *unit, const char *fmt, ...)
{
	va_list args;
	const char *text;

	va_start(args, fmt);
	text = disagg_arena_vprintf(&run->arena, fmt, args);
	va_end(args);
	set_verdict(run, code, unit, text);
}

void run_verdict_err(struct run *run, const struct unit *unit, const struct disagg_err *err)
{
	char text[1024];

	disagg_err_format(err, text, sizeof(text));
	set_verdict(run, (int)err->code, unit, disagg_arena_strdup(&run->arena, text));
}

/* ---- the folder ---- */

static int write_config(struct run *run, const char *tag, struct disagg_err *err)
{
	const char *json = run->in.config_json;

	return disagg_rundir_write(
		&run->arena, run->in.run_dir, "config.yaml", tag, json, strlen(json), err);
}

/* Where the job script's output goes, for disagg-pack: an epilog is not told.  Nothing where
 * that is no file. */
static int write_output(struct run *run, const char *tag, struct disagg_err *err)
{
	char path[4096];
	struct stat st;
	ssize_t len = readlink("/proc/self/fd/1", path, sizeof(path) - 1);

	if (len <= 0 || path[0] != '/' || fstat(STDOUT_FILENO, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	return disagg_rundir_write(
		&run->arena, run->in.run_dir, "output.path", tag, path, (size_t)len, err);
}

static int write_plan(struct run *run, const char *tag, struct disagg_err *err)
{
	struct disagg_findings found;
	struct disagg_sizing sizing = {0};
	struct disagg_strbuf out;
	int rc;

	disagg_findings_init(&found, &run->arena);
	if (disagg_sizing_make(&run->arena, run->in.job, run->in.plan, &sizing, &found))
		sizing = (struct disagg_sizing){0};
	disagg_strbuf_init(&out, 0);
	disagg_render_json(run->in.plan, &sizing, &found, &out);
	disagg_strbuf_putc(&out, '\n');
	rc = out.failed ? disagg_err_nomem(err)
			: disagg_rundir_write(&run->arena, run->in.run_dir, "plan.json", tag,
				  out.text, out.len, err);
	disagg_strbuf_release(&out);
	return rc;
}

int run_dir_environment(struct run *run, struct disagg_err *err)
{
	const char *tag = disagg_arena_printf(&run->arena, "%d", (int)getpid());

	if (!tag)
		return disagg_err_nomem(err);
	return disagg_stepenv_write(&run->arena, run->in.run_dir, tag, run->envp, run->exec, err);
}

int run_dir_make(struct run *run, struct disagg_err *err)
{
	struct disagg_state *state = &run->state;
	char host[256] = "", tag[32];

	gethostname(host, sizeof(host) - 1);
	snprintf(tag, sizeof(tag), "%d", (int)getpid());
	state->job_id = run->in.job_id;
	state->name = run->in.plan->name;
	state->run_dir = run->in.run_dir;
	state->version = DISAGG_VERSION;
	state->host = disagg_arena_strdup(&run->arena, host);
	state->pid = (int)getpid();
	state->rehearse = run->in.plan->rehearse;
	if (disagg_rundir_make(&run->arena, run->in.run_dir, err) || write_config(run, tag, err) ||
		write_plan(run, tag, err) || write_output(run, tag, err))
		return -1;
	state->phase = run->in.plan->probes != DISAGG_PROBING_NONE ? DISAGG_PHASE_PROBE
								   : DISAGG_PHASE_STARTING;
	state->updated = state->phase_at[state->phase] = run_now();
	return disagg_state_write(state, err);
}
