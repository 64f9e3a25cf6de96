/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/ready_loop.h"

#include <string.h>

#define SLACK_MS    10 /* what is due so soon goes out with the rest */
#define COST_MS	    15 /* of one target: 67 questions a second to what is missing */
#define WRONG_POLLS 3u /* a model list can be short-lived while workers come */

/* ---- delays ---- */

static int64_t random_below(struct disagg_ready_loop *loop, int64_t limit_ns)
{
	loop->random ^= loop->random << 13;
	loop->random ^= loop->random >> 7;
	loop->random ^= loop->random << 17;
	return (int64_t)(loop->random % (uint64_t)limit_ns);
}

/* 0.75 to 1.25 of it, so that many targets do not stay in step. */
static int64_t jitter(struct disagg_ready_loop *loop, int64_t delay_ns)
{
	return delay_ns / 4 * 3 + random_below(loop, delay_ns / 2 + 1);
}

int64_t disagg_ready_at_least_cost(unsigned many, int64_t delay_ns)
{
	int64_t cost_ns = many * COST_MS * DISAGG_READY_MS;

	return delay_ns > cost_ns ? delay_ns : cost_ns;
}

static int64_t most_delay(const struct disagg_ready_loop *loop)
{
	return disagg_ready_at_least_cost(loop->count - loop->good, 2 * loop->interval_ns);
}

int64_t disagg_ready_backoff(struct disagg_ready_loop *loop, unsigned failures)
{
	int64_t most_ns = most_delay(loop);
	int64_t delay_ns = disagg_ready_at_least_cost(loop->count - loop->good, loop->interval_ns);

	/* all were asked at the start: from then on they come evenly */
	if (failures == 1)
		return random_below(loop, delay_ns);
	for (unsigned i = 1; i < failures && delay_ns < most_ns; i++)
		delay_ns += delay_ns / 2;
	return jitter(loop, delay_ns < most_ns ? delay_ns : most_ns);
}

void disagg_ready_set_due(
	struct disagg_ready_loop *loop, struct disagg_ready_check *check, int64_t due_ns)
{
	check->due_ns = due_ns;
	if (due_ns < loop->next_ns)
		loop->next_ns = due_ns;
}

/* ---- rounds: every target good within one interval, K of them in a row ---- */

static void lose_round(struct disagg_ready_loop *loop)
{
	loop->in_round = false;
	loop->held = 0;
	if (loop->canary.sent) {
		loop->canary.failed = true;
		disagg_ready_why(loop->canary.why, "a worker was lost meanwhile");
	}
}

void disagg_ready_begin_round(struct disagg_ready_loop *loop, int64_t begin_ns)
{
	loop->in_round = true;
	loop->round_ns = begin_ns;
	loop->fresh = 0;
	for (unsigned i = 0; i < loop->count; i++) {
		struct disagg_ready_check *check = &loop->check[i];

		check->fresh = check->good_ns >= begin_ns;
		if (check->fresh)
			loop->fresh++;
		else
			disagg_ready_set_due(loop, check, begin_ns);
	}
}

/* false: the round has not begun yet. */
static bool set_fresh(
	struct disagg_ready_loop *loop, struct disagg_ready_check *check, int64_t now_ns)
{
	if (!loop->in_round || check->fresh)
		return true;
	if (now_ns < loop->round_ns)
		return false;
	check->fresh = true;
	loop->fresh++;
	return true;
}

/* ---- one target ---- */

/* Where one came up others have as well: all are asked within an interval,
 * unless that was done just now. */
static void hurry(struct disagg_ready_loop *loop, int64_t now_ns)
{
	int64_t most_ns = now_ns + loop->interval_ns;

	/* fewer are missing, so that each may be asked more often */
	loop->next_ns = now_ns;
	if (now_ns < loop->hurried_ns + most_delay(loop))
		return;
	loop->hurried_ns = now_ns;
	for (unsigned i = 0; i < loop->count; i++) {
		struct disagg_ready_check *check = &loop->check[i];

		if (!check->good && check->due_ns > most_ns && check->due_ns != DISAGG_READY_NEVER)
			disagg_ready_set_due(
				loop, check, now_ns + random_below(loop, loop->interval_ns));
	}
}

static void check_good(
	struct disagg_ready_loop *loop, struct disagg_ready_check *check, int64_t now_ns)
{
	bool came_up = !check->good;

	if (came_up)
		loop->good++;
	check->good = true;
	if (came_up)
		hurry(loop, now_ns);
	check->good_ns = now_ns;
	check->failures = check->wrong = 0;
	check->why[0] = '\0';
	/* asked again now and then, in case that it is lost before the others are there */
	if (set_fresh(loop, check, now_ns))
		disagg_ready_set_due(loop, check,
			now_ns + jitter(loop, disagg_ready_at_least_cost(
						      2 * loop->good, 8 * loop->interval_ns)));
	else
		disagg_ready_set_due(loop, check, loop->round_ns);
}

static void check_bad(
	struct disagg_ready_loop *loop, struct disagg_ready_check *check, int64_t now_ns)
{
	if (check->good)
		loop->good--;
	check->good = false;
	check->failures++;
	lose_round(loop);
	disagg_ready_set_due(loop, check, now_ns + disagg_ready_backoff(loop, check->failures));
}

/* A wrong model is believed when all else is ready and it stays. */
static void check_wrong(
	struct disagg_ready_loop *loop, struct disagg_ready_check *check, int64_t now_ns)
{
	check_bad(loop, check, now_ns);
	if (loop->good + 1 < loop->count || ++check->wrong < WRONG_POLLS)
		return;
	disagg_err_set(loop->err, DISAGG_INVALID, "%s: %s", check->target->name, check->why);
	loop->broken = true;
}

static void on_answer(void *context, const struct disagg_http_response *answer)
{
	struct disagg_ready_check *check = context;
	struct disagg_ready_loop *loop = check->loop;
	char why[DISAGG_READY_WHY] = "";
	enum disagg_ready_verdict verdict;

	if (loop->ended)
		return;
	verdict = check->row->step[check->step].judge(check->target, answer, why);
	if (verdict == DISAGG_READY_NEXT) {
		check->step++;
		disagg_ready_ask(loop, check);
		return;
	}
	check->busy = false;
	if (loop->watches) {
		disagg_ready_watched(check, verdict == DISAGG_READY_GOOD, why);
		return;
	}
	memcpy(check->why, why, sizeof(why));
	if (verdict == DISAGG_READY_GOOD) {
		if (check == loop->model_check && !loop->spec->model)
			(void)disagg_ready_first_model(answer, loop->model, sizeof(loop->model));
		check_good(loop, check, answer->done_ns);
	} else if (verdict == DISAGG_READY_WRONG) {
		check_wrong(loop, check, answer->done_ns);
	} else {
		check_bad(loop, check, answer->done_ns);
	}
}

static unsigned attempt_ms(const struct disagg_ready_check *check)
{
	unsigned of_all = check->loop->spec->attempt_ms, own = check->target->attempt_ms;

	return own ? own : of_all ? of_all : 5000;
}

void disagg_ready_ask(struct disagg_ready_loop *loop, struct disagg_ready_check *check)
{
	unsigned limit_ms = attempt_ms(check);
	struct disagg_http_request request = {
		.url = check->url[check->step],
		.connect_timeout_ms = limit_ms < 2000 ? limit_ms : 2000,
		.timeout_ms = limit_ms,
		.close = true,
		.greeting = check->row->greeting,
		.on_done = on_answer,
		.context = check,
	};

	check->busy = true;
	check->asked_ns = disagg_monotonic_ns();
	if (disagg_http_add(loop->http, &request, loop->err))
		loop->broken = true;
}

/* When it is asked next: as set, but no later than what is asked of it now. */
static int64_t due_of(const struct disagg_ready_check *check, int64_t most_ns)
{
	int64_t latest_ns = check->asked_ns + most_ns;

	if (check->good || !check->asked_ns || check->due_ns < latest_ns)
		return check->due_ns;
	return latest_ns;
}

void disagg_ready_ask_due(struct disagg_ready_loop *loop, int64_t now_ns)
{
	int64_t soon_ns = now_ns + SLACK_MS * DISAGG_READY_MS, most_ns = most_delay(loop) / 4 * 5;

	if (now_ns < loop->next_ns)
		return;
	loop->next_ns = DISAGG_READY_NEVER;
	for (unsigned i = 0; i < loop->count && !loop->broken; i++) {
		struct disagg_ready_check *check = &loop->check[i];

		if (check->busy)
			continue;
		check->due_ns = due_of(check, most_ns);
		if (check->due_ns > soon_ns) {
			disagg_ready_set_due(loop, check, check->due_ns);
			continue;
		}
		check->step = 0;
		disagg_ready_ask(loop, check);
	}
}
