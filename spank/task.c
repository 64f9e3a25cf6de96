/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/task.h"
#include "lib/base/num.h"
#include "lib/plan/hosts.h"
#include "lib/plan/taskenv.h"
#include "lib/plan/wire.h"
#include "spank/adapter.h"
#include "spank/carry.h"
#include "spank/message.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* slurm.h: SLURM_BATCH_SCRIPT, SLURM_EXTERN_CONT, SLURM_INTERACTIVE_STEP and
 * whatever else is no step of srun's are above this. */
#define LAST_STEP_ID UINT32_C(0xfffffff0)

void disagg_node_view_release(struct disagg_node_view *view)
{
	disagg_arena_release(&view->arena);
	*view = (struct disagg_node_view){0};
}

static const char *read_env(
	struct disagg_node_view *view, struct spank_handle *sp, const char *name)
{
	return disagg_adapter_getenv(sp, &view->arena, name, &view->err);
}

static int read_offset(struct disagg_node_view *view, struct spank_handle *sp)
{
	const char *text = read_env(view, sp, DISAGG_ENV_OFFSET);
	int64_t offset = 0;

	if (text && disagg_num_int(text, 0, 65535, &offset))
		return disagg_err_set(&view->err, DISAGG_CONFIG,
			DISAGG_ENV_OFFSET " is '%s': expected a number from 0 to 65535", text);
	view->port_offset = (int)offset;
	return view->err.code ? -1 : 0;
}

static int read_hosts(struct disagg_node_view *view, struct spank_handle *sp)
{
	const char *text = read_env(view, sp, "SLURM_JOB_NODELIST");

	if (view->err.code)
		return -1;
	if (!text)
		return disagg_err_set(&view->err, DISAGG_CONFIG, "SLURM_JOB_NODELIST is not set");
	return disagg_hostlist_parse(&view->arena, text, &view->hosts, &view->err);
}

static int exclude(struct disagg_node_view *view, struct spank_handle *sp)
{
	const char *text = read_env(view, sp, DISAGG_ENV_EXCLUDED);

	if (view->err.code)
		return -1;
	return disagg_plan_exclude(&view->arena, view->plan, text, &view->hosts, &view->err);
}

/* In a part of `srun a : b` the node list is that part's, and a job can be made
 * smaller: a step that names no role is then none of ours. */
static int check_fit(struct disagg_node_view *view, struct spank_handle *sp)
{
	struct disagg_job_facts job;

	if (disagg_plan_fits(view->plan, view->hosts.count))
		return exclude(view, sp);
	if (disagg_adapter_job(sp, &job, &view->err))
		return -1;
	if (!view->has_role && job.step_id < LAST_STEP_ID) {
		view->plan = NULL;
		return 0;
	}
	return disagg_err_set(&view->err, DISAGG_CONFIG,
		"the job's plan is for %" PRIu32 " nodes, but the job has %u", view->plan->nodes,
		view->hosts.count);
}

static int read_role(struct disagg_node_view *view, const struct disagg_said *said)
{
	const char *text = said->value[DISAGG_OPT_ROLE];

	view->index = -1;
	if (!said->given[DISAGG_OPT_ROLE] || !text)
		return 0;
	view->has_role = true;
	return disagg_role_split(text, view->role, sizeof(view->role), &view->index, &view->err);
}

/* A plan alone says nothing: an environment may have been handed on to a job
 * without the option.  Under --export=NONE the option of a batch step is seen
 * only in its variable. */
static bool is_concerned(
	struct disagg_node_view *view, const struct disagg_said *said, struct spank_handle *sp)
{
	struct disagg_option_env carried =
		disagg_option_variable(DISAGG_OPT_CONFIG, DISAGG_ENV_CARRIED);

	return said->given[DISAGG_OPT_CONFIG] || said->given[DISAGG_OPT_ROLE] ||
	       read_env(view, sp, carried.name) != NULL;
}

static int prepare(
	struct disagg_node_view *view, const struct disagg_said *said, struct spank_handle *sp)
{
	const char *wire, *roles;

	if (!is_concerned(view, said, sp))
		return view->err.code ? -1 : 0;
	if (read_role(view, said))
		return -1;
	wire = read_env(view, sp, DISAGG_ENV_PLAN);
	if (view->err.code)
		return -1;
	if (!wire && view->has_role)
		return disagg_err_set(&view->err, DISAGG_CONFIG,
			"--disagg-role=%s: the job's plan has not arrived: " DISAGG_ENV_PLAN
			" is not set",
			said->value[DISAGG_OPT_ROLE]);
	if (!wire)
		return 0;
	if (disagg_wire_decode(&view->arena, wire, &view->plan, &view->err) ||
		read_hosts(view, sp) || read_offset(view, sp))
		return -1;
	roles = read_env(view, sp, DISAGG_ENV_ROLES);
	view->by_role = roles && strcmp(roles, "none") == 0;
	view->submit_dir = read_env(view, sp, "SLURM_SUBMIT_DIR");
	return view->err.code ? -1 : check_fit(view, sp);
}

/* SLURMD_NODENAME is not of this node yet: it is what srun's caller had, and slurmstepd
 * sets it when it starts a task. */
static const char *step_node(
	struct disagg_node_view *view, struct spank_handle *sp, const struct disagg_job_facts *job)
{
	const char *text = disagg_adapter_getenv(sp, &view->arena, "SLURM_STEP_NODELIST", NULL);
	struct disagg_hostlist hosts = {0};

	if (!text || disagg_hostlist_parse(&view->arena, text, &hosts, NULL) ||
		hosts.count != job->nodes || job->node_id >= hosts.count)
		return NULL;
	return hosts.name[job->node_id];
}

/* Of the steps of a job that has a plan; the batch script's own end is Slurm's to tell. */
static void prepare_exits(struct disagg_node_view *view, struct spank_handle *sp)
{
	struct disagg_step_exits *exits = &view->exits;
	struct disagg_job_facts job;
	const char *job_id, *node, *restart, *worker = "";
	struct disagg_adapter_user user;

	if (view->err.code || !view->plan || disagg_adapter_job(sp, &job, NULL) ||
		job.step_id >= LAST_STEP_ID || disagg_adapter_user(sp, &view->arena, &user))
		return;
	job_id = disagg_arena_printf(&view->arena, "%" PRIu32, job.job_id);
	node = step_node(view, sp, &job);
	restart = disagg_adapter_getenv(sp, &view->arena, "SLURM_RESTART_COUNT", NULL);
	if (view->has_role)
		worker = view->index < 0 ? view->role
					 : disagg_arena_printf(
						   &view->arena, "%s_%d", view->role, view->index);
	if (!job_id || !node || !worker || !view->submit_dir || strchr(node, '/'))
		return;
	exits->uid = user.uid;
	exits->gid = user.gid;
	exits->group = user.group;
	exits->groups = user.groups;
	exits->node = node;
	exits->job_id = job.job_id;
	exits->step_id = job.step_id;
	exits->worker = worker;
	exits->dir = disagg_run_dir(&view->arena, view->plan, job_id, restart, view->submit_dir);
}

void disagg_task_exited(struct disagg_node_view *view, struct spank_handle *sp)
{
	struct disagg_step_exit task;

	if (view->exits.dir &&
		disagg_adapter_task_end(sp, &task.rank, &task.pid, &task.status) == 0) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		task.at_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
		disagg_step_exits_add(&view->exits, &task);
	}
}

void disagg_task_finish(struct disagg_node_view *view)
{
	disagg_step_exits_finish(&view->exits);
}

void disagg_task_prepare(
	struct disagg_node_view *view, const struct disagg_said *said, struct spank_handle *sp)
{
	disagg_node_view_release(view);
	(void)prepare(view, said, sp);
	prepare_exits(view, sp);
}

static int node_position(const struct disagg_node_view *view, const char *name, uint32_t *ret,
	struct disagg_err *err)
{
	for (unsigned i = 0; name && i < view->hosts.count; i++) {
		if (strcmp(view->hosts.name[i], name) == 0) {
			*ret = i;
			return 0;
		}
	}
	return disagg_err_set(err, DISAGG_CONFIG, "this node, '%s', is not in SLURM_JOB_NODELIST",
		name ? name : "(SLURMD_NODENAME is not set)");
}

struct reader {
	struct disagg_arena *arena;
	struct spank_handle *sp;
};

static const char *task_variable(void *context, const char *name)
{
	const struct reader *reader = context;

	return disagg_adapter_getenv(reader->sp, reader->arena, name, NULL);
}

/* The batch script is no worker, nor is a step that says so: step_nodes 0 gives
 * it the job's variables. */
static int describe(struct disagg_node_view *view, struct reader *reader,
	const struct disagg_task_facts *facts, struct disagg_task *ret, struct disagg_err *err)
{
	struct disagg_job_facts job;
	const char *name;
	struct disagg_task task = {
		.role = view->has_role ? view->role : NULL,
		.index = view->index,
		.global_id = facts->global_id,
		.local_id = facts->local_id,
		.hosts = &view->hosts,
		.submit_dir = view->submit_dir,
		.port_offset = view->port_offset,
		.getenv = task_variable,
		.context = reader,
	};

	if (disagg_adapter_job(reader->sp, &job, err))
		return -1;
	task.step_nodes = job.step_id < LAST_STEP_ID && !view->by_role ? job.nodes : 0;
	task.local_tasks = job.local_tasks;
	name = disagg_adapter_getenv(reader->sp, reader->arena, "SLURMD_NODENAME", err);
	if (node_position(view, name, &task.node, err))
		return -1;
	task.visible_devices =
		disagg_adapter_getenv(reader->sp, reader->arena, "CUDA_VISIBLE_DEVICES", err);
	/* not there yet in user_init of a batch step */
	task.restart_count =
		disagg_adapter_getenv(reader->sp, reader->arena, "SLURM_RESTART_COUNT", err);
	task.job_id = disagg_arena_printf(reader->arena, "%" PRIu32, job.job_id);
	if (!task.job_id)
		return disagg_err_nomem(err);
	*ret = task;
	return 0;
}

static int enter(struct disagg_node_view *view, struct spank_handle *sp,
	const struct disagg_task_facts *facts, struct disagg_err *err)
{
	struct reader reader = {&view->arena, sp};
	struct disagg_task task;
	struct disagg_envlist list;

	if (describe(view, &reader, facts, &task, err))
		return -1;
	disagg_envlist_init(&list, &view->arena);
	if (disagg_taskenv(view->plan, &task, &list, err) || disagg_adapter_apply(sp, &list, err))
		return -1;
	/* our layout is for this step, not for an srun that a task may call */
	if (view->has_role)
		disagg_adapter_unsetenv(sp, "SLURM_DISTRIBUTION");
	return 0;
}

int disagg_task_enter(struct disagg_node_view *view, struct spank_handle *sp)
{
	struct disagg_err err = view->err;
	struct disagg_task_facts facts = {0};

	if (!err.code && !view->plan)
		return 0;
	if (!err.code && disagg_adapter_task(sp, &facts, &err) == 0 &&
		enter(view, sp, &facts, &err) == 0)
		return 0;
	/* a node's tasks fail alike: once is enough */
	if (view->err.code && disagg_adapter_task(sp, &facts, NULL) == 0 && facts.local_id > 0)
		return -1;
	disagg_message_node_error(&err);
	return -1;
}
