/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/place.h"

/*
 * srtctl's allocator (NVIDIA/srt-slurm c88ef731, core/topology.py): the same
 * layout where that is sound.  Where it would over-claim, overlap or run out
 * of nodes inside the job, the layout is refused here.
 */
static int refuse_ragged(struct disagg_placer *placer, const struct disagg_role *role)
{
	uint32_t gpn = placer->plan->gpus_per_node;
	uint32_t nodes = role->gpus / gpn + 1;

	disagg_findings_error(placer->found, disagg_place_cite_gpus(placer->job, role),
		"a %s worker of %u GPUs does not fill whole nodes of %u: srtctl would claim %u; "
		"expected a multiple of %u, or at most %u",
		role->name, role->gpus, gpn, nodes * gpn, gpn, gpn);
	return -1;
}

static int refuse_shortage(
	struct disagg_placer *placer, const struct disagg_role *role, uint32_t index, uint32_t need)
{
	uint32_t left = placer->node < placer->limit ? placer->limit - placer->node : 0;
	bool pool = placer->job->pools && role->kind != DISAGG_AGG;
	const char *whose = pool ? role->name : "worker";

	disagg_findings_error(placer->found, disagg_place_cite_nodes(placer->job, role),
		"%s worker %u needs %u node%s of %u GPUs, but %u of the %u %s nodes %s left",
		role->name, index, need, need == 1 ? "" : "s", placer->plan->gpus_per_node, left,
		placer->limit, whose, left == 1 ? "is" : "are");
	return -1;
}

static int refuse_overlap(
	struct disagg_placer *placer, const struct disagg_role *role, uint32_t index)
{
	const struct disagg_plan *plan = placer->plan;
	const struct disagg_worker *other = &plan->worker[plan->worker_count - 1];

	disagg_findings_error(placer->found, disagg_place_cite_gpus(placer->job, role),
		"%s worker %u takes whole nodes of %u GPUs, but on node %u, where it would begin, "
		"%s worker %u has GPUs: they would overlap; give it nodes of its own",
		role->name, index, plan->gpus_per_node, plan->worker_node_first + placer->node,
		placer->job->role[other->role].name, other->index);
	return -1;
}

static int place_whole(struct disagg_placer *placer, uint32_t role_index, uint32_t index)
{
	const struct disagg_role *role = &placer->job->role[role_index];
	uint32_t gpn = placer->plan->gpus_per_node;
	uint32_t need = role->gpus / gpn;

	if (placer->gpu > 0)
		return refuse_overlap(placer, role, index);
	if (placer->node > placer->limit || need > placer->limit - placer->node)
		return refuse_shortage(placer, role, index, need);
	disagg_place_worker(placer, role_index, index);
	for (uint32_t i = 0; i < need; i++)
		disagg_place_share(placer, placer->node, 0, gpn);
	return 0;
}

static int place_part(struct disagg_placer *placer, uint32_t role_index, uint32_t index)
{
	const struct disagg_role *role = &placer->job->role[role_index];

	if (placer->gpu + role->gpus > placer->plan->gpus_per_node)
		disagg_place_fresh(placer);
	if (placer->node >= placer->limit)
		return refuse_shortage(placer, role, index, 1);
	disagg_place_worker(placer, role_index, index);
	disagg_place_share(placer, placer->node, placer->gpu, role->gpus);
	if (placer->job->spread_workers)
		disagg_place_fresh(placer);
	return 0;
}

static int place_role(struct disagg_placer *placer, uint32_t role_index)
{
	const struct disagg_role *role = &placer->job->role[role_index];
	uint32_t gpn = placer->plan->gpus_per_node;

	if (role->gpus > gpn && role->gpus % gpn)
		return refuse_ragged(placer, role);
	for (uint32_t i = 0; i < role->workers; i++) {
		int rc = role->gpus >= gpn ? place_whole(placer, role_index, i)
					   : place_part(placer, role_index, i);

		if (rc < 0)
			return -1;
	}
	return 0;
}

/* Decode begins on a node without prefill workers where there is one left. */
static void begin_decode(struct disagg_placer *placer)
{
	const struct disagg_job *job = placer->job;

	if (job->pools) {
		placer->node = job->prefill_nodes;
		placer->gpu = 0;
		placer->limit = job->want_nodes ? job->want_nodes : UINT32_MAX;
	} else if (!job->colocate && placer->node + 1 < placer->limit) {
		disagg_place_fresh(placer);
	}
}

int disagg_place_srtctl(struct disagg_placer *placer)
{
	const struct disagg_job *job = placer->job;

	if (job->pools)
		placer->limit = job->prefill_nodes;
	for (uint32_t i = 0; i < job->role_count; i++) {
		if (!disagg_role_has_gpus(&job->role[i]))
			continue;
		if (job->role[i].kind == DISAGG_DECODE)
			begin_decode(placer);
		if (place_role(placer, i) < 0)
			return -1;
	}
	return 0;
}
