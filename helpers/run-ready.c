/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_REPORT_S 10
#define REPORT_S       30
#define READY_S	       1800

/*
 * A child polls, so that this process stays in its own loop: an end of a worker
 * or a signal is seen at once, whatever an endpoint does.
 */
struct message {
	enum { PROGRESS, READY, FAILED, ANSWERS, SILENT } kind;
	unsigned target;       /* ANSWERS, SILENT */
	int64_t since_ns;      /* as well */
	struct disagg_err err; /* FAILED; of PROGRESS and SILENT the text */
};

typedef void child_work(struct disagg_ready_spec *spec, int fd);

static const enum disagg_ready_kind kinds[DISAGG_E_COUNT] = {
	[DISAGG_E_SGLANG_ROUTER] = DISAGG_READY_SGLANG_ROUTER,
	[DISAGG_E_TRTLLM_SERVER] = DISAGG_READY_TRTLLM_SERVER,
	[DISAGG_E_DYNAMO_FRONTEND] = DISAGG_READY_DYNAMO,
	[DISAGG_E_VLLM_SERVER] = DISAGG_READY_VLLM,
	[DISAGG_E_ETCD] = DISAGG_READY_ETCD,
	[DISAGG_E_NATS] = DISAGG_READY_NATS,
};

/* ---- what to ask ---- */

/* Healthy workers that a frontend of this wave can know. */
static void count_workers(
	const struct run *run, unsigned wave, unsigned *ret_prefill, unsigned *ret_decode)
{
	for (unsigned i = 0; i < run->unit_count; i++) {
		const struct unit *unit = &run->unit[i];
		enum disagg_role_kind kind = unit->role->kind;

		if (!unit->worker || unit->wave > wave || unit->done)
			continue;
		*ret_prefill += kind == DISAGG_PREFILL;
		*ret_decode += kind == DISAGG_DECODE || kind == DISAGG_AGG;
	}
}

static unsigned timeout_of(const struct run *run, const struct unit *unit)
{
	const struct disagg_int *own = unit->conf ? &unit->conf->ready.timeout : NULL;
	const struct disagg_int *given = own && own->set ? own : &run->in.job->health.timeout;

	return given->set && given->v > 0 ? (unsigned)given->v : READY_S;
}

int run_ready_target(struct run *run, const struct unit *unit, struct disagg_ready_target *ret)
{
	struct disagg_ready_target target = {
		.name = unit->shown.name, .kind = kinds[unit->role->engine]};

	if (target.kind == DISAGG_READY_NATS)
		target.url = disagg_arena_printf(
			&run->arena, "tcp://%s:%d", unit->shown.host, unit->health.port);
	else
		target.url = disagg_arena_printf(&run->arena, "http://%s:%d%s", unit->shown.host,
			unit->health.port, unit->health.path ? unit->health.path : "/");
	target.timeout_s = timeout_of(run, unit);
	*ret = target;
	return target.url ? 0 : -1;
}

static int make_target(
	struct run *run, const struct unit *unit, unsigned wave, struct disagg_ready_target *ret)
{
	if (run_ready_target(run, unit, ret))
		return -1;
	if (unit->role->kind == DISAGG_FRONTEND)
		count_workers(run, wave, &ret->prefill, &ret->decode);
	return 0;
}

static bool is_asked(const struct unit *unit, unsigned wave, bool whole)
{
	return !unit->no_target && !unit->done && (whole ? unit->wave <= wave : unit->wave == wave);
}

static unsigned larger(unsigned value, const struct disagg_int *given)
{
	return given->set && given->v > (int64_t)value ? (unsigned)given->v : value;
}

static void make_times(const struct run *run, unsigned wave, struct disagg_ready_spec *spec)
{
	const struct disagg_ready *health = &run->in.job->health;

	for (unsigned i = 0; i < run->unit_count; i++) {
		const struct unit *unit = &run->unit[i];

		if (!unit->conf || unit->wave > wave)
			continue;
		spec->polls = larger(spec->polls, &unit->conf->ready.polls);
	}
	/* what no unit has of its own, the model id and the canary, gets the longest */
	for (unsigned i = 0; i < spec->target_count; i++) {
		if (spec->target[i].timeout_s > spec->timeout_s)
			spec->timeout_s = spec->target[i].timeout_s;
	}
	if (!spec->timeout_s)
		spec->timeout_s = larger(0, &health->timeout);
	spec->polls = larger(spec->polls, &health->polls);
	spec->interval_ms = run->in.plan->rehearse ? 250 : 1000;
	spec->first_report_s = FIRST_REPORT_S;
	spec->report_s = REPORT_S;
}

static int make_spec(struct run *run, unsigned wave, bool whole, struct disagg_ready_spec *spec)
{
	struct disagg_ready_target *list =
		disagg_arena_array(&run->arena, run->unit_count + 1u, sizeof(*list));

	*spec = (struct disagg_ready_spec){.target = list, .cancel_fd = -1};
	if (!list)
		return -1;
	for (unsigned i = 0; i < run->unit_count; i++) {
		if (is_asked(&run->unit[i], wave, whole) &&
			make_target(run, &run->unit[i], wave, &list[spec->target_count++]))
			return -1;
	}
	if (whole && run->state.frontend) {
		spec->frontend = run->state.frontend;
		spec->model = disagg_engine_served_name(run->in.job);
		spec->canary_count = 1;
	}
	make_times(run, wave, spec);
	return 0;
}

/* ---- the child ---- */

static void send_message(int fd, const struct message *message)
{
	ssize_t sent;

	do
		sent = send(fd, message, sizeof(*message), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
}

static void report(void *context, const char *line)
{
	const int *fd = context;
	struct message message = {.kind = PROGRESS};

	disagg_err_set(&message.err, DISAGG_OK, "%s", line);
	send_message(*fd, &message);
}

static void wait_in_child(struct disagg_ready_spec *spec, int fd)
{
	struct message message = {.kind = READY};

	spec->progress = report;
	if (disagg_ready_wait(spec, &message.err))
		message.kind = FAILED;
	send_message(fd, &message);
}

static void report_change(
	void *context, unsigned index, bool good, int64_t since_ns, const char *why)
{
	const int *fd = context;
	struct message message = {
		.kind = good ? ANSWERS : SILENT, .target = index, .since_ns = since_ns};

	disagg_err_set(&message.err, DISAGG_OK, "%s", why);
	send_message(*fd, &message);
}

static void watch_in_child(struct disagg_ready_spec *spec, int fd)
{
	(void)fd;
	spec->changed = report_change;
	(void)disagg_ready_watch(spec, NULL);
}

/* What tells us to end may come to our whole group: as here it stays blocked, for
 * the child ends with us, by KILL. */
static void child_run(struct disagg_ready_spec *spec, child_work *work, int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	spec->context = &fd;
	work(spec, fd);
	_exit(0);
}

static int start_child(
	struct run *run, struct disagg_ready_spec *spec, child_work *work, struct disagg_err *err)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return disagg_err_sys(err, "cannot wait for readiness");
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		child_run(spec, work, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return disagg_err_sys(err, "cannot wait for readiness");
	}
	run->waiter = (struct disagg_proc){.pid = pid, .pidfd = -1};
	run->waiter_fd = ends[0];
	run->waiter_done = false;
	run->waiter_err = (struct disagg_err)DISAGG_ERR_INIT;
	return 0;
}

int run_ready_watch(struct run *run, struct disagg_ready_spec *spec, struct disagg_err *err)
{
	return start_child(run, spec, watch_in_child, err);
}

/* ---- the parent ---- */

static void take_progress(struct run *run, const char *text)
{
	const char *kept = disagg_arena_strdup(&run->arena, text);

	run_say(run, "%s", text);
	run->state.waiting_for = kept;
	run_state_touch(run);
}

static void take_message(struct run *run, const struct message *message)
{
	switch (message->kind) {
	case PROGRESS:
		take_progress(run, message->err.text);
		return;
	case ANSWERS:
	case SILENT:
		run_health_take(run, message->target, message->kind == ANSWERS, message->since_ns,
			message->err.text);
		return;
	case FAILED:
		run->waiter_err = message->err;
		break;
	case READY:
		break;
	}
	run->waiter_done = true;
}

void run_ready_input(struct run *run)
{
	struct message message;

	while (!run->waiter_done) {
		ssize_t got = recv(run->waiter_fd, &message, sizeof(message), MSG_DONTWAIT);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got == (ssize_t)sizeof(message)) {
			take_message(run, &message);
			continue;
		}
		disagg_err_set(&run->waiter_err, DISAGG_SYSTEM,
			"the process that waits for readiness has died");
		run->waiter_done = true;
	}
}

void run_ready_stop(struct run *run)
{
	disagg_proc_kill(&run->waiter);
	if (run->waiter_fd >= 0)
		close(run->waiter_fd);
	run->waiter_fd = -1;
	run->state.waiting_for = NULL;
	run_state_touch(run);
}

static void mark_ready(struct run *run, unsigned wave, bool whole)
{
	for (unsigned i = 0; i < run->unit_count; i++) {
		struct unit *unit = &run->unit[i];

		if (run_is_benchmark(unit) || unit->wave > wave || (!whole && unit->wave != wave))
			continue;
		if (unit->shown.state != DISAGG_UNIT_RUNNING)
			continue;
		unit->shown.state = DISAGG_UNIT_READY;
		unit->shown.ready = run_now();
	}
	run_state_touch(run);
}

int run_wait_ready(struct run *run, unsigned wave, bool whole)
{
	struct disagg_ready_spec spec;
	struct disagg_err err = DISAGG_ERR_INIT;

	if (make_spec(run, wave, whole, &spec))
		disagg_err_nomem(&err);
	else if ((spec.target_count || spec.frontend) &&
		 start_child(run, &spec, wait_in_child, &err) == 0) {
		while ((!run->waiter_done || run->told) && !run->state.verdict.set)
			run_tick(run, INT64_MAX);
		run_ready_stop(run);
		err = run->waiter_err;
	}
	if (err.code)
		run_verdict_err(run, NULL, &err);
	if (run->state.verdict.set)
		return -1;
	mark_ready(run, wave, whole);
	run->watches = whole;
	return 0;
}
