/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_LIBRARY_H
#define DISAGG_PROBE_LIBRARY_H

#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * A shared library that may not be on this node, and the functions of it that
 * a table wants.  A library stays loaded until the process ends: drivers do not
 * outlive a dlclose well, and a probe is a process of its own.
 */
struct disagg_symbol {
	const char *name;
	size_t offset; /* of the function's pointer in the table */
	bool optional; /* NULL where the library is older */
};

/* One function of `type`, whose name is what it is called in the library. */
#define DISAGG_SYMBOL(type, field, symbol, may_lack)                                               \
	{                                                                                          \
		.name = #symbol, .offset = offsetof(type, field), .optional = (may_lack)           \
	}

/*
 * The first of `names` (ends with NULL) that the loader finds.
 * DISAGG_SKIPPED: none is there.  DISAGG_SYSTEM: one is there and does not load.
 */
int disagg_library_open(const char *const *names, void **ret, struct disagg_err *err);

/* Fills the table.  DISAGG_MISSING: the library lacks a function, named. */
int disagg_library_fill(void *library, void *table, const struct disagg_symbol *symbols,
	size_t count, struct disagg_err *err);

#endif
