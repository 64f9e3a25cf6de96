/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/cluster.h"
#include "lib/conf/job.h"
#include "lib/conf/load.h"
#include "tests/unit/tap.h"

static const char base[] =
	"metadata:\n"
	"  model_name: r1\n"
	"  precision: fp4\n"
	"  model_dir_name: R1-FP4\n"
	"  supported_gpus: [GB200]\n"
	"slurm:\n"
	"  partition: <partition>\n"
	"  account: acme\n"
	"  job_time: 10:00:00\n"
	"  job_name: nightly\n"
	"  extra_args: --gres=gpu:4 --exclude=n1,n2 -C nvl72 --requeue\n"
	"  numa_bind: true\n"
	"benchmark:\n"
	"  mode: e2e\n"
	"  multi_round: 8\n"
	"  streaming: True\n"
	"  concurrency_list: 1 2,4\n"
	"  input_length: 1024\n"
	"  output_length: 1024\n"
	"  dataset_file: <dataset_file>\n"
	"  env_var: {CLIENT: 1}\n"
	"hardware: {gpus_per_node: 4, num_ctx_servers: 1, num_gen_servers: 2}\n"
	"environment:\n"
	"  container_mount: /a:/a,/b:/data:ro\n"
	"  container_image: img.sqsh\n"
	"  model_path: <model_path>\n"
	"  worker_env_var: A=1\n"
	"    B=2 LOST\n"
	"  gen_worker_env_var: A=3 X=a=b\n"
	"  server_env_var: S=1\n"
	"  client_env_var: CLIENT=0 C=2\n"
	"profiling: {nsys_on: false}\n"
	"gen_router_config: {type: round_robin}\n"
	"worker_config:\n"
	"  gen: &gen\n"
	"    tensor_parallel_size: 4\n"
	"    pipeline_parallel_size: 2\n"
	"    moe_expert_parallel_size: 8\n"
	"    max_batch_size: 8\n"
	"    max_num_tokens: 512\n"
	"    max_seq_len: 4096\n"
	"    speculative_config: {decoding_type: MTP, num_nextn_predict_layers: 1}\n"
	"    odd_setting: 7\n"
	"  ctx: {<<: *gen, tensor_parallel_size: 2, pipeline_parallel_size: 1}\n";

struct fixture {
	struct disagg_arena arena;
	struct disagg_findings found;
	struct disagg_cluster *cluster;
	struct disagg_job job;
	int result;
};

static const struct disagg_node *parse(struct fixture *f, const char *text, const char *source)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root = NULL;

	if (disagg_yaml_parse(&f->arena, text, strlen(text), source, &root, &err))
		printf("# %s\n", err.text);
	return root;
}

/* The base file with "PATH=VALUE" settings laid over it, separated by ';'. */
static void import(struct fixture *f, const char *text, const char *sets, const char *cluster)
{
	struct disagg_setter setter = {&f->arena, &f->found, NULL, "test"};
	struct disagg_import import = {.arena = &f->arena, .found = &f->found, .job = &f->job};

	f->result = -1;
	disagg_findings_init(&f->found, &f->arena);
	setter.tree = parse(f, text, "x.yaml");
	if (!setter.tree || disagg_tree_set_all(&setter, sets))
		return;
	if (cluster && disagg_cluster_read(&f->arena, parse(f, cluster, "cluster.yaml"), NULL,
			       &f->cluster, &f->found))
		return;
	import.tree = setter.tree;
	import.cluster = f->cluster;
	f->job.dialect = DISAGG_TRTLLM;
	f->job.source = "dir/x.yaml";
	f->job.trace.arena = &f->arena;
	f->result = disagg_import_trtllm(&import);
}

/* All findings of a kind, each on a line. */
static const char *texts(struct fixture *f, bool errors)
{
	static char all[16384];
	size_t len = 0;

	all[0] = '\0';
	for (unsigned i = 0; i < f->found.count && len < sizeof(all) - 1024; i++) {
		char one[1024];

		if (f->found.item[i].is_error != errors)
			continue;
		disagg_finding_format(&f->found.item[i], one, sizeof(one));
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s\n", one);
	}
	return all;
}

static const char *directive(const struct disagg_job *job, const char *option)
{
	for (unsigned i = 0; i < job->directive_count; i++) {
		if (strcmp(job->directive[i].option, option) == 0)
			return job->directive[i].value;
	}
	return NULL;
}

static const char *env(const struct disagg_job *job, const char *role, const char *name)
{
	const struct disagg_role *found = disagg_job_role(job, role);

	return found ? disagg_map_get(&found->env, name) : NULL;
}

static void test_roles(void)
{
	struct fixture f = {0};
	const struct disagg_role *role;

	import(&f, base, NULL, NULL);
	is_int(f.result, 0, "the base file is read");
	is_str(texts(&f, true), "", "without an error");
	is_int(f.job.role_count, 4, "two kinds of servers and two services");
	role = &f.job.role[0];
	is_str(role->name, "decode", "gen servers come first");
	is_int(role->kind, DISAGG_DECODE, "as decode");
	is_int(role->workers, 2, "num_gen_servers");
	is_int(role->gpus, 8, "tensor x pipeline; experts take no GPUs");
	is_int(role->tasks, DISAGG_TASKS_PER_GPU, "a task a GPU");
	is_int(role->engine, DISAGG_E_TRTLLM, "trtllm");
	ok(disagg_node_get(role->args, "odd_setting"), "a server's settings are kept");
	ok(disagg_trace_origin(&f.job.trace, "worker_config.gen.odd_setting"),
		"the origin of an engine's own setting is known");
	role = &f.job.role[1];
	is_str(role->name, "prefill", "ctx servers come second");
	is_int(role->gpus, 2, "a merge key's value is overridden");
	role = &f.job.role[2];
	is_str(role->name, "frontend", "then the disagg server");
	is_int(role->port, 8333, "on its port");
	is_int(role->site, DISAGG_SITE_FIRST_DECODE, "on the first gen server's node");
	is_int(role->after.count, 2, "after both kinds of servers");
	is_str(f.job.role[3].name, "benchmark", "then the client");
	is_str(f.job.role[3].after.v[0], "frontend", "after the disagg server");
	is_int(f.job.rule, DISAGG_RULE_PER_SERVER, "nodes of its own for each server");
	is_int(f.job.gpus_per_node, 4, "gpus_per_node");
	is_str(f.job.gpu_type, "GB200", "the only supported GPU type");
	disagg_arena_release(&f.arena);
}

static void test_environment(void)
{
	struct fixture f = {0};
	static const char cluster[] = "clusters: {c: {models: {R1-FP4: /models/r1}, "
				      "partition: big, env: {A: 0, NET: ib0}}}\n";

	import(&f, base, NULL, cluster);
	is_str(texts(&f, true), "", "a cluster file joins in");
	is_str(env(&f.job, "prefill", "A"), "1", "the file beats the cluster file");
	is_str(env(&f.job, "prefill", "NET"), "ib0", "which reaches every role");
	is_str(env(&f.job, "benchmark", "NET"), "ib0", "the client too");
	is_str(env(&f.job, "decode", "A"), "3", "the role's variable beats the workers'");
	is_str(env(&f.job, "decode", "B"), "2", "a folded line goes on");
	is_str(env(&f.job, "decode", "X"), "a=b", "a value may hold '='");
	is_str(env(&f.job, "frontend", "S"), "1", "server_env_var");
	is_str(env(&f.job, "frontend", "B"), NULL, "workers' variables stay with them");
	is_str(env(&f.job, "benchmark", "CLIENT"), "1", "env_var beats client_env_var");
	is_str(env(&f.job, "benchmark", "C"), "2", "client_env_var");
	has_str(texts(&f, false), "x.yaml:27:19: 'LOST' in environment.worker_env_var is left out",
		"a word that is no pair is named");
	is_str(f.job.model_path, "/models/r1", "the cluster file knows the model");
	is_str(f.job.container.image, "img.sqsh", "image");
	is_str(disagg_map_get(&f.job.container.mounts, "/b"), "/data:ro", "mount flags stay");
	is_int(f.job.health.timeout.v, 1800, "upstream's time to start");
	disagg_arena_release(&f.arena);
}

static void test_slurm(void)
{
	struct fixture f = {0};

	import(&f, base, NULL, NULL);
	is_str(directive(&f.job, "time"), "10:00:00", "an unquoted time is 10 hours");
	is_str(directive(&f.job, "partition"), "<partition>", "a placeholder stays");
	is_str(directive(&f.job, "account"), "acme", "account");
	is_str(directive(&f.job, "job-name"), "nightly", "job name");
	is_str(directive(&f.job, "exclude"), "n1,n2", "extra_args: --name=value");
	is_str(directive(&f.job, "constraint"), "nvl72", "extra_args: -x value");
	is_str(directive(&f.job, "requeue"), "", "extra_args: a flag");
	is_str(directive(&f.job, "gres"), NULL, "GPUs that the plan asks for are left to it");
	ok(f.job.want_segment, "a segment by default");
	is_str(f.job.model_path, "<model_path>", "a model nobody knows stays a placeholder");
	is_str(disagg_map_get(&f.job.settings, "slurm.numa_bind"), "true", "numa_bind is kept");
	is_str(disagg_map_get(&f.job.settings, "profiling.nsys_on"), "false", "profiling is kept");
	is_str(disagg_map_get(&f.job.settings, "gen_router_config.type"), "round_robin",
		"routers are kept");
	disagg_arena_release(&f.arena);

	f = (struct fixture){0};
	import(&f, base,
		"slurm.extra_args=--gres gpu:8 -N4;slurm.set_segment=false;"
		"slurm.partition=unspecified;slurm.job_name=<job_name>",
		NULL);
	is_str(directive(&f.job, "gres"), "gpu:8", "other GPUs are passed on");
	is_str(directive(&f.job, "nodes"), "4", "a value against its letter");
	is_str(directive(&f.job, "partition"), NULL, "'unspecified' is left out");
	is_str(directive(&f.job, "job-name"), NULL, "as is the placeholder of a name");
	is_str(f.job.name, "x", "the job is called as the file");
	ok(!f.job.want_segment, "set_segment: false");
	disagg_arena_release(&f.arena);
}

static void test_benchmark(void)
{
	static const struct {
		const char *sets, *effective, *prompts;
	} row[] = {
		{NULL, "2 4 8", "16 32 64"},
		{"benchmark.concurrency_list=16", "32", "256"},
		{"benchmark.concurrency_list='16'", "32", "256"},
		{"benchmark.concurrency_list=[3, '5']", "6 10", "48 80"},
		{"benchmark.concurrency_list='1, 2 ,4'", "2 4 8", "16 32 64"},
		{"benchmark.multi_round=1;hardware.num_gen_servers=1", "1 2 4", "1 2 4"},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct fixture f = {0};

		import(&f, base, row[i].sets, NULL);
		is_str(disagg_map_get(&f.job.bench.options, "effective_concurrency"),
			row[i].effective, row[i].sets ? row[i].sets : "base: for all servers");
		is_str(disagg_map_get(&f.job.bench.options, "num_prompts"), row[i].prompts,
			"prompts");
		is_int(f.job.bench.isl.v, 1024, "input length");
		disagg_arena_release(&f.arena);
	}
}

static void test_modes(void)
{
	struct fixture f = {0};

	import(&f, base, "benchmark.mode=gen_only", NULL);
	ok(disagg_job_role(&f.job, "prefill"), "gen_only has ctx servers");
	disagg_arena_release(&f.arena);
	f = (struct fixture){0};
	import(&f, base, "benchmark.mode=gen_only_no_context;hardware.num_ctx_servers=0", NULL);
	is_str(texts(&f, true), "", "gen_only_no_context needs no ctx server");
	ok(!disagg_job_role(&f.job, "prefill"), "and has none");
	is_int(disagg_job_role(&f.job, "frontend")->after.count, 1, "nothing waits for them");
	disagg_arena_release(&f.arena);
	f = (struct fixture){0};
	import(&f, base, "hardware.compact_packing=true;benchmark.enable_benchmark=false", NULL);
	is_int(f.job.rule, DISAGG_RULE_COMPACT, "compact_packing");
	ok(!disagg_job_role(&f.job, "benchmark"), "enable_benchmark: false");
	ok(!f.job.bench.type, "leaves no client");
	disagg_arena_release(&f.arena);
}

static void test_oldest_generation(void)
{
	static const char text[] =
		"sequence: {input_length: 100, output_length: 50}\n"
		"environment: {dataset_file: /d.json, work_dir: /w}\n"
		"benchmark: {mode: e2e, concurrency_list: 1}\n"
		"hardware: {gpus_per_node: 8, num_ctx_servers: 1, num_gen_servers: 1}\n"
		"worker_config: {eplb_num_slots: 0, gen: {}, ctx: {}}\n";
	struct fixture f = {0};

	import(&f, text, NULL, NULL);
	is_str(texts(&f, true), "", "generation A is read");
	is_str(texts(&f, false), "", "without a warning");
	is_int(f.job.bench.isl.v, 100, "sequence.input_length");
	is_int(f.job.bench.osl.v, 50, "sequence.output_length");
	is_str(disagg_map_get(&f.job.bench.options, "dataset_file"), "/d.json",
		"environment.dataset_file");
	is_int(f.job.role[0].gpus, 1, "every parallelism is 1 by default");
	disagg_arena_release(&f.arena);
}

static const struct {
	const char *sets, *message;
} warning[] = {
	{"benchmark.concurrency_list=9", "concurrency 9 exceeds gen capacity 8"},
	{"worker_config.gen.speculative_config.num_nextn_predict_layers=0;"
	 "worker_config.gen.speculative_config.max_draft_len=3",
		"log dir says mtp0 but draft length is 3 (config uses max_draft_len)"},
	{"worker_config.gen.max_num_tokens=15",
		"gen max_num_tokens 15 is less than the 16 of max_batch_size 8"},
	{"worker_config.ctx.max_seq_len=1024",
		"ctx max_seq_len 1024 is not above the input length 1024"},
	{"worker_config.gen.max_seq_len=2048",
		"gen max_seq_len 2048 is not above input and output length together, 2048"},
	{"benchmark.streaming=false", "streaming is off"},
	{"benchmark.concurrency_list=''", "no concurrency_list"},
	{"benchmark.mode=gen_only;benchmark.use_nv_sa_benchmark=true",
		"the SA client does not measure mode 'gen_only'"},
	{"worker_config.gen.tensor_paralel_size=8",
		"worker_config.gen: unknown key 'tensor_paralel_size', did you mean "
		"'tensor_parallel_size'?"},
	{"hardware.gpu_per_node=8",
		"hardware: unknown key 'gpu_per_node', did you mean 'gpus_per_node'?"},
};

static const struct {
	const char *sets, *message;
} bad[] = {
	{"benchmark.mode=gen_onli",
		"benchmark.mode: expected one of e2e, gen_only, gen_only_no_context, got 'gen_onli'"},
	{"hardware.gpus_per_node=0", "hardware.gpus_per_node"},
	{"hardware.num_gen_servers=none", "hardware.num_gen_servers"},
	{"hardware.num_ctx_servers=0", "num_ctx_servers is 0, expected at least 1 in mode 'e2e'"},
	{"worker_config.gen.tensor_parallel_size=131072",
		"tensor 131072 x pipeline 2 x context 1 parallelism needs more than 131072 GPUs"},
	{"worker_config.gen=4", "worker_config.gen: expected a map"},
	{"worker_config.ctx=", "worker_config.ctx is missing"},
	{"benchmark.concurrency_list='4 x'",
		"concurrency_list: expected integers from 1 to 1000000, got 'x'"},
	{"benchmark.concurrency_list=0", "got '0'"},
	{"slurm.job_time=soon", "job_time 'soon' is no time limit"},
	{"slurm.extra_args=exclusive", "extra_args: 'exclusive' is no option of sbatch"},
	{"slurm.extra_args=-Z 1", "extra_args: '-Z' is no option of sbatch"},
	{"environment.worker_env_var=1A=2", "'1A' in environment.worker_env_var is no name"},
	{"environment.container_mount='/a:'", "'/a:' is no mount: expected SRC:DST"},
};

static void test_findings(void)
{
	for (size_t i = 0; i < sizeof(warning) / sizeof(*warning); i++) {
		struct fixture f = {0};

		import(&f, base, warning[i].sets, NULL);
		is_str(texts(&f, true), "", warning[i].sets);
		has_str(texts(&f, false), warning[i].message, "warns");
		disagg_arena_release(&f.arena);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct fixture f = {0};

		import(&f, base, bad[i].sets, NULL);
		is_int(f.result, 0, "a bad file is no failure of memory");
		has_str(texts(&f, true), bad[i].message, bad[i].sets);
		disagg_arena_release(&f.arena);
	}
}

/* Every allocation fails once: the importer says so and nothing breaks. */
static void test_memory(void)
{
	bool good = true;
	long count;

	for (count = 0; count < 100000; count++) {
		struct fixture f = {0};
		struct disagg_import again = {.arena = &f.arena, .found = &f.found, .job = &f.job};
		struct disagg_arena other = DISAGG_ARENA_INIT;
		int result;

		disagg_findings_init(&f.found, &f.arena);
		again.tree = parse(&f, base, "x.yaml");
		f.job.trace.arena = &f.arena;
		/* a small arena of its own, so that blocks are asked for often */
		again.arena = &other;
		disagg_alloc_fail_after(count);
		result = disagg_import_trtllm(&again);
		disagg_alloc_fail_after(-1);
		if (result == 0 && f.job.role_count != 4)
			good = false;
		disagg_arena_release(&other);
		disagg_arena_release(&f.arena);
		if (result == 0)
			break;
	}
	ok(good, "a failed allocation is never taken for success");
	ok(count > 0 && count < 100000, "and the importer ends well when none fails");
}

int main(void)
{
	test_roles();
	test_environment();
	test_slurm();
	test_benchmark();
	test_modes();
	test_oldest_generation();
	test_findings();
	test_memory();
	return tap_done();
}
