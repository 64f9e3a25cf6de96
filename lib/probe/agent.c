/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/agent.h"

#include "lib/base/limits.h"
#include "lib/base/num.h"
#include "lib/host/http.h"
#include "lib/probe/child.h"
#include "lib/probe/work.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DEVICES_MS  30000u	    /* for the list of GPUs */
#define QUEUE_BYTES (1024u * 1024u) /* that wait for the lead, above which children wait */
#define ENDING_NS   2000000000ll    /* for children after KILL, and for the last messages */
#define MOST_REASON 1024

struct task {
	uint64_t id; /* 0: lists the GPUs */
	struct disagg_work work;
	struct disagg_json *body; /* of the message; the arguments are in it */
	struct disagg_child child;
	bool told; /* its 'd' line has come */
	int code;
	char reason[MOST_REASON];
};

struct agent {
	const struct disagg_agent_spec *spec;
	struct disagg_link *link;
	struct disagg_arena arena;
	struct disagg_gpu_list gpus;
	/* the probe that did not return on a GPU, on all of the node's at once; NULL: none */
	const char *hung[DISAGG_MAX_GPUS_PER_NODE], *hung_node;
	struct task **task;
	size_t count, size;
	struct pollfd *wait; /* 2 + 3 * size */
	int64_t heard_ns, alive_ns;
	bool ended; /* the lead has said so */
	int signal; /* that came; 0 */
};

/* ---- telling the lead ---- */

static void send_text(
	struct agent *agent, const char *verb, uint64_t id, struct disagg_strbuf *text)
{
	if (!text->failed)
		disagg_link_send(agent->link, verb, id, text->text, text->len);
	disagg_strbuf_release(text);
}

static void tell_done(struct agent *agent, uint64_t id, const char *state, const char *reason)
{
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_text(&writer, "state", state);
	if (reason && reason[0])
		disagg_json_put_text(&writer, "reason", reason);
	disagg_json_end(&writer, '}');
	send_text(agent, "done", id, &text);
}

static void tell_gpus(struct agent *agent)
{
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	disagg_gpu_list_put(&text, &agent->gpus);
	send_text(agent, "gpus", 0, &text);
}

static void ended_by(const struct agent *agent, char *buf, size_t size)
{
	snprintf(buf, size, "its agent was ended by signal %d (%s)", agent->signal,
		strsignal(agent->signal));
}

static void tell_bye(struct agent *agent)
{
	struct disagg_strbuf text;
	char how[MOST_REASON];

	ended_by(agent, how, sizeof(how));
	disagg_strbuf_init(&text, 0);
	disagg_strbuf_printf(&text, "{\"reason\":\"%s\"}", how);
	send_text(agent, "bye", 0, &text);
}

/* ---- tasks ---- */

static void free_task(struct task *task)
{
	disagg_child_release(&task->child);
	disagg_json_free(task->body);
	free(task);
}

/* Room for one more; -1: no memory, or too many at once. */
static int make_room(struct agent *agent)
{
	size_t size = agent->size ? 2 * agent->size : 16;
	struct task **task;
	struct pollfd *wait;

	if (agent->count >= DISAGG_AGENT_TASKS)
		return -1;
	if (agent->count < agent->size)
		return 0;
	task = reallocarray(agent->task, size, sizeof(*task));
	if (!task)
		return -1;
	agent->task = task;
	wait = reallocarray(agent->wait, 2 + 3 * size, sizeof(*wait));
	if (!wait)
		return -1;
	agent->wait = wait;
	agent->size = size;
	return 0;
}

static int run_task(
	struct agent *agent, struct task *task, unsigned deadline_ms, struct disagg_err *err)
{
	if (make_room(agent))
		return disagg_err_set(err, DISAGG_SYSTEM, "too many tasks at once, or no memory");
	if (disagg_child_start(&task->child, disagg_work_run, &task->work, deadline_ms, err))
		return -1;
	agent->task[agent->count++] = task;
	return 0;
}

static const struct disagg_probe *find_probe(const struct agent *agent, const char *name)
{
	for (const struct disagg_probe *probe = agent->spec->probes; probe->name; probe++)
		if (name && strcmp(probe->name, name) == 0)
			return probe;
	return NULL;
}

/* Who else uses a GPU that the task is to measure; NULL: nobody, or it counts for nothing. */
static const char *who_is_busy(const struct agent *agent, const struct task *task)
{
	const struct disagg_probe *probe = task->work.probe;
	const char *busy = NULL;

	if (agent->spec->options->force || probe->only_looks || !agent->gpus.busy ||
		(!probe->needs_gpu && !task->work.gpu))
		return NULL;
	for (size_t i = 0; i < agent->gpus.count && !busy; i++)
		if (!task->work.gpu || task->work.gpu == &agent->gpus.gpu[i])
			busy = agent->gpus.busy[i];
	return busy;
}

/* ---- GPUs that hang ---- */

static bool uses_all(const struct disagg_probe *probe)
{
	return probe->needs_gpu && !probe->only_looks;
}

/* Of a fleet's probe the other nodes may be the cause, unless not even KILL ends it. */
static void note_hang(struct agent *agent, const struct task *task)
{
	const struct disagg_probe *probe = task->work.probe;
	bool stuck = task->child.end == DISAGG_CHILD_STUCK;
	const char **hung = NULL;

	if (!probe || (!stuck && task->child.end != DISAGG_CHILD_LATE))
		return;
	if (task->work.gpu)
		hung = &agent->hung[task->work.gpu->index];
	else if (uses_all(probe) && (stuck || probe->kind == DISAGG_PROBE_NODE))
		hung = &agent->hung_node;
	if (hung && !*hung)
		*hung = probe->name;
}

/* Another probe there would cost its deadline too, and tell no more. */
static int refuse_hung(const struct agent *agent, const struct task *task, struct disagg_err *err)
{
	const struct disagg_gpu *gpu = task->work.gpu;

	if (gpu && agent->hung[gpu->index])
		return disagg_err_set(err, DISAGG_SYSTEM, "%s did not return on this GPU",
			agent->hung[gpu->index]);
	if (gpu || !uses_all(task->work.probe))
		return 0;
	for (size_t i = 0; i < agent->gpus.count; i++) {
		int index = agent->gpus.gpu[i].index;

		if (agent->hung[index])
			return disagg_err_set(err, DISAGG_SYSTEM,
				"%s did not return on GPU %d of this node", agent->hung[index],
				index);
	}
	if (agent->hung_node)
		return disagg_err_set(err, DISAGG_SYSTEM, "%s did not return on this node's GPUs",
			agent->hung_node);
	return 0;
}

/* Fills the work from the message; the JSON stays with the task. */
static int read_start(struct agent *agent, const struct disagg_message *message, struct task *task,
	unsigned *ret_deadline_ms, struct disagg_err *err)
{
	int64_t gpu = -1, deadline_ms = 0;

	if (disagg_json_parse(&task->body, message->body, message->len, err) != 0)
		return -1;
	task->work.probe = find_probe(agent, disagg_json_text(disagg_json_at(task->body, "probe")));
	if (!task->work.probe || !task->work.probe->run)
		return disagg_err_set(err, DISAGG_INVALID, "this node knows no such probe");
	disagg_json_int(disagg_json_at(task->body, "gpu"), &gpu);
	for (size_t i = 0; i < agent->gpus.count; i++)
		if (agent->gpus.gpu[i].index == gpu)
			task->work.gpu = &agent->gpus.gpu[i];
	if (gpu >= 0 && !task->work.gpu)
		return disagg_err_set(err, DISAGG_INVALID, "this node has no GPU %d", (int)gpu);
	if (refuse_hung(agent, task, err) != 0)
		return -1;
	disagg_json_int(disagg_json_at(task->body, "deadline_ms"), &deadline_ms);
	*ret_deadline_ms = deadline_ms > 0 && deadline_ms < INT32_MAX
				   ? (unsigned)deadline_ms
				   : task->work.probe->deadline_ms;
	task->work.args = disagg_json_at(task->body, "args");
	if (who_is_busy(agent, task))
		return disagg_err_set(err, DISAGG_SKIPPED,
			"other processes use it, and --force is not given: %s",
			who_is_busy(agent, task));
	return 0;
}

static void start(struct agent *agent, const struct disagg_message *message)
{
	struct task *task = calloc(1, sizeof(*task));
	struct disagg_err err = DISAGG_ERR_INIT;
	unsigned deadline_ms = 0;

	if (!task) {
		tell_done(agent, message->number, "failed", "out of memory");
		return;
	}
	task->id = message->number;
	task->work = (struct disagg_work){.agent = agent->spec, .gpus = &agent->gpus};
	task->child.fd = task->child.said_fd = task->child.proc.pidfd = -1;
	if (read_start(agent, message, task, &deadline_ms, &err) == 0 &&
		run_task(agent, task, deadline_ms, &err) == 0)
		return;
	tell_done(agent, message->number, err.code == DISAGG_SKIPPED ? "skipped" : "failed",
		err.text);
	free_task(task);
}

static void stop(struct agent *agent, uint64_t id)
{
	for (size_t i = 0; i < agent->count; i++)
		if (agent->task[i]->id == id)
			disagg_child_stop(&agent->task[i]->child);
}

/* The list of GPUs, which calls CUDA: in a child like everything that does. */
static void list_gpus(struct agent *agent)
{
	struct task *task = calloc(1, sizeof(*task));
	struct disagg_err err = DISAGG_ERR_INIT;

	agent->gpus.reason = "this program is built without GPU probes";
	if (!task || !agent->spec->devices) {
		free(task);
		tell_gpus(agent);
		return;
	}
	task->work = (struct disagg_work){.agent = agent->spec, .gpus = &agent->gpus};
	if (run_task(agent, task, DEVICES_MS, &err) == 0)
		return;
	agent->gpus.reason = disagg_arena_strdup(&agent->arena, err.text);
	tell_gpus(agent);
	free(task);
}

/* ---- what children say ---- */

static void take_gpus(struct agent *agent, const char *text, size_t len)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (disagg_gpu_list_read(&agent->arena, text, len, &agent->gpus, &err) != 0)
		agent->gpus.reason = disagg_arena_strdup(&agent->arena, err.text);
}

static void take_done(struct task *task, char *text)
{
	char *reason = text + strcspn(text, " ");
	int64_t code = DISAGG_SYSTEM;

	if (*reason)
		*reason++ = '\0';
	disagg_num_int(text, 0, INT32_MAX, &code);
	task->code = (int)code;
	task->told = true;
	snprintf(task->reason, sizeof(task->reason), "%s", reason);
	disagg_text_tame(task->reason);
}

static void take_line(struct agent *agent, struct task *task, char *line, size_t len)
{
	switch (line[0]) {
	case 'r':
		disagg_link_send(agent->link, "record", task->id, line + 1, len - 1);
		break;
	case 'n':
		disagg_link_send(agent->link, "note", task->id, line + 1, len - 1);
		break;
	case 'g':
		take_gpus(agent, line + 1, len - 1);
		task->told = true;
		break;
	case 'd':
		take_done(task, line + 1);
		break;
	default: /* a library that writes to our descriptor */
		break;
	}
}

static void end_devices(struct agent *agent, const struct task *task, const char *how)
{
	if (!task->told)
		agent->gpus.reason =
			disagg_arena_printf(&agent->arena, "the list of GPUs failed: %s", how);
	tell_gpus(agent);
}

static void end_task(struct agent *agent, const struct task *task)
{
	char how[MOST_REASON];

	if (task->child.end == DISAGG_CHILD_STOPPED && agent->signal)
		ended_by(agent, how, sizeof(how));
	else
		disagg_child_tell(&task->child, how, sizeof(how));
	note_hang(agent, task);
	if (!task->work.probe)
		end_devices(agent, task, how);
	else if (task->child.end != DISAGG_CHILD_EXITED || !task->told)
		tell_done(agent, task->id, "failed", how);
	else if (task->code == DISAGG_SKIPPED)
		tell_done(agent, task->id, "skipped", task->reason);
	else
		tell_done(agent, task->id, task->code ? "failed" : "done", task->reason);
}

static void step_task(struct agent *agent, struct task *task, int64_t now_ns)
{
	char *line = NULL;
	size_t len;

	task->child.paused = disagg_link_queued(agent->link) > QUEUE_BYTES;
	disagg_child_step(&task->child, now_ns);
	while ((line = disagg_child_line(&task->child, &len)))
		if (len > 0)
			take_line(agent, task, line, len);
}

static void step_tasks(struct agent *agent)
{
	int64_t now_ns = disagg_monotonic_ns();
	size_t kept = 0;

	for (size_t i = 0; i < agent->count; i++) {
		struct task *task = agent->task[i];

		step_task(agent, task, now_ns);
		if (!disagg_child_ended(&task->child)) {
			agent->task[kept++] = task;
			continue;
		}
		end_task(agent, task);
		free_task(task);
	}
	agent->count = kept;
}

/* ---- the loop ---- */

static int take_message(struct agent *agent, const struct disagg_message *message)
{
	agent->heard_ns = disagg_monotonic_ns();
	if (strcmp(message->verb, "start") == 0)
		start(agent, message);
	else if (strcmp(message->verb, "stop") == 0)
		stop(agent, message->number);
	else if (strcmp(message->verb, "end") == 0)
		agent->ended = true;
	return 0;
}

static int hear(struct agent *agent, struct disagg_err *err)
{
	struct disagg_message message;
	int got;

	if (disagg_link_fill(agent->link, err) != 0)
		return -1;
	while ((got = disagg_link_next(agent->link, &message, err)) > 0)
		take_message(agent, &message);
	return got;
}

static void take_signal(struct agent *agent)
{
	struct signalfd_siginfo info;

	if (read(agent->spec->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		agent->signal = (int)info.ssi_signo;
}

static int wait_ms(const struct agent *agent)
{
	int64_t now_ns = disagg_monotonic_ns(), next = agent->alive_ns + DISAGG_AGENT_ALIVE_NS;

	for (size_t i = 0; i < agent->count; i++)
		if (disagg_child_due(&agent->task[i]->child) < next)
			next = disagg_child_due(&agent->task[i]->child);
	return next <= now_ns ? 0 : (int)((next - now_ns) / 1000000) + 1;
}

/* Waits for whatever comes first; false where poll fails. */
static void wait_any(struct agent *agent)
{
	nfds_t count = 2;

	agent->wait[0] = (struct pollfd){.fd = agent->link->fd, .events = POLLIN};
	if (disagg_link_queued(agent->link))
		agent->wait[0].events |= POLLOUT;
	agent->wait[1] = (struct pollfd){.fd = agent->spec->signal_fd, .events = POLLIN};
	for (size_t i = 0; i < agent->count; i++)
		count += disagg_child_poll(&agent->task[i]->child, &agent->wait[count]);
	if (poll(agent->wait, count, wait_ms(agent)) < 0)
		agent->wait[0].revents = agent->wait[1].revents = 0;
}

static int turn(struct agent *agent, struct disagg_err *err)
{
	int64_t now_ns;

	wait_any(agent);
	if (agent->wait[1].revents)
		take_signal(agent);
	if ((agent->wait[0].revents & POLLOUT) && disagg_link_flush(agent->link))
		return disagg_err_set(err, DISAGG_DIED, "the connection has ended");
	if ((agent->wait[0].revents & ~POLLOUT) && hear(agent, err) != 0)
		return -1;
	step_tasks(agent);
	now_ns = disagg_monotonic_ns();
	if (now_ns - agent->alive_ns >= DISAGG_AGENT_ALIVE_NS) {
		agent->alive_ns = now_ns;
		disagg_link_send(agent->link, "alive", 0, "", 0);
	}
	if (now_ns - agent->heard_ns > DISAGG_AGENT_SILENT_NS)
		return disagg_err_set(err, DISAGG_DIED, "the lead is silent");
	return 0;
}

static void stop_all(struct agent *agent)
{
	int64_t until = disagg_monotonic_ns() + ENDING_NS;

	for (size_t i = 0; i < agent->count; i++)
		disagg_child_stop(&agent->task[i]->child);
	while (agent->count && disagg_monotonic_ns() < until) {
		wait_any(agent);
		if (agent->wait[1].revents)
			take_signal(agent);
		step_tasks(agent);
	}
	for (size_t i = 0; i < agent->count; i++)
		free_task(agent->task[i]);
	agent->count = 0;
}

static void flush(struct agent *agent)
{
	int64_t until = disagg_monotonic_ns() + ENDING_NS;
	struct pollfd wait = {.fd = agent->link->fd, .events = POLLOUT};

	while (disagg_link_queued(agent->link) && disagg_monotonic_ns() < until)
		if (poll(&wait, 1, 100) > 0 && disagg_link_flush(agent->link))
			return;
}

int disagg_agent_serve(
	const struct disagg_agent_spec *spec, struct disagg_link *link, struct disagg_err *err)
{
	struct agent agent = {.spec = spec, .link = link};
	int rc = 0;

	agent.heard_ns = agent.alive_ns = disagg_monotonic_ns();
	if (make_room(&agent))
		return disagg_err_nomem(err);
	list_gpus(&agent);
	while (rc == 0 && !agent.ended && !agent.signal)
		rc = turn(&agent, err);
	if (rc != 0)
		disagg_link_close(link);
	stop_all(&agent);
	if (agent.signal) {
		tell_bye(&agent);
		rc = disagg_err_set(err, DISAGG_TIMEOUT, "ended by signal %d (%s)", agent.signal,
			strsignal(agent.signal));
	}
	flush(&agent);
	free(agent.task);
	free(agent.wait);
	disagg_arena_release(&agent.arena);
	return rc;
}
