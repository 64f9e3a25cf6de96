/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/place.h"

/*
 * TensorRT-LLM's two rules (NVIDIA/TensorRT-LLM, examples/disaggregated/slurm):
 * nodes of its own for each server, or one GPU cursor over all servers.
 * Either way a server gets exactly as many GPUs as its world has ranks.
 */
static int place_servers(struct disagg_placer *placer, bool nodes_of_its_own)
{
	const struct disagg_job *job = placer->job;

	for (uint32_t i = 0; i < job->role_count; i++) {
		if (!disagg_role_has_gpus(&job->role[i]))
			continue;
		for (uint32_t k = 0; k < job->role[i].workers; k++) {
			if (nodes_of_its_own)
				disagg_place_fresh(placer);
			disagg_place_worker(placer, i, k);
			disagg_place_run(placer, job->role[i].gpus);
		}
	}
	return 0;
}

int disagg_place_per_server(struct disagg_placer *placer)
{
	return place_servers(placer, true);
}

int disagg_place_compact(struct disagg_placer *placer)
{
	return place_servers(placer, false);
}
