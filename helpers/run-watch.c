/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/base/num.h"
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define MS_NS	    INT64_C(1000000)
#define SECOND_NS   INT64_C(1000000000)
#define LOOK_MS	    50	/* for the marks of steps that start */
#define NO_PIDFD_MS 100 /* where the kernel tells nothing of children */
#define IDLE_MS	    5000

int run_watch_open(struct run *run, struct disagg_err *err)
{
	sigset_t set, block;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	block = set;
	sigaddset(&block, SIGPIPE); /* a step's input that is closed is an error of write */
	if (sigprocmask(SIG_BLOCK, &block, NULL))
		return disagg_err_sys(err, "cannot block signals");
	run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->signal_fd < 0)
		return disagg_err_sys(err, "cannot watch for signals");
	return 0;
}

/* ---- the deadline ---- */

static int64_t end_of_job(struct run *run, bool ask, struct disagg_err *err)
{
	const char *given = ask ? NULL : getenv("SLURM_JOB_END_TIME");
	int64_t end = 0;

	if (given && disagg_num_int(given, 1, INT64_MAX, &end) == 0)
		return end;
	return disagg_slurm_end_time(&run->arena, &run->slurm, &end, err) ? -1 : end;
}

/* A job of a few minutes keeps at least half of what is left to it. */
static void set_deadline(struct run *run, bool ask)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	int64_t end = end_of_job(run, ask, &err), wait = 30, now = (int64_t)time(NULL), left;

	if (end == INT64_MAX)
		return;
	if (end < 0 || disagg_slurm_kill_wait(&run->arena, &run->slurm, &wait, &err)) {
		if (!run->state.verdict.set)
			run_warn(run, "the job's end is not known: %s", err.text);
		if (end < 0)
			return;
	}
	left = end - now - wait - run->margin_s;
	if (left < (end - now) / 2)
		left = (end - now) / 2;
	run->deadline_ns = run_ns() + (left > 0 ? left : 0) * SECOND_NS;
	run->state.ends_at = (double)(now + left);
	run_state_touch(run);
}

void run_deadline(struct run *run)
{
	set_deadline(run, false);
}

/* The limit may have been moved since. */
static void check_deadline(struct run *run)
{
	int64_t before = run->deadline_ns;

	if (!before || run->ending || run->told || run->state.verdict.set || run_ns() < before)
		return;
	run->deadline_ns = 0;
	set_deadline(run, true);
	if (run->deadline_ns > before + 2 * SECOND_NS &&
		run->deadline_ns > run_ns() + 2 * SECOND_NS)
		return;
	run->deadline_ns = 0;
	run_verdict(run, DISAGG_TIMEOUT, NULL,
		"the job's time limit comes: it is ended in order while there is time");
}

/* ---- signals ---- */

static void take_signals(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int number = (int)info.ssi_signo;

		if (run->ending || run->told || run->state.verdict.set) {
			run_say(run, "signal %d (%s): already ending", number, strsignal(number));
			continue;
		}
		run->told = number;
		run->told_ns = run_ns();
		run->told_at = run_now();
	}
}

/* ---- children ---- */

/* All that have ended are found before the first is judged, which may take a while. */
static void take_ends(struct run *run)
{
	run->looked = false;
	for (unsigned i = 0; i < run->unit_count; i++) {
		struct unit *unit = &run->unit[i];

		unit->reaped = unit->proc.pid && disagg_proc_reap(&unit->proc);
	}
	if (run->nodes.proc.pid && disagg_proc_reap(&run->nodes.proc))
		run_nodes_ended(run);
	if (run->probe.pid)
		disagg_proc_reap(&run->probe);
	if (run->look.pid && disagg_proc_reap(&run->look))
		run_look_ended(run);
	for (unsigned i = 0; i < run->unit_count; i++) {
		if (run->unit[i].reaped)
			run_step_ended(run, &run->unit[i]);
	}
}

/* ---- the loop ---- */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_look(const struct run *run, int64_t until)
{
	int64_t now = run_ns(), next = sooner(until, now + IDLE_MS * MS_NS);

	if (run->moved)
		return 0;
	if (run->live && run->state.phase <= DISAGG_PHASE_BENCHMARK)
		next = sooner(next, now + RUN_LIVE_NS);
	if (run->dirty)
		next = sooner(next, now + 2 * LOOK_MS * MS_NS);
	if (run->deadline_ns && !run->ending)
		next = sooner(next, run->deadline_ns);
	if (run->look.pid)
		next = sooner(next, now + NO_PIDFD_MS * MS_NS);
	if (run->probe.pid && run->probe.pidfd < 0)
		next = sooner(next, now + NO_PIDFD_MS * MS_NS);
	if (run->nodes.proc.pid && run->nodes.proc.pidfd < 0)
		next = sooner(next, now + NO_PIDFD_MS * MS_NS);
	if (run->told && !run->state.verdict.set)
		next = sooner(next, now + LOOK_MS * MS_NS);
	if (!run->ending)
		next = sooner(next, sooner(run_health_next(run), run_slurmd_next(run)));
	for (unsigned i = 0; i < run->unit_count; i++) {
		const struct unit *unit = &run->unit[i];
		bool waits = unit->wanted && !unit->done && !unit->proc.pid && !run->ending;

		if (unit->proc.pid && unit->shown.state == DISAGG_UNIT_LAUNCHING)
			next = sooner(next, now + LOOK_MS * MS_NS);
		if (waits)
			next = sooner(next, unit->not_before_ns > now ? unit->not_before_ns
								      : now + LOOK_MS * MS_NS);
		if (unit->proc.pid && unit->proc.pidfd < 0)
			next = sooner(next, now + NO_PIDFD_MS * MS_NS);
	}
	return next > now ? next - now : 0;
}

static unsigned fill_fds(const struct run *run, struct pollfd *fds)
{
	unsigned count = 0;

	fds[count++] = (struct pollfd){.fd = run->signal_fd, .events = POLLIN};
	fds[count++] =
		(struct pollfd){.fd = run->waiter_done ? -1 : run->waiter_fd, .events = POLLIN};
	fds[count++] = (struct pollfd){.fd = run->nodes.out_fd, .events = POLLIN};
	fds[count++] = (struct pollfd){.fd = run->nodes.proc.pidfd, .events = POLLIN};
	if (run->probe.pid)
		fds[count++] = (struct pollfd){.fd = run->probe.pidfd, .events = POLLIN};
	if (run->sinfo.pid)
		fds[count++] = (struct pollfd){.fd = run->sinfo.pidfd, .events = POLLIN};
	for (unsigned i = 0; i < run->unit_count; i++) {
		if (run->unit[i].proc.pid)
			fds[count++] =
				(struct pollfd){.fd = run->unit[i].proc.pidfd, .events = POLLIN};
	}
	return count;
}

void run_tick(struct run *run, int64_t until_ns)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct pollfd *fds;
	unsigned count = 0;

	run_steps_advance(run);
	run_health_tick(run);
	run_slurmd_tick(run);
	run_state_flush(run);
	run_live(run);
	fds = disagg_arena_array(&scratch, run->unit_count + 6u, sizeof(*fds));
	if (fds)
		count = fill_fds(run, fds);
	poll(fds, count, (int)(next_look(run, until_ns) / MS_NS) + 1);
	take_signals(run);
	if (fds && fds[1].revents)
		run_ready_input(run);
	if (fds && fds[2].revents)
		run_nodes_input(run);
	take_ends(run);
	run_told_tick(run);
	run->moved = false;
	check_deadline(run);
	disagg_arena_release(&scratch);
}
