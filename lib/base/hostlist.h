/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_BASE_HOSTLIST_H
#define DISAGG_BASE_HOSTLIST_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/strbuf.h"

/* Host names in order, as Slurm's SLURM_JOB_NODELIST gives them. */
struct disagg_hostlist {
	const char **name;
	unsigned count;
};

/* "n[0-3,07-08],m1,r[0-1]c[0-2]" expanded in order, repeats kept, at most
 * DISAGG_MAX_HOSTLIST names.  DISAGG_CONFIG when the text is malformed. */
int disagg_hostlist_parse(struct disagg_arena *arena, const char *text,
	struct disagg_hostlist *ret_list, struct disagg_err *err);

/* The reverse: sorts the names by stem and number, leaves repeats out, and appends
 * "n[1-3,5],login".  The array is changed. */
void disagg_hostlist_fold(struct disagg_strbuf *out, const char **name, size_t count);

/* That order: n9 before n10. */
int disagg_hostlist_compare(const char *a, const char *b);

#endif
