/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/engine.h"
#include "lib/plan/ports.h"

static void add(struct disagg_node_ports *ret, bool pinned, int64_t first, uint32_t count)
{
	disagg_portset_add(pinned ? &ret->pinned : &ret->moved, first, count);
}

static void add_command(const struct disagg_command *command, struct disagg_node_ports *ret)
{
	for (unsigned i = 0; i < command->listen_count; i++)
		add(ret, command->listen[i].pinned, command->listen[i].port, 1);
}

static void add_planned(const struct disagg_engine_site *site, const struct disagg_opened *opened,
	struct disagg_node_ports *ret)
{
	int offset = opened->pinned ? 0 : site->port_offset;

	if (opened->first > 0)
		add(ret, opened->pinned, (int64_t)opened->first + offset, opened->count);
}

void disagg_engine_ports(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, const struct disagg_engine_site *site, uint32_t node,
	struct disagg_node_ports *ret)
{
	struct disagg_opened opened[DISAGG_PORT_COUNT];

	*ret = (struct disagg_node_ports){0};
	for (uint32_t i = 0; i < plan->process_count; i++) {
		struct disagg_command command = {0};
		unsigned count;

		if (plan->process[i].node != node)
			continue;
		count = disagg_ports_of_process(job, plan, &plan->process[i], opened);
		for (unsigned k = 0; k < count; k++)
			add_planned(site, &opened[k], ret);
		if (disagg_engine_worker(arena, job, plan, i, site, &command, NULL) == 0)
			add_command(&command, ret);
	}
	for (uint32_t i = 0; i < plan->service_count; i++) {
		const struct disagg_service *service = &plan->service[i];
		int pin = plan->role[service->role].pin[DISAGG_PORT_HTTP];
		struct disagg_command command = {0};

		if (service->node != node)
			continue;
		add_planned(site,
			&(struct disagg_opened){
				DISAGG_PORT_COUNT, pin > 0, pin > 0 ? pin : service->port, 1},
			ret);
		if (disagg_engine_service(arena, job, plan, i, site, &command, NULL) == 0)
			add_command(&command, ret);
	}
}
