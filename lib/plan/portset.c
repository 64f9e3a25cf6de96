/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/portset.h"

enum { PORT_MAX = 65535 };

void disagg_portset_add(struct disagg_portset *set, int64_t first, uint32_t count)
{
	for (int64_t port = first; port < first + (int64_t)count; port++) {
		if (port >= 1 && port <= PORT_MAX)
			set->word[port / 64] |= UINT64_C(1) << (port % 64);
	}
}

bool disagg_portset_has(const struct disagg_portset *set, int port)
{
	return port >= 1 && port <= PORT_MAX && (set->word[port / 64] >> (port % 64) & 1);
}

int disagg_portset_next(const struct disagg_portset *set, int from)
{
	for (int port = from; port <= PORT_MAX; port++) {
		if (port % 64 == 0 && !set->word[port / 64])
			port += 63;
		else if (disagg_portset_has(set, port))
			return port;
	}
	return 0;
}

int disagg_portset_highest(const struct disagg_portset *set)
{
	for (int port = PORT_MAX; port > 0; port--) {
		if (disagg_portset_has(set, port))
			return port;
	}
	return 0;
}
