/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * Beyond the variables that every client has (lib/plan/taskenv.h, by host name)
 * srtctl's scripts look for addresses, and for what they are to profile.
 */
struct client_env {
	struct disagg_cmd *cmd;
	struct disagg_envlist *out;
	const char *type;
	int public_port;
	enum disagg_engine frontend; /* of the frontends, which may be behind nginx */
};

/* The file's own value counts. */
static void put(struct client_env *env, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void put(struct client_env *env, const char *name, const char *fmt, ...)
{
	const char *value;
	va_list args;

	if (disagg_map_get(&env->cmd->role->env, name))
		return;
	va_start(args, fmt);
	value = disagg_arena_vprintf(env->cmd->arena, fmt, args);
	va_end(args);
	if (!value || disagg_envlist_set(env->out, name, value))
		env->cmd->failed = true;
}

static void put_list(struct client_env *env, const char *name, struct disagg_strbuf *list)
{
	if (list->failed)
		env->cmd->failed = true;
	else if (list->len)
		put(env, name, "%s", list->text);
	disagg_strbuf_release(list);
}

static bool is(const struct client_env *env, const char *type)
{
	return env->type && strcmp(env->type, type) == 0;
}

/* ---- frontend ---- */

static const struct disagg_service *find_public(struct client_env *env)
{
	const struct disagg_plan *plan = env->cmd->plan;
	const struct disagg_service *found = disagg_cmd_service(env->cmd, DISAGG_E_NGINX);

	env->frontend = DISAGG_E_COUNT;
	for (uint32_t i = 0; i < plan->service_count; i++) {
		const struct disagg_plan_role *role = &plan->role[plan->service[i].role];

		if (role->kind != DISAGG_FRONTEND || role->engine == DISAGG_E_NGINX)
			continue;
		env->frontend = role->engine;
		if (!found)
			found = &plan->service[i];
	}
	return found;
}

static void put_frontend(struct client_env *env)
{
	const struct disagg_service *service = find_public(env);

	if (!service)
		return;
	env->public_port = disagg_cmd_service_port(env->cmd, service);
	put(env, "SRT_FRONTEND_HOST", "%s", disagg_cmd_ip(env->cmd, service->node));
	put(env, "SRT_FRONTEND_PORT", "%d", env->public_port);
}

/* ---- workers ---- */

/* Where a worker answers questions about itself. */
static int worker_port(const struct client_env *env, const struct disagg_worker *worker)
{
	bool dynamo = env->frontend == DISAGG_E_DYNAMO_FRONTEND;
	enum disagg_port kind = dynamo ? DISAGG_PORT_SYSTEM : DISAGG_PORT_HTTP;
	int port;

	if (env->frontend == DISAGG_E_VLLM_SERVER)
		return env->public_port;
	port = disagg_cmd_port_of(
		env->cmd, worker->role, kind, disagg_cmd_leader(env->cmd, worker)->port[kind]);
	return port > 0 ? port : 0;
}

static void put_workers(
	struct client_env *env, const char *prefix, enum disagg_role_kind kind, const char *upper)
{
	const struct disagg_plan *plan = env->cmd->plan;
	struct disagg_strbuf hosts, endpoints;
	char name[64];

	disagg_strbuf_init(&hosts, 0);
	disagg_strbuf_init(&endpoints, 0);
	for (uint32_t i = 0; i < plan->worker_count; i++) {
		const struct disagg_worker *worker = &plan->worker[i];
		const char *ip = disagg_cmd_ip(env->cmd, disagg_cmd_leader(env->cmd, worker)->node);
		int port = worker_port(env, worker);

		if (plan->role[worker->role].kind != kind || !port)
			continue;
		disagg_strbuf_printf(&hosts, "%s%s", hosts.len ? "," : "", ip);
		disagg_strbuf_printf(&endpoints, "%s%s:%d", endpoints.len ? "," : "", ip, port);
	}
	snprintf(name, sizeof(name), "%s_%s_IPS", prefix, upper);
	put_list(env, name, &hosts);
	snprintf(name, sizeof(name), "%s_%s_ENDPOINTS", prefix, upper);
	put_list(env, name, &endpoints);
}

static void put_all_workers(struct client_env *env, const char *prefix)
{
	put_workers(env, prefix, DISAGG_PREFILL, "PREFILL");
	put_workers(env, prefix, DISAGG_DECODE, "DECODE");
	put_workers(env, prefix, DISAGG_AGG, "AGG");
}

/* aiperf is told every process, a custom command the workers alone. */
static void put_metrics(struct client_env *env)
{
	bool all = is(env, "mooncake-router") || is(env, "trace-replay");
	const struct disagg_plan *plan = env->cmd->plan;
	struct disagg_strbuf urls;

	if (env->frontend == DISAGG_E_VLLM_SERVER)
		all = false;
	disagg_strbuf_init(&urls, 0);
	for (uint32_t i = 0; i < plan->process_count; i++) {
		const struct disagg_process *process = &plan->process[i];
		const struct disagg_worker *worker = &plan->worker[process->worker];
		bool leads = i == worker->first_process;
		int port = all ? disagg_cmd_port_of(env->cmd, worker->role, DISAGG_PORT_SYSTEM,
					 process->port[DISAGG_PORT_SYSTEM])
			       : worker_port(env, worker);

		if ((all || leads) && port > 0)
			disagg_strbuf_printf(&urls, "%shttp://%s:%d/metrics", urls.len ? "," : "",
				disagg_cmd_ip(env->cmd, process->node), port);
	}
	put_list(env, "AIPERF_SERVER_METRICS_URLS", &urls);
}

/* ---- profiling, and what single types read ---- */

static void put_steps(struct client_env *env, const char *phase, const char *upper)
{
	static const char *const steps[][2] = {
		{"start_step", "START_STEP"}, {"stop_step", "STOP_STEP"}};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		char key[64], name[64];
		int64_t step;

		snprintf(key, sizeof(key), "profiling.%s.%s", phase, steps[i][0]);
		snprintf(name, sizeof(name), "PROFILE_%s_%s", upper, steps[i][1]);
		step = disagg_cmd_setting_int(env->cmd, key);
		if (step >= 0)
			put(env, name, "%lld", (long long)step);
	}
}

static bool runs_trtllm(const struct disagg_plan *plan)
{
	for (uint32_t i = 0; i < plan->role_count; i++) {
		if (plan->role[i].engine == DISAGG_E_TRTLLM)
			return true;
	}
	return false;
}

static void put_profiling(struct client_env *env)
{
	const char *type = disagg_cmd_setting(env->cmd, "profiling.type");
	const char *folder = disagg_cmd_path(env->cmd, "profiles");
	const char *served = disagg_engine_served_name(env->cmd->job);

	if (!type || strcmp(type, "none") == 0)
		return;
	put(env, "PROFILE_TYPE", "%s", type);
	put_steps(env, "prefill", "PREFILL");
	put_steps(env, "decode", "DECODE");
	put_steps(env, "aggregated", "AGG");
	if (strcmp(type, "torch") == 0)
		put(env, "SGLANG_TORCH_PROFILER_DIR", "%s", folder ? folder : "");
	put_all_workers(env, "PROFILE");
	if (runs_trtllm(env->cmd->plan))
		put(env, "PROFILING_BACKEND", "trtllm");
	if (!is(env, "sa-bench") && !is(env, "sglang-bench") && !is(env, "trace-replay"))
		return;
	put(env, "PROFILE_OUTPUT_DIR", "%s", folder ? folder : "");
	put(env, "BENCH_MODEL_NAME", "%s", served ? served : "");
	put(env, "HEAD_NODE", "%s", disagg_cmd_host(env->cmd, env->cmd->plan->head_node));
	put(env, "HEAD_PORT", "%d", env->public_port);
	put(env, "PROFILE_WORKER_PORT", "6100");
}

/* SGLang slows its decode workers down until enough requests are there. */
static void put_slow_down(struct client_env *env)
{
	const char *sleep = disagg_map_get(&env->cmd->job->bench.options, "slow_down_sleep_time");
	const char *wait = disagg_map_get(&env->cmd->job->bench.options, "slow_down_wait_time");
	const struct disagg_plan *plan = env->cmd->plan;
	struct disagg_strbuf urls;

	if (!sleep || !wait || !is(env, "sa-bench") || env->frontend != DISAGG_E_SGLANG_ROUTER)
		return;
	disagg_strbuf_init(&urls, 0);
	for (uint32_t i = 0; i < plan->worker_count; i++) {
		const struct disagg_worker *worker = &plan->worker[i];
		int port = worker_port(env, worker);

		if (plan->role[worker->role].kind == DISAGG_DECODE && port)
			disagg_strbuf_printf(&urls, "%shttp://%s:%d", urls.len ? "," : "",
				disagg_cmd_ip(env->cmd, disagg_cmd_leader(env->cmd, worker)->node),
				port);
	}
	put_list(env, "SA_BENCH_SLOW_DOWN_URLS", &urls);
	put(env, "SA_BENCH_SLOW_DOWN_SLEEP_TIME", "%s%s", sleep, strpbrk(sleep, ".eE") ? "" : ".0");
	put(env, "SA_BENCH_SLOW_DOWN_WAIT_TIME", "%s%s", wait, strpbrk(wait, ".eE") ? "" : ".0");
}

static void put_aiperf(struct client_env *env)
{
	const char *package = disagg_map_get(&env->cmd->job->bench.options, "aiperf_package");
	const char *results = disagg_cmd_path(env->cmd, "results");

	if (!is(env, "mooncake-router") && !is(env, "trace-replay"))
		return;
	if (package)
		put(env, "AIPERF_PACKAGE", "%s", package);
	put(env, "BASE_DIR", "%s", results ? results : "");
}

/* For the setup script, as workers have it. */
static void put_wheel(struct client_env *env)
{
	const char *wheel = disagg_cmd_setting(env->cmd, "dynamo.wheel");

	if (!wheel || !*wheel)
		return;
	put(env, "DYNAMO_WHEEL_NAME", "ai_dynamo-%s-py3-none-any.whl", wheel);
	put(env, "DYNAMO_VERSION", "%s", wheel);
}

void disagg_cmd_client_env(struct disagg_cmd *cmd, const char *type, struct disagg_envlist *ret)
{
	struct client_env env = {.cmd = cmd, .out = ret, .type = type};

	put_frontend(&env);
	put_all_workers(&env, "SRT");
	put_metrics(&env);
	put_profiling(&env);
	put_slow_down(&env);
	put_aiperf(&env);
	put_wheel(&env);
}
