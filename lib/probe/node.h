/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_NODE_H
#define DISAGG_PROBE_NODE_H

#include "lib/probe/probe.h"

/*
 * Probes of one node that read what the system says and measure little.  All
 * run without root; what root adds is said at each.
 */

/* hw.inventory: GPUs, links and adapters as counts and digests to compare, and GPUs that the
 * PCI bus has and NVML has not. */
int disagg_inventory_run(struct disagg_probe_run *run, struct disagg_err *err);

/* kmsg.xid: the kernel log since options->since_s by the table of Xids (kernlog.h). Root, or
 * CAP_SYSLOG where kernel.dmesg_restrict is 1. */
int disagg_kernel_run(struct disagg_probe_run *run, struct disagg_err *err);

/* rdma.port: state and rate of each port, its error counters, and what they grow by in half a
 * second. */
int disagg_rdma_run(struct disagg_probe_run *run, struct disagg_err *err);

/* storage.model: reads options->model_path (of a folder its largest file), past the page cache
 * and through it; GB/s. */
int disagg_storage_run(struct disagg_probe_run *run, struct disagg_err *err);

/* host.state: file systems, limits, kernel settings, tasks that hang. Root adds ACS of the PCIe
 * bridges. */
int disagg_host_run(struct disagg_probe_run *run, struct disagg_err *err);

/* service.wait: disagg-wait on options->service. */
int disagg_service_run(struct disagg_probe_run *run, struct disagg_err *err);

/* For these: a record of a fact that is to be equal on all nodes. */
void disagg_node_fact(struct disagg_probe_run *run, const char *param, const char *text);
/* A finding; `reason` NULL: no memory, and nothing is said. */
void disagg_node_finding(struct disagg_probe_run *run, const char *param,
	enum disagg_probe_status status, const char *reason, const char *hint);

#endif
