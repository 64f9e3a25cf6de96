/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_LOAD_H
#define DISAGG_CONF_LOAD_H

#include "lib/conf/cluster.h"
#include "lib/conf/job.h"

/* The steps of loading that a file and a carried configuration share. */

/* A job of `tree`, which has all its layers but the cluster's: dialect,
 * importer, cluster defaults, validation.  As disagg_job_load returns. */
int disagg_job_build(struct disagg_arena *arena, const struct disagg_node *tree,
	const struct disagg_cluster *cluster, struct disagg_job *job, struct disagg_job **ret_job,
	struct disagg_findings *found);

/* What the cluster file gives and the job file leaves open (defaults.c). */
int disagg_job_defaults(struct disagg_import *import);

/* Lays "PATH=VALUE" settings over *tree; `source` is their origin (set.c). */
struct disagg_setter {
	struct disagg_arena *arena;
	struct disagg_findings *found;
	const struct disagg_node *tree;
	const char *source;
};
int disagg_tree_set(struct disagg_setter *setter, const char *text);
/* Several, separated by newlines or ';'. */
int disagg_tree_set_all(struct disagg_setter *setter, const char *text);

#endif
