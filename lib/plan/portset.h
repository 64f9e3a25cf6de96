/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_PORTSET_H
#define DISAGG_PLAN_PORTSET_H

#include <stdbool.h>
#include <stdint.h>

/* A set of TCP ports, 1 to 65535.  All zero is the empty one. */
struct disagg_portset {
	uint64_t word[65536 / 64];
};

/* What is no port is left out. */
void disagg_portset_add(struct disagg_portset *set, int64_t first, uint32_t count);
bool disagg_portset_has(const struct disagg_portset *set, int port);
/* The lowest port from `from` on; 0: there is none. */
int disagg_portset_next(const struct disagg_portset *set, int from);
/* 0: the set is empty. */
int disagg_portset_highest(const struct disagg_portset *set);

#endif
