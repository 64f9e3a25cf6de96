/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disagg-run's watch over health, beside a worker that is started again and
 * again.  The child that asks is stood in for, and the clock as well.
 */
#include "helpers/run.h"
#include "tests/unit/tap.h"

#include "helpers/run-health.c"

#define STEP_NS (SECOND_NS / 2)

static int64_t clock_ns, child_ns;
static unsigned children, asked_count;
static unsigned interval_ms, attempt_ms;
static const struct unit *lost;

/* ---- stand-ins ---- */

double run_now(void)
{
	return (double)clock_ns / 1e9;
}

int64_t run_ns(void)
{
	return clock_ns;
}

void run_say(struct run *run, const char *fmt, ...)
{
	(void)run;
	(void)fmt;
}

void run_warn(struct run *run, const char *fmt, ...)
{
	(void)run;
	(void)fmt;
}

void run_verdict(struct run *run, int code, const struct unit *unit, const char *fmt, ...)
{
	(void)code;
	(void)fmt;
	run->state.verdict.set = true;
	lost = unit;
}

void run_state_touch(struct run *run)
{
	(void)run;
}

bool run_is_up(const struct unit *unit)
{
	return unit->shown.state == DISAGG_UNIT_RUNNING || unit->shown.state == DISAGG_UNIT_READY;
}

bool run_is_benchmark(const struct unit *unit)
{
	(void)unit;
	return false;
}

int run_ready_target(struct run *run, const struct unit *unit, struct disagg_ready_target *ret)
{
	(void)run;
	*ret = (struct disagg_ready_target){.name = unit->shown.name};
	return 0;
}

void run_ready_stop(struct run *run)
{
	run->waiter.pid = 0;
}

int run_ready_watch(struct run *run, struct disagg_ready_spec *spec, struct disagg_err *err)
{
	(void)err;
	run->waiter.pid = 1;
	child_ns = clock_ns;
	children++;
	asked_count = spec->target_count;
	interval_ms = spec->target[0].interval_ms;
	attempt_ms = spec->target[0].attempt_ms;
	return 0;
}

/* ---- tests ---- */

static const struct disagg_plan_role role;
static struct disagg_job job;

struct setup {
	struct unit units[2];
	struct unit *watched[2];
	struct run run;
};

static void set_up(struct setup *setup)
{
	*setup = (struct setup){.run = {.unit_count = 2,
					.watches = true,
					.waiter_done = true,
					.in = {.job = &job}}};
	setup->run.unit = setup->units;
	setup->run.watched = setup->watched;
	for (unsigned i = 0; i < 2; i++) {
		setup->units[i].role = &role;
		setup->units[i].proc.pid = 1;
		setup->units[i].shown.name = i ? "sidecar" : "decode";
		setup->units[i].shown.state = DISAGG_UNIT_READY;
		setup->units[i].shown.critical = !i;
	}
	clock_ns = SECOND_NS;
	children = 0;
	lost = NULL;
}

/* Down for a second of every two. */
static void move_sidecar(struct unit *unit)
{
	bool is_down = clock_ns / SECOND_NS % 2 == 0;

	unit->proc.pid = is_down ? 0 : 1;
	unit->shown.state = is_down ? DISAGG_UNIT_PLANNED : DISAGG_UNIT_RUNNING;
}

/* The first of its targets is asked an interval after the start, and hangs. */
static void answer(struct run *run)
{
	int64_t asked_ns = child_ns + interval_ms * MS_NS;

	if (run->waiter.pid && clock_ns >= asked_ns + attempt_ms * MS_NS)
		run_health_take(run, 0, false, asked_ns, "timed out");
}

static void test_restarts(void)
{
	struct setup setup;
	int64_t end_ns;

	set_up(&setup);
	end_ns = clock_ns + (LOST_AFTER_S + 120) * SECOND_NS;
	for (; clock_ns < end_ns && !setup.run.state.verdict.set; clock_ns += STEP_NS) {
		move_sidecar(&setup.units[1]);
		run_health_tick(&setup.run);
		answer(&setup.run);
	}
	ok(lost == &setup.units[0],
		"a worker that hangs is lost, though another starts again and again");
	ok(children > 2, "who is back is asked again meanwhile");
}

static void test_one_restart(void)
{
	struct setup setup;

	set_up(&setup);
	run_health_tick(&setup.run);
	clock_ns += 100 * SECOND_NS;
	setup.units[1].shown.state = DISAGG_UNIT_PLANNED;
	run_health_tick(&setup.run);
	is_int((int)children, 1, "that one has gone starts no other child");
	setup.units[1].shown.state = DISAGG_UNIT_RUNNING;
	run_health_tick(&setup.run);
	is_int((int)children, 2, "one that is back is asked at once");
	is_int((int)asked_count, 2, "with the others");
}

int main(void)
{
	test_restarts();
	test_one_restart();
	return tap_done();
}
