/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TOPO_AFFINITY_H
#define DISAGG_TOPO_AFFINITY_H

#include "lib/topo/topo.h"

/*
 * What is near some GPUs of a machine, which are named by PCI address.  Pure.
 * DISAGG_MISSING: the topology does not know one of them.
 */
struct disagg_near {
	cpu_set_t cpus; /* near one of the GPUs, and allowed; may be empty */
	unsigned *numa; /* the nodes of these CPUs; none where they are all there are */
	unsigned numa_count;
};
int disagg_near_cpus(struct disagg_arena *arena, const struct disagg_topo *topo,
	const char *const *gpu, unsigned gpu_count, const cpu_set_t *allowed,
	struct disagg_near *ret, struct disagg_err *err);

/*
 * "mlx5_0:1,mlx5_1:1": for each GPU the NICs with a port that is up whose first
 * common bridge is the nearest, else those of its NUMA node; several on a tie.
 * "" where that leaves out no NIC of the machine: there is nothing to choose.
 */
int disagg_near_nics(struct disagg_arena *arena, const struct disagg_topo *topo,
	const char *const *gpu, unsigned gpu_count, const char **ret, struct disagg_err *err);

#endif
