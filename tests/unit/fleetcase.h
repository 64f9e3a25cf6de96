/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_FLEETCASE_H
#define DISAGG_TESTS_FLEETCASE_H

#include "lib/probe/agent.h"
#include "lib/probe/lead.h"
#include "lib/probe/suite.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A fleet of n1 to nN in this process, an agent each in a forked one: n1's over
 * a socket pair, the others' over TCP on the loopback.
 */
#define FLEETCASE_MOST 64

struct fleetcase {
	struct disagg_meet meet;
	struct disagg_probe_options options;
	const struct disagg_probe *probes;
	disagg_agent_devices *devices; /* NULL: no GPUs */
	unsigned join_ms;
	size_t nodes;
	size_t absent; /* of the last nodes, whose agents are not started */

	struct disagg_fleet *fleet;
	int port;
	pid_t pid[FLEETCASE_MOST];
	char names[FLEETCASE_MOST][24];
	const char *name[FLEETCASE_MOST];
	char said[4096]; /* lines about the run */
};

static inline void fleetcase_say(void *context, const char *text)
{
	struct fleetcase *fleetcase = context;
	size_t len = strlen(fleetcase->said);

	snprintf(fleetcase->said + len, sizeof(fleetcase->said) - len, "%s\n", text);
}

/* TERM ends an agent, as it does one of a step. */
static inline int fleetcase_ends(void)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	return signalfd(-1, &ends, SFD_NONBLOCK | SFD_CLOEXEC);
}

static inline int fleetcase_agent(struct fleetcase *fleetcase, size_t node, int fd)
{
	struct disagg_agent_spec spec = {.node = fleetcase->name[node],
		.probes = fleetcase->probes,
		.options = &fleetcase->options,
		.devices = fleetcase->devices,
		.signal_fd = fleetcase_ends()};
	struct disagg_meet_self self = {.meet = &fleetcase->meet, .node = fleetcase->name[node]};
	struct disagg_meet_where where = {.host = {"127.0.0.1"},
		.port = &fleetcase->port,
		.ports = 1,
		.wait_ms = 20000,
		.cancel_fd = -1};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_link link;

	if ((fd >= 0 ? disagg_meet_join(&self, fd, &link, &err)
		     : disagg_meet_find(&self, &where, &link, &err)) != 0)
		return 1;
	return disagg_agent_serve(&spec, &link, &err) ? 1 : 0;
}

/* Starts the agents and opens the fleet; fleetcase_gather or disagg_fleet_gather goes on. */
static inline int fleetcase_open(struct fleetcase *fleetcase, struct disagg_err *err)
{
	int pair[2], listen_fd;
	struct disagg_fleet_spec spec = {.name = fleetcase->name,
		.count = fleetcase->nodes,
		.meet = &fleetcase->meet,
		.options = &fleetcase->options,
		.check_address = false,
		.join_ms = fleetcase->join_ms ? fleetcase->join_ms : 20000,
		.signal_fd = -1,
		.say = fleetcase_say,
		.context = fleetcase};

	if (!fleetcase->meet.job)
		fleetcase->meet.job = fleetcase->meet.step = "";
	for (size_t i = 0; i < fleetcase->nodes; i++) {
		snprintf(fleetcase->names[i], sizeof(fleetcase->names[i]), "n%zu", i + 1);
		fleetcase->name[i] = fleetcase->names[i];
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) ||
		disagg_meet_listen(&fleetcase->meet, true, &listen_fd, &fleetcase->port, err))
		return -1;
	fflush(stdout);
	for (size_t i = 0; i < fleetcase->nodes - fleetcase->absent; i++) {
		fleetcase->pid[i] = fork();
		if (fleetcase->pid[i] == 0) {
			close(listen_fd);
			close(pair[0]);
			if (i)
				close(pair[1]);
			_exit(fleetcase_agent(fleetcase, i, i ? -1 : pair[1]));
		}
	}
	close(pair[1]);
	spec.listen_fd = listen_fd;
	spec.local_fd = pair[0];
	return disagg_fleet_open(&spec, &fleetcase->fleet, err);
}

static inline int fleetcase_start(struct fleetcase *fleetcase, struct disagg_err *err)
{
	return fleetcase_open(fleetcase, err) ? -1 : disagg_fleet_gather(fleetcase->fleet, err);
}

/* Returns how many agents did not end in an orderly way. */
static inline unsigned fleetcase_end(struct fleetcase *fleetcase)
{
	unsigned bad = 0;
	int status;

	disagg_fleet_close(fleetcase->fleet);
	for (size_t i = 0; i < fleetcase->nodes - fleetcase->absent; i++)
		if (waitpid(fleetcase->pid[i], &status, 0) < 0 || status != 0)
			bad++;
	return bad;
}

#endif
