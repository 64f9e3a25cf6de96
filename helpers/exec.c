/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec.h"
#include "lib/base/num.h"
#include "lib/host/container.h"
#include "lib/host/node.h"
#include "lib/host/proc.h"
#include "lib/host/rundir.h"
#include "lib/plan/taskenv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* a server takes a file a request; more than this slows programs that close all */
#define MOST_FILES 1048576ul

enum { O_SHOW = 256, O_SHELL, O_ROLE, O_RANK, O_RUN_DIR, O_NO_CONTAINER };

static const struct helper_option options[] = {
	{"show", O_SHOW, HELPER_FLAG, NULL, "print the command as JSON, run nothing"},
	{"shell", O_SHELL, HELPER_FLAG, NULL,
		"become a shell or COMMAND with a task's environment"},
	{"role", O_ROLE, HELPER_VALUE, "ROLE:INDEX", "with --shell: whose environment"},
	{"rank", O_RANK, HELPER_VALUE, "N", "with --shell: of which rank (0)"},
	{"run-dir", O_RUN_DIR, HELPER_VALUE, "DIR", "with --shell: the run directory of the job"},
	{"no-container", O_NO_CONTAINER, HELPER_FLAG, NULL,
		"with --shell: on the node, whatever the task is in"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const struct helper helper = {
	.name = "disagg-exec",
	.synopsis = "[OPTION]... [COMMAND [ARGUMENT]...]",
	.about =
		"Becomes the program of this task: builds the engine's command for the worker and\n"
		"rank that the environment names, writes the files it reads, binds to the CPUs,\n"
		"memory and NICs near its GPUs, and runs it.  Runs in a step that was started\n"
		"with --disagg-role; with --shell in any other one: disagg-shell(1) starts that.\n",
	.option = options,
	.examples = "  srun --overlap -K --disagg-role=decode:1 disagg-exec\n"
		    "  srun --overlap -K --disagg-role=decode:1 disagg-exec --show\n",
	.environment = "  SLURM_DISAGG_PLAN, SLURM_DISAGG_CONFIG   what the job carries\n"
		       "  DISAGG_ROLE, DISAGG_WORKER_INDEX, DISAGG_RANK   which task this is\n"
		       "  DISAGG_RUN_DIR   where files and the mark of the step go\n"
		       "  DISAGG_BINDING   auto, cpu, nic or none: what a worker is bound to\n"
		       "  DISAGG_BENCH_CLIENT   auto, own or disagg: who measures\n"
		       "  DISAGG_SRTCTL_BENCHMARKS   folder of srtctl's benchmark scripts\n",
	.exits =
		"  1 a client failed, 2 no role, 3 the configuration is bad, 4 a program is missing,\n"
		"  5 a system call failed, 7 a rank ended with status 0 too early, 8 a client has\n"
		"  measured nothing; else the program's own\n",
	.features = "sglang trtllm vllm dynamo command rehearsal binding",
};

static const char *environment(const char *name)
{
	return getenv(name);
}

static int need_number(const char *name, uint32_t *ret, struct disagg_err *err)
{
	const char *text = getenv(name);
	int64_t number = 0;

	if (!text)
		return disagg_err_set(err, DISAGG_USAGE,
			"%s is not set: expected a step that was started with --disagg-role", name);
	if (disagg_num_int(text, 0, INT32_MAX, &number))
		return disagg_err_set(
			err, DISAGG_USAGE, "%s is '%s': expected a number from 0", name, text);
	*ret = (uint32_t)number;
	return 0;
}

int exec_find_task(struct task *task, struct disagg_err *err)
{
	const char *role = getenv("DISAGG_ROLE");
	uint32_t index = 0;

	if (!role)
		return disagg_err_set(err, DISAGG_USAGE,
			"this step has no role: start it with srun --disagg-role=ROLE:INDEX");
	if (need_number("DISAGG_WORKER_INDEX", &index, err) ||
		need_number("DISAGG_RANK", &task->rank, err) ||
		disagg_plan_pick(
			task->in.plan, role, (int)index, &task->worker, &task->service, err))
		return -1;
	task->role = task->worker ? task->worker->role : task->service->role;
	task->name = disagg_inside_worker_name(&task->in, task->role, index);
	if (!task->name)
		return disagg_err_nomem(err);
	if (!task->worker)
		return 0;
	return disagg_plan_process_of(
		task->in.plan, task->worker, task->rank, &task->process, &task->local, err);
}

/* Whether disagg-run waits for this further node, too: the container's name may be
 * another step's, which can start when it is made everywhere. */
static bool is_first_in_shared(const struct task *task)
{
	const struct disagg_plan *plan = task->in.plan;
	const struct disagg_role *role = disagg_job_role(task->in.job, plan->role[task->role].name);
	uint32_t before = 0;

	if (!role || !disagg_container_name(task->arena, &role->container, &role->srun_options))
		return false;
	for (uint32_t i = task->worker->first_process; i < task->process; i++)
		before += plan->process[i].tasks;
	return task->rank == before;
}

/* Says that the step runs, and where: disagg-run waits for it. */
static int put_mark(struct task *task, struct disagg_err *err)
{
	const char *interface = task->in.job->network_interface;
	char host[256] = "";
	struct disagg_rundir_mark mark = {host, NULL};
	const char *name = disagg_rundir_mark_of(task->arena, task->name, task->rank);

	if (!name)
		return disagg_err_nomem(err);
	if (task->rank > 0 && !is_first_in_shared(task))
		return 0;
	gethostname(host, sizeof(host) - 1);
	mark.ip = interface ? disagg_inside_interface(task->arena, interface)
			    : disagg_inside_resolve(task->arena, host);
	if (!mark.ip)
		mark.ip = "";
	if (disagg_rundir_make(task->arena, task->in.run_dir, err))
		return -1;
	return disagg_rundir_mark_put(task->arena, task->in.run_dir, name, &mark, err);
}

/* A rehearsal starts no container: a benchmark of the file's own is not there. */
static bool is_in_image(const struct task *task)
{
	const struct disagg_role *role =
		disagg_job_role(task->in.job, task->in.plan->role[task->role].name);

	return task->in.plan->rehearse && role && role->container.image;
}

static int build_benchmark(struct task *task, struct disagg_err *err)
{
	if (!task->command.argc)
		return exec_bench(task, err);
	if (!is_in_image(task))
		return 0;
	fprintf(stderr,
		"disagg-exec: REHEARSAL: '%s' is in a container: disagg-bench runs instead\n",
		task->command.argv[0]);
	return exec_bench(task, err);
}

int exec_build(struct task *task, struct disagg_err *err)
{
	struct disagg_inside *in = &task->in;

	if (disagg_inside_stands_in(in, task->role))
		return exec_stand_in(task, err);
	if (task->worker)
		return disagg_engine_worker(task->arena, in->job, in->plan, task->process,
			&in->engine, &task->command, err);
	if (disagg_engine_service(task->arena, in->job, in->plan,
		    (uint32_t)(task->service - in->plan->service), &in->engine, &task->command,
		    err))
		return -1;
	if (in->plan->role[task->role].engine == DISAGG_E_BENCHMARK)
		return build_benchmark(task, err);
	if (task->command.argc &&
		disagg_inside_does_without(in, task->role, task->command.argv[0], task->path))
		return exec_stand_in(task, err);
	if (task->command.argc)
		return 0;
	return disagg_err_set(err, DISAGG_CONFIG, "'%s' has nothing to run", task->name);
}

int exec_set_environment(const struct disagg_envlist *env, struct disagg_err *err)
{
	for (unsigned i = 0; i < env->count; i++) {
		const struct disagg_env *entry = &env->entry[i];
		int rc =
			entry->value ? setenv(entry->name, entry->value, 1) : unsetenv(entry->name);

		if (rc)
			return disagg_err_sys(err, "cannot set '%s'", entry->name);
	}
	return 0;
}

static void show_argv(struct disagg_strbuf *out, const char *const *argv, unsigned argc)
{
	disagg_strbuf_putc(out, '[');
	for (unsigned i = 0; i < argc; i++) {
		disagg_strbuf_puts(out, i ? "," : "");
		disagg_strbuf_json(out, argv[i]);
	}
	disagg_strbuf_putc(out, ']');
}

static void show_runs(struct disagg_strbuf *out, const struct disagg_client_runs *runs)
{
	for (unsigned i = 0; i < runs->count; i++) {
		disagg_strbuf_puts(out, i ? "," : ",\"runs\":[");
		show_argv(out, runs->v[i].argv, runs->v[i].argc);
	}
	disagg_strbuf_puts(out, runs->count ? "]" : "");
}

static int show(const struct task *task)
{
	const struct disagg_command *command = &task->command;
	struct disagg_strbuf out;
	int rc;

	disagg_strbuf_init(&out, 0);
	disagg_strbuf_puts(&out, "{\"worker\":");
	disagg_strbuf_json(&out, task->name);
	disagg_strbuf_printf(&out, ",\"rank\":%u,\"argv\":", (unsigned)task->rank);
	show_argv(&out, command->argv, command->argc);
	disagg_strbuf_puts(&out, ",\"env\":{");
	for (unsigned i = 0; i < command->env.count; i++) {
		disagg_strbuf_puts(&out, i ? "," : "");
		disagg_strbuf_json(&out, command->env.entry[i].name);
		disagg_strbuf_putc(&out, ':');
		if (command->env.entry[i].value)
			disagg_strbuf_json(&out, command->env.entry[i].value);
		else
			disagg_strbuf_puts(&out, "null");
	}
	disagg_strbuf_puts(&out, "},\"binding\":");
	exec_bind_show(task, &out);
	show_runs(&out, &task->runs);
	disagg_strbuf_puts(&out, "}\n");
	rc = helper_print(&helper, &out);
	disagg_strbuf_release(&out);
	return rc;
}

static int work(struct task *task, bool only_show, struct disagg_err *err)
{
	if (disagg_inside_load(&task->in, task->arena, environment, err) ||
		exec_find_task(task, err))
		return -1;
	if (only_show)
		return exec_build(task, err) || exec_bind(task, err) ? -1 : show(task);
	if (put_mark(task, err) || exec_build(task, err) || exec_bind(task, err) ||
		exec_make_files(task, err) || exec_set_environment(&task->command.env, err))
		return -1;
	disagg_node_raise_limits(MOST_FILES);
	exec_bind_apply(task);
	if (task->runs.count)
		return exec_runs(task, err);
	if (task->command.scratch || (task->worker && task->worker->tasks > 1))
		return exec_supervise(task, err);
	return exec_become(task, err);
}

struct call {
	bool show, shell;
	struct exec_shell of;
};

static int take(void *context, int id, const char *value)
{
	struct call *call = context;
	int64_t rank = 0;

	switch (id) {
	case O_SHOW:
		call->show = true;
		break;
	case O_SHELL:
		call->shell = true;
		break;
	case O_ROLE:
		call->of.role = value;
		break;
	case O_RUN_DIR:
		call->of.run_dir = value;
		break;
	case O_NO_CONTAINER:
		call->of.no_container = true;
		break;
	default:
		if (disagg_num_int(value, 0, INT32_MAX, &rank))
			return helper_usage(&helper, "--rank: '%s' is no number from 0", value);
		call->of.rank = (uint32_t)rank;
	}
	return 0;
}

static int check_call(const struct call *call, const char *operand)
{
	if (call->shell && (!call->of.role || !call->of.run_dir))
		return helper_usage(&helper, "--shell needs --role and --run-dir");
	if (call->shell && call->show)
		return helper_usage(&helper, "--shell and --show exclude each other");
	if (!call->shell &&
		(call->of.role || call->of.run_dir || call->of.rank || call->of.no_container))
		return helper_usage(
			&helper, "--role, --rank, --run-dir and --no-container go with --shell");
	if (!call->shell && operand)
		return helper_usage(&helper, "unexpected argument '%s'", operand);
	return 0;
}

int main(int argc, char **argv)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct task task = {.arena = &arena, .path = getenv("PATH"), .living = -1};
	struct call call = {0};
	int first, rc = helper_parse(&helper, argc, argv, take, &call, &first);

	disagg_envlist_init(&task.command.env, &arena);
	if (rc >= 0)
		return rc;
	rc = check_call(&call, argv[first]);
	if (rc)
		return rc;
	call.of.argv = (const char **)(uintptr_t)(argv + first);
	call.of.argc = (unsigned)(argc - first);
	rc = call.shell ? exec_shell(&task, &call.of, &err) : work(&task, call.show, &err);
	if (rc < 0)
		rc = helper_fail_err(&helper, &err);
	disagg_arena_release(&arena);
	return rc;
}
