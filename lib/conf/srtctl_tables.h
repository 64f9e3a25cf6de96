/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_SRTCTL_TABLES_H
#define DISAGG_CONF_SRTCTL_TABLES_H

#include "lib/conf/cluster.h"
#include "lib/conf/job.h"

/*
 * A recipe of srtctl, version 1, as its keys say (NVIDIA/srt-slurm c88ef731,
 * src/srtctl/core/schema.py and backends/).  Private to the srtctl_*.c files.
 */
enum disagg_srt_mode { DISAGG_SRT_PREFILL, DISAGG_SRT_DECODE, DISAGG_SRT_AGG, DISAGG_SRT_MODES };
/* "prefill", "decode", "agg", and as backend.<engine>_config spells them */
extern const char *const disagg_srt_modes[DISAGG_SRT_MODES + 1];
extern const char *const disagg_srt_sections[DISAGG_SRT_MODES + 1];

enum disagg_srt_backend_type {
	DISAGG_SRT_SGLANG,
	DISAGG_SRT_TRTLLM,
	DISAGG_SRT_VLLM,
	DISAGG_SRT_MOCKER,
	DISAGG_SRT_BACKENDS,
};
extern const char *const disagg_srt_backends[DISAGG_SRT_BACKENDS + 1];

enum disagg_srt_frontend_type {
	DISAGG_SRT_F_DYNAMO,
	DISAGG_SRT_F_SGLANG,
	DISAGG_SRT_F_TRTLLM_SERVE,
	DISAGG_SRT_F_VLLM,
	DISAGG_SRT_FRONTENDS,
};
extern const char *const disagg_srt_frontends[DISAGG_SRT_FRONTENDS + 1];

enum disagg_srt_frontend_place { DISAGG_SRT_F_HEAD, DISAGG_SRT_F_FIRST_DECODE };
enum disagg_srt_client_place { DISAGG_SRT_C_HEAD, DISAGG_SRT_C_LAST_DECODE };
enum disagg_srt_dp_launch { DISAGG_SRT_DP_PER_NODE, DISAGG_SRT_DP_PER_GPU };

enum disagg_srt_profiling_type {
	DISAGG_SRT_P_NONE,
	DISAGG_SRT_P_NSYS,
	DISAGG_SRT_P_NSYS_TIME,
	DISAGG_SRT_P_TORCH,
};

enum disagg_srt_bench_type {
	DISAGG_SRT_B_MANUAL,
	DISAGG_SRT_B_CUSTOM,
	DISAGG_SRT_B_GPQA,
	DISAGG_SRT_B_GSM8K,
	DISAGG_SRT_B_LM_EVAL,
	DISAGG_SRT_B_LONGBENCHV2,
	DISAGG_SRT_B_MMLU,
	DISAGG_SRT_B_MOONCAKE_ROUTER,
	DISAGG_SRT_B_ROUTER,
	DISAGG_SRT_B_SA,
	DISAGG_SRT_B_SGLANG,
	DISAGG_SRT_B_TRACE_REPLAY,
	DISAGG_SRT_BENCHES,
};
extern const char *const disagg_srt_benches[DISAGG_SRT_BENCHES + 1];

struct disagg_srt_resources {
	const char *gpu_type;
	struct disagg_int gpus_per_node;
	struct disagg_int nodes[DISAGG_SRT_MODES];
	struct disagg_int workers[DISAGG_SRT_MODES];
	struct disagg_int gpus[DISAGG_SRT_MODES]; /* of one worker, where the file says */
	enum disagg_tristate spread_workers, het_jobs;
};

struct disagg_srt_mooncake {
	const char *container;
	struct disagg_map env;
	struct disagg_strs master_extra_args;
	const struct disagg_node *store_config;
};

/* The simulated engine's own keys: only their types are checked here. */
struct disagg_srt_mocker {
	const char *engine_type, *kv_cache_dtype, *preemption_mode;
	struct disagg_real speedup_ratio, decode_speedup_ratio, startup_time, kv_bandwidth;
	struct disagg_int num_gpu_blocks, max_num_seqs, max_num_batched_tokens, block_size;
	struct disagg_int data_parallel_size, num_workers;
	enum disagg_tristate prefix_caching, chunked_prefill;
};

struct disagg_srt_backend {
	int type; /* enum disagg_srt_backend_type */
	const char *type_name, *gpu_type, *connector;
	struct disagg_map env[DISAGG_SRT_MODES];
	const struct disagg_node *config[DISAGG_SRT_MODES];
	const struct disagg_node *kv_events, *mooncake_node;
	struct disagg_srt_mooncake mooncake;
	struct disagg_srt_mocker mocker;
	enum disagg_tristate publish_events, numa_memory_bind, set_visible_devices;
	enum disagg_tristate colocation, colocation_across_nodes;
	struct disagg_int sequential_node_start;
	int dp_launch_mode; /* enum disagg_srt_dp_launch */
};

struct disagg_srt_frontend {
	int type, placement;
	enum disagg_tristate multiple, raise_ulimit, session_affinity, dedicated_node;
	struct disagg_int additional;
	const char *nginx_container, *affinity_header, *keepalive_timeout;
	const struct disagg_node *args, *ctx_router, *gen_router, *server_config_extra;
	struct disagg_map env;
};

struct disagg_srt_dynamo {
	enum disagg_tristate install, top_of_tree;
	const char *version, *hash, *wheel;
	int request_plane, event_plane;
	struct disagg_strs cargo_patches;
};

struct disagg_srt_benchmark {
	const char *type;
	struct disagg_int isl, osl, num_examples, max_tokens, repeat, num_threads;
	struct disagg_int max_context_length, num_shots, top_k, num_requests, concurrency;
	struct disagg_int ttft_ms, itl_ms, prompts_mult, warmup_mult;
	struct disagg_real temperature, top_p, range_ratio, slow_sleep, slow_wait;
	const char *req_rate, *workload, *dataset_name, *dataset_path, *trace_file, *tokenizer;
	const char *command, *container_image, *aiperf_package;
	const struct disagg_node *concurrencies, *prefix_ratios, *aiperf_args;
	struct disagg_strs categories;
	struct disagg_map env;
	int placement, client;
	enum disagg_tristate dedicated_node, colocate, chat_template, reuse_http, node_metrics;
};

struct disagg_srt_phase {
	struct disagg_int start_step, stop_step;
};

struct disagg_srt_profiling {
	int type;
	struct disagg_srt_phase phase[DISAGG_SRT_MODES];
	struct disagg_int delay, duration, benchmark_duration;
	struct disagg_strs nsys_args;
};

struct disagg_srt_exporter {
	const char *image, *command;
	struct disagg_int port;
};

struct disagg_srt_observability {
	enum disagg_tristate enabled, otel, scrape, dashboard, tachometer;
	const char *otel_endpoint, *scrape_output, *binary_path, *subdir;
	struct disagg_real scrape_interval, frequency;
	struct disagg_int sync_interval, compaction_threads;
	struct disagg_map extra_metadata;
	struct disagg_srt_exporter dcgm, node;
};

struct disagg_srt_telemetry {
	enum disagg_tristate enabled, required;
	const char *subdir;
	struct disagg_real frequency, startup_timeout, request_timeout, join_timeout;
	struct disagg_srt_exporter dcgm;
};

struct disagg_srt_reporting {
	const char *endpoint, *openrouter_key, *gh_token, *prompt;
	const char *bucket, *prefix, *region, *endpoint_url, *access_key, *secret_key;
	struct disagg_strs endpoints, repos;
	enum disagg_tristate analysis;
	struct disagg_int search_days;
};

struct disagg_srt {
	const char *name, *setup_script;
	struct {
		const char *path, *container, *precision, *stage_dir;
	} model;
	struct disagg_srt_resources resources;
	struct {
		const char *account, *partition, *time_limit;
	} slurm;
	const struct disagg_node *backend_node;
	struct disagg_srt_backend backend;
	struct disagg_srt_frontend frontend;
	struct disagg_srt_dynamo dynamo;
	struct disagg_srt_benchmark benchmark;
	struct disagg_srt_profiling profiling;
	struct {
		struct disagg_int attempts, interval;
	} health;
	struct {
		enum disagg_tristate dedicated_node;
		struct disagg_int nats_max_payload;
	} infra;
	struct disagg_srt_observability observability;
	struct disagg_srt_telemetry telemetry;
	struct disagg_srt_reporting reporting;
	struct {
		const char *repo, *revision, *image;
		struct disagg_map frameworks;
	} identity;
	struct disagg_map environment, container_mounts, srun_options, sbatch_directives;
	struct disagg_strs extra_mount;
	struct disagg_strs concurrencies; /* benchmark.concurrencies, as integers */
	int bench;			  /* enum disagg_srt_bench_type */
};

/* Tree to recipe by the tables.  Problems become findings; -1: no memory. */
int disagg_srt_read(struct disagg_import *import, struct disagg_srt *ret);

/* ---- what several rules and the mapping need (srtctl_rules.c) ---- */

/* Where the value at path is, or the nearest section above it. */
const struct disagg_origin *disagg_srt_at(const struct disagg_import *import, const char *path);
/* Whether the file gives the key a value other than null. */
bool disagg_srt_given(const struct disagg_import *import, const char *path);

bool disagg_srt_is_disaggregated(const struct disagg_srt *srt);
int64_t disagg_srt_workers(const struct disagg_srt *srt, enum disagg_srt_mode mode);
/* GPUs of one worker, as said or as computed from nodes and workers. */
int64_t disagg_srt_gpus(const struct disagg_srt *srt, enum disagg_srt_mode mode);
/* vLLM: prefill and decode packed on the same nodes. */
bool disagg_srt_colocated(const struct disagg_srt *srt);
int64_t disagg_srt_worker_nodes(const struct disagg_srt *srt);
unsigned disagg_srt_reserved_nodes(const struct disagg_srt *srt);
/* The worker owns the public port itself: no frontend process. */
bool disagg_srt_direct(const struct disagg_srt *srt);
/* nginx before several frontends. */
bool disagg_srt_uses_nginx(const struct disagg_srt *srt);

/* All cross-field rules, and srt->concurrencies and srt->bench. -1: no memory. */
int disagg_srt_check(struct disagg_import *import, struct disagg_srt *srt);
/* The rules of single sections, each in its own file. */
int disagg_srt_check_benchmark(struct disagg_import *import, struct disagg_srt *srt);
void disagg_srt_check_engine(struct disagg_import *import, const struct disagg_srt *srt);
void disagg_srt_check_monitoring(struct disagg_import *import, const struct disagg_srt *srt);

/* A finding: an error, or a warning in a file's `base`, which the variants
 * complete. */
void disagg_srt_incomplete(struct disagg_import *import, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- engine settings (srtctl_flags.c) ---- */

/* The value of a flag; '-' and '_' are the same, the last one counts. */
const struct disagg_node *disagg_srt_flag(const struct disagg_node *config, const char *name);
/* The first of names (ends with NULL) that is given as an integer. */
bool disagg_srt_flag_int(const struct disagg_node *config, const char *const *names, int64_t *ret);

struct disagg_srt_parallel {
	int64_t tp, pp, dp, cp; /* 1 where not given */
	bool tp_given, dp_given;
};
struct disagg_srt_parallel disagg_srt_parallelism(
	const struct disagg_srt *srt, enum disagg_srt_mode mode);
/* GPUs that the parallelism takes. */
int64_t disagg_srt_world(const struct disagg_srt *srt, const struct disagg_srt_parallel *par);

/* Ports that the flags fix, into role->pin. */
void disagg_srt_pins(struct disagg_import *import, const struct disagg_srt *srt,
	enum disagg_srt_mode mode, struct disagg_role *role);

/* ---- the services around the workers (srtctl_services.c) ---- */
/* etcd and so on, which workers wait for; then frontends and the benchmark. */
int disagg_srt_add_services(struct disagg_import *import, const struct disagg_srt *srt);
/* Names of the services that the workers start after. */
int disagg_srt_worker_after(
	struct disagg_import *import, const struct disagg_srt *srt, struct disagg_strs *ret);
bool disagg_srt_has_mooncake(const struct disagg_import *import);
/* The readiness path of the frontend. */
const char *disagg_srt_health_path(const struct disagg_srt *srt);

/* Cluster and job environment, with `between` under the job's. */
int disagg_srt_env(struct disagg_import *import, const struct disagg_srt *srt,
	const struct disagg_map *between, struct disagg_map *ret);

#endif
