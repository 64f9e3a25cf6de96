/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/render_grid.h"

#include <stdio.h>
#include <string.h>

static char free_letter(const char *name, const char *used, unsigned count)
{
	static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *from[] = {name, all};

	for (unsigned i = 0; i < 2; i++) {
		for (const char *c = from[i]; *c; c++) {
			char upper = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;

			if (upper >= 'A' && upper <= 'Z' && !memchr(used, upper, count))
				return upper;
		}
	}
	return '?';
}

static void take_letters(struct disagg_grid *grid)
{
	for (uint32_t i = 0; i < grid->plan->role_count && i < DISAGG_MAX_ROLES; i++) {
		if (grid->plan->role[i].gpus)
			grid->letter[i] = free_letter(grid->plan->role[i].name, grid->letter, i);
	}
}

int disagg_grid_make(
	struct disagg_arena *arena, const struct disagg_plan *plan, struct disagg_grid *ret)
{
	struct disagg_grid grid = {.plan = plan};
	size_t cells = (size_t)plan->nodes * plan->gpus_per_node;

	grid.cell = disagg_arena_array(arena, cells + 1, sizeof(*grid.cell));
	if (!grid.cell)
		return -1;
	memset(grid.cell, 0xff, cells * sizeof(*grid.cell));
	for (uint32_t i = 0; i < plan->process_count; i++) {
		const struct disagg_process *process = &plan->process[i];
		uint32_t *row = grid.cell + (size_t)process->node * plan->gpus_per_node;

		for (unsigned k = 0; k < process->gpu_count; k++)
			row[process->gpu_first + k] = process->worker;
	}
	take_letters(&grid);
	*ret = grid;
	return 0;
}

const uint32_t *disagg_grid_row(const struct disagg_grid *grid, uint32_t node)
{
	return grid->cell + (size_t)node * grid->plan->gpus_per_node;
}

static uint32_t role_of(const struct disagg_grid *grid, uint32_t worker)
{
	return worker == DISAGG_GRID_IDLE ? DISAGG_GRID_IDLE : grid->plan->worker[worker].role;
}

/* The same roles on the same GPUs, and workers that begin at the same ones. */
static bool same_layout(const struct disagg_grid *grid, const uint32_t *a, const uint32_t *b)
{
	for (uint32_t i = 0; i < grid->plan->gpus_per_node; i++) {
		if (role_of(grid, a[i]) != role_of(grid, b[i]))
			return false;
		if (i && (a[i] == a[i - 1]) != (b[i] == b[i - 1]))
			return false;
	}
	return true;
}

struct disagg_grid_group disagg_grid_fold(
	const struct disagg_grid *grid, uint32_t first, bool by_layout)
{
	size_t size = grid->plan->gpus_per_node * sizeof(*grid->cell);
	const uint32_t *row = disagg_grid_row(grid, first);
	struct disagg_grid_group group = {.first = first, .last = first, .exact = true};

	while (group.last + 1 < grid->plan->nodes) {
		const uint32_t *next = disagg_grid_row(grid, group.last + 1);
		bool equal = memcmp(row, next, size) == 0;

		if (!equal && !(by_layout && same_layout(grid, row, next)))
			break;
		group.exact = group.exact && equal;
		group.last++;
	}
	return group;
}

void disagg_grid_label(const struct disagg_grid_group *group, char *ret, size_t size)
{
	if (group->first == group->last)
		snprintf(ret, size, "n%u", (unsigned)group->first);
	else
		snprintf(ret, size, "n%u-n%u", (unsigned)group->first, (unsigned)group->last);
}
