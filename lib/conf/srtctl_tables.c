/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/srtctl_tables.h"
#include <string.h>

const char *const disagg_srt_modes[DISAGG_SRT_MODES + 1] = {"prefill", "decode", "agg", NULL};
const char *const disagg_srt_sections[DISAGG_SRT_MODES + 1] = {
	"prefill", "decode", "aggregated", NULL};
const char *const disagg_srt_backends[DISAGG_SRT_BACKENDS + 1] = {
	"sglang", "trtllm", "vllm", "mocker", NULL};
const char *const disagg_srt_frontends[DISAGG_SRT_FRONTENDS + 1] = {
	"dynamo", "sglang", "trtllm_serve", "vllm", NULL};
const char *const disagg_srt_benches[DISAGG_SRT_BENCHES + 1] = {"manual", "custom", "gpqa", "gsm8k",
	"lm-eval", "longbenchv2", "mmlu", "mooncake-router", "router", "sa-bench", "sglang-bench",
	"trace-replay", NULL};

static const char *const frontend_places[] = {"head", "first_decode", NULL};
static const char *const client_places[] = {"head", "last_decode", NULL};
static const char *const dp_launches[] = {"per_node", "per_gpu", NULL};
static const char *const profiling_types[] = {"none", "nsys", "nsys-time", "torch", NULL};
/* index 0 is what counts where nothing is given */
static const char *const request_planes[] = {"tcp", "nats", "http", NULL};
static const char *const event_planes[] = {"nats", "zmq", NULL};

#define AT(member) offsetof(struct disagg_srt, member)
#define ROW(k, type, member, ...)                                                                  \
	{                                                                                          \
		.key = (k), .kind = DISAGG_K_##type, .offset = AT(member), __VA_ARGS__             \
	}
#define PART(k, table, ...)                                                                        \
	{                                                                                          \
		.key = (k), .kind = DISAGG_K_STRUCT, .offset = 0, .sub = &(table), __VA_ARGS__     \
	}
#define DEAD(k, ...)                                                                               \
	{                                                                                          \
		.key = (k), .kind = DISAGG_K_IGNORE, .flags = DISAGG_F_WARN, __VA_ARGS__           \
	}
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}
#define DOC(text)   .doc = (text)
#define COUNT	    .min = 0, .max = INT32_MAX
#define POSITIVE    .min = 1, .max = INT32_MAX
#define NEEDED	    .flags = DISAGG_F_REQUIRED | DISAGG_F_NOEMPTY
#define TABLE(name) static const struct disagg_table name##_table = {#name, name##_rows}

/* clang-format off */
static const struct disagg_row model_rows[] = {
	ROW("path", STR, model.path, NEEDED,
		DOC("folder of the weights, an alias, or hf:ORG/NAME")),
	ROW("container", STR, model.container, NEEDED, DOC("image of the workers, or an alias")),
	ROW("precision", STR, model.precision, .flags = DISAGG_F_REQUIRED,
		DOC("a label: fp8, fp4")),
	ROW("stage_dir", STR, model.stage_dir, DOC("node-local folder to copy the model to")),
	END,
};
TABLE(model);

static const struct disagg_row resources_rows[] = {
	ROW("gpu_type", STR, resources.gpu_type, .flags = DISAGG_F_REQUIRED,
		DOC("a label: gb200, h100")),
	ROW("gpus_per_node", INT, resources.gpus_per_node, .min = 1,
		.max = DISAGG_MAX_GPUS_PER_NODE, .dflt = "4",
		DOC("GPUs of a node that the job may use")),
	ROW("prefill_nodes", INT, resources.nodes[0], .min = 0, .max = DISAGG_MAX_NODES,
		DOC("nodes for the prefill workers")),
	ROW("decode_nodes", INT, resources.nodes[1], .min = 0, .max = DISAGG_MAX_NODES,
		DOC("nodes for the decode workers; 0: they share the prefill nodes")),
	ROW("agg_nodes", INT, resources.nodes[2], .min = 0, .max = DISAGG_MAX_NODES,
		DOC("nodes for aggregated workers")),
	ROW("prefill_workers", INT, resources.workers[0], .min = 0, .max = DISAGG_MAX_WORKERS,
		DOC("prefill workers")),
	ROW("decode_workers", INT, resources.workers[1], .min = 0, .max = DISAGG_MAX_WORKERS,
		DOC("decode workers")),
	ROW("agg_workers", INT, resources.workers[2], .min = 0, .max = DISAGG_MAX_WORKERS,
		DOC("aggregated workers")),
	ROW("gpus_per_prefill", INT, resources.gpus[0], .min = 0, .max = DISAGG_MAX_GPUS,
		DOC("GPUs of one prefill worker (default: nodes * gpus_per_node / workers)")),
	ROW("gpus_per_decode", INT, resources.gpus[1], .min = 0, .max = DISAGG_MAX_GPUS,
		DOC("GPUs of one decode worker")),
	ROW("gpus_per_agg", INT, resources.gpus[2], .min = 0, .max = DISAGG_MAX_GPUS,
		DOC("GPUs of one aggregated worker")),
	ROW("spread_workers", TRI, resources.spread_workers, .dflt = "false",
		DOC("a worker smaller than a node gets a node of its own")),
	ROW("het_jobs", TRI, resources.het_jobs, DOC("prefill and decode nodes as separate pools")),
	END,
};
TABLE(resources);

static const struct disagg_row slurm_rows[] = {
	ROW("account", STR, slurm.account, DOC("--account")),
	ROW("partition", STR, slurm.partition, DOC("--partition")),
	ROW("time_limit", STR, slurm.time_limit, DOC("--time")),
	END,
};
TABLE(slurm);

static const struct disagg_row config_rows[] = {
	ROW("prefill", NODE, backend.config[0], DOC("engine settings of prefill workers")),
	ROW("decode", NODE, backend.config[1], DOC("engine settings of decode workers")),
	ROW("aggregated", NODE, backend.config[2], DOC("engine settings of aggregated workers")),
	END,
};
TABLE(config);

#define MOONCAKE_ROWS \
	ROW("container", STR, backend.mooncake.container, DOC("image of mooncake_master")), \
	ROW("env", MAP, backend.mooncake.env, DOC("environment added to every worker")), \
	ROW("master_extra_args", STRS, backend.mooncake.master_extra_args, \
		DOC("further arguments of mooncake_master"))

static const struct disagg_row sglang_mooncake_rows[] = {MOONCAKE_ROWS, END};
TABLE(sglang_mooncake);
static const struct disagg_row vllm_mooncake_rows[] = {
	MOONCAKE_ROWS,
	ROW("store_config", NODE, backend.mooncake.store_config, DOC("MooncakeStoreConfig's keys")),
	END,
};
TABLE(vllm_mooncake);

#define BACKEND_ROWS \
	ROW("type", STR, backend.type_name, DOC("sglang, trtllm, vllm or mocker")), \
	ROW("prefill_environment", MAP, backend.env[0], DOC("environment of prefill workers")), \
	ROW("decode_environment", MAP, backend.env[1], DOC("environment of decode workers")), \
	ROW("aggregated_environment", MAP, backend.env[2], \
		DOC("environment of aggregated workers"))

static const struct disagg_row sglang_rows[] = {
	BACKEND_ROWS,
	ROW("gpu_type", STR, backend.gpu_type, DOC("a label")),
	PART("sglang_config", config_table, DOC("flags of sglang by mode")),
	ROW("kv_events_config", NODE, backend.kv_events,
		DOC("true, or by mode: publish KV events")),
	PART("mooncake_kv_store", sglang_mooncake_table, DOC("run mooncake_master")),
	END,
};
TABLE(sglang);

static const struct disagg_row trtllm_rows[] = {
	BACKEND_ROWS,
	PART("trtllm_config", config_table, DOC("TensorRT-LLM's LLM API settings by mode")),
	ROW("publish_events_and_metrics", TRI, backend.publish_events, .dflt = "false",
		DOC("publish KV events and metrics")),
	ROW("sequential_node_start", INT, backend.sequential_node_start, COUNT, .dflt = "0",
		DOC("workers of a node that start at once; 0: all")),
	ROW("numa_memory_bind", TRI, backend.numa_memory_bind, DOC("numactl -m 0,1")),
	END,
};
TABLE(trtllm);

static const struct disagg_row vllm_rows[] = {
	BACKEND_ROWS,
	PART("vllm_config", config_table, DOC("flags of vllm by mode")),
	ROW("set_cuda_visible_devices", TRI, backend.set_visible_devices, .dflt = "false",
		DOC("CUDA_VISIBLE_DEVICES in place of --device-ids")),
	ROW("connector", STR, backend.connector, DOC("nixl, lmcache, kvbm, none, or JSON")),
	PART("mooncake_kv_store", vllm_mooncake_table, DOC("run mooncake_master")),
	ROW("kv_events_config", NODE, backend.kv_events,
		DOC("true, or by mode: publish KV events")),
	ROW("allow_prefill_decode_colocation", TRI, backend.colocation, .dflt = "false",
		DOC("prefill and decode share a node when all fit on one")),
	ROW("allow_prefill_decode_colocation_across_nodes", TRI, backend.colocation_across_nodes,
		.dflt = "false", DOC("the same over several nodes")),
	ROW("dp_launch_mode", ENUM, backend.dp_launch_mode, .names = dp_launches,
		.dflt = "per_node", DOC("one process a node, or (deprecated) one a GPU")),
	END,
};
TABLE(vllm);

static const struct disagg_row mocker_rows[] = {
	BACKEND_ROWS,
	PART("mocker_config", config_table, DOC("flags of the simulated engine by mode")),
	ROW("engine_type", STR, backend.mocker.engine_type, .dflt = "vllm",
		DOC("engine to imitate")),
	ROW("speedup_ratio", REAL, backend.mocker.speedup_ratio, COUNT, .dflt = "100.0",
		DOC("times faster than the engine")),
	ROW("decode_speedup_ratio", REAL, backend.mocker.decode_speedup_ratio, COUNT,
		.dflt = "1.0", DOC("the same for decode")),
	ROW("num_gpu_blocks_override", INT, backend.mocker.num_gpu_blocks, COUNT, .dflt = "16384",
		DOC("KV blocks")),
	ROW("max_num_seqs", INT, backend.mocker.max_num_seqs, COUNT, .dflt = "256", DOC("batch")),
	ROW("max_num_batched_tokens", INT, backend.mocker.max_num_batched_tokens, COUNT,
		.dflt = "8192", DOC("tokens of a batch")),
	ROW("block_size", INT, backend.mocker.block_size, COUNT, DOC("tokens of a KV block")),
	ROW("data_parallel_size", INT, backend.mocker.data_parallel_size, POSITIVE, .dflt = "1",
		DOC("ranks")),
	ROW("num_workers", INT, backend.mocker.num_workers, POSITIVE, .dflt = "1",
		DOC("engines in a process")),
	ROW("startup_time", REAL, backend.mocker.startup_time, COUNT, DOC("seconds")),
	ROW("kv_transfer_bandwidth", REAL, backend.mocker.kv_bandwidth, COUNT, DOC("GB/s")),
	ROW("kv_cache_dtype", STR, backend.mocker.kv_cache_dtype, DOC("type of the KV cache")),
	ROW("enable_prefix_caching", TRI, backend.mocker.prefix_caching, .dflt = "true",
		DOC("reuse KV blocks")),
	ROW("enable_chunked_prefill", TRI, backend.mocker.chunked_prefill, .dflt = "true",
		DOC("prefill in chunks")),
	ROW("preemption_mode", STR, backend.mocker.preemption_mode, DOC("what gives way")),
	END,
};
TABLE(mocker);

static const struct disagg_table *const backend_tables[DISAGG_SRT_BACKENDS] = {
	&sglang_table, &trtllm_table, &vllm_table, &mocker_table,
};

static const struct disagg_row frontend_rows[] = {
	ROW("type", ENUM, frontend.type, .names = disagg_srt_frontends, .dflt = "dynamo",
		DOC("who takes the requests")),
	ROW("enable_multiple_frontends", TRI, frontend.multiple, .dflt = "true",
		DOC("nginx and several frontends when there are 2 nodes or more")),
	ROW("num_additional_frontends", INT, frontend.additional, .min = 0,
		.max = DISAGG_MAX_NODES, .dflt = "9", DOC("frontends behind nginx, less one")),
	ROW("nginx_container", STR, frontend.nginx_container, .dflt = "nginx:1.27.4",
		DOC("image of nginx, or an alias")),
	ROW("nginx_raise_ulimit", TRI, frontend.raise_ulimit, DOC("raise the limit of open files")),
	ROW("nginx_session_affinity", TRI, frontend.session_affinity, .dflt = "false",
		DOC("a session stays with its frontend")),
	ROW("nginx_session_affinity_header", STR, frontend.affinity_header,
		.dflt = "X-Dynamo-Session-ID", DOC("the header that names the session")),
	ROW("nginx_keepalive_timeout", STR, frontend.keepalive_timeout, .dflt = "600s",
		DOC("how long nginx keeps an idle connection")),
	ROW("args", NODE, frontend.args, DOC("flags of the frontend")),
	ROW("env", MAP, frontend.env, DOC("environment of the frontend")),
	ROW("ctx_router", NODE, frontend.ctx_router, DOC("context_servers.router of trtllm-serve")),
	ROW("gen_router", NODE, frontend.gen_router,
		DOC("generation_servers.router of trtllm-serve")),
	ROW("server_config_extra", NODE, frontend.server_config_extra,
		DOC("further keys of trtllm-serve's configuration")),
	ROW("orchestrator_placement", ENUM, frontend.placement, .names = frontend_places,
		.dflt = "head", DOC("node of a single frontend")),
	ROW("dedicated_node", TRI, frontend.dedicated_node, .dflt = "false",
		DOC("a node of its own")),
	END,
};
TABLE(frontend);

static const struct disagg_row dynamo_rows[] = {
	ROW("install", TRI, dynamo.install, .dflt = "true", DOC("install dynamo at start")),
	ROW("version", STR, dynamo.version, DOC("version to install")),
	ROW("hash", STR, dynamo.hash, DOC("commit to build")),
	ROW("top_of_tree", TRI, dynamo.top_of_tree, .dflt = "false", DOC("build the newest")),
	ROW("wheel", STR, dynamo.wheel, DOC("version of staged wheels")),
	ROW("request_plane", ENUM, dynamo.request_plane, .names = request_planes, .dflt = "tcp",
		DOC("how requests travel")),
	ROW("event_plane", ENUM, dynamo.event_plane, .names = event_planes,
		DOC("how events travel")),
	ROW("cargo_patches", STRS, dynamo.cargo_patches, DOC("patches of a source build")),
	END,
};
TABLE(dynamo);

static const struct disagg_row benchmark_rows[] = {
	ROW("type", STR, benchmark.type, .dflt = "manual", DOC("what is run; manual: nothing")),
	ROW("isl", INT, benchmark.isl, POSITIVE, DOC("input tokens of a request")),
	ROW("osl", INT, benchmark.osl, POSITIVE, DOC("output tokens of a request")),
	ROW("concurrencies", NODE, benchmark.concurrencies, DOC("[4, 8] or \"4x8\"")),
	ROW("req_rate", STR, benchmark.req_rate, .dflt = "inf", DOC("requests a second")),
	ROW("client_placement", ENUM, benchmark.placement, .names = client_places, .dflt = "head",
		DOC("node of the client")),
	ROW("client_dedicated_node", TRI, benchmark.dedicated_node, .dflt = "false",
		DOC("the job's last node for the client alone")),
	ROW("colocate_with_frontend", TRI, benchmark.colocate, .dflt = "true",
		DOC("one reserved node for all that want one")),
	DEAD("sweep", DOC("nothing reads it")),
	ROW("num_examples", INT, benchmark.num_examples, COUNT, DOC("examples")),
	ROW("max_tokens", INT, benchmark.max_tokens, COUNT, DOC("tokens of an answer")),
	ROW("repeat", INT, benchmark.repeat, COUNT, DOC("runs of each example")),
	ROW("num_threads", INT, benchmark.num_threads, COUNT, DOC("requests at once")),
	ROW("max_context_length", INT, benchmark.max_context_length, COUNT, DOC("tokens")),
	ROW("categories", STRS, benchmark.categories, DOC("categories of longbenchv2")),
	ROW("num_shots", INT, benchmark.num_shots, COUNT, DOC("examples in the prompt")),
	ROW("temperature", REAL, benchmark.temperature, COUNT, DOC("sampling")),
	ROW("top_p", REAL, benchmark.top_p, .min = 0, .max = 1, DOC("sampling")),
	ROW("top_k", INT, benchmark.top_k, .min = -1, .max = INT32_MAX, DOC("sampling")),
	ROW("num_requests", INT, benchmark.num_requests, COUNT, DOC("requests of 'router'")),
	ROW("concurrency", INT, benchmark.concurrency, COUNT, DOC("requests at once of 'router'")),
	ROW("prefix_ratios", NODE, benchmark.prefix_ratios, DOC("shared parts of 'router'")),
	ROW("mooncake_workload", STR, benchmark.workload, DOC("trace of 'mooncake-router'")),
	ROW("ttft_threshold_ms", INT, benchmark.ttft_ms, POSITIVE, DOC("goodput: first token")),
	ROW("itl_threshold_ms", INT, benchmark.itl_ms, POSITIVE, DOC("goodput: each token")),
	ROW("random_range_ratio", REAL, benchmark.range_ratio, COUNT,
		DOC("how much lengths vary")),
	ROW("num_prompts_mult", INT, benchmark.prompts_mult, POSITIVE,
		DOC("prompts per concurrency")),
	ROW("num_warmup_mult", INT, benchmark.warmup_mult, COUNT, DOC("warm-up per concurrency")),
	ROW("dataset_name", STR, benchmark.dataset_name, DOC("random or custom")),
	ROW("dataset_path", STR, benchmark.dataset_path, DOC("file of a custom dataset")),
	ROW("trace_file", STR, benchmark.trace_file, DOC("file of 'trace-replay'")),
	ROW("custom_tokenizer", STR, benchmark.tokenizer, DOC("a tokenizer's class")),
	ROW("use_chat_template", TRI, benchmark.chat_template, .dflt = "true", DOC("chat form")),
	ROW("reuse_http_connections", TRI, benchmark.reuse_http, .dflt = "false",
		DOC("keep-alive")),
	ROW("command", STR, benchmark.command, DOC("shell line of 'custom'")),
	ROW("container_image", STR, benchmark.container_image,
		DOC("image of the client, or an alias")),
	ROW("env", MAP, benchmark.env, DOC("environment of the client")),
	ROW("aiperf_package", STR, benchmark.aiperf_package, DOC("package of aiperf")),
	ROW("aiperf_args", NODE, benchmark.aiperf_args, DOC("further flags of aiperf")),
	ROW("export_node_metrics", TRI, benchmark.node_metrics, .dflt = "false",
		DOC("tables a node")),
	ROW("slow_down_sleep_time", REAL, benchmark.slow_sleep, COUNT, DOC("seconds")),
	ROW("slow_down_wait_time", REAL, benchmark.slow_wait, COUNT, DOC("seconds")),
	ROW("client", ENUM, benchmark.client, .names = disagg_bench_clients, .dflt = "auto",
		DOC("who measures, not a key of srtctl's")),
	END,
};
TABLE(benchmark);

#define PHASE_ROWS(i) \
	{ROW("start_step", INT, profiling.phase[i].start_step, COUNT, DOC("first step")), \
	ROW("stop_step", INT, profiling.phase[i].stop_step, COUNT, DOC("step to stop at")), END}
static const struct disagg_row prefill_phase_rows[] = PHASE_ROWS(0);
TABLE(prefill_phase);
static const struct disagg_row decode_phase_rows[] = PHASE_ROWS(1);
TABLE(decode_phase);
static const struct disagg_row agg_phase_rows[] = PHASE_ROWS(2);
TABLE(agg_phase);

static const struct disagg_row profiling_rows[] = {
	ROW("type", ENUM, profiling.type, .names = profiling_types, .dflt = "none",
		DOC("profiler")),
	PART("prefill", prefill_phase_table, DOC("steps of prefill workers")),
	PART("decode", decode_phase_table, DOC("steps of decode workers")),
	PART("aggregated", agg_phase_table, DOC("steps of aggregated workers")),
	ROW("delay_secs", INT, profiling.delay, COUNT, DOC("nsys-time: seconds before")),
	ROW("duration_secs", INT, profiling.duration, POSITIVE, DOC("nsys-time: seconds of it")),
	ROW("benchmark_duration_secs", INT, profiling.benchmark_duration, POSITIVE, .dflt = "300",
		DOC("seconds of traffic")),
	ROW("extra_nsys_args", STRS, profiling.nsys_args, DOC("further arguments of nsys")),
	END,
};
TABLE(profiling);

static const struct disagg_row health_check_rows[] = {
	ROW("max_attempts", INT, health.attempts, .min = 1, .max = 1000000,
		DOC("looks before the deployment counts as failed")),
	ROW("interval_seconds", INT, health.interval, .min = 1, .max = 86400,
		DOC("between two looks")),
	END,
};
TABLE(health_check);

static const struct disagg_row infra_rows[] = {
	ROW("etcd_nats_dedicated_node", TRI, infra.dedicated_node, .dflt = "false",
		DOC("a node for etcd and NATS alone")),
	ROW("nats_max_payload_mb", INT, infra.nats_max_payload, .min = 1, .max = 1024, DOC("MB")),
	END,
};
TABLE(infra);

#define EXPORTER_ROWS(member) \
	{ROW("container_image", STR, member.image, NEEDED, DOC("image, or an alias")), \
	ROW("port", INT, member.port, .min = 1, .max = 65535, .flags = DISAGG_F_REQUIRED, \
		DOC("port")), \
	ROW("command", STR, member.command, DOC("shell line")), END}
static const struct disagg_row tachometer_dcgm_rows[] = EXPORTER_ROWS(observability.dcgm);
TABLE(tachometer_dcgm);
static const struct disagg_row tachometer_node_rows[] = EXPORTER_ROWS(observability.node);
TABLE(tachometer_node);
static const struct disagg_row telemetry_dcgm_rows[] = EXPORTER_ROWS(telemetry.dcgm);
TABLE(telemetry_dcgm);

static const struct disagg_row tachometer_rows[] = {
	ROW("enabled", TRI, observability.tachometer, .dflt = "false", DOC("run tachometer")),
	ROW("binary_path", STR, observability.binary_path, .flags = DISAGG_F_NOEMPTY,
		.dflt = "tachometer-scraper", DOC("its program")),
	ROW("default_frequency", REAL, observability.frequency, .dflt = "5.0", DOC("seconds")),
	ROW("sync_interval_secs", INT, observability.sync_interval, COUNT, .dflt = "120",
		DOC("seconds")),
	ROW("compaction_threads", INT, observability.compaction_threads, COUNT, .dflt = "4",
		DOC("threads")),
	ROW("storage_subdir", STR, observability.subdir, .dflt = "tachometer",
		DOC("below the logs")),
	ROW("extra_metadata", MAP, observability.extra_metadata, DOC("labels")),
	PART("dcgm_exporter", tachometer_dcgm_table, DOC("GPU metrics")),
	PART("node_exporter", tachometer_node_table, DOC("node metrics")),
	END,
};
TABLE(tachometer);

static const struct disagg_row observability_rows[] = {
	ROW("enabled", TRI, observability.enabled, .dflt = "false", DOC("metrics and traces")),
	ROW("enable_otel", TRI, observability.otel, .dflt = "false", DOC("OpenTelemetry")),
	ROW("otel_endpoint", STR, observability.otel_endpoint, DOC("the collector")),
	ROW("scrape_metrics", TRI, observability.scrape, DOC("read metrics (default: as enabled)")),
	ROW("scrape_interval_seconds", REAL, observability.scrape_interval, .dflt = "1.0",
		DOC("seconds")),
	ROW("scrape_output", STR, observability.scrape_output, .dflt = "raw_prometheus.jsonl",
		DOC("file")),
	ROW("build_dashboard", TRI, observability.dashboard,
		DOC("a page of graphs (default: as enabled)")),
	PART("tachometer", tachometer_table, DOC("collection by tachometer")),
	END,
};
TABLE(observability);

static const struct disagg_row telemetry_rows[] = {
	ROW("enabled", TRI, telemetry.enabled, .dflt = "false", DOC("measure power")),
	PART("dcgm_exporter", telemetry_dcgm_table, DOC("where the numbers come from")),
	ROW("default_frequency", REAL, telemetry.frequency, .dflt = "1.0", DOC("seconds")),
	ROW("storage_subdir", STR, telemetry.subdir, .dflt = "power", DOC("below the logs")),
	ROW("required", TRI, telemetry.required, .dflt = "false", DOC("no result without it")),
	ROW("startup_timeout_seconds", REAL, telemetry.startup_timeout, .dflt = "30.0",
		DOC("seconds")),
	ROW("request_timeout_seconds", REAL, telemetry.request_timeout, .dflt = "2.0",
		DOC("seconds")),
	ROW("collector_join_timeout_seconds", REAL, telemetry.join_timeout, DOC("seconds")),
	END,
};
TABLE(telemetry);

static const struct disagg_row output_rows[] = {
	DEAD("log_dir", DOC("srtctl does not read it; the cluster file's log_dir counts")),
	END,
};
TABLE(output);

static const struct disagg_row identity_model_rows[] = {
	ROW("repo", STR, identity.repo, DOC("the model's repository")),
	ROW("revision", STR, identity.revision, DOC("its revision")),
	END,
};
TABLE(identity_model);
static const struct disagg_row identity_container_rows[] = {
	ROW("image", STR, identity.image, DOC("the image's name")),
	END,
};
TABLE(identity_container);
static const struct disagg_row identity_rows[] = {
	PART("model", identity_model_table, DOC("what the model must be")),
	PART("container", identity_container_table, DOC("what the image must be")),
	ROW("frameworks", MAP, identity.frameworks, DOC("versions that must be found")),
	END,
};
TABLE(identity);

static const struct disagg_row status_rows[] = {
	ROW("endpoint", STR, reporting.endpoint, DOC("address of the status service")),
	ROW("endpoints", STRS, reporting.endpoints, DOC("several of them")),
	END,
};
TABLE(status);
static const struct disagg_row analysis_rows[] = {
	ROW("enabled", TRI, reporting.analysis, .dflt = "false", DOC("analyse failures")),
	ROW("openrouter_api_key", STR, reporting.openrouter_key, .flags = DISAGG_F_SECRET,
		DOC("key")),
	ROW("gh_token", STR, reporting.gh_token, .flags = DISAGG_F_SECRET, DOC("token")),
	ROW("repos_to_search", STRS, reporting.repos, DOC("repositories")),
	ROW("pr_search_days", INT, reporting.search_days, POSITIVE, .dflt = "14", DOC("days")),
	ROW("prompt", STR, reporting.prompt, DOC("what to ask")),
	END,
};
TABLE(analysis);
static const struct disagg_row s3_rows[] = {
	ROW("bucket", STR, reporting.bucket, NEEDED, DOC("bucket")),
	ROW("prefix", STR, reporting.prefix, DOC("path in it")),
	ROW("region", STR, reporting.region, DOC("region")),
	ROW("endpoint_url", STR, reporting.endpoint_url, DOC("address")),
	ROW("access_key_id", STR, reporting.access_key, .flags = DISAGG_F_SECRET, DOC("key")),
	ROW("secret_access_key", STR, reporting.secret_key, .flags = DISAGG_F_SECRET,
		DOC("secret")),
	END,
};
TABLE(s3);
static const struct disagg_row reporting_rows[] = {
	PART("status", status_table, DOC("status service")),
	PART("ai_analysis", analysis_table, DOC("analysis of failures")),
	PART("s3", s3_table, DOC("upload of logs")),
	END,
};
TABLE(reporting);

static const struct disagg_row recipe_rows[] = {
	ROW("name", STR, name, NEEDED, DOC("the job's name")),
	PART("model", model_table, .flags = DISAGG_F_REQUIRED, DOC("what is served")),
	PART("resources", resources_table, .flags = DISAGG_F_REQUIRED, DOC("workers and nodes")),
	PART("slurm", slurm_table, DOC("options for sbatch")),
	ROW("backend", NODE, backend_node, DOC("the engine")),
	PART("frontend", frontend_table, DOC("who takes the requests")),
	PART("dynamo", dynamo_table, DOC("dynamo's version and transport")),
	PART("benchmark", benchmark_table, DOC("the load")),
	PART("profiling", profiling_table, DOC("profilers")),
	PART("output", output_table, DOC("where output goes")),
	PART("health_check", health_check_table, DOC("the wait for readiness")),
	PART("infra", infra_table, DOC("etcd and NATS")),
	PART("observability", observability_table, DOC("metrics and traces")),
	PART("telemetry", telemetry_table, DOC("power")),
	ROW("environment", MAP, environment, DOC("environment of all processes")),
	ROW("container_mounts", MAP, container_mounts, DOC("host path: container path")),
	ROW("extra_mount", STRS, extra_mount, DOC("\"host:container\"")),
	ROW("srun_options", MAP, srun_options, DOC("options of the workers' steps")),
	ROW("sbatch_directives", MAP, sbatch_directives, DOC("options for sbatch")),
	DEAD("enable_config_dump", DOC("nothing reads it")),
	ROW("setup_script", STR, setup_script, DOC("script before each worker")),
	PART("identity", identity_table, DOC("what must be found at run time")),
	PART("reporting", reporting_table, DOC("where results are told")),
	{.key = "probes", .kind = DISAGG_K_IGNORE, DOC("probing.c reads it")},
	{.key = "lock", .kind = DISAGG_K_IGNORE, DOC("what a lock file adds")},
	END,
};
TABLE(recipe);
/* clang-format on */

/* The backend's table follows from its type, so it is read by itself. */
static int read_backend(
	struct disagg_import *import, struct disagg_schema_walk *walk, struct disagg_srt *srt)
{
	const struct disagg_node *map = srt->backend_node;
	const struct disagg_node *type = disagg_node_get(map, "type");
	const char *near;

	if (!map || disagg_node_is_null(map))
		map = disagg_node_map(import->arena, import->tree->at);
	if (!map)
		return -1;
	if (map->kind != DISAGG_MAP) {
		disagg_findings_error(import->found, &map->at, "backend: expected a map, got %s",
			disagg_node_type_name(map));
		return 0;
	}
	if (type && type->kind == DISAGG_SCALAR && !disagg_node_is_null(type)) {
		int i = 0;

		while (disagg_srt_backends[i] && strcmp(disagg_srt_backends[i], type->text) != 0)
			i++;
		srt->backend.type = i;
	}
	if (srt->backend.type == DISAGG_SRT_BACKENDS) {
		near = disagg_nearest_name(disagg_srt_backends, type->text);
		disagg_findings_error(import->found, &type->at,
			"backend.type: expected sglang, trtllm, vllm or mocker, got '%s'%s%s%s",
			type->text, near ? "; did you mean '" : "", near ? near : "",
			near ? "'?" : "");
		srt->backend.type = DISAGG_SRT_SGLANG;
		return 0;
	}
	walk->prefix = "backend";
	return disagg_schema_read(walk, backend_tables[srt->backend.type], map, srt);
}

int disagg_srt_read(struct disagg_import *import, struct disagg_srt *ret)
{
	struct disagg_schema_walk walk = {
		.arena = import->arena,
		.found = import->found,
		.trace = &import->job->trace,
		.prefix = "",
	};

	ret->dynamo.event_plane = -1;
	if (disagg_schema_read(&walk, &recipe_table, import->tree, ret))
		return -1;
	return read_backend(import, &walk, ret);
}
