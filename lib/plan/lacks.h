/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_LACKS_H
#define DISAGG_PLAN_LACKS_H

#include "lib/conf/findings.h"
#include "lib/plan/plan.h"

/*
 * What `disagg run` will miss, as warnings: the model's path where an engine
 * reads one, and a frontend for a benchmark to measure.  No reason to refuse a
 * job: its script may start things of its own.
 */
void disagg_plan_lacks(const struct disagg_job *job, const struct disagg_plan *plan,
	struct disagg_findings *found);

#endif
