/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_TASK_H
#define DISAGG_SPANK_TASK_H

#include "lib/base/hostlist.h"
#include "lib/plan/plan.h"
#include "spank/exits.h"
#include "spank/options.h"
#include <stdbool.h>

struct spank_handle;

/*
 * In slurmstepd.  prepare runs as the user before the tasks are forked, reads
 * the environment of the job and opens nothing; what goes wrong is kept, for a
 * failing user_init loses the job and may drain the node.  enter runs in each
 * task, the one place that fails cleanly.
 */
struct disagg_node_view {
	struct disagg_arena arena;
	struct disagg_plan *plan; /* NULL: the job has none */
	struct disagg_hostlist hosts;
	char role[128];
	bool has_role;
	int index;    /* -1: not given */
	bool by_role; /* tasks have a role only by --disagg-role */
	const char *submit_dir;
	int port_offset;
	struct disagg_step_exits exits;
	struct disagg_err err; /* kept */
};

void disagg_node_view_release(struct disagg_node_view *view);

/* slurm_spank_user_init */
void disagg_task_prepare(
	struct disagg_node_view *view, const struct disagg_said *said, struct spank_handle *sp);

/* slurm_spank_task_init: 0, or -1 when the error has been reported. */
int disagg_task_enter(struct disagg_node_view *view, struct spank_handle *sp);

/* slurm_spank_task_exit and slurm_spank_exit: keeps how tasks end. */
void disagg_task_exited(struct disagg_node_view *view, struct spank_handle *sp);
void disagg_task_finish(struct disagg_node_view *view);

#endif
