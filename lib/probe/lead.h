/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_LEAD_H
#define DISAGG_PROBE_LEAD_H

#include "lib/probe/fleet.h"
#include "lib/probe/meet.h"

/*
 * The lead's side of a run (fleet.h is what probes see of it): takes in the
 * nodes' agents, keeps every record, knows which nodes are lost and why.
 * One process, one loop, no thread; it never calls CUDA.
 */
#define DISAGG_LEAD_SILENT_NS 30000000000ll /* of an agent, after which its node is lost */

struct disagg_fleet_spec {
	const char *const *name; /* of the nodes, in order; the first is this one */
	size_t count;
	const struct disagg_meet *meet;
	const struct disagg_probe_options *options;
	int listen_fd;	    /* for agents of other nodes, taken over; -1 */
	int local_fd;	    /* connected to this node's own agent, taken over; -1 */
	bool check_address; /* an agent must come from an address of its node's name */
	unsigned join_ms;   /* how long nodes may take to join and to list their GPUs */
	int signal_fd;	    /* a signalfd of what cancels the run; -1 */
	/* a record has come; a line about the run itself (a peer that was refused); every
	 * 200 ms while the lead waits: each may be NULL */
	void (*record)(void *context, const struct disagg_probe_record *record);
	void (*say)(void *context, const char *text);
	void (*tick)(void *context);
	void *context;
};

int disagg_fleet_open(
	const struct disagg_fleet_spec *spec, struct disagg_fleet **ret, struct disagg_err *err);

/* Until every node has joined and told its GPUs, or join_ms have passed: then those that
 * have not are lost.  -1: cancelled (DISAGG_TIMEOUT). */
int disagg_fleet_gather(struct disagg_fleet *fleet, struct disagg_err *err);

/* The node of that name; -1: there is none. */
int disagg_fleet_find(const struct disagg_fleet *fleet, const char *name, size_t *ret_node);
/* Why a node is lost; NULL: it is not. */
const char *disagg_fleet_reason(const struct disagg_fleet *fleet, size_t node);
/* Why a node has no GPU; NULL: it did not say. */
const char *disagg_fleet_no_gpu(const struct disagg_fleet *fleet, size_t node);
/* "cancelled by signal 15 (Terminated)"; NULL: it is not. */
const char *disagg_fleet_cancelled(const struct disagg_fleet *fleet);

/* All records so far, the lead's own too, in the order they came. */
const struct disagg_probe_record *const *disagg_fleet_records(
	const struct disagg_fleet *fleet, size_t *ret_count);

/* From now on the lead's records are of this probe. */
void disagg_fleet_leads(struct disagg_fleet *fleet, const struct disagg_probe *probe);

/* How many tasks were started and how many of them have ended. */
struct disagg_fleet_count {
	size_t started, ended;
};
struct disagg_fleet_count disagg_fleet_tasks(const struct disagg_fleet *fleet);

/* Tells the agents to end, without waiting for them.  Records end with it. */
void disagg_fleet_close(struct disagg_fleet *fleet);

#endif
