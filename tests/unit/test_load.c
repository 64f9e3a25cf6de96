/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/plan.h"
#include "lib/plan/wire.h"
#include "tests/unit/jobtext.h"
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/disagg-load.XXXXXX";

/* A path in the test's folder; the last four stay valid. */
static const char *path_of(const char *name)
{
	static char path[4][256];
	static unsigned next;
	char *to = path[next++ % 4];

	snprintf(to, sizeof(path[0]), "%s/%s", folder, name);
	return to;
}

static void file_write(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		abort();
}

/* Findings with the test's folder cut out. */
static void findings_text(struct jobtext *jt)
{
	char *at;

	jobtext_findings(jt);
	while ((at = strstr(jt->text, folder)) != NULL)
		memmove(at, at + strlen(folder) + 1, strlen(at + strlen(folder)));
}

static int load(struct jobtext *jt, const struct disagg_request *request)
{
	int result;

	memset(jt, 0, sizeof(*jt));
	disagg_findings_init(&jt->found, &jt->arena);
	result = disagg_job_load(&jt->arena, request, &jt->job, &jt->found);
	findings_text(jt);
	return result;
}

static bool taken(struct jobtext *jt, const struct disagg_request *request, const char *what)
{
	if (ok(load(jt, request) == 0 && jt->job, what))
		return true;
	printf("# %s\n", jt->text);
	jobtext_release(jt);
	return false;
}

static const char native[] =
	"disagg: 1\n"
	"name: n\n"
	"gpus_per_node: 4\n"
	"slurm: {partition: <partition>, time: 01:00:00}\n"
	"env: {A: 1, B: 0.5, T: '10:00:00', K: '${env:K}'}\n"
	"roles:\n"
	"  prefill: {engine: sglang, workers: 2, gpus: 2, args: {tp-size: 2}}\n"
	"  decode: {engine: sglang, gpus: 8, args: {tp-size: 8, x: 1e-5, y: 1.0e-5,\n"
	"    z: [a, {b: ~}]}}\n"
	"  router: {engine: sglang_router, after: [prefill, decode]}\n";

static const char recipes[] =
	"base:\n"
	"  name: r\n"
	"  model: {path: m, container: c, precision: fp8}\n"
	"  resources: {gpu_type: h100, gpus_per_node: 4, prefill_nodes: 1, prefill_workers: 1,\n"
	"    decode_nodes: 1, decode_workers: 1}\n"
	"  backend: {type: sglang}\n"
	"override_wide:\n"
	"  resources: {decode_nodes: 2, decode_workers: 2}\n"
	"zip_override_z:\n"
	"  resources: {decode_workers: [1, 2]}\n";

static const char trtllm[] =
	"hardware: {gpus_per_node: 4, num_ctx_servers: 1, num_gen_servers: 1}\n"
	"worker_config:\n"
	"  gen: {tensor_parallel_size: 4}\n"
	"  ctx: {tensor_parallel_size: 2}\n";

static const char cluster[] =
	"default: a\n"
	"clusters:\n"
	"  a: {partition: ours, account: acc, sbatch: {comment: hi}, env: {Z: z},\n"
	"    time: '2:00:00'}\n"
	"  b: {partition: theirs, gpus: unmanaged, use_segment: false, use_exclusive: true}\n";

static const char *option_of(const struct disagg_job *job, const char *option)
{
	for (unsigned i = 0; i < job->directive_count; i++) {
		if (strcmp(job->directive[i].option, option) == 0)
			return job->directive[i].value;
	}
	return NULL;
}

/* Each layer is over the one before it, and says where a value is from. */
static void test_layers(void)
{
	static const char *const sets[] = {"roles.prefill.workers=1", "env.A=opt"};
	struct disagg_request request = {
		.path = path_of("n.yaml"), .cluster_file = path_of("cluster.yaml")};
	const struct disagg_origin *at;
	struct jobtext jt;

	if (!taken(&jt, &request, "a file and a cluster"))
		return;
	is_str(jt.text, "", "no findings");
	is_str(jt.job->cluster_name, "a", "the default cluster");
	is_str(option_of(jt.job, "partition"), "ours", "a placeholder is filled by the cluster");
	is_str(option_of(jt.job, "account"), "acc", "and what is not given");
	is_str(option_of(jt.job, "time"), "01:00:00", "but not what is given");
	is_str(option_of(jt.job, "comment"), "hi", "directives of the cluster");
	is_str(disagg_map_get(&jt.job->role[0].env, "Z"), "z", "environment of the cluster");
	jobtext_release(&jt);

	request.env_set = "roles.prefill.workers=3; slurm.partition=env\nenv.A=env;;";
	if (!taken(&jt, &request, "DISAGG_SET"))
		return;
	is_str(option_of(jt.job, "partition"), "env", "is over file and cluster");
	is_int(disagg_job_role(jt.job, "prefill")->workers, 3, "in every dialect's own paths");
	at = disagg_trace_origin(&jt.job->trace, "roles.prefill.workers");
	is_str(at ? at->source : NULL, "DISAGG_SET", "and is named");
	is_int(at ? at->line : 1, 0, "without a line");
	jobtext_release(&jt);

	request.set = sets;
	request.set_count = 2;
	if (!taken(&jt, &request, "--disagg-set"))
		return;
	is_int(disagg_job_role(jt.job, "prefill")->workers, 1, "is over DISAGG_SET");
	is_str(disagg_map_get(&jt.job->role[0].env, "A"), "opt", "for each path");
	is_str(option_of(jt.job, "partition"), "env", "and leaves the others");
	at = disagg_trace_origin(&jt.job->trace, "roles.prefill.workers");
	is_str(at ? at->source : NULL, "--disagg-set", "and is named");
	jobtext_release(&jt);

	request.cluster_name = "b";
	request.rehearse = true;
	if (!taken(&jt, &request, "another cluster"))
		return;
	ok(jt.job->gpus_unmanaged && jt.job->want_exclusive && jt.job->rehearse, "its quirks");
	jobtext_release(&jt);
}

static void test_variants(void)
{
	struct disagg_request request = {.path = path_of("r.yaml")};
	struct jobtext jt;

	static const struct {
		const char *name, *suffix;
		unsigned workers;
	} want[] = {
		{"base", "base", 1},
		{"override_wide", "wide", 2},
		{"wide", "wide", 2},
		{"zip_override_z[1]", "z_1", 2},
		{"z_0", "z_0", 1},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		request.variant = want[i].name;
		ok(load(&jt, &request) == 0, want[i].name);
		is_str(jt.job ? jt.job->variant : NULL, want[i].suffix, "its suffix");
		is_int(jt.job ? disagg_job_role(jt.job, "decode")->workers : 0, want[i].workers,
			"its own values");
		jobtext_release(&jt);
	}
	request.variant = "wide";
	request.env_set = "resources.decode_workers=1";
	ok(load(&jt, &request) == 0, "a set on a variant");
	is_int(jt.job ? disagg_job_role(jt.job, "decode")->workers : 0, 1, "goes into its tree");
	jobtext_release(&jt);
}

/* What a job carries gives the plan that the file gave. */
static void test_carried(const char *name, const char *variant, const char *cluster_name)
{
	struct disagg_request request = {.path = path_of(name),
		.variant = variant,
		.cluster_file = path_of("cluster.yaml"),
		.cluster_name = cluster_name};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_plan *plan = NULL, *plan_again = NULL;
	const char *json = NULL, *json_again = NULL, *wire = NULL, *wire_again = NULL;
	struct disagg_job *again = NULL;
	struct jobtext jt;

	if (!taken(&jt, &request, name))
		return;
	ok(!disagg_job_config(&jt.arena, jt.job, &json, &err), "it is written");
	has_str(json, "{\"schema\":\"disagg.config/1\",\"dialect\":\"", "a schema first");
	ok(json && !strchr(json, '\n'), "on one line");
	ok(json && !disagg_job_load_config(&jt.arena, json, &again, &jt.found), "it is read back");
	findings_text(&jt);
	if (!ok(again && !disagg_plan_make(&jt.arena, jt.job, &plan, &jt.found) &&
			    !disagg_plan_make(&jt.arena, again, &plan_again, &jt.found),
		    "both are planned"))
		printf("# %s\n", jt.text);
	if (plan && plan_again &&
		ok(!disagg_wire_encode(&jt.arena, plan, &wire, &err) &&
				!disagg_wire_encode(&jt.arena, plan_again, &wire_again, &err),
			"both are written"))
		is_str(wire_again, wire, "to one plan");
	if (again && !disagg_job_config(&jt.arena, again, &json_again, &err))
		is_str(json_again, json, "and carried again it is the same");
	jobtext_release(&jt);
}

static void test_carried_bad(void)
{
	static const struct {
		const char *json, *want;
	} bad[] = {
		{"", "E SLURM_DISAGG_CONFIG"},
		{"{\"schema\":\"disagg.config/2\",\"job\":{}}",
			"E SLURM_DISAGG_CONFIG:1:1: the carried configuration has schema "
			"'disagg.config/2', expected 'disagg.config/1': the submit host and this "
			"node have different versions"},
		{"{\"schema\":\"disagg.config/1\",\"job\":1}",
			"E SLURM_DISAGG_CONFIG:1:1: the carried configuration has no 'job' map"},
		{"{\"schema\":\"disagg.config/1\",\"job\":{\"a\":1}}", "not a known kind"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct disagg_job *job = NULL;
		struct jobtext jt;

		memset(&jt, 0, sizeof(jt));
		disagg_findings_init(&jt.found, &jt.arena);
		ok(disagg_job_load_config(&jt.arena, bad[i].json, &job, &jt.found) == -1 && !job,
			"a carried configuration is refused");
		jobtext_findings(&jt);
		has_str(jt.text, bad[i].want, "and why");
		jobtext_release(&jt);
	}
}

static void test_too_large(void)
{
	struct disagg_request request = {.path = path_of("big.yaml")};
	struct disagg_err err = DISAGG_ERR_INIT;
	static char text[80000];
	const char *json = NULL;
	struct jobtext jt;
	size_t len = (size_t)snprintf(
		text, sizeof(text), "disagg: 1\nname: n\nroles: {x: {command: [a, \"");

	memset(text + len, 'y', 66000);
	memcpy(text + len + 66000, "\"]}}\n", 6);
	file_write("big.yaml", text);
	if (!taken(&jt, &request, "a large file is planned"))
		return;
	ok(disagg_job_config(&jt.arena, jt.job, &json, &err) == -1 && !json, "but not carried");
	has_str(err.text, "bytes of JSON, at most 65535 are carried", "and why");
	is_int(err.code, DISAGG_CONFIG, "as a fault of the configuration");
	jobtext_release(&jt);
}

static void test_refused(void)
{
	static const char *const no_equals[] = {"abc"};
	static const char *const bad_yaml[] = {"name=[1"};
	static const char *const bad_path[] = {"name.x=1"};
	static const char *const unknown[] = {"gpu_per_node=1"};
	static const char *const slip[] = {"roles.prefil.workers=1"};
	static const char *const not_gpus[] = {"gpus_per_node=72"};
	const struct {
		const char *name, *file;
		struct disagg_request request;
		const char *want;
	} bad[] = {
		{"a missing file", "none.yaml", {0},
			"E cannot open 'none.yaml': No such file or directory"},
		{"a variants file and no variant", "r.yaml", {0},
			"E r.yaml:1:1: the file holds 4 variants: say which, as r.yaml:z_1; there "
			"are base, wide, z_0, z_1"},
		{"no such variant", "r.yaml", {.variant = "wid"}, "'wid'"},
		{"a variant of a plain file", "n.yaml", {.variant = "base"},
			"E n.yaml:1:1: the file has no variants: remove ':base'"},
		{"a set without '='", "n.yaml", {.set = no_equals, .set_count = 1},
			"E --disagg-set: 'abc': expected PATH=VALUE"},
		{"a set that is no YAML", "n.yaml", {.set = bad_yaml, .set_count = 1},
			"E --disagg-set: 'name=[1': "},
		{"a set below a scalar", "n.yaml", {.set = bad_path, .set_count = 1},
			"'name.x=1': "},
		{"a set of an unknown key", "n.yaml", {.set = unknown, .set_count = 1},
			"E --disagg-set: unknown key 'gpu_per_node', did you mean 'gpus_per_node'?"},
		{"a set of an unknown key, by another option", "n.yaml",
			{.set = unknown, .set_count = 1, .set_name = "--set"},
			"E --set: unknown key 'gpu_per_node', did you mean 'gpus_per_node'?"},
		{"a slip in a set's path", "n.yaml", {.set = slip, .set_count = 1},
			"E --disagg-set: 'roles.prefil.workers': there is no 'roles.prefil', did "
			"you mean 'roles.prefill'?"},
		{"a set that is no number", "n.yaml", {.set = not_gpus, .set_count = 1},
			"E --disagg-set: gpus_per_node: expected an integer from 1 to 64, got '72'"},
		{"too many sets", "n.yaml", {.set_count = 257},
			"E --disagg-set is given 257 times, at most 256 are allowed"},
		{"a cluster and no file", "n.yaml", {.cluster_name = "a"},
			"E there is no cluster 'a': no cluster file"},
		{"a cluster file that must be there", "n.yaml",
			{.cluster_file = "/nowhere/cluster.yaml", .cluster_file_must_exist = true},
			"E cluster file: cannot open '/nowhere/cluster.yaml': No such file or "
			"directory"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct disagg_request request = bad[i].request;
		struct jobtext jt;

		request.path = path_of(bad[i].file);
		ok(load(&jt, &request) == -1 && !jt.job, bad[i].name);
		has_str(jt.text, bad[i].want, "and why");
		jobtext_release(&jt);
	}
}

static void test_dialect(void)
{
	static const struct {
		const char *yaml, *want; /* a dialect's name, or the error */
	} cases[] = {
		{"disagg: 1\n", "native"},
		{"worker_config: {}\nhardware: {}\n", "trtllm"},
		{"worker_config: {}\nbenchmark: {}\n", "trtllm"},
		{"resources: {}\nmodel: {}\n", "srtctl"},
		{"backend: {}\n", "srtctl"},
		{"base: {}\n", "srtctl"},
		{"name: x\n",
			"x.yaml:1:1: not a known kind of configuration: looked for 'disagg: 1' "
			"(native), 'worker_config' beside 'hardware' (TensorRT-LLM), and "
			"'resources' or 'backend' or 'base' (srtctl)"},
		{"default: a\nclusters: {a: {}}\n",
			"x.yaml:1:1: this looks like a cluster file, expected a job's "
			"configuration: name it by --cluster-file of disagg-plan or "
			"DISAGG_CLUSTER_FILE, beside a job's file"},
		{"name: x\nworker_confg: {}\n",
			"x.yaml:2:1: not a known kind of configuration: looked for 'disagg: 1' "
			"(native), 'worker_config' beside 'hardware' (TensorRT-LLM), and "
			"'resources' or 'backend' or 'base' (srtctl); is 'worker_confg' meant to "
			"be 'worker_config'?"},
		{"disagg: 1\nresources: {}\n",
			"x.yaml:2:12: two kinds of configuration in one: 'disagg' makes it a "
			"native file, 'resources' an srtctl recipe"},
		{"hardware: {}\nworker_config: {}\ndisagg: 1\n",
			"x.yaml:2:16: two kinds of configuration in one: 'disagg' makes it a "
			"native file, 'worker_config' a TensorRT-LLM file"},
		{"[1]\n", "x.yaml:1:1: expected a map of keys at the top, got a list"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		enum disagg_dialect dialect = DISAGG_NATIVE;
		struct disagg_node *root = NULL;
		char text[900];

		ok(!disagg_yaml_parse(
			   &arena, cases[i].yaml, strlen(cases[i].yaml), "x.yaml", &root, &err),
			"parsed");
		if (disagg_dialect_detect(root, &dialect, &err))
			disagg_err_format(&err, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "%s", disagg_dialect_names[dialect]);
		is_str(text, cases[i].want, "the dialect, or why there is none");
		disagg_arena_release(&arena);
	}
}

static void test_split(void)
{
	static const struct {
		const char *text, *path, *variant, *error;
	} cases[] = {
		{"x.yaml", "x.yaml", NULL, NULL},
		{"x.yaml:base", "x.yaml", "base", NULL},
		{"x.yaml:zip_override_a[0]", "x.yaml", "zip_override_a[0]", NULL},
		{"a:b/x.yaml", "a:b/x.yaml", NULL, NULL},
		{"a:b/x.yaml:v", "a:b/x.yaml", "v", NULL},
		{"n:1.yaml", "n:1.yaml", NULL, NULL}, /* is there */
		{"n:2.yaml", "n", "2.yaml", NULL},    /* is not */
		{"n:1.yaml:v", "n:1.yaml", "v", NULL},
		{"", NULL, NULL, "'': expected FILE or FILE:VARIANT, got nothing"},
		{":v", NULL, NULL, "':v': expected FILE or FILE:VARIANT, got no file"},
		{"x.yaml:", NULL, NULL,
			"'x.yaml:': expected FILE or FILE:VARIANT, got no variant behind the ':'"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		const char *path = NULL, *variant = NULL;

		disagg_config_split(&arena, cases[i].text, &path, &variant, &err);
		is_str(path, cases[i].path, cases[i].text);
		is_str(variant, cases[i].variant, "its variant");
		is_str(err.code ? err.text : NULL, cases[i].error, "its error");
		disagg_arena_release(&arena);
	}
}

static void test_no_memory(const char *name)
{
	bool ended = false, told = true;

	for (long at = 0; !ended && at < 20000; at++) {
		struct disagg_request request = {
			.path = path_of(name), .cluster_file = path_of("cluster.yaml")};
		struct jobtext jt;

		if (strcmp(name, "r.yaml") == 0)
			request.variant = "z_1";
		disagg_alloc_fail_after(at);
		ended = load(&jt, &request) == 0;
		disagg_alloc_fail_after(-1);
		told = told && (ended || jt.found.errors);
		jobtext_release(&jt);
	}
	ok(ended && told, "out of memory is told, and never half a job");
}

int main(void)
{
	static const char *const names[] = {
		"n.yaml", "r.yaml", "t.yaml", "cluster.yaml", "n:1.yaml", "big.yaml"};

	if (!mkdtemp(folder) || chdir(folder))
		abort();
	file_write("n.yaml", native);
	file_write("r.yaml", recipes);
	file_write("t.yaml", trtllm);
	file_write("cluster.yaml", cluster);
	file_write("n:1.yaml", native);
	test_split();
	test_dialect();
	test_layers();
	test_variants();
	test_carried("n.yaml", NULL, NULL);
	test_carried("n.yaml", NULL, "b");
	test_carried("r.yaml", "z_1", NULL);
	test_carried("t.yaml", NULL, NULL);
	test_carried_bad();
	test_too_large();
	test_refused();
	test_no_memory("n.yaml");
	test_no_memory("r.yaml");
	test_no_memory("t.yaml");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(names[i]));
	ok(chdir("/") == 0 && rmdir(folder) == 0, "nothing is left behind");
	return tap_done();
}
