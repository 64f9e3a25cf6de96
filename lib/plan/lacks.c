/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/lacks.h"
#include "lib/base/strbuf.h"

/* ---- the model ---- */

static bool reads_model(enum disagg_engine engine)
{
	return engine == DISAGG_E_SGLANG || engine == DISAGG_E_TRTLLM || engine == DISAGG_E_VLLM ||
	       engine == DISAGG_E_MOCKER;
}

/* "prefill (sglang), decode (sglang)" */
static void name_readers(const struct disagg_job *job, struct disagg_strbuf *out)
{
	for (unsigned i = 0; i < job->role_count; i++) {
		const struct disagg_role *role = &job->role[i];

		if (reads_model(role->engine))
			disagg_strbuf_printf(out, "%s%s (%s)", out->len ? ", " : "", role->name,
				disagg_engine_names[role->engine]);
	}
}

static void lacks_model(const struct disagg_job *job, struct disagg_findings *found)
{
	const char *key = job->dialect == DISAGG_TRTLLM ? "environment.model_path" : "model.path";
	const struct disagg_origin *at = disagg_trace_origin(&job->trace, key);
	const struct disagg_origin file = {.source = job->source};
	const char *path = job->model_path;
	struct disagg_strbuf readers;

	/* a stand-in reads no model */
	if (job->rehearse || (path && path[0] && !disagg_text_is_placeholder(path)))
		return;
	disagg_strbuf_init(&readers, 0);
	name_readers(job, &readers);
	if (readers.len)
		disagg_findings_warn(found, at ? at : &file,
			"%s is %s%s%s, which disagg run needs for %s: say the model's folder or "
			"id there or with --set=%s=PATH",
			key, path ? "'" : "missing", path ? path : "", path ? "'" : "",
			readers.text, key);
	disagg_strbuf_release(&readers);
}

/* ---- the benchmark ---- */

/* What it runs is not the file's own line, so it is told where requests go. */
static const struct disagg_role *measuring_role(const struct disagg_job *job)
{
	for (unsigned i = 0; i < job->role_count; i++) {
		const struct disagg_role *role = &job->role[i];

		if (role->engine == DISAGG_E_BENCHMARK && !role->script && !role->command.count)
			return role;
	}
	return NULL;
}

static bool has_frontend(const struct disagg_plan *plan)
{
	for (uint32_t i = 0; i < plan->service_count; i++) {
		const struct disagg_plan_role *role = &plan->role[plan->service[i].role];

		if (plan->service[i].port > 0 &&
			(role->kind == DISAGG_FRONTEND || role->engine == DISAGG_E_NGINX))
			return true;
	}
	return false;
}

static void lacks_frontend(
	const struct disagg_job *job, const struct disagg_plan *plan, struct disagg_findings *found)
{
	const struct disagg_role *role = measuring_role(job);
	const struct disagg_origin *at = disagg_trace_origin(&job->trace, "benchmark.type");

	if (!role || has_frontend(plan))
		return;
	disagg_findings_warn(found, at ? at : &role->at,
		"'%s' has nothing to measure: no role is a frontend with a port", role->name);
}

void disagg_plan_lacks(
	const struct disagg_job *job, const struct disagg_plan *plan, struct disagg_findings *found)
{
	lacks_model(job, found);
	lacks_frontend(job, plan, found);
}
