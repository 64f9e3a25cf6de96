/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/ports.h"
#include "lib/plan/place.h"

enum { PORT_MAX = 65535, MOST_CONFLICTS = 8 };

/* What is opened, and whose it is. */
struct claimed {
	const struct disagg_role *role;
	uint32_t index;
	struct disagg_opened opened;
};

struct check {
	const struct disagg_job *job;
	const struct disagg_plan *plan;
	struct disagg_findings *found;
	uint32_t *service;	 /* indices, by node */
	uint32_t *service_start; /* of each node; one more than there are nodes */
	struct claimed *list;	 /* what one node opens */
	uint32_t count, size;
	unsigned conflicts;
	uint8_t seen[(PORT_MAX + 1) / 8];
};

/* ---- what a process opens ---- */

/* Whether the process listens there; the others of a worker only need to know
 * the number. */
static bool listens(const struct disagg_plan *plan, const struct disagg_process *process,
	const struct disagg_role *role, enum disagg_port kind)
{
	const struct disagg_worker *worker = &plan->worker[process->worker];
	bool leads = process == &plan->process[worker->first_process];
	bool dp = disagg_role_dp_rank_gpus(role, plan->gpus_per_node) > 0;
	bool serves = leads || (dp && role->dp_layout == DISAGG_DP_PER_NODE);

	switch (kind) {
	case DISAGG_PORT_HTTP:
		return serves;
	case DISAGG_PORT_BOOTSTRAP:
		return serves && role->kind == DISAGG_PREFILL;
	case DISAGG_PORT_RPC:
	case DISAGG_PORT_DIST:
		return leads;
	default:
		return true;
	}
}

unsigned disagg_ports_of_process(const struct disagg_job *job, const struct disagg_plan *plan,
	const struct disagg_process *process, struct disagg_opened *ret)
{
	const struct disagg_role *role = &job->role[plan->worker[process->worker].role];
	uint32_t rank_gpus = disagg_role_dp_rank_gpus(role, plan->gpus_per_node);
	unsigned count = 0;

	for (int kind = 0; kind < DISAGG_PORT_COUNT; kind++) {
		bool pinned = role->pin[kind] > 0;
		int32_t port = pinned ? role->pin[kind] : process->port[kind];
		bool block =
			rank_gpus && (kind == DISAGG_PORT_NIXL || kind == DISAGG_PORT_KV_EVENTS);

		if (port <= 0 || !listens(plan, process, role, (enum disagg_port)kind))
			continue;
		if (rank_gpus && kind == DISAGG_PORT_NIXL)
			port += (int32_t)process->rank;
		ret[count++] = (struct disagg_opened){
			.kind = (enum disagg_port)kind,
			.pinned = pinned,
			.first = port,
			.count = block ? process->gpu_count / rank_gpus : 1,
		};
	}
	return count;
}

static void add_process(struct check *check, const struct disagg_process *process)
{
	const struct disagg_worker *worker = &check->plan->worker[process->worker];
	struct disagg_opened opened[DISAGG_PORT_COUNT];
	unsigned count = disagg_ports_of_process(check->job, check->plan, process, opened);

	for (unsigned i = 0; i < count; i++)
		check->list[check->count++] =
			(struct claimed){&check->job->role[worker->role], worker->index, opened[i]};
}

static void add_services(struct check *check, uint32_t node)
{
	for (uint32_t i = check->service_start[node]; i < check->service_start[node + 1]; i++) {
		const struct disagg_service *service = &check->plan->service[check->service[i]];

		if (service->port > 0)
			check->list[check->count++] = (struct claimed){
				&check->job->role[service->role],
				service->index,
				{DISAGG_PORT_COUNT, false, service->port, 1},
			};
	}
}

/* ---- what is said of a conflict ---- */

static const char *kind_name(const struct claimed *owner)
{
	static const char *const name[DISAGG_PORT_COUNT + 1] = {
		[DISAGG_PORT_SYSTEM] = "system",
		[DISAGG_PORT_HTTP] = "http",
		[DISAGG_PORT_BOOTSTRAP] = "bootstrap",
		[DISAGG_PORT_KV_EVENTS] = "KV events",
		[DISAGG_PORT_NIXL] = "NIXL",
		[DISAGG_PORT_RPC] = "RPC",
		[DISAGG_PORT_DIST] = "rendezvous",
		[DISAGG_PORT_COUNT] = "service",
	};

	return name[owner->opened.kind];
}

static void report(struct check *check, uint32_t node, int32_t port, const struct claimed *one,
	const struct claimed *other)
{
	const struct claimed *blame = other->opened.pinned || !one->opened.pinned ? other : one;

	check->conflicts++;
	disagg_findings_error(check->found, &blame->role->at,
		"port %d on node %u is wanted twice: as the %s port of '%s' %u%s and as the %s "
		"port of '%s' %u%s",
		port, node, kind_name(one), one->role->name, one->index,
		one->opened.pinned ? " (pinned in the file)" : "", kind_name(other),
		other->role->name, other->index,
		other->opened.pinned ? " (pinned in the file)" : "");
}

static const struct claimed *earlier_owner(const struct check *check, uint32_t before, int32_t port)
{
	for (uint32_t i = 0; i < before; i++) {
		const struct disagg_opened *o = &check->list[i].opened;

		if (port >= o->first && port - o->first < (int32_t)o->count)
			return &check->list[i];
	}
	return NULL;
}

static void report_range(struct check *check, uint32_t node, const struct claimed *o)
{
	check->conflicts++;
	disagg_findings_error(check->found, &o->role->at,
		"the %s port of '%s' %u on node %u would be %lld: at most %d is possible",
		kind_name(o), o->role->name, o->index, node,
		(long long)o->opened.first + o->opened.count - 1, PORT_MAX);
}

/* ---- one node after the other ---- */

static void claim(struct check *check, uint32_t node, uint32_t index)
{
	const struct disagg_opened *o = &check->list[index].opened;

	if (o->first + (int64_t)o->count - 1 > PORT_MAX) {
		report_range(check, node, &check->list[index]);
		return;
	}
	for (int32_t port = o->first; port < o->first + (int32_t)o->count; port++) {
		uint8_t bit = (uint8_t)(1u << (port & 7));

		if (check->seen[port >> 3] & bit) {
			report(check, node, port, earlier_owner(check, index, port),
				&check->list[index]);
			return;
		}
		check->seen[port >> 3] |= bit;
	}
}

static void forget(struct check *check)
{
	for (uint32_t i = 0; i < check->count; i++) {
		const struct disagg_opened *o = &check->list[i].opened;

		for (int64_t port = o->first; port < o->first + (int64_t)o->count; port++)
			if (port <= PORT_MAX)
				check->seen[port >> 3] = 0;
	}
	check->count = 0;
}

static void check_node(struct check *check, uint32_t node, uint32_t *process)
{
	const struct disagg_plan *plan = check->plan;

	for (; *process < plan->process_count && plan->process[*process].node == node; ++*process)
		add_process(check, &plan->process[*process]);
	add_services(check, node);
	for (uint32_t i = 0; i < check->count && check->conflicts < MOST_CONFLICTS; i++)
		claim(check, node, i);
	forget(check);
}

/* ---- all of it ---- */

static void sort_services(struct check *check)
{
	const struct disagg_plan *plan = check->plan;

	for (uint32_t i = 0; i < plan->service_count; i++)
		check->service_start[plan->service[i].node + 1]++;
	for (uint32_t i = 0; i < plan->nodes; i++)
		check->service_start[i + 1] += check->service_start[i];
	for (uint32_t i = plan->service_count; i-- > 0;) {
		uint32_t node = plan->service[i].node;

		check->service[--check->service_start[node + 1]] = i;
	}
	/* each start has moved one node up */
	for (uint32_t i = 0; i < plan->nodes; i++)
		check->service_start[i] = check->service_start[i + 1];
	check->service_start[plan->nodes] = plan->service_count;
}

static uint32_t most_opened(const struct disagg_plan *plan)
{
	return DISAGG_MAX_GPUS_PER_NODE * DISAGG_PORT_COUNT + plan->service_count;
}

int disagg_ports_check(
	const struct disagg_job *job, const struct disagg_plan *plan, struct disagg_findings *found)
{
	struct check check = {.job = job, .plan = plan, .found = found};
	uint32_t process = 0;

	check.service =
		disagg_arena_array(found->arena, plan->service_count + 1, sizeof(*check.service));
	check.service_start =
		disagg_arena_array(found->arena, plan->nodes + 1, sizeof(*check.service_start));
	check.list = disagg_arena_array(found->arena, most_opened(plan), sizeof(*check.list));
	if (!check.service || !check.service_start || !check.list) {
		disagg_findings_error(found, NULL, "checking the ports: out of memory");
		return -1;
	}
	sort_services(&check);
	for (uint32_t node = 0; node < plan->nodes && check.conflicts < MOST_CONFLICTS; node++)
		check_node(&check, node, &process);
	return check.conflicts ? -1 : 0;
}
