/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/mounts.h"
#include "lib/engine/client.h"
#include "lib/host/rundir.h"
#include <string.h>

/* A client's results are the run's. */
static const char *logs_of(struct disagg_arena *arena, const struct disagg_mounts *mounts)
{
	const char *run_dir = mounts->in->run_dir;

	if (mounts->role->kind != DISAGG_BENCHMARK)
		return run_dir;
	return disagg_arena_printf(arena, "%s/" DISAGG_RUNDIR_RESULTS, run_dir);
}

unsigned disagg_mounts_places(struct disagg_arena *arena, const struct disagg_mounts *mounts,
	struct disagg_container_place *ret)
{
	bool srtctl = mounts->in->plan->dialect == DISAGG_SRTCTL;
	const struct disagg_container_place places[] = {
		{mounts->model, mounts->model},
		{srtctl ? mounts->model : NULL, "/model"},
		{srtctl ? logs_of(arena, mounts) : NULL, DISAGG_CLIENT_LOGS},
		{mounts->role->kind == DISAGG_BENCHMARK ? mounts->scripts : NULL,
			DISAGG_CLIENT_SCRIPTS},
	};
	unsigned count = 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i].source && places[i].source[0])
			ret[count++] = places[i];
	}
	return count;
}

const char *disagg_mounts_fill(void *context, const char *name)
{
	const struct disagg_mounts *mounts = context;
	const struct disagg_inside *in = mounts->in;
	const struct {
		const char *name, *value;
	} known[] = {
		{"job_id", in->job_id},
		{"log_dir", in->run_dir},
		{"model_path", in->job->model_path},
		{"container_image", mounts->role->container.image},
		{"head_node_ip", in->engine.ip(in->engine.context, in->plan->head_node)},
		{"run_name", disagg_arena_printf(in->arena, "%s_%s", in->job->name, in->job_id)},
		{"gpus_per_node",
			disagg_arena_printf(in->arena, "%u", (unsigned)in->plan->gpus_per_node)},
	};

	for (size_t i = 0;
		in->plan->dialect == DISAGG_SRTCTL && i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) == 0)
			return known[i].value;
	}
	return NULL;
}
