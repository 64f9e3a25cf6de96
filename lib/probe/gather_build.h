/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_GATHER_BUILD_H
#define DISAGG_PROBE_GATHER_BUILD_H

#include "lib/probe/gather.h"

/* What gather.c has taken in, for gather_compare.c. */
struct disagg_gather_variant {
	bool read;
	const struct disagg_fingerprint_pair *pair;
	size_t count;
	const size_t *node;
	size_t nodes;
};

size_t disagg_gather_variants(
	const struct disagg_gather *gather, enum disagg_fingerprint_part part);
struct disagg_gather_variant disagg_gather_variant(
	const struct disagg_gather *gather, enum disagg_fingerprint_part part, size_t index);
struct disagg_arena *disagg_gather_arena(const struct disagg_gather *gather);
const char *disagg_gather_name(const struct disagg_gather *gather, size_t node);
size_t disagg_gather_told(const struct disagg_gather *gather);

#endif
