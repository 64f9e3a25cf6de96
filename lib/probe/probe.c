/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/probe.h"

#include "lib/probe/environment.h"
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
	{.name = NULL},
};

const struct disagg_probe *disagg_probe_find(const char *name)
{
	for (const struct disagg_probe *probe = disagg_probes; probe->name; probe++)
		if (strcmp(probe->name, name) == 0)
			return probe;
	return NULL;
}
