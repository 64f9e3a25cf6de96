/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/client.h"
#include "tests/unit/enginecase.h"

/* Who measures what, as "argv" lines: the file's client, then disagg-bench. */
struct client_case {
	const char *name, *yaml;
	const char *needs;	/* "script ...", "module ..." or "nothing" */
	const char *own, *load; /* NULL: not looked at */
	const char *result;	/* of the last run; "" none; NULL: not looked at */
	const char *note;	/* or why disagg-bench does not; NULL: neither */
};

#define SRT(backend, bench)                                                                        \
	"name: x\nmodel: {path: /m/qwen, container: i, precision: fp8}\n"                          \
	"resources: {gpu_type: h100, gpus_per_node: 4, prefill_nodes: 1, decode_nodes: 1,"         \
	" prefill_workers: 1, decode_workers: 1}\n"                                                \
	"backend: {type: " backend "}\n"                                                           \
	"frontend: {enable_multiple_frontends: false}\nbenchmark: {" bench "}\n"
#define NATIVE(bench)                                                                              \
	"disagg: 1\nname: x\ngpus_per_node: 4\nmodel: {path: /m/q, served_name: Q}\nroles:\n"      \
	"  agg: {engine: sglang, workers: 2, gpus: 2}\n"                                           \
	"  router: {engine: sglang_router, port: 9000, after: [agg]}\nbenchmark: {" bench "}\n"
#define TRT(bench, rest)                                                                           \
	"slurm: {partition: p, account: a, job_time: '01:00:00', numa_bind: true}\n"               \
	"benchmark: {streaming: true, " bench "}\n"                                                \
	"hardware: {gpus_per_node: 4, num_ctx_servers: 1, num_gen_servers: 2}\n"                   \
	"environment: {model_path: /m/r1, container_image: i, work_dir: /w}\n"                     \
	"worker_config:\n  gen: {tensor_parallel_size: 2}\n  ctx: {tensor_parallel_size: 4}\n" rest
#define LENGTHS "input_length: 8, output_length: 9, "
#define JUDGE	"it judges answers"
#define SA_RUN                                                                                     \
	"python3 /tmp/bench_serving/benchmark_serving.py --model /m/r1 --host h0 --port 8333 "     \
	"--dataset-name random --random-input-len 8 --random-output-len 9 --random-range-ratio "   \
	"0.5 "
#define SA_END	 "--trust-remote-code --ignore-eos --use-chat-template --save-result --result-dir "
#define MEASURES " --result-filename result.json --percentile-metrics ttft,tpot,itl,e2el"

static const struct client_case cases[] = {
	{"sa-bench, with its defaults",
		SRT("sglang", "type: sa-bench, isl: 1024, osl: 128, concurrencies: 4x8"),
		"script /srtctl-benchmarks/sa-bench/bench.sh",
		"bash /srtctl-benchmarks/sa-bench/bench.sh http://h0:8000 1024 128 4x8 inf /m/qwen "
		"qwen true 8 4 4 0.8 10 2  true random  false\n",
		"disagg-bench --url=http://h0:8000 --model=qwen --concurrency=4,8 --isl=1024 "
		"--osl=128 --range-ratio=0.8 --prompts=10x --warmup=2x --gpus=8 --prefill-gpus=4 "
		"--decode-gpus=4 --output-dir=/run/7/results\n",
		"results/sa-bench_isl_1024_osl_128/results_concurrency_8_gpus_8_ctx_4_gen_4.json",
		NULL},
	{"sa-bench, all of its keys",
		SRT("vllm", "type: sa-bench, isl: 8, osl: 9, concurrencies: [1], req_rate: 2.5, "
			    "random_range_ratio: 1, num_prompts_mult: 5, num_warmup_mult: 0, "
			    "custom_tokenizer: a.B, use_chat_template: false, "
			    "reuse_http_connections: true"),
		"script /srtctl-benchmarks/sa-bench/bench.sh",
		"bash /srtctl-benchmarks/sa-bench/bench.sh http://h0:8000 8 9 1 2.5 /m/qwen qwen "
		"true 8 4 4 1.0 5 0 a.B false random  true\n",
		"disagg-bench --url=http://h0:8000 --model=qwen --concurrency=1 "
		"--request-rate=2.5 --isl=8 --osl=9 --range-ratio=1.0 --prompts=5x --warmup=0x "
		"--gpus=8 --prefill-gpus=4 --decode-gpus=4 --output-dir=/run/7/results\n",
		NULL, NULL},
	{"sa-bench with a dataset that says how long its prompts are",
		SRT("sglang", "type: sa-bench, isl: 8, osl: 9, concurrencies: [1], "
			      "dataset_name: custom, dataset_path: /d.jsonl"),
		"script /srtctl-benchmarks/sa-bench/bench.sh",
		"bash /srtctl-benchmarks/sa-bench/bench.sh http://h0:8000 8 9 1 inf /m/qwen qwen "
		"true 8 4 4 0.8 10 2  true custom /d.jsonl false\n",
		NULL, "", "with random words in place of the prompts of the file's dataset"},
	{"and one that does not",
		SRT("sglang", "type: sa-bench, concurrencies: [1], dataset_name: custom, "
			      "dataset_path: /d.jsonl"),
		"script /srtctl-benchmarks/sa-bench/bench.sh",
		"bash /srtctl-benchmarks/sa-bench/bench.sh http://h0:8000 0 0 1 inf /m/qwen qwen "
		"true 8 4 4 0.8 10 2  true custom /d.jsonl false\n",
		"", "", "its prompts are in a file, and no isl: and osl: say how long they are"},
	{"sglang's own client, a run each concurrency",
		SRT("sglang", "type: sglang-bench, isl: 8, osl: 9, concurrencies: 1x16"),
		"module sglang",
		"python3 -m sglang.bench_serving --backend sglang-oai --model qwen --tokenizer "
		"/m/qwen --host h0 --port 8000 --dataset-name random --max-concurrency 1 "
		"--num-prompts 128 --random-input-len 8 --random-output-len 9 "
		"--random-range-ratio 1 --request-rate inf --warmup-requests 0 --output-file "
		"/run/7/results/sglang-bench_isl_8_osl_9/"
		"results_concurrency_1_gpus_8_ctx_4_gen_4.jsonl\n"
		"python3 -m sglang.bench_serving --backend sglang-oai --model qwen --tokenizer "
		"/m/qwen --host h0 --port 8000 --dataset-name random --max-concurrency 16 "
		"--num-prompts 128 --random-input-len 8 --random-output-len 9 "
		"--random-range-ratio 1 --request-rate inf --warmup-requests 0 --output-file "
		"/run/7/results/sglang-bench_isl_8_osl_9/"
		"results_concurrency_16_gpus_8_ctx_4_gen_4.jsonl\n",
		"disagg-bench --url=http://h0:8000 --model=qwen --concurrency=1,16 --isl=8 --osl=9 "
		"--range-ratio=1 --prompts=128 --warmup=0 --gpus=8 --prefill-gpus=4 "
		"--decode-gpus=4 --output-dir=/run/7/results\n",
		"results/sglang-bench_isl_8_osl_9/results_concurrency_16_gpus_8_ctx_4_gen_4.jsonl",
		NULL},
	{"gpqa asks questions", SRT("sglang", "type: gpqa, num_examples: 10"),
		"script /srtctl-benchmarks/gpqa/bench.sh",
		"bash /srtctl-benchmarks/gpqa/bench.sh http://h0:8000 10 32768 8 128\n", "", "",
		JUDGE},
	{"mmlu", SRT("sglang", "type: mmlu, max_tokens: 7, repeat: 1, num_threads: 2"),
		"script /srtctl-benchmarks/mmlu/bench.sh",
		"bash /srtctl-benchmarks/mmlu/bench.sh http://h0:8000 200 7 1 2\n", "", "", JUDGE},
	{"longbenchv2", SRT("sglang", "type: longbenchv2, categories: [a, b]"),
		"script /srtctl-benchmarks/longbenchv2/bench.sh",
		"bash /srtctl-benchmarks/longbenchv2/bench.sh http://h0:8000 128000 16 16384  a,b\n",
		"", "", JUDGE},
	{"lm-eval", SRT("sglang", "type: lm-eval"), "script /srtctl-benchmarks/lm-eval/bench.sh",
		"bash /srtctl-benchmarks/lm-eval/bench.sh http://h0:8000 /infmax-workspace\n", "",
		"", JUDGE},
	{"gsm8k", SRT("sglang", "type: gsm8k, temperature: 1, top_p: 0.5, top_k: 3"),
		"script /srtctl-benchmarks/gsm8k/sglang-bench.sh",
		"bash /srtctl-benchmarks/gsm8k/sglang-bench.sh http://h0:8000 1319 16384 512 5 1.0 "
		"0.5 3\n",
		"", "", JUDGE},
	{"gsm8k of vLLM", SRT("vllm", "type: gsm8k"),
		"script /srtctl-benchmarks/gsm8k/vllm-bench.sh",
		"bash /srtctl-benchmarks/gsm8k/vllm-bench.sh http://h0 8000 qwen 1319 256 5 0.0 1\n",
		"", "", JUDGE},
	{"a trace",
		SRT("sglang", "type: trace-replay, trace_file: /t.jsonl, concurrencies: [4, 8], "
			      "aiperf_args: {a: 1, b: true, c: false}"),
		"script /srtctl-benchmarks/trace-replay/bench.sh",
		"bash /srtctl-benchmarks/trace-replay/bench.sh http://h0:8000 qwen /t.jsonl 4,8 2000 "
		"25 /m/qwen --a 1 --b\n",
		"", "", "it replays a trace"},
	{"a trace of Mooncake's",
		SRT("sglang", "type: mooncake-router, mooncake_workload: toolagent, "
			      "ttft_threshold_ms: 5"),
		"script /srtctl-benchmarks/mooncake-router/bench.sh",
		"bash /srtctl-benchmarks/mooncake-router/bench.sh http://h0:8000 qwen toolagent 5 25 "
		"/m/qwen\n",
		"", "", "it replays a trace"},
	{"native: the port of the file, GPUs of workers that are not apart",
		NATIVE("type: sa-bench, isl: 8, osl: 9, concurrencies: [1, 2], request_rate: 4, "
		       "num_prompts_mult: 3"),
		"script /srtctl-benchmarks/sa-bench/bench.sh",
		"bash /srtctl-benchmarks/sa-bench/bench.sh http://h0:9000 8 9 1x2 4 /m/q Q false 4 0 "
		"0 0.8 3 2  true random  false\n",
		"disagg-bench --url=http://h0:9000 --model=Q --concurrency=1,2 --request-rate=4 "
		"--isl=8 --osl=9 --range-ratio=0.8 --prompts=3x --warmup=2x --gpus=4 "
		"--output-dir=/run/7/results\n",
		"results/sa-bench_isl_8_osl_9/results_concurrency_2_gpus_4.json", NULL},
	{"native: a router's benchmark",
		NATIVE("type: router, prefix_ratios: [0.1, 0.5], num_requests: 3"),
		"script /srtctl-benchmarks/router/bench.sh",
		"bash /srtctl-benchmarks/router/bench.sh http://h0:9000 14000 200 3 20 0.1 0.5\n",
		"", "", "it measures prompts that share a prefix"},
	{"TensorRT-LLM: its client, a dataset",
		TRT(LENGTHS "mode: e2e, concurrency_list: '1 4', multi_round: 3, dataset_file: /d",
			""),
		"module tensorrt_llm",
		"python3 -m tensorrt_llm.serve.scripts.benchmark_serving --model /m/r1 "
		"--dataset-name random --random-ids --random-input-len 100 --random-output-len 10 "
		"--num-prompts 16 --host h0 --port 8333 --ignore-eos --non-streaming "
		"--trust-remote-code\n"
		"python3 -m tensorrt_llm.serve.scripts.benchmark_serving --model /m/r1 --backend "
		"openai --host h0 --port 8333 --dataset-name trtllm_custom --dataset-path /d "
		"--num-prompts 6 --max-concurrency 2 --trust-remote-code --ignore-eos "
		"--no-test-input --save-result --result-dir /run/7/results/concurrency_2" MEASURES
		"\n"
		"python3 -m tensorrt_llm.serve.scripts.benchmark_serving --model /m/r1 --backend "
		"openai --host h0 --port 8333 --dataset-name trtllm_custom --dataset-path /d "
		"--num-prompts 24 --max-concurrency 8 --trust-remote-code --ignore-eos "
		"--no-test-input --save-result --result-dir /run/7/results/concurrency_8" MEASURES
		"\n",
		"disagg-bench --url=http://h0:8333 --model=r1 --concurrency=16 --prompts=16 "
		"--warmup=0 --isl=100 --osl=10 --range-ratio=1 --no-stream\n"
		"disagg-bench --url=http://h0:8333 --model=r1 --concurrency=2,8 --isl=8 --osl=9 "
		"--range-ratio=1 --prompts=3x --warmup=0 --gpus=8 --prefill-gpus=4 --decode-gpus=4 "
		"--output-dir=/run/7/results\n",
		"results/concurrency_8/result.json",
		"with random words in place of the prompts of dataset_file"},
	{"TensorRT-LLM: gen_only, no dataset, no streaming",
		"slurm: {partition: p, account: a, job_time: '01:00:00', numa_bind: true}\n"
		"benchmark: {streaming: false, " LENGTHS
		"mode: gen_only, concurrency_list: 4, dataset_file: <dataset_file>}\n"
		"hardware: {gpus_per_node: 4, num_ctx_servers: 1, num_gen_servers: 1}\n"
		"environment: {model_path: /m/r1, container_image: i, work_dir: /w}\n"
		"worker_config:\n  gen: {tensor_parallel_size: 2}\n"
		"  ctx: {tensor_parallel_size: 4}\n",
		"module tensorrt_llm",
		"python3 -m tensorrt_llm.serve.scripts.benchmark_serving --model /m/r1 --backend "
		"openai --host h0 --port 8333 --dataset-name random --random-ids "
		"--random-input-len 8 --random-output-len 9 --num-prompts 4 --max-concurrency 4 "
		"--trust-remote-code --ignore-eos --no-test-input --save-result --result-dir "
		"/run/7/results/concurrency_4" MEASURES " --non-streaming\n",
		"disagg-bench --url=http://h0:8333 --model=r1 --concurrency=4 --isl=8 --osl=9 "
		"--range-ratio=1 --prompts=1x --warmup=0 --no-stream --gpus=6 --prefill-gpus=4 "
		"--decode-gpus=2 --output-dir=/run/7/results\n",
		"results/concurrency_4/result.json", NULL},
	{"TensorRT-LLM: SemiAnalysis' client",
		TRT(LENGTHS "mode: gen_only_no_context, concurrency_list: [1], multi_round: 2, "
			    "use_nv_sa_benchmark: true, benchmark_ratio: 0.5",
			""),
		"script /tmp/bench_serving/benchmark_serving.py",
		SA_RUN "--num-prompts 4 --max-concurrency 2 " SA_END
		       "/run/7/results/concurrency_2" MEASURES "\n",
		"disagg-bench --url=http://h0:8333 --model=r1 --concurrency=2 --isl=8 --osl=9 "
		"--range-ratio=0.5 --prompts=2x --warmup=0 --gpus=4 --output-dir=/run/7/results\n",
		NULL, NULL},
	{"TensorRT-LLM: another client",
		TRT(LENGTHS "mode: e2e, concurrency_list: [1], benchmark_client: agentx", ""),
		"nothing", "", "", "", "it is not known what it sends"},
};

static const char *joined(struct built *b, const struct disagg_client_runs *runs)
{
	struct disagg_strbuf text;
	const char *copy;

	disagg_strbuf_init(&text, 0);
	for (unsigned i = 0; i < runs->count; i++) {
		for (unsigned k = 0; k < runs->v[i].argc; k++)
			disagg_strbuf_printf(&text, "%s%s", k ? " " : "", runs->v[i].argv[k]);
		disagg_strbuf_puts(&text, "\n");
		ok(!runs->v[i].argv[runs->v[i].argc], "argv ends with NULL");
	}
	copy = disagg_arena_strdup(&b->jt.arena, text.text);
	disagg_strbuf_release(&text);
	return copy;
}

static int client_of(struct built *b, struct disagg_client *ret)
{
	int role = role_index(b, "benchmark");

	for (uint32_t i = 0; role >= 0 && i < b->plan->service_count; i++) {
		if (b->plan->service[i].role == (uint32_t)role)
			return disagg_engine_client(
				&b->jt.arena, b->jt.job, b->plan, i, &site, ret, &b->err);
	}
	return -1;
}

static void check(const struct client_case *one)
{
	struct disagg_client client;
	struct built b;
	char needs[128];

	begin(&b, one->yaml);
	if (!ok(b.plan && client_of(&b, &client) == 0, one->name)) {
		printf("# %s\n", b.err.text);
		jobtext_release(&b.jt);
		return;
	}
	snprintf(needs, sizeof(needs), "%s%s",
		client.script	? "script "
		: client.module ? "module "
				: "nothing",
		client.script	? client.script
		: client.module ? client.module
				: "");
	is_str(needs, one->needs, "what it needs");
	is_str(joined(&b, &client.own), one->own, "the file's client");
	if (one->load)
		is_str(joined(&b, &client.load), one->load, "disagg-bench");
	if (one->result && client.own.count) {
		const char *result = client.own.v[client.own.count - 1].result;

		is_str(result ? result : "", one->result, "its result");
	}
	is_str(client.no_load ? client.no_load : client.note, one->note, "how they differ");
	ok(!client.no_load == !!client.load.count, "a load, or a reason why not");
	jobtext_release(&b.jt);
}

/* ---- accuracy ---- */

static void check_accuracy(const char *name, const char *section, const char *want)
{
	struct disagg_client client = {0};
	struct built b;

	begin(&b, section);
	ok(b.plan && client_of(&b, &client) == 0, name);
	is_str(joined(&b, &client.after), want, "what is asked");
	is_str(client.program, want[0] ? "lm_eval" : NULL, "and by whom");
	jobtext_release(&b.jt);
}

static void test_accuracy(void)
{
	check_accuracy("accuracy that is off",
		TRT(LENGTHS "mode: e2e, concurrency_list: [1]",
			"accuracy: {enable_accuracy_test: false, tasks: gsm8k}\n"),
		"");
	check_accuracy("one set of settings",
		TRT(LENGTHS "mode: e2e, concurrency_list: [1]",
			"accuracy: {enable_accuracy_test: true, model: local-completions, tasks: "
			"'gsm8k,gpqa', model_args_extra: 'a=1,b=2'}\n"),
		"lm_eval --model local-completions --tasks gsm8k,gpqa --model_args "
		"model=/m/r1,base_url=http://h0:8333/v1/completions,a=1,b=2 --log_samples "
		"--output_path /run/7/results/accuracy_eval_gsm8k,gpqa\n");
	check_accuracy("accuracy alone",
		TRT(LENGTHS "mode: e2e, concurrency_list: [1], enable_benchmark: false",
			"accuracy: {enable_accuracy_test: True, tasks: gsm8k}\n"),
		"lm_eval --model local-completions --tasks gsm8k --model_args "
		"model=/m/r1,base_url=http://h0:8333/v1/completions --log_samples --output_path "
		"/run/7/results/accuracy_eval_gsm8k\n");
	check_accuracy("a map of tasks",
		TRT(LENGTHS "mode: e2e, concurrency_list: [1]",
			"accuracy:\n  enable_accuracy_test: true\n  tasks:\n"
			"    gsm8k: {model: local-completions, model_args_extra: x=1}\n"
			"    gpqa: {model: local-chat-completions, model_args_extra: '', "
			"extra_kwargs: {apply_chat_template: true, off: false, n: 3, "
			"custom_config: /c/d/gpqa.yaml}}\n"),
		"lm_eval --model local-completions --tasks gsm8k --model_args "
		"model=/m/r1,base_url=http://h0:8333/v1/completions,x=1 --log_samples "
		"--output_path /run/7/results/accuracy_eval_gsm8k\n"
		"lm_eval --model local-chat-completions --tasks gpqa --model_args "
		"model=/m/r1,base_url=http://h0:8333/v1/chat/completions --log_samples "
		"--output_path /run/7/results/accuracy_eval_gpqa --include_path=/c/d "
		"--apply_chat_template --n=3\n");
}

/* ---- variables: addresses, and the file's own go first ---- */

static void test_env(void)
{
	static const struct {
		const char *name, *want;
	} want[] = {
		{"SRT_FRONTEND_HOST", "10.0.0.0"},
		{"SRT_FRONTEND_PORT", NULL},
		{"SRT_PREFILL_ENDPOINTS", "10.0.0.0:7500"},
		{"SRT_DECODE_IPS", "10.0.0.1"},
		{"SRT_AGG_IPS", NULL},
		{"AIPERF_SERVER_METRICS_URLS",
			"http://10.0.0.0:7500/metrics,http://10.0.0.1:7501/metrics"},
		{"AIPERF_PACKAGE", "aiperf>=1"},
		{"BASE_DIR", "/run/7/results"},
		{"PROFILE_TYPE", "torch"},
		{"PROFILE_PREFILL_START_STEP", "3"},
		{"PROFILE_DECODE_STOP_STEP", "9"},
		{"PROFILE_DECODE_ENDPOINTS", "10.0.0.1:7501"},
		{"PROFILE_OUTPUT_DIR", "/run/7/profiles"},
		{"BENCH_MODEL_NAME", "qwen"},
		{"HEAD_NODE", "h0"},
		{"HEAD_PORT", "8000"},
		{"PROFILING_BACKEND", NULL},
		{"DYNAMO_VERSION", "1.2"},
	};
	struct disagg_client client;
	struct built b;

	begin(&b,
		SRT("sglang",
			"type: trace-replay, trace_file: /t, concurrencies: [1], "
			"aiperf_package: 'aiperf>=1'") "environment: {SRT_FRONTEND_PORT: '1'}\ndynamo: {wheel: '1.2'}\n"
						       "profiling: {type: torch, prefill: {start_step: 3, stop_step: 4}, "
						       "decode: {start_step: 8, stop_step: 9}}\n");
	if (ok(b.plan && client_of(&b, &client) == 0, "a client with variables")) {
		for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
			is_str(disagg_envlist_get(&client.env, want[i].name), want[i].want,
				want[i].name);
	}
	jobtext_release(&b.jt);
}

/* A custom benchmark is a command of its own, with the same variables. */
static void test_custom(void)
{
	struct built b;

	begin(&b, SRT("sglang", "type: custom, command: 'run $SRT_FRONTEND_HOST', env: "
				"{SRT_DECODE_IPS: mine}"));
	if (ok(b.plan && build_of(&b, "benchmark", 0, 0) == 0, "a custom benchmark")) {
		is_str(joined_argv(&b), "bash -lc run $SRT_FRONTEND_HOST", "is a shell's line");
		has_str(joined_env(&b), "SRT_FRONTEND_HOST=10.0.0.0|SRT_FRONTEND_PORT=8000|",
			"with addresses");
		is_str(disagg_envlist_get(&b.command.env, "SRT_DECODE_IPS"), NULL,
			"where the file has none of its own");
	}
	jobtext_release(&b.jt);
}

static void test_slow_down(void)
{
	struct disagg_client client;
	struct built b;

	begin(&b, "name: x\nmodel: {path: /m/qwen, container: i, precision: fp8}\n"
		  "resources: {gpu_type: h100, gpus_per_node: 4, prefill_nodes: 1, "
		  "decode_nodes: 1, prefill_workers: 1, decode_workers: 1}\n"
		  "backend: {type: sglang}\nfrontend: {type: sglang, enable_multiple_frontends: "
		  "false}\nbenchmark: {type: sa-bench, isl: 1, osl: 1, concurrencies: [1], "
		  "slow_down_sleep_time: 2, slow_down_wait_time: 60.5}\n");
	if (ok(b.plan && client_of(&b, &client) == 0, "workers that are slowed down")) {
		is_str(disagg_envlist_get(&client.env, "SA_BENCH_SLOW_DOWN_URLS"),
			"http://10.0.0.1:6100", "the decode workers");
		is_str(disagg_envlist_get(&client.env, "SA_BENCH_SLOW_DOWN_SLEEP_TIME"), "2.0",
			"for how long");
		is_str(disagg_envlist_get(&client.env, "SA_BENCH_SLOW_DOWN_WAIT_TIME"), "60.5",
			"until when");
	}
	jobtext_release(&b.jt);
}

static void test_no_memory(void)
{
	unsigned failed = 0, odd = 0;
	struct built b;
	int result = -1;

	begin(&b, TRT(LENGTHS "mode: e2e, concurrency_list: '1 2 3'", ""));
	for (long i = 0; b.plan && result && i < 20000; i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_client client = {.name = "untouched"};

		memset(&b.err, 0, sizeof(b.err));
		disagg_alloc_fail_after(i);
		result = disagg_engine_client(&arena, b.jt.job, b.plan, b.plan->service_count - 1,
			&site, &client, &b.err);
		disagg_alloc_fail_after(-1);
		failed += result != 0;
		odd += result &&
		       (b.err.code != DISAGG_SYSTEM || strcmp(client.name, "untouched") != 0);
		disagg_arena_release(&arena);
	}
	is_int(result, 0, "with memory it works");
	ok(failed > 0, "and without it fails");
	is_int(odd, 0, "as out of memory, and returns nothing");
	jobtext_release(&b.jt);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i]);
	test_accuracy();
	test_env();
	test_custom();
	test_slow_down();
	test_no_memory();
	return tap_done();
}
