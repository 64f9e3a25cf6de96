/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/probe.h"

#include "lib/probe/clock.h"
#include "lib/probe/environment.h"
#include "lib/probe/gpuprobes.h"
#include "lib/probe/health.h"
#include "lib/probe/interop.h"
#include "lib/probe/intra.h"
#include "lib/probe/kvpath.h"
#include "lib/probe/mesh.h"
#include "lib/probe/node.h"
#include "lib/probe/pairs.h"
#include <string.h>

/* A probe of a short suite belongs to the longer ones too. */
#define QUICK	 (DISAGG_SUITE_QUICK | DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH)
#define STANDARD (DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH)
#define THOROUGH DISAGG_SUITE_THOROUGH

const struct disagg_probe disagg_probes[] = {
	{
		.name = "env.fingerprint",
		.suites = QUICK,
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 10000,
		.about = "kernel, driver, libraries, settings, all equal",
		.run = disagg_environment_run,
		.lead = disagg_environment_lead,
	},
	{
		.name = "hw.inventory",
		.suites = QUICK,
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 10000,
		.about = "GPUs, links, adapters: as many, as wide on all",
		.run = disagg_inventory_run,
	},
	{
		.name = "gpu.health",
		.suites = QUICK,
		.kind = DISAGG_PROBE_NODE,
		.needs_gpu = true,
		.only_looks = true,
		.deadline_ms = 10000,
		.about = "NVML: memory errors, links, throttling, recovery",
		.run = disagg_health_run,
	},
	{
		.name = "kmsg.xid",
		.suites = QUICK,
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 10000,
		.about = "Xids and other errors in the kernel log (root)",
		.run = disagg_kernel_run,
	},
	{
		.name = "gemm.bf16",
		.suites = QUICK,
		.kind = DISAGG_PROBE_GPU,
		.needs_gpu = true,
		.deadline_ms = 60000,
		.about = "BF16 matrix product by cuBLAS, TFLOPS",
		.run = disagg_probe_gemm_run,
	},
	{
		.name = "gemm.sdc",
		.suites = STANDARD,
		.kind = DISAGG_PROBE_GPU,
		.needs_gpu = true,
		.deadline_ms = 60000,
		.about = "the same product repeated: equal on all GPUs",
		.run = disagg_probe_sdc_run,
	},
	{
		.name = "hbm.copy",
		.suites = STANDARD,
		.kind = DISAGG_PROBE_GPU,
		.needs_gpu = true,
		.deadline_ms = 30000,
		.about = "copies within a GPU's memory, GB/s",
		.run = disagg_probe_hbm_run,
	},
	{
		.name = "hbm.march",
		.suites = THOROUGH,
		.kind = DISAGG_PROBE_GPU,
		.needs_gpu = true,
		.deadline_ms = 900000,
		.about = "patterns over 9/10 of a GPU's free memory",
		.run = disagg_probe_march_run,
	},
	{
		.name = "pcie.alone",
		.suites = QUICK,
		.kind = DISAGG_PROBE_GPU_ALONE,
		.needs_gpu = true,
		.deadline_ms = 30000,
		.about = "pcie.h2d, pcie.d2h: one GPU after another",
		.emits = {"pcie.h2d", "pcie.d2h"},
		.run = disagg_probe_pcie_run,
	},
	{
		.name = "pcie.shared",
		.suites = STANDARD,
		.kind = DISAGG_PROBE_GPU,
		.needs_gpu = true,
		.deadline_ms = 30000,
		.about = "the same, both ways too, all GPUs at once",
		.run = disagg_probe_pcie_shared_run,
	},
	{
		.name = "p2p.matrix",
		.suites = STANDARD,
		.kind = DISAGG_PROBE_NODE,
		.needs_gpu = true,
		.deadline_ms = 60000,
		.about = "copies between all pairs of a node's GPUs",
		.run = disagg_probe_p2p_run,
	},
	{
		.name = "latency.launch",
		.suites = THOROUGH,
		.kind = DISAGG_PROBE_GPU_ALONE,
		.needs_gpu = true,
		.deadline_ms = 20000,
		.about = "a fill of 4 bytes, a copy of 8: us on the device",
		.run = disagg_probe_latency_run,
	},
	{
		.name = "nccl.intra",
		.suites = QUICK,
		.kind = DISAGG_PROBE_NODE,
		.needs_gpu = true,
		.deadline_ms = 180000,
		.about = "NCCL collectives among a node's GPUs, by size",
		.run = disagg_probe_intra_run,
	},
	{
		.name = "nccl.nic_loopback",
		.suites = THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.needs_gpu = true,
		.deadline_ms = 120000,
		.about = "NCCL all-reduce in a node through its NICs",
		.run = disagg_probe_loopback_run,
	},
	{
		.name = "nccl.interop",
		.suites = STANDARD,
		.kind = DISAGG_PROBE_FLEET,
		.needs_gpu = true,
		.deadline_ms = 90000,
		.about = "NCCL all-reduce over all nodes, and its sum",
		.run = disagg_probe_interop_run,
		.lead = disagg_probe_interop_lead,
	},
	{
		.name = "nccl.pairs",
		.suites = STANDARD,
		.kind = DISAGG_PROBE_FLEET,
		.needs_gpu = true,
		.deadline_ms = 60000,
		.about = "NCCL between pairs of nodes, rail by rail",
		.run = disagg_pairs_run,
		.lead = disagg_pairs_lead,
	},
	{
		.name = "rdma.port",
		.suites = DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 10000,
		.about = "state, rate and error counters of RDMA ports",
		.run = disagg_rdma_run,
	},
	{
		.name = "kv.path",
		.suites = STANDARD,
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 120000,
		.about = "the KV cache's way from prefill to decode",
		.run = disagg_kvpath_run,
		.lead = disagg_kvpath_lead,
	},
	{
		.name = "storage.model",
		.suites = DISAGG_SUITE_THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 60000,
		.about = "reading the model, past the page cache and in it",
		.run = disagg_storage_run,
	},
	{
		.name = "net.tcp_mesh",
		.suites = STANDARD,
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 60000,
		.about = "TCP between nodes: connect, 1 byte, 1 MiB, MTU",
		.run = disagg_mesh_run,
		.lead = disagg_mesh_lead,
	},
	{
		.name = "clock.skew",
		.suites = QUICK,
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 60000,
		.about = "how far each node's clock is from the fleet's",
		.run = disagg_clock_run,
		.lead = disagg_clock_lead,
	},
	{
		.name = "host.state",
		.suites = QUICK,
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 10000,
		.about = "file systems, limits, kernel settings, hung tasks",
		.run = disagg_host_run,
	},
	{
		.name = "service.wait",
		.kind = DISAGG_PROBE_NODE,
		.deadline_ms = 3600000,
		.about = "how long a service takes to be ready (--service)",
		.run = disagg_service_run,
	},
	{.name = NULL},
};

const struct disagg_probe *disagg_probe_find(const char *name)
{
	for (const struct disagg_probe *probe = disagg_probes; probe->name; probe++)
		if (strcmp(probe->name, name) == 0)
			return probe;
	return NULL;
}
