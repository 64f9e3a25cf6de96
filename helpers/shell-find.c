/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/shell.h"
#include "lib/plan/hosts.h"
#include "lib/plan/taskenv.h"
#include "lib/plan/wire.h"
#include <string.h>
#include <unistd.h>

/* ---- the job and its run ---- */

static int check_job(struct shell *shell, struct disagg_err *err)
{
	const struct disagg_job_facts *facts = &shell->facts;

	if (disagg_jobs_ask(
		    &shell->arena, shell->job, shell->path, shell->envp, &shell->facts, err))
		return -1;
	if (facts->uid >= 0 && facts->uid != (int64_t)geteuid())
		return disagg_err_set(err, DISAGG_MISSING,
			"job %s is of user '%s': only its own user can have a step in it",
			shell->job, facts->user);
	if (strcmp(facts->state, "RUNNING") != 0)
		return disagg_err_set(err, DISAGG_MISSING,
			"job %s is %s: a shell needs a job that runs", shell->job, facts->state);
	return 0;
}

static int no_run(const struct shell *shell, struct disagg_err *err)
{
	return disagg_err_set(err, DISAGG_MISSING,
		"no run directory of job %s is found that can be read: expected disagg-%s or %s "
		"one folder down, here or in the job's working directory; elsewhere say "
		"'disagg-shell RUN_DIR ROLE:INDEX'",
		shell->job, shell->job, shell->job);
}

/* A run directory says which job it is of; a job's number leads to the directory. */
static int find_run(struct shell *shell, struct disagg_err *err)
{
	const char *recorded;

	if (shell->job && check_job(shell, err))
		return -1;
	if (!shell->run_dir)
		shell->run_dir =
			disagg_jobs_run(&shell->arena, shell->job, shell->path, shell->envp);
	if (!shell->run_dir)
		return no_run(shell, err);
	if (disagg_stepenv_read(&shell->arena, shell->run_dir, &shell->env, err))
		return -1;
	recorded = disagg_envlist_get(&shell->env.env, "SLURM_JOB_ID");
	if (!recorded || (shell->job && strcmp(recorded, shell->job) != 0))
		return disagg_err_set(err, DISAGG_CONFIG, "'%s' is of job %s, not of job %s",
			shell->run_dir, recorded ? recorded : "(none)", shell->job);
	if (shell->job)
		return 0;
	shell->job = recorded;
	return check_job(shell, err);
}

/* ---- the worker ---- */

static int need(
	const struct shell *shell, const char *name, const char **ret, struct disagg_err *err)
{
	*ret = disagg_envlist_get(&shell->env.env, name);
	if (*ret)
		return 0;
	return disagg_err_set(
		err, DISAGG_CONFIG, "'%s/" DISAGG_STEPENV_FILE "' has no %s", shell->run_dir, name);
}

static int load_plan(struct shell *shell, struct disagg_err *err)
{
	const char *wire, *nodes;

	if (need(shell, "SLURM_DISAGG_PLAN", &wire, err) ||
		need(shell, "SLURM_JOB_NODELIST", &nodes, err))
		return -1;
	if (disagg_wire_decode(&shell->arena, wire, &shell->plan, err))
		return -1;
	return disagg_plan_hosts(&shell->arena, shell->plan, nodes,
		disagg_envlist_get(&shell->env.env, "SLURM_DISAGG_EXCLUDED"), &shell->hosts, err);
}

static int node_of_rank(const struct shell *shell, const struct disagg_worker *worker,
	const struct disagg_service *service, uint32_t *ret, struct disagg_err *err)
{
	uint32_t process, local;

	if (!worker && shell->rank)
		return disagg_err_set(err, DISAGG_USAGE, "'%s' has no rank %u: it has 1",
			shell->name, (unsigned)shell->rank);
	if (worker &&
		disagg_plan_process_of(shell->plan, worker, shell->rank, &process, &local, err))
		return -1;
	*ret = worker ? shell->plan->process[process].node : service->node;
	return 0;
}

static int find_worker(struct shell *shell, struct disagg_err *err)
{
	const struct disagg_worker *worker = NULL;
	const struct disagg_service *service = NULL;
	char role[128];
	int index;
	uint32_t node = 0;

	if (disagg_role_split(shell->role_text, role, sizeof(role), &index, err) ||
		disagg_plan_pick(shell->plan, role, index, &worker, &service, err))
		return -1;
	shell->role = worker ? worker->role : service->role;
	shell->index = worker ? worker->index : service->index;
	shell->name = disagg_arena_printf(&shell->arena, "%s_%u",
		shell->plan->role[shell->role].name, (unsigned)shell->index);
	if (!shell->name)
		return disagg_err_nomem(err);
	if (node_of_rank(shell, worker, service, &node, err))
		return -1;
	if (node >= shell->hosts.count)
		return disagg_err_set(err, DISAGG_CONFIG,
			"the plan is for %u nodes, but the job has %u",
			(unsigned)shell->plan->nodes, shell->hosts.count);
	shell->host = shell->hosts.name[node];
	return 0;
}

int shell_find(struct shell *shell, struct disagg_err *err)
{
	return find_run(shell, err) || load_plan(shell, err) || find_worker(shell, err) ? -1 : 0;
}
