/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec.h"
#include "lib/host/proc.h"
#include <string.h>

/* What disagg-sim is asked to be for an engine; NULL: a process that only lives. */
static const char *const kinds[DISAGG_E_COUNT] = {
	[DISAGG_E_COMMAND] = "sglang",
	[DISAGG_E_SGLANG] = "sglang",
	[DISAGG_E_TRTLLM] = "trtllm",
	[DISAGG_E_VLLM] = "vllm",
	[DISAGG_E_MOCKER] = "dynamo",
	[DISAGG_E_SGLANG_ROUTER] = "sglang-router",
	[DISAGG_E_TRTLLM_SERVER] = "trtllm-server",
	[DISAGG_E_DYNAMO_FRONTEND] = "dynamo-frontend",
	[DISAGG_E_VLLM_SERVER] = "vllm-server",
};

static const char *role_word(enum disagg_role_kind kind)
{
	if (kind == DISAGG_PREFILL)
		return "prefill";
	return kind == DISAGG_DECODE ? "decode" : "agg";
}

static void add_common(struct task *task, struct words *words, int port)
{
	const char *model = disagg_engine_served_name(task->in.job);

	words_add(words, "--host=0.0.0.0");
	if (port > 0)
		words_add(words, "--port=%d", port);
	if (model && *model)
		words_add(words, "--model=%s", model);
}

static int add_worker(struct task *task, struct words *words, struct disagg_err *err)
{
	const struct disagg_plan *plan = task->in.plan;
	const struct disagg_process *first = &plan->process[task->worker->first_process];
	struct disagg_inside_health health;

	if (disagg_inside_worker_health(
		    &task->in, (uint32_t)(task->worker - plan->worker), &health, err))
		return -1;
	add_common(task, words, health.port);
	words_add(words, "--role=%s", role_word(plan->role[task->role].kind));
	if (first->port[DISAGG_PORT_BOOTSTRAP] > 0 && plan->role[task->role].kind == DISAGG_PREFILL)
		words_add(words, "--kv-port=%d",
			disagg_inside_port(&task->in, first->port[DISAGG_PORT_BOOTSTRAP]));
	return 0;
}

/* A frontend is told where the workers answer, as the real one finds out. */
static int add_frontend(struct task *task, struct words *words, struct disagg_err *err)
{
	struct disagg_inside *in = &task->in;
	struct disagg_inside_health health;

	if (disagg_inside_service_health(
		    in, (uint32_t)(task->service - in->plan->service), &health, err))
		return -1;
	add_common(task, words,
		health.port > 0 ? health.port : disagg_inside_port(in, task->service->port));
	for (uint32_t i = 0; i < in->plan->worker_count; i++) {
		const struct disagg_worker *worker = &in->plan->worker[i];
		enum disagg_role_kind kind = in->plan->role[worker->role].kind;

		if (kind != DISAGG_PREFILL && kind != DISAGG_DECODE && kind != DISAGG_AGG)
			continue;
		if (disagg_inside_worker_health(in, i, &health, err))
			return -1;
		words_add(words, "--%s=http://%s:%d", kind == DISAGG_PREFILL ? "prefill" : "decode",
			in->engine.ip(
				in->engine.context, in->plan->process[worker->first_process].node),
			health.port);
	}
	return 0;
}

/* The first task of a worker serves; the others only live, as ranks do. */
static bool only_lives(struct task *task, const char *kind)
{
	struct disagg_inside *in = &task->in;
	struct disagg_inside_health health;

	if (!kind || task->rank > 0)
		return true;
	if (!task->worker)
		return false;
	return disagg_inside_worker_health(
		       in, (uint32_t)(task->worker - in->plan->worker), &health, NULL) ||
	       health.port < 0;
}

int exec_stand_in(struct task *task, struct disagg_err *err)
{
	struct words words = {.arena = task->arena};
	enum disagg_engine engine = task->in.plan->role[task->role].engine;
	const char *kind = kinds[engine];
	const char *program = disagg_proc_tool(task->arena, "disagg-sim", task->path);

	if (!program)
		return disagg_err_set(err, DISAGG_MISSING,
			"'disagg-sim' is neither beside disagg-exec nor in PATH");
	if (task->worker && disagg_inside_is_dynamo(&task->in))
		kind = "dynamo";
	words_add(&words, "%s", program);
	words_add(&words, "--as=%s", only_lives(task, kind) ? "mpi-rank" : kind);
	if (!only_lives(task, kind) &&
		(task->worker ? add_worker(task, &words, err) : add_frontend(task, &words, err)))
		return -1;
	task->command.argv = words_take(&words);
	task->command.argc = words.count;
	return task->command.argv ? 0 : disagg_err_nomem(err);
}
