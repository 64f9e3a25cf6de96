/* SPDX-License-Identifier: Apache-2.0 */
/* kv.path: which pairs, and really over agents: by UCX where it is, over TCP. */
#include "lib/probe/kvpath.h"

#include "lib/plan/wire.h"
#include "lib/probe/ucp.h"
#include "tests/unit/fleetcase.h"
#include "tests/unit/handplan.h"
#include "tests/unit/tap.h"
#include <fcntl.h>

/* ---- pairs ---- */

/* Whether a node is in one flow of a round at most, and in none with itself. */
static bool is_disjoint(const struct disagg_kvpath_flow *flow, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (flow[i].prefill == flow[i].decode)
			return false;
		for (size_t k = 0; k < i; k++) {
			if (flow[i].round == flow[k].round &&
				(flow[i].prefill == flow[k].prefill ||
					flow[i].decode == flow[k].decode ||
					flow[i].prefill == flow[k].decode ||
					flow[i].decode == flow[k].prefill))
				return false;
			if (flow[i].prefill == flow[k].prefill && flow[i].decode == flow[k].decode)
				return false;
		}
	}
	return true;
}

static void flows(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_plan *plan = hand_plan(&arena, DISAGG_NATIVE);
	struct disagg_kvpath_flow *flow;
	size_t count;

	ok(disagg_kvpath_flows(&arena, NULL, 8, 100, &flow, &count, &err) == 0 && count == 28 &&
			is_disjoint(flow, count),
		"without a plan: all pairs of 8 nodes in 7 rounds");
	ok(disagg_kvpath_flows(&arena, NULL, 7, 3, &flow, &count, &err) == 0 && count == 9 &&
			is_disjoint(flow, count) && flow[8].round == 2,
		"of 7 nodes one rests in each of 3 rounds");
	ok(disagg_kvpath_flows(&arena, NULL, 1, 3, &flow, &count, &err) == 0 && count == 0,
		"of one node there are none");
	ok(disagg_kvpath_flows(&arena, plan, 3, 4, &flow, &count, &err) == 0 && count == 2 &&
			flow[0].prefill == 0 && flow[1].prefill == 0 &&
			flow[0].decode + flow[1].decode == 3 && flow[1].round == 1,
		"with one: from the prefill node to each decode node");
	ok(disagg_kvpath_flows(&arena, plan, 4, 1, &flow, &count, &err) == 0 && count == 2,
		"a plan of another number of nodes is none");
	plan->role[0].kind = DISAGG_DECODE;
	ok(disagg_kvpath_flows(&arena, plan, 3, 4, &flow, &count, &err) == 0 && count == 0,
		"a plan without prefill has none");
	disagg_arena_release(&arena);
}

/* ---- over agents ---- */

static const struct disagg_probe probes[] = {
	{.name = "kv.path",
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 60000,
		.run = disagg_kvpath_run,
		.lead = disagg_kvpath_lead},
	{.name = NULL},
};

struct found {
	size_t count, fails, warns, unknowns;
	double value; /* of the last */
	char hint[512], reason[512], node[16], peer[16];
};

static struct found find(struct disagg_fleet *fleet, const char *param)
{
	struct found found = {0};
	size_t count;
	const struct disagg_probe_record *const *record = disagg_fleet_records(fleet, &count);

	for (size_t i = 0; i < count; i++) {
		const struct disagg_probe_record *one = record[i];

		if (param && (!one->param || strcmp(one->param, param) != 0))
			continue;
		found.count++;
		found.value = one->value;
		found.fails += one->status == DISAGG_PROBE_FAIL;
		found.warns += one->status == DISAGG_PROBE_WARN;
		found.unknowns += one->status == DISAGG_PROBE_UNKNOWN;
		snprintf(found.hint, sizeof(found.hint), "%s", one->hint ? one->hint : "");
		snprintf(found.reason, sizeof(found.reason), "%s", one->reason ? one->reason : "");
		snprintf(found.node, sizeof(found.node), "%s", one->node);
		snprintf(found.peer, sizeof(found.peer), "%s", one->peer ? one->peer : "");
	}
	return found;
}

static bool start(struct fleetcase *fleetcase, size_t nodes)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	fleetcase->probes = probes;
	fleetcase->nodes = nodes;
	fleetcase->options.sysroot = "/nowhere";
	fleetcase->options.suite = DISAGG_SUITE_QUICK;
	return ok(fleetcase_start(fleetcase, &err) == 0, "the agents start") &&
	       ok(disagg_kvpath_lead(fleetcase->fleet, &probes[0], &err) == 0, "the probe ends");
}

static void write_model(char *path)
{
	static const char text[] = "{\"num_hidden_layers\":4,\"num_attention_heads\":8,"
				   "\"num_key_value_heads\":8,\"hidden_size\":1024,"
				   "\"torch_dtype\":\"bfloat16\"}";
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(5);
	close(fd);
}

/* A plan and a model; transports that UCX has not, so that all goes over TCP. */
static void by_plan(bool has_ucx)
{
	char model[] = "/tmp/kvpath.XXXXXX";
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct fleetcase fleetcase = {0};
	struct found found;

	write_model(model);
	setenv("UCX_TLS", "none_of_them", 1);
	fleetcase.options.model_config = model;
	if (!ok(disagg_wire_encode(&arena, hand_plan(&arena, DISAGG_NATIVE),
			&fleetcase.options.plan, &err) == 0,
		    "a plan of three nodes") ||
		!start(&fleetcase, 3))
		return;
	found = find(fleetcase.fleet, "get 1M x16");
	ok(found.count == 2 && found.value > 0 && strcmp(found.peer, "n1") == 0,
		"both decode nodes have got 1 MiB blocks from n1");
	has_str(found.hint, "TCP: not representative", "and say by what");
	/* 16 tokens of 2 of 8 heads (tp 4) of 128 / 2: 2 * 128 * 2 bytes a head */
	found = find(fleetcase.fleet, "get 16K x16");
	is_int((intmax_t)found.count, 2, "the model's own block is measured too");
	found = find(fleetcase.fleet, "get 64K x16 p99");
	ok(found.count == 2 && found.value > 0, "how long a request takes");
	found = find(fleetcase.fleet, "put 1M x16");
	ok(found.count == 2 && found.fails == 0, "and the other way");
	found = find(fleetcase.fleet, "congestion");
	ok(found.count == 2 && found.value > 0, "how much slower both at once are");
	found = find(fleetcase.fleet, "outcast 2");
	ok(found.count == 1 && strcmp(found.node, "n1") == 0 && found.value > 0, "one to many");
	found = find(fleetcase.fleet, "t_kv 8192");
	ok(found.count == 1 && found.value > 0, "how long a request's cache takes");
	found = find(fleetcase.fleet, "verdict");
	is_int((intmax_t)found.count, 3, "a verdict over every node");
	found = find(fleetcase.fleet, "transport");
	ok(found.count == 2 && found.unknowns == (has_ucx ? 2 : 0),
		"why it is not UCX is told; none at all is no fault");
	found = find(fleetcase.fleet, NULL);
	ok(found.fails == 0 && found.warns == 0, "TCP's bandwidth fails nobody");
	is_int(fleetcase_end(&fleetcase), 0, "all agents end");
	unlink(model);
	disagg_arena_release(&arena);
}

static void by_ucx(void)
{
	struct fleetcase fleetcase = {0};
	struct found found;

	setenv("UCX_TLS", "sm,self", 1);
	if (!start(&fleetcase, 4))
		return;
	found = find(fleetcase.fleet, "get 256K x16");
	ok(found.count == 4 && found.value > 0, "four pairs of four nodes in two rounds, by UCX");
	has_str(found.hint, "UCX 1.", "and say so");
	has_str(found.hint, "memory", "with the transport");
	found = find(fleetcase.fleet, "incast 2");
	ok(found.count <= 1 && found.unknowns == 0, "many to one where there are many");
	found = find(fleetcase.fleet, "together 1M x16");
	is_int((intmax_t)found.count, 4, "all at once");
	found = find(fleetcase.fleet, NULL);
	is_int((intmax_t)(found.fails + found.unknowns + found.warns), 0, "nothing is wrong");
	is_int(fleetcase_end(&fleetcase), 0, "all agents end");
}

int main(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_ucp ucp;
	bool has_ucx;

	setenv("UCX_WARN_UNUSED_ENV_VARS", "n", 1);
	flows();
	has_ucx = disagg_ucp_open(&ucp, &err) == 0;
	by_plan(has_ucx);
	if (has_ucx)
		by_ucx();
	else
		printf("# skipped: %s\n", err.text);
	return tap_done();
}
