/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/render.h"
#include "tests/unit/handplan.h"
#include "tests/unit/tap.h"

static struct disagg_size sizes[] = {
	{.option = "nodes", .value = "3"},
	{.option = "ntasks-per-node", .value = "4"},
	{.option = "gpus-per-node", .value = "4"},
	{.option = "exclusive", .value = "exclusive"},
	{.option = "mem", .value = "0"},
	{.option = "account", .value = "1234"},
	{.option = "comment", .value = "it's mine"},
	{.option = "requeue", .value = ""},
	{.option = "array", .strength = DISAGG_SIZE_REFUSE},
	{.option = "gpus", .value = "12", .strength = DISAGG_SIZE_CHECK},
};
static const struct disagg_sizing sizing = {.v = sizes, .count = sizeof(sizes) / sizeof(sizes[0])};

/* ---- JSON ---- */

static void test_json(struct disagg_arena *arena)
{
	struct disagg_finding items[] = {
		{.at = {"demo.yaml", 3, 7}, .text = "key 'x' has \"no\" effect"},
		{.is_error = true, .text = "not a warning"},
		{.text = "of no place"},
	};
	struct disagg_findings found = {.item = items, .count = 3};
	struct disagg_plan *plan = hand_plan(arena, DISAGG_SRTCTL);
	struct disagg_strbuf out;

	plan->role[0].pin[DISAGG_PORT_BOOTSTRAP] = 9100;
	disagg_strbuf_init(&out, 0);
	disagg_render_json(plan, &sizing, &found, &out);
	has_str(out.text,
		"{\"schema\":\"disagg.plan/1\",\"name\":\"demo\",\"dialect\":\"srtctl\","
		"\"source\":\"demo.yaml\",\"variant\":null,\"nodes\":3,\"worker_nodes\":[0,1,2],"
		"\"gpus_per_node\":4,\"gpus\":{\"total\":12,\"used\":12,\"idle\":0},"
		"\"workers\":[{\"role\":\"prefill\",\"index\":0,\"engine\":\"sglang\",\"tasks\":1,"
		"\"nodes\":[0],\"processes\":[{\"node\":0,\"rank\":0,\"tasks\":1,\"gpus\":[0,1],"
		"\"ports\":{\"system\":7500,\"http\":6100,\"bootstrap\":7200,\"kv_events\":5200,"
		"\"nixl\":5400,\"rpc\":null,\"dist\":8300}}],\"pinned\":{\"bootstrap\":9100}},",
		"head and first worker");
	has_str(out.text, "\"index\":0,\"engine\":\"sglang\",\"tasks\":3,\"nodes\":[1,2],",
		"a worker on two nodes");
	has_str(out.text, "\"http\":0,\"bootstrap\":null", "any and none");
	has_str(out.text,
		"\"dist\":8303}}]}],\"services\":[{\"role\":\"etcd\",\"index\":0,"
		"\"node\":0,\"port\":2379,\"after\":[]},{\"role\":\"frontend\",\"index\":0,"
		"\"node\":1,\"port\":8180,\"after\":[\"prefill\",\"decode-big\"]},",
		"services");
	has_str(out.text,
		"{\"role\":\"benchmark\",\"index\":0,\"node\":2,\"port\":null,"
		"\"after\":[]}],\"sbatch\":{\"nodes\":3,\"ntasks\":12,\"ntasks_per_node\":4,"
		"\"gpus_per_node\":4,\"segment\":null,\"exclusive\":true,\"mem\":0,"
		"\"account\":\"1234\",\"comment\":\"it's mine\",\"requeue\":true},",
		"sizing");
	has_str(out.text,
		"\"warnings\":[{\"file\":\"demo.yaml\",\"line\":3,\"col\":7,"
		"\"text\":\"key 'x' has \\\"no\\\" effect\"},{\"file\":null,\"line\":0,"
		"\"col\":0,\"text\":\"of no place\"}]}",
		"warnings");
	is_str(out.len ? out.text + out.len - 1 : "", "}", "no newline at the end");
	disagg_strbuf_clear(&out);
	plan->worker_count = plan->service_count = 0;
	disagg_render_json(plan, NULL, NULL, &out);
	has_str(out.text, "\"workers\":[],\"services\":[],\"sbatch\":null,\"warnings\":[]}",
		"with nothing in it");
	disagg_strbuf_release(&out);
}

static void test_sbatch(void)
{
	struct disagg_strbuf out;

	disagg_strbuf_init(&out, 0);
	disagg_render_sbatch(&sizing, &out);
	is_str(out.text,
		"--nodes=3 --ntasks-per-node=4 --gpus-per-node=4 --exclusive --mem=0 "
		"--account=1234 --comment='it'\\''s mine' --requeue",
		"the flags, for a shell");
	disagg_strbuf_release(&out);
}

/* ---- the table ---- */

static void check_width(const char *text, size_t most, const char *what)
{
	size_t width = 0, widest = 0;

	for (; *text; text++) {
		if (*text == '\n')
			width = 0;
		else if (++width > widest)
			widest = width;
		if (*text != '\n' && (*text < ' ' || *text > '~'))
			ok(false, "plain ASCII");
	}
	if (!ok(widest <= most, what))
		printf("# %zu columns\n", widest);
}

static void test_table(struct disagg_arena *arena)
{
	struct disagg_plan *plan = hand_plan(arena, DISAGG_SRTCTL);
	struct disagg_strbuf out;

	plan->variant = "base";
	disagg_strbuf_init(&out, 0);
	disagg_render_table(plan, &sizing, false, &out);
	is_str(out.text,
		"demo\n"
		"demo.yaml:base\n"
		"3 nodes of 4 GPUs, 12 of 12 GPUs in use\n"
		"\n"
		"n0  P0 P0 P1 P1\n"
		"n1  D0 D0 D0 D0\n"
		"n2  D0 D0 D1 D1\n"
		"\n"
		"P  prefill: 2 x 2 GPUs, sglang\n"
		"D  decode-big: 2 x 6 GPUs, sglang\n"
		"services  etcd@n0:2379  frontend@n1-n2:8180  nginx@n0:8000  benchmark@n2\n"
		"sbatch    --nodes=3  --ntasks-per-node=4  --gpus-per-node=4  --exclusive\n"
		"          --mem=0  --account=1234  --comment='it'\\''s mine'  --requeue\n",
		"a small plan, every worker by its number");
	disagg_strbuf_clear(&out);
	plan->name = "evil\033[2Jname";
	disagg_render_table(plan, NULL, true, &out);
	has_str(out.text, "evil?[2Jname\n", "a name cannot reach the terminal");
	has_str(out.text, " \033[36mP0\033[0m \033[36mP0\033[0m", "colours when asked");
	disagg_strbuf_release(&out);
}

static void test_folding(struct disagg_arena *arena)
{
	static const struct {
		uint32_t workers, size, gpus;
		const char *line;
	} rows[] = {
		{12, 8, 8,
			"n0-n3   P  P  P  P  P  P  P  P   P0-P3\n"
			"n4-n11  D  D  D  D  D  D  D  D   D0-D7\n"},
		{96, 2, 4,
			"n0-n15   P   P   p   p    P0-P31\n"
			"n16-n47  D   D   d   d    D0-D63\n"},
		{2, 16, 8, "n0-n1  D0 D0 D0 D0 D0 D0 D0 D0\nn2-n3  D1 "},
		{5000, 2, 64, "n0-n51   PPppPPppPPppPPppPPppPPppPPpp"},
		{4, 24, 64, "n0 "},
	};
	struct disagg_strbuf out;

	disagg_strbuf_init(&out, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_plan *plan =
			hand_big_plan(arena, rows[i].workers, rows[i].size, rows[i].gpus);

		disagg_strbuf_clear(&out);
		disagg_render_table(plan, &sizing, false, &out);
		has_str(out.text, rows[i].line, rows[i].line);
		check_width(out.text, 80, "80 columns at most");
	}
	disagg_strbuf_release(&out);
}

static void test_idle(struct disagg_arena *arena)
{
	struct disagg_plan *plan = hand_plan(arena, DISAGG_NATIVE);
	struct disagg_strbuf out;

	plan->nodes = 6;
	plan->gpus_used = 10;
	plan->process[1].gpu_count = 1;
	disagg_strbuf_init(&out, 0);
	disagg_render_table(plan, NULL, false, &out);
	has_str(out.text, "n0     P0 P0 P1 .\n", "one idle GPU");
	has_str(out.text, "n3-n5  .  .  .  .\n", "idle nodes fold");
	has_str(out.text, "10 of 24 GPUs in use", "and are counted");
	disagg_strbuf_release(&out);
}

/* ---- the others ---- */

static void test_svg(struct disagg_arena *arena)
{
	struct disagg_plan *plan = hand_plan(arena, DISAGG_NATIVE);
	struct disagg_strbuf out;

	plan->name = "<a> & \"b\"\x01";
	disagg_strbuf_init(&out, 0);
	disagg_render_svg(plan, &out);
	has_str(out.text, "<svg xmlns=\"http://www.w3.org/2000/svg\"", "an svg element first");
	ok(strncmp(out.text, "<svg ", 5) == 0, "with nothing before it");
	has_str(out.text, "&lt;a&gt; &amp; &quot;b&quot; </text>", "text is escaped");
	has_str(out.text, "@media (prefers-color-scheme:dark)", "a dark form");
	has_str(out.text, "class=\"mid\">D1</text>", "workers by name");
	has_str(out.text, "decode-big: 2 x 6 GPUs, sglang", "a legend");
	has_str(out.text, "nginx_0 on n0:8000", "services");
	has_str(out.text, ">3 nodes of 4 GPUs, 12 of 12 GPUs in use</text>", "the size in words");
	has_str(out.text, "</svg>\n", "the end");
	disagg_strbuf_clear(&out);
	disagg_render_svg(hand_big_plan(arena, 5000, 2, 4), &out);
	has_str(out.text, ">n0-n832</text>", "equal nodes fold");
	ok(out.len < 20000, "and a large plan stays small");
	disagg_strbuf_clear(&out);
	disagg_render_svg(hand_big_plan(arena, 4000, 3, 8), &out);
	has_str(out.text, "and 1244 more nodes", "rows have an end");
	ok(!out.failed && out.len < 500000, "whatever the plan");
	disagg_strbuf_release(&out);
}

/* What the picture has no room for is cut between characters, and whole in its tip. */
static void test_svg_long(struct disagg_arena *arena)
{
	static const struct {
		const char *unit, *title, *label;
	} rows[] = {
		{"m", "mmmmmmm...</text>", "ascii"},
		{"\xe6\x97\xa5", "\xe6\x97\xa5...</text>", "wide characters"},
		{"<", "&lt;...</text>", "an entity stays whole"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_plan *plan = hand_plan(arena, DISAGG_NATIVE);
		struct disagg_strbuf name, out;

		disagg_strbuf_init(&name, 0);
		disagg_strbuf_init(&out, 0);
		for (int n = 0; n < 100; n++)
			disagg_strbuf_puts(&name, rows[i].unit);
		plan->name = name.text;
		plan->role[1].name = name.text;
		plan->role[1].gpus = 1;
		disagg_render_svg(plan, &out);
		has_str(out.text, rows[i].title, rows[i].label);
		has_str(out.text, "class=\"title\"><title>", "the whole name in the title's tip");
		has_str(out.text, ": 2 x 1 GPU, sglang</title>", "a role's tip");
		ok(!strstr(out.text, ": 2 x 1 GPU, sglang</text>"), "and not in the picture");
		disagg_strbuf_release(&name);
		disagg_strbuf_release(&out);
	}
}

static void test_env(struct disagg_arena *arena)
{
	struct disagg_plan *plan = hand_plan(arena, DISAGG_NATIVE);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_strbuf out;

	disagg_strbuf_init(&out, 0);
	is_int(disagg_render_env(arena, plan, &out, &err), 0, "every task has an environment");
	is_str(err.text, "", "and there is no error");
	ok(strncmp(out.text, "# prefill_0 task 0 on <host:0>\nDISAGG_ROLE=prefill\n", 50) == 0,
		"the first block");
	has_str(out.text, "\n\n# decode-big_0 task 2 on <host:2>\nDISAGG_ROLE=decode-big\n",
		"a task of a wide worker");
	has_str(out.text, "\n\n# benchmark_0 task 0 on <host:2>\n", "a service");
	has_str(out.text, "DISAGG_PREFILL_ENDPOINTS=<host:0>:6100,<host:0>:6132\n", "hosts");
	has_str(out.text, "HF_TOKEN=${env:HF_TOKEN}\n", "a reference stays one");
	has_str(out.text, "DISAGG_RUN_DIR=<dir>/disagg-<job>\n", "the run directory");
	has_str(out.text, "CUDA_VISIBLE_DEVICES=2,3\n", "GPUs by position");
	plan->process[0].tasks = 0;
	plan->role[0].env.v[0].key = "HF_TOKEN";
	disagg_strbuf_release(&out);
	disagg_strbuf_init(&out, 300);
	is_int(disagg_render_env(arena, plan, &out, &err), -1, "a buffer that is too small");
	is_int(err.code, DISAGG_SYSTEM, "is a system error");
	disagg_strbuf_release(&out);
}

static void test_explain(void)
{
	struct disagg_value values[] = {
		{"name", "demo", {"demo.yaml", 1, 1}},
		{"roles.decode.gpus", "4", {"--disagg-set", 0, 0}},
		{"env.HF_TOKEN", "hf_secret", {"demo.yaml", 9, 3}},
		{"env.API_KEY", "${env:API_KEY}", {"demo.yaml", 10, 3}},
		{"env.TOKENIZERS_PARALLELISM", "false", {"demo.yaml", 11, 3}},
		{"env", "{\"A\":\"1\",\"MY_TOKEN\":\"hf_secret\",\"API_KEY\":\"${env:LONGER}\",\"B\":2}",
			{"demo.yaml", 8, 3}},
		{"tokens.SECRET[0]", "hf_secret", {NULL, 0, 0}},
		{"text", "two\nlines", {"default", 0, 0}},
		{"name", "demo", {"demo.yaml", 1, 1}},
	};
	struct disagg_job job = {
		.trace = {.item = values, .count = sizeof(values) / sizeof(values[0])}};
	struct disagg_strbuf out;

	disagg_strbuf_init(&out, 0);
	disagg_render_explain(&job, &out);
	is_str(out.text,
		"name = demo                          # demo.yaml:1\n"
		"roles.decode.gpus = 4                # --disagg-set\n"
		"env.HF_TOKEN = ***                   # demo.yaml:9\n"
		"env.API_KEY = ${env:API_KEY}         # demo.yaml:10\n"
		"env.TOKENIZERS_PARALLELISM = false   # demo.yaml:11\n"
		"env = {\"A\":\"1\",\"MY_TOKEN\":\"***\",\"API_KEY\":\"${env:LONGER}\",\"B\":2}   "
		"# demo.yaml:8\n"
		"tokens.SECRET[0] = ***               # default\n"
		"text = two lines                     # default\n",
		"aligned, with origins and without secrets");
	ok(!strstr(out.text, "hf_secret"), "no secret anywhere");
	disagg_strbuf_release(&out);
}

int main(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;

	test_json(&arena);
	test_sbatch();
	test_table(&arena);
	test_folding(&arena);
	test_idle(&arena);
	test_svg(&arena);
	test_svg_long(&arena);
	test_env(&arena);
	test_explain();
	disagg_arena_release(&arena);
	return tap_done();
}
