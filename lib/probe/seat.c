/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/seat.h"

#include "lib/base/hostlist.h"
#include <stdlib.h>
#include <string.h>

static const char *first_of(disagg_seat_getenv *get, const char *const *name)
{
	const char *value = NULL;

	for (; *name && !(value && value[0]); name++)
		value = get(*name);
	return value && value[0] ? value : NULL;
}

static int seat_alone(struct disagg_arena *arena, disagg_seat_getenv *get, const char *host,
	struct disagg_seat *ret, struct disagg_err *err)
{
	const char **node = disagg_arena_array(arena, 1, sizeof(*node));
	const char *name = get("SLURMD_NODENAME");

	if (!node)
		return disagg_err_nomem(err);
	if (!name || !name[0])
		name = host;
	*node = disagg_arena_strndup(arena, name, strlen(name));
	*ret = (struct disagg_seat){.job = "", .step = "", .node = node, .nodes = 1, .name = *node};
	return *node ? 0 : disagg_err_nomem(err);
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* A step laid out by hand may name a node once a task. */
static int check_once(const struct disagg_hostlist *list, struct disagg_err *err)
{
	const char **sorted = reallocarray(NULL, list->count, sizeof(*sorted));
	const char *twice = NULL;

	if (!sorted)
		return disagg_err_nomem(err);
	memcpy(sorted, list->name, list->count * sizeof(*sorted));
	qsort(sorted, list->count, sizeof(*sorted), by_name);
	for (unsigned i = 1; i < list->count && !twice; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			twice = sorted[i];
	free(sorted);
	if (twice)
		return disagg_err_set(err, DISAGG_CONFIG,
			"SLURM_STEP_NODELIST has '%s' twice: expected a step of one task a node, "
			"'srun --ntasks-per-node=1'",
			twice);
	return 0;
}

static int seat_in_step(struct disagg_arena *arena, disagg_seat_getenv *get, const char *nodes,
	struct disagg_seat *ret, struct disagg_err *err)
{
	static const char *const job[] = {"SLURM_JOB_ID", "SLURM_JOBID", NULL};
	static const char *const step[] = {"SLURM_STEP_ID", "SLURM_STEPID", NULL};
	const char *name = get("SLURMD_NODENAME"), *local = get("SLURM_LOCALID");
	struct disagg_hostlist list;

	if (!name)
		return disagg_err_set(err, DISAGG_CONFIG,
			"SLURM_STEP_NODELIST is set and SLURMD_NODENAME is not: expected both, as "
			"srun sets them, or none");
	if (disagg_hostlist_parse(arena, nodes, &list, err) || check_once(&list, err))
		return disagg_err_wrap(err, "SLURM_STEP_NODELIST");
	*ret = (struct disagg_seat){.job = first_of(get, job),
		.step = first_of(get, step),
		.node = list.name,
		.nodes = list.count,
		.extra = local && strcmp(local, "0") != 0,
		.launch = get("SLURM_LAUNCH_NODE_IPADDR")};
	if (!ret->job)
		ret->job = "";
	while (ret->index < ret->nodes && strcmp(ret->node[ret->index], name) != 0)
		ret->index++;
	if (ret->index == ret->nodes)
		return disagg_err_set(err, DISAGG_CONFIG,
			"SLURMD_NODENAME is '%s': expected a node of SLURM_STEP_NODELIST '%s'",
			name, nodes);
	ret->name = ret->node[ret->index];
	return 0;
}

int disagg_seat_find(struct disagg_arena *arena, disagg_seat_getenv *get, const char *host,
	struct disagg_seat *ret, struct disagg_err *err)
{
	static const char *const step[] = {"SLURM_STEP_ID", "SLURM_STEPID", NULL};
	const char *nodes = get("SLURM_STEP_NODELIST");

	if (!first_of(get, step) || !nodes || !nodes[0])
		return seat_alone(arena, get, host, ret, err);
	return seat_in_step(arena, get, nodes, ret, err);
}

int disagg_seat_rehearse(
	struct disagg_arena *arena, size_t nodes, struct disagg_seat *ret, struct disagg_err *err)
{
	const char **name = disagg_arena_array(arena, nodes, sizeof(*name));

	if (!name)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < nodes; i++) {
		name[i] = disagg_arena_printf(arena, "n%zu", i + 1);
		if (!name[i])
			return disagg_err_nomem(err);
	}
	*ret = (struct disagg_seat){
		.job = "", .step = "", .node = name, .nodes = nodes, .name = name[0]};
	return 0;
}
