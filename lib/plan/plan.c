/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/plan.h"
#include <string.h>

static void name_role(const struct disagg_role *role, struct disagg_plan_role *ret)
{
	*ret = (struct disagg_plan_role){
		.name = role->name,
		.kind = role->kind,
		.engine = role->engine,
		.workers = role->workers,
		.gpus = role->gpus,
		.after = role->after,
		.env = role->env,
	};
	memcpy(ret->pin, role->pin, sizeof(ret->pin));
}

static int name_roles(
	struct disagg_arena *arena, const struct disagg_job *job, struct disagg_plan *plan)
{
	plan->role = disagg_arena_array(arena, job->role_count + 1u, sizeof(*plan->role));
	if (!plan->role)
		return -1;
	plan->role_count = job->role_count;
	for (unsigned i = 0; i < job->role_count; i++)
		name_role(&job->role[i], &plan->role[i]);
	return 0;
}

int disagg_plan_make(struct disagg_arena *arena, const struct disagg_job *job,
	struct disagg_plan **ret_plan, struct disagg_findings *found)
{
	struct disagg_plan *plan = disagg_arena_alloc(arena, sizeof(*plan));

	if (!plan || name_roles(arena, job, plan) < 0) {
		disagg_findings_error(found, NULL, "making the plan: out of memory");
		return -1;
	}
	plan->name = job->name;
	plan->dialect = job->dialect;
	plan->source = job->source;
	plan->variant = job->variant;
	plan->log_dir = job->log_dir;
	plan->served_name = job->served_name;
	plan->model_path = job->model_path;
	plan->gpus_unmanaged = job->gpus_unmanaged;
	plan->rehearse = job->rehearse;
	plan->probes = (enum disagg_probing_suite)job->probing.suite;
	plan->on_failure = (enum disagg_probing_failure)job->probing.failure;
	if (disagg_plan_place(arena, job, plan, found) < 0 ||
		disagg_plan_ports(job, plan, found) < 0)
		return -1;
	*ret_plan = plan;
	return 0;
}

int disagg_plan_role_index(const struct disagg_plan *plan, const char *name)
{
	for (uint32_t i = 0; i < plan->role_count; i++)
		if (strcmp(plan->role[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* Workers are in order of role, then index. */
const struct disagg_worker *disagg_plan_worker(
	const struct disagg_plan *plan, uint32_t role, uint32_t index)
{
	uint32_t low = 0, high = plan->worker_count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct disagg_worker *w = &plan->worker[mid];

		if (w->role < role || (w->role == role && w->index < index))
			low = mid + 1;
		else
			high = mid;
	}
	if (low == plan->worker_count || plan->worker[low].role != role ||
		plan->worker[low].index != index)
		return NULL;
	return &plan->worker[low];
}
