/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include <stdio.h>

#define SECOND_NS    INT64_C(1000000000)
#define LOST_AFTER_S 120
#define READY_S	     1800
#define AGAIN_NS     (10 * SECOND_NS) /* after the child has died */
#define INTERVAL_MS  4000
#define ATTEMPT_MS   60000
#define INTERVALS    4 /* questions at least before a worker counts as lost */
#define LEAST_MS     250
#define COST_MS	     15 /* of many each is asked less often */
#define MS_NS	     INT64_C(1000000)
#define NEVER	     INT64_MAX

/* ---- how long ---- */

static int64_t first_of(const struct disagg_int *own, const struct disagg_int *all, int64_t other)
{
	return own && own->set ? own->v : all->set ? all->v : other;
}

/* One that was started again gets the time that it had at first. */
static int64_t limit_of(const struct run *run, const struct unit *unit)
{
	const struct disagg_ready *own = unit->conf ? &unit->conf->ready : NULL;
	const struct disagg_ready *all = &run->in.job->health;

	if (unit->shown.state == DISAGG_UNIT_READY)
		return first_of(own ? &own->lost_after : NULL, &all->lost_after, LOST_AFTER_S) *
		       SECOND_NS;
	return first_of(own ? &own->timeout : NULL, &all->timeout, READY_S) * SECOND_NS;
}

static unsigned between(int64_t value, int64_t least, int64_t most)
{
	return (unsigned)(value < least ? least : value > most ? most : value);
}

/* ---- who is asked ---- */

static bool is_to_ask(const struct unit *unit)
{
	return unit->proc.pid && !unit->told && !unit->no_target && run_is_up(unit);
}

/* A frontend's health may tell of its workers': that it answers is enough. */
static int make_target(struct run *run, struct unit *unit, struct disagg_ready_target *target)
{
	int64_t limit_ms = limit_of(run, unit) / 1000000;
	bool is_front = unit->role->kind == DISAGG_FRONTEND || unit->role->engine == DISAGG_E_NGINX;

	if (run_ready_target(run, unit, target))
		return -1;
	if (is_front)
		target->kind = DISAGG_READY_HTTP;
	if (!limit_ms)
		limit_ms = LOST_AFTER_S * 1000;
	target->any_status = is_front;
	target->is_up = unit->shown.state == DISAGG_UNIT_READY && !unit->silent_ns;
	target->interval_ms = between(limit_ms / INTERVALS, LEAST_MS, INTERVAL_MS);
	target->attempt_ms = between(limit_ms / (INTERVALS - 1), LEAST_MS, ATTEMPT_MS);
	return 0;
}

/* Until a child has asked each of them, and waited for the answer. */
static int64_t life_of(const struct disagg_ready_target *list, unsigned count)
{
	unsigned most_ms = 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned interval_ms = list[i].interval_ms, ms;

		if (interval_ms < count * COST_MS)
			interval_ms = count * COST_MS;
		ms = interval_ms + list[i].attempt_ms;
		most_ms = ms > most_ms ? ms : most_ms;
	}
	return most_ms * MS_NS;
}

static int start_child(struct run *run, struct disagg_err *err)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_ready_target *list =
		disagg_arena_array(&scratch, run->unit_count + 1u, sizeof(*list));
	struct disagg_ready_spec spec = {.target = list, .cancel_fd = -1};
	int rc = list ? 0 : -1;

	for (unsigned i = 0; rc == 0 && i < run->unit_count; i++) {
		struct unit *unit = &run->unit[i];

		unit->asked = is_to_ask(unit);
		if (!unit->asked)
			continue;
		if (unit->shown.state != DISAGG_UNIT_READY && !unit->silent_ns)
			unit->silent_ns = run_ns();
		run->watched[spec.target_count] = unit;
		rc = make_target(run, unit, &list[spec.target_count++]);
	}
	run->watch_hurried = run_ns() < run->watch_whole_ns;
	run->watch_whole_ns = run_ns() + life_of(list, spec.target_count);
	if (rc)
		disagg_err_nomem(err);
	else if (spec.target_count)
		rc = run_ready_watch(run, &spec, err);
	disagg_arena_release(&scratch);
	return rc;
}

/*
 * A unit that came, or the child has died.  A new child asks all anew and knows
 * nothing of the questions that were open: where units come all the time, every
 * other child lives until each of its questions has had the time to be asked
 * and to fail.  One that went is asked in vain, and what is said of it is dropped.
 */
static bool is_outdated(const struct run *run)
{
	bool outdated = false;

	if (run->waiter_done)
		return true;
	if (run->watch_hurried && run_ns() < run->watch_whole_ns)
		return false;
	for (unsigned i = 0; i < run->unit_count && !outdated; i++)
		outdated = !run->unit[i].asked && is_to_ask(&run->unit[i]);
	return outdated;
}

static void restart_child(struct run *run)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (run->waiter_done && run->waiter.pid) {
		run_warn(run, "the process that asks the workers has died; it is started again");
		run->watch_ns = run_ns() + AGAIN_NS;
	}
	run_ready_stop(run);
	if (run_ns() < run->watch_ns)
		return;
	run->waiter_done = false;
	if (start_child(run, &err) == 0)
		return;
	run->waiter_done = true;
	run->watch_ns = run_ns() + AGAIN_NS;
	run_say(run, "the workers are not asked: %s", err.text);
}

/* ---- what they say ---- */

static void set_answers(struct run *run, struct unit *unit)
{
	if (unit->shown.state != DISAGG_UNIT_READY) {
		unit->shown.state = DISAGG_UNIT_READY;
		unit->shown.ready = run_now();
		run_say(run, "'%s' is ready again", unit->shown.name);
	} else if (unit->warned) {
		run_say(run, "'%s' answers again", unit->shown.name);
	}
	unit->silent_ns = 0;
	unit->lost = false;
	unit->shown.silent = 0;
	unit->shown.why = NULL;
}

void run_health_take(struct run *run, unsigned index, bool good, int64_t since_ns, const char *why)
{
	struct unit *unit = run->watched[index];

	if (!unit->asked || !is_to_ask(unit))
		return;
	if (good) {
		set_answers(run, unit);
	} else {
		if (!unit->silent_ns)
			unit->silent_ns = since_ns;
		snprintf(unit->why, sizeof(unit->why), "%s", why);
		unit->shown.why = unit->why;
		unit->shown.silent = run_now() - (double)(run_ns() - unit->silent_ns) / 1e9;
	}
	run_state_touch(run);
}

/* ---- who is lost ---- */

static void set_lost(struct run *run, struct unit *unit, int64_t limit_ns)
{
	int seconds = (int)(limit_ns / SECOND_NS);
	const char *what = unit->shown.state == DISAGG_UNIT_READY
				   ? "has given no good answer for"
				   : "was started again and is not ready after";

	unit->lost = true;
	if (unit->shown.critical)
		run_verdict(run, DISAGG_TIMEOUT, unit, "'%s' %s %d s: %s", unit->shown.name, what,
			seconds, unit->why);
	else
		run_warn(run, "'%s' %s %d s: %s (not critical)", unit->shown.name, what, seconds,
			unit->why);
}

static void check_unit(struct run *run, struct unit *unit)
{
	int64_t limit_ns = limit_of(run, unit), silence_ns = run_ns() - unit->silent_ns;

	if (!unit->silent_ns || unit->lost || !limit_ns || !is_to_ask(unit))
		return;
	if (silence_ns >= limit_ns) {
		set_lost(run, unit, limit_ns);
	} else if (unit->shown.state == DISAGG_UNIT_READY && !unit->warned &&
		   silence_ns >= limit_ns / 2) {
		unit->warned = true;
		run_warn(run, "'%s' has given no good answer for %d s: %s; after %d s it is lost",
			unit->shown.name, (int)(silence_ns / SECOND_NS), unit->why,
			(int)(limit_ns / SECOND_NS));
	}
}

/* What nobody can ask counts as ready when it runs. */
static void settle(struct run *run, struct unit *unit)
{
	if (!is_to_ask(unit))
		unit->asked = false;
	if (!run_is_up(unit)) {
		unit->silent_ns = 0;
		unit->shown.silent = 0;
		unit->shown.why = NULL;
		unit->lost = false;
	} else if (unit->no_target && !run_is_benchmark(unit) &&
		   unit->shown.state == DISAGG_UNIT_RUNNING) {
		unit->shown.state = DISAGG_UNIT_READY;
		unit->shown.ready = run_now();
		run_state_touch(run);
	}
}

void run_health_tick(struct run *run)
{
	if (!run->watches || run->ending || run->told || run->state.verdict.set)
		return;
	for (unsigned i = 0; i < run->unit_count; i++)
		settle(run, &run->unit[i]);
	if (is_outdated(run) && (run_ns() >= run->watch_ns || run->waiter.pid))
		restart_child(run);
	for (unsigned i = 0; i < run->unit_count; i++)
		check_unit(run, &run->unit[i]);
}

int64_t run_health_next(const struct run *run)
{
	int64_t next = NEVER;

	for (unsigned i = 0; run->watches && i < run->unit_count; i++) {
		const struct unit *unit = &run->unit[i];
		int64_t limit_ns = limit_of(run, unit), due_ns;

		if (!unit->silent_ns || unit->lost || !limit_ns)
			continue;
		due_ns = unit->silent_ns + limit_ns / 2;
		if (unit->warned || due_ns <= run_ns())
			due_ns = unit->silent_ns + limit_ns;
		next = due_ns < next ? due_ns : next;
	}
	return next;
}
