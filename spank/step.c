/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/step.h"
#include "lib/plan/hosts.h"
#include "lib/plan/taskenv.h"
#include "lib/plan/wire.h"
#include "spank/carry.h"
#include "spank/message.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a role step asks of srun. */
struct layout {
	const char *nodelist;
	uint32_t tasks;
	uint32_t nodes; /* distinct */
};

void disagg_step_release(struct disagg_step *step)
{
	disagg_ask_close(&step->ask);
	disagg_arena_release(&step->arena);
	*step = (struct disagg_step){0};
}

static int load_plan(struct disagg_arena *arena, struct disagg_plan **ret_plan,
	struct disagg_hostlist *ret_hosts, struct disagg_err *err)
{
	const char *wire = getenv(DISAGG_ENV_PLAN);
	const char *hosts = getenv("SLURM_JOB_NODELIST");

	if (getenv("SLURM_HET_SIZE"))
		return disagg_err_set(err, DISAGG_USAGE,
			"a heterogeneous job has no roles; describe all roles in one file and "
			"submit one job");
	if (!wire)
		return disagg_err_set(err, DISAGG_USAGE,
			"this job carries no plan (no " DISAGG_ENV_PLAN
			"); submit it with --disagg-config");
	if (!hosts)
		return disagg_err_set(err, DISAGG_USAGE, "SLURM_JOB_NODELIST is not set");
	if (disagg_wire_decode(arena, wire, ret_plan, err))
		return -1;
	return disagg_plan_hosts(
		arena, *ret_plan, hosts, getenv(DISAGG_ENV_EXCLUDED), ret_hosts, err);
}

static uint32_t worker_nodes(const struct disagg_plan *plan, const struct disagg_worker *worker)
{
	uint32_t nodes = 0, last = UINT32_MAX;

	for (uint32_t i = 0; i < worker->process_count; i++) {
		uint32_t node = plan->process[worker->first_process + i].node;

		nodes += node != last;
		last = node;
	}
	return nodes;
}

static int lay_out(
	struct disagg_arena *arena, const char *text, struct layout *ret, struct disagg_err *err)
{
	struct disagg_plan *plan;
	struct disagg_hostlist hosts;
	char role[128];
	int index;
	const struct disagg_worker *worker = NULL;
	const struct disagg_service *service = NULL;

	if (load_plan(arena, &plan, &hosts, err) ||
		disagg_role_split(text, role, sizeof(role), &index, err) ||
		disagg_plan_pick(plan, role, index, &worker, &service, err))
		return -1;
	ret->nodes = worker ? worker_nodes(plan, worker) : 1;
	return disagg_step_nodelist(
		arena, plan, worker, service, &hosts, &ret->nodelist, &ret->tasks, err);
}

/* -n, -N and -w are the plan's; tasks of a role share CPUs with other roles. */
static int make_sizing(struct disagg_arena *arena, const struct layout *layout, const char *role,
	struct disagg_sizing *ret)
{
	const char *tasks = disagg_arena_printf(arena, "%u", layout->tasks);
	const char *nodes = disagg_arena_printf(arena, "%u", layout->nodes);
	const char *why = disagg_arena_printf(arena, "%s is %u task%s on %s", role, layout->tasks,
		layout->tasks == 1 ? "" : "s", layout->nodelist);
	const struct disagg_size rows[] = {
		{"nodelist", layout->nodelist, DISAGG_SIZE_PLAN, {0}, why, NULL},
		{"distribution", "arbitrary", DISAGG_SIZE_PLAN, {0}, why, NULL},
		{"ntasks", tasks, DISAGG_SIZE_PLAN, {0}, why, NULL},
		{"overcommit", "", DISAGG_SIZE_DEFAULT, {0}, why, NULL},
		/* else the steps of the roles wait for each other */
		{"overlap", "", DISAGG_SIZE_DEFAULT, {0}, why, NULL},
		{"nodes", nodes, DISAGG_SIZE_CHECK, {0}, why, NULL},
		{"ntasks-per-node", NULL, DISAGG_SIZE_REFUSE, {0}, why, NULL},
		{"het-group", NULL, DISAGG_SIZE_REFUSE, {0}, "a heterogeneous job has no roles",
			NULL},
	};

	if (!tasks || !nodes || !why)
		return -1;
	ret->v = disagg_arena_alloc(arena, sizeof(rows));
	if (!ret->v)
		return -1;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ret->v[i] = rows[i];
		ret->v[i].at.source = "--disagg-role";
	}
	ret->count = sizeof(rows) / sizeof(rows[0]);
	return 0;
}

static void start_over(struct disagg_step *step)
{
	disagg_ask_drop(&step->ask, &step->arena);
	disagg_arena_release(&step->arena);
	disagg_findings_init(&step->found, &step->arena);
}

/* Totals of the whole job reach srun by SLURM_NTASKS_PER_NODE, SLURM_GPUS; a
 * step on fewer nodes is refused for them. */
static void forget_inherited(struct disagg_step *step)
{
	static const char *const options[] = {"ntasks-per-node", "gpus"};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (!disagg_hostopt_typed(&step->ask.host, options[i]))
			disagg_hostopt_reset(&step->ask.host, options[i]);
	}
}

void disagg_step_size(struct disagg_step *step, const struct disagg_said *said)
{
	const char *role = said->value[DISAGG_OPT_ROLE];
	struct disagg_err err = DISAGG_ERR_INIT;
	struct layout layout = {0};
	struct disagg_sizing sizing = {0};

	disagg_ask_open(&step->ask, NULL, true);
	start_over(step);
	if (!role)
		return;
	if (lay_out(&step->arena, role, &layout, &err)) {
		disagg_err_wrap(&err, "--disagg-role=%s", role);
		disagg_findings_take(&step->found, &err);
		return;
	}
	if (make_sizing(&step->arena, &layout, role, &sizing)) {
		disagg_err_nomem(&err);
		disagg_findings_take(&step->found, &err);
		return;
	}
	if (!step->ask.open) {
		disagg_findings_error(&step->found, NULL,
			"this release of Slurm does not let a plugin lay a step out; add: "
			"--nodelist=%s --distribution=arbitrary --ntasks=%u --overcommit --overlap",
			layout.nodelist, layout.tasks);
		return;
	}
	forget_inherited(step);
	disagg_ask_put(&step->ask, &step->arena, &sizing, &step->found);
}

/* The job's own options come back here; others were typed, and come too late. */
static void note_ignored(const struct disagg_said *said)
{
	static const enum disagg_option submit_only[] = {
		DISAGG_OPT_CONFIG, DISAGG_OPT_SET, DISAGG_OPT_REHEARSE};
	char text[256];

	for (size_t i = 0; i < sizeof(submit_only) / sizeof(submit_only[0]); i++) {
		enum disagg_option option = submit_only[i];
		const char *inherited = said->inherited[option];

		if (!said->given[option])
			continue;
		if (inherited && (!disagg_option_rows[option].argument ||
					 strcmp(inherited, said->value[option]) == 0))
			continue;
		snprintf(text, sizeof(text),
			"--%s has no effect inside a job: the plan was made when it was submitted",
			disagg_option_rows[option].name);
		disagg_message_note(text);
	}
}

static void check_said(struct disagg_step *step, const struct disagg_said *said)
{
	if (said->given[DISAGG_OPT_DRY_RUN])
		disagg_findings_error(&step->found, NULL,
			"--disagg-dry-run has no place inside a job; disagg-plan shows the plan");
	if (said->given[DISAGG_OPT_CONFIG] && !said->inherited[DISAGG_OPT_CONFIG] &&
		!getenv(DISAGG_ENV_PLAN))
		disagg_findings_error(&step->found, NULL,
			"--disagg-config=%s: a step cannot bring a configuration into a job that "
			"was submitted without one; give it to sbatch or salloc",
			said->value[DISAGG_OPT_CONFIG]);
	if (step->components > 1 && said->given[DISAGG_OPT_ROLE])
		disagg_findings_error(&step->found, NULL,
			"--disagg-role=%s cannot be in a step of several parts; start each role "
			"by an srun of its own",
			said->value[DISAGG_OPT_ROLE]);
	if (said->err.code && said->given[DISAGG_OPT_ROLE])
		disagg_findings_take(&step->found, &said->err);
}

int disagg_step_finish(struct disagg_step *step, const struct disagg_said *said)
{
	step->components++;
	if (!step->found.arena)
		disagg_findings_init(&step->found, &step->arena);
	check_said(step, said);
	if (!step->found.errors)
		disagg_ask_check(&step->ask, &step->arena, &step->found);
	disagg_message_findings(&step->found);
	if (step->found.errors)
		return -1;
	note_ignored(said);
	return 0;
}
