/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_HOSTS_H
#define DISAGG_PLAN_HOSTS_H

#include "lib/base/hostlist.h"
#include "lib/plan/plan.h"

/*
 * The host names behind a plan's job-relative nodes; the one place where they are
 * made.  `nodelist` is the job's (SLURM_JOB_NODELIST).  `excluded` (the text of
 * SLURM_DISAGG_EXCLUDED; NULL or "": none) names those of it that the plan passes
 * over: they come last, in their order, so that node i of the plan is name[i].
 * The list has all hosts of the job.
 *
 * A plan without roles is as large as its job: plan->nodes becomes that.
 *
 * DISAGG_CONFIG: a malformed list, an excluded name that is not of the job or
 * comes twice, fewer hosts left than the plan needs.
 */
int disagg_plan_hosts(struct disagg_arena *arena, struct disagg_plan *plan, const char *nodelist,
	const char *excluded, struct disagg_hostlist *ret, struct disagg_err *err);

/* The same of a list that is read already, in place; on an error it is spoilt. */
int disagg_plan_exclude(struct disagg_arena *arena, struct disagg_plan *plan, const char *excluded,
	struct disagg_hostlist *hosts, struct disagg_err *err);

/* Whether a job of so many hosts is one that was sized for the plan. */
bool disagg_plan_fits(const struct disagg_plan *plan, unsigned hosts);

#endif
