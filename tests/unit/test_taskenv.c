/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/taskenv.h"
#include "tests/unit/handplan.h"
#include "tests/unit/tap.h"

static const char *names[] = {"na", "nb", "nc"};
static const struct disagg_hostlist hosts = {names, 3};

static const char *fake_getenv(void *context, const char *name)
{
	const char *const *pair = context;

	return strcmp(pair[0], name) == 0 ? pair[1] : NULL;
}

static struct disagg_task task_of(const char *role, int index, uint32_t node, uint32_t id)
{
	static const char *pair[] = {"HF_TOKEN", "hf_123"};

	return (struct disagg_task){.role = role,
		.index = index,
		.node = node,
		.step_nodes = 1,
		.global_id = id,
		.local_id = id,
		.local_tasks = 1,
		.visible_devices = "0,1,2,3",
		.hosts = &hosts,
		.job_id = "42",
		.submit_dir = "/home/u",
		.getenv = fake_getenv,
		.context = pair};
}

static struct disagg_arena scratch;

/* The variables of a task; on an error `err` holds it and the list is empty. */
static struct disagg_envlist env_of(
	const struct disagg_plan *plan, const struct disagg_task *task, struct disagg_err *err)
{
	struct disagg_envlist env;

	disagg_envlist_init(&env, &scratch);
	if (disagg_taskenv(plan, task, &env, err) < 0 && env.count)
		ok(false, "a failure returns nothing");
	return env;
}

static void has_env(const struct disagg_envlist *env, const char *name, const char *want)
{
	is_str(disagg_envlist_get(env, name), want, name);
}

static void test_worker(struct disagg_arena *arena)
{
	struct disagg_plan *plan = hand_plan(arena, DISAGG_SRTCTL);
	struct disagg_task task = task_of("decode-big", 0, 2, 2);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_envlist env = env_of(plan, &task, &err);

	is_str(err.text, "", "the third task of a worker on two nodes");
	has_env(&env, "DISAGG_ROLE", "decode-big");
	has_env(&env, "DISAGG_WORKER", "decode-big_0");
	has_env(&env, "DISAGG_WORKER_INDEX", "0");
	has_env(&env, "DISAGG_WORKERS", "2");
	has_env(&env, "DISAGG_RANK", "2");
	has_env(&env, "DISAGG_SIZE", "3");
	has_env(&env, "DISAGG_NODE_RANK", "1");
	has_env(&env, "DISAGG_NODES", "2");
	has_env(&env, "DISAGG_LEADER", "nb");
	has_env(&env, "DISAGG_PORT_SYSTEM", "7503");
	has_env(&env, "DISAGG_PORT_HTTP", NULL);
	has_env(&env, "DISAGG_PORT_BOOTSTRAP", NULL);
	has_env(&env, "DISAGG_PORT_KV_EVENTS", "5203");
	has_env(&env, "DISAGG_PORT_NIXL", "5403");
	has_env(&env, "DISAGG_PORT_DIST", "8302");
	has_env(&env, "DISAGG_PREFILL_ENDPOINTS", "na:6100,na:6132");
	has_env(&env, "DISAGG_DECODE_BIG_ENDPOINTS", "nb:6100,nc:6100");
	has_env(&env, "DISAGG_FRONTEND_URL", "http://na:8000");
	has_env(&env, "DISAGG_RUN_DIR", "/home/u/disagg-42");
	has_env(&env, "DISAGG_CONFIG", "/home/u/disagg-42/config.yaml");
	has_env(&env, "DISAGG_JOB_NAME", "demo");
	has_env(&env, "DISAGG_VERSION", DISAGG_VERSION);
	has_env(&env, "CUDA_VISIBLE_DEVICES", "0,1");
	has_env(&env, "HF_TOKEN", "hf_123");
	has_env(&env, "WHERE", "nc/2/{other}");
	has_env(&env, "DISAGG_SERVING_TYPE", NULL);
	has_env(&env, "SRT_FRONTEND_HOST", NULL);
	is_str(env.entry[0].name, "DISAGG_ROLE", "identity first");
	is_str(env.entry[env.count - 1].name, "WHERE", "the role's own last");
}

static void test_ports(struct disagg_arena *arena)
{
	struct disagg_plan *plan = hand_plan(arena, DISAGG_NATIVE);
	struct disagg_task task = task_of("prefill", 1, 0, 0);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_envlist env;

	plan->role[0].pin[DISAGG_PORT_BOOTSTRAP] = 9100;
	plan->role[0].pin[DISAGG_PORT_RPC] = 9200;
	plan->role[1].pin[DISAGG_PORT_HTTP] = 9300;
	plan->service[1].port = 0;
	task.port_offset = 100;
	env = env_of(plan, &task, &err);
	has_env(&env, "DISAGG_PORT_HTTP", "6232");
	has_env(&env, "DISAGG_PORT_BOOTSTRAP", "9100");
	has_env(&env, "DISAGG_PORT_RPC", "9200");
	has_env(&env, "DISAGG_PREFILL_ENDPOINTS", "na:6200,na:6232");
	has_env(&env, "DISAGG_DECODE_BIG_ENDPOINTS", "nb:9300,nc:9300");
	has_env(&env, "DISAGG_FRONTEND_URL", "http://na:8100");
	has_env(&env, "CUDA_VISIBLE_DEVICES", "2,3");
	has_env(&env, "DISAGG_ROLE", "prefill");
	has_env(&env, "WHERE", "{node}/{node_id}/{other}");
	has_env(&env, "ODD", "a;b, c=100%~\n\xc3\xa9");
	task = task_of("decode-big", 0, 2, 2);
	env = env_of(plan, &task, &err);
	has_env(&env, "DISAGG_PORT_HTTP", NULL);
	task.port_offset = 60000;
	env_of(plan, &task, &err);
	is_str(err.text,
		"port 67503 of 'decode-big_0' is outside 1 to 65535 with the port offset "
		"60000",
		"an offset that goes too far");
	plan->role[4].engine = DISAGG_E_COMMAND;
	task = task_of("etcd", -1, 0, 0);
	env = env_of(plan, &task, &err);
	has_env(&env, "DISAGG_PORT_HTTP", "2379");
	has_env(&env, "DISAGG_FRONTEND_URL", NULL);
	has_env(&env, "CUDA_VISIBLE_DEVICES", NULL);
	plan->service_count = 0;
	task = task_of("prefill", 0, 0, 0);
	env = env_of(plan, &task, &err);
	has_env(&env, "DISAGG_FRONTEND_URL", NULL);
}

/* ---- GPUs ---- */

static void test_gpus(struct disagg_arena *arena)
{
	static const struct {
		const char *visible;
		bool unmanaged, rehearse;
		const char *want, *error;
	} rows[] = {
		{"0,1,2,3", false, false, "2,3", ""},
		{"7,5,3,1", false, false, "3,1", ""},
		{"GPU-aa,MIG-bb,GPU-cc,MIG-GPU-dd/1/0", false, false, "GPU-cc,MIG-GPU-dd/1/0", ""},
		{"0,1", false, false, NULL,
			"worker 'prefill_1' needs GPUs 2-3 of its node but the job has 2 ('0,1')"},
		{"0,1,2", false, false, NULL, "but the job has 3 ('0,1,2')"},
		{"", false, false, NULL, "has none (CUDA_VISIBLE_DEVICES is empty)"},
		{"NoDevFiles", false, false, NULL, "has none (CUDA_VISIBLE_DEVICES is empty)"},
		{NULL, false, false, NULL, "has none (CUDA_VISIBLE_DEVICES is not set)"},
		{NULL, true, false, "2,3", ""},
		{"", true, false, "2,3", ""},
		{"4,5,6,7", true, false, "6,7", ""},
		{"4,5", true, false, NULL, "but the job has 2 ('4,5')"},
		{NULL, false, true, NULL, ""},
		{"0", false, true, NULL, ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_plan *plan = hand_plan(arena, DISAGG_NATIVE);
		struct disagg_task task = task_of("prefill", 1, 0, 0);
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_envlist env;

		plan->gpus_unmanaged = rows[i].unmanaged;
		plan->rehearse = rows[i].rehearse;
		task.visible_devices = rows[i].visible;
		env = env_of(plan, &task, &err);
		has_env(&env, "CUDA_VISIBLE_DEVICES", rows[i].want);
		if (rows[i].error[0])
			has_str(err.text, rows[i].error, rows[i].error);
		else
			is_str(err.text, "", "no error");
		is_int(err.code, rows[i].error[0] ? DISAGG_MISSING : DISAGG_OK, "its code");
	}
}

static void test_one_gpu_message(struct disagg_arena *arena)
{
	struct disagg_plan *plan = hand_plan(arena, DISAGG_NATIVE);
	struct disagg_task task = task_of("decode-big", 1, 2, 0);
	struct disagg_err err = DISAGG_ERR_INIT;

	plan->process[4].gpu_first = 3;
	plan->process[4].gpu_count = 1;
	task.visible_devices = "0,1";
	env_of(plan, &task, &err);
	is_str(err.text, "worker 'decode-big_1' needs GPU 3 of its node but the job has 2 ('0,1')",
		"one GPU");
}

/* ---- steps ---- */

static void test_bad_tasks(struct disagg_arena *arena)
{
	static const struct {
		const char *role;
		int index;
		uint32_t node, id;
		const char *error;
	} rows[] = {
		{"nobody", -1, 0, 0, "unknown role 'nobody'"},
		{"prefill", -1, 0, 0, "role 'prefill' has 2 workers"},
		{"prefill", 0, 1, 0,
			"task 0 of 'prefill_0' belongs on node 0 ('na') but runs on "
			"node 1 ('nb')"},
		{"decode-big", 0, 1, 2,
			"task 2 of 'decode-big_0' belongs on node 2 ('nc') but "
			"runs on node 1 ('nb')"},
		{"decode-big", 0, 1, 3,
			"worker 'decode-big_0' has 3 tasks but the step has a "
			"task 3, counted from 0"},
		{"etcd", -1, 1, 0, "task 0 of 'etcd_0' belongs on node 0 ('na')"},
		{"etcd", -1, 0, 1, "service 'etcd_0' is one task but the step has a task 1"},
	};
	struct disagg_plan *plan = hand_plan(arena, DISAGG_NATIVE);
	struct disagg_hostlist two = {names, 2};
	struct disagg_task task;
	struct disagg_err err = DISAGG_ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		err = (struct disagg_err)DISAGG_ERR_INIT;
		task = task_of(rows[i].role, rows[i].index, rows[i].node, rows[i].id);
		env_of(plan, &task, &err);
		has_str(err.text, rows[i].error, rows[i].error);
	}
	task = task_of("etcd", -1, 0, 0);
	task.hosts = &two;
	env_of(plan, &task, &err);
	is_str(err.text, "the plan needs 3 nodes but the job has 2", "a job that is too small");
	task = task_of("prefill", 0, 0, 0);
	task.getenv = NULL;
	env_of(plan, &task, &err);
	is_str(err.text,
		"variable 'HF_TOKEN' of role 'prefill' is ${env:HF_TOKEN}, and 'HF_TOKEN' "
		"is not set in the job",
		"a reference to nothing");
	is_int(err.code, DISAGG_MISSING, "is something missing");
}

/* One step over the whole plan: node, local id -> worker and rank. */
static void test_whole_step(struct disagg_arena *arena)
{
	static const struct {
		uint32_t step_nodes, node, local_id, local_tasks;
		const char *worker, *rank, *gpus;
	} rows[] = {
		{3, 0, 0, 2, "prefill_0", "0", "0,1"},
		{3, 0, 1, 2, "prefill_1", "0", "2,3"},
		{3, 1, 0, 2, "decode-big_0", "0", "0,1,2,3"},
		{3, 1, 1, 2, "decode-big_0", "1", "0,1,2,3"},
		{3, 2, 0, 2, "decode-big_0", "2", "0,1"},
		{3, 2, 1, 2, "decode-big_1", "0", "2,3"},
		{3, 2, 2, 4, NULL, NULL, NULL},
		{3, 0, 0, 1, NULL, NULL, NULL},
		{2, 0, 0, 2, NULL, NULL, NULL},
		{0, 0, 0, 1, NULL, NULL, NULL},
	};
	struct disagg_plan *plan = hand_plan(arena, DISAGG_NATIVE);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_task task = task_of(NULL, -1, rows[i].node, 9);
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_envlist env;

		task.step_nodes = rows[i].step_nodes;
		task.local_id = rows[i].local_id;
		task.local_tasks = rows[i].local_tasks;
		env = env_of(plan, &task, &err);
		is_str(err.text, "", "a step without a role");
		has_env(&env, "DISAGG_WORKER", rows[i].worker);
		has_env(&env, "DISAGG_RANK", rows[i].rank);
		has_env(&env, "CUDA_VISIBLE_DEVICES", rows[i].gpus);
		has_env(&env, "DISAGG_JOB_NAME", "demo");
		has_env(&env, "DISAGG_PREFILL_ENDPOINTS", "na:6100,na:6132");
	}
}

/* ---- dialects ---- */

static void test_serving_type(struct disagg_arena *arena)
{
	static const struct {
		const char *role;
		int index;
		uint32_t node;
		const char *want;
	} rows[] = {
		{"prefill", 1, 0, "CTX_1"},
		{"decode-big", 0, 1, "GEN_0"},
		{"frontend", 0, 1, "DISAGG_SERVER"},
		{"benchmark", -1, 2, "BENCHMARK"},
		{"etcd", -1, 0, NULL},
	};
	struct disagg_plan *plan = hand_plan(arena, DISAGG_TRTLLM);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_task task = task_of(rows[i].role, rows[i].index, rows[i].node, 0);
		struct disagg_envlist env = env_of(plan, &task, NULL);

		has_env(&env, "DISAGG_SERVING_TYPE", rows[i].want);
	}
}

static void test_srt(struct disagg_arena *arena)
{
	struct disagg_plan *plan = hand_plan(arena, DISAGG_SRTCTL);
	struct disagg_task task = task_of("benchmark", -1, 2, 0);
	struct disagg_kv own = {.key = "SRT_FRONTEND_PORT", .value = "1"};
	struct disagg_envlist env = env_of(plan, &task, NULL);

	has_env(&env, "SRTCTL_FRONTEND_TYPE", "dynamo");
	has_env(&env, "SRT_FRONTEND_HOST", "na");
	has_env(&env, "SRT_FRONTEND_PORT", "8000");
	has_env(&env, "SRT_PREFILL_IPS", "na,na");
	has_env(&env, "SRT_PREFILL_ENDPOINTS", "na:7500,na:7501");
	has_env(&env, "SRT_DECODE_IPS", "nb,nc");
	has_env(&env, "SRT_DECODE_ENDPOINTS", "nb:7502,nc:7504");
	has_env(&env, "SRT_AGG_IPS", NULL);
	has_env(&env, "SRT_AGG_ENDPOINTS", NULL);
	has_env(&env, "AIPERF_SERVER_METRICS_URLS",
		"http://na:7500/metrics,"
		"http://na:7501/metrics,http://nb:7502/metrics,http://nc:7504/metrics");
	plan->role[3].engine = DISAGG_E_SGLANG_ROUTER;
	plan->role[5].env = (struct disagg_map){&own, 1};
	env = env_of(plan, &task, NULL);
	has_env(&env, "SRTCTL_FRONTEND_TYPE", "sglang");
	has_env(&env, "SRT_DECODE_ENDPOINTS", "nb:6100,nc:6100");
	has_env(&env, "SRT_FRONTEND_PORT", "1");
	plan->role[1].engine = DISAGG_E_TRTLLM;
	task = task_of("decode-big", 1, 2, 0);
	env = env_of(plan, &task, NULL);
	has_env(&env, "WHERE", "{node}/{node_id}/{other}");
	has_env(&env, "SRT_FRONTEND_HOST", NULL);
	plan->role[3].env = (struct disagg_map){plan->role[1].env.v + 1, 1};
	task = task_of("frontend", 0, 1, 0);
	env = env_of(plan, &task, NULL);
	has_env(&env, "WHERE", "{node}/{node_id}/{other}");
	plan->dialect = DISAGG_NATIVE;
	task = task_of("benchmark", -1, 2, 0);
	env = env_of(plan, &task, NULL);
	has_env(&env, "SRT_FRONTEND_HOST", NULL);
}

static void test_data_parallel(struct disagg_arena *arena)
{
	struct disagg_plan *plan = hand_plan(arena, DISAGG_NATIVE);
	struct disagg_task task = task_of("decode-big", 0, 1, 1);
	struct disagg_envlist env;

	plan->process[3].node = 1;
	plan->process[2].gpu_count = 2;
	plan->process[2].tasks = 1;
	plan->process[3].gpu_first = 2;
	plan->worker[2].tasks = 2;
	env = env_of(plan, &task, NULL);
	has_env(&env, "DISAGG_NODES", "1");
	has_env(&env, "DISAGG_NODE_RANK", "0");
	has_env(&env, "DISAGG_RANK", "1");
	has_env(&env, "CUDA_VISIBLE_DEVICES", "2,3");
}

static void test_out_of_memory(struct disagg_arena *arena)
{
	struct disagg_plan *plan = hand_plan(arena, DISAGG_SRTCTL);
	struct disagg_task task = task_of("benchmark", -1, 2, 0);
	unsigned full = env_of(plan, &task, NULL).count;
	bool done = false;
	long n;

	for (n = 0; n < 300 && !done; n++) {
		struct disagg_arena small = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_envlist env;

		disagg_envlist_init(&env, &small);
		disagg_alloc_fail_after(n);
		done = disagg_taskenv(plan, &task, &env, &err) == 0;
		disagg_alloc_fail_after(-1);
		if (done ? env.count != full : env.count || err.code != DISAGG_SYSTEM)
			ok(false, "all variables, or a system error and none");
		disagg_arena_release(&small);
	}
	ok(done && n > 5, "works once every allocation has failed in turn");
}

int main(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;

	test_worker(&arena);
	test_ports(&arena);
	test_gpus(&arena);
	test_one_gpu_message(&arena);
	test_bad_tasks(&arena);
	test_whole_step(&arena);
	test_serving_type(&arena);
	test_srt(&arena);
	test_data_parallel(&arena);
	test_out_of_memory(&arena);
	disagg_arena_release(&scratch);
	disagg_arena_release(&arena);
	return tap_done();
}
