/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_FLEET_H
#define DISAGG_PROBE_FLEET_H

#include "lib/probe/probe.h"

/*
 * The nodes of one run, seen from the lead (the first task of the step): each
 * has an agent that starts probes in forked children and sends back their
 * records.  A node that dies, hangs or never came is lost: its tasks end as
 * such, and everything else goes on.
 */
enum disagg_task_state {
	DISAGG_TASK_RUNNING,
	DISAGG_TASK_NOTED, /* has sent a note, still runs */
	DISAGG_TASK_DONE,
	DISAGG_TASK_SKIPPED, /* `reason` says why */
	DISAGG_TASK_FAILED,  /* could not measure, crashed, past its deadline, node lost */
};

struct disagg_fleet_task {
	size_t node;			  /* index, 0 to disagg_fleet_nodes - 1 */
	const struct disagg_probe *probe; /* its run is called there */
	const struct disagg_gpu *gpu;	  /* of that node; NULL */
	const char *args;		  /* a JSON object, or NULL; at most 64 KiB */
	unsigned deadline_ms;		  /* 0: the probe's */

	/* what came of it */
	enum disagg_task_state state;
	const char *note;   /* the last note; NULL */
	const char *reason; /* NULL */
	size_t records;	    /* how many it has sent */
	uint64_t id;	    /* the fleet's */
};

size_t disagg_fleet_nodes(const struct disagg_fleet *fleet);
const char *disagg_fleet_name(const struct disagg_fleet *fleet, size_t node);
bool disagg_fleet_lost(const struct disagg_fleet *fleet, size_t node);
/* The GPUs a node has told of; an address that other nodes reach it at, "10.0.0.3". */
size_t disagg_fleet_gpus(
	const struct disagg_fleet *fleet, size_t node, const struct disagg_gpu **ret);
const char *disagg_fleet_address(const struct disagg_fleet *fleet, size_t node);
const struct disagg_probe_options *disagg_fleet_options(const struct disagg_fleet *fleet);
/* For what lives as long as the run. */
struct disagg_arena *disagg_fleet_arena(struct disagg_fleet *fleet);

/*
 * Starts every task; a task of a lost node ends at once.  The tasks are the
 * caller's and stay in place until they have ended.  -1: no memory.
 */
int disagg_fleet_start(struct disagg_fleet *fleet, struct disagg_fleet_task *tasks, size_t count,
	struct disagg_err *err);

/* Until each of the tasks has sent a note or has ended. */
int disagg_fleet_await_notes(struct disagg_fleet *fleet, struct disagg_fleet_task *tasks,
	size_t count, struct disagg_err *err);

/* Until each has ended (each has a deadline, so this ends too).  -1: the run was
 * cancelled (DISAGG_TIMEOUT, DISAGG_SYSTEM); the tasks' states are set all the same. */
int disagg_fleet_await(struct disagg_fleet *fleet, struct disagg_fleet_task *tasks, size_t count,
	struct disagg_err *err);

/* Ends those that still run: KILL on their nodes. */
void disagg_fleet_stop(struct disagg_fleet *fleet, struct disagg_fleet_task *tasks, size_t count);

/* The records that a task has sent, in their order; they live as long as the run. */
const struct disagg_probe_record *disagg_fleet_record(
	const struct disagg_fleet *fleet, const struct disagg_fleet_task *task, size_t index);

/* A record of the lead's own: a verdict over several nodes.  Where they are not set, probe
 * is the one that runs, node the first, and start and duration are the probe's so far. */
void disagg_fleet_emit(struct disagg_fleet *fleet, const struct disagg_probe_record *record);

#endif
