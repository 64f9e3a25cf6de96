/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TOPO_TOPO_H
#define DISAGG_TOPO_TOPO_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/strbuf.h"
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A machine as plain data: where its CPUs, GPUs and RDMA NICs are to each
 * other.  CPU numbers are the kernel's; those above CPU_SETSIZE are not seen.
 */

/* Memory that belongs to CPUs: not that of a GPU, nor HBM beside a node's DRAM. */
struct disagg_topo_numa {
	unsigned index; /* the kernel's */
	cpu_set_t cpus;
};

struct disagg_topo_device {
	const char *name;	/* of a NIC: "mlx5_0"; of a GPU: its address */
	const char *pci;	/* "0000:19:00.0" */
	cpu_set_t cpus;		/* near it; all of the machine where nothing is known */
	const uint64_t *bridge; /* the PCI bridges above it by number, the root's first */
	unsigned bridge_count;
	uint32_t active; /* of a NIC: bit n for port n that is up */
};

struct disagg_topo {
	bool here; /* this machine, or one that HWLOC_THISSYSTEM says is it */
	struct disagg_topo_numa *numa;
	unsigned numa_count;
	struct disagg_topo_device *gpu; /* NVIDIA's, by PCI address */
	unsigned gpu_count;
	struct disagg_topo_device *nic; /* with reliable RDMA connections */
	unsigned nic_count;
};

/*
 * This machine, as hwloc sees it (HWLOC_XMLFILE and its other variables count),
 * or the machine that was saved in an hwloc XML file.  DISAGG_MISSING: libhwloc
 * is not here.
 */
int disagg_topo_load(struct disagg_arena *arena, const char *xml, struct disagg_topo **ret,
	struct disagg_err *err);

/* The GPU at a PCI address, or NULL. */
const struct disagg_topo_device *disagg_topo_gpu(const struct disagg_topo *topo, const char *pci);

/* Whether two sets have a CPU in common. */
bool disagg_topo_overlap(const cpu_set_t *a, const cpu_set_t *b);

/* "0-3,8" */
void disagg_topo_cpus_text(struct disagg_strbuf *out, const cpu_set_t *cpus);

#endif
