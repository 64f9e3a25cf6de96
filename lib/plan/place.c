/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/place.h"

typedef int place_rule(struct disagg_placer *placer);

static place_rule *const rules[] = {
	[DISAGG_RULE_NATIVE] = disagg_place_native,
	[DISAGG_RULE_SRTCTL] = disagg_place_srtctl,
	[DISAGG_RULE_PER_SERVER] = disagg_place_per_server,
	[DISAGG_RULE_COMPACT] = disagg_place_compact,
};

const char *const disagg_paths_nodes[] = {
	"nodes",
	"resources.prefill_nodes",
	"resources.agg_nodes",
	"hardware.num_gen_servers",
	NULL,
};

const char *const disagg_paths_gpus_per_node[] = {
	"gpus_per_node",
	"resources.gpus_per_node",
	"hardware.gpus_per_node",
	NULL,
};

static const char *const spare_path[] = {"probes.spare_nodes", "cluster.probes.spare_nodes", NULL};

/* Nodes that carry no workers: some before the worker nodes, some behind. */
struct reserved {
	uint32_t front, back;
};

bool disagg_role_has_gpus(const struct disagg_role *role)
{
	return role->gpus > 0;
}

/* The keys of srtctl's files; the other dialects say it in the role itself. */
static const char *const gpus_path[] = {
	[DISAGG_PREFILL] = "resources.gpus_per_prefill",
	[DISAGG_DECODE] = "resources.gpus_per_decode",
	[DISAGG_AGG] = "resources.gpus_per_agg",
};

static const char *const nodes_path[] = {
	[DISAGG_PREFILL] = "resources.prefill_nodes",
	[DISAGG_DECODE] = "resources.decode_nodes",
	[DISAGG_AGG] = "resources.agg_nodes",
};

static bool is_engine_kind(const struct disagg_role *role)
{
	return role->kind == DISAGG_PREFILL || role->kind == DISAGG_DECODE ||
	       role->kind == DISAGG_AGG;
}

static const struct disagg_origin *cite(
	const struct disagg_job *job, const struct disagg_role *role, const char *const *path)
{
	const struct disagg_origin *at = NULL;

	if (is_engine_kind(role))
		at = disagg_trace_origin(&job->trace, path[role->kind]);
	return at ? at : &role->at;
}

const struct disagg_origin *disagg_place_cite_gpus(
	const struct disagg_job *job, const struct disagg_role *role)
{
	return cite(job, role, gpus_path);
}

const struct disagg_origin *disagg_place_cite_nodes(
	const struct disagg_job *job, const struct disagg_role *role)
{
	return cite(job, role, nodes_path);
}

const struct disagg_origin *disagg_plan_origin(
	const struct disagg_job *job, const char *const *path)
{
	const struct disagg_origin *at = NULL;

	for (; *path && !at; path++)
		at = disagg_trace_origin(&job->trace, *path);
	return at;
}

uint32_t disagg_role_dp_rank_gpus(const struct disagg_role *role, uint32_t gpus_per_node)
{
	uint32_t local = role->gpus < gpus_per_node ? role->gpus : gpus_per_node;
	uint64_t replica = (uint64_t)(role->tp ? role->tp : 1) * (role->pp ? role->pp : 1);

	if (role->dp_layout == DISAGG_DP_NONE)
		return 0;
	return replica <= local ? (uint32_t)replica : 0;
}

/* ---- workers ---- */

void disagg_place_fresh(struct disagg_placer *placer)
{
	if (placer->gpu == 0)
		return;
	placer->node++;
	placer->gpu = 0;
}

void disagg_place_worker(struct disagg_placer *placer, uint32_t role, uint32_t index)
{
	struct disagg_plan *plan = placer->plan;

	plan->worker[plan->worker_count++] = (struct disagg_worker){
		.role = role,
		.index = index,
		.first_process = plan->process_count,
	};
	placer->given = 0;
}

static void add_process(struct disagg_placer *placer, uint32_t node, uint32_t gpu_first,
	uint32_t gpu_count, uint32_t rank, uint32_t tasks)
{
	struct disagg_plan *plan = placer->plan;
	struct disagg_worker *worker = &plan->worker[plan->worker_count - 1];
	struct disagg_process *process = &plan->process[plan->process_count++];

	*process = (struct disagg_process){
		.worker = plan->worker_count - 1,
		.node = plan->worker_node_first + node,
		.rank = rank,
		.tasks = tasks,
		.gpu_first = (uint16_t)gpu_first,
		.gpu_count = (uint16_t)gpu_count,
	};
	for (int i = 0; i < DISAGG_PORT_COUNT; i++)
		process->port[i] = -1;
	worker->process_count++;
	worker->tasks += tasks;
	plan->gpus_used += gpu_count;
}

void disagg_place_share(
	struct disagg_placer *placer, uint32_t node, uint32_t gpu_first, uint32_t gpu_count)
{
	struct disagg_plan *plan = placer->plan;
	const struct disagg_worker *worker = &plan->worker[plan->worker_count - 1];
	const struct disagg_role *role = &placer->job->role[worker->role];
	uint32_t rank_gpus = disagg_role_dp_rank_gpus(role, plan->gpus_per_node);
	uint32_t rank = worker->process_count;
	uint32_t tasks = role->tasks == DISAGG_TASKS_PER_GPU ? gpu_count : 1;

	if (rank_gpus)
		rank = placer->given / rank_gpus;
	if (rank_gpus && role->dp_layout == DISAGG_DP_PER_GPU) {
		for (uint32_t i = 0; i < gpu_count; i++)
			add_process(placer, node, gpu_first + i, 1, rank + i, 1);
	} else {
		add_process(placer, node, gpu_first, gpu_count, rank, tasks);
	}
	placer->given += gpu_count;
	placer->node = node;
	placer->gpu = gpu_first + gpu_count;
	if (placer->gpu >= plan->gpus_per_node)
		disagg_place_fresh(placer);
	if (placer->used <= node)
		placer->used = node + 1;
}

void disagg_place_run(struct disagg_placer *placer, uint32_t gpus)
{
	while (gpus > 0) {
		uint32_t room = placer->plan->gpus_per_node - placer->gpu;
		uint32_t take = gpus < room ? gpus : room;

		disagg_place_share(placer, placer->node, placer->gpu, take);
		gpus -= take;
	}
}

/* ---- what can be said before any worker is placed ---- */

static void check_dp(struct disagg_placer *placer, const struct disagg_role *role)
{
	uint32_t gpn = placer->plan->gpus_per_node;
	uint32_t tp = role->tp ? role->tp : 1, pp = role->pp ? role->pp : 1;
	uint64_t replica = (uint64_t)tp * pp;
	uint64_t dp = role->dp ? role->dp : role->gpus / replica;

	if (replica > role->gpus || dp * replica != role->gpus)
		disagg_findings_error(placer->found, &role->at,
			"role '%s' has data parallelism %llu x tensor %u x pipeline %u, which is not "
			"the %u GPUs of a worker",
			role->name, (unsigned long long)dp, tp, pp, role->gpus);
	else if (role->dp_layout == DISAGG_DP_PER_GPU && replica > 1)
		disagg_findings_error(placer->found, &role->at,
			"one process a GPU needs tensor and pipeline parallelism 1, but role '%s' "
			"has %u x %u; use one process a node",
			role->name, tp, pp);
	else if (role->gpus > gpn && (replica > gpn ? replica % gpn : gpn % replica))
		disagg_findings_error(placer->found, &role->at,
			"a data-parallel rank of role '%s' has %llu GPUs, which does not divide "
			"evenly over nodes of %u",
			role->name, (unsigned long long)replica, gpn);
}

static void check_role(struct disagg_placer *placer, const struct disagg_role *role)
{
	const struct disagg_job *job = placer->job;

	if (role->workers == 0)
		return;
	/* elsewhere a worker without GPUs is a service, which the file means */
	if (!disagg_role_has_gpus(role) && job->rule != DISAGG_RULE_NATIVE && is_engine_kind(role))
		disagg_findings_error(placer->found, disagg_place_cite_gpus(job, role),
			"role '%s' has %u worker%s without GPUs: each needs at least 1", role->name,
			role->workers, role->workers == 1 ? "" : "s");
	if (disagg_role_has_gpus(role) && role->dp_layout != DISAGG_DP_NONE)
		check_dp(placer, role);
}

static void check_totals(struct disagg_placer *placer)
{
	const struct disagg_job *job = placer->job;
	uint64_t workers = 0, gpus = 0;

	for (unsigned i = 0; i < job->role_count; i++) {
		workers += job->role[i].workers;
		gpus += (uint64_t)job->role[i].workers * job->role[i].gpus;
	}
	if (job->gpus_per_node < 1 || job->gpus_per_node > DISAGG_MAX_GPUS_PER_NODE)
		disagg_findings_error(placer->found,
			disagg_plan_origin(job, disagg_paths_gpus_per_node),
			"GPUs per node: expected 1 to %u, got %u", DISAGG_MAX_GPUS_PER_NODE,
			job->gpus_per_node);
	if (job->role_count > DISAGG_MAX_ROLES)
		disagg_findings_error(placer->found, NULL, "%u roles: at most %u are possible",
			job->role_count, DISAGG_MAX_ROLES);
	if (workers > DISAGG_MAX_WORKERS)
		disagg_findings_error(placer->found, NULL, "%llu workers: at most %u are possible",
			(unsigned long long)workers, DISAGG_MAX_WORKERS);
	if (gpus > DISAGG_MAX_GPUS)
		disagg_findings_error(placer->found, NULL, "%llu GPUs: at most %u are possible",
			(unsigned long long)gpus, DISAGG_MAX_GPUS);
}

static int check_job(struct disagg_placer *placer)
{
	unsigned before = placer->found->errors;

	/* the counts bound everything below, so they come first */
	check_totals(placer);
	if (placer->found->errors > before)
		return -1;
	for (unsigned i = 0; i < placer->job->role_count; i++)
		check_role(placer, &placer->job->role[i]);
	return placer->found->errors > before ? -1 : 0;
}

/* ---- reserved nodes ---- */

static struct reserved count_reserved(const struct disagg_job *job)
{
	uint32_t front = (uint32_t)job->reserve_infra + (uint32_t)job->reserve_frontend;
	uint32_t back = job->reserve_client;

	if (!job->reserve_together || front + back == 0)
		return (struct reserved){.front = front, .back = back};
	return (struct reserved){.front = back ? 0 : 1, .back = back};
}

static int set_nodes(struct disagg_placer *placer, struct reserved reserved)
{
	const struct disagg_job *job = placer->job;
	struct disagg_plan *plan = placer->plan;
	uint32_t workers = job->want_nodes > placer->used ? job->want_nodes : placer->used;

	if (job->want_nodes && placer->used > job->want_nodes) {
		disagg_findings_error(placer->found, disagg_plan_origin(job, disagg_paths_nodes),
			"the workers need %u nodes of %u GPUs, but %u %s given", placer->used,
			plan->gpus_per_node, job->want_nodes, job->want_nodes == 1 ? "is" : "are");
		return -1;
	}
	/* a job of services alone still runs somewhere */
	if (workers == 0)
		workers = 1;
	if (workers > DISAGG_MAX_NODES - reserved.front - reserved.back) {
		disagg_findings_error(placer->found, disagg_plan_origin(job, disagg_paths_nodes),
			"%u worker nodes and %u reserved ones: at most %u nodes are possible",
			workers, reserved.front + reserved.back, DISAGG_MAX_NODES);
		return -1;
	}
	plan->worker_nodes = workers;
	plan->nodes = reserved.front + workers + reserved.back;
	if (plan->probes != DISAGG_PROBING_NONE && plan->role_count)
		plan->spare_nodes = (uint32_t)job->probing.spare_nodes.v;
	if (plan->spare_nodes > DISAGG_MAX_NODES - plan->nodes) {
		disagg_findings_error(placer->found, disagg_plan_origin(job, spare_path),
			"%u nodes and %u spare ones: at most %u nodes are possible",
			(unsigned)plan->nodes, (unsigned)plan->spare_nodes, DISAGG_MAX_NODES);
		return -1;
	}
	disagg_place_name_nodes(job, plan);
	return 0;
}

/* ---- all of it ---- */

/* An upper bound: a worker under the compact rule may begin and end on parts
 * of nodes. */
static uint64_t most_processes(const struct disagg_job *job, const struct disagg_role *role)
{
	uint32_t gpn = job->gpus_per_node;
	uint64_t each = role->gpus / gpn + (role->gpus % gpn ? 1 : 0);

	if (role->dp_layout == DISAGG_DP_PER_GPU)
		each = role->gpus;
	else if (job->rule == DISAGG_RULE_COMPACT)
		each += role->gpus > 1;
	return each * role->workers;
}

static int make_room(struct disagg_placer *placer)
{
	const struct disagg_job *job = placer->job;
	struct disagg_plan *plan = placer->plan;
	uint64_t workers = 0, processes = 0, services = 0;

	for (unsigned i = 0; i < job->role_count; i++) {
		const struct disagg_role *role = &job->role[i];

		if (disagg_role_has_gpus(role))
			workers += role->workers;
		else
			services += role->workers;
		processes += most_processes(job, role);
	}
	plan->worker = disagg_arena_array(placer->arena, workers + 1, sizeof(*plan->worker));
	plan->process = disagg_arena_array(placer->arena, processes + 1, sizeof(*plan->process));
	plan->service = disagg_arena_array(placer->arena, services + 1, sizeof(*plan->service));
	if (!plan->worker || !plan->process || !plan->service) {
		disagg_findings_error(placer->found, NULL, "placing the workers: out of memory");
		return -1;
	}
	return 0;
}

int disagg_plan_place(struct disagg_arena *arena, const struct disagg_job *job,
	struct disagg_plan *plan, struct disagg_findings *found)
{
	struct reserved reserved = count_reserved(job);
	struct disagg_placer placer = {
		.arena = arena,
		.job = job,
		.plan = plan,
		.found = found,
		.limit = job->want_nodes ? job->want_nodes : UINT32_MAX,
	};

	plan->gpus_per_node = job->gpus_per_node;
	plan->worker_node_first = reserved.front;
	if (check_job(&placer) < 0 || make_room(&placer) < 0)
		return -1;
	if (rules[job->rule](&placer) < 0 || set_nodes(&placer, reserved) < 0)
		return -1;
	return disagg_place_services(&placer);
}
