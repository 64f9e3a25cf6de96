/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_SERVING_H
#define DISAGG_PROBE_SERVING_H

#include "lib/probe/fleet.h"
#include "lib/probe/responder.h"

/*
 * A probe whose nodes ask each other: the lead starts one task a node that
 * answers (responder.h) and tells its port by a note, and others that are told
 * whom to ask.  Arguments:
 *
 *	of one that answers	{"serve":true,"token":"32 hex digits",...}
 *	of one that asks	{"token":...,"peers":[{"name","address","port"},...],...}
 */
struct disagg_serving {
	struct disagg_fleet *fleet;
	const struct disagg_probe *probe;
	size_t count; /* of nodes, all of the fleet */
	struct disagg_fleet_task *task;
	uint16_t *port; /* of a node; 0: it does not answer */
	char token[2 * DISAGG_RESPONDER_TOKEN + 1];
};

/* ---- in the lead ---- */

/* On all nodes, or on the first alone.  Returns once each has told its port or has
 * ended; -1: cancelled, no memory. */
int disagg_serving_start(struct disagg_serving *serving, bool first_only, struct disagg_err *err);
/* Whether node's task still runs: what cannot be reached is not to blame otherwise. */
bool disagg_serving_runs(const struct disagg_serving *serving, size_t node);
void disagg_serving_stop(struct disagg_serving *serving);

/* The members "token" and "peers" of the arguments of one that asks these nodes. */
void disagg_serving_put(const struct disagg_serving *serving, struct disagg_json_writer *writer,
	const size_t *peer, size_t count);

/* ---- on a node ---- */

bool disagg_serving_asked(const struct disagg_probe_run *run);
/* Takes token and pattern, listens, tells the port, answers until it is ended. */
int disagg_serving_answer(
	struct disagg_probe_run *run, struct disagg_responder *responder, struct disagg_err *err);

struct disagg_peer {
	const char *name;
	struct disagg_caller_target target;
};
/* Whom this node is to ask; in the run's arena.  DISAGG_INVALID: the arguments are none. */
int disagg_serving_peers(struct disagg_probe_run *run, struct disagg_peer **ret, size_t *ret_count,
	struct disagg_err *err);

#endif
