/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/base/fd.h"
#include "lib/engine/client.h"
#include "lib/host/container.h"
#include "lib/host/json.h"
#include "lib/host/rundir.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_NAME "client.log"
#define MOST_LOG (1024u * 1024u)

/*
 * Whether a benchmark's client is there is known in its container alone.  Where
 * nothing could take its place that is looked up while workers load their
 * models, and not when all is up.
 */
static struct unit *find_benchmark(const struct run *run)
{
	for (unsigned i = 0; i < run->unit_count; i++) {
		struct unit *unit = &run->unit[i];

		if (run_is_benchmark(unit) && !unit->health.program)
			return unit;
	}
	return NULL;
}

/* Clients that disagg-bench stands in for anyway need no look. */
static bool may_be_refused(struct run *run, const struct unit *unit)
{
	const char *choice = getenv("DISAGG_BENCH_CLIENT");
	bool own = choice && *choice ? strcmp(choice, "own") == 0
				     : run->in.job->bench.client == DISAGG_CLIENT_OWN;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_client client;

	if (disagg_engine_client(&run->arena, run->in.job, run->in.plan, unit->service,
		    &run->in.engine, &client, &err))
		return false;
	return own || client.no_load || client.after.count;
}

static int start(struct run *run, const struct unit *unit, int log_fd, struct disagg_err *err)
{
	const char *const program[] = {
		unit->in_container ? DISAGG_CONTAINER_BIN "/disagg-exec" : run->exec, "--show",
		NULL};
	struct disagg_step_call call = {
		.role = unit->role_text,
		.name = RUN_LOOK_STEP,
		.log = disagg_arena_printf(&run->arena, "%s/" LOG_NAME, run->in.run_dir),
		.options = unit->conf ? &unit->conf->srun_options : NULL,
		.container = unit->container,
		.program = program,
	};
	struct disagg_proc_spec spec = {.envp = run->envp,
		.in_fd = -1,
		.out_fd = log_fd,
		.err_fd = log_fd,
		.own_group = true};

	if (!call.log)
		return disagg_err_nomem(err);
	spec.argv = disagg_step_argv(&run->arena, &run->slurm, &call);
	return spec.argv ? disagg_proc_spawn(&spec, &run->look, err) : disagg_err_nomem(err);
}

void run_look_start(struct run *run)
{
	const struct unit *unit = find_benchmark(run);
	struct disagg_err err = DISAGG_ERR_INIT;
	int fd;

	if (!unit || run->in.plan->rehearse || run->state.verdict.set ||
		(!unit->in_container && !may_be_refused(run, unit)))
		return;
	fd = disagg_rundir_open_log(&run->arena, run->in.run_dir, LOG_NAME, &err);
	if (fd < 0 || start(run, unit, fd, &err))
		run_warn(run, "nobody looks for the benchmark's client: %s", err.text);
	if (fd >= 0)
		close(fd);
}

/* ---- what was seen ---- */

static bool is_bench(const struct disagg_json *argv)
{
	static const char name[] = "/disagg-bench";
	const char *program = disagg_json_text(disagg_json_item(argv, 0));
	size_t len = program ? strlen(program) : 0;

	return len >= sizeof(name) - 1 && strcmp(program + len - (sizeof(name) - 1), name) == 0;
}

/* disagg-exec --show: "argv", or several "runs". */
static bool is_bench_alone(const char *line)
{
	struct disagg_json *shown;
	const struct disagg_json *runs;
	bool alone;

	if (disagg_json_parse(&shown, line, strlen(line), NULL))
		return false;
	runs = disagg_json_at(shown, "runs");
	alone = disagg_json_count(runs) || is_bench(disagg_json_at(shown, "argv"));
	for (size_t i = 0; i < disagg_json_count(runs); i++)
		alone = alone && is_bench(disagg_json_item(runs, i));
	disagg_json_free(shown);
	return alone;
}

/* The words for people come before the line of JSON. */
static void take_place(struct run *run, struct unit *unit, const char *log)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	char *text = NULL, *line;
	size_t len;

	if (disagg_fd_read_file(&scratch, log, MOST_LOG, &text, &len, NULL) == 0) {
		line = strstr(text, "{\"worker\":");
		if (line)
			line[strcspn(line, "\n")] = '\0';
		if (line && is_bench_alone(line)) {
			unit->stands_in = true;
			unit->in_container = false;
			unit->container = NULL;
			unit->shown.container = NULL;
			run_say(run, "disagg-bench measures, on the node; '%s' says why", log);
		}
	}
	disagg_arena_release(&scratch);
}

/* Slurm's own troubles with the step are no word about the client. */
void run_look_ended(struct run *run)
{
	int code = disagg_proc_code(run->look.status);
	const char *log = disagg_arena_printf(&run->arena, "%s/" LOG_NAME, run->in.run_dir);
	struct unit *unit = find_benchmark(run);

	if (run->ending || run->state.verdict.set || !log || !unit)
		return;
	if (code == DISAGG_MISSING || code == DISAGG_USAGE || code == DISAGG_CONFIG)
		run_verdict(run, code, unit, "%s", run_last_words(run, log));
	else if (code)
		run_warn(run, "the look for the benchmark's client failed: %s",
			run_last_words(run, log));
	else if (unit->in_container)
		take_place(run, unit, log);
}

void run_look_await(struct run *run)
{
	while (run->look.pid && !run->state.verdict.set)
		run_tick(run, INT64_MAX);
}
