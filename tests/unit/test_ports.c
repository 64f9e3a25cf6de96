/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/plan.h"
#include "tests/unit/planjob.h"
#include "tests/unit/tap.h"

/*
 * Port numbers.  The bases and the vLLM rows (V1 to V15) are facts about
 * NVIDIA/srt-slurm c88ef731.
 */

/* "node/rank system http bootstrap kv nixl rpc dist; ..." */
static const char *ports_text(struct planjob *p)
{
	disagg_strbuf_clear(&p->text);
	for (uint32_t i = 0; i < p->plan->process_count; i++) {
		const struct disagg_process *q = &p->plan->process[i];

		disagg_strbuf_printf(&p->text, "%s%u/%u %d %d %d %d %d %d %d", i ? "; " : "",
			q->node, q->rank, q->port[DISAGG_PORT_SYSTEM], q->port[DISAGG_PORT_HTTP],
			q->port[DISAGG_PORT_BOOTSTRAP], q->port[DISAGG_PORT_KV_EVENTS],
			q->port[DISAGG_PORT_NIXL], q->port[DISAGG_PORT_RPC],
			q->port[DISAGG_PORT_DIST]);
	}
	return p->text.text;
}

static const struct {
	const char *name;
	enum disagg_rule rule;
	unsigned gpus_per_node;
	struct {
		enum disagg_role_kind kind;
		unsigned workers, gpus;
	} role[2];
	const char *ports;
} plain[] = {
	{"srtctl: system, KV-event and NIXL ports count through the job", DISAGG_RULE_SRTCTL, 8,
		{{DISAGG_PREFILL, 2, 8}, {DISAGG_DECODE, 2, 4}},
		"0/0 7500 6100 7200 5200 5400 -1 -1; 1/0 7501 6100 7200 5201 5401 -1 -1; "
		"2/0 7502 6100 -1 5202 5402 -1 -1; 2/0 7503 6132 -1 5203 5403 -1 -1"},
	{"srtctl: a follower serves nothing and shares the bootstrap port", DISAGG_RULE_SRTCTL, 4,
		{{DISAGG_PREFILL, 1, 8}, {DISAGG_DECODE, 0, 4}},
		"0/0 7500 6100 7200 5200 5400 -1 8300; 1/1 7501 0 7200 5201 5401 -1 8300"},
	{"native: every port counts on its node", DISAGG_RULE_NATIVE, 8,
		{{DISAGG_PREFILL, 2, 8}, {DISAGG_DECODE, 2, 4}},
		"0/0 7500 6100 7200 5200 5400 -1 -1; 1/0 7500 6100 7200 5200 5400 -1 -1; "
		"2/0 7500 6100 -1 5200 5400 -1 -1; 2/0 7501 6132 -1 5201 5401 -1 -1"},
	{"native: a worker beside another's follower", DISAGG_RULE_NATIVE, 4,
		{{DISAGG_PREFILL, 1, 6}, {DISAGG_PREFILL, 1, 2}},
		"0/0 7500 6100 7200 5200 5400 -1 8300; 1/1 7500 0 7200 5200 5400 -1 8300; "
		"1/0 7501 6100 7201 5201 5401 -1 -1"},
	{"TensorRT-LLM: leaders of one node count up from 8000", DISAGG_RULE_COMPACT, 4,
		{{DISAGG_DECODE, 1, 6}, {DISAGG_PREFILL, 2, 1}},
		"0/0 -1 8000 -1 -1 -1 -1 -1; 1/1 -1 0 -1 -1 -1 -1 -1; "
		"1/0 -1 8000 -1 -1 -1 -1 -1; 1/0 -1 8001 -1 -1 -1 -1 -1"},
};

static void test_plain(void)
{
	struct planjob p;

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		planjob_init(&p, plain[i].rule, plain[i].gpus_per_node);
		for (int k = 0; k < 2; k++)
			planjob_role(&p, k ? "b" : "a", plain[i].role[k].kind,
				plain[i].role[k].workers, plain[i].role[k].gpus);
		is_int(planjob_make(&p), 0, plain[i].name);
		is_str(p.plan ? ports_text(&p) : NULL, plain[i].ports, plain[i].name);
		planjob_release(&p);
	}
}

/* ---- vLLM data parallelism ---- */

static const struct {
	const char *id;
	enum disagg_role_kind kind;
	unsigned nodes, gpus, dp, tp, pp;
	enum disagg_dp_layout layout;
	const char *ports;
} dp[] = {
	{"V1", DISAGG_PREFILL, 2, 4, 8, 0, 0, DISAGG_DP_PER_NODE,
		"0/0 7500 6100 7200 5200 5400 8400 -1; 1/4 7501 6100 7200 5204 5400 8400 -1"},
	{"V2, smaller", DISAGG_PREFILL, 2, 2, 4, 0, 0, DISAGG_DP_PER_GPU,
		"0/0 7500 6100 7200 5200 5400 8400 -1; 0/1 7501 0 -1 5201 5400 8400 -1; "
		"1/2 7502 0 -1 5202 5400 8400 -1; 1/3 7503 0 -1 5203 5400 8400 -1"},
	{"V4", DISAGG_PREFILL, 2, 8, 2, 8, 0, DISAGG_DP_PER_NODE,
		"0/0 7500 6100 7200 5200 5400 8400 -1; 1/1 7501 6100 7200 5201 5400 8400 -1"},
	{"V6", DISAGG_AGG, 4, 4, 4, 4, 0, DISAGG_DP_PER_NODE,
		"0/0 7500 6100 -1 5200 5400 8400 -1; 1/1 7501 6100 -1 5201 5400 8400 -1; "
		"2/2 7502 6100 -1 5202 5400 8400 -1; 3/3 7503 6100 -1 5203 5400 8400 -1"},
	{"V7: a rank spans nodes", DISAGG_AGG, 4, 4, 2, 8, 0, DISAGG_DP_PER_NODE,
		"0/0 7500 6100 -1 5200 5400 -1 8300; 1/1 7501 0 -1 5201 5401 -1 8300; "
		"2/2 7502 0 -1 5202 5402 -1 8300; 3/3 7503 0 -1 5203 5403 -1 8300"},
	{"V11", DISAGG_AGG, 2, 4, 2, 2, 2, DISAGG_DP_PER_NODE,
		"0/0 7500 6100 -1 5200 5400 8400 -1; 1/1 7501 6100 -1 5201 5400 8400 -1"},
	{"V12", DISAGG_PREFILL, 2, 8, 0, 16, 0, DISAGG_DP_NONE,
		"0/0 7500 6100 7200 5200 5400 -1 8300; 1/1 7501 0 7200 5201 5401 -1 8300"},
	{"V13", DISAGG_AGG, 1, 8, 8, 0, 0, DISAGG_DP_NONE, "0/0 7500 6100 -1 5200 5400 -1 -1"},
	{"V15", DISAGG_AGG, 1, 6, 2, 3, 0, DISAGG_DP_PER_NODE,
		"0/0 7500 6100 -1 5200 5400 8400 -1"},
};

static void test_dp(void)
{
	struct planjob p;

	for (size_t i = 0; i < sizeof(dp) / sizeof(*dp); i++) {
		struct disagg_role *role;

		planjob_init(&p, DISAGG_RULE_SRTCTL, dp[i].gpus);
		role = planjob_role(&p, "role", dp[i].kind, 1, dp[i].nodes * dp[i].gpus);
		role->dp = dp[i].dp;
		role->tp = dp[i].tp;
		role->pp = dp[i].pp;
		role->dp_layout = dp[i].layout;
		is_int(planjob_make(&p), 0, dp[i].id);
		is_str(p.plan ? ports_text(&p) : NULL, dp[i].ports, dp[i].id);
		planjob_release(&p);
	}
}

static void test_dp_blocks(void)
{
	struct planjob p;

	planjob_init(&p, DISAGG_RULE_SRTCTL, 8);
	for (int k = 0; k < 2; k++) {
		struct disagg_role *role =
			planjob_role(&p, k ? "b" : "a", (enum disagg_role_kind)k, 1, 16);

		role->dp_layout = DISAGG_DP_PER_NODE;
		role->dp = 16;
	}
	is_int(planjob_make(&p), 0, "two workers of 16 ranks");
	is_str(p.plan ? ports_text(&p) : NULL,
		"0/0 7500 6100 7200 5200 5400 8400 -1; 1/8 7501 6100 7200 5208 5400 8400 -1; "
		"2/0 7502 6100 -1 5216 5416 8400 -1; 3/8 7503 6100 -1 5224 5416 8400 -1",
		"each has a block of KV-event and of NIXL ports");
	planjob_release(&p);
}

/* ---- services and pins ---- */

static struct disagg_role *service(struct planjob *p, const char *name, int port)
{
	struct disagg_role *role = planjob_role(p, name, DISAGG_FRONTEND, 1, 0);

	role->port = port;
	return role;
}

static void test_trtllm_steps_aside(void)
{
	struct planjob p;

	planjob_init(&p, DISAGG_RULE_COMPACT, 4);
	planjob_role(&p, "gen", DISAGG_DECODE, 3, 1);
	service(&p, "frontend", 8001);
	is_int(planjob_make(&p), 0, "a service among the servers' ports");
	is_str(p.plan ? ports_text(&p) : NULL,
		"0/0 -1 8000 -1 -1 -1 -1 -1; 0/0 -1 8002 -1 -1 -1 -1 -1; "
		"0/0 -1 8003 -1 -1 -1 -1 -1",
		"is stepped over");
	planjob_release(&p);
}

static void test_pins(void)
{
	struct planjob p;
	struct disagg_role *role;

	planjob_init(&p, DISAGG_RULE_SRTCTL, 4);
	p.job.want_nodes = 2;
	planjob_role(&p, "prefill", DISAGG_PREFILL, 2, 4)->pin[DISAGG_PORT_BOOTSTRAP] = 30001;
	is_int(planjob_make(&p), 0, "a pinned port on nodes of their own is fine");
	is_int(p.plan ? p.plan->process[0].port[DISAGG_PORT_BOOTSTRAP] : 0, 7200,
		"the plan keeps its number");
	is_int(p.plan ? p.plan->role[0].pin[DISAGG_PORT_BOOTSTRAP] : 0, 30001, "beside the pin");
	planjob_release(&p);

	planjob_init(&p, DISAGG_RULE_SRTCTL, 4);
	planjob_role(&p, "prefill", DISAGG_PREFILL, 1, 2)->pin[DISAGG_PORT_BOOTSTRAP] = 30001;
	role = planjob_role(&p, "decode", DISAGG_DECODE, 1, 2);
	role->pin[DISAGG_PORT_BOOTSTRAP] = 30001;
	p.job.want_nodes = 1;
	is_int(planjob_make(&p), 0, "a decode worker opens no bootstrap port");
	planjob_release(&p);
}

static void two_pins(struct planjob *p)
{
	planjob_role(p, "prefill", DISAGG_PREFILL, 2, 2)->pin[DISAGG_PORT_BOOTSTRAP] = 30001;
}

static void pin_on_service(struct planjob *p)
{
	planjob_role(p, "prefill", DISAGG_PREFILL, 1, 2)->pin[DISAGG_PORT_HTTP] = 8000;
	service(p, "frontend", 8000);
}

static void service_on_plan(struct planjob *p)
{
	planjob_role(p, "prefill", DISAGG_PREFILL, 1, 2);
	service(p, "frontend", 6100);
}

static void pin_on_plan(struct planjob *p)
{
	planjob_role(p, "prefill", DISAGG_PREFILL, 1, 1);
	planjob_role(p, "decode", DISAGG_DECODE, 1, 1)->pin[DISAGG_PORT_HTTP] = 7500;
}

static void two_services(struct planjob *p)
{
	service(p, "frontend", 8000);
	service(p, "nginx", 8000);
}

static void service_too_high(struct planjob *p)
{
	service(p, "frontend", 65535)->workers = 2;
}

static void srtctl_too_many(struct planjob *p)
{
	p->job.rule = DISAGG_RULE_SRTCTL;
	planjob_role(p, "decode", DISAGG_DECODE, 900 * 4 + 1, 1);
}

static void dp_block_on_service(struct planjob *p)
{
	struct disagg_role *role = planjob_role(p, "decode", DISAGG_DECODE, 1, 4);

	role->dp_layout = DISAGG_DP_PER_NODE;
	role->dp = 4;
	service(p, "frontend", 5402);
}

static const struct {
	void (*build)(struct planjob *p);
	const char *reason;
} bad[] = {
	{two_pins, "port 30001 on node 0 is wanted twice: as the bootstrap port of 'prefill' 0 "
		   "(pinned in the file) and as the bootstrap port of 'prefill' 1 (pinned in "
		   "the file)"},
	{pin_on_service, "port 8000 on node 0 is wanted twice: as the http port of 'prefill' 0 "
			 "(pinned in the file) and as the service port of 'frontend' 0"},
	{service_on_plan, "port 6100 on node 0 is wanted twice: as the http port of 'prefill' 0 "
			  "and as the service port of 'frontend' 0"},
	{pin_on_plan, "port 7500 on node 0 is wanted twice: as the system port of 'prefill' 0 and "
		      "as the http port of 'decode' 0 (pinned in the file)"},
	{two_services, "port 8000 on node 0 is wanted twice: as the service port of 'frontend' 0 "
		       "and as the service port of 'nginx' 0"},
	{service_too_high, "the service port of 'frontend' 1 on node 0 would be 65536: at most "
			   "65535 is possible"},
	{srtctl_too_many, "port 6100 on node 175 is wanted twice: as the http port of 'decode' 700 "
			  "and as the NIXL port of 'decode' 700"},
	{dp_block_on_service, "port 5402 on node 0 is wanted twice: as the NIXL port of 'decode' 0 "
			      "and as the service port of 'frontend' 0"},
};

static void test_bad(void)
{
	struct planjob p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		planjob_init(&p, DISAGG_RULE_NATIVE, 4);
		bad[i].build(&p);
		is_int(planjob_make(&p), -1, bad[i].reason);
		has_str(planjob_error(&p), bad[i].reason, bad[i].reason);
		ok(p.found.count && p.found.item[0].at.line >= 10, "with the role's line");
		planjob_release(&p);
	}
}

/* A large native job leaves no range; conflicts are not repeated for ever. */
static void test_large(void)
{
	struct planjob p;
	unsigned low = 0;

	planjob_init(&p, DISAGG_RULE_NATIVE, 64);
	planjob_role(&p, "prefill", DISAGG_PREFILL, 6400, 1);
	service(&p, "frontend", 8000);
	is_int(planjob_make(&p), 0, "64 workers on each of 100 nodes");
	for (uint32_t i = 0; p.plan && i < p.plan->process_count; i++)
		low += p.plan->process[i].port[DISAGG_PORT_HTTP] >= 7200;
	is_int(low, 0, "no http port reaches the bootstrap ports");
	planjob_release(&p);

	planjob_init(&p, DISAGG_RULE_NATIVE, 8);
	planjob_role(&p, "decode", DISAGG_DECODE, 8000, 1)->pin[DISAGG_PORT_HTTP] = 30000;
	is_int(planjob_make(&p), -1, "one pinned port for 8,000 workers");
	is_int(p.found.errors, 8, "is said 8 times");
	planjob_release(&p);
}

int main(void)
{
	test_plain();
	test_dp();
	test_dp_blocks();
	test_trtllm_steps_aside();
	test_pins();
	test_bad();
	test_large();
	return tap_done();
}
