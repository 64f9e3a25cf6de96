/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/hosts.h"
#include <stdlib.h>
#include <string.h>

bool disagg_plan_fits(const struct disagg_plan *plan, unsigned hosts)
{
	return !plan->role_count ||
	       (hosts >= plan->nodes && hosts - plan->nodes <= plan->spare_nodes);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, so that of N hosts and M names each costs a search and not a walk. */
static int read_excluded(struct disagg_arena *arena, const char *text, struct disagg_hostlist *ret,
	struct disagg_err *err)
{
	if (disagg_hostlist_parse(arena, text, ret, err))
		return disagg_err_wrap(err, "the hosts to exclude");
	qsort(ret->name, ret->count, sizeof(*ret->name), by_name);
	for (unsigned i = 1; i < ret->count; i++) {
		if (strcmp(ret->name[i - 1], ret->name[i]) == 0)
			return disagg_err_set(err, DISAGG_CONFIG,
				"the hosts to exclude: '%s' comes twice", ret->name[i]);
	}
	return 0;
}

/* hosts->name in a new order: those that are not excluded, then those that are. */
static int put_last(struct disagg_arena *arena, const struct disagg_hostlist *excluded,
	struct disagg_hostlist *hosts, struct disagg_err *err)
{
	const char **order = disagg_arena_array(arena, hosts->count, sizeof(*order));
	bool *seen = disagg_arena_array(arena, excluded->count, sizeof(*seen));
	unsigned kept = 0, last = hosts->count;

	if (!order || !seen)
		return disagg_err_nomem(err);
	for (unsigned i = hosts->count; i-- > 0;) {
		const char **found = bsearch(&hosts->name[i], excluded->name, excluded->count,
			sizeof(*excluded->name), by_name);

		if (!found)
			continue;
		seen[found - excluded->name] = true;
		order[--last] = hosts->name[i];
		hosts->name[i] = NULL;
	}
	for (unsigned i = 0; i < excluded->count; i++) {
		if (!seen[i])
			return disagg_err_set(err, DISAGG_CONFIG,
				"the hosts to exclude: '%s' is not a node of the job",
				excluded->name[i]);
	}
	for (unsigned i = 0; i < hosts->count; i++) {
		if (hosts->name[i])
			order[kept++] = hosts->name[i];
	}
	hosts->name = order;
	return 0;
}

int disagg_plan_exclude(struct disagg_arena *arena, struct disagg_plan *plan, const char *excluded,
	struct disagg_hostlist *hosts, struct disagg_err *err)
{
	struct disagg_hostlist without = {0};

	if (!plan->role_count) {
		plan->nodes = hosts->count;
		return 0;
	}
	if (excluded && *excluded &&
		(read_excluded(arena, excluded, &without, err) ||
			put_last(arena, &without, hosts, err)))
		return -1;
	if (plan->nodes <= hosts->count - without.count)
		return 0;
	return disagg_err_set(err, DISAGG_CONFIG,
		"the job's plan is for %u nodes, but the job has %u%s", (unsigned)plan->nodes,
		hosts->count - without.count, without.count ? " that are not excluded" : "");
}

int disagg_plan_hosts(struct disagg_arena *arena, struct disagg_plan *plan, const char *nodelist,
	const char *excluded, struct disagg_hostlist *ret, struct disagg_err *err)
{
	struct disagg_hostlist hosts;

	if (disagg_hostlist_parse(arena, nodelist, &hosts, err) ||
		disagg_plan_exclude(arena, plan, excluded, &hosts, err))
		return -1;
	*ret = hosts;
	return 0;
}
