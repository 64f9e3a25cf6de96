/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_NODES_H
#define DISAGG_HOST_NODES_H

#include "lib/base/arena.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * What slurmctld knows of nodes, by one sinfo.  A slurmd that has died is
 * noticed by slurmctld's own pings (every third of SlurmdTimeout), and shown as
 * a '*' behind the state; the node keeps its jobs until SlurmdTimeout.
 */

/* argv of sinfo for a list of nodes ("n[0-3]"); NULL: no memory. */
const char *const *disagg_nodes_argv(
	struct disagg_arena *arena, const char *sinfo, const char *list);

/* The next line of its output: the name, and whether the node's slurmd answers.
 * Returns what is behind it; NULL: there is none. */
const char *disagg_nodes_next(const char *text, char *name, size_t name_size, bool *ret_answers);

#endif
