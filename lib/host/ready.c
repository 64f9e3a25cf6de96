/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/ready_loop.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define ALIVE_MS 200

/* ---- all together ---- */

/* true: all six hold. */
static bool settle(struct disagg_ready_loop *loop, int64_t now_ns)
{
	struct disagg_ready_check *model = loop->model_check;

	/* the model id is asked for when the rest is there */
	if (model && model->due_ns == DISAGG_READY_NEVER && loop->good + 1 == loop->count &&
		!model->busy)
		disagg_ready_set_due(loop, model, now_ns);
	if (loop->canary.failed)
		disagg_ready_restart_canary(loop, now_ns);
	if (loop->good < loop->count)
		return false;
	if (!loop->in_round)
		disagg_ready_begin_round(loop, now_ns - loop->interval_ns);
	if (loop->fresh < loop->count)
		return false;
	if (loop->held < loop->polls && ++loop->held < loop->polls) {
		disagg_ready_begin_round(loop, now_ns + loop->interval_ns);
		return false;
	}
	return disagg_ready_run_canary(loop, now_ns);
}

/* ---- the loop ---- */

static bool is_readable(int fd)
{
	struct pollfd slot = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&slot, 1, 0) > 0;
}

static bool is_alive_due(const struct disagg_ready_loop *loop, int64_t now_ns)
{
	const int *fd = loop->spec->alive_fds;

	if (now_ns >= loop->alive_ns)
		return true;
	for (; fd && *fd >= 0; fd++) {
		if (is_readable(*fd))
			return true;
	}
	return false;
}

int disagg_ready_look_around(struct disagg_ready_loop *loop, int64_t now_ns)
{
	const struct disagg_ready_spec *spec = loop->spec;

	if (is_readable(spec->cancel_fd))
		return disagg_err_set(loop->err, DISAGG_CHECK, "cancelled");
	if (!spec->alive || !is_alive_due(loop, now_ns))
		return 0;
	loop->alive_ns = now_ns + ALIVE_MS * DISAGG_READY_MS;
	if (spec->alive(spec->context, loop->err) == 0)
		return 0;
	if (loop->err && loop->err->code == DISAGG_OK)
		loop->err->code = DISAGG_DIED;
	return -1;
}

static int sleep_ms(const struct disagg_ready_loop *loop, int64_t now_ns)
{
	const struct disagg_ready_canary *canary = &loop->canary;
	int64_t wake_ns = loop->deadline_ns, left_ns;

	if (loop->next_ns < wake_ns)
		wake_ns = loop->next_ns;
	if (loop->late_ns < wake_ns)
		wake_ns = loop->late_ns;
	if (loop->report_ns < wake_ns)
		wake_ns = loop->report_ns;
	if (loop->spec->alive && loop->alive_ns < wake_ns)
		wake_ns = loop->alive_ns;
	if (canary->due_ns > now_ns && canary->due_ns < wake_ns)
		wake_ns = canary->due_ns;
	left_ns = wake_ns - now_ns;
	if (left_ns > 60 * 1000 * DISAGG_READY_MS)
		return 60 * 1000;
	return left_ns <= 0 ? 0 : (int)((left_ns + DISAGG_READY_MS - 1) / DISAGG_READY_MS);
}

static int wait_ready(struct disagg_ready_loop *loop)
{
	while (!loop->broken) {
		int64_t now_ns = disagg_monotonic_ns();

		if (disagg_ready_look_around(loop, now_ns))
			return -1;
		if (settle(loop, now_ns))
			return 0;
		if (now_ns >= loop->deadline_ns)
			return disagg_ready_fail_timeout(loop);
		if (now_ns >= loop->late_ns && disagg_ready_check_late(loop, now_ns))
			return -1;
		if (now_ns >= loop->report_ns)
			disagg_ready_report(loop, now_ns);
		disagg_ready_ask_due(loop, now_ns);
		if (!loop->broken &&
			disagg_http_run(loop->http, sleep_ms(loop, now_ns), loop->err) < 0)
			return -1;
	}
	return -1;
}

static int look_once(struct disagg_ready_loop *loop)
{
	int left = loop->count ? 1 : 0;

	for (unsigned i = 0; i < loop->count && !loop->broken; i++)
		disagg_ready_ask(loop, &loop->check[i]);
	while (left > 0 && !loop->broken) {
		if (disagg_ready_look_around(loop, disagg_monotonic_ns()))
			return -1;
		left = disagg_http_run(loop->http, ALIVE_MS, loop->err);
	}
	return left < 0 || loop->broken ? -1 : 0;
}

/* ---- setting up ---- */

static int init_check(struct disagg_ready_loop *loop, struct disagg_ready_check *check,
	const struct disagg_ready_target *target, const struct disagg_ready_row *row)
{
	check->target = target;
	check->row = row;
	check->loop = loop;
	check->good_ns = INT64_MIN;
	/* a crowd comes in a row, not all at once */
	check->due_ns = loop->started_ns + (check - loop->check) * DISAGG_READY_MS / 4;
	disagg_ready_why(check->why, "no answer yet");
	for (unsigned i = 0; i < 2 && row->step[i].judge; i++) {
		if (disagg_ready_url(
			    &loop->arena, row, &row->step[i], target, &check->url[i], loop->err))
			return -1;
	}
	return 0;
}

/* A TensorRT-LLM server need not have a list of models. */
static const struct disagg_ready_row *model_row(const struct disagg_ready_spec *spec)
{
	for (unsigned i = 0; i < spec->target_count; i++) {
		if (spec->target[i].kind == DISAGG_READY_TRTLLM_SERVER)
			return &disagg_ready_model_row_or_none;
	}
	return &disagg_ready_model_row;
}

static int init_frontend(struct disagg_ready_loop *loop)
{
	static const struct disagg_ready_step steps[] = {
		{"/v1/completions", NULL}, {"/v1/chat/completions", NULL}};
	const struct disagg_ready_spec *spec = loop->spec;
	const struct disagg_ready_row *row = model_row(spec);

	loop->model_target = (struct disagg_ready_target){
		.name = "model id", .url = spec->frontend, .value = spec->model};
	loop->model_check = &loop->check[loop->count++];
	if (spec->model && strlen(spec->model) >= sizeof(loop->model))
		return disagg_err_set(
			loop->err, DISAGG_USAGE, "the model id '%s' is too long", spec->model);
	snprintf(loop->model, sizeof(loop->model), "%s", spec->model ? spec->model : "");
	for (unsigned i = 0; i < 2; i++) {
		if (disagg_ready_url(&loop->arena, row, &steps[i], &loop->model_target,
			    &loop->canary_url[i], loop->err))
			return -1;
	}
	if (init_check(loop, loop->model_check, &loop->model_target, row))
		return -1;
	if (!loop->once)
		loop->model_check->due_ns = DISAGG_READY_NEVER;
	return 0;
}

static int init_checks(struct disagg_ready_loop *loop)
{
	const struct disagg_ready_spec *spec = loop->spec;

	loop->check = disagg_arena_array(
		&loop->arena, (size_t)spec->target_count + 1, sizeof(*loop->check));
	if (!loop->check)
		return disagg_err_nomem(loop->err);
	for (; loop->count < spec->target_count; loop->count++) {
		const struct disagg_ready_target *target = &spec->target[loop->count];

		if (init_check(loop, &loop->check[loop->count], target,
			    disagg_ready_row(target->kind)))
			return -1;
	}
	return spec->frontend && !loop->once ? init_frontend(loop) : 0;
}

static void init_wakes(struct disagg_ready_loop *loop)
{
	const int *fd = loop->spec->alive_fds;
	unsigned count = 0;

	if (loop->spec->cancel_fd >= 0)
		loop->wake[count++] = loop->spec->cancel_fd;
	for (; fd && *fd >= 0 && count < DISAGG_READY_WAKES; fd++)
		loop->wake[count++] = *fd;
	loop->wake[count] = -1;
	disagg_http_watch(loop->http, loop->wake);
}

/* As many at once as there are descriptors for, with some left to the caller. */
static unsigned connections(const struct disagg_ready_loop *loop)
{
	unsigned most = loop->count + DISAGG_READY_CANARIES < 1024
				? loop->count + DISAGG_READY_CANARIES
				: 1024;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
		limit.rlim_cur / 2 < most)
		most = (unsigned)(limit.rlim_cur / 2);
	return most ? most : 1;
}

int disagg_ready_open(struct disagg_ready_loop *loop, const struct disagg_ready_spec *spec,
	bool once, struct disagg_err *err)
{
	unsigned interval_ms = spec->interval_ms ? spec->interval_ms : 1000;
	unsigned timeout_s = spec->timeout_s ? spec->timeout_s : 1800;
	unsigned report_s = spec->report_s ? spec->report_s : 30;
	unsigned first_s = spec->first_report_s ? spec->first_report_s : report_s;

	*loop = (struct disagg_ready_loop){.spec = spec, .once = once, .err = err};
	loop->polls = spec->polls ? spec->polls : 1;
	loop->interval_ns = interval_ms * DISAGG_READY_MS;
	loop->started_ns = disagg_monotonic_ns();
	loop->deadline_ns = loop->started_ns + 1000 * DISAGG_READY_MS * timeout_s;
	loop->report_ns = loop->started_ns + 1000 * DISAGG_READY_MS * first_s;
	loop->random = (uint64_t)loop->started_ns | 1;
	if (init_checks(loop) || disagg_http_open(&loop->http, connections(loop), err))
		return -1;
	init_wakes(loop);
	return 0;
}

void disagg_ready_close(struct disagg_ready_loop *loop)
{
	loop->ended = true;
	disagg_http_close(loop->http);
	disagg_arena_release(&loop->arena);
}

static void tell_stood(const struct disagg_ready_loop *loop)
{
	const struct disagg_ready_spec *spec = loop->spec;

	for (unsigned i = 0; spec->stood && i < loop->count; i++) {
		const struct disagg_ready_check *check = &loop->check[i];

		if (check->target)
			spec->stood(spec->context, check->target, check->good, check->why);
	}
}

int disagg_ready_wait(const struct disagg_ready_spec *spec, struct disagg_err *err)
{
	struct disagg_err local = DISAGG_ERR_INIT;
	struct disagg_ready_loop loop;
	int result = disagg_ready_open(&loop, spec, false, &local);

	if (result == 0) {
		result = wait_ready(&loop);
		tell_stood(&loop);
	}
	disagg_ready_close(&loop);
	if (result && err)
		*err = local;
	return result;
}

int disagg_ready_poll(struct disagg_arena *arena, const struct disagg_ready_spec *spec,
	unsigned *ret_good, const char **ret_missing, struct disagg_err *err)
{
	struct disagg_err local = DISAGG_ERR_INIT;
	const char *missing = NULL;
	char names[DISAGG_READY_NAMES];
	struct disagg_ready_loop loop;
	int result = disagg_ready_open(&loop, spec, true, &local);

	if (result == 0)
		result = look_once(&loop);
	if (result == 0) {
		disagg_ready_list_missing(&loop, names, sizeof(names));
		missing = disagg_arena_strdup(arena, names);
		if (!missing)
			result = disagg_err_nomem(&local);
	}
	if (result == 0) {
		*ret_good = loop.good;
		*ret_missing = missing;
	} else if (err) {
		*err = local;
	}
	disagg_ready_close(&loop);
	return result;
}
