/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/probe.h"

#include "lib/probe/clock.h"
#include "lib/probe/intra.h"
#include "lib/probe/kvpath.h"
#include "lib/probe/mesh.h"
#include "lib/probe/pairs.h"
#include <string.h>

#define QUICK	 DISAGG_SUITE_QUICK
#define STANDARD DISAGG_SUITE_STANDARD
#define THOROUGH DISAGG_SUITE_THOROUGH

const struct disagg_probe disagg_probes[] = {
	{.name = "nccl.intra",
		.suites = QUICK | STANDARD | THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.needs_gpu = true,
		.deadline_ms = 180000,
		.about = "NCCL collectives among the GPUs of a node: bandwidth by size, results",
		.run = disagg_probe_intra_run},
	{.name = "nccl.nic_loopback",
		.suites = THOROUGH,
		.kind = DISAGG_PROBE_NODE,
		.needs_gpu = true,
		.deadline_ms = 120000,
		.about = "NCCL all-reduce in a node through its NICs",
		.run = disagg_probe_loopback_run},
	{.name = "nccl.pairs",
		.suites = STANDARD | THOROUGH,
		.kind = DISAGG_PROBE_FLEET,
		.needs_gpu = true,
		.deadline_ms = 60000,
		.about = "NCCL between pairs of nodes, rail by rail; names what is slow",
		.run = disagg_pairs_run,
		.lead = disagg_pairs_lead},
	{.name = "kv.path",
		.suites = STANDARD | THOROUGH,
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 120000,
		.about = "the KV cache's way from prefill to decode: alone, all at once",
		.run = disagg_kvpath_run,
		.lead = disagg_kvpath_lead},
	{.name = "net.tcp_mesh",
		.suites = STANDARD | THOROUGH,
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 60000,
		.about = "TCP between nodes: connect, one byte, 1 MiB, MTU, names",
		.run = disagg_mesh_run,
		.lead = disagg_mesh_lead},
	{.name = "clock.skew",
		.suites = QUICK | STANDARD | THOROUGH,
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 60000,
		.about = "how far each node's clock is from the fleet's",
		.run = disagg_clock_run,
		.lead = disagg_clock_lead},
	{.name = NULL},
};

const struct disagg_probe *disagg_probe_find(const char *name)
{
	for (const struct disagg_probe *probe = disagg_probes; probe->name; probe++)
		if (strcmp(probe->name, name) == 0)
			return probe;
	return NULL;
}
