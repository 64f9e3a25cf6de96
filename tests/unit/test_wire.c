/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/limits.h"
#include "lib/plan/wire.h"
#include "lib/plan/wire_text.h"
#include "tests/unit/handplan.h"
#include "tests/unit/tap.h"

static void round_trip(const struct disagg_plan *plan, size_t most, const char *what)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_plan *back = NULL;
	const char *text = NULL;

	if (!is_int(disagg_wire_encode(&arena, plan, &text, &err), 0, what))
		printf("# %s\n", err.text);
	if (text && !is_int(disagg_wire_decode(&arena, text, &back, &err), 0, what))
		printf("# %s\n", err.text);
	is_str(back ? plan_difference(plan, back) : "nothing came back", NULL, what);
	if (text)
		printf("# %s: %zu bytes\n", what, strlen(text));
	ok(text && strlen(text) <= most, what);
	for (const char *c = text; c && *c; c++) {
		if (*c <= ' ' || *c > '~')
			ok(false, "printable ASCII without blanks");
	}
	disagg_arena_release(&arena);
}

static void test_round_trips(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_plan *plan = hand_plan(&arena, DISAGG_SRTCTL);

	round_trip(plan, 2048, "a plan with all kinds of fields");
	plan->variant = "~";
	plan->log_dir = "";
	plan->served_name = "100% ; , ~";
	plan->gpus_unmanaged = true;
	plan->probes = DISAGG_PROBING_THOROUGH;
	plan->on_failure = DISAGG_PROBING_EXCLUDES;
	plan->spare_nodes = 7;
	plan->role[0].pin[DISAGG_PORT_HTTP] = 9000;
	plan->role[0].pin[DISAGG_PORT_DIST] = 0;
	round_trip(plan, 2048, "texts that look like the format");
	plan->worker_count = plan->process_count = plan->service_count = plan->role_count = 0;
	round_trip(plan, 512, "empty tables");
	round_trip(hand_big_plan(&arena, 5000, 2, 4), 2048, "10,000 GPUs, 2 of 4");
	round_trip(hand_big_plan(&arena, 5000, 2, 8), 2048, "10,000 GPUs, 2 of 8");
	round_trip(hand_big_plan(&arena, 2000, 5, 8), 4096, "10,000 GPUs, 5 of 8");
	round_trip(hand_big_plan(&arena, 1666, 6, 4), 4096, "10,000 GPUs, 6 of 4");
	round_trip(hand_big_plan(&arena, 31, 7, 64), 4096, "7 of 64");
	disagg_arena_release(&arena);
}

static void test_random_tables(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	uint32_t seed = 1, wrong = 0;

	for (unsigned round = 0; round < 300; round++) {
		struct disagg_plan *plan = hand_big_plan(&arena, 1 + round % 40, 1 + round % 9, 8);
		const char *text = NULL;
		struct disagg_plan *back = NULL;

		for (uint32_t i = 0; i < plan->process_count; i++) {
			seed = seed * 1664525u + 1013904223u;
			if ((seed >> 16) % 5 == 0)
				plan->process[i].port[seed % 7] = (int)(seed >> 8) % 65536 - 1;
		}
		if (disagg_wire_encode(&arena, plan, &text, NULL) < 0 ||
			disagg_wire_decode(&arena, text, &back, NULL) < 0 ||
			plan_difference(plan, back))
			wrong++;
		disagg_arena_release(&arena);
	}
	is_int(wrong, 0, "300 plans with holes in their patterns come back");
}

static void test_too_long(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_plan *plan = hand_plan(&arena, DISAGG_NATIVE);
	struct disagg_err err = DISAGG_ERR_INIT;
	const char *text = "untouched";
	char *value = hand_array(&arena, 40001, 1);

	memset(value, 'x', 40000);
	plan->role[0].env.v[0].value = value;
	is_int(disagg_wire_encode(&arena, plan, &text, &err), -1, "40,000 bytes of env");
	is_int(err.code, DISAGG_CONFIG, "is the configuration's fault");
	has_str(err.text, "more than the limit of 32768", "names the limit");
	has_str(err.text, "plan takes 4", "names the size");
	is_str(text, "untouched", "and returns nothing");
	disagg_arena_release(&arena);
}

/* ---- bad plans ---- */

typedef void (*spoil)(struct disagg_plan *plan);

static void spoil_node(struct disagg_plan *plan)
{
	plan->process[2].node = 3;
}

static void spoil_gpu(struct disagg_plan *plan)
{
	plan->process[2].gpu_first = 1;
}

static void spoil_port(struct disagg_plan *plan)
{
	plan->process[0].port[1] = 65536;
}

static void spoil_order(struct disagg_plan *plan)
{
	plan->worker[1].first_process = 0;
}

static void spoil_tasks(struct disagg_plan *plan)
{
	plan->worker[2].tasks = 2;
}

static void spoil_role(struct disagg_plan *plan)
{
	plan->service[0].role = 6;
}

static void spoil_name(struct disagg_plan *plan)
{
	plan->role[2].name = "";
}

static void spoil_nodes(struct disagg_plan *plan)
{
	plan->nodes = 0;
}

static void spoil_head(struct disagg_plan *plan)
{
	plan->head_node = 3;
}

static void test_bad_plans(void)
{
	static const struct {
		spoil spoil;
		const char *text;
	} rows[] = {
		{spoil_node, "process 2 is on a node outside the job"},
		{spoil_gpu, "process 2 has GPUs that its node has not"},
		{spoil_port, "process 0 has a port outside 0 to 65535"},
		{spoil_order, "worker 1 does not own its processes"},
		{spoil_tasks, "worker 2 has other tasks than its processes"},
		{spoil_role, "service 0 has no role"},
		{spoil_name, "role 2 has no name"},
		{spoil_nodes, "a plan of 0 nodes"},
		{spoil_head, "head node 3 is outside the job"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_plan *plan = hand_plan(&arena, DISAGG_NATIVE);
		struct disagg_err err = DISAGG_ERR_INIT;
		const char *text = NULL;

		rows[i].spoil(plan);
		is_int(disagg_wire_encode(&arena, plan, &text, &err), -1, rows[i].text);
		has_str(err.text, rows[i].text, "says what is wrong");
		disagg_arena_release(&arena);
	}
}

/* ---- bad texts ---- */

static const char *seal(struct disagg_arena *arena, const char *payload)
{
	return disagg_arena_printf(arena, "DISAGG_PLAN=2;%zu;%08x;%s", strlen(payload),
		(unsigned)disagg_wire_crc32(payload, strlen(payload)), payload);
}

static void refuse_text(const char *text, const char *expected, const char *what)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_plan *plan = NULL;

	is_int(disagg_wire_decode(&arena, text, &plan, &err), -1, what);
	has_str(err.text, expected, what);
	ok(!plan, "returns nothing");
	disagg_arena_release(&arena);
}

static void test_bad_texts(void)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"", "damaged at byte 0: expected 'DISAGG_PLAN='"},
		{"hello", "expected 'DISAGG_PLAN='"},
		{"DISAGG_PLAN=3;0;00000000;", "plan version 3 is newer than this plugin (2): the "
					      "submit host and the node have different releases"},
		{"DISAGG_PLAN=0;0;00000000;", "plan version 0 is older than this plugin (2)"},
		{"DISAGG_PLAN=x;0;00000000;", "expected a number from 0"},
		{"DISAGG_PLAN=2", "expected ';'"},
		{"DISAGG_PLAN=2;0;", "expected a checksum"},
		{"DISAGG_PLAN=2;0;0000000;", "expected a checksum"},
		{"DISAGG_PLAN=2;0;00000000", "expected a checksum"},
		{"DISAGG_PLAN=2;5;00000000;abc", "it has 3 bytes and should have 5"},
		{"DISAGG_PLAN=2;3;00000000;abc", "its checksum is 352441c2 and should be 00000000"},
		{"DISAGG_PLAN=2;0;00000000;", "expected 'name'"},
		{"DISAGG_PLAN=2;-1;00000000;", "expected a number from 0 to 32768"},
	};
	char *huge = calloc(1, DISAGG_MAX_WIRE_BYTES + 2u);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refuse_text(rows[i].text, rows[i].expected, rows[i].expected);
	if (huge) {
		memset(huge, 'A', DISAGG_MAX_WIRE_BYTES + 1u);
		refuse_text(huge, "plan is longer than 32768 bytes", "a text over the limit");
	}
	free(huge);
}

/* A good payload with one piece replaced. */
static void test_bad_payloads(void)
{
	static const struct {
		const char *from, *to, *expected;
	} rows[] = {
		{"dialect=native", "dialect=other", "expected a dialect"},
		{"rehearse=no", "rehearse=maybe", "expected yes or no"},
		{"probes=none", "probes=slow", "expected a suite of probes"},
		{"on_failure=fail", "on_failure=drain", "expected fail, exclude or warn"},
		{"spare_nodes=0", "spare_nodes=16382", "a plan with 16382 spare nodes"},
		{"spare_nodes=0", "spare_nodes=-1", "expected a number"},
		{"nodes=3", "nodes=99999", "a plan of 99999 nodes"},
		{"nodes=3", "nodes=", "expected a number"},
		{"nodes=3", "nodez=3", "expected 'nodes'"},
		{"gpus_per_node=4", "gpus_per_node=65", "a node of 65 GPUs"},
		{"gpus_per_node=4", "gpus_per_node=3", "has GPUs that its node has not"},
		{"name=demo", "name=de%6do", "expected a text with %XX escapes"},
		{"name=demo", "name=de%61o", "expected a text with %XX escapes"},
		{"name=demo", "name=de%00o", "expected a text with %XX escapes"},
		{"name=demo", "name=de%2", "expected a text with %XX escapes"},
		{"name=demo", "name=de mo", "expected a text with %XX escapes"},
		{"name=demo", "name=de~", "expected a text with %XX escapes"},
		{"pairs=4", "pairs=5", "expected ','"},
		{"pairs=4", "pairs=3", "expected ';'"},
		{"pairs=4", "pairs=99999", "expected a number from 0 to 16384"},
		{"roles=6", "roles=65", "expected a number from 0 to 64"},
		{"roles=6", "roles=5", "expected 'workers='"},
		{"env=0-3", "env=0-4", "expected a number from 0 to 3"},
		{"env=0-3", "env=3-0", "expected a range of pairs"},
		{"role=etcd,", "role=,", "role 2 has no name"},
		{"role=etcd,infra,", "role=etcd,outfra,", "expected a kind of role"},
		{"role=etcd,infra,etcd", "role=etcd,infra,etce", "expected an engine"},
		{"workers=4:", "workers=70000:", "expected a number from 0 to 65536"},
		{"workers=4:", "workers=5:", "expected '/'"},
		{"workers=4:", "workers=3:", "expected no more rows"},
		{"processes=5:", "processes=131073:", "expected a number from 0 to 131072"},
		{"services=5:", "services=5:,", "expected"},
		{"2379", "65536", "service 0 has a port outside 0 to 65535"},
		{"2379", "-2", "expected a number from -1"},
		{"2379", "99999999999", "expected a number from -1"},
	};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	const char *text = "", *payload;

	disagg_wire_encode(&arena, hand_plan(&arena, DISAGG_NATIVE), &text, NULL);
	payload = strstr(text, "name=");
	printf("# %s\n", text);
	for (size_t i = 0; payload && i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *at = strstr(payload, rows[i].from);

		if (!at) {
			ok(false, rows[i].from);
			continue;
		}
		refuse_text(
			seal(&arena, disagg_arena_printf(&arena, "%.*s%s%s", (int)(at - payload),
					     payload, rows[i].to, at + strlen(rows[i].from))),
			rows[i].expected, rows[i].to);
	}
	refuse_text(seal(&arena, disagg_arena_printf(&arena, "%sx", payload)), "expected the end",
		"bytes behind the end");
	disagg_arena_release(&arena);
}

/* Small texts that claim large tables. */
static void test_bombs(void)
{
	static const char *const tables[] = {
		"131072:0,0,1,0,1,,,,,,,*131072+,,,,,,,,,,,1000000",
		"131072:0,0,1,0,1,,,,,,,*131073+,,,,,,,,,,,",
		"131072:0,0,1,0,1,,,,,,,*1+,,,,,,,,,,,",
		"131072:0,0,1,0,1,,,,,,,",
		"2:0,0,1,0,1,,,,,,,*2+-1,,,,,,,,,,,",
		"2:0,0,1,0,1,,,,,,,*2+-2,,,,,,,,,,,",
	};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_plan *plan = hand_plan(&arena, DISAGG_NATIVE);
	const char *text = "", *end;

	plan->service_count = 0;
	disagg_wire_encode(&arena, plan, &text, NULL);
	text = strstr(text, "name=");
	end = text ? strstr(text, "processes=") : NULL;
	for (size_t i = 0; end && i < sizeof(tables) / sizeof(tables[0]); i++)
		refuse_text(
			seal(&arena, disagg_arena_printf(&arena, "%.*sprocesses=%s;services=0:;",
					     (int)(end - text), text, tables[i])),
			"plan ", tables[i]);
	disagg_arena_release(&arena);
}

static void test_every_cut_and_flip(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	const char *text = "";
	unsigned taken = 0;
	size_t len;
	char *copy;

	disagg_wire_encode(&arena, hand_plan(&arena, DISAGG_SRTCTL), &text, NULL);
	len = strlen(text);
	copy = disagg_arena_strdup(&arena, text);
	for (size_t i = 0; copy && i < len; i++) {
		struct disagg_arena scratch = DISAGG_ARENA_INIT;
		struct disagg_plan *plan;
		char was = copy[i];

		copy[i] = '\0';
		taken += disagg_wire_decode(&scratch, copy, &plan, NULL) == 0;
		copy[i] = (char)(was ^ 1);
		taken += disagg_wire_decode(&scratch, copy, &plan, NULL) == 0;
		copy[i] = was;
		disagg_arena_release(&scratch);
	}
	is_int(taken, 0, "no cut and no flipped bit is taken");
	ok(len > 500, "of a text worth cutting");
	disagg_arena_release(&arena);
}

static void test_out_of_memory(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_plan *plan = hand_plan(&arena, DISAGG_SRTCTL);
	bool done = false;
	long n;

	for (n = 0; n < 200 && !done; n++) {
		struct disagg_arena scratch = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_plan *back = NULL;
		const char *text = NULL;

		disagg_alloc_fail_after(n);
		done = disagg_wire_encode(&scratch, plan, &text, &err) == 0 &&
		       disagg_wire_decode(&scratch, text, &back, &err) == 0;
		disagg_alloc_fail_after(-1);
		if (!done && (err.code != DISAGG_SYSTEM || back))
			ok(false, "an allocation that fails is a system error");
		disagg_arena_release(&scratch);
	}
	ok(done && n > 2, "works once every allocation has failed in turn");
	disagg_arena_release(&arena);
}

int main(void)
{
	is_int(disagg_wire_crc32("123456789", 9), 0xcbf43926, "the checksum's known vector");
	test_round_trips();
	test_random_tables();
	test_too_long();
	test_bad_plans();
	test_bad_texts();
	test_bad_payloads();
	test_bombs();
	test_every_cut_and_flip();
	test_out_of_memory();
	return tap_done();
}
