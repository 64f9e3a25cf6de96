/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/trtllm_tables.h"
#include "lib/conf/job.h"
#include "lib/base/limits.h"
#include <string.h>

const char *const disagg_trtllm_modes[] = {
	"e2e",
	"gen_only",
	"gen_only_no_context",
	NULL,
};

#define FIELD(member)  offsetof(struct disagg_trtllm, member)
#define SERVER(member) offsetof(struct disagg_trtllm_server, member)

#define ROW(k, type, at, text)                                                                     \
	{                                                                                          \
		.key = (k), .kind = (type), .offset = (at), .doc = (text)                          \
	}
#define COUNT(k, at, lo, hi, text)                                                                 \
	{                                                                                          \
		.key = (k), .kind = DISAGG_K_INT, .offset = (at), .min = (lo), .max = (hi),        \
		.doc = (text)                                                                      \
	}
/* known; whoever needs it reads it from the tree */
#define TREE(k, text)                                                                              \
	{                                                                                          \
		.key = (k), .kind = DISAGG_K_IGNORE, .doc = (text)                                 \
	}
#define PART(k, table, at, f, text)                                                                \
	{                                                                                          \
		.key = (k), .kind = DISAGG_K_STRUCT, .offset = (at), .flags = (f),                 \
		.sub = &(table), .doc = (text)                                                     \
	}
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}

#define MOST_TOKENS (INT64_C(1) << 40)

static const struct disagg_row metadata_row[] = {
	ROW("model_name", DISAGG_K_STR, FIELD(model_name), "the model's label"),
	ROW("precision", DISAGG_K_STR, FIELD(precision), "fp4, fp8, bf16"),
	ROW("model_dir_name", DISAGG_K_STR, FIELD(model_dir_name), "folder below the models root"),
	ROW("supported_gpus", DISAGG_K_STRS, FIELD(supported_gpus), "GPU types it is meant for"),
	ROW("dataset_file", DISAGG_K_STR, FIELD(meta_dataset_file), "below the data root"),
	TREE("script_file", "the launch script upstream"),
	TREE("benchmark_type", "a label"),
	TREE("config_index", "a label of the oldest generation"),
	TREE("accuracy", "expected accuracy by data set"),
	END,
};
static const struct disagg_table metadata_table = {"metadata", metadata_row};

static const struct disagg_row slurm_row[] = {
	ROW("partition", DISAGG_K_STR, FIELD(partition), "--partition"),
	ROW("account", DISAGG_K_STR, FIELD(account), "--account"),
	ROW("job_time", DISAGG_K_STR, FIELD(job_time), "--time"),
	ROW("job_name", DISAGG_K_STR, FIELD(job_name), "--job-name"),
	ROW("extra_args", DISAGG_K_STR, FIELD(extra_args), "further options for sbatch"),
	ROW("set_segment", DISAGG_K_TRI, FIELD(set_segment), "--segment=NODES (default true)"),
	ROW("numa_bind", DISAGG_K_TRI, FIELD(numa_bind), "workers' memory on NUMA nodes 0 and 1"),
	TREE("script_file", "the launch script upstream"),
	END,
};
static const struct disagg_table slurm_table = {"slurm", slurm_row};

static const struct disagg_row benchmark_row[] = {
	{.key = "mode",
		.kind = DISAGG_K_ENUM,
		.offset = FIELD(mode),
		.names = disagg_trtllm_modes,
		.doc = "what is measured; gen_only_no_context starts no ctx servers"},
	ROW("enable_benchmark", DISAGG_K_TRI, FIELD(enable_benchmark), "default true"),
	ROW("use_nv_sa_benchmark", DISAGG_K_TRI, FIELD(use_nv_sa_benchmark), "the SA client"),
	ROW("benchmark_client", DISAGG_K_STR, FIELD(benchmark_client), "another client: agentx"),
	{.key = "client",
		.kind = DISAGG_K_ENUM,
		.offset = FIELD(client),
		.names = disagg_bench_clients,
		.dflt = "auto",
		.doc = "who measures, not a key of the harness"},
	COUNT("multi_round", FIELD(multi_round), 1, 1000000,
		"prompts for each unit of concurrency"),
	ROW("benchmark_ratio", DISAGG_K_REAL, FIELD(benchmark_ratio), "random range ratio"),
	ROW("streaming", DISAGG_K_TRI, FIELD(streaming), "stream the answers"),
	ROW("concurrency_list", DISAGG_K_STRS, FIELD(concurrency_list),
		"integers: a list, or text with blanks or commas; for each gen server"),
	COUNT("input_length", FIELD(isl), 1, MOST_TOKENS, "tokens in"),
	COUNT("output_length", FIELD(osl), 1, MOST_TOKENS, "tokens out"),
	ROW("dataset_file", DISAGG_K_STR, FIELD(benchmark_dataset_file), "prompts"),
	ROW("env_var", DISAGG_K_LOOSEMAP, FIELD(client_env), "environment of the client"),
	TREE("metrics", "which metrics to take from which log"),
	END,
};
static const struct disagg_table benchmark_table = {"benchmark", benchmark_row};

static const struct disagg_row hardware_row[] = {
	{.key = "gpus_per_node",
		.kind = DISAGG_K_INT,
		.offset = FIELD(gpus_per_node),
		.flags = DISAGG_F_REQUIRED,
		.min = 1,
		.max = DISAGG_MAX_GPUS_PER_NODE,
		.doc = "GPUs that a node gives to servers"},
	{.key = "num_ctx_servers",
		.kind = DISAGG_K_INT,
		.offset = FIELD(num_ctx_servers),
		.flags = DISAGG_F_REQUIRED,
		.min = 0,
		.max = DISAGG_MAX_WORKERS,
		.doc = "prefill servers"},
	{.key = "num_gen_servers",
		.kind = DISAGG_K_INT,
		.offset = FIELD(num_gen_servers),
		.flags = DISAGG_F_REQUIRED,
		.min = 1,
		.max = DISAGG_MAX_WORKERS,
		.doc = "decode servers"},
	ROW("gpu_type", DISAGG_K_STR, FIELD(gpu_type), "a label"),
	ROW("compact_packing", DISAGG_K_TRI, FIELD(compact_packing),
		"servers share nodes: one row of GPUs over all of them"),
	END,
};
static const struct disagg_table hardware_table = {"hardware", hardware_row};

static const struct disagg_row sequence_row[] = {
	COUNT("input_length", FIELD(sequence_isl), 1, MOST_TOKENS, "tokens in"),
	COUNT("output_length", FIELD(sequence_osl), 1, MOST_TOKENS, "tokens out"),
	END,
};
static const struct disagg_table sequence_table = {"sequence", sequence_row};

static const struct disagg_row environment_row[] = {
	ROW("container_mount", DISAGG_K_STR, FIELD(container_mount), "SRC:DST,SRC:DST"),
	ROW("container_image", DISAGG_K_STR, FIELD(container_image),
		"image file or REGISTRY#IMAGE"),
	ROW("container_workdir", DISAGG_K_STR, FIELD(container_workdir), "start folder inside"),
	ROW("model_path", DISAGG_K_STR, FIELD(model_path), "the model's folder"),
	ROW("log_dir", DISAGG_K_STR, FIELD(log_dir), "where the run directory is made"),
	ROW("dataset_file", DISAGG_K_STR, FIELD(env_dataset_file), "prompts"),
	ROW("server_health_timeout", DISAGG_K_DURATION, FIELD(server_health_timeout),
		"how long servers may take to start (default 1800 s)"),
	ROW("worker_env_var", DISAGG_K_STR, FIELD(worker_env_var), "K=V K=V for all workers"),
	ROW("ctx_worker_env_var", DISAGG_K_STR, FIELD(ctx_worker_env_var), "for ctx workers"),
	ROW("gen_worker_env_var", DISAGG_K_STR, FIELD(gen_worker_env_var), "for gen workers"),
	ROW("server_env_var", DISAGG_K_STR, FIELD(server_env_var), "for the disagg server"),
	ROW("benchmark_env_var", DISAGG_K_STR, FIELD(benchmark_env_var), "for the client"),
	ROW("client_env_var", DISAGG_K_STR, FIELD(client_env_var), "for the client"),
	TREE("trtllm_repo", "sources to build from"),
	TREE("build_wheel", "build before the run"),
	TREE("cuda_architectures", "of that build"),
	TREE("trtllm_wheel_path", "wheel to install before the run"),
	TREE("work_dir", "folder of the launch scripts upstream"),
	TREE("llm_models_root", "models root of older harnesses"),
	TREE("open_search_db_base_url", "where older harnesses send results"),
	END,
};
static const struct disagg_table environment_table = {"environment", environment_row};

static const struct disagg_row profiling_row[] = {
	TREE("nsys_on", "profile with nsys"),
	TREE("ctx_profile_range", "engine iterations FIRST-LAST"),
	TREE("gen_profile_range", "engine iterations FIRST-LAST"),
	END,
};
static const struct disagg_table profiling_table = {"profiling", profiling_row};

static const struct disagg_row accuracy_row[] = {
	TREE("enable_accuracy_test", "run lm_eval after the benchmark"),
	TREE("model", "local-completions or local-chat-completions"),
	TREE("tasks", "gsm8k,... or a map of tasks"),
	TREE("model_args_extra", "further lm_eval arguments"),
	TREE("extra_kwargs", "further lm_eval options"),
	TREE("env_var", "environment of lm_eval"),
	END,
};
static const struct disagg_table accuracy_table = {"accuracy", accuracy_row};

static const struct disagg_row precheck_row[] = {
	TREE("enabled", "test KV transfer before models load"),
	TREE("step_timeout_s", "seconds"),
	END,
};
static const struct disagg_table precheck_table = {"cache_transceiver_precheck", precheck_row};

static const struct disagg_row speculative_row[] = {
	COUNT("num_nextn_predict_layers", SERVER(nextn_layers), 0, 1024, "draft length, older"),
	COUNT("max_draft_len", SERVER(max_draft_len), 0, 1024, "draft length, newer"),
	TREE("decoding_type", "MTP, Eagle, DSpark"),
	TREE("speculative_model", "the draft model"),
	TREE("eagle3_one_model", "engine"),
	TREE("block_size", "engine"),
	END,
};
static const struct disagg_table speculative_table = {"speculative_config", speculative_row};

static const struct disagg_row server_row[] = {
	COUNT("tensor_parallel_size", SERVER(tp), 1, DISAGG_MAX_GPUS, "default 1"),
	COUNT("pipeline_parallel_size", SERVER(pp), 1, DISAGG_MAX_GPUS, "default 1"),
	COUNT("context_parallel_size", SERVER(cp), 1, DISAGG_MAX_GPUS, "default 1"),
	COUNT("max_batch_size", SERVER(max_batch_size), 1, MOST_TOKENS,
		"requests at once; of each rank with attention data parallelism"),
	COUNT("max_num_tokens", SERVER(max_num_tokens), 1, MOST_TOKENS, "tokens of one iteration"),
	COUNT("max_seq_len", SERVER(max_seq_len), 1, MOST_TOKENS, "tokens of one request"),
	ROW("enable_attention_dp", DISAGG_K_TRI, SERVER(attention_dp),
		"attention data parallelism"),
	PART("speculative_config", speculative_table, 0, DISAGG_F_FREE, "draft tokens"),
	TREE("moe_expert_parallel_size", "experts over the ranks; takes no GPUs of its own"),
	TREE("moe_tensor_parallel_size", "experts over the ranks; takes no GPUs of its own"),
	TREE("moe_cluster_parallel_size", "experts over the ranks; takes no GPUs of its own"),
	TREE("enable_lm_head_tp_in_adp", "engine"),
	TREE("cuda_graph_config", "engine"),
	TREE("print_iter_log", "engine"),
	TREE("trust_remote_code", "engine"),
	TREE("disable_overlap_scheduler", "engine"),
	TREE("enable_chunked_prefill", "engine"),
	TREE("enable_layerwise_nvtx_marker", "engine"),
	TREE("allreduce_strategy", "engine"),
	TREE("stream_interval", "engine"),
	TREE("num_postprocess_workers", "engine"),
	TREE("num_serve_frontends", "engine"),
	TREE("kv_cache_config", "engine"),
	TREE("moe_config", "engine"),
	TREE("cache_transceiver_config", "engine"),
	TREE("attention_dp_config", "engine"),
	TREE("sparse_attention_config", "engine"),
	TREE("scheduler_config", "engine"),
	TREE("custom_tokenizer", "engine"),
	TREE("return_perf_metrics", "engine"),
	TREE("perf_metrics_max_requests", "engine"),
	TREE("perf_metrics_output_dir", "engine"),
	TREE("kv_connector_config", "engine"),
	TREE("dwdp_config", "engine"),
	END,
};
const struct disagg_table disagg_trtllm_server_table = {"worker_config", server_row};

static const struct disagg_row worker_row[] = {
	PART("gen", disagg_trtllm_server_table, FIELD(gen), DISAGG_F_FREE | DISAGG_F_REQUIRED,
		"settings of each gen server"),
	PART("ctx", disagg_trtllm_server_table, FIELD(ctx), DISAGG_F_FREE,
		"settings of each ctx server"),
	TREE("eplb_num_slots", "expert load balancing of the oldest generation"),
	END,
};
static const struct disagg_table worker_table = {"worker_config", worker_row};

static const struct disagg_row root_row[] = {
	PART("metadata", metadata_table, 0, 0, "labels"),
	PART("slurm", slurm_table, 0, 0, "how the job is submitted"),
	PART("benchmark", benchmark_table, 0, 0, "what is measured"),
	PART("hardware", hardware_table, 0, DISAGG_F_REQUIRED, "how many servers on what nodes"),
	PART("sequence", sequence_table, 0, 0, "lengths, in the oldest generation"),
	PART("environment", environment_table, 0, 0, "container, model, environment"),
	PART("profiling", profiling_table, 0, 0, "nsys"),
	PART("accuracy", accuracy_table, 0, 0, "lm_eval"),
	PART("cache_transceiver_precheck", precheck_table, 0, 0, "KV transfer test"),
	TREE("ctx_router_config", "how requests spread over ctx servers"),
	TREE("gen_router_config", "how requests spread over gen servers"),
	TREE("server_config_extra", "merged into the disagg server's configuration"),
	TREE("probes", "probing.c reads it"),
	PART("worker_config", worker_table, 0, DISAGG_F_REQUIRED, "the servers' own settings"),
	END,
};
const struct disagg_table disagg_trtllm_table = {"TensorRT-LLM", root_row};

bool disagg_trtllm_server_knows(const char *key)
{
	for (const struct disagg_row *row = server_row; row->key; row++) {
		if (strcmp(row->key, key) == 0)
			return true;
	}
	return false;
}
