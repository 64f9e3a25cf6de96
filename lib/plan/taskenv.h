/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_TASKENV_H
#define DISAGG_PLAN_TASKENV_H

#include "lib/base/envlist.h"
#include "lib/base/hostlist.h"
#include "lib/plan/plan.h"

/* Which task of which step: all that the compute side knows. */
struct disagg_task {
	const char *role;	     /* of --disagg-role; NULL: the step has none */
	int index;		     /* of --disagg-role; -1: not given */
	uint32_t node;		     /* this node's position in the job's node list */
	uint32_t step_nodes;	     /* nodes of the step */
	uint32_t global_id;	     /* task in the step (SLURM_PROCID) */
	uint32_t local_id;	     /* task on this node */
	uint32_t local_tasks;	     /* the step's tasks on this node */
	const char *visible_devices; /* CUDA_VISIBLE_DEVICES as Slurm set it; NULL: not set */
	const struct disagg_hostlist *hosts; /* of the job, in order */
	const char *job_id;		     /* decimal */
	const char *restart_count;	     /* NULL or "0": first run */
	const char *submit_dir;
	int port_offset; /* SLURM_DISAGG_PORT_OFFSET */
	/* for ${env:NAME}; may be NULL */
	const char *(*getenv)(void *context, const char *name);
	void *context;
};

/*
 * The environment of one task (docs: "Environment of a task").
 * A step with a role: task global_id of the worker.  A step without a role
 * that has all the plan's nodes and room for every process: on node n the
 * plan's processes own consecutive local ids in the plan's order; a task
 * beyond them, and every task of any other step, gets only the variables of
 * the job, and its CUDA_VISIBLE_DEVICES is left alone.
 * Errors: unknown role or index, a node or task that the worker does not
 * have, fewer visible devices than the plan needs, an unset ${env:NAME}.
 */
int disagg_taskenv(const struct disagg_plan *plan, const struct disagg_task *task,
	struct disagg_envlist *ret, struct disagg_err *err);

/* The worker that --disagg-role=ROLE[:INDEX] names; services too (then
 * *ret_service is set and *ret_worker NULL). */
int disagg_plan_pick(const struct disagg_plan *plan, const char *role, int index,
	const struct disagg_worker **ret_worker, const struct disagg_service **ret_service,
	struct disagg_err *err);

/* The process of a worker that a rank is in, as an index in the plan, and the rank's
 * number there: ranks are counted process by process. */
int disagg_plan_process_of(const struct disagg_plan *plan, const struct disagg_worker *worker,
	uint32_t rank, uint32_t *ret_process, uint32_t *ret_local, struct disagg_err *err);

/* "decode:3" to its parts; index -1 where there is none. */
int disagg_role_split(
	const char *text, char *ret_role, size_t role_size, int *ret_index, struct disagg_err *err);

/* <log_dir>/<jobid>[.<restart>], with %j and {job_id} filled in. */
char *disagg_run_dir(struct disagg_arena *arena, const struct disagg_plan *plan, const char *job_id,
	const char *restart_count, const char *submit_dir);

/* What a role step asks srun for: node names, one a task, in rank order. */
int disagg_step_nodelist(struct disagg_arena *arena, const struct disagg_plan *plan,
	const struct disagg_worker *worker, const struct disagg_service *service,
	const struct disagg_hostlist *hosts, const char **ret_nodelist, uint32_t *ret_tasks,
	struct disagg_err *err);

#endif
