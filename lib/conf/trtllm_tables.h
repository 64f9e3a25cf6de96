/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_TRTLLM_TABLES_H
#define DISAGG_CONF_TRTLLM_TABLES_H

#include "lib/conf/schema.h"

/*
 * A TensorRT-LLM disaggregated-benchmark file in its three generations, as
 * one set of tables: A has `sequence:` and environment.dataset_file, B has the
 * lengths and the dataset under `benchmark:`, C adds routers, compact packing
 * and context parallelism.  Keys without a field are read as trees, or not at all.
 */
enum disagg_trtllm_mode {
	DISAGG_TRTLLM_E2E,
	DISAGG_TRTLLM_GEN_ONLY,
	DISAGG_TRTLLM_GEN_ONLY_NO_CONTEXT,
};
extern const char *const disagg_trtllm_modes[];

/* What of a server's own settings decides its size, and what warnings need. */
struct disagg_trtllm_server {
	struct disagg_int tp, pp, cp;
	struct disagg_int max_batch_size, max_num_tokens, max_seq_len;
	struct disagg_int nextn_layers, max_draft_len; /* of speculative_config */
	enum disagg_tristate attention_dp;
};

struct disagg_trtllm {
	/* metadata */
	const char *model_name, *precision, *model_dir_name, *meta_dataset_file;
	struct disagg_strs supported_gpus;
	/* slurm */
	const char *partition, *account, *job_time, *job_name, *extra_args;
	enum disagg_tristate set_segment, numa_bind;
	/* benchmark; `mode` is an index in disagg_trtllm_modes, `client` in
	 * disagg_bench_clients */
	int mode, client;
	enum disagg_tristate enable_benchmark, use_nv_sa_benchmark, streaming;
	const char *benchmark_client, *benchmark_dataset_file;
	struct disagg_int multi_round;
	struct disagg_real benchmark_ratio;
	struct disagg_strs concurrency_list;
	struct disagg_int isl, osl, sequence_isl, sequence_osl;
	struct disagg_map client_env; /* benchmark.env_var */
	/* hardware */
	struct disagg_int gpus_per_node, num_ctx_servers, num_gen_servers;
	const char *gpu_type;
	enum disagg_tristate compact_packing;
	/* environment */
	const char *container_mount, *container_image, *container_workdir, *model_path, *log_dir;
	const char *env_dataset_file;
	struct disagg_int server_health_timeout; /* seconds */
	const char *worker_env_var, *ctx_worker_env_var, *gen_worker_env_var;
	const char *server_env_var, *benchmark_env_var, *client_env_var;
	/* worker_config */
	struct disagg_trtllm_server ctx, gen;
};

extern const struct disagg_table disagg_trtllm_table;
/* The settings of one server that are known; a file may have others. */
extern const struct disagg_table disagg_trtllm_server_table;
bool disagg_trtllm_server_knows(const char *key);

#endif
