/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/trtllm.h"
#include "lib/base/envlist.h"
#include "lib/conf/cluster.h"
#include <inttypes.h>
#include <string.h>

/*
 * TensorRT-LLM's disaggregated-benchmark files (NVIDIA/TensorRT-LLM,
 * examples/disaggregated/slurm/benchmark and tests/scripts/perf-sanity).
 * gen servers are placed first, then ctx servers; the disagg server and the
 * client run on the first gen server's first node.
 */
#define FRONTEND_PORT  8333
#define HEALTH_TIMEOUT 1800

/* ---- environment ---- */

/* K=V; false where the word is none */
static bool split_pair(const struct disagg_trtllm_reader *reader, const struct disagg_word *word,
	const char **ret_key, const char **ret_value)
{
	char *text = disagg_arena_strndup(reader->arena, word->text, word->len);
	char *equals = text ? strchr(text, '=') : NULL;

	if (!equals)
		return false;
	*equals = '\0';
	*ret_key = text;
	*ret_value = equals + 1;
	return true;
}

static int add_variables(struct disagg_trtllm_reader *reader, struct disagg_map *env,
	const char *path, const char *text)
{
	const struct disagg_origin *where = disagg_trtllm_at(reader->import, path);
	struct disagg_word word;

	if (!disagg_trtllm_given(text))
		return 0;
	while (disagg_trtllm_word(&text, DISAGG_BLANKS, &word)) {
		const char *name, *value;

		if (!memchr(word.text, '=', word.len)) {
			disagg_findings_warn(reader->found, where,
				"'%.*s' in %s is left out: expected NAME=VALUE, and values "
				"without blanks",
				(int)word.len, word.text, path);
			continue;
		}
		if (!split_pair(reader, &word, &name, &value))
			return -1;
		if (!disagg_env_name_valid(name))
			disagg_findings_error(reader->found, where,
				"'%s' in %s is no name of an environment variable", name, path);
		else if (disagg_map_set(reader->arena, env, name, value, *where))
			return -1;
	}
	return 0;
}

static int add_cluster_env(const struct disagg_trtllm_reader *reader, struct disagg_role *role)
{
	const struct disagg_cluster *cluster = reader->import->cluster;

	return cluster ? disagg_map_merge(reader->arena, &role->env, &cluster->env) : 0;
}

/* ---- container and model ---- */

/* "SRC:DST[:FLAGS],..."; without a colon the path is the same inside */
static int add_mounts(const struct disagg_trtllm_reader *reader, struct disagg_container *container)
{
	const struct disagg_cluster *cluster = reader->import->cluster;
	const char *text = reader->file.container_mount;
	struct disagg_word word;

	if (cluster && disagg_map_merge(reader->arena, &container->mounts, &cluster->mounts))
		return -1;
	if (!disagg_trtllm_given(text))
		return 0;
	while (disagg_trtllm_word(&text, "," DISAGG_BLANKS, &word)) {
		char *source = disagg_arena_strndup(reader->arena, word.text, word.len);
		const char *target = source;
		char *colon;

		if (!source)
			return -1;
		colon = strchr(source, ':');
		if (colon) {
			*colon = '\0';
			target = colon + 1;
		}
		if (!source[0] || !target[0])
			disagg_findings_error(reader->found,
				disagg_trtllm_at(reader->import, "environment.container_mount"),
				"'%.*s' is no mount: expected SRC:DST", (int)word.len, word.text);
		else if (disagg_map_set(reader->arena, &container->mounts, source, target,
				 *disagg_trtllm_at(reader->import, "environment.container_mount")))
			return -1;
	}
	return 0;
}

static int read_container(struct disagg_trtllm_reader *reader)
{
	const struct disagg_trtllm *file = &reader->file;
	struct disagg_container *container = &reader->import->job->container;
	const char *image = file->container_image;

	if (image && image[0])
		container->image = reader->import->cluster ? disagg_cluster_container(
								     reader->import->cluster, image)
							   : image;
	if (disagg_trtllm_given(file->container_workdir))
		container->workdir = file->container_workdir;
	return add_mounts(reader, container);
}

/* The path that the file gives; where it leaves that open, the cluster file
 * may know the model by one of the names in `metadata`. */
static const char *find_model(const struct disagg_trtllm_reader *reader)
{
	const struct disagg_trtllm *file = &reader->file;
	const struct disagg_cluster *cluster = reader->import->cluster;
	const char *const name[] = {file->model_dir_name, file->model_name};

	if (disagg_trtllm_given(file->model_path))
		return disagg_cluster_model(cluster, file->model_path);
	for (size_t i = 0; cluster && i < sizeof(name) / sizeof(*name); i++) {
		const char *path = name[i] ? disagg_map_get(&cluster->models, name[i]) : NULL;

		if (path)
			return path;
	}
	return file->model_path && file->model_path[0] ? file->model_path : NULL;
}

/* ---- roles ---- */

/* The file's word, else the cluster file's, else upstream's own. */
static struct disagg_ready ready_rule(const struct disagg_trtllm_reader *reader)
{
	const struct disagg_cluster *cluster = reader->import->cluster;
	struct disagg_ready ready = {.http = "/health"};

	ready.timeout = reader->file.server_health_timeout;
	if (!ready.timeout.set && cluster)
		ready.timeout = cluster->health_timeout;
	if (!ready.timeout.set)
		ready.timeout = (struct disagg_int){true, HEALTH_TIMEOUT};
	return ready;
}

struct server {
	const char *role;
	enum disagg_role_kind kind;
	const char *path; /* of its settings */
	const char *env_key;
};

static const struct server gen_server = {
	"decode", DISAGG_DECODE, "worker_config.gen", "environment.gen_worker_env_var"};
static const struct server ctx_server = {
	"prefill", DISAGG_PREFILL, "worker_config.ctx", "environment.ctx_worker_env_var"};

/* Experts share the ranks: their parallelism takes no GPUs of its own. */
static int world_size(const struct disagg_trtllm_reader *reader, const struct server *server,
	const struct disagg_trtllm_server *settings, unsigned *ret_gpus)
{
	int64_t tp = disagg_trtllm_or(settings->tp, 1);
	int64_t pp = disagg_trtllm_or(settings->pp, 1);
	int64_t cp = disagg_trtllm_or(settings->cp, 1);
	const int64_t most = DISAGG_MAX_GPUS;

	if (tp * pp > most || tp * pp * cp > most) {
		disagg_findings_error(reader->found, disagg_trtllm_at(reader->import, server->path),
			"tensor %" PRId64 " x pipeline %" PRId64 " x context %" PRId64
			" parallelism needs more than %" PRId64 " GPUs",
			tp, pp, cp, most);
		return -1;
	}
	*ret_gpus = (unsigned)(tp * pp * cp);
	return 0;
}

/* The settings that no table knows are the engine's, and --explain's. */
static int trace_free_keys(const struct disagg_trtllm_reader *reader, const struct server *server,
	const struct disagg_node *settings)
{
	for (uint32_t i = 0; settings && i < settings->count; i++) {
		const struct disagg_pair *pair = &settings->pair[i];
		const char *path, *text;

		if (disagg_trtllm_server_knows(pair->key))
			continue;
		path = disagg_arena_printf(reader->arena, "%s.%s", server->path, pair->key);
		text = disagg_trtllm_text(reader->arena, pair->value);
		if (!path || !text)
			return -1;
		if (disagg_trace_add(&reader->import->job->trace, path, text, pair->value->at))
			return -1;
	}
	return 0;
}

static int add_servers(struct disagg_trtllm_reader *reader, const struct server *server,
	const struct disagg_trtllm_server *settings, struct disagg_int count, const char *own_env)
{
	struct disagg_role *role;
	unsigned gpus = 1;

	if (world_size(reader, server, settings, &gpus))
		return 0;
	role = disagg_job_add_role(reader->import, server->role, server->kind, DISAGG_E_TRTLLM);
	if (!role)
		return -1;
	role->at = *disagg_trtllm_at(reader->import, server->path);
	role->workers = (unsigned)count.v;
	role->gpus = gpus;
	role->tasks = DISAGG_TASKS_PER_GPU;
	role->tp = (unsigned)disagg_trtllm_or(settings->tp, 1);
	role->pp = (unsigned)disagg_trtllm_or(settings->pp, 1);
	role->args = disagg_node_find(reader->import->tree, server->path);
	role->container = reader->import->job->container;
	role->ready = ready_rule(reader);
	if (trace_free_keys(reader, server, role->args) || add_cluster_env(reader, role) ||
		disagg_map_merge(reader->arena, &role->env, &reader->worker_env))
		return -1;
	return add_variables(reader, &role->env, server->env_key, own_env);
}

static bool ctx_servers_run(const struct disagg_trtllm_reader *reader)
{
	return reader->file.mode != DISAGG_TRTLLM_GEN_ONLY_NO_CONTEXT;
}

static int add_ctx_servers(struct disagg_trtllm_reader *reader)
{
	const struct disagg_trtllm *file = &reader->file;
	const struct disagg_node *settings =
		disagg_node_find(reader->import->tree, ctx_server.path);

	if (!ctx_servers_run(reader))
		return 0;
	if (file->num_ctx_servers.v == 0) {
		disagg_findings_error(reader->found,
			disagg_trtllm_at(reader->import, "hardware.num_ctx_servers"),
			"num_ctx_servers is 0, expected at least 1 in mode '%s': only "
			"'gen_only_no_context' runs without",
			disagg_trtllm_modes[file->mode]);
		return 0;
	}
	if (!settings || disagg_node_is_null(settings)) {
		disagg_findings_error(reader->found,
			disagg_trtllm_at(reader->import, "worker_config"),
			"worker_config.ctx is missing: expected the settings of %" PRId64
			" ctx servers",
			file->num_ctx_servers.v);
		return 0;
	}
	return add_servers(
		reader, &ctx_server, &file->ctx, file->num_ctx_servers, file->ctx_worker_env_var);
}

static int set_after(const struct disagg_trtllm_reader *reader, struct disagg_role *role,
	const char *const *names, unsigned count)
{
	role->after.v = disagg_arena_array(reader->arena, count, sizeof(*role->after.v));
	if (!role->after.v)
		return -1;
	for (unsigned i = 0; i < count; i++)
		role->after.v[i] = names[i];
	role->after.count = count;
	return 0;
}

static struct disagg_role *add_service(struct disagg_trtllm_reader *reader, const char *name,
	enum disagg_role_kind kind, enum disagg_engine engine)
{
	struct disagg_role *role = disagg_job_add_role(reader->import, name, kind, engine);

	if (!role)
		return NULL;
	role->at = *disagg_trtllm_at(reader->import, "hardware");
	role->site = DISAGG_SITE_FIRST_DECODE;
	role->container = reader->import->job->container;
	return add_cluster_env(reader, role) ? NULL : role;
}

static int add_frontend(struct disagg_trtllm_reader *reader)
{
	static const char *const servers[] = {"decode", "prefill"};
	struct disagg_role *role =
		add_service(reader, "frontend", DISAGG_FRONTEND, DISAGG_E_TRTLLM_SERVER);

	if (!role)
		return -1;
	role->port = FRONTEND_PORT;
	role->ready = ready_rule(reader);
	role->args = disagg_node_get(reader->import->tree, "server_config_extra");
	if (set_after(reader, role, servers, ctx_servers_run(reader) ? 2 : 1))
		return -1;
	return add_variables(
		reader, &role->env, "environment.server_env_var", reader->file.server_env_var);
}

static bool asks_accuracy(const struct disagg_trtllm_reader *reader)
{
	const struct disagg_node *node =
		disagg_node_find(reader->import->tree, "accuracy.enable_accuracy_test");

	return node && node->kind == DISAGG_SCALAR && disagg_scalar_read(node).boolean;
}

/* A benchmark, accuracy behind it, or accuracy alone. */
static int add_client(struct disagg_trtllm_reader *reader)
{
	static const char *const frontend[] = {"frontend"};
	const struct disagg_trtllm *file = &reader->file;
	struct disagg_role *role;

	if (file->enable_benchmark == DISAGG_NO && !asks_accuracy(reader))
		return 0;
	role = add_service(reader, "benchmark", DISAGG_BENCHMARK, DISAGG_E_BENCHMARK);
	if (!role)
		return -1;
	role->at = *disagg_trtllm_at(reader->import, "benchmark");
	if (set_after(reader, role, frontend, 1) ||
		add_variables(reader, &role->env, "environment.benchmark_env_var",
			file->benchmark_env_var) ||
		add_variables(
			reader, &role->env, "environment.client_env_var", file->client_env_var))
		return -1;
	return disagg_map_merge(reader->arena, &role->env, &file->client_env);
}

static int add_roles(struct disagg_trtllm_reader *reader)
{
	const struct disagg_trtllm *file = &reader->file;

	if (add_variables(reader, &reader->worker_env, "environment.worker_env_var",
		    file->worker_env_var))
		return -1;
	if (add_servers(reader, &gen_server, &file->gen, file->num_gen_servers,
		    file->gen_worker_env_var))
		return -1;
	if (add_ctx_servers(reader) || add_frontend(reader))
		return -1;
	return add_client(reader);
}

/* ---- the rest ---- */

/* Sections and keys that later stages read as they are. */
static int read_settings(struct disagg_trtllm_reader *reader)
{
	static const char *const path[] = {
		"metadata",
		"profiling",
		"accuracy",
		"cache_transceiver_precheck",
		"ctx_router_config",
		"gen_router_config",
		"server_config_extra",
		"slurm.numa_bind",
		"environment.trtllm_repo",
		"environment.build_wheel",
		"environment.cuda_architectures",
		"environment.trtllm_wheel_path",
		"environment.work_dir",
		"environment.llm_models_root",
		"environment.open_search_db_base_url",
		"environment.container_mount",
		"worker_config.eplb_num_slots",
		"benchmark.mode",
		"benchmark.metrics",
	};

	for (size_t i = 0; i < sizeof(path) / sizeof(*path); i++) {
		if (disagg_job_settings(reader->import, path[i],
			    disagg_node_find(reader->import->tree, path[i])))
			return -1;
	}
	return 0;
}

/* "dir/x.yaml" is job "x" where the file names none. */
static int default_name(const struct disagg_trtllm_reader *reader)
{
	struct disagg_job *job = reader->import->job;
	const char *source = job->source ? job->source : "trtllm";
	const char *slash = strrchr(source, '/');
	const char *base = slash ? slash + 1 : source;
	const char *dot = strrchr(base, '.');

	job->name = disagg_arena_strndup(
		reader->arena, base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
	return job->name ? 0 : -1;
}

static int read_job(struct disagg_trtllm_reader *reader)
{
	const struct disagg_trtllm *file = &reader->file;
	struct disagg_job *job = reader->import->job;

	job->gpus_per_node = (unsigned)file->gpus_per_node.v;
	job->rule =
		file->compact_packing == DISAGG_YES ? DISAGG_RULE_COMPACT : DISAGG_RULE_PER_SERVER;
	job->model_path = find_model(reader);
	job->precision = file->precision;
	job->gpu_type = file->gpu_type;
	if (!job->gpu_type && file->supported_gpus.count == 1)
		job->gpu_type = file->supported_gpus.v[0];
	job->health = ready_rule(reader);
	if (disagg_trtllm_given(file->log_dir))
		job->log_dir = file->log_dir;
	if (default_name(reader) || read_container(reader) || disagg_trtllm_slurm(reader) ||
		add_roles(reader))
		return -1;
	if (disagg_trtllm_bench(reader))
		return -1;
	return read_settings(reader);
}

int disagg_import_trtllm(struct disagg_import *import)
{
	struct disagg_trtllm_reader reader = {
		.import = import,
		.arena = import->arena,
		.found = import->found,
	};
	struct disagg_schema_walk walk = {
		.arena = import->arena,
		.found = import->found,
		.trace = &import->job->trace,
		.unknown_is_warning = true,
		.prefix = "",
	};
	unsigned before = import->found->errors;

	if (disagg_schema_read(&walk, &disagg_trtllm_table, import->tree, &reader.file))
		return -1;
	/* sizes that could not be read say nothing about the rest */
	if (import->found->errors > before)
		return 0;
	if (read_job(&reader))
		return -1;
	disagg_trtllm_check(import, &reader.file);
	return 0;
}
