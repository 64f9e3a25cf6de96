/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_SELECT_H
#define DISAGG_CONF_SELECT_H

#include "lib/conf/variant.h"

/* Which configurations "FILE[:PATTERN]" names. */
struct disagg_chosen {
	const char *path;
	const char *variant;  /* NULL: none */
	const char *selector; /* of a variant that a pattern found; else NULL */
};

struct disagg_choice {
	struct disagg_chosen *v;
	unsigned count, size;
};

/*
 * Appends what `text` names.  A variant with '*' or '?' is a pattern, which
 * goes over suffixes and selectors in the file's order; "*" also takes a file
 * that has no variants.  -1: nothing was appended, and there is an error.
 */
int disagg_choice_add(struct disagg_arena *arena, struct disagg_choice *choice, const char *text,
	struct disagg_findings *found);

/* All variants of a file; none for a plain one.  As above. */
int disagg_choice_list(struct disagg_arena *arena, struct disagg_choice *choice, const char *path,
	const char *pattern, struct disagg_findings *found);

#endif
