/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_CLUSTER_FLAT_H
#define DISAGG_CONF_CLUSTER_FLAT_H

#include "lib/conf/cluster.h"

/* srtctl's flat srtslurm.yaml (facts: NVIDIA/srt-slurm c88ef731). */
bool disagg_cluster_is_flat(const struct disagg_node *root);

/* Its one cluster as a tree with our keys; *ret_tree stays NULL where there
 * are errors, or `name` is another cluster's.  -1: no memory. */
int disagg_cluster_flat_tree(struct disagg_arena *arena, const struct disagg_node *root,
	const char *name, const struct disagg_node **ret_tree, struct disagg_findings *found);

#endif
