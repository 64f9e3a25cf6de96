/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/place.h"

void disagg_place_name_nodes(const struct disagg_job *job, struct disagg_plan *plan)
{
	bool together = job->reserve_together;
	uint32_t last = plan->nodes - 1;
	uint32_t shared = job->reserve_client ? last : 0;

	plan->head_node = plan->worker_node_first;
	if (job->reserve_frontend)
		plan->head_node = together ? shared : (uint32_t)job->reserve_infra;
	plan->infra_node = plan->head_node;
	if (job->reserve_infra)
		plan->infra_node = together ? shared : 0;
	plan->client_node = job->reserve_client ? last : plan->head_node;
}

struct site {
	uint32_t node;
	uint32_t before; /* instances of the role that the node has already */
};

static const struct disagg_worker *decode_worker(const struct disagg_placer *placer, bool last)
{
	const struct disagg_plan *plan = placer->plan;
	const struct disagg_worker *pick = NULL;

	for (uint32_t i = 0; i < plan->worker_count; i++) {
		if (placer->job->role[plan->worker[i].role].kind != DISAGG_DECODE)
			continue;
		pick = &plan->worker[i];
		if (!last)
			break;
	}
	return pick;
}

static struct site site_behind_nginx(const struct disagg_plan *plan, uint32_t index)
{
	bool head_works = plan->head_node == plan->worker_node_first;
	uint32_t others = plan->worker_nodes - head_works;

	if (others == 0)
		return (struct site){.node = plan->head_node, .before = index};
	return (struct site){
		.node = plan->worker_node_first + head_works + index % others,
		.before = index / others,
	};
}

static struct site site_spread(const struct disagg_plan *plan, uint32_t index)
{
	return (struct site){
		.node = plan->worker_node_first + index % plan->worker_nodes,
		.before = index / plan->worker_nodes,
	};
}

static struct site find_site(
	const struct disagg_placer *placer, const struct disagg_role *role, uint32_t index)
{
	const struct disagg_plan *plan = placer->plan;
	const struct disagg_worker *decode;

	switch (role->site) {
	case DISAGG_SITE_BEHIND_NGINX:
		return site_behind_nginx(plan, index);
	case DISAGG_SITE_SPREAD:
		return site_spread(plan, index);
	case DISAGG_SITE_INFRA:
		return (struct site){.node = plan->infra_node, .before = index};
	case DISAGG_SITE_CLIENT:
		return (struct site){.node = plan->client_node, .before = index};
	case DISAGG_SITE_FIRST_DECODE:
	case DISAGG_SITE_LAST_DECODE:
		decode = decode_worker(placer, role->site == DISAGG_SITE_LAST_DECODE);
		return (struct site){
			.node = plan->process[decode->first_process].node,
			.before = index,
		};
	case DISAGG_SITE_NODE:
		return (struct site){.node = role->site_node, .before = index};
	case DISAGG_SITE_HEAD:
		break;
	}
	return (struct site){.node = plan->head_node, .before = index};
}

static int check_site(const struct disagg_placer *placer, const struct disagg_role *role)
{
	bool by_decode =
		role->site == DISAGG_SITE_FIRST_DECODE || role->site == DISAGG_SITE_LAST_DECODE;

	if (by_decode && !decode_worker(placer, false)) {
		disagg_findings_error(placer->found, &role->at,
			"role '%s' is to run beside a decode worker, but there is none",
			role->name);
		return -1;
	}
	if (role->site == DISAGG_SITE_NODE && role->site_node >= placer->plan->nodes) {
		disagg_findings_error(placer->found, &role->at,
			"role '%s' is to run on node %u, but the job has nodes 0 to %u", role->name,
			role->site_node, placer->plan->nodes - 1);
		return -1;
	}
	return 0;
}

int disagg_place_services(struct disagg_placer *placer)
{
	const struct disagg_job *job = placer->job;
	struct disagg_plan *plan = placer->plan;

	for (uint32_t i = 0; i < job->role_count; i++) {
		const struct disagg_role *role = &job->role[i];

		if (disagg_role_has_gpus(role) || role->workers == 0)
			continue;
		if (check_site(placer, role) < 0)
			return -1;
		for (uint32_t k = 0; k < role->workers; k++) {
			struct site site = find_site(placer, role, k);
			int32_t port = role->port > 0 ? role->port + (int32_t)site.before : -1;

			plan->service[plan->service_count++] = (struct disagg_service){
				.role = i, .index = k, .node = site.node, .port = port};
		}
	}
	return 0;
}
