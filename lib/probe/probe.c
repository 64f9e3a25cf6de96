/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/probe.h"

#include "lib/probe/clock.h"
#include "lib/probe/environment.h"
#include "lib/probe/mesh.h"
#include <string.h>

/* A probe of a short suite belongs to the longer ones too. */
#define QUICK	 (DISAGG_SUITE_QUICK | DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH)
#define STANDARD (DISAGG_SUITE_STANDARD | DISAGG_SUITE_THOROUGH)

const struct disagg_probe disagg_probes[] = {
	/* P1 */
	{.name = "env.fingerprint",
		.suites = QUICK,
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 10000,
		.about = "kernel, driver, libraries, settings: equal on all nodes",
		.run = disagg_environment_run,
		.lead = disagg_environment_lead},
	{.name = "net.tcp_mesh",
		.suites = STANDARD,
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 60000,
		.about = "TCP between nodes: connect, one byte, 1 MiB, MTU, names",
		.run = disagg_mesh_run,
		.lead = disagg_mesh_lead},
	{.name = "clock.skew",
		.suites = QUICK,
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
