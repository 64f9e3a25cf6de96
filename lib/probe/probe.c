/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/probe.h"

#include <string.h>

const struct disagg_probe disagg_probes[] = {
	{.name = NULL},
};

const struct disagg_probe *disagg_probe_find(const char *name)
{
	for (const struct disagg_probe *probe = disagg_probes; probe->name; probe++)
		if (strcmp(probe->name, name) == 0)
			return probe;
	return NULL;
}
