/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_SEAT_H
#define DISAGG_PROBE_SEAT_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * Where a process sits: which node of which step (srun(1), OUTPUT ENVIRONMENT
 * VARIABLES).  Outside of a step it is the one node of a run of its own, also
 * in a batch script or the shell of salloc.
 */
typedef const char *disagg_seat_getenv(const char *name);

struct disagg_seat {
	const char *job, *step; /* "" outside of a step */
	const char *const *node;
	size_t nodes;
	size_t index;	    /* of this node; 0 leads */
	const char *name;   /* node[index] */
	bool extra;	    /* not the first task on its node */
	const char *launch; /* address of the host that srun runs on; NULL */
};

/* `host` is what this host calls itself.  DISAGG_CONFIG where the step's variables
 * contradict each other. */
int disagg_seat_find(struct disagg_arena *arena, disagg_seat_getenv *get, const char *host,
	struct disagg_seat *ret, struct disagg_err *err);

/* n1 to nN, this process the first: nodes on one machine, to rehearse with. */
int disagg_seat_rehearse(
	struct disagg_arena *arena, size_t nodes, struct disagg_seat *ret, struct disagg_err *err);

#endif
