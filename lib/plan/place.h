/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_PLACE_H
#define DISAGG_PLAN_PLACE_H

#include "lib/plan/plan.h"

/*
 * What the placement rules share.  A rule walks the roles and hands out GPUs;
 * its cursor only moves forward, so a plan's processes are in order of node
 * (ports.c relies on it).  Node numbers in a placer count worker nodes.
 */
struct disagg_placer {
	struct disagg_arena *arena;
	const struct disagg_job *job;
	struct disagg_plan *plan;
	struct disagg_findings *found;
	uint32_t node, gpu; /* the next free GPU */
	uint32_t limit;	    /* nodes there are; UINT32_MAX: as many as needed */
	uint32_t used;	    /* nodes that have a worker */
	uint32_t given;	    /* GPUs of the worker begun last */
};

/* The rules: every worker of every role that has GPUs, in the job's order.
 * 0, or -1 with a finding. */
int disagg_place_native(struct disagg_placer *placer);
int disagg_place_srtctl(struct disagg_placer *placer);
int disagg_place_per_server(struct disagg_placer *placer);
int disagg_place_compact(struct disagg_placer *placer);

/* The next worker of a role; its GPUs follow by disagg_place_share. */
void disagg_place_worker(struct disagg_placer *placer, uint32_t role, uint32_t index);

/* GPUs of one node for the worker begun last; the cursor moves behind them. */
void disagg_place_share(
	struct disagg_placer *placer, uint32_t node, uint32_t gpu_first, uint32_t gpu_count);

/* As many GPUs for it from the cursor on, over as many nodes as that takes. */
void disagg_place_run(struct disagg_placer *placer, uint32_t gpus);

/* The cursor to GPU 0 of a node without workers. */
void disagg_place_fresh(struct disagg_placer *placer);

/* Behind the worker nodes' count: the reserved ones, and the services. */
void disagg_place_name_nodes(const struct disagg_job *job, struct disagg_plan *plan);
int disagg_place_services(struct disagg_placer *placer);

/* Where the file says how many GPUs a worker, and how many nodes a role has. */
const struct disagg_origin *disagg_place_cite_gpus(
	const struct disagg_job *job, const struct disagg_role *role);
const struct disagg_origin *disagg_place_cite_nodes(
	const struct disagg_job *job, const struct disagg_role *role);

/* The first of the paths (NULL ends them) that the job has a value at, or NULL;
 * and the paths of two values by dialect. */
const struct disagg_origin *disagg_plan_origin(
	const struct disagg_job *job, const char *const *path);
extern const char *const disagg_paths_nodes[];
extern const char *const disagg_paths_gpus_per_node[];

/* Whether a role's workers take GPUs. */
bool disagg_role_has_gpus(const struct disagg_role *role);

/* vLLM data parallelism: the GPUs of one rank where a process holds whole
 * ranks, 0 where processes are as everywhere else (also: a rank spans nodes). */
uint32_t disagg_role_dp_rank_gpus(const struct disagg_role *role, uint32_t gpus_per_node);

#endif
