/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec.h"
#include "lib/host/stepenv.h"
#include "lib/plan/taskenv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A worker's environment in a step that is none of its own.  It is made as the
 * plugin and disagg-exec make it; the rest, the user's own variables and a
 * container's, is the living task's.
 */

static const char *environment(const char *name)
{
	return getenv(name);
}

/* ---- the job ---- */

static int take_job(struct task *task, const struct exec_shell *call, struct disagg_err *err)
{
	const char *job = getenv("SLURM_JOB_ID"), *recorded;
	struct disagg_stepenv found;

	if (disagg_stepenv_read(task->arena, call->run_dir, &found, err))
		return -1;
	recorded = disagg_envlist_get(&found.env, "SLURM_JOB_ID");
	if (!job || !recorded || strcmp(job, recorded) != 0)
		return disagg_err_set(err, DISAGG_USAGE,
			"'%s' is the run directory of job %s: expected a step of that job, this "
			"one is of job %s",
			call->run_dir, recorded ? recorded : "(none)", job ? job : "(none)");
	return exec_set_environment(&found.env, err);
}

static int load(struct task *task, struct disagg_err *err)
{
	return disagg_inside_load(&task->in, task->arena, environment, err);
}

/* Whose environment, before any of it is there. */
static int name_task(struct task *task, const struct exec_shell *call, struct disagg_task *ret,
	struct disagg_err *err)
{
	char role[128];
	int index;

	if (disagg_role_split(call->role, role, sizeof(role), &index, err) ||
		disagg_plan_pick(task->in.plan, role, index, &task->worker, &task->service, err))
		return -1;
	task->role = task->worker ? task->worker->role : task->service->role;
	task->rank = call->rank;
	ret->role = disagg_arena_strdup(task->arena, task->in.plan->role[task->role].name);
	ret->index = (int)(task->worker ? task->worker->index : task->service->index);
	task->name = disagg_inside_worker_name(&task->in, task->role, (uint32_t)ret->index);
	return task->name && ret->role ? 0 : disagg_err_nomem(err);
}

/* ---- the environment ---- */

static const char *variable(void *context, const char *name)
{
	const struct task *task = context;
	const char *value = getenv(name);

	if (value)
		return value;
	fprintf(stderr, "disagg-exec: %s, which '%s' takes from the job, is not known here\n", name,
		task->name);
	return "";
}

/* What the plugin gives to the worker's task. */
static int put_task(struct task *task, struct disagg_task *facts, struct disagg_err *err)
{
	struct disagg_envlist list;

	facts->global_id = task->rank;
	facts->hosts = &task->in.hosts;
	facts->job_id = task->in.job_id;
	facts->restart_count = getenv("SLURM_RESTART_COUNT");
	facts->submit_dir = getenv("SLURM_SUBMIT_DIR");
	facts->port_offset = task->in.port_offset;
	facts->getenv = variable;
	facts->context = task;
	if (disagg_inside_this_node(&task->in, &facts->node, err))
		return -1;
	disagg_envlist_init(&list, task->arena);
	if (disagg_taskenv(task->in.plan, facts, &list, err))
		return -1;
	return exec_set_environment(&list, err);
}

static int make_environment(
	struct task *task, const struct exec_shell *call, struct disagg_err *err)
{
	/* as Slurm set it, before the worker's share is laid over it */
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	struct disagg_task facts = {0};

	if (visible)
		facts.visible_devices = disagg_arena_strdup(task->arena, visible);
	if (visible && !facts.visible_devices)
		return disagg_err_nomem(err);
	if (take_job(task, call, err) || load(task, err) || name_task(task, call, &facts, err) ||
		exec_take_living(task, err))
		return -1;
	if (task->living < 0)
		fprintf(stderr,
			"disagg-exec: '%s' does not run: its environment is made from the plan, "
			"with your own variables\n",
			task->name);
	/* what was read before may be gone with the old environment */
	if (load(task, err) || put_task(task, &facts, err))
		return -1;
	task->path = getenv("PATH");
	if (exec_find_task(task, err) || exec_build(task, err) || exec_bind(task, err))
		return -1;
	return exec_set_environment(&task->command.env, err);
}

/* ---- the program ---- */

/* A container need not have the user's. */
static const char *find_shell(const char *own)
{
	if (own[0] == '/' && access(own, X_OK) == 0)
		return own;
	return access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
}

int exec_shell(struct task *task, const struct exec_shell *call, struct disagg_err *err)
{
	const char **shell = disagg_arena_array(task->arena, 2, sizeof(*shell));
	const char *said = getenv("SHELL");
	const char *own = disagg_arena_strdup(task->arena, said ? said : "");

	if (!shell || !own)
		return disagg_err_nomem(err);
	if (make_environment(task, call, err) || (!call->no_container && exec_enter(task, err)))
		return -1;
	shell[0] = find_shell(own);
	task->command.argv = call->argc ? call->argv : shell;
	task->command.argc = call->argc ? call->argc : 1;
	return exec_become(task, err);
}
