/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_NAMES_H
#define DISAGG_PROBE_NAMES_H

#include "lib/base/arena.h"
#include <stdint.h>

/*
 * Texts kept once: what repeats in a million records (node, probe, cohort) is
 * stored and compared as one pointer.  Any bytes will do.
 */
struct disagg_name {
	uint32_t id; /* 0, 1, ... in the order they came */
	uint32_t hash, len;
	char text[]; /* with a NUL behind its end; aligned as a pointer */
};

struct disagg_names {
	struct disagg_arena *arena;
	struct disagg_name **slot; /* a power of two of them */
	uint32_t size, count;
};

/* The one copy of the bytes; NULL: no memory. */
const struct disagg_name *disagg_names_put(
	struct disagg_names *names, const char *bytes, size_t len);

#endif
