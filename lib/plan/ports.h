/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_PORTS_H
#define DISAGG_PLAN_PORTS_H

#include "lib/plan/plan.h"

/*
 * Whether every port that is opened on a node is opened once there, and is at
 * most 65535: the plan's ports, those that the file's own engine flags pin in
 * their place, and the services'.  Each conflict is a finding that names both
 * sides; after a few the check ends.
 */
int disagg_ports_check(const struct disagg_job *job, const struct disagg_plan *plan,
	struct disagg_findings *found);

#endif
