/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/taskenv_build.h"

#include "lib/base/limits.h"
#include <stdio.h>
#include <string.h>

/* ---- the role's own variables ---- */

/* srtctl puts the node's name and its number among the worker nodes in, for workers. */
static int put_templated(struct disagg_build *build, const char *name, const char *value)
{
	const struct disagg_plan *plan = build->plan;
	uint32_t id = build->task->node - plan->worker_node_first;
	struct disagg_strbuf text;
	int rc;

	disagg_strbuf_init(&text, DISAGG_MAX_WIRE_BYTES * 4);
	while (*value) {
		if (strncmp(value, "{node}", 6) == 0) {
			disagg_strbuf_puts(&text, disagg_build_host(build, build->task->node));
			value += 6;
		} else if (strncmp(value, "{node_id}", 9) == 0 && id < plan->worker_nodes) {
			disagg_strbuf_printf(&text, "%u", (unsigned)id);
			value += 9;
		} else {
			disagg_strbuf_putc(&text, *value++);
		}
	}
	rc = text.failed ? disagg_err_nomem(build->err) : disagg_build_put(build, name, text.text);
	disagg_strbuf_release(&text);
	return rc;
}

static int put_referenced(struct disagg_build *build, const char *name, const char *reference)
{
	const struct disagg_task *task = build->task;
	const char *value = task->getenv ? task->getenv(task->context, reference) : NULL;

	if (!value)
		return disagg_err_set(build->err, DISAGG_MISSING,
			"variable '%s' of role '%s' is ${env:%s}, and '%s' is not set in the job",
			name, build->role->name, reference, reference);
	return disagg_build_put(build, name, value);
}

static int put_role_env(struct disagg_build *build)
{
	bool templated = build->worker && build->plan->dialect == DISAGG_SRTCTL &&
			 build->role->engine != DISAGG_E_TRTLLM;

	for (unsigned i = 0; i < build->role->env.count; i++) {
		const struct disagg_kv *kv = &build->role->env.v[i];
		const char *reference;
		int rc;

		if (strncmp(kv->key, "DISAGG_", 7) == 0)
			continue;
		reference = disagg_env_reference(build->out->arena, kv->value);
		if (reference)
			rc = put_referenced(build, kv->key, reference);
		else if (templated)
			rc = put_templated(build, kv->key, kv->value);
		else
			rc = disagg_build_put(build, kv->key, kv->value);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* ---- what the dialects' own scripts look for ---- */

static int put_serving_type(struct disagg_build *build)
{
	static const char *const names[] = {
		[DISAGG_PREFILL] = "CTX",
		[DISAGG_DECODE] = "GEN",
		[DISAGG_FRONTEND] = "DISAGG_SERVER",
		[DISAGG_BENCHMARK] = "BENCHMARK",
		[DISAGG_OTHER] = NULL,
	};
	const char *name = names[build->role->kind];

	if (build->plan->dialect != DISAGG_TRTLLM || !name)
		return 0;
	if (!build->worker)
		return disagg_build_put(build, "DISAGG_SERVING_TYPE", name);
	return disagg_envlist_setf(build->out, "DISAGG_SERVING_TYPE", "%s_%u", name,
		       (unsigned)build->worker->index) < 0
		       ? disagg_err_nomem(build->err)
		       : 0;
}

/* Where srtctl sends a benchmark for a worker's metrics: Dynamo has them on the
 * system port, vLLM's own server on the public port, others on the HTTP port. */
static int srt_port(const struct disagg_build *build, const struct disagg_worker *worker,
	enum disagg_engine frontend, int public)
{
	enum disagg_port port =
		frontend == DISAGG_E_DYNAMO_FRONTEND ? DISAGG_PORT_SYSTEM : DISAGG_PORT_HTTP;

	if (frontend == DISAGG_E_VLLM_SERVER)
		return public;
	return disagg_build_port(build, &build->plan->role[worker->role], port,
		disagg_build_leader(build, worker)->port[port]);
}

/* For a variable that the file may set itself. */
static int put_list_unless_set(
	struct disagg_build *build, const char *name, struct disagg_strbuf *list)
{
	if (!disagg_envlist_get(build->out, name))
		return disagg_build_list(build, name, list);
	disagg_strbuf_release(list);
	return 0;
}

static int put_srt_kind(struct disagg_build *build, enum disagg_role_kind kind, const char *upper,
	enum disagg_engine frontend, int public)
{
	struct disagg_strbuf hosts, endpoints;
	char name[64];

	disagg_build_list_init(&hosts);
	disagg_build_list_init(&endpoints);
	for (uint32_t i = 0; i < build->plan->worker_count; i++) {
		const struct disagg_worker *worker = &build->plan->worker[i];
		const char *host =
			disagg_build_host(build, disagg_build_leader(build, worker)->node);
		int port = srt_port(build, worker, frontend, public);

		if (build->plan->role[worker->role].kind != kind || !port)
			continue;
		disagg_strbuf_printf(&hosts, "%s%s", hosts.len ? "," : "", host);
		disagg_strbuf_printf(&endpoints, "%s%s:%d", endpoints.len ? "," : "", host, port);
	}
	snprintf(name, sizeof(name), "SRT_%s_IPS", upper);
	if (put_list_unless_set(build, name, &hosts) < 0) {
		disagg_strbuf_release(&endpoints);
		return -1;
	}
	snprintf(name, sizeof(name), "SRT_%s_ENDPOINTS", upper);
	return put_list_unless_set(build, name, &endpoints);
}

static int put_metrics(struct disagg_build *build, enum disagg_engine frontend, int public)
{
	struct disagg_strbuf urls;

	disagg_build_list_init(&urls);
	for (uint32_t i = 0; i < build->plan->worker_count; i++) {
		const struct disagg_worker *worker = &build->plan->worker[i];
		int port = srt_port(build, worker, frontend, public);

		if (port)
			disagg_strbuf_printf(&urls, "%shttp://%s:%d/metrics", urls.len ? "," : "",
				disagg_build_host(build, disagg_build_leader(build, worker)->node),
				port);
	}
	return put_list_unless_set(build, "AIPERF_SERVER_METRICS_URLS", &urls);
}

static const char *frontend_type(enum disagg_engine engine)
{
	switch (engine) {
	case DISAGG_E_DYNAMO_FRONTEND:
		return "dynamo";
	case DISAGG_E_SGLANG_ROUTER:
		return "sglang";
	case DISAGG_E_TRTLLM_SERVER:
		return "trtllm_serve";
	case DISAGG_E_VLLM_SERVER:
		return "vllm";
	default:
		return NULL;
	}
}

/* The engine of the frontends, which may be behind nginx; DISAGG_E_COUNT: none. */
static enum disagg_engine frontend_engine(const struct disagg_plan *plan)
{
	for (uint32_t i = 0; i < plan->role_count; i++) {
		if (frontend_type(plan->role[i].engine))
			return plan->role[i].engine;
	}
	return DISAGG_E_COUNT;
}

static int put_srt_frontend(struct disagg_build *build, const char *type,
	const struct disagg_service *service, int port)
{
	if (type && !disagg_envlist_get(build->out, "SRTCTL_FRONTEND_TYPE") &&
		disagg_build_put(build, "SRTCTL_FRONTEND_TYPE", type) < 0)
		return -1;
	if (!service || !port)
		return 0;
	if (!disagg_envlist_get(build->out, "SRT_FRONTEND_HOST") &&
		disagg_build_put(
			build, "SRT_FRONTEND_HOST", disagg_build_host(build, service->node)) < 0)
		return -1;
	if (disagg_envlist_get(build->out, "SRT_FRONTEND_PORT"))
		return 0;
	return disagg_build_number(build, "SRT_FRONTEND_PORT", port);
}

static int put_srt(struct disagg_build *build)
{
	enum disagg_engine engine = frontend_engine(build->plan);
	int port = 0;
	const struct disagg_service *service = disagg_build_public(build, &port);

	if (build->plan->dialect != DISAGG_SRTCTL ||
		(build->role->kind != DISAGG_BENCHMARK && build->role->kind != DISAGG_FRONTEND))
		return 0;
	if (put_srt_frontend(build, frontend_type(engine), service, port) < 0 ||
		put_srt_kind(build, DISAGG_PREFILL, "PREFILL", engine, port) < 0 ||
		put_srt_kind(build, DISAGG_DECODE, "DECODE", engine, port) < 0 ||
		put_srt_kind(build, DISAGG_AGG, "AGG", engine, port) < 0)
		return -1;
	return put_metrics(build, engine, port);
}

int disagg_build_dialect(struct disagg_build *build)
{
	if (put_role_env(build) < 0 || put_serving_type(build) < 0)
		return -1;
	return put_srt(build);
}
