/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/base/num.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT	    "disagg-job.sh"
#define MARGIN_S    30
#define STATUS_MOST 8
#define NODE_CHECK  60

enum { O_SCRIPT = 256, O_MARGIN, O_NODE_CHECK, O_NO_PACK };

static const struct helper_option options[] = {
	{"script", O_SCRIPT, HELPER_FLAG, NULL, "print the path of the generic job script"},
	{"margin", O_MARGIN, HELPER_VALUE, "TIME",
		"end in order this long before the job's limit (30s)"},
	{"node-check", O_NODE_CHECK, HELPER_VALUE, "TIME",
		"ask Slurm this often whether the nodes' slurmd answer (60s; 0: never)"},
	{"no-pack", O_NO_PACK, HELPER_FLAG, NULL, "leave no archive of a run that failed"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const struct helper helper = {
	.name = "disagg-run",
	.synopsis = "[OPTION]...",
	.about =
		"Runs a deployment inside its job: starts each worker and service as a Slurm step\n"
		"in the order of the file, waits until all are ready, runs the benchmark or\n"
		"serves, watches, and ends all in order.  A job script ends in 'exec disagg run'.\n",
	.option = options,
	.examples = "  sbatch --disagg-config=job.yaml $(disagg run --script)\n"
		    "  printf '#!/bin/bash\\nexec disagg run\\n' >job.sh\n",
	.environment = "  SLURM_DISAGG_PLAN, SLURM_DISAGG_CONFIG   what the job carries\n"
		       "  DISAGG_RUN_DIR   where logs and state.json go\n"
		       "  PATH             where srun, scancel, squeue, sinfo and scontrol are\n",
	.exits =
		"  0 ok, 1 ended by a signal, 2 usage, 3 the configuration is bad, 4 a program is\n"
		"  missing, 5 a system call or the start of a step failed, 6 a time limit, 7 a\n"
		"  worker died, 8 the model or the result is wrong\n",
	.features = "native trtllm srtctl rehearsal",
};

struct call {
	bool script, no_pack;
	int64_t margin_s, node_check_s;
};

extern char **environ;

static const char *environment(const char *name)
{
	return getenv(name);
}

static int take_time(const char *option, const char *value, int64_t *ret)
{
	if (disagg_num_duration(value, ret) || *ret > 86400)
		return helper_usage(&helper, "--%s: '%s' is no duration of at most a day: 30s, 2m",
			option, value);
	return 0;
}

static int take(void *context, int id, const char *value)
{
	struct call *call = context;

	if (id == O_SCRIPT) {
		call->script = true;
		return 0;
	}
	if (id == O_NO_PACK) {
		call->no_pack = true;
		return 0;
	}
	if (id == O_MARGIN)
		return take_time("margin", value, &call->margin_s);
	return take_time("node-check", value, &call->node_check_s);
}

/* ---- the script ---- */

/* Beside the program's folder where it is installed, or in the build's tree. */
static int print_script(struct disagg_arena *arena)
{
	static const char *const places[] = {
		"../share/disagg/" SCRIPT, "../../scripts/" SCRIPT, SCRIPT};
	char self[4096], found[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[len > 0 ? len : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		const char *path = disagg_arena_printf(arena, "%s/%s", self, places[i]);

		if (path && access(path, R_OK) == 0 && realpath(path, found)) {
			puts(found);
			return fflush(stdout) ? DISAGG_SYSTEM : DISAGG_OK;
		}
	}
	return helper_fail(&helper, DISAGG_MISSING,
		"'" SCRIPT "' is not beside this program: expected it in ../share/disagg");
}

/* ---- before anything runs ---- */

/* A shell between slurmstepd and us keeps the job's TERM from us. */
static void check_parent(struct run *run)
{
	static const char *const shells[] = {"bash", "sh", "dash", "ksh", "zsh", "csh", "tcsh"};
	const char *batch = getenv("ENVIRONMENT");
	char path[64], target[4096];
	const char *name;
	ssize_t len;

	if (!batch || strcmp(batch, "BATCH") != 0)
		return;
	/* its comm is the script's name, and slurmstepd's link is not for us */
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)getppid());
	len = readlink(path, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(name, shells[i]) == 0)
			run_warn(run,
				"the job script should end in 'exec disagg run': the shell "
				"'%s' stands between, and Slurm ends it and this program together, "
				"without an orderly end",
				name);
	}
}

static int find_programs(struct run *run, struct disagg_err *err)
{
	run->path = getenv("PATH");
	if (disagg_slurm_find(&run->arena, run->path, &run->slurm, err))
		return -1;
	run->exec = disagg_proc_tool(&run->arena, "disagg-exec", run->path);
	if (!run->exec)
		return disagg_err_set(err, DISAGG_MISSING,
			"'disagg-exec' is neither beside disagg-run nor in PATH");
	run->slurm.job_id = run->in.job_id;
	run->slurm.envp = run->envp;
	run->slurm.cancel_fd = run->signal_fd;
	return 0;
}

static int prepare(struct run *run, struct disagg_err *err)
{
	/* CPUs by GPU, asked of a job without GPUs, are refused to every step */
	static const char *const without[] = {"SLURM_CPUS_PER_GPU", NULL};
	static const char *const none[] = {NULL};

	run->envp = disagg_proc_env(&run->arena, (const char *const *)environ,
		getenv("SLURM_JOB_GPUS") ? none : without);
	if (!run->envp)
		return disagg_err_nomem(err);
	if (run_watch_open(run, err) ||
		disagg_inside_load(&run->in, &run->arena, environment, err) ||
		find_programs(run, err) || run_order(run, err))
		return -1;
	return run_dir_make(run, err);
}

/* ---- the phases ---- */

static bool all_up(const struct run *run, unsigned wave)
{
	for (unsigned i = 0; i < run->unit_count; i++) {
		const struct unit *unit = &run->unit[i];

		if (unit->wanted && unit->wave <= wave && !unit->done && !run_is_up(unit))
			return false;
	}
	return true;
}

static int start_wave(struct run *run, unsigned wave)
{
	struct disagg_strbuf names;

	run_phase(run, DISAGG_PHASE_STARTING);
	disagg_strbuf_init(&names, 512);
	for (unsigned i = 0; i < run->unit_count; i++) {
		struct unit *unit = &run->unit[i];

		if (unit->wave != wave || run_is_benchmark(unit))
			continue;
		unit->wanted = true;
		disagg_strbuf_printf(&names, " %s", unit->shown.name);
	}
	if (names.len)
		run_say(run, "starting%s%s", names.text, names.failed ? " ..." : "");
	disagg_strbuf_release(&names);
	while (!all_up(run, wave) && !run->state.verdict.set)
		run_tick(run, INT64_MAX);
	if (run->state.verdict.set)
		return -1;
	run_steps_note(run);
	return 0;
}

static int bring_up(struct run *run)
{
	for (unsigned wave = 1; wave <= run->waves; wave++) {
		if (start_wave(run, wave))
			return -1;
		run_phase(run, DISAGG_PHASE_WAITING);
		if (run_wait_ready(run, wave, wave == run->waves))
			return -1;
	}
	run_say(run, "ready%s%s", run->state.frontend ? ": " : "",
		run->state.frontend ? run->state.frontend : "");
	return 0;
}

static struct unit *find_benchmark(const struct run *run)
{
	for (unsigned i = 0; i < run->unit_count; i++) {
		if (run_is_benchmark(&run->unit[i]))
			return &run->unit[i];
	}
	return NULL;
}

static void serve(struct run *run)
{
	run->serving = true;
	run_phase(run, DISAGG_PHASE_SERVING);
	run_say(run, "serving until told to end: scancel --batch --signal=TERM %s", run->in.job_id);
	while (!run->state.verdict.set)
		run_tick(run, INT64_MAX);
}

static bool is_manual(const struct run *run)
{
	const char *type = run->in.job->bench.type;

	return type && strcmp(type, "manual") == 0;
}

static bool has_program(struct run *run, const struct unit *unit)
{
	return unit->health.program ||
	       (unit->conf && (unit->conf->script || unit->conf->command.count)) ||
	       disagg_proc_tool(&run->arena, "disagg-bench", run->path);
}

static void judge_benchmark(struct run *run, const struct unit *unit)
{
	int status = disagg_proc_code(unit->proc.status);

	/* where the job is ended its benchmark is as well, and may be seen first */
	while (status && !run->state.verdict.set && run_told_too(run))
		run_tick(run, INT64_MAX);
	if (run->state.verdict.set)
		return;
	if (status == 0)
		run_verdict(run, DISAGG_OK, NULL, "the benchmark has ended");
	else
		run_verdict(run, status <= STATUS_MOST ? status : DISAGG_DIED, unit,
			"the benchmark failed: %s: %s (see '%s')", unit->shown.how,
			run_last_words(run, unit->shown.log), unit->shown.log);
}

static void measure(struct run *run, struct unit *unit)
{
	if (!has_program(run, unit)) {
		if (run->in.plan->rehearse) {
			run_warn(run, "nothing is measured: there is no disagg-bench");
			run_verdict(run, DISAGG_OK, NULL, "the rehearsal came up and is over");
		} else {
			run_verdict(run, DISAGG_MISSING, unit,
				"'disagg-bench' is neither beside disagg-run nor in PATH");
		}
		return;
	}
	run_look_await(run);
	if (run->state.verdict.set)
		return;
	run_phase(run, DISAGG_PHASE_BENCHMARK);
	run_say(run, "starting %s", unit->shown.name);
	unit->wanted = true;
	while (!unit->done && !run->state.verdict.set)
		run_tick(run, INT64_MAX);
	if (unit->done)
		judge_benchmark(run, unit);
}

static int come_up(struct run *run)
{
	if (run_nodes_hold(run) || run_containers(run))
		return -1;
	run_look_start(run);
	return bring_up(run);
}

static bool is_acceptance(const struct run *run)
{
	return !run->in.plan->role_count;
}

static void accept_nodes(struct run *run)
{
	unsigned count = run->in.hosts.count, warnings = run->state.warning_count;

	if (disagg_proc_code(run->probe.status) == DISAGG_SKIPPED)
		run_verdict(run, DISAGG_SKIPPED, NULL,
			"nothing was measured: no probe applies to the nodes");
	run_verdict(run, DISAGG_OK, NULL, "%u node%s accepted%s%s: the report is in %s", count,
		count == 1 ? " is" : "s are", warnings ? ", with warnings" : "",
		run->in.plan->rehearse ? ", in a rehearsal that measures no GPU" : "",
		run->probe_dir);
}

static void say_what(struct run *run)
{
	const struct disagg_plan *plan = run->in.plan;
	const char *rehearsal = plan->rehearse ? "REHEARSAL, " : "";

	if (is_acceptance(run))
		run_say(run, "job %s: %sprobes alone, files in %s", run->in.job_id, rehearsal,
			run->in.run_dir);
	else
		run_say(run, "job %s: %s%u %s on %u node%s, files in %s", run->in.job_id, rehearsal,
			run->unit_count,
			run->unit_count == 1 ? "worker or service" : "workers and services",
			(unsigned)plan->nodes, plan->nodes == 1 ? "" : "s", run->in.run_dir);
}

static int work(struct run *run)
{
	struct unit *benchmark = find_benchmark(run);

	say_what(run);
	check_parent(run);
	run_check_faults(run);
	run_deadline(run);
	if (run_probe(run) == 0 && is_acceptance(run)) {
		accept_nodes(run);
	} else if (!run->state.verdict.set && come_up(run) == 0) {
		if (benchmark && !is_manual(run))
			measure(run, benchmark);
		else
			serve(run);
	}
	run_end(run);
	if (run->left)
		run_say(run, "%u step%s left to Slurm, exit status %d", run->left,
			run->left == 1 ? " is" : "s are", run->state.verdict.code);
	else
		run_say(run, "all has ended, exit status %d", run->state.verdict.code);
	return run->state.verdict.code;
}

int main(int argc, char **argv)
{
	struct call call = {.margin_s = MARGIN_S, .node_check_s = NODE_CHECK};
	struct run run = {.waiter = DISAGG_PROC_INIT,
		.probe = DISAGG_PROC_INIT,
		.look = DISAGG_PROC_INIT,
		.waiter_fd = -1,
		.nodes = {.proc = DISAGG_PROC_INIT, .in_fd = -1, .out_fd = -1},
		.signal_fd = -1,
		.sinfo = DISAGG_PROC_INIT,
		.teller = DISAGG_PROC_INIT,
		.sinfo_fd = -1,
		.live = isatty(STDERR_FILENO)};
	struct disagg_err err = DISAGG_ERR_INIT;
	int first, rc = helper_parse(&helper, argc, argv, take, &call, &first);

	if (rc >= 0)
		return rc;
	if (first < argc)
		return helper_usage(&helper, "unexpected argument '%s'", argv[first]);
	run.margin_s = call.margin_s;
	run.node_check_s = call.node_check_s;
	run.pack = !call.no_pack;
	if (call.script)
		rc = print_script(&run.arena);
	else if (prepare(&run, &err))
		rc = helper_fail_err(&helper, &err);
	else
		rc = work(&run);
	disagg_arena_release(&run.arena);
	return rc;
}
