/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_PLAN_H
#define DISAGG_PLAN_PLAN_H

#include "lib/conf/job.h"

/*
 * Which worker runs where, with which GPUs and ports.  Nodes are 0-based
 * positions in the job's node list; GPU numbers are positions in the list of
 * GPUs that Slurm gave the job on that node.  Pure data: no host names.
 */

/* A worker's part on one node (vLLM data parallelism: docs/user-guide). */
struct disagg_process {
	uint32_t worker; /* index in disagg_plan.worker */
	uint32_t node;
	uint32_t rank;	/* node rank in the worker; vLLM DP: the start rank */
	uint32_t tasks; /* Slurm tasks on this node */
	uint16_t gpu_first, gpu_count;
	int32_t port[DISAGG_PORT_COUNT]; /* -1: none; 0: any (a rank that serves nothing) */
};

struct disagg_worker {
	uint32_t role; /* index in disagg_plan.role */
	uint32_t index;
	uint32_t first_process, process_count;
	uint32_t tasks; /* of all its processes */
};

struct disagg_service {
	uint32_t role;
	uint32_t index;
	uint32_t node;
	int32_t port; /* -1: none */
};

/* What of a role the compute side needs. */
struct disagg_plan_role {
	const char *name;
	enum disagg_role_kind kind;
	enum disagg_engine engine;
	uint32_t workers;
	uint32_t gpus;		    /* a worker's; 0: a service */
	int pin[DISAGG_PORT_COUNT]; /* what the engine's own flags fix; -1: none */
	struct disagg_strs after;
	struct disagg_map env;
};

struct disagg_plan {
	const char *name;
	enum disagg_dialect dialect;
	const char *source;
	const char *variant;
	const char *log_dir;			  /* NULL: beside the job's output */
	const char *served_name, *model_path;	  /* may be NULL */
	uint32_t nodes;				  /* of the job */
	uint32_t worker_node_first, worker_nodes; /* a contiguous range */
	uint32_t gpus_per_node;
	bool gpus_unmanaged, rehearse;
	uint32_t head_node, infra_node, client_node;
	uint32_t gpus_used;
	/* step 0: what each host of the job is measured by, and what a bad one does */
	enum disagg_probing_suite probes;
	enum disagg_probing_failure on_failure;
	uint32_t spare_nodes; /* that the job has beside `nodes`, in place of bad ones */
	struct disagg_plan_role *role;
	uint32_t role_count;
	struct disagg_worker *worker;
	uint32_t worker_count;
	struct disagg_process *process; /* in order of worker, then node rank */
	uint32_t process_count;
	struct disagg_service *service;
	uint32_t service_count;
};

/* place.c, ports.c: a job to its plan.  Problems (does not fit, overlap,
 * ports in conflict or above 65535, a ragged worker) become findings that
 * cite the values in job->trace; -1 then, or when memory has run out. */
int disagg_plan_make(struct disagg_arena *arena, const struct disagg_job *job,
	struct disagg_plan **ret_plan, struct disagg_findings *found);

/* plan_make's halves, for tests.  Ports are filled into placed processes. */
int disagg_plan_place(struct disagg_arena *arena, const struct disagg_job *job,
	struct disagg_plan *plan, struct disagg_findings *found);
int disagg_plan_ports(
	const struct disagg_job *job, struct disagg_plan *plan, struct disagg_findings *found);

/* The index of the role, or -1. */
int disagg_plan_role_index(const struct disagg_plan *plan, const char *name);
/* Worker `index` of role `role`, or NULL. */
const struct disagg_worker *disagg_plan_worker(
	const struct disagg_plan *plan, uint32_t role, uint32_t index);

#endif
