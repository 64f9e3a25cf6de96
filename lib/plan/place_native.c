/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/place.h"

static void place_role(struct disagg_placer *placer, uint32_t index)
{
	const struct disagg_role *role = &placer->job->role[index];

	if (role->placement == DISAGG_PLACE_FRESH)
		disagg_place_fresh(placer);
	for (uint32_t i = 0; i < role->workers; i++) {
		bool fits = placer->gpu + role->gpus <= placer->plan->gpus_per_node;

		/* only a worker larger than a node straddles, and from its GPU 0 */
		if (role->placement == DISAGG_PLACE_SPREAD || !fits)
			disagg_place_fresh(placer);
		disagg_place_worker(placer, index, i);
		disagg_place_run(placer, role->gpus);
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
