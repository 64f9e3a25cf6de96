/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/ready_loop.h"

#include <stdio.h>
#include <string.h>

#define INTERVAL_MS 5000
#define SLEEP_MS    60000

static int64_t interval_of(const struct disagg_ready_check *check)
{
	int64_t ms = check->target->interval_ms ? check->target->interval_ms : INTERVAL_MS;

	return disagg_ready_at_least_cost(check->loop->count, ms * DISAGG_READY_MS);
}

static void tell(const struct disagg_ready_check *check)
{
	const struct disagg_ready_loop *loop = check->loop;

	loop->spec->changed(loop->spec->context, (unsigned)(check - loop->check), check->good,
		check->good ? check->good_ns : check->bad_ns, check->why);
}

void disagg_ready_watched(struct disagg_ready_check *check, bool good, const char *why)
{
	int64_t now_ns = disagg_monotonic_ns(), due_ns = check->asked_ns + interval_of(check);
	bool is_news = good != check->good || (!good && strcmp(why, check->why) != 0);

	/* it was silent from the question on, not only from the end of the wait */
	if (!good && !check->bad_ns)
		check->bad_ns = check->asked_ns;
	if (good) {
		check->bad_ns = 0;
		check->good_ns = now_ns;
	}
	check->good = good;
	snprintf(check->why, sizeof(check->why), "%s", why);
	disagg_ready_set_due(check->loop, check, due_ns > now_ns ? due_ns : now_ns);
	if (is_news)
		tell(check);
}

static void ask_due(struct disagg_ready_loop *loop, int64_t now_ns)
{
	if (now_ns < loop->next_ns)
		return;
	loop->next_ns = DISAGG_READY_NEVER;
	for (unsigned i = 0; i < loop->count && !loop->broken; i++) {
		struct disagg_ready_check *check = &loop->check[i];

		if (check->busy)
			continue;
		if (check->due_ns > now_ns) {
			disagg_ready_set_due(loop, check, check->due_ns);
			continue;
		}
		check->step = 0;
		disagg_ready_ask(loop, check);
	}
}

static int sleep_ms(const struct disagg_ready_loop *loop, int64_t now_ns)
{
	int64_t left_ns = loop->next_ns - now_ns;

	if (left_ns > SLEEP_MS * DISAGG_READY_MS)
		return SLEEP_MS;
	return left_ns <= 0 ? 0 : (int)((left_ns + DISAGG_READY_MS - 1) / DISAGG_READY_MS);
}

static int watch(struct disagg_ready_loop *loop)
{
	for (unsigned i = 0; i < loop->count; i++) {
		struct disagg_ready_check *check = &loop->check[i];

		check->good = check->target->is_up;
		check->why[0] = '\0';
		check->due_ns = loop->started_ns + interval_of(check) / loop->count * i;
	}
	while (!loop->broken) {
		int64_t now_ns = disagg_monotonic_ns();

		if (disagg_ready_look_around(loop, now_ns))
			return -1;
		ask_due(loop, now_ns);
		if (!loop->broken &&
			disagg_http_run(loop->http, sleep_ms(loop, now_ns), loop->err) < 0)
			return -1;
	}
	return -1;
}

int disagg_ready_watch(const struct disagg_ready_spec *spec, struct disagg_err *err)
{
	struct disagg_err local = DISAGG_ERR_INIT;
	struct disagg_ready_loop loop;
	int result = disagg_ready_open(&loop, spec, false, &local);

	loop.watches = true;
	if (result == 0)
		result = watch(&loop);
	disagg_ready_close(&loop);
	if (err)
		*err = local;
	return result;
}
