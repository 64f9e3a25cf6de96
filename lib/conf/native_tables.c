/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/native_tables.h"

static const char *const placement_names[] = {"pack", "fresh", "spread", NULL};
static const char *const tasks_names[] = {"per_node", "per_gpu", NULL};
const char *const disagg_native_benches[] = {"manual", "custom", "sa-bench", "sglang-bench",
	"mooncake-router", "router", "trace-replay", "gpqa", "gsm8k", "lm-eval", "longbenchv2",
	"mmlu", NULL};

#define YEAR (366 * 86400)

/* clang-format off */
#define AT(field) offsetof(struct native_model, field)
static const struct disagg_row model_rows[] = {
	{.key = "path", .kind = DISAGG_K_TEXT, .flags = DISAGG_F_NOEMPTY, .offset = AT(path),
	 .doc = "folder of the weights, or a name that the cluster file's models: knows"},
	{.key = "served_name", .kind = DISAGG_K_TEXT, .offset = AT(served_name),
	 .doc = "the model's name in the API"},
	{.key = "precision", .kind = DISAGG_K_TEXT, .offset = AT(precision),
	 .doc = "a label for results: fp4, fp8, bf16"},
	{.key = NULL},
};
static const struct disagg_table model_table = {"model", model_rows};
#undef AT

#define AT(field) offsetof(struct disagg_container, field)
static const struct disagg_row container_rows[] = {
	{.key = "image", .kind = DISAGG_K_TEXT, .offset = AT(image),
	 .doc = "image file, registry address, or a name that the cluster file's containers: knows"},
	{.key = "name", .kind = DISAGG_K_TEXT, .offset = AT(name),
	 .doc = "keeps the unpacked container under this name"},
	{.key = "workdir", .kind = DISAGG_K_TEXT, .offset = AT(workdir),
	 .doc = "working directory inside"},
	{.key = "mounts", .kind = DISAGG_K_MAP, .offset = AT(mounts),
	 .doc = "host path: container path, flags behind a colon"},
	{.key = NULL},
};
static const struct disagg_table container_table = {"container", container_rows};
#undef AT

#define AT(field) offsetof(struct native_slurm, field)
static const struct disagg_row slurm_rows[] = {
	{.key = "account", .kind = DISAGG_K_STR, .offset = AT(account), .doc = "sbatch --account"},
	{.key = "partition", .kind = DISAGG_K_STR, .offset = AT(partition), .doc = "sbatch --partition"},
	{.key = "qos", .kind = DISAGG_K_STR, .offset = AT(qos), .doc = "sbatch --qos"},
	{.key = "reservation", .kind = DISAGG_K_STR, .offset = AT(reservation), .doc = "sbatch --reservation"},
	{.key = "time", .kind = DISAGG_K_STR, .offset = AT(time), .doc = "sbatch --time, \"HH:MM:SS\""},
	{.key = "job_name", .kind = DISAGG_K_STR, .offset = AT(job_name), .doc = "sbatch --job-name; default: name"},
	{.key = "constraint", .kind = DISAGG_K_STR, .offset = AT(constraint), .doc = "sbatch --constraint"},
	{.key = "exclude", .kind = DISAGG_K_STR, .offset = AT(exclude), .doc = "sbatch --exclude"},
	{.key = "dependency", .kind = DISAGG_K_STR, .offset = AT(dependency), .doc = "sbatch --dependency"},
	{.key = "mem", .kind = DISAGG_K_STR, .offset = AT(mem), .doc = "sbatch --mem"},
	{.key = "segment", .kind = DISAGG_K_TRI, .offset = AT(segment),
	 .doc = "all nodes in one --segment of the topology"},
	{.key = "exclusive", .kind = DISAGG_K_TRI, .offset = AT(exclusive), .doc = "whole nodes only"},
	{.key = "cpus_per_gpu", .kind = DISAGG_K_INT, .offset = AT(cpus_per_gpu), .min = 1, .max = 1024,
	 .doc = "CPUs with each GPU where nodes are shared"},
	{.key = "sbatch", .kind = DISAGG_K_LOOSEMAP, .offset = AT(sbatch),
	 .doc = "any other option of sbatch by its long name; \"\" for a flag"},
	{.key = "srun", .kind = DISAGG_K_LOOSEMAP, .offset = AT(srun),
	 .doc = "options of srun for every worker's step"},
	{.key = NULL},
};
static const struct disagg_table slurm_table = {"slurm", slurm_rows};

const struct native_option disagg_native_options[] = {
	{"account", "account", AT(account)},
	{"partition", "partition", AT(partition)},
	{"qos", "qos", AT(qos)},
	{"reservation", "reservation", AT(reservation)},
	{"time", "time", AT(time)},
	{"job_name", "job-name", AT(job_name)},
	{"constraint", "constraint", AT(constraint)},
	{"exclude", "exclude", AT(exclude)},
	{"dependency", "dependency", AT(dependency)},
	{"mem", "mem", AT(mem)},
	{.key = NULL},
};
#undef AT

#define AT(field) offsetof(struct disagg_ready, field)
static const struct disagg_row ready_rows[] = {
	{.key = "http", .kind = DISAGG_K_TEXT, .offset = AT(http), .doc = "path that answers 200 when ready"},
	{.key = "timeout", .kind = DISAGG_K_DURATION, .offset = AT(timeout), .min = 1, .max = YEAR,
	 .doc = "how long it may take"},
	{.key = "interval", .kind = DISAGG_K_DURATION, .offset = AT(interval), .min = 1, .max = 86400,
	 .doc = "time between two looks"},
	{.key = "polls", .kind = DISAGG_K_INT, .offset = AT(polls), .min = 1, .max = 1000,
	 .doc = "good answers in a row that count as ready"},
	{.key = NULL},
};
static const struct disagg_table ready_table = {"ready", ready_rows};
#undef AT

#define AT(field) offsetof(struct native_reserve, field)
static const struct disagg_row reserve_rows[] = {
	{.key = "infra", .kind = DISAGG_K_TRI, .offset = AT(infra), .doc = "a node without workers for etcd and nats"},
	{.key = "frontend", .kind = DISAGG_K_TRI, .offset = AT(frontend), .doc = "a node without workers for the frontend"},
	{.key = "client", .kind = DISAGG_K_TRI, .offset = AT(client), .doc = "a node without workers for the load generator"},
	{.key = "together", .kind = DISAGG_K_TRI, .offset = AT(together), .doc = "one node for all that is reserved"},
	{.key = NULL},
};
static const struct disagg_table reserve_table = {"reserve", reserve_rows};
#undef AT

#define AT(field) offsetof(struct native_bench, field)
static const struct disagg_row bench_rows[] = {
	{.key = "type", .kind = DISAGG_K_ENUM, .names = disagg_native_benches, .offset = AT(type), .dflt = "manual",
	 .doc = "what puts load on the deployment; manual: nothing does"},
	{.key = "isl", .kind = DISAGG_K_INT, .offset = AT(isl), .min = 1, .max = 100000000, .doc = "input tokens"},
	{.key = "osl", .kind = DISAGG_K_INT, .offset = AT(osl), .min = 1, .max = 100000000, .doc = "output tokens"},
	{.key = "concurrencies", .kind = DISAGG_K_STRS, .offset = AT(concurrencies),
	 .doc = "requests at a time, one run each: [4, 8, 16] or \"4x8x16\""},
	{.key = "request_rate", .kind = DISAGG_K_STR, .offset = AT(request_rate), .doc = "requests a second, or inf"},
	{.key = NULL},
};
const struct disagg_table disagg_native_bench_table = {"benchmark", bench_rows};
#undef AT

#define AT(field) offsetof(struct native_file, field)
static const struct disagg_row file_rows[] = {
	{.key = "disagg", .kind = DISAGG_K_INT, .flags = DISAGG_F_REQUIRED, .offset = AT(disagg), .min = 1, .max = 1000000,
	 .doc = "version of this schema: 1"},
	{.key = "name", .kind = DISAGG_K_TEXT, .flags = DISAGG_F_REQUIRED | DISAGG_F_NOEMPTY, .offset = AT(name),
	 .doc = "the deployment's name"},
	{.key = "gpus_per_node", .kind = DISAGG_K_INT, .offset = AT(gpus_per_node), .min = 1,
	 .max = DISAGG_MAX_GPUS_PER_NODE, .doc = "GPUs to use on each node; default: what the cluster file says"},
	{.key = "nodes", .kind = DISAGG_K_INT, .offset = AT(nodes), .min = 1, .max = DISAGG_MAX_NODES,
	 .doc = "worker nodes; default: as many as the roles need"},
	{.key = "model", .kind = DISAGG_K_STRUCT, .offset = AT(model), .sub = &model_table, .doc = "the model"},
	{.key = "container", .kind = DISAGG_K_STRUCT, .offset = AT(container), .sub = &container_table,
	 .doc = "container of every role"},
	{.key = "env", .kind = DISAGG_K_LOOSEMAP, .offset = AT(env), .doc = "environment of every role"},
	{.key = "log_dir", .kind = DISAGG_K_TEXT, .flags = DISAGG_F_NOEMPTY, .offset = AT(log_dir),
	 .doc = "folder of the run directories; %j is the job id"},
	{.key = "network_interface", .kind = DISAGG_K_TEXT, .offset = AT(network_interface),
	 .doc = "interface that the engines talk over"},
	{.key = "slurm", .kind = DISAGG_K_STRUCT, .offset = AT(slurm), .sub = &slurm_table, .doc = "what to ask Slurm for"},
	{.key = "health", .kind = DISAGG_K_STRUCT, .offset = AT(health), .sub = &ready_table,
	 .doc = "when the whole deployment counts as ready"},
	{.key = "placement", .kind = DISAGG_K_ENUM, .names = placement_names, .offset = AT(placement), .dflt = "pack",
	 .doc = "placement of roles that say none"},
	{.key = "roles", .kind = DISAGG_K_IGNORE,
	 .doc = "roles by name; the order is the order of placement"},
	{.key = "benchmark", .kind = DISAGG_K_STRUCT, .flags = DISAGG_F_FREE, .offset = AT(bench),
	 .sub = &disagg_native_bench_table, .doc = "load; other keys go to the load generator"},
	{.key = "reserve", .kind = DISAGG_K_STRUCT, .offset = AT(reserve), .sub = &reserve_table,
	 .doc = "nodes without workers"},
	{.key = NULL},
};
const struct disagg_table disagg_native_table = {"job", file_rows};
#undef AT

#define AT(index) (offsetof(struct native_ports, port) + (index) * sizeof(struct disagg_int))
#define PORT_ROW(name, index, text) \
	{.key = name, .kind = DISAGG_K_INT, .offset = AT(index), .min = 1, .max = 65535, .doc = text}
static const struct disagg_row ports_rows[] = {
	PORT_ROW("system", DISAGG_PORT_SYSTEM, "Dynamo's status port"),
	PORT_ROW("http", DISAGG_PORT_HTTP, "the worker's own API"),
	PORT_ROW("bootstrap", DISAGG_PORT_BOOTSTRAP, "where decode finds prefill (SGLang)"),
	PORT_ROW("kv_events", DISAGG_PORT_KV_EVENTS, "KV cache events"),
	PORT_ROW("nixl", DISAGG_PORT_NIXL, "NIXL side channel (vLLM)"),
	PORT_ROW("rpc", DISAGG_PORT_RPC, "data parallel RPC (vLLM)"),
	PORT_ROW("dist", DISAGG_PORT_DIST, "rendezvous of the worker's processes"),
	{.key = NULL},
};
static const struct disagg_table ports_table = {"ports", ports_rows};
#undef PORT_ROW
#undef AT

#define AT(field) offsetof(struct native_role, field)
static const struct disagg_row role_rows[] = {
	{.key = "kind", .kind = DISAGG_K_ENUM, .names = disagg_role_kind_names, .offset = AT(kind),
	 .doc = "what the role is to the deployment; default: by its name, then by its engine"},
	{.key = "engine", .kind = DISAGG_K_ENUM, .names = disagg_engine_names, .offset = AT(engine),
	 .doc = "what runs; a role with GPUs must say"},
	{.key = "workers", .kind = DISAGG_K_INT, .offset = AT(workers), .min = 1, .max = DISAGG_MAX_WORKERS, .dflt = "1",
	 .doc = "instances"},
	{.key = "gpus", .kind = DISAGG_K_INT, .offset = AT(gpus), .min = 0, .max = DISAGG_MAX_GPUS, .dflt = "0",
	 .doc = "GPUs of one worker; 0: a service"},
	{.key = "tasks", .kind = DISAGG_K_ENUM, .names = tasks_names, .offset = AT(tasks),
	 .doc = "Slurm tasks of a worker; default: per_gpu for trtllm, else per_node"},
	{.key = "args", .kind = DISAGG_K_NODE, .offset = AT(args), .doc = "the engine's own settings"},
	{.key = "env", .kind = DISAGG_K_LOOSEMAP, .offset = AT(env), .doc = "environment, over the deployment's"},
	{.key = "command", .kind = DISAGG_K_STRS, .offset = AT(command), .doc = "program and arguments (engine: command)"},
	{.key = "script", .kind = DISAGG_K_TEXT, .flags = DISAGG_F_NOEMPTY, .offset = AT(script),
	 .doc = "a shell line in place of command"},
	{.key = "after", .kind = DISAGG_K_STRS, .offset = AT(after), .doc = "roles that must be ready first"},
	{.key = "container", .kind = DISAGG_K_STRUCT, .offset = AT(container), .sub = &container_table,
	 .doc = "over the deployment's container"},
	{.key = "placement", .kind = DISAGG_K_ENUM, .names = placement_names, .offset = AT(placement),
	 .doc = "pack: go on where the last worker ended; fresh: the role begins on a node of its own; "
		"spread: each worker does"},
	{.key = "node", .kind = DISAGG_K_STR, .offset = AT(node),
	 .doc = "where a service runs: head, infra, client, first_decode, last_decode, spread, or a node's number"},
	{.key = "port", .kind = DISAGG_K_INT, .offset = AT(port), .min = 1, .max = 65535, .doc = "a service's port"},
	{.key = "ports", .kind = DISAGG_K_STRUCT, .offset = AT(ports), .sub = &ports_table, .doc = "ports to keep to"},
	{.key = "dp", .kind = DISAGG_K_INT, .offset = AT(dp), .min = 1, .max = DISAGG_MAX_GPUS, .doc = "data parallel size"},
	{.key = "tp", .kind = DISAGG_K_INT, .offset = AT(tp), .min = 1, .max = DISAGG_MAX_GPUS, .doc = "tensor parallel size"},
	{.key = "pp", .kind = DISAGG_K_INT, .offset = AT(pp), .min = 1, .max = DISAGG_MAX_GPUS, .doc = "pipeline parallel size"},
	{.key = "ready", .kind = DISAGG_K_STRUCT, .offset = AT(ready), .sub = &ready_table,
	 .doc = "when a worker counts as ready"},
	{.key = "critical", .kind = DISAGG_K_TRI, .offset = AT(critical), .dflt = "true",
	 .doc = "whether its end ends the deployment"},
	{.key = "restart", .kind = DISAGG_K_INT, .offset = AT(restart), .min = 0, .max = 1000, .dflt = "0",
	 .doc = "times to start it again"},
	{.key = NULL},
};
const struct disagg_table disagg_native_role_table = {"role", role_rows};
#undef AT
/* clang-format on */
