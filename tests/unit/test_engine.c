/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/render_commands.h"
#include "tests/unit/enginecase.h"

/* ---- the configurations ---- */

#define SRT(backend, rest)                                                                          \
	"name: x\nmodel: {path: /m/qwen, container: i, precision: fp8}\nbackend:\n  type: " backend \
	"\n" rest
#define ONE_ONE                                                                                    \
	"resources: {gpu_type: h100, gpus_per_node: 4, prefill_nodes: 1, decode_nodes: 1,"         \
	" prefill_workers: 1, decode_workers: 1}\n"
#define WIDE                                                                                       \
	"resources: {gpu_type: gb200, gpus_per_node: 4, prefill_nodes: 1, decode_nodes: 2,"        \
	" prefill_workers: 1, decode_workers: 1}\n"
#define SOLO	      "frontend: {enable_multiple_frontends: false}\n"
#define MANUAL	      "benchmark: {type: manual}\n"
#define DYN_ENV	      "HEAD_NODE_IP=10.0.0.0|ETCD_ENDPOINTS=http://h0:2379|NATS_SERVER=nats://h0:4222|"
#define QUIET	      "DYN_LOG=info,dynamo_runtime::pipeline::network::ingress::push_handler=warn"
#define NATIVE(roles) "disagg: 1\nname: x\ngpus_per_node: 4\nmodel: {path: /m/qwen}\nroles:\n" roles
#define TRT_FILE(mode)                                                                             \
	"slurm: {partition: p, account: a, job_time: '01:00:00', numa_bind: true}\n"               \
	"benchmark: {mode: " mode ", concurrency_list: '64 16', input_length: 8, "                 \
	"output_length: 8, streaming: true}\n"                                                     \
	"hardware: {gpus_per_node: 4, num_ctx_servers: 1, num_gen_servers: 1}\n"                   \
	"environment: {model_path: /m/r1, container_image: i, work_dir: /w}\n"                     \
	"worker_config:\n"                                                                         \
	"  gen: {tensor_parallel_size: 2, enable_attention_dp: true, max_batch_size: 4}\n"         \
	"  ctx: {tensor_parallel_size: 4, cuda_graph_config: null}\n"

static const struct engine_case cases[] = {
	{"sglang behind dynamo: prefill",
		SRT("sglang",
			"  sglang_config:\n"
			"    prefill: {tp-size: 4, served_model_name: Q, disable-x: true, y: false, "
			"z: null, mem: 0.90, list: [a, 2, 1e-6], nccl-port: 5}\n"
			"    decode: {}\n" ONE_ONE SOLO MANUAL),
		"prefill", 0, 0,
		"python3 -m dynamo.sglang --model-path /m/qwen --served-model-name Q --host 0.0.0.0 "
		"--port 6100 --nccl-port 17500 --disaggregation-mode prefill "
		"--disaggregation-bootstrap-port 7200 --request-plane tcp --dump-config-to "
		"/run/7/prefill_0_rank0_config.json --tp-size 4 --disable-x --mem 0.9 "
		"--list a 2 1e-6",
		DYN_ENV "DYN_REQUEST_PLANE=tcp|DYN_SKIP_SGLANG_LOG_FORMATTING=1|"
			"DYN_SYSTEM_PORT=7500|" QUIET,
		""},
	{"sglang over two nodes: the second rank",
		SRT("sglang", "  sglang_config: {prefill: {}, decode: {}}\n" WIDE SOLO MANUAL),
		"decode", 0, 1,
		"python3 -m dynamo.sglang --model-path /m/qwen --served-model-name qwen --host "
		"0.0.0.0 --port 0 --nccl-port 17502 --disaggregation-mode decode --dist-init-addr "
		"10.0.0.1:8300 --nnodes 2 --node-rank 1 --request-plane tcp --dump-config-to "
		"/run/7/decode_0_rank1_config.json",
		"DYN_SYSTEM_PORT=7502", ""},
	{"the file's own flags stand alone",
		SRT("sglang",
			"  sglang_config:\n    prefill: {disaggregation-bootstrap-port: 30001, "
			"port: 7777, disaggregation_mode: prefill}\n    decode: {}\n" ONE_ONE SOLO
				MANUAL),
		"prefill", 0, 0,
		"python3 -m dynamo.sglang --model-path /m/qwen --served-model-name qwen --host "
		"0.0.0.0 --nccl-port 17500 --request-plane tcp --dump-config-to "
		"/run/7/prefill_0_rank0_config.json --disaggregation-bootstrap-port 30001 --port "
		"7777 --disaggregation-mode prefill",
		NULL, NULL},
	{"kv events, profiling, tracing",
		SRT("sglang",
			"  kv_events_config: {prefill: {topic: t}}\n"
			"  sglang_config: {prefill: {}, decode: {}}\n" ONE_ONE SOLO MANUAL
			"profiling: {type: torch, prefill: {start_step: 1, stop_step: 5}, decode: "
			"{start_step: 1, stop_step: 5}}\n"
			"observability: {enable_otel: true, otel_endpoint: 'http://o:1'}\n"
			"environment: {OTEL_SERVICE_NAME: mine}\n"),
		"prefill", 0, 0,
		"python3 -m dynamo.sglang --model-path /m/qwen --served-model-name qwen --host "
		"0.0.0.0 --port 6100 --nccl-port 17500 --disaggregation-mode prefill "
		"--disaggregation-bootstrap-port 7200 --kv-events-config {\"publisher\": \"zmq\", "
		"\"topic\": \"t\", \"endpoint\": \"tcp://*:5200\"} --request-plane tcp "
		"--dump-config-to /run/7/prefill_0_rank0_config.json",
		"DYN_LOGGING_JSONL=1|OTEL_EXPORT_ENABLED=1|"
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://o:1|DYN_SYSTEM_PORT=7500|" QUIET
		"|PROFILING_MODE=prefill|PROFILE_TYPE=torch|PROFILE_PREFILL_START_STEP=1|"
		"PROFILE_PREFILL_STOP_STEP=5|SGLANG_TORCH_PROFILER_DIR=/run/7/profiles/prefill",
		""},
	{"nsys before the command, and a map inside as JSON",
		SRT("sglang",
			"  sglang_config: {prefill: {j: {a: 1, b: [x]}}, decode: {}}\n" ONE_ONE SOLO
				MANUAL
			"profiling: {type: nsys-time, delay_secs: 3, duration_secs: 9, "
			"extra_nsys_args: [--gpu-metrics-devices=all]}\n"),
		"prefill", 0, 0,
		"nsys profile -t cuda,nvtx --cuda-graph-trace=node --delay 3 --duration 9 "
		"--gpu-metrics-devices=all --force-overwrite true --trace-fork-before-exec=true -o "
		"/run/7/profiles/prefill/prefill_0_rank0 python3 -m dynamo.sglang --model-path "
		"/m/qwen --served-model-name qwen --host 0.0.0.0 --port 6100 --nccl-port 17500 "
		"--disaggregation-mode prefill --disaggregation-bootstrap-port 7200 "
		"--request-plane tcp --dump-config-to /run/7/prefill_0_rank0_config.json --j "
		"{\"a\":1,\"b\":[\"x\"]}",
		"PROFILE_BENCHMARK_DURATION_SECS=300", ""},
	{"trtllm behind dynamo, on a Grace board",
		SRT("trtllm", "  trtllm_config:\n    prefill: {tensor_parallel_size: 4}\n"
			      "    decode: {tensor_parallel_size: 8, a: {on: 'yes', e: [], f: {}}, "
			      "x: 1e-5, y: 1.0e-05, z: '8'}\n" WIDE SOLO MANUAL),
		"decode", 0, 1,
		"numactl -m 0,1 trtllm-llmapi-launch python3 -m dynamo.trtllm --model-path /m/qwen "
		"--served-model-name qwen --disaggregation-mode decode --extra-engine-args "
		"/run/7/trtllm_config_decode.yaml --request-plane tcp",
		"DYN_SKIP_SGLANG_LOG_FORMATTING=1|DYN_SYSTEM_PORT=7502|" QUIET
		"|TRTLLM_EPLB_SHM_NAME=moe_shared_",
		"trtllm_config_decode.yaml\ntensor_parallel_size: 8\na:\n  \"on\": \"yes\"\n"
		"  e: []\n  f: {}\nx: \"1e-5\"\ny: 1.0e-05\nz: \"8\"\n"},
	{"trtllm-serve",
		SRT("trtllm",
			"  trtllm_config: {prefill: {tensor_parallel_size: 4}, decode: {}}\n" ONE_ONE
				MANUAL
			"frontend: {type: trtllm_serve, enable_multiple_frontends: false}\n"),
		"prefill", 0, 0,
		"trtllm-llmapi-launch trtllm-serve /m/qwen --host 0.0.0.0 --port 6100 "
		"--tensor_parallel_size 4 --config /run/7/trtllm_config_prefill.yaml",
		"HEAD_NODE_IP=10.0.0.0|TRTLLM_EPLB", NULL},
	{"its orchestrator",
		SRT("trtllm", "  trtllm_config: {prefill: {}, decode: {}}\n" ONE_ONE MANUAL
			      "frontend: {type: trtllm_serve, enable_multiple_frontends: false, "
			      "args: {log_level: info}, gen_router: {type: load_balancing}, "
			      "server_config_extra: {port: 9000, k: {a: 1}}}\n"),
		"frontend", 0, 0,
		"trtllm-serve disaggregated --config /run/7/ser.yaml --log_level info", "",
		"ser.yaml\nhostname: \"0.0.0.0\"\ncontext_servers:\n  num_instances: 1\n  urls:\n"
		"  - \"10.0.0.0:6100\"\ngeneration_servers:\n  num_instances: 1\n  urls:\n"
		"  - \"10.0.0.1:6100\"\n  router:\n    type: \"load_balancing\"\nport: 9000\nk:\n"
		"  a: 1\n"},
	{"vllm, a process a node with whole ranks",
		SRT("vllm",
			"  connector: lmcache\n  vllm_config:\n    prefill: {tensor-parallel-size: 4}\n"
			"    decode: {data-parallel-size: 8, data-parallel-rpc-port: "
			"9}\n" WIDE SOLO MANUAL),
		"decode", 0, 1,
		"python3 -m dynamo.vllm --model /m/qwen --served-model-name qwen "
		"--disaggregation-mode decode --kv-transfer-config {\"kv_connector\": "
		"\"LMCacheConnectorV1\", \"kv_role\": \"kv_both\"} --device-ids 0,1,2,3 "
		"--data-parallel-size-local 4 --data-parallel-start-rank 4 --data-parallel-address "
		"10.0.0.1 --data-parallel-rpc-port 8400 --data-parallel-hybrid-lb --request-plane "
		"tcp --dump-config-to /run/7/decode_0_rank4_config.json --data-parallel-size 8",
		"DYN_VLLM_KV_EVENT_PORT=5205|VLLM_NIXL_SIDE_CHANNEL_PORT=5401|"
		"VLLM_NIXL_SIDE_CHANNEL_HOST=10.0.0.2|VLLM_PORT=(unset)",
		""},
	{"vllm over two nodes",
		SRT("vllm", "  vllm_config:\n    prefill: {connector: none}\n"
			    "    decode: {tensor-parallel-size: 8}\n" WIDE SOLO MANUAL),
		"decode", 0, 1,
		"python3 -m dynamo.vllm --model /m/qwen --served-model-name qwen "
		"--disaggregation-mode decode --kv-transfer-config {\"kv_connector\": "
		"\"NixlConnector\", \"kv_role\": \"kv_both\"} --device-ids 0,1,2,3 --master-addr "
		"10.0.0.1 --master-port 8300 --nnodes 2 --node-rank 1 --headless --request-plane "
		"tcp --dump-config-to /run/7/decode_0_rank1_config.json --tensor-parallel-size 8",
		NULL, NULL},
	{"vllm, no connector, one node",
		SRT("vllm",
			"  vllm_config:\n    prefill: {connector: none, tensor-parallel-size: 4}\n"
			"    decode: {tensor-parallel-size: 8}\n" WIDE SOLO MANUAL),
		"prefill", 0, 0,
		"python3 -m dynamo.vllm --model /m/qwen --served-model-name qwen "
		"--disaggregation-mode prefill --device-ids 0,1,2,3 --request-plane tcp "
		"--dump-config-to /run/7/prefill_0_rank0_config.json --tensor-parallel-size 4",
		"VLLM_PORT=20000", ""},
	{"vllm serve is its own frontend",
		SRT("vllm", "  vllm_config: {aggregated: {tensor-parallel-size: 8, port: 1, "
			    "api-server-count: 2}}\n"
			    "resources: {gpu_type: h100, gpus_per_node: 4, agg_nodes: 2, "
			    "agg_workers: 1}\n" MANUAL
			    "frontend: {type: vllm, enable_multiple_frontends: false}\n"),
		"agg", 0, 0,
		"vllm serve /m/qwen --host 0.0.0.0 --port 8000 --served-model-name qwen "
		"--device-ids 0,1,2,3 --master-addr 10.0.0.0 --master-port 8300 --nnodes 2 "
		"--node-rank 0 --tensor-parallel-size 8 --api-server-count 2",
		NULL, ""},
	{"its followers have no server",
		SRT("vllm", "  vllm_config: {aggregated: {tensor-parallel-size: 8, "
			    "api-server-count: 2}}\n"
			    "resources: {gpu_type: h100, gpus_per_node: 4, agg_nodes: 2, "
			    "agg_workers: 1}\n" MANUAL
			    "frontend: {type: vllm, enable_multiple_frontends: false}\n"),
		"agg", 0, 1,
		"vllm serve /m/qwen --served-model-name qwen --device-ids 0,1,2,3 --master-addr "
		"10.0.0.0 --master-port 8300 --nnodes 2 --node-rank 1 --headless "
		"--tensor-parallel-size 8",
		NULL, ""},
	{"and the frontend starts nothing",
		SRT("vllm", "  vllm_config: {aggregated: {tensor-parallel-size: 4}}\n"
			    "resources: {gpu_type: h100, gpus_per_node: 4, agg_nodes: 1, "
			    "agg_workers: 1}\n" MANUAL
			    "frontend: {type: vllm, enable_multiple_frontends: false}\n"),
		"frontend", 0, 0, "", "", ""},
	{"mocker",
		SRT("mocker",
			"  speedup_ratio: 10\n  block_size: 64\n  enable_prefix_caching: false\n"
			"  mocker_config: {prefill: {max-num-seqs: 4}}\n" ONE_ONE SOLO MANUAL),
		"prefill", 0, 0,
		"python3 -m dynamo.mocker --model-path /m/qwen --disaggregation-mode prefill "
		"--bootstrap-ports 7200 --engine-type vllm --speedup-ratio 10.0 "
		"--data-parallel-size 1 --num-gpu-blocks-override 16384 "
		"--max-num-batched-tokens 8192 --block-size 64 --no-enable-prefix-caching "
		"--max-num-seqs 4",
		NULL, ""},
	{"dynamo's frontend",
		SRT("sglang",
			"  sglang_config: {prefill: {}, decode: {}}\n" ONE_ONE MANUAL
			"frontend: {enable_multiple_frontends: false, args: {router-mode: kv, "
			"no-kv-events: true, q: false}}\n"),
		"frontend", 0, 0,
		"python3 -m dynamo.frontend --http-port 8000 --router-mode kv --no-kv-events",
		"ETCD_ENDPOINTS=http://h0:2379|NATS_SERVER=nats://h0:4222|DYN_REQUEST_PLANE=tcp|"
		"DYN_SKIP_SGLANG_LOG_FORMATTING=1",
		""},
	{"etcd", SRT("sglang", "  sglang_config: {prefill: {}, decode: {}}\n" ONE_ONE SOLO MANUAL),
		"etcd", 0, 0,
		"etcd --name disagg --data-dir /tmp/disagg-etcd_0-276246f9aac3b1ad "
		"--listen-client-urls http://0.0.0.0:2379 --advertise-client-urls "
		"http://10.0.0.0:2379 --listen-peer-urls http://127.0.0.1:2380 "
		"--initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster "
		"disagg=http://127.0.0.1:2380",
		"", ""},
	{"NATS with a larger message",
		SRT("sglang", "  sglang_config: {prefill: {}, decode: {}}\n" ONE_ONE SOLO MANUAL
			      "infra: {nats_max_payload_mb: 24}\n"),
		"nats", 0, 0,
		"nats-server -c /run/7/nats.conf --addr 0.0.0.0 --port 4222 --jetstream "
		"--store_dir /tmp/disagg-nats_0-276246f9aac3b1ad",
		"", "nats.conf\nmax_payload: 25165824\n"},
	{"Mooncake's master",
		SRT("sglang",
			"  mooncake_kv_store: {env: {MC_X: '1'}, master_extra_args: [--v=1]}\n"
			"  sglang_config: {prefill: {disaggregation-transfer-backend: mooncake}, "
			"decode: {disaggregation-transfer-backend: mooncake}}\n" ONE_ONE SOLO
				MANUAL),
		"mooncake", 0, 0,
		"mooncake_master --port=8700 --enable_http_metadata_server=true "
		"--http_metadata_server_port=8701 --eviction_high_watermark_ratio=0.9 "
		"--default_kv_lease_ttl=10000 --rpc_thread_num=16 --enable_metric_reporting=true "
		"--metrics_port=8702 --v=1",
		"", ""},
	{"and its users",
		SRT("sglang",
			"  mooncake_kv_store: {env: {MC_X: '1'}}\n"
			"  sglang_config: {prefill: {disaggregation-transfer-backend: mooncake}, "
			"decode: {disaggregation-transfer-backend: mooncake}}\n" ONE_ONE SOLO
				MANUAL),
		"decode", 0, 0,
		"python3 -m dynamo.sglang --model-path /m/qwen --served-model-name qwen --host "
		"0.0.0.0 --port 6100 --nccl-port 17501 --disaggregation-mode decode "
		"--request-plane tcp --dump-config-to /run/7/decode_0_rank0_config.json "
		"--disaggregation-transfer-backend mooncake",
		"MOONCAKE_LOCAL_HOSTNAME=10.0.0.1|MOONCAKE_MASTER=10.0.0.0:8700|"
		"MOONCAKE_TE_META_DATA_SERVER=http://10.0.0.0:8701/metadata",
		""},
	{"native: sglang and its router",
		NATIVE("  prefill: {engine: sglang, workers: 2, gpus: 2, args: {grpc-mode: true}}\n"
		       "  decode: {engine: sglang, gpus: 4, placement: fresh}\n"
		       "  router: {engine: sglang_router, after: [prefill, decode], "
		       "args: {policy: cache_aware}}\n"),
		"router", 0, 0,
		"python -m sglang_router.launch_router --pd-disaggregation --prefill "
		"grpc://10.0.0.0:6100 7200 --prefill grpc://10.0.0.0:6132 7201 --decode "
		"http://10.0.0.1:6100 --host 0.0.0.0 --port 8000 --policy cache_aware",
		"", ""},
	{"native: the file's flags go before ours",
		NATIVE("  prefill: {engine: sglang, workers: 2, gpus: 2, args: {model-path: /o, "
		       "nccl_port: 4, host: h}}\n"
		       "  decode: {engine: sglang, gpus: 4}\n"
		       "  router: {engine: sglang_router, after: [prefill, decode]}\n"),
		"prefill", 1, 0,
		"python3 -m sglang.launch_server --port 6132 --disaggregation-mode prefill "
		"--disaggregation-bootstrap-port 7201 --model-path /o --nccl-port 4 --host h",
		"HEAD_NODE_IP=10.0.0.0", ""},
	{"native: a router of regular workers",
		NATIVE("  agg: {engine: sglang, workers: 2, gpus: 4}\n"
		       "  router: {engine: sglang_router, port: 9000, after: [agg]}\n"),
		"router", 0, 0,
		"python -m sglang_router.launch_router --worker-urls http://10.0.0.0:6100 "
		"http://10.0.0.1:6100 --host 0.0.0.0 --port 9000",
		"", ""},
	{"native: argv as given, no shell",
		NATIVE("  a: {command: [echo, '$HOME; rm', \"a b\"]}\n"), "a", 0, 0,
		"echo $HOME; rm a b", "", ""},
	{"native: a line is a shell's", NATIVE("  a: {script: 'echo $X'}\n"), "a", 0, 0,
		"sh -c echo $X", "", ""},
	{"a model's path with a variable of the job",
		"disagg: 1\nname: x\ngpus_per_node: 4\nmodel: {path: '${MODELS}/q'}\nroles:\n"
		"  agg: {engine: vllm, gpus: 4}\n",
		"agg", 0, 0, "vllm serve /data/models/q --host 0.0.0.0 --port 6100", NULL, ""},
	{"a model's id on a hub",
		"disagg: 1\nname: x\ngpus_per_node: 4\nmodel: {path: 'hf:a/q'}\nroles:\n"
		"  agg: {engine: vllm, gpus: 4}\n",
		"agg", 0, 0, "vllm serve a/q --host 0.0.0.0 --port 6100", NULL, ""},
	{"TensorRT-LLM: a gen server", TRT_FILE("e2e"), "decode", 0, 0,
		"trtllm-llmapi-launch numactl -m 0,1 trtllm-serve /m/r1 --host h0 --port 8000 "
		"--config /run/7/gen_config.yaml",
		"UCX_TLS=(unset)",
		"gen_config.yaml\ntensor_parallel_size: 2\nenable_attention_dp: true\n"
		"max_batch_size: 4\n"},
	{"TensorRT-LLM: a ctx server", TRT_FILE("gen_only"), "prefill", 0, 0,
		"trtllm-llmapi-launch numactl -m 0,1 trtllm-serve /m/r1 --host h1 --port 8000 "
		"--config /run/7/ctx_config.yaml",
		"UCX_TLS=(unset)|TRTLLM_DISABLE_KV_CACHE_TRANSFER_OVERLAP=1",
		"ctx_config.yaml\ntensor_parallel_size: 4\ncuda_graph_config: null\n"},
	{"TensorRT-LLM: gen_only", TRT_FILE("gen_only"), "decode", 0, 0,
		"trtllm-llmapi-launch numactl -m 0,1 trtllm-serve /m/r1 --host h0 --port 8000 "
		"--config /run/7/gen_config.yaml",
		"TRTLLM_DISABLE_KV_CACHE_TRANSFER_OVERLAP=1|TLLM_BENCHMARK_REQ_QUEUES_SIZE=8",
		NULL},
	{"TensorRT-LLM: gen_only_no_context", TRT_FILE("gen_only_no_context"), "decode", 0, 0,
		"trtllm-llmapi-launch numactl -m 0,1 trtllm-serve /m/r1 --host h0 --port 8000 "
		"--config /run/7/gen_config.yaml",
		"TRTLLM_DISAGG_BENCHMARK_GEN_ONLY=1", NULL},
	{"TensorRT-LLM: its server", TRT_FILE("gen_only_no_context"), "frontend", 0, 0,
		"trtllm-serve disaggregated -c /run/7/server_config.yaml -t 7200 -r 7200",
		"TRTLLM_DISAGG_BENCHMARK_GEN_ONLY=1",
		"server_config.yaml\nbackend: \"pytorch\"\nhostname: \"h0\"\nport: 8333\n"
		"context_servers:\n  num_instances: 0\n  urls: []\ngeneration_servers:\n"
		"  num_instances: 1\n  urls:\n  - \"h0:8000\"\n"},
	{"TensorRT-LLM: nsys",
		TRT_FILE("e2e") "profiling: {nsys_on: true, gen_profile_range: 5-6}\n", "decode", 0,
		0,
		"nsys profile -t cuda,nvtx,python-gil -c cudaProfilerApi --cuda-graph-trace node "
		"--capture-range-end=stop --gpu-metrics-devices=none -f true -o "
		"/run/7/profiles/decode/decode_0_rank%q{SLURM_PROCID} trtllm-llmapi-launch numactl "
		"-m 0,1 trtllm-serve /m/r1 --host h0 --port 8000 --config /run/7/gen_config.yaml",
		"TLLM_PROFILE_RECORD_GC=1|TLLM_NVTX_DEBUG=1|NSYS_MPI_STORE_TEAMS_PER_RANK=1|"
		"TLLM_PROFILE_START_STOP=5-6",
		NULL},
};

/* ---- nginx: the file, and values that would leave their directive ---- */

#define NGINX(rest)                                                                                \
	SRT("sglang", "  sglang_config: {prefill: {}, decode: {}}\n" ONE_ONE MANUAL                \
		      "frontend: {enable_multiple_frontends: true" rest "}\n")

static void test_nginx(void)
{
	struct built b;
	const char *text;

	begin(&b, NGINX(", nginx_session_affinity: true, nginx_keepalive_timeout: 90s, "
			"nginx_raise_ulimit: true"));
	is_int(b.plan ? build_of(&b, "nginx", 0, 0) : -1, 0, "nginx");
	is_str(joined_argv(&b), "nginx -e stderr -c /run/7/nginx.conf -g daemon off;", "argv");
	text = b.command.file_count ? b.command.file[0].text : "";
	has_str(text, "worker_processes auto;\nworker_rlimit_nofile 1048576;\n", "limit");
	has_str(text, "    map $http_x_dynamo_session_id $disagg_session {", "affinity");
	has_str(text, "        hash $disagg_session consistent;\n        server 10.0.0.1:8180;\n",
		"frontends");
	has_str(text, "        keepalive_timeout 90s;\n", "idle sessions");
	has_str(text, "        listen 8000;\n", "public port");
	has_str(text, "pid /tmp/disagg-nginx_0-276246f9aac3b1ad/nginx.pid;\n", "pid file");
	is_str(b.command.scratch, "/tmp/disagg-nginx_0-276246f9aac3b1ad", "a folder of its own");
	jobtext_release(&b.jt);
}

/* ---- refusals ---- */

static const struct bad_case {
	const char *name, *yaml, *role;
	int port_offset;
	enum disagg_code code;
	const char *want;
} bad_cases[] = {
	{"no model",
		"disagg: 1\nname: x\ngpus_per_node: 4\nroles:\n  agg: {engine: vllm, gpus: 4}\n",
		"agg", 0, DISAGG_CONFIG,
		"job.yaml: model.path is missing: the command of 'agg' needs the model's folder or "
		"id; say it there or with --disagg-set=model.path=PATH"},
	{"a placeholder",
		"disagg: 1\nname: x\ngpus_per_node: 4\nmodel: {path: <path>}\nroles:\n"
		"  agg: {engine: sglang, gpus: 4}\n",
		"agg", 0, DISAGG_CONFIG,
		"job.yaml:4:15: model.path is '<path>': the command of 'agg' needs the model's "
		"folder or id; say it there or with --disagg-set=model.path=PATH"},
	{"a port over the top", NATIVE("  agg: {engine: sglang, gpus: 4}\n"), "agg", 60000,
		DISAGG_CONFIG,
		"system port 67500 of 'agg_0' is outside 1 to 65535 with the port offset 60000"},
	{"a service's port over the top", NATIVE("  a: {command: [x], port: 9000}\n"), "a", 60000,
		DISAGG_CONFIG,
		"http port 69000 of 'a_0' is outside 1 to 65535 with the port offset 60000"},
	{"a negative offset", NATIVE("  a: {command: [x], port: 9000}\n"), "a", -1, DISAGG_CONFIG,
		"port offset -1: expected 0 or more"},
	{"a value that ends nginx's directive",
		NGINX(", nginx_keepalive_timeout: '1s; include /etc/passwd'"), "nginx", 0,
		DISAGG_CONFIG,
		"job.yaml:8:70: frontend.nginx_keepalive_timeout is '1s; include /etc/passwd': nginx "
		"takes one word of letters, digits, '-', '_' and '.'"},
	{"a header that is none",
		NGINX(", nginx_session_affinity: true, nginx_session_affinity_header: 'a b'"),
		"nginx", 0, DISAGG_CONFIG,
		"job.yaml:8:106: frontend.nginx_session_affinity_header is 'a b': nginx takes one "
		"word of letters, digits, '-', '_' and '.'"},
};

static void test_bad(void)
{
	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		const struct bad_case *one = &bad_cases[i];
		struct built b;
		char text[1024];

		begin(&b, one->yaml);
		site.port_offset = one->port_offset;
		b.command.argc = 99;
		is_int(b.plan ? build_of(&b, one->role, 0, 0) : 0, -1, one->name);
		site.port_offset = 0;
		disagg_err_format(&b.err, text, sizeof(text));
		is_str(text, one->want, "message");
		is_int(b.err.code, one->code, "code");
		is_int(b.command.argc, 99, "the result is left alone");
		jobtext_release(&b.jt);
	}
}

static void test_bad_index(void)
{
	struct built b;

	begin(&b, NATIVE("  agg: {engine: sglang, gpus: 4}\n"));
	is_int(disagg_engine_worker(&b.jt.arena, b.jt.job, b.plan, 1, &site, &b.command, &b.err),
		-1, "a process that is not there");
	is_str(b.err.text, "the plan has no process 1: it has 1, counted from 0", "message");
	is_int(disagg_engine_service(&b.jt.arena, b.jt.job, b.plan, 0, &site, &b.command, &b.err),
		-1, "a service that is not there");
	is_str(b.err.text, "the plan has no service 0: it has 0, counted from 0", "message");
	b.jt.job->role_count = 0;
	is_int(disagg_engine_worker(&b.jt.arena, b.jt.job, b.plan, 0, &site, &b.command, &b.err),
		-1, "a plan of another configuration");
	has_str(b.err.text, "the plan is of another configuration", "message");
	jobtext_release(&b.jt);
}

/* ---- offset, readiness, names ---- */

static void test_offset(void)
{
	struct built b;

	begin(&b, SRT("vllm", "  vllm_config: {prefill: {port: 7000}, decode: {}}\n" ONE_ONE SOLO
				      MANUAL));
	site.port_offset = 1000;
	build_of(&b, "prefill", 0, 0);
	has_str(joined_env(&b),
		"ETCD_ENDPOINTS=http://h0:3379|NATS_SERVER=nats://h0:5222|DYN_REQUEST_PLANE=tcp|"
		"DYN_SKIP_SGLANG_LOG_FORMATTING=1|DYN_SYSTEM_PORT=8500|",
		"planned ports move");
	has_str(joined_env(&b), "VLLM_PORT=21000", "what is made from them too");
	has_str(joined_argv(&b), "--port 7000", "a pinned one does not");
	build_of(&b, "etcd", 0, 0);
	has_str(joined_argv(&b), "--listen-peer-urls http://127.0.0.1:3380", "and a second port");
	site.port_offset = 0;
	jobtext_release(&b.jt);
}

static const struct {
	const char *name, *yaml, *role, *health;
	unsigned process;
	int port;
} health_cases[] = {
	{"a plain server answers on its port", NATIVE("  agg: {engine: sglang, gpus: 4}\n"), "agg",
		"/health", 0, 6100},
	{"the file's path", NATIVE("  agg: {engine: sglang, gpus: 4, ready: {http: /up}}\n"), "agg",
		"/up", 0, 6100},
	{"a follower serves nobody", NATIVE("  agg: {engine: sglang, gpus: 8}\n"), "agg", NULL, 1,
		-1},
	{"dynamo's frontend speaks for its workers",
		SRT("sglang", "  sglang_config: {prefill: {}, decode: {}}\n" ONE_ONE SOLO MANUAL),
		"prefill", NULL, 0, -1},
	{"etcd", SRT("sglang", "  sglang_config: {prefill: {}, decode: {}}\n" ONE_ONE SOLO MANUAL),
		"etcd", "/health", 0, 2379},
	{"NATS has a port and no page",
		SRT("sglang", "  sglang_config: {prefill: {}, decode: {}}\n" ONE_ONE SOLO MANUAL),
		"nats", NULL, 0, 4222},
	{"a worker on the public port",
		SRT("vllm", "  vllm_config: {aggregated: {}}\n"
			    "resources: {gpu_type: h100, gpus_per_node: 4, agg_nodes: 1, "
			    "agg_workers: 1}\n" MANUAL
			    "frontend: {type: vllm, enable_multiple_frontends: false}\n"),
		"agg", "/health", 0, 8000},
	{"a program without a port", NATIVE("  a: {command: [x]}\n"), "a", NULL, 0, -1},
};

static void test_health(void)
{
	for (size_t i = 0; i < sizeof(health_cases) / sizeof(health_cases[0]); i++) {
		struct built b;

		begin(&b, health_cases[i].yaml);
		build_of(&b, health_cases[i].role, 0, health_cases[i].process);
		is_str(b.command.health, health_cases[i].health, health_cases[i].name);
		is_int(b.command.health_port, health_cases[i].port, "port");
		jobtext_release(&b.jt);
	}
}

static const struct {
	const char *yaml, *want;
} served_cases[] = {
	{NATIVE("  agg: {engine: vllm, gpus: 4}\n"), "/m/qwen"},
	{NATIVE("  agg: {engine: vllm, gpus: 4, args: {served-model-name: [a, b]}}\n"), "a"},
	{NATIVE("  agg: {engine: trtllm, gpus: 4}\n"), "qwen"},
	{NATIVE("  a: {command: [x]}\n"), "/m/qwen"},
	{"disagg: 1\nname: x\nmodel: {path: 'hf:o/m'}\nroles:\n  a: {command: [x]}\n", "o/m"},
	{"disagg: 1\nname: x\nmodel: {path: p, served_name: s}\nroles:\n  a: {command: [x]}\n",
		"s"},
	{"disagg: 1\nname: x\nmodel: {path: <p>}\nroles:\n  a: {command: [x]}\n", NULL},
	{TRT_FILE("e2e"), "r1"},
	{SRT("sglang", "  sglang_config: {prefill: {}, decode: {}}\n" ONE_ONE SOLO MANUAL), "qwen"},
};

static void test_served_name(void)
{
	for (size_t i = 0; i < sizeof(served_cases) / sizeof(served_cases[0]); i++) {
		struct jobtext jt;

		jobtext_load(&jt, served_cases[i].yaml, NULL);
		is_str(jt.job ? disagg_engine_served_name(jt.job) : jt.text, served_cases[i].want,
			"served name");
		jobtext_release(&jt);
	}
}

static void test_log_names(void)
{
	static const char *const want[] = {
		"gen_server_0.log", "ctx_server_0.log", "disagg_server.log", "benchmark.log"};
	struct built b;

	begin(&b, TRT_FILE("e2e"));
	for (uint32_t i = 0; b.plan && i < b.plan->role_count && i < 4; i++)
		is_str(disagg_engine_log_name(&b.jt.arena, b.plan, i, 0), want[i], "log");
	jobtext_release(&b.jt);
	begin(&b, NATIVE("  prefill: {engine: sglang, gpus: 4, workers: 3}\n"));
	is_str(disagg_engine_log_name(&b.jt.arena, b.plan, 0, 2), "prefill_2.log", "log");
	jobtext_release(&b.jt);
}

/* ---- all of them as JSON, and without memory ---- */

static void test_render(void)
{
	struct built b;
	struct disagg_strbuf out;

	begin(&b, NATIVE("  agg:\n    engine: sglang\n    gpus: 8\n    env: {HF_TOKEN: "
			 "'${env:HF_TOKEN}', A: 'b\"c'}\n"
			 "  a: {command: [x, y], port: 9000, after: [agg]}\n"));
	disagg_strbuf_init(&out, 0);
	is_int(disagg_render_commands(&b.jt.arena, b.jt.job, b.plan, &out, &b.err), 0, "rendered");
	has_str(out.text,
		"{\"schema\":\"disagg.commands/1\",\"name\":\"x\",\"source\":\"job.yaml\","
		"\"variant\":null,\"served_name\":\"/m/qwen\",\"nodes\":2,\"steps\":["
		"{\"role\":\"agg\",\"index\":0,\"process\":0,\"engine\":\"sglang\","
		"\"nodes\":[0],\"tasks\":1,\"env\":{\"CUDA_VISIBLE_DEVICES\":\"0,1,2,3\","
		"\"HF_TOKEN\":\"${env:HF_TOKEN}\",\"A\":\"b\\\"c\",\"HEAD_NODE_IP\":"
		"\"<ip:0>\"},\"argv\":[\"python3\",",
		"the first step");
	has_str(out.text, "\"process\":1,\"engine\":\"sglang\",\"nodes\":[1]",
		"its second process");
	has_str(out.text, "\"--dist-init-addr\",\"<ip:0>:8300\"", "addresses of the job");
	has_str(out.text,
		"\"argv\":[\"x\",\"y\"],\"files\":[],\"folders\":[],\"health\":null,"
		"\"health_port\":9000,\"log\":\"a_0.log\"}]}",
		"the last step");
	ok(!strstr(out.text, "DISAGG_"), "what --format=env shows is not repeated");
	disagg_strbuf_release(&out);
	jobtext_release(&b.jt);
}

/* Every allocation in turn: an error that says so, and nothing worse. */
static void test_no_memory(const char *yaml)
{
	struct built b;
	unsigned failed = 0, odd = 0;
	int result = -1;

	begin(&b, yaml);
	for (long i = 0; b.plan && result && i < 20000; i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_strbuf out;

		memset(&b.err, 0, sizeof(b.err));
		disagg_strbuf_init(&out, 0);
		disagg_alloc_fail_after(i);
		result = disagg_render_commands(&arena, b.jt.job, b.plan, &out, &b.err);
		disagg_alloc_fail_after(-1);
		failed += result != 0;
		odd += result && b.err.code != DISAGG_SYSTEM;
		disagg_strbuf_release(&out);
		disagg_arena_release(&arena);
	}
	is_int(result, 0, "with memory it works");
	ok(failed > 0, "and without it fails");
	is_int(odd, 0, "as out of memory");
	jobtext_release(&b.jt);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(&cases[i]);
	test_nginx();
	test_bad();
	test_bad_index();
	test_offset();
	test_health();
	test_served_name();
	test_log_names();
	test_render();
	test_no_memory(NGINX(", nginx_session_affinity: true"));
	test_no_memory(TRT_FILE("gen_only"));
	return tap_done();
}
