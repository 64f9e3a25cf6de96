/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_RENDER_GRID_H
#define DISAGG_PLAN_RENDER_GRID_H

#include "lib/plan/plan.h"

/* The nodes x GPUs of a plan, as the pictures draw them. */
#define DISAGG_GRID_IDLE UINT32_MAX

struct disagg_grid {
	const struct disagg_plan *plan;
	uint32_t *cell;		       /* worker, or DISAGG_GRID_IDLE; node by node */
	char letter[DISAGG_MAX_ROLES]; /* upper case, one a GPU role */
};

/* Neighbouring nodes that look the same. */
struct disagg_grid_group {
	uint32_t first, last;
	bool exact; /* the same workers too, not only the same layout */
};

/* -1: no memory. */
int disagg_grid_make(
	struct disagg_arena *arena, const struct disagg_plan *plan, struct disagg_grid *ret);

const uint32_t *disagg_grid_row(const struct disagg_grid *grid, uint32_t node);

/* The group that begins at a node.  Nodes of equal layout are one group only
 * where `by_layout` says so: what differs is then told by the caller. */
struct disagg_grid_group disagg_grid_fold(
	const struct disagg_grid *grid, uint32_t first, bool by_layout);

/* "n3" or "n2-n9" */
void disagg_grid_label(const struct disagg_grid_group *group, char *ret, size_t size);

#endif
