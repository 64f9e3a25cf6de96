/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/plan.h"
#include "tests/unit/planjob.h"
#include "tests/unit/tap.h"

/* The native and the TensorRT-LLM rules, reserved nodes, services, refusals. */

struct row {
	const char *name;
	enum disagg_rule rule;
	unsigned gpus_per_node;
	struct {
		unsigned workers, gpus;
		enum disagg_placement placement;
	} a, b;
	const char *layout;
	unsigned nodes;
};

static const struct row rows[] = {
	{"small workers pack", DISAGG_RULE_NATIVE, 4, {2, 1, 0}, {1, 2, 0},
		"a0=0:0-0 a1=0:1-1 b0=0:2-3", 1},
	{"a worker that fits a node never straddles", DISAGG_RULE_NATIVE, 4, {1, 3, 0}, {2, 2, 0},
		"a0=0:0-2 b0=1:0-1 b1=1:2-3", 2},
	{"6 GPUs over nodes of 4 are 4 and 2", DISAGG_RULE_NATIVE, 4, {1, 6, 0}, {0, 1, 0},
		"a0=0:0-3,1:0-1", 2},
	{"what a large worker leaves is used", DISAGG_RULE_NATIVE, 4, {1, 6, 0}, {2, 2, 0},
		"a0=0:0-3,1:0-1 b0=1:2-3 b1=2:0-1", 3},
	{"a large worker begins on a fresh node", DISAGG_RULE_NATIVE, 4, {1, 1, 0}, {1, 5, 0},
		"a0=0:0-0 b0=1:0-3,2:0-0", 3},
	{"fresh: the role begins on a node of its own, then packs", DISAGG_RULE_NATIVE, 8,
		{1, 2, 0}, {2, 2, DISAGG_PLACE_FRESH}, "a0=0:0-1 b0=1:0-1 b1=1:2-3", 2},
	{"fresh costs nothing where the node is fresh", DISAGG_RULE_NATIVE, 4, {1, 4, 0},
		{1, 2, DISAGG_PLACE_FRESH}, "a0=0:0-3 b0=1:0-1", 2},
	{"spread: each worker begins on a fresh node", DISAGG_RULE_NATIVE, 8,
		{2, 2, DISAGG_PLACE_SPREAD}, {1, 4, 0}, "a0=0:0-1 a1=1:0-1 b0=1:2-5", 2},
	{"per server: nodes of its own for each", DISAGG_RULE_PER_SERVER, 4, {2, 2, 0}, {1, 1, 0},
		"a0=0:0-1 a1=1:0-1 b0=2:0-0", 3},
	{"per server: 6 ranks are 4 and 2", DISAGG_RULE_PER_SERVER, 4, {1, 6, 0}, {1, 4, 0},
		"a0=0:0-3,1:0-1 b0=2:0-3", 3},
	{"compact: servers share and straddle nodes", DISAGG_RULE_COMPACT, 4, {1, 6, 0}, {2, 3, 0},
		"a0=0:0-3,1:0-1 b0=1:2-3,2:0-0 b1=2:1-3", 3},
};

static void test_rows(void)
{
	struct planjob p;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		planjob_init(&p, rows[i].rule, rows[i].gpus_per_node);
		planjob_role(&p, "a", DISAGG_DECODE, rows[i].a.workers, rows[i].a.gpus)->placement =
			rows[i].a.placement;
		planjob_role(&p, "b", DISAGG_PREFILL, rows[i].b.workers, rows[i].b.gpus)
			->placement = rows[i].b.placement;
		is_int(planjob_make(&p), 0, rows[i].name);
		is_str(p.plan ? planjob_text(&p) : NULL, rows[i].layout, rows[i].name);
		is_int(p.plan ? p.plan->nodes : 0, rows[i].nodes, rows[i].name);
		planjob_release(&p);
	}
}

static void test_tasks(void)
{
	struct planjob p;
	const struct disagg_plan *plan;

	planjob_init(&p, DISAGG_RULE_NATIVE, 4);
	planjob_role(&p, "mpi", DISAGG_DECODE, 1, 6)->tasks = DISAGG_TASKS_PER_GPU;
	planjob_role(&p, "one", DISAGG_PREFILL, 2, 2);
	is_int(planjob_make(&p), 0, "an MPI world and two plain workers");
	plan = p.plan;
	if (!plan)
		return;
	is_int(plan->worker[0].tasks, 6, "one task a GPU");
	is_int(plan->process[0].tasks, 4, "4 on the first node");
	is_int(plan->process[1].tasks, 2, "2 on the second");
	is_int(plan->process[1].rank, 1, "which has node rank 1");
	is_int(plan->worker[1].tasks, 1, "one task a node");
	is_int(plan->gpus_used, 10, "10 GPUs are used");
	is_int(disagg_plan_role_index(plan, "one"), 1, "a role is found by its name");
	is_int(disagg_plan_role_index(plan, "nine"), -1, "an unknown one is not");
	ok(disagg_plan_worker(plan, 1, 1) == &plan->worker[2], "a worker by role and index");
	ok(disagg_plan_worker(plan, 1, 2) == NULL, "none behind the last");
	ok(disagg_plan_worker(plan, 7, 0) == NULL, "none of an unknown role");
	planjob_release(&p);
}

/* ---- reserved nodes: facts about NVIDIA/srt-slurm c88ef731 ---- */

static const struct {
	const char *name;
	bool infra, frontend, client, together;
	unsigned workers;
	unsigned nodes, head, infra_at, client_at, first;
} reserved[] = {
	{"nothing reserved", false, false, false, true, 1, 1, 0, 0, 0, 0},
	{"infra", true, false, false, true, 1, 2, 1, 0, 1, 1},
	{"client", false, false, true, true, 1, 2, 0, 0, 1, 0},
	{"frontend", false, true, false, true, 1, 2, 0, 0, 0, 1},
	{"infra and client together", true, false, true, true, 1, 2, 0, 1, 1, 0},
	{"frontend and client apart", false, true, true, false, 1, 3, 0, 0, 2, 1},
	{"infra and frontend apart", true, true, false, false, 1, 3, 1, 0, 1, 2},
	{"infra and client apart", true, false, true, false, 1, 3, 1, 0, 2, 1},
	{"frontend and client together", false, true, true, true, 3, 4, 3, 3, 3, 0},
	{"infra and frontend together", true, true, false, true, 3, 4, 0, 0, 0, 1},
	{"all three apart", true, true, true, false, 1, 4, 1, 0, 3, 2},
	{"all three together", true, true, true, true, 2, 3, 2, 2, 2, 0},
};

static void test_reserved(void)
{
	struct planjob p;

	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++) {
		planjob_init(&p, DISAGG_RULE_SRTCTL, 1);
		p.job.reserve_infra = reserved[i].infra;
		p.job.reserve_frontend = reserved[i].frontend;
		p.job.reserve_client = reserved[i].client;
		p.job.reserve_together = reserved[i].together;
		p.job.want_nodes = reserved[i].workers;
		planjob_role(&p, "prefill", DISAGG_PREFILL, reserved[i].workers, 1);
		is_int(planjob_make(&p), 0, reserved[i].name);
		if (!p.plan)
			continue;
		is_int(p.plan->nodes, reserved[i].nodes, reserved[i].name);
		is_int(p.plan->head_node, reserved[i].head, "its head");
		is_int(p.plan->infra_node, reserved[i].infra_at, "its infra node");
		is_int(p.plan->client_node, reserved[i].client_at, "its client node");
		is_int(p.plan->worker_node_first, reserved[i].first, "its first worker node");
		is_int(p.plan->worker_nodes, reserved[i].workers, "its worker nodes");
		is_int(p.plan->process[0].node, reserved[i].first, "where the workers are");
		planjob_release(&p);
	}
}

/* ---- services ---- */

static void add_service(
	struct planjob *p, const char *name, enum disagg_site site, unsigned workers, int port)
{
	struct disagg_role *role = planjob_role(p, name, DISAGG_OTHER, workers, 0);

	role->site = site;
	role->site_node = 3;
	role->port = port;
}

static const char *services_text(struct planjob *p)
{
	disagg_strbuf_clear(&p->text);
	for (uint32_t i = 0; i < p->plan->service_count; i++) {
		const struct disagg_service *s = &p->plan->service[i];

		disagg_strbuf_printf(&p->text, "%s%s%u@%u:%d", i ? " " : "", p->role[s->role].name,
			s->index, s->node, s->port);
	}
	return p->text.text;
}

static void test_sites(void)
{
	struct planjob p;

	planjob_init(&p, DISAGG_RULE_NATIVE, 4);
	p.job.reserve_infra = true;
	planjob_role(&p, "prefill", DISAGG_PREFILL, 1, 4);
	planjob_role(&p, "decode", DISAGG_DECODE, 2, 4);
	add_service(&p, "nginx", DISAGG_SITE_HEAD, 1, 8000);
	add_service(&p, "etcd", DISAGG_SITE_INFRA, 1, 2379);
	add_service(&p, "bench", DISAGG_SITE_CLIENT, 1, -1);
	add_service(&p, "behind", DISAGG_SITE_BEHIND_NGINX, 3, 8180);
	add_service(&p, "first", DISAGG_SITE_FIRST_DECODE, 1, 9000);
	add_service(&p, "last", DISAGG_SITE_LAST_DECODE, 1, 9000);
	is_int(planjob_make(&p), 0, "a job with services");
	is_str(p.plan ? services_text(&p) : NULL,
		"nginx0@1:8000 etcd0@0:2379 bench0@1:-1 behind0@2:8180 behind1@3:8180 "
		"behind2@2:8181 first0@2:9000 last0@3:9000",
		"each on its site");
	planjob_release(&p);

	planjob_init(&p, DISAGG_RULE_NATIVE, 4);
	planjob_role(&p, "decode", DISAGG_DECODE, 4, 4);
	add_service(&p, "node", DISAGG_SITE_NODE, 1, 9000);
	add_service(&p, "each", DISAGG_SITE_SPREAD, 5, 9100);
	is_int(planjob_make(&p), 0, "a service on a given node, one spread");
	is_str(p.plan ? services_text(&p) : NULL,
		"node0@3:9000 each0@0:9100 each1@1:9100 each2@2:9100 each3@3:9100 each4@0:9101",
		"a second instance on a node takes the next port");
	planjob_release(&p);

	planjob_init(&p, DISAGG_RULE_NATIVE, 4);
	add_service(&p, "alone", DISAGG_SITE_HEAD, 1, 9000);
	is_int(planjob_make(&p), 0, "services alone");
	is_int(p.plan ? p.plan->nodes : 0, 1, "run on one node");
	planjob_release(&p);
}

/* ---- refusals ---- */

static void no_nodes(struct planjob *p)
{
	p->job.want_nodes = 2;
	planjob_role(p, "decode", DISAGG_DECODE, 3, 4);
}

static void no_gpus_per_node(struct planjob *p)
{
	p->job.gpus_per_node = 0;
	planjob_role(p, "decode", DISAGG_DECODE, 3, 4);
}

static void too_many_gpus(struct planjob *p)
{
	planjob_role(p, "decode", DISAGG_DECODE, 65536, 4);
}

static void too_many_workers(struct planjob *p)
{
	planjob_role(p, "decode", DISAGG_DECODE, 4294967295u, 1);
	planjob_role(p, "prefill", DISAGG_PREFILL, 4294967295u, 4294967295u);
}

static void too_many_nodes(struct planjob *p)
{
	planjob_role(p, "decode", DISAGG_DECODE, 16385, 1)->placement = DISAGG_PLACE_SPREAD;
}

static void server_without_gpus(struct planjob *p)
{
	p->job.rule = DISAGG_RULE_PER_SERVER;
	planjob_role(p, "gen", DISAGG_DECODE, 2, 0);
}

static void decode_site_without_decode(struct planjob *p)
{
	planjob_role(p, "agg", DISAGG_AGG, 1, 4);
	add_service(p, "bench", DISAGG_SITE_LAST_DECODE, 1, -1);
}

static void site_outside(struct planjob *p)
{
	planjob_role(p, "agg", DISAGG_AGG, 1, 4);
	add_service(p, "bench", DISAGG_SITE_NODE, 1, -1);
}

static void dp_that_does_not_fit(struct planjob *p)
{
	struct disagg_role *role = planjob_role(p, "decode", DISAGG_DECODE, 1, 8);

	role->dp_layout = DISAGG_DP_PER_NODE;
	role->dp = 7;
}

static void dp_ragged_replica(struct planjob *p)
{
	struct disagg_role *role = planjob_role(p, "decode", DISAGG_DECODE, 1, 12);

	role->dp_layout = DISAGG_DP_PER_NODE;
	role->dp = 4;
	role->tp = 3;
}

static void dp_per_gpu_with_tensors(struct planjob *p)
{
	struct disagg_role *role = planjob_role(p, "decode", DISAGG_DECODE, 1, 8);

	role->dp_layout = DISAGG_DP_PER_GPU;
	role->dp = 4;
	role->tp = 2;
}

static void dp_overflow(struct planjob *p)
{
	struct disagg_role *role = planjob_role(p, "decode", DISAGG_DECODE, 1, 8);

	role->dp_layout = DISAGG_DP_PER_NODE;
	role->dp = role->tp = role->pp = 4294967295u;
}

static const struct {
	void (*build)(struct planjob *p);
	const char *reason;
} bad[] = {
	{no_nodes, "the workers need 3 nodes of 4 GPUs, but 2 are given"},
	{no_gpus_per_node, "GPUs per node: expected 1 to 64, got 0"},
	{too_many_gpus, "262144 GPUs: at most 131072 are possible"},
	{too_many_workers, "8589934590 workers: at most 65536 are possible"},
	{too_many_nodes, "16385 worker nodes and 0 reserved ones: at most 16384"},
	{server_without_gpus, "role 'gen' has 2 workers without GPUs: each needs at least 1"},
	{decode_site_without_decode, "'bench' is to run beside a decode worker, but there is none"},
	{site_outside, "role 'bench' is to run on node 3, but the job has nodes 0 to 0"},
	{dp_that_does_not_fit,
		"has data parallelism 7 x tensor 1 x pipeline 1, which is not the 8"},
	{dp_ragged_replica, "has 3 GPUs, which does not divide evenly over nodes of 4"},
	{dp_per_gpu_with_tensors, "one process a GPU needs tensor and pipeline parallelism 1"},
	{dp_overflow, "which is not the 8 GPUs of a worker"},
};

static void test_bad(void)
{
	struct planjob p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		planjob_init(&p, DISAGG_RULE_NATIVE, 4);
		bad[i].build(&p);
		is_int(planjob_make(&p), -1, bad[i].reason);
		has_str(planjob_error(&p), bad[i].reason, bad[i].reason);
		ok(p.plan == NULL, "nothing is returned");
		planjob_release(&p);
	}
}

/* Memory that runs out at any point is a failure, never a crash. */
static void test_out_of_memory(void)
{
	struct planjob p;
	long n = 0;
	int rc;

	do {
		planjob_init(&p, DISAGG_RULE_NATIVE, 4);
		planjob_role(&p, "decode", DISAGG_DECODE, 2000, 6);
		add_service(&p, "nginx", DISAGG_SITE_HEAD, 1, 8000);
		disagg_alloc_fail_after(n++);
		rc = planjob_make(&p);
		disagg_alloc_fail_after(-1);
		if (rc < 0 && p.plan)
			break;
		planjob_release(&p);
	} while (rc < 0 && n < 1000);
	is_int(rc, 0, "with memory enough the plan is made");
	ok(n > 2, "and without, it is not");
}

int main(void)
{
	test_rows();
	test_tasks();
	test_reserved();
	test_sites();
	test_bad();
	test_out_of_memory();
	return tap_done();
}
