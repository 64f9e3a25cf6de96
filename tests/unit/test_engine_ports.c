/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/engine.h"
#include "tests/unit/jobtext.h"

/* Every port that a job listens on, node by node, with an offset and without. */

static const char *test_name(void *context, uint32_t node)
{
	static const char *const names[] = {"h0", "h1", "h2", "h3"};

	(void)context;
	return names[node % 4];
}

struct port_case {
	const char *name, *yaml;
	int offset;
	/* of the first nodes, behind a comma those that no offset moves; NULL: there
	 * is no such node */
	const char *ports[2];
};

#define HEAD "disagg: 1\nname: t\ngpus_per_node: 4\nmodel: {path: /m}\nroles:\n"

static const struct port_case cases[] = {
	{"two workers of a node, a router on the first",
		HEAD "  prefill: {engine: sglang, workers: 2, gpus: 2}\n"
		     "  decode: {engine: sglang, workers: 1, gpus: 4}\n"
		     "  router: {engine: sglang_router, port: 8000}\n",
		0,
		{"5200 5201 5400 5401 6100 6132 7200 7201 7500 7501 8000 17500 17501",
			"5200 5400 6100 7500 17500"}},
	{"an offset moves them all",
		HEAD "  prefill: {engine: sglang, workers: 1, gpus: 4}\n"
		     "  decode: {engine: sglang, workers: 1, gpus: 4}\n"
		     "  router: {engine: sglang_router, port: 8000}\n",
		3000, {"8200 8400 9100 10200 10500 11000 20500", "8200 8400 9100 10500 20500"}},
	{"but not one that the engine's flags fix",
		HEAD "  prefill: {engine: sglang, workers: 1, gpus: 4,\n"
		     "    args: {disaggregation-bootstrap-port: 8998}}\n"
		     "  decode: {engine: sglang, workers: 1, gpus: 4, args: {port: 30000}}\n",
		1000, {"6200 6400 7100 8500 18500, 8998", "6200 6400 8500 18500, 30000"}},
	{"what is counted from a port that is fixed stays with it",
		HEAD "  decode: {engine: sglang, workers: 1, gpus: 4}\n"
		     "  store: {engine: mooncake_master, ports: {http: 8700}}\n",
		1000, {"6200 6400 7100 8500 18500, 8700 8701 8702", NULL}},
	{"a worker over two nodes: the follower serves nothing",
		HEAD "  decode: {engine: sglang, workers: 1, gpus: 8}\n", 0,
		{"5200 5400 6100 7500 8300 17500", "5200 5400 7500 17500"}},
	{"etcd listens for peers too, and a vLLM worker looks from its own base",
		HEAD "  decode: {engine: vllm, workers: 1, gpus: 4}\n"
		     "  frontend: {engine: dynamo_frontend, port: 8000}\n"
		     "  etcd: {engine: etcd, port: 2379}\n"
		     "  nats: {engine: nats, port: 4222}\n",
		0, {"2379 2380 4222 5200 5400 6100 7500 8000 20000", NULL}},
	{"a rank a GPU has a NIXL and a KV-event port each",
		HEAD "  decode: {engine: vllm, workers: 1, gpus: 4, dp: 4}\n"
		     "  frontend: {engine: dynamo_frontend, port: 8000}\n",
		0, {"5200 5201 5202 5203 5400 5401 5402 5403 6100 7500 8000 8400 20000", NULL}},
	{"Mooncake's master has three",
		HEAD "  decode: {engine: sglang, workers: 1, gpus: 4}\n"
		     "  store: {engine: mooncake_master, port: 8700}\n",
		0, {"5200 5400 6100 7500 8700 8701 8702 17500", NULL}},
	{"a service's own flag keeps its port",
		HEAD "  decode: {engine: sglang, workers: 1, gpus: 4}\n"
		     "  router: {engine: sglang_router, args: {port: 9100}}\n",
		1000, {"6200 6400 7100 8500 18500, 9100", NULL}},
	{"where it has one instance",
		HEAD "  decode: {engine: sglang, workers: 1, gpus: 4}\n"
		     "  router: {engine: sglang_router, workers: 2, args: {port: 9100}}\n",
		1000, {"6200 6400 7100 8500 10100 10101 18500", NULL}},
	{"a port above the last is none",
		HEAD "  decode: {engine: command, command: [x], workers: 1, gpus: 4}\n", 60000,
		{"65200 65400", NULL}},
};

static const char *list(const struct disagg_portset *set, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (int port = disagg_portset_next(set, 1); port && len < size - 8;
		port = disagg_portset_next(set, port + 1))
		len += (size_t)snprintf(text + len, size - len, "%s%d", len ? " " : "", port);
	return text;
}

static void test_ports(const struct port_case *c)
{
	struct disagg_engine_site site = {
		.host = test_name, .ip = test_name, .run_dir = "/run/7", .port_offset = c->offset};
	struct disagg_plan *plan = NULL;
	struct jobtext jt;
	char text[1024];

	jobtext_load(&jt, c->yaml, NULL);
	if (!ok(jt.job && disagg_plan_make(&jt.arena, jt.job, &plan, &jt.found) == 0, c->name)) {
		jobtext_findings(&jt);
		printf("# %s\n", jt.text);
		jobtext_release(&jt);
		return;
	}
	for (uint32_t node = 0; node < 2 && c->ports[node]; node++) {
		struct disagg_node_ports ports;
		size_t len;

		disagg_engine_ports(&jt.arena, jt.job, plan, &site, node, &ports);
		len = strlen(list(&ports.moved, text, sizeof(text)));
		if (disagg_portset_highest(&ports.pinned)) {
			memcpy(text + len, ", ", 3);
			list(&ports.pinned, text + len + 2, sizeof(text) - len - 2);
		}
		is_str(text, c->ports[node], c->name);
	}
	jobtext_release(&jt);
}

static void test_set(void)
{
	struct disagg_portset set = {0};
	char text[128];

	is_int(disagg_portset_highest(&set), 0, "an empty set has no highest port");
	is_int(disagg_portset_next(&set, 1), 0, "and no next one");
	disagg_portset_add(&set, 65530, 20);
	disagg_portset_add(&set, -5, 7);
	disagg_portset_add(&set, 64, 1);
	is_str(list(&set, text, sizeof(text)), "1 64 65530 65531 65532 65533 65534 65535",
		"what is no port is left out");
	is_int(disagg_portset_highest(&set), 65535, "the highest");
	ok(disagg_portset_has(&set, 64) && !disagg_portset_has(&set, 65) &&
			!disagg_portset_has(&set, 0) && !disagg_portset_has(&set, 65536),
		"what is in it and what not");
}

int main(void)
{
	test_set();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		test_ports(&cases[i]);
	return tap_done();
}
