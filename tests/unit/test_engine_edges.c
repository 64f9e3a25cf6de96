/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/enginecase.h"

/*
 * TensorRT-LLM servers whose worlds do not fill nodes, flags that stand where
 * a launch of several processes has its own.
 */
#define TRT(mode, ctx_servers, gen_servers, workers, rest)                                         \
	"slurm: {partition: p, account: a, job_time: '01:00:00', numa_bind: false}\n"              \
	"benchmark: {mode: " mode ", concurrency_list: '64', input_length: 8, "                    \
	"output_length: 8, streaming: true}\n"                                                     \
	"hardware: {gpus_per_node: 4, num_ctx_servers: " ctx_servers                               \
	", num_gen_servers: " gen_servers "}\n"                                                    \
	"environment:\n  model_path: /m/r1\n  container_image: i\n  work_dir: /w\n"                \
	"  worker_env_var: A=1 B=x=y C=1,2\n  gen_worker_env_var: B=2\n" rest                      \
	"worker_config:\n" workers
#define TP6 "  gen: {tensor_parallel_size: 6, enable_attention_dp: true, max_batch_size: 2}\n"
#define CP2                                                                                        \
	"  gen: {tensor_parallel_size: 2, context_parallel_size: 2, pipeline_parallel_size: 2}\n"
#define ONE "  ctx: {tensor_parallel_size: 1}\n"
#define NEWER                                                                                      \
	"  ctx: {tensor_parallel_size: 4, num_serve_frontends: 8, pool: [0.22, 1e-5, 1.0e-05], "   \
	"host_cache_size: 193273528320, cuda_graph_config: null, moe_config: "                     \
	"{load_balancer: /a/b.yaml}, custom_tokenizer: deepseek_v4, on: 'off', e: {}, l: []}\n"

static const struct engine_case cases[] = {
	{"TP6 on nodes of four: its own world, attention data parallel capacity",
		TRT("gen_only", "1", "1", TP6 ONE, ""), "decode", 0, 0,
		"trtllm-llmapi-launch trtllm-serve /m/r1 --host h0 --port 8000 --config "
		"/run/7/gen_config.yaml",
		"TRTLLM_DISABLE_KV_CACHE_TRANSFER_OVERLAP=1|TLLM_BENCHMARK_REQ_QUEUES_SIZE=12",
		"gen_config.yaml\ntensor_parallel_size: 6\nenable_attention_dp: true\n"
		"max_batch_size: 2\n"},
	{"TP6: its second node is part of it", TRT("e2e", "1", "1", TP6 ONE, ""), "decode", 0, 1,
		"trtllm-llmapi-launch trtllm-serve /m/r1 --host h0 --port 8000 --config "
		"/run/7/gen_config.yaml",
		"UCX_TLS=(unset)", NULL},
	{"TP6: the context server is on a node of its own", TRT("e2e", "1", "1", TP6 ONE, ""),
		"prefill", 0, 0,
		"trtllm-llmapi-launch trtllm-serve /m/r1 --host h2 --port 8000 --config "
		"/run/7/ctx_config.yaml",
		NULL, "ctx_config.yaml\ntensor_parallel_size: 1\n"},
	{"context parallelism counts", TRT("e2e", "1", "1", CP2 ONE, ""), "decode", 0, 1,
		"trtllm-llmapi-launch trtllm-serve /m/r1 --host h0 --port 8000 --config "
		"/run/7/gen_config.yaml",
		NULL,
		"gen_config.yaml\ntensor_parallel_size: 2\ncontext_parallel_size: 2\n"
		"pipeline_parallel_size: 2\n"},
	{"servers of one node have ports of their own",
		TRT("e2e", "4", "1, compact_packing: true",
			"  gen: {tensor_parallel_size: 4}\n" ONE, ""),
		"prefill", 3, 0,
		"trtllm-llmapi-launch trtllm-serve /m/r1 --host h1 --port 8003 --config "
		"/run/7/ctx_config.yaml",
		NULL, NULL},
	{"keys of newer files, with their types",
		TRT("e2e", "1", "1", "  gen: {tensor_parallel_size: 4}\n" NEWER, ""), "prefill", 0,
		0,
		"trtllm-llmapi-launch trtllm-serve /m/r1 --host h1 --port 8000 --config "
		"/run/7/ctx_config.yaml",
		"UCX_TLS=(unset)",
		"ctx_config.yaml\ntensor_parallel_size: 4\nnum_serve_frontends: 8\npool:\n"
		"  - 0.22\n  - \"1e-5\"\n  - 1.0e-05\nhost_cache_size: 193273528320\n"
		"cuda_graph_config: null\nmoe_config:\n  load_balancer: \"/a/b.yaml\"\n"
		"custom_tokenizer: \"deepseek_v4\"\n\"on\": \"off\"\ne: {}\nl: []\n"},
	{"nsys without a range has the harness's",
		TRT("e2e", "1", "1", TP6 ONE, "") "profiling: {nsys_on: true}\n", "prefill", 0, 0,
		"nsys profile -t cuda,nvtx,python-gil -c cudaProfilerApi --cuda-graph-trace node "
		"--capture-range-end=stop --gpu-metrics-devices=none -f true -o "
		"/run/7/profiles/prefill/prefill_0_rank%q{SLURM_PROCID} trtllm-llmapi-launch "
		"trtllm-serve /m/r1 --host h2 --port 8000 --config /run/7/ctx_config.yaml",
		"TLLM_PROFILE_START_STOP=10-30", NULL},
	{"routers and settings of the disaggregated server",
		TRT("e2e", "2", "1", TP6 ONE,
			"") "ctx_router_config: {type: conversation}\ngen_router_config: {type: round_robin}\n"
			    "server_config_extra: {port: 9000, server_keep_alive_timeout: 3600}\n",
		"frontend", 0, 0,
		"trtllm-serve disaggregated -c /run/7/server_config.yaml -t 7200 -r 7200", "",
		"server_config.yaml\nbackend: \"pytorch\"\nhostname: \"h0\"\ncontext_servers:\n"
		"  num_instances: 2\n  urls:\n  - \"h2:8000\"\n  - \"h3:8000\"\n  router:\n"
		"    type: \"conversation\"\ngeneration_servers:\n  num_instances: 1\n  urls:\n"
		"  - \"h0:8000\"\n  router:\n    type: \"round_robin\"\nport: 9000\n"
		"server_keep_alive_timeout: 3600\n"},
	{"vllm, a process a GPU: flags that are not of its ranks stay",
		"name: x\nmodel: {path: /m/q, container: i, precision: fp8}\nbackend:\n"
		"  type: vllm\n  dp_launch_mode: per_gpu\n  vllm_config:\n"
		"    prefill: {data-parallel-size: 4, data-parallel-hybrid-lb: true, "
		"data-parallel-rpc-port: 9, data-parallel-size-local: 2}\n"
		"    decode: {tensor-parallel-size: 4}\n"
		"resources: {gpu_type: h100, gpus_per_node: 4, prefill_nodes: 1, decode_nodes: 1, "
		"prefill_workers: 1, decode_workers: 1}\n"
		"frontend: {enable_multiple_frontends: false}\nbenchmark: {type: manual}\n",
		"prefill", 0, 2,
		"python3 -m dynamo.vllm --model /m/q --served-model-name q --disaggregation-mode "
		"prefill --kv-transfer-config {\"kv_connector\": \"NixlConnector\", \"kv_role\": "
		"\"kv_both\"} --device-ids 0 --data-parallel-rank 2 --data-parallel-address "
		"10.0.0.0 --data-parallel-rpc-port 8400 --request-plane tcp --dump-config-to "
		"/run/7/prefill_0_rank2_config.json --data-parallel-size 4 "
		"--data-parallel-hybrid-lb --data-parallel-size-local 2",
		NULL, ""},
	{"KV events: publisher and topic first, whatever the file's order",
		"name: x\nmodel: {path: /m/q, container: i, precision: fp8}\nbackend:\n"
		"  type: sglang\n  kv_events_config: {prefill: {topic: t, more: [1], "
		"publisher: p, endpoint: e}}\n"
		"resources: {gpu_type: h100, gpus_per_node: 4, prefill_nodes: 1, decode_nodes: 1, "
		"prefill_workers: 1, decode_workers: 1}\n"
		"frontend: {enable_multiple_frontends: false}\nbenchmark: {type: manual}\n",
		"prefill", 0, 0,
		"python3 -m dynamo.sglang --model-path /m/q --served-model-name q --host 0.0.0.0 "
		"--port 6100 --nccl-port 17500 --disaggregation-mode prefill "
		"--disaggregation-bootstrap-port 7200 --kv-events-config {\"publisher\": \"p\", "
		"\"topic\": \"t\", \"more\": [1], \"endpoint\": \"tcp://*:5200\"} --request-plane "
		"tcp --dump-config-to /run/7/prefill_0_rank0_config.json",
		NULL, ""},
};

/* Ranks are the world's, not what fits its nodes. */
static void test_worlds(void)
{
	static const struct {
		const char *workers, *role;
		unsigned tasks, nodes;
	} worlds[] = {
		{TP6 ONE, "decode", 6, 2},
		{TP6 ONE, "prefill", 1, 1},
		{CP2 ONE, "decode", 8, 2},
		{"  gen: {tensor_parallel_size: 3, pipeline_parallel_size: 3}\n" ONE, "decode", 9,
			3},
	};

	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
		char yaml[2048];
		struct built b;

		snprintf(yaml, sizeof(yaml), "%s%s", TRT("e2e", "1", "1", "", ""),
			worlds[i].workers);
		begin(&b, yaml);
		if (b.plan) {
			const struct disagg_worker *worker = disagg_plan_worker(
				b.plan, (uint32_t)role_index(&b, worlds[i].role), 0);

			is_int(worker->tasks, worlds[i].tasks, "ranks of the world");
			is_int(worker->process_count, worlds[i].nodes, "and its nodes");
		}
		jobtext_release(&b.jt);
	}
}

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(&cases[i]);
	test_worlds();
	return tap_done();
}
