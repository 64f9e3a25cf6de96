/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_PORTS_H
#define DISAGG_PLAN_PORTS_H

#include "lib/plan/plan.h"

/* Ports that one owner opens on a node, beginning with `first`. */
struct disagg_opened {
	enum disagg_port kind; /* DISAGG_PORT_COUNT: a service's own */
	bool pinned;	       /* by the file's own engine flags: no offset moves it */
	int32_t first;
	uint32_t count;
};

/* What a process listens on; the others of a worker only know some of its
 * ports.  Fills at most DISAGG_PORT_COUNT and returns how many. */
unsigned disagg_ports_of_process(const struct disagg_job *job, const struct disagg_plan *plan,
	const struct disagg_process *process, struct disagg_opened *ret);

/*
 * Whether every port that is opened on a node is opened once there, and is at
 * most 65535: the plan's ports, those that the file's own engine flags pin in
 * their place, and the services'.  Each conflict is a finding that names both
 * sides; after a few the check ends.
 */
int disagg_ports_check(const struct disagg_job *job, const struct disagg_plan *plan,
	struct disagg_findings *found);

#endif
