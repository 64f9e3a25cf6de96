/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/ports.h"
#include "lib/plan/place.h"

/*
 * srtctl numbers system, KV-event and NIXL ports through the whole job, which
 * its recipes count on; the native rule numbers every port by node, so that a
 * large job never leaves a range.  Followers share their leader's bootstrap
 * and rendezvous port.
 */
enum { TRTLLM_HTTP = 8000, HTTP_STRIDE = 32, DENSE_HTTP_STRIDE = 16, DENSE_NODE = 32 };

static const struct {
	int base;
	bool whole_job; /* under srtctl's rule */
} ranges[DISAGG_PORT_COUNT] = {
	[DISAGG_PORT_SYSTEM] = {7500, true},
	[DISAGG_PORT_HTTP] = {6100, false},
	[DISAGG_PORT_BOOTSTRAP] = {7200, false},
	[DISAGG_PORT_KV_EVENTS] = {5200, true},
	[DISAGG_PORT_NIXL] = {5400, true},
	[DISAGG_PORT_RPC] = {8400, false},
	[DISAGG_PORT_DIST] = {8300, false},
};

/* How many of each kind a node, or the whole job, has handed out. */
struct counts {
	uint32_t next[DISAGG_PORT_COUNT];
};

struct ports {
	const struct disagg_job *job;
	struct disagg_plan *plan;
	struct counts *node;
	struct counts whole;
	uint32_t http_stride;
};

static bool counts_whole(const struct ports *ports, enum disagg_port kind)
{
	return ports->job->rule == DISAGG_RULE_SRTCTL && ranges[kind].whole_job;
}

static int32_t take(struct ports *ports, uint32_t node, enum disagg_port kind, uint32_t size)
{
	struct counts *counts = counts_whole(ports, kind) ? &ports->whole : &ports->node[node];
	uint32_t at = counts->next[kind];

	counts->next[kind] += size;
	if (kind == DISAGG_PORT_HTTP)
		at *= ports->http_stride;
	return ranges[kind].base + (int32_t)at;
}

/* One number for all processes of a worker: free on each of its nodes. */
static int32_t take_shared(struct ports *ports, const struct disagg_worker *worker,
	enum disagg_port kind, uint32_t size)
{
	const struct disagg_process *process = &ports->plan->process[worker->first_process];
	uint32_t at = 0;

	if (counts_whole(ports, kind))
		return take(ports, process->node, kind, size);
	for (uint32_t i = 0; i < worker->process_count; i++)
		if (at < ports->node[process[i].node].next[kind])
			at = ports->node[process[i].node].next[kind];
	for (uint32_t i = 0; i < worker->process_count; i++)
		ports->node[process[i].node].next[kind] = at + size;
	return ranges[kind].base + (int32_t)at;
}

/* One process a node, of which the first serves. */
static void number_plain(
	struct ports *ports, const struct disagg_worker *worker, const struct disagg_role *role)
{
	struct disagg_process *process = &ports->plan->process[worker->first_process];
	int32_t bootstrap = -1, dist = -1;

	if (role->kind == DISAGG_PREFILL)
		bootstrap = take_shared(ports, worker, DISAGG_PORT_BOOTSTRAP, 1);
	if (worker->process_count > 1)
		dist = take_shared(ports, worker, DISAGG_PORT_DIST, 1);
	for (uint32_t i = 0; i < worker->process_count; i++) {
		uint32_t node = process[i].node;
		int32_t *port = process[i].port;

		port[DISAGG_PORT_SYSTEM] = take(ports, node, DISAGG_PORT_SYSTEM, 1);
		port[DISAGG_PORT_HTTP] = i ? 0 : take(ports, node, DISAGG_PORT_HTTP, 1);
		port[DISAGG_PORT_BOOTSTRAP] = bootstrap;
		port[DISAGG_PORT_KV_EVENTS] = take(ports, node, DISAGG_PORT_KV_EVENTS, 1);
		port[DISAGG_PORT_NIXL] = take(ports, node, DISAGG_PORT_NIXL, 1);
		port[DISAGG_PORT_DIST] = dist;
	}
}

/* vLLM data parallelism: each rank adds its number to the worker's NIXL base,
 * and its number on the node to the process's KV-event base. */
static void number_dp(struct ports *ports, const struct disagg_worker *worker,
	const struct disagg_role *role, uint32_t rank_gpus)
{
	struct disagg_process *process = &ports->plan->process[worker->first_process];
	bool per_gpu = role->dp_layout == DISAGG_DP_PER_GPU;
	int32_t rpc = take_shared(ports, worker, DISAGG_PORT_RPC, 1);
	int32_t nixl = take_shared(ports, worker, DISAGG_PORT_NIXL, role->gpus / rank_gpus);

	for (uint32_t i = 0; i < worker->process_count; i++) {
		uint32_t node = process[i].node, ranks = process[i].gpu_count / rank_gpus;
		int32_t *port = process[i].port;
		bool serves = i == 0 || !per_gpu;

		port[DISAGG_PORT_SYSTEM] = take(ports, node, DISAGG_PORT_SYSTEM, 1);
		port[DISAGG_PORT_HTTP] = serves ? take(ports, node, DISAGG_PORT_HTTP, 1) : 0;
		if (serves && role->kind == DISAGG_PREFILL)
			port[DISAGG_PORT_BOOTSTRAP] = take(ports, node, DISAGG_PORT_BOOTSTRAP, 1);
		port[DISAGG_PORT_KV_EVENTS] = take(ports, node, DISAGG_PORT_KV_EVENTS, ranks);
		port[DISAGG_PORT_NIXL] = nixl;
		port[DISAGG_PORT_RPC] = rpc;
	}
}

static bool service_has(const struct disagg_plan *plan, uint32_t node, int32_t port)
{
	for (uint32_t i = 0; i < plan->service_count; i++)
		if (plan->service[i].node == node && plan->service[i].port == port)
			return true;
	return false;
}

/* trtllm-serve's own numbers begin at 8000 for every role; here they go on
 * where another leader or a service has taken one. */
static void number_trtllm(struct ports *ports, const struct disagg_worker *worker)
{
	struct disagg_process *process = &ports->plan->process[worker->first_process];
	uint32_t *next = &ports->node[process->node].next[DISAGG_PORT_HTTP];

	while (service_has(ports->plan, process->node, TRTLLM_HTTP + (int32_t)*next))
		++*next;
	process->port[DISAGG_PORT_HTTP] = TRTLLM_HTTP + (int32_t)*next;
	++*next;
	for (uint32_t i = 1; i < worker->process_count; i++)
		process[i].port[DISAGG_PORT_HTTP] = 0;
}

static void number_worker(struct ports *ports, const struct disagg_worker *worker)
{
	const struct disagg_role *role = &ports->job->role[worker->role];
	uint32_t rank_gpus = disagg_role_dp_rank_gpus(role, ports->plan->gpus_per_node);
	bool trtllm = ports->job->rule == DISAGG_RULE_PER_SERVER ||
		      ports->job->rule == DISAGG_RULE_COMPACT;

	if (worker->process_count == 0)
		return;
	if (trtllm)
		number_trtllm(ports, worker);
	else if (rank_gpus)
		number_dp(ports, worker, role, rank_gpus);
	else
		number_plain(ports, worker, role);
}

int disagg_plan_ports(
	const struct disagg_job *job, struct disagg_plan *plan, struct disagg_findings *found)
{
	bool dense = job->rule == DISAGG_RULE_NATIVE && plan->gpus_per_node > DENSE_NODE;
	struct ports ports = {
		.job = job,
		.plan = plan,
		.http_stride = dense ? DENSE_HTTP_STRIDE : HTTP_STRIDE,
	};

	ports.node = disagg_arena_array(found->arena, plan->nodes, sizeof(*ports.node));
	if (!ports.node) {
		disagg_findings_error(found, NULL, "numbering the ports: out of memory");
		return -1;
	}
	for (uint32_t i = 0; i < plan->worker_count; i++)
		number_worker(&ports, &plan->worker[i]);
	return disagg_ports_check(job, plan, found);
}
