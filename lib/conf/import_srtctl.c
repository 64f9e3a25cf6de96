/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/srtctl_tables.h"
#include <stdio.h>
#include <string.h>

#define DEFAULT_ATTEMPTS 180
#define DEFAULT_INTERVAL 10

/* ---- environment ---- */

int disagg_srt_env(struct disagg_import *import, const struct disagg_srt *srt,
	const struct disagg_map *between, struct disagg_map *ret)
{
	struct disagg_arena *arena = import->arena;

	if (import->cluster && disagg_map_merge(arena, ret, &import->cluster->env))
		return -1;
	if (between && disagg_map_merge(arena, ret, between))
		return -1;
	return disagg_map_merge(arena, ret, &srt->environment);
}

/* ---- model and container ---- */

/* The part behind the last slash, as srtctl names a model by its path. */
static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash && slash[1] ? slash + 1 : path;
}

static void set_served_name(struct disagg_import *import, const struct disagg_srt *srt)
{
	static const enum disagg_srt_mode order[] = {
		DISAGG_SRT_PREFILL, DISAGG_SRT_AGG, DISAGG_SRT_DECODE};
	bool named = srt->backend.type == DISAGG_SRT_SGLANG || srt->backend.type == DISAGG_SRT_VLLM;

	import->job->served_name = base_name(import->job->model_path);
	for (size_t i = 0; named && i < DISAGG_SRT_MODES; i++) {
		const struct disagg_node *name =
			disagg_srt_flag(srt->backend.config[order[i]], "served-model-name");

		if (name && name->kind == DISAGG_SCALAR && name->text[0]) {
			import->job->served_name = name->text;
			return;
		}
	}
}

static int set_mounts(
	struct disagg_import *import, const struct disagg_srt *srt, struct disagg_map *mounts)
{
	if (import->cluster && disagg_map_merge(import->arena, mounts, &import->cluster->mounts))
		return -1;
	for (unsigned i = 0; i < srt->extra_mount.count; i++) {
		const char *mount = srt->extra_mount.v[i];
		size_t host_len = strcspn(mount, ":");
		char *host = disagg_arena_strndup(import->arena, mount, host_len);
		char path[32];

		snprintf(path, sizeof(path), "extra_mount[%u]", i);
		if (!host || disagg_map_set(import->arena, mounts, host, mount + host_len + 1,
				     *disagg_srt_at(import, path)))
			return -1;
	}
	return disagg_map_merge(import->arena, mounts, &srt->container_mounts);
}

static int map_model(struct disagg_import *import, const struct disagg_srt *srt)
{
	struct disagg_job *job = import->job;

	job->name = srt->name;
	job->model_path = disagg_cluster_model(import->cluster, srt->model.path);
	job->precision = srt->model.precision;
	job->gpu_type = srt->resources.gpu_type;
	job->container.image = disagg_cluster_container(import->cluster, srt->model.container);
	set_served_name(import, srt);
	return set_mounts(import, srt, &job->container.mounts);
}

/* ---- nodes ---- */

static int map_topology(struct disagg_import *import, const struct disagg_srt *srt)
{
	const struct disagg_srt_resources *res = &srt->resources;
	const struct disagg_cluster *cluster = import->cluster;
	struct disagg_job *job = import->job;

	job->rule = DISAGG_RULE_SRTCTL;
	job->gpus_per_node = (unsigned)res->gpus_per_node.v;
	job->want_nodes = (unsigned)disagg_srt_worker_nodes(srt);
	job->prefill_nodes = (unsigned)res->nodes[DISAGG_SRT_PREFILL].v;
	job->decode_nodes = (unsigned)res->nodes[DISAGG_SRT_DECODE].v;
	job->decode_shares = res->nodes[DISAGG_SRT_DECODE].set && !job->decode_nodes;
	job->colocate = disagg_srt_colocated(srt);
	job->pools = res->het_jobs == DISAGG_YES;
	job->spread_workers = res->spread_workers == DISAGG_YES;
	job->reserve_infra = srt->infra.dedicated_node == DISAGG_YES;
	job->reserve_frontend = srt->frontend.dedicated_node == DISAGG_YES;
	job->reserve_client = srt->benchmark.dedicated_node == DISAGG_YES;
	job->reserve_together = srt->benchmark.colocate != DISAGG_NO;
	/* two pools would want a segment each */
	job->want_segment = !job->pools && !(cluster && cluster->use_segment == DISAGG_NO);
	return 0;
}

/* ---- workers ---- */

static const enum disagg_engine engines[DISAGG_SRT_BACKENDS] = {
	[DISAGG_SRT_SGLANG] = DISAGG_E_SGLANG,
	[DISAGG_SRT_TRTLLM] = DISAGG_E_TRTLLM,
	[DISAGG_SRT_VLLM] = DISAGG_E_VLLM,
	[DISAGG_SRT_MOCKER] = DISAGG_E_MOCKER,
};
static const enum disagg_role_kind kinds[DISAGG_SRT_MODES] = {
	DISAGG_PREFILL, DISAGG_DECODE, DISAGG_AGG};

/* Only Dynamo starts a process a rank group; `vllm serve` has all its ranks. */
static void set_parallel(
	const struct disagg_srt *srt, enum disagg_srt_mode mode, struct disagg_role *role)
{
	struct disagg_srt_parallel par = disagg_srt_parallelism(srt, mode);

	if (srt->backend.type != DISAGG_SRT_VLLM)
		return;
	role->tp = (unsigned)par.tp;
	role->pp = (unsigned)par.pp;
	role->dp = par.dp_given ? (unsigned)par.dp : 0;
	if (!par.dp_given || srt->frontend.type == DISAGG_SRT_F_VLLM)
		role->dp_layout = DISAGG_DP_NONE;
	else if (srt->backend.dp_launch_mode == DISAGG_SRT_DP_PER_GPU)
		role->dp_layout = DISAGG_DP_PER_GPU;
	else
		role->dp_layout = DISAGG_DP_PER_NODE;
}

static int worker_env(struct disagg_import *import, const struct disagg_srt *srt,
	enum disagg_srt_mode mode, struct disagg_role *role)
{
	if (disagg_srt_env(import, srt, &srt->backend.env[mode], &role->env))
		return -1;
	return disagg_map_merge(import->arena, &role->env, &srt->backend.mooncake.env);
}

static int add_worker(
	struct disagg_import *import, const struct disagg_srt *srt, enum disagg_srt_mode mode)
{
	struct disagg_role *role = disagg_job_add_role(
		import, disagg_srt_modes[mode], kinds[mode], engines[srt->backend.type]);
	char path[32];

	if (!role)
		return -1;
	snprintf(path, sizeof(path), "resources.%s_workers", disagg_srt_modes[mode]);
	role->at = *disagg_srt_at(import, path);
	role->workers = (unsigned)disagg_srt_workers(srt, mode);
	role->gpus = (unsigned)disagg_srt_gpus(srt, mode);
	role->tasks = srt->backend.type == DISAGG_SRT_TRTLLM ? DISAGG_TASKS_PER_GPU
							     : DISAGG_TASKS_PER_NODE;
	role->placement = mode == DISAGG_SRT_DECODE && !import->job->colocate ? DISAGG_PLACE_FRESH
									      : DISAGG_PLACE_PACK;
	if (import->job->spread_workers)
		role->placement = DISAGG_PLACE_SPREAD;
	role->args = srt->backend.config[mode];
	role->container = import->job->container;
	role->srun_options = srt->srun_options;
	/* Dynamo tells readiness in one place for all: its frontend */
	if (srt->frontend.type != DISAGG_SRT_F_DYNAMO) {
		role->ready = import->job->health;
		role->ready.http = "/health";
	}
	set_parallel(srt, mode, role);
	disagg_srt_pins(import, srt, mode, role);
	if (disagg_srt_worker_after(import, srt, &role->after))
		return -1;
	return worker_env(import, srt, mode, role);
}

static int add_workers(struct disagg_import *import, const struct disagg_srt *srt)
{
	for (int mode = 0; mode < DISAGG_SRT_MODES; mode++) {
		if (disagg_srt_workers(srt, (enum disagg_srt_mode)mode) &&
			add_worker(import, srt, (enum disagg_srt_mode)mode))
			return -1;
	}
	return 0;
}

/* ---- readiness, benchmark, sbatch ---- */

/* The file's section, else the cluster's, else srtctl's 180 looks of 10 s. */
static int map_health(struct disagg_import *import, const struct disagg_srt *srt)
{
	struct disagg_ready *health = &import->job->health;
	const struct disagg_cluster *cluster = import->cluster;
	int64_t interval = srt->health.interval.set ? srt->health.interval.v : DEFAULT_INTERVAL;
	int64_t attempts = srt->health.attempts.set ? srt->health.attempts.v : DEFAULT_ATTEMPTS;
	bool own = srt->health.interval.set || srt->health.attempts.set;

	health->http = disagg_srt_health_path(srt);
	health->timeout = (struct disagg_int){true, attempts * interval};
	health->interval = (struct disagg_int){true, interval};
	health->polls = (struct disagg_int){true, 1};
	if (!own && cluster && cluster->health_timeout.set)
		health->timeout = cluster->health_timeout;
	if (!own && cluster && cluster->health_interval.set)
		health->interval = cluster->health_interval;
	return 0;
}

/* Keys of the section that the model has a field for. */
static bool has_field(const char *key)
{
	static const char *const fields[] = {
		"type", "isl", "osl", "concurrencies", "req_rate", "env", "client", NULL};

	for (unsigned i = 0; fields[i]; i++) {
		if (strcmp(fields[i], key) == 0)
			return true;
	}
	return strncmp(key, "x-", 2) == 0;
}

static int set_option(struct disagg_import *import, const struct disagg_pair *pair)
{
	struct disagg_map *options = &import->job->bench.options;
	struct disagg_strbuf json;
	int result;

	if (pair->value->kind == DISAGG_SCALAR)
		return disagg_map_set(
			import->arena, options, pair->key, pair->value->text, pair->value->at);
	disagg_strbuf_init(&json, DISAGG_MAX_YAML_BYTES);
	disagg_node_json(pair->value, &json);
	result = json.failed ? -1
			     : disagg_map_set(import->arena, options, pair->key, json.text,
				       pair->value->at);
	disagg_strbuf_release(&json);
	return result;
}

static int map_benchmark(struct disagg_import *import, const struct disagg_srt *srt)
{
	const struct disagg_node *section = disagg_node_get(import->tree, "benchmark");
	struct disagg_bench *bench = &import->job->bench;

	bench->type = srt->benchmark.type;
	bench->isl = srt->benchmark.isl;
	bench->osl = srt->benchmark.osl;
	bench->concurrencies = srt->concurrencies;
	bench->request_rate = srt->benchmark.req_rate;
	bench->client = (enum disagg_bench_client)srt->benchmark.client;
	for (uint32_t i = 0; section && section->kind == DISAGG_MAP && i < section->count; i++) {
		const struct disagg_pair *pair = &section->pair[i];

		if (!has_field(pair->key) && !disagg_node_is_null(pair->value) &&
			set_option(import, pair))
			return -1;
	}
	return 0;
}

/* As srtctl does, unless a directive has another name. */
static int name_job(struct disagg_import *import, const struct disagg_srt *srt)
{
	const struct disagg_job *job = import->job;

	if (!srt->name || !srt->name[0])
		return 0;
	for (unsigned i = 0; i < job->directive_count; i++) {
		if (strcmp(job->directive[i].option, "job-name") == 0)
			return 0;
	}
	return disagg_job_directive(
		import, "job-name", srt->name, *disagg_srt_at(import, "name"), false);
}

static int map_directives(struct disagg_import *import, const struct disagg_srt *srt)
{
	const struct {
		const char *option, *value, *path;
	} named[] = {
		{"account", srt->slurm.account, "slurm.account"},
		{"partition", srt->slurm.partition, "slurm.partition"},
		{"time", srt->slurm.time_limit, "slurm.time_limit"},
	};

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (named[i].value && disagg_job_directive(import, named[i].option, named[i].value,
					      *disagg_srt_at(import, named[i].path), false))
			return -1;
	}
	for (unsigned i = 0; i < srt->sbatch_directives.count; i++) {
		const struct disagg_kv *kv = &srt->sbatch_directives.v[i];

		if (disagg_job_directive(import, kv->key, kv->value, kv->at, false))
			return -1;
	}
	return name_job(import, srt);
}

/* ---- settings: what later stages read by name ---- */

static const char *const sections[] = {"profiling", "dynamo", "observability", "telemetry", "infra",
	"identity", "reporting", "frontend", "backend", "setup_script", "model", NULL};

/* Sections and keys that have a place of their own in the model. */
static bool is_setting(const char *section, const char *key)
{
	static const char *const elsewhere[] = {"frontend.args", "frontend.env", "frontend.type",
		"backend.sglang_config", "backend.trtllm_config", "backend.vllm_config",
		"backend.mocker_config", "backend.prefill_environment",
		"backend.decode_environment", "backend.aggregated_environment", "model.path",
		"model.container", "model.precision", NULL};
	size_t len = strlen(section);

	for (unsigned i = 0; elsewhere[i]; i++) {
		if (strncmp(elsewhere[i], section, len) == 0 && elsewhere[i][len] == '.' &&
			strcmp(elsewhere[i] + len + 1, key) == 0)
			return false;
	}
	return strncmp(key, "x-", 2) != 0;
}

static int set_section(struct disagg_import *import, const char *section)
{
	const struct disagg_node *tree = disagg_node_get(import->tree, section);

	if (!tree || disagg_node_is_null(tree))
		return 0;
	if (tree->kind != DISAGG_MAP)
		return disagg_job_settings(import, section, tree);
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct disagg_pair *pair = &tree->pair[i];
		const char *path;

		if (!is_setting(section, pair->key))
			continue;
		path = disagg_arena_printf(import->arena, "%s.%s", section, pair->key);
		if (!path || disagg_job_settings(import, path, pair->value))
			return -1;
	}
	return 0;
}

/* What the file leaves open has srtctl's default, so that no later stage needs
 * to know one. */
static int set_defaults(struct disagg_import *import)
{
	const struct disagg_trace *trace = &import->job->trace;

	for (unsigned i = 0; i < trace->count; i++) {
		const struct disagg_value *value = &trace->item[i];
		size_t len = strcspn(value->path, ".");
		unsigned s = 0;

		if (value->at.line || !value->path[len] ||
			disagg_map_get(&import->job->settings, value->path))
			continue;
		while (sections[s] &&
			(strlen(sections[s]) != len || strncmp(sections[s], value->path, len) != 0))
			s++;
		if (!sections[s] || !is_setting(sections[s], value->path + len + 1))
			continue;
		if (disagg_map_set(import->arena, &import->job->settings, value->path, value->text,
			    value->at))
			return -1;
	}
	return 0;
}

/* Images named by an alias of the cluster file. */
static int resolve_images(struct disagg_import *import)
{
	static const char *const images[] = {"frontend.nginx_container",
		"backend.mooncake_kv_store.container",
		"observability.tachometer.dcgm_exporter.container_image",
		"observability.tachometer.node_exporter.container_image",
		"telemetry.dcgm_exporter.container_image", NULL};
	struct disagg_map *settings = &import->job->settings;

	for (unsigned i = 0; import->cluster && images[i]; i++) {
		const char *image = disagg_map_get(settings, images[i]);
		const char *resolved = disagg_cluster_container(import->cluster, image);

		if (image && resolved != image &&
			disagg_map_set(import->arena, settings, images[i], resolved,
				*disagg_srt_at(import, images[i])))
			return -1;
	}
	return 0;
}

/* Settings that follow from others: what srtctl decides at run time. */
static int derived_settings(struct disagg_import *import, const struct disagg_srt *srt)
{
	const struct disagg_cluster *cluster = import->cluster;
	struct disagg_map *settings = &import->job->settings;
	struct disagg_origin at = {.source = "default"};

	if (disagg_map_set(import->arena, settings, "frontend.type",
		    disagg_srt_frontends[srt->frontend.type],
		    *disagg_srt_at(import, "frontend.type")) ||
		disagg_map_set(import->arena, settings, "frontend.direct",
			disagg_srt_direct(srt) ? "true" : "false", at) ||
		disagg_map_set(import->arena, settings, "backend.type",
			disagg_srt_backends[srt->backend.type],
			*disagg_srt_at(import, "backend.type")))
		return -1;
	if (srt->frontend.raise_ulimit == DISAGG_UNSET && cluster &&
		cluster->nginx_raise_ulimit == DISAGG_YES)
		return disagg_map_set(import->arena, settings, "frontend.nginx_raise_ulimit",
			"true", cluster->tree ? cluster->tree->at : at);
	return 0;
}

static int map_settings(struct disagg_import *import, const struct disagg_srt *srt)
{
	for (unsigned i = 0; sections[i]; i++) {
		if (set_section(import, sections[i]))
			return -1;
	}
	if (set_defaults(import) || derived_settings(import, srt))
		return -1;
	return resolve_images(import);
}

int disagg_import_srtctl(struct disagg_import *import)
{
	static int (*const steps[])(struct disagg_import *, const struct disagg_srt *) = {
		map_model,
		map_topology,
		map_health,
		add_workers,
		disagg_srt_add_services,
		map_benchmark,
		map_directives,
		map_settings,
	};
	struct disagg_srt *srt = disagg_arena_alloc(import->arena, sizeof(*srt));
	unsigned errors = import->found->errors;

	if (!srt || disagg_srt_read(import, srt))
		return -1;
	/* a rule about a value that could not be read would only mislead */
	if (import->found->errors != errors)
		return 0;
	if (disagg_srt_check(import, srt))
		return -1;
	if (import->found->errors != errors)
		return 0;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i](import, srt))
			return -1;
	}
	return 0;
}
