/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disagg-run's loop where much happens at once: many ends, many warnings.  What
 * it calls beside is stood in for, and its looks for a word to us are counted.
 */
#include "helpers/run.h"
#include "tests/unit/tap.h"
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNITS 40u

static unsigned looks; /* for a word to us */

static int counted_poll(struct pollfd *fds, nfds_t count, int ms)
{
	looks += count == 1 && ms > 0;
	return poll(fds, count, count == 1 ? 0 : ms);
}

#define poll counted_poll
#include "helpers/run-dir.c"
#include "helpers/run-steps.c"
#include "helpers/run-watch.c"
#undef poll

/* ---- stand-ins ---- */

void run_health_tick(struct run *run)
{
	(void)run;
}

int64_t run_health_next(const struct run *run)
{
	(void)run;
	return INT64_MAX;
}

void run_slurmd_tick(struct run *run)
{
	(void)run;
}

int64_t run_slurmd_next(const struct run *run)
{
	(void)run;
	return INT64_MAX;
}

void run_told_tick(struct run *run)
{
	(void)run;
}

void run_ready_input(struct run *run)
{
	(void)run;
}

bool run_nodes_input(struct run *run)
{
	(void)run;
	return false;
}

void run_nodes_ended(struct run *run)
{
	(void)run;
}

void run_look_ended(struct run *run)
{
	(void)run;
}

bool run_is_benchmark(const struct unit *unit)
{
	(void)unit;
	return false;
}

bool run_container_waits(struct run *run, const struct unit *unit)
{
	(void)run;
	(void)unit;
	return false;
}

/* ---- tests ---- */

static const struct disagg_proc none = DISAGG_PROC_INIT;

/* It writes no state.json. */
static struct run a_run(struct unit *units, unsigned count)
{
	return (struct run){.unit = units,
		.unit_count = count,
		.signal_fd = -1,
		.waiter_fd = -1,
		.nodes = {.proc = none, .in_fd = -1, .out_fd = -1},
		.probe = none,
		.look = none,
		.sinfo = none,
		.written_ns = INT64_MAX};
}

/* A process that has ended, and nobody has waited for. */
static struct disagg_proc ended(void)
{
	struct disagg_proc proc = {.pid = fork(), .pidfd = -1};
	siginfo_t info;

	if (proc.pid == 0)
		_exit(3);
	waitid(P_PID, (id_t)proc.pid, &info, WEXITED | WNOWAIT);
	return proc;
}

static void test_ends(void)
{
	static struct unit units[UNITS];
	struct run run = a_run(units, UNITS);
	unsigned done = 0;

	for (unsigned i = 0; i < UNITS; i++) {
		units[i].shown.name = "decode";
		units[i].shown.up = 1;
		units[i].shown.state = DISAGG_UNIT_READY;
		units[i].proc = ended();
	}
	looks = 0;
	run_tick(&run, run_ns());
	for (unsigned i = 0; i < UNITS; i++)
		done += units[i].done;
	is_int((int)done, (int)UNITS, "all that have ended are seen in one tick");
	is_int((int)looks, 1, "a word to us is waited for once");
	units[0].done = false;
	units[0].proc = ended();
	run_tick(&run, run_ns());
	ok(units[0].done, "one that ends later is seen as well");
	is_int((int)looks, 2, "a word to us is waited for again");
	disagg_arena_release(&run.arena);
}

static void test_warnings(void)
{
	struct run run = a_run(NULL, 0);
	size_t used;

	for (unsigned i = 0; i < DISAGG_MAX_WARNINGS; i++)
		run_warn(&run, "warning %u", i);
	used = run.arena.used;
	for (unsigned i = 0; i < 50; i++)
		run_warn(&run, "warning %u too many", i);
	is_int((int)run.state.warning_count, DISAGG_MAX_WARNINGS,
		"warnings are kept up to a limit");
	is_int((int)(run.arena.used - used), 0, "those above it take no memory");
	is_str(run.state.warning[1], "warning 1", "each is kept as it was said");
	disagg_arena_release(&run.arena);
}

int main(void)
{
	/* what is said is of no use here */
	if (!freopen("/dev/null", "w", stderr))
		return 1;
	test_ends();
	test_warnings();
	return tap_done();
}
