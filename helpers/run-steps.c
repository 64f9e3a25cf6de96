/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/host/container.h"
#include "lib/host/rundir.h"
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS  INT64_C(1000000000)
#define RETRY_NS   SECOND_NS
#define LAST_LINES 10
#define TOLD_MS	   300

/* ---- one launch ---- */

/* A rank of an MPI world finds the others by PMIx. */
static const char *mpi_of(const struct run *run, const struct unit *unit)
{
	bool given = unit->conf && disagg_map_get(&unit->conf->srun_options, "mpi");

	if (run->in.plan->rehearse || given)
		return NULL;
	return unit->role->engine == DISAGG_E_TRTLLM && unit->worker ? "pmix" : NULL;
}

static int spawn(struct run *run, struct unit *unit, int log_fd, struct disagg_err *err)
{
	static const char *const stand_in[] = {"DISAGG_BENCH_CLIENT=disagg", NULL};
	const char *const program[] = {
		unit->in_container ? DISAGG_CONTAINER_BIN "/disagg-exec" : run->exec, NULL};
	struct disagg_step_call call = {
		.role = unit->role_text,
		.name = unit->shown.name,
		.log = unit->shown.log,
		.options = unit->conf && !run->in.plan->rehearse ? &unit->conf->srun_options : NULL,
		.mpi = mpi_of(run, unit),
		.container = unit->container,
		.program = program,
	};
	struct disagg_proc_spec spec = {.envp = run->envp,
		.in_fd = -1,
		.out_fd = log_fd,
		.err_fd = log_fd,
		.own_group = true};

	if (unit->stands_in)
		spec.envp = disagg_proc_env(&run->arena, run->envp, stand_in);
	spec.argv = disagg_step_argv(&run->arena, &run->slurm, &call);
	if (!spec.argv || !spec.envp)
		return disagg_err_nomem(err);
	return disagg_proc_spawn(&spec, &unit->proc, err);
}

static void drop_marks(struct run *run, const struct unit *unit)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	uint32_t count = unit->worker ? unit->worker->tasks : 1;

	for (uint32_t rank = 0; rank < count; rank++) {
		const char *name = disagg_rundir_mark_of(&scratch, unit->shown.name, rank);

		if (name && (rank == 0 || unit->container_name))
			disagg_rundir_mark_drop(&scratch, run->in.run_dir, name);
	}
	disagg_arena_release(&scratch);
}

static void launch(struct run *run, struct unit *unit)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	const char *log = strrchr(unit->shown.log, '/') + 1;
	int fd = disagg_rundir_open_log(&scratch, run->in.run_dir, log, &err);
	int rc = -1;

	drop_marks(run, unit);
	if (fd >= 0)
		rc = spawn(run, unit, fd, &err);
	if (fd >= 0)
		close(fd);
	disagg_arena_release(&scratch);
	if (rc) {
		run_verdict_err(run, unit, &err);
		return;
	}
	unit->tries++;
	unit->launched_ns = run_ns();
	unit->shown.state = DISAGG_UNIT_LAUNCHING;
	unit->shown.started = run_now();
	unit->shown.up = unit->shown.ready = unit->shown.ended = 0;
	unit->shown.how = NULL;
	unit->shown.step = NULL;
	run_state_touch(run);
}

/* ---- what is up ---- */

bool run_is_up(const struct unit *unit)
{
	return unit->shown.state == DISAGG_UNIT_RUNNING || unit->shown.state == DISAGG_UNIT_READY;
}

/* Of a worker that was tried twice the later step is the one that runs. */
static void note_step(struct unit *unit, const char *id)
{
	size_t len = unit->shown.step ? strlen(unit->shown.step) : 0, own = strlen(id);

	if (own > len || (own == len && strcmp(id, unit->shown.step) > 0))
		unit->shown.step = id;
}

void run_steps_note(struct run *run)
{
	struct disagg_steps steps;
	struct disagg_err err = DISAGG_ERR_INIT;

	run->unnoted = false;
	if (disagg_steps_list(&run->arena, &run->slurm, &steps, &err))
		return;
	for (unsigned i = 0; i < run->unit_count; i++) {
		for (unsigned s = 0; s < steps.count; s++) {
			if (strcmp(steps.v[s].name, run->unit[i].shown.name) == 0)
				note_step(&run->unit[i], steps.v[s].id);
		}
	}
	run_state_touch(run);
}

static bool look_for_mark(struct run *run, struct unit *unit)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_rundir_mark mark;
	bool found = disagg_rundir_mark_get(&scratch, run->in.run_dir, unit->shown.name, &mark);

	if (found) {
		unit->shown.ip = disagg_arena_strdup(&run->arena, mark.ip);
		unit->shown.state = DISAGG_UNIT_RUNNING;
		unit->shown.up = run_now();
		run->moved = true;
		run->unnoted |= unit->shown.restarts > 0;
		run_state_touch(run);
	}
	disagg_arena_release(&scratch);
	return found;
}

static void check_launch(struct run *run, struct unit *unit)
{
	int limit = unit->in_container ? RUN_CONTAINER_S : RUN_LAUNCH_S;

	if (look_for_mark(run, unit))
		return;
	if (run_ns() - unit->launched_ns > limit * SECOND_NS)
		run_verdict(run, DISAGG_SYSTEM, unit,
			"the step of '%s' has not started within %d s (see '%s')", unit->shown.name,
			limit, unit->shown.log);
}

void run_steps_advance(struct run *run)
{
	unsigned launching = 0;

	for (unsigned i = 0; i < run->unit_count; i++) {
		struct unit *unit = &run->unit[i];

		if (unit->proc.pid && unit->shown.state == DISAGG_UNIT_LAUNCHING)
			check_launch(run, unit);
		launching += unit->proc.pid && unit->shown.state == DISAGG_UNIT_LAUNCHING;
	}
	if (run->unnoted && !run->ending)
		run_steps_note(run);
	for (unsigned i = 0; i < run->unit_count && launching < RUN_MOST_LAUNCHES; i++) {
		struct unit *unit = &run->unit[i];

		if (run->ending || run->told || run->state.verdict.set)
			return;
		if (!unit->wanted || unit->proc.pid || unit->done || run_ns() < unit->not_before_ns)
			continue;
		if (run_container_waits(run, unit))
			continue;
		launch(run, unit);
		launching++;
	}
}

/* ---- ends ---- */

/* A hint, and what was said before the program itself ran. */
static bool is_no_reason(const char *line)
{
	static const char *const begins[] = {"try '", "disagg-exec: binding"};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		if (strncmp(line, begins[i], strlen(begins[i])) == 0)
			return true;
	}
	return false;
}

const char *run_last_words(struct run *run, const char *log)
{
	char *text = disagg_rundir_tail(&run->arena, log, LAST_LINES);
	const char *words = NULL, *slurm = NULL, *node = NULL;

	for (char *line = text; line && *line;) {
		char *end = line + strcspn(line, "\n");
		bool is_last = !*end;

		*end = '\0';
		if (strncmp(line, "srun: ", 6) == 0 || strncmp(line, "slurmstepd", 10) == 0)
			slurm = slurm && strstr(slurm, "rror:") ? slurm : line;
		else if (*line && !is_no_reason(line))
			words = line;
		if (strncmp(line, RUN_NODE_FAILURE, strlen(RUN_NODE_FAILURE)) == 0)
			node = line;
		line = is_last ? end : end + 1;
	}
	return node ? node : words ? words : slurm ? slurm : "its log is empty";
}

static void try_again(struct run *run, struct unit *unit)
{
	unit->shown.state = DISAGG_UNIT_PLANNED;
	unit->not_before_ns = run_ns() + RETRY_NS * unit->tries;
	run_state_touch(run);
}

static void give_up(struct run *run, struct unit *unit, int code, const char *what)
{
	char how[64];

	unit->done = true;
	unit->shown.state =
		unit->shown.critical || unit->proc.status ? DISAGG_UNIT_FAILED : DISAGG_UNIT_ENDED;
	/* a signal is the reason, and what was said before is not */
	if (unit->shown.critical)
		run_verdict(run, code, unit, "%s: %s%s %s", what, unit->shown.how,
			disagg_proc_tell_task(unit->proc.status, how, sizeof(how))
				? "; its log ends with:"
				: ":",
			run_last_words(run, unit->shown.log));
	else
		run_warn(run, "%s: %s (not critical)", what, unit->shown.how);
}

static void launch_failed(struct run *run, struct unit *unit)
{
	const char *what = disagg_arena_printf(
		&run->arena, "the step of '%s' does not start", unit->shown.name);

	if (!what)
		what = "a step does not start";
	if (unit->tries >= RUN_TRIES) {
		give_up(run, unit, DISAGG_SYSTEM, what);
		return;
	}
	run_warn(run, "%s: %s: %s; try %u of %u follows", what, unit->shown.how,
		run_last_words(run, unit->shown.log), unit->tries + 1, RUN_TRIES);
	try_again(run, unit);
}

static void worker_ended(struct run *run, struct unit *unit)
{
	const char *what = disagg_arena_printf(&run->arena, "'%s' has ended", unit->shown.name);

	if (!what)
		what = "a worker has ended";
	if (!unit->restarts) {
		give_up(run, unit, DISAGG_DIED, what);
		return;
	}
	unit->restarts--;
	unit->shown.restarts++;
	unit->tries = 1;
	run_warn(run, "%s: %s; it is started again: restart %u of %u", what, unit->shown.how,
		unit->shown.restarts, unit->shown.restarts + unit->restarts);
	try_again(run, unit);
	unit->tries = 0;
}

bool run_told_too(struct run *run)
{
	struct pollfd word = {.fd = run->signal_fd, .events = POLLIN};
	int ms = run->looked ? 0 : TOLD_MS;

	if (run->told)
		return true;
	run->looked = true;
	return poll(&word, 1, ms) > 0;
}

/* It was told, or the whole run was, which the verdict need not say yet. */
static bool was_to_end(const struct run *run, const struct unit *unit)
{
	const struct disagg_state_verdict *verdict = &run->state.verdict;

	return unit->told || run->told || !verdict->set || verdict->code == DISAGG_OK;
}

void run_step_ended(struct run *run, struct unit *unit)
{
	char how[64];
	bool was_up = unit->shown.up > 0 || look_for_mark(run, unit);

	(void)disagg_proc_tell_task(unit->proc.status, how, sizeof(how));
	unit->shown.how = disagg_arena_strdup(&run->arena, how);
	if (!unit->shown.how)
		unit->shown.how = "an unknown status";
	unit->shown.ended = run_now();
	unit->launched_ns = 0;
	run_state_touch(run);
	if (run_is_benchmark(unit) && was_up && !unit->told) {
		unit->done = true;
		unit->shown.state = unit->proc.status ? DISAGG_UNIT_FAILED : DISAGG_UNIT_ENDED;
	} else if (run->ending || unit->told || run->state.verdict.set || run_told_too(run)) {
		unit->done = true;
		unit->shown.state = was_to_end(run, unit) ? DISAGG_UNIT_ENDED : DISAGG_UNIT_FAILED;
	} else if (was_up) {
		worker_ended(run, unit);
	} else {
		launch_failed(run, unit);
	}
}
