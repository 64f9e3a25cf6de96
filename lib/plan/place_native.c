/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/place.h"

/* Whole nodes and a remainder, from the cursor on. */
static void place_worker(struct disagg_placer *placer, const struct disagg_role *role)
{
	uint32_t gpn = placer->plan->gpus_per_node;
	uint32_t left = role->gpus;

	if (placer->gpu + left > gpn)
		disagg_place_fresh(placer);
	while (left > 0) {
		uint32_t take = left < gpn - placer->gpu ? left : gpn - placer->gpu;

		disagg_place_share(placer, placer->node, placer->gpu, take);
		left -= take;
	}
}

static void place_role(struct disagg_placer *placer, uint32_t index)
{
	const struct disagg_role *role = &placer->job->role[index];

	if (role->placement == DISAGG_PLACE_FRESH)
		disagg_place_fresh(placer);
	for (uint32_t i = 0; i < role->workers; i++) {
		if (role->placement == DISAGG_PLACE_SPREAD)
			disagg_place_fresh(placer);
		disagg_place_worker(placer, index, i);
		place_worker(placer, role);
	}
}

int disagg_place_native(struct disagg_placer *placer)
{
	const struct disagg_job *job = placer->job;

	for (uint32_t i = 0; i < job->role_count; i++)
		if (disagg_role_has_gpus(&job->role[i]) && job->role[i].workers)
			place_role(placer, i);
	return 0;
}
