/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/plan.h"
#include "tests/unit/planjob.h"
#include "tests/unit/tap.h"

/*
 * 1,000 generated shapes over all rules: each is either planned, and then
 * nothing is shared that must not be and every count is exact, or refused with
 * a reason.  The reasons are counted, so that neither side can be empty.
 */
enum { SHAPES = 1000, NODES = 4096, GPUS = DISAGG_MAX_GPUS_PER_NODE };

/* xorshift64*: the same shapes everywhere */
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static unsigned draw(unsigned below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned)((random_state * 0x2545f4914f6cdd1du) >> 33) % below;
}

static unsigned draw_gpus(unsigned gpus_per_node)
{
	switch (draw(4)) {
	case 0:
		return 1 + draw(gpus_per_node);
	case 1:
		return gpus_per_node;
	case 2:
		return gpus_per_node * (1 + draw(6));
	default:
		return 1 + draw(gpus_per_node * 4);
	}
}

static void add_workers(struct planjob *p)
{
	static const char *const name[] = {"prefill", "decode", "agg"};

	for (int kind = 0; kind < 3; kind++) {
		struct disagg_role *role;

		if (kind && draw(3) == 0)
			continue;
		role = planjob_role(p, name[kind], (enum disagg_role_kind)kind, draw(12),
			draw_gpus(p->job.gpus_per_node));
		role->placement = (enum disagg_placement)draw(3);
		role->tasks = (enum disagg_tasks)draw(2);
		if (draw(5) == 0) {
			role->dp_layout = (enum disagg_dp_layout)(1 + draw(2));
			role->tp = 1 + draw(3);
			role->dp = draw(8) ? role->gpus / role->tp : 3;
		}
	}
}

static void add_services(struct planjob *p)
{
	static const int port[] = {8000, 8180, 2379, 8333, 9000, 4222, 6100, -1};
	unsigned count = draw(4);

	for (unsigned i = 0; i < count; i++) {
		struct disagg_role *role = planjob_role(p, "service", DISAGG_OTHER, draw(4), 0);

		role->site = (enum disagg_site)draw(8);
		role->site_node = draw(8);
		role->port = port[draw(8)] + (draw(20) == 0 ? 57535 : 0);
	}
}

static void build(struct planjob *p)
{
	static const unsigned sizes[] = {1, 2, 4, 4, 8, 8, 8, 16, 64};

	planjob_init(p, (enum disagg_rule)draw(4), sizes[draw(9)]);
	p->job.want_nodes = draw(3) ? 0 : 1 + draw(40);
	p->job.prefill_nodes = p->job.want_nodes / 2;
	p->job.pools = draw(10) == 0;
	p->job.colocate = draw(3) == 0;
	p->job.spread_workers = draw(4) == 0;
	p->job.reserve_infra = draw(3) == 0;
	p->job.reserve_frontend = draw(5) == 0;
	p->job.reserve_client = draw(5) == 0;
	p->job.reserve_together = draw(2);
	add_workers(p);
	add_services(p);
}

/* ---- what must hold; each names itself in `fault` ---- */

static const char *fault;

static void must(bool good, const char *what)
{
	if (!good && !fault)
		fault = what;
}

static void check_gpus(const struct planjob *p)
{
	static uint64_t taken[NODES];
	const struct disagg_plan *plan = p->plan;
	uint32_t used = 0;

	must(plan->nodes <= NODES, "the job is small");
	if (fault)
		return;
	memset(taken, 0, sizeof(taken));
	for (uint32_t i = 0; i < plan->process_count; i++) {
		const struct disagg_process *q = &plan->process[i];
		uint64_t mask = q->gpu_count == 64 ? UINT64_MAX : (1ull << q->gpu_count) - 1;

		must(q->gpu_count >= 1, "a process has a GPU");
		must(q->gpu_first + q->gpu_count <= plan->gpus_per_node, "GPUs are in range");
		must(q->node >= plan->worker_node_first &&
				q->node < plan->worker_node_first + plan->worker_nodes,
			"a process is on a worker node");
		if (fault)
			return;
		must(!(taken[q->node] & mask << q->gpu_first), "GPUs are taken once");
		taken[q->node] |= mask << q->gpu_first;
		used += q->gpu_count;
	}
	must(used == plan->gpus_used, "the used GPUs are counted");
}

static void check_worker(const struct planjob *p, const struct disagg_worker *w)
{
	const struct disagg_role *role = &p->role[w->role];
	bool by_gpu = role->tasks == DISAGG_TASKS_PER_GPU;
	uint32_t gpus = 0, tasks = 0;

	for (uint32_t k = 0; k < w->process_count; k++) {
		const struct disagg_process *q = &p->plan->process[w->first_process + k];

		must(&p->plan->worker[q->worker] == w, "a process knows its worker");
		must(q->rank == 0 || k > 0, "the first process has rank 0");
		must(k == 0 || q->rank > q[-1].rank, "ranks grow");
		must(q->tasks == (by_gpu ? q->gpu_count : 1u), "a process has its tasks");
		gpus += q->gpu_count;
		tasks += q->tasks;
	}
	must(gpus == role->gpus, "a worker has exactly its GPUs");
	must(tasks == w->tasks, "a worker's tasks add up");
}

static void check_counts(const struct planjob *p)
{
	const struct disagg_plan *plan = p->plan;
	uint32_t worker = 0, process = 0, service = 0;

	for (uint32_t i = 0; i < p->job.role_count; i++) {
		for (uint32_t k = 0; k < p->role[i].workers; k++) {
			if (p->role[i].gpus == 0) {
				must(plan->service[service].index == k, "services are in order");
				must(plan->service[service++].node < plan->nodes,
					"a service is on a node");
				continue;
			}
			must(plan->worker[worker].role == i && plan->worker[worker].index == k,
				"workers are in order");
			must(plan->worker[worker].first_process == process,
				"processes are in order");
			process += plan->worker[worker].process_count;
			check_worker(p, &plan->worker[worker++]);
		}
	}
	must(worker == plan->worker_count, "workers are counted");
	must(process == plan->process_count, "processes are counted");
	must(service == plan->service_count, "services are counted");
	must(plan->nodes <= plan->worker_nodes + 3, "at most 3 nodes are reserved");
	must(!p->job.want_nodes || plan->worker_nodes == p->job.want_nodes,
		"the nodes that were asked for");
}

/* The ports that a node's processes and services open, by number. */
static void check_ports(const struct planjob *p)
{
	static uint32_t seen[65536]; /* node + 1 */
	const struct disagg_plan *plan = p->plan;

	memset(seen, 0, sizeof(seen));
	for (uint32_t node = 0; node < plan->nodes; node++) {
		for (uint32_t i = 0; i < plan->process_count; i++) {
			const struct disagg_process *q = &plan->process[i];
			const struct disagg_worker *w = &plan->worker[q->worker];
			bool dp = p->role[w->role].dp_layout != DISAGG_DP_NONE;

			for (int k = 0; q->node == node && k < DISAGG_PORT_COUNT; k++) {
				/* a worker's processes share these */
				bool shared = i > w->first_process && dp &&
					      (k == DISAGG_PORT_NIXL || k == DISAGG_PORT_RPC);

				must(q->port[k] >= -1 && q->port[k] <= 65535, "ports are in range");
				if (fault || q->port[k] <= 0 || shared)
					continue;
				must(seen[q->port[k]] != node + 1, "a node's ports are unique");
				seen[q->port[k]] = node + 1;
			}
		}
		for (uint32_t i = 0; i < plan->service_count; i++) {
			const struct disagg_service *s = &plan->service[i];

			must(s->port >= -1 && s->port <= 65535, "service ports are in range");
			if (fault || s->node != node || s->port <= 0)
				continue;
			must(seen[s->port] != node + 1, "services' ports are unique");
			seen[s->port] = node + 1;
		}
	}
}

static const struct {
	const char *text;
	unsigned least; /* of 1,000 */
} reasons[] = {
	{"does not fill whole nodes", 10},
	{"is left", 1},
	{"are left", 1},
	{"they would overlap", 3},
	{"the workers need", 10},
	{"data parallelism", 5},
	{"one process a GPU needs", 3},
	{"does not divide evenly", 1},
	{"beside a decode worker", 5},
	{"is to run on node", 1},
	{"is wanted twice", 1},
	{"at most 65535", 1},
};

int main(void)
{
	unsigned faults = 0, planned[4] = {0}, refused[sizeof(reasons) / sizeof(*reasons)] = {0};
	char what[96];
	struct planjob p;

	for (unsigned i = 0; i < SHAPES; i++) {
		unsigned why = 0;

		fault = NULL;
		build(&p);
		if (planjob_make(&p) == 0) {
			planned[p.job.rule]++;
			must(p.found.errors == 0, "a plan comes without errors");
			check_gpus(&p);
			check_counts(&p);
			check_ports(&p);
		} else {
			const char *error = planjob_error(&p);

			while (why < sizeof(reasons) / sizeof(*reasons) && error &&
				!strstr(error, reasons[why].text))
				why++;
			if (error && why < sizeof(reasons) / sizeof(*reasons))
				refused[why]++;
			else
				fault = error ? error : "a refusal has a reason";
		}
		snprintf(what, sizeof(what), "shape %u (rule %d)", i, (int)p.job.rule);
		if (fault) {
			ok(false, what);
			printf("# %s\n", fault);
			faults++;
		}
		planjob_release(&p);
	}
	is_int(faults, 0, "1,000 shapes: each is sound, or refused with a reason");
	for (int i = 0; i < 4; i++) {
		snprintf(what, sizeof(what), "rule %d: %u shapes planned, more than 50", i,
			planned[i]);
		ok(planned[i] > 50, what);
	}
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		snprintf(what, sizeof(what), "refused: '%s', %u shapes", reasons[i].text,
			refused[i]);
		ok(refused[i] >= reasons[i].least, what);
	}
	return tap_done();
}
