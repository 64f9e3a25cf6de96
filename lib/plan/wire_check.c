/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/wire_text.h"

#include "lib/base/limits.h"

static int refuse(struct disagg_err *err, const char *noun, uint32_t number, const char *problem)
{
	return disagg_err_set(err, DISAGG_CONFIG, "plan cannot be carried: %s %u %s", noun,
		(unsigned)number, problem);
}

static bool ports_valid(const int32_t *port)
{
	for (unsigned i = 0; i < DISAGG_PORT_COUNT; i++) {
		if (port[i] < -1 || port[i] > 65535)
			return false;
	}
	return true;
}

static int check_head(const struct disagg_plan *plan, struct disagg_err *err)
{
	if (plan->nodes < 1 || plan->nodes > DISAGG_MAX_NODES)
		return refuse(err, "a plan of", plan->nodes, "nodes");
	if (plan->spare_nodes > DISAGG_MAX_NODES - plan->nodes)
		return refuse(err, "a plan with", plan->spare_nodes, "spare nodes");
	if (plan->worker_nodes > plan->nodes ||
		plan->worker_node_first > plan->nodes - plan->worker_nodes)
		return refuse(err, "worker node", plan->worker_node_first, "is outside the job");
	if (plan->gpus_per_node > DISAGG_MAX_GPUS_PER_NODE)
		return refuse(err, "a node of", plan->gpus_per_node, "GPUs");
	if (plan->gpus_used > DISAGG_MAX_GPUS)
		return refuse(err, "a plan of", plan->gpus_used, "GPUs");
	if (plan->head_node >= plan->nodes)
		return refuse(err, "head node", plan->head_node, "is outside the job");
	if (plan->infra_node >= plan->nodes)
		return refuse(err, "infra node", plan->infra_node, "is outside the job");
	if (plan->client_node >= plan->nodes)
		return refuse(err, "client node", plan->client_node, "is outside the job");
	if (plan->role_count > DISAGG_MAX_ROLES)
		return refuse(err, "a plan of", plan->role_count, "roles");
	if (plan->worker_count > DISAGG_MAX_WORKERS)
		return refuse(err, "a plan of", plan->worker_count, "workers");
	if (plan->process_count > DISAGG_MAX_GPUS)
		return refuse(err, "a plan of", plan->process_count, "processes");
	if (plan->service_count > DISAGG_MAX_WORKERS)
		return refuse(err, "a plan of", plan->service_count, "services");
	return 0;
}

static int check_role(const struct disagg_plan_role *role, uint32_t number, struct disagg_err *err)
{
	if (!role->name || !role->name[0])
		return refuse(err, "role", number, "has no name");
	if (role->workers > DISAGG_MAX_WORKERS)
		return refuse(err, "role", number, "has too many workers");
	if (role->gpus > DISAGG_MAX_GPUS)
		return refuse(err, "role", number, "has too many GPUs");
	if (!ports_valid(role->pin))
		return refuse(err, "role", number, "pins a port outside 0 to 65535");
	if (role->after.count > DISAGG_MAX_ROLES)
		return refuse(err, "role", number, "comes after too many roles");
	if (role->env.count > DISAGG_MAX_ENV)
		return refuse(err, "role", number, "has too many variables");
	for (unsigned i = 0; i < role->after.count; i++) {
		if (!role->after.v[i] || !role->after.v[i][0])
			return refuse(err, "role", number, "comes after a role without a name");
	}
	for (unsigned i = 0; i < role->env.count; i++) {
		if (!role->env.v[i].key || !role->env.v[i].value)
			return refuse(err, "role", number, "has a variable without a value");
	}
	return 0;
}

static int check_process(
	const struct disagg_plan *plan, uint32_t number, uint32_t worker, struct disagg_err *err)
{
	const struct disagg_process *process = &plan->process[number];

	if (process->worker != worker)
		return refuse(err, "process", number, "is not in the order of the workers");
	if (process->node >= plan->nodes)
		return refuse(err, "process", number, "is on a node outside the job");
	if (process->rank > DISAGG_MAX_GPUS)
		return refuse(err, "process", number, "has too high a rank");
	if (process->tasks > DISAGG_WIRE_TASKS)
		return refuse(err, "process", number, "has too many tasks");
	if (process->gpu_first + process->gpu_count > (int)plan->gpus_per_node)
		return refuse(err, "process", number, "has GPUs that its node has not");
	if (!ports_valid(process->port))
		return refuse(err, "process", number, "has a port outside 0 to 65535");
	return 0;
}

static int check_worker(
	const struct disagg_plan *plan, uint32_t number, uint32_t *next, struct disagg_err *err)
{
	const struct disagg_worker *worker = &plan->worker[number];
	uint32_t tasks = 0;

	if (worker->role >= plan->role_count)
		return refuse(err, "worker", number, "has no role");
	if (worker->index > DISAGG_MAX_WORKERS)
		return refuse(err, "worker", number, "has too high an index");
	if (worker->first_process != *next || worker->process_count > plan->process_count - *next)
		return refuse(err, "worker", number, "does not own its processes");
	for (uint32_t i = 0; i < worker->process_count; i++) {
		if (check_process(plan, *next + i, number, err) < 0)
			return -1;
		tasks += plan->process[*next + i].tasks;
	}
	if (worker->tasks != tasks)
		return refuse(err, "worker", number, "has other tasks than its processes");
	*next += worker->process_count;
	return 0;
}

static int check_service(const struct disagg_plan *plan, uint32_t number, struct disagg_err *err)
{
	const struct disagg_service *service = &plan->service[number];

	if (service->role >= plan->role_count)
		return refuse(err, "service", number, "has no role");
	if (service->index > DISAGG_MAX_WORKERS)
		return refuse(err, "service", number, "has too high an index");
	if (service->node >= plan->nodes)
		return refuse(err, "service", number, "is on a node outside the job");
	if (service->port < -1 || service->port > 65535)
		return refuse(err, "service", number, "has a port outside 0 to 65535");
	return 0;
}

int disagg_wire_check(const struct disagg_plan *plan, struct disagg_err *err)
{
	uint32_t next = 0;

	if (check_head(plan, err) < 0)
		return -1;
	for (uint32_t i = 0; i < plan->role_count; i++) {
		if (check_role(&plan->role[i], i, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < plan->worker_count; i++) {
		if (check_worker(plan, i, &next, err) < 0)
			return -1;
	}
	if (next != plan->process_count)
		return refuse(err, "process", next, "has no worker");
	for (uint32_t i = 0; i < plan->service_count; i++) {
		if (check_service(plan, i, err) < 0)
			return -1;
	}
	return 0;
}
