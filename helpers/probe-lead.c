/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/probe.h"
#include "lib/probe/journal.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENDING_MS 4000 /* for our own agents, after "end" */
#define LOOK_MS	  10

struct lead {
	struct probe *probe;
	struct probe_view view;
	struct disagg_journal journal;
	struct disagg_fleet *fleet;
	pid_t *agent; /* our own, of this machine */
	size_t agents;
	int listen_fd, local_fd, port;
};

/* ---- what the fleet tells ---- */

static void take_record(void *context, const struct disagg_probe_record *record)
{
	struct lead *lead = context;
	struct disagg_err err = DISAGG_ERR_INIT;

	if (disagg_journal_add(&lead->journal, record, &err) != 0)
		probe_view_say(&lead->view, err.text);
}

static void say(void *context, const char *text)
{
	struct lead *lead = context;

	probe_view_say(&lead->view, text);
}

static void tick(void *context)
{
	struct lead *lead = context;

	probe_view_tick(&lead->view);
}

static void step(void *context, const struct disagg_suite_step *now)
{
	struct lead *lead = context;

	probe_view_step(&lead->view, now);
}

/* ---- our own agents ---- */

/* In the child: nothing of the lead's but the signals and the lock's absence. */
static int be_agent(struct lead *lead, size_t node, int fd)
{
	struct probe *probe = lead->probe;

	if (lead->listen_fd >= 0)
		close(lead->listen_fd);
	close(lead->local_fd);
	if (probe->lock_fd >= 0)
		close(probe->lock_fd);
	if (lead->journal.fd >= 0)
		close(lead->journal.fd);
	if (probe->rehearse)
		setenv("SLURMD_NODENAME", probe->seat.node[node], 1);
	return probe_agent(probe, probe->seat.node[node], fd, lead->port);
}

static int start_agent(struct lead *lead, size_t node, int fd, struct disagg_err *err)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return disagg_err_sys(
			err, "cannot start the agent of '%s'", lead->probe->seat.node[node]);
	if (pid == 0)
		_exit(be_agent(lead, node, fd));
	lead->agent[lead->agents++] = pid;
	return 0;
}

/* This node's over a socket pair; in a rehearsal the others' over the loopback. */
static int start_agents(struct lead *lead, struct disagg_err *err)
{
	size_t count = lead->probe->rehearse ? lead->probe->rehearse : 1;
	int pair[2], rc;

	lead->agent = disagg_arena_array(&lead->probe->arena, count, sizeof(*lead->agent));
	if (!lead->agent)
		return disagg_err_nomem(err);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
		return disagg_err_sys(err, "cannot start this node's agent");
	lead->local_fd = pair[0];
	rc = start_agent(lead, 0, pair[1], err);
	close(pair[1]);
	for (size_t i = 1; i < count && rc == 0; i++)
		rc = start_agent(lead, i, -1, err);
	return rc;
}

static size_t reap(struct lead *lead)
{
	size_t left = 0;

	for (size_t i = 0; i < lead->agents; i++)
		if (waitpid(lead->agent[i], NULL, WNOHANG) == 0)
			lead->agent[left++] = lead->agent[i];
	lead->agents = left;
	return left;
}

static void end_agents(struct lead *lead)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};

	for (int waited = 0; reap(lead) && waited < ENDING_MS; waited += LOOK_MS)
		nanosleep(&pause, NULL);
	for (size_t i = 0; i < lead->agents; i++)
		kill(lead->agent[i], SIGKILL);
}

/* ---- the folder ---- */

static const char *default_out(struct probe *probe)
{
	time_t now = time(NULL);
	struct tm local;
	char text[64];

	if (probe->seat.job[0])
		return disagg_arena_printf(
			&probe->arena, "disagg-probe-%s.%s", probe->seat.job, probe->seat.step);
	localtime_r(&now, &local);
	strftime(text, sizeof(text), "disagg-probe-%Y%m%d-%H%M%S", &local);
	return disagg_arena_strdup(&probe->arena, text);
}

static int open_out(struct lead *lead, struct disagg_err *err)
{
	struct probe *probe = lead->probe;
	const char *path;

	if (probe->out && probe->out[0] == '\0')
		probe->out = NULL;
	else if (!probe->out)
		probe->out = default_out(probe);
	if (!probe->out)
		return 0;
	if (mkdir(probe->out, 0777) && errno != EEXIST)
		return disagg_err_sys(err, "cannot make the folder '%s'", probe->out);
	path = disagg_arena_printf(&probe->arena, "%s/records.jsonl", probe->out);
	if (!path)
		return disagg_err_nomem(err);
	return disagg_journal_open(&lead->journal, path, err);
}

/* ---- the run ---- */

static int open_fleet(struct lead *lead, struct disagg_err *err)
{
	const struct probe *probe = lead->probe;
	struct disagg_fleet_spec spec = {.name = probe->seat.node,
		.count = probe->seat.nodes,
		.meet = &probe->meet,
		.options = &probe->options,
		.listen_fd = lead->listen_fd,
		.local_fd = lead->local_fd,
		.check_address = !probe->meet.has_key && !probe->rehearse,
		.join_ms = probe->join_ms,
		.signal_fd = probe->signal_fd,
		.record = take_record,
		.say = say,
		.tick = tick,
		.context = lead};
	int rc = disagg_fleet_open(&spec, &lead->fleet, err);

	lead->listen_fd = lead->local_fd = -1; /* the fleet's now */
	lead->view.fleet = lead->fleet;
	return rc;
}

static int begin(struct lead *lead, struct disagg_err *err)
{
	const struct probe *probe = lead->probe;

	if (open_out(lead, err))
		return -1;
	if (probe->seat.nodes > 1 && disagg_meet_listen(&probe->meet, probe->rehearse > 0,
					     &lead->listen_fd, &lead->port, err))
		return -1;
	if (!probe->rehearse)
		lead->port = 0;
	return start_agents(lead, err) || open_fleet(lead, err) ? -1 : 0;
}

/* Also when the run was cancelled: what is missing is recorded as unknown. */
static int measure(struct lead *lead)
{
	struct probe *probe = lead->probe;
	struct disagg_suite suite = {
		.probe = probe->list, .count = probe->count, .begin = step, .context = lead};
	struct disagg_err err = DISAGG_ERR_INIT;

	if ((disagg_fleet_gather(lead->fleet, &err) && !disagg_fleet_cancelled(lead->fleet)) ||
		(disagg_suite_run(lead->fleet, &suite, &err) &&
			!disagg_fleet_cancelled(lead->fleet))) {
		probe_view_close(&lead->view);
		return helper_fail_err(probe->helper, &err);
	}
	if (disagg_fleet_cancelled(lead->fleet))
		probe_view_say(&lead->view, disagg_fleet_cancelled(lead->fleet));
	return probe_report(probe, &lead->view, lead->fleet);
}

int probe_lead(struct probe *probe)
{
	struct lead lead = {.probe = probe, .journal = {.fd = -1}, .listen_fd = -1, .local_fd = -1};
	struct disagg_err err = DISAGG_ERR_INIT;
	int result;

	probe_view_open(&lead.view, probe);
	if (begin(&lead, &err) == 0)
		result = measure(&lead);
	else
		result = helper_fail_err(probe->helper, &err);
	if (lead.fleet)
		disagg_fleet_close(lead.fleet);
	end_agents(&lead);
	disagg_journal_close(&lead.journal);
	return result;
}
