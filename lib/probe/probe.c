/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/probe.h"

#include "lib/probe/environment.h"
#include "lib/probe/health.h"
#include "lib/probe/node.h"
#include <string.h>

const struct disagg_probe disagg_probes[] = {
	/* P1 */
	{.name = "env.fingerprint",
		.suites = DISAGG_SUITE_QUICK | DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH,
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 10000,
		.about = "kernel, driver, libraries, settings: equal on all nodes",
		.run = disagg_environment_run,
		.lead = disagg_environment_lead},
	/* P2 */
	{.name = "hw.inventory",
		.suites = DISAGG_SUITE_QUICK | DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 10000,
		.about = "GPUs, links, adapters: as many and as wide on all nodes",
		.run = disagg_inventory_run},
	/* P3 */
	{.name = "gpu.health",
		.suites = DISAGG_SUITE_QUICK | DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.needs_gpu = true,
		.deadline_ms = 10000,
		.about = "NVML: memory errors, links, throttling, recovery action",
		.run = disagg_health_run},
	/* P4 */
	{.name = "kmsg.xid",
		.suites = DISAGG_SUITE_QUICK | DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 10000,
		.about = "Xids and other errors in the kernel log (root)",
		.run = disagg_kernel_run},
	/* P16 */
	{.name = "rdma.port",
		.suites = DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 10000,
		.about = "state, rate and error counters of RDMA ports",
		.run = disagg_rdma_run},
	/* P18 */
	{.name = "storage.model",
		.suites = DISAGG_SUITE_THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 60000,
		.about = "GB/s of reading the model, past the page cache and through it",
		.run = disagg_storage_run},
	/* P21 */
	{.name = "host.state",
		.suites = DISAGG_SUITE_QUICK | DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 10000,
		.about = "file systems, limits, kernel settings, IOMMU, tasks that hang",
		.run = disagg_host_run},
	/* P22 */
	{.name = "service.wait",
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 3600000,
		.about = "how long a service takes to be ready (--service)",
		.run = disagg_service_run},
	{.name = NULL},
};

const struct disagg_probe *disagg_probe_find(const char *name)
{
	for (const struct disagg_probe *probe = disagg_probes; probe->name; probe++)
		if (strcmp(probe->name, name) == 0)
			return probe;
	return NULL;
}
