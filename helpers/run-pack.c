/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/host/rundir.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PACK_NAME  "disagg-pack"
#define PARTS_MS   10000
#define ARCHIVE_MS 60000
#define LOOK_NS	   INT64_C(50000000)

/* After scancel and at the time limit Slurm refuses new steps, and the epilog packs. */
static bool is_wanted(const struct run *run)
{
	return run->pack && run->state.verdict.set && run->state.verdict.code != DISAGG_OK &&
	       !run->told && !run->slurm_silent;
}

static int start_parts(
	struct run *run, const char *pack, struct disagg_proc *proc, struct disagg_err *err)
{
	static const char *const change[] = {"SLURM_DISAGG_ROLES=none", NULL};
	/* a node that does not see the run directory may see the folder of the job */
	const char *const program[] = {
		pack, "--part", "--stage=run", "--deadline=8", "--spare=.", run->in.run_dir, NULL};
	const struct disagg_step_call call = {.nodes = run->in.plan->nodes,
		.nodelist = run_node_names(run),
		.name = PACK_NAME,
		.program = program};
	struct disagg_proc_spec spec = {.in_fd = -1, .out_fd = -1, .err_fd = -1, .own_group = true};

	int log = disagg_rundir_open_log(&run->arena, run->in.run_dir, "pack.log", NULL);
	int rc;

	spec.out_fd = spec.err_fd = log;
	spec.argv = disagg_step_argv(&run->arena, &run->slurm, &call);
	spec.envp = disagg_proc_env(&run->arena, run->envp, change);
	rc = spec.argv && spec.envp ? disagg_proc_spawn(&spec, proc, err) : disagg_err_nomem(err);
	if (log >= 0)
		close(log);
	return rc;
}

void run_pack_parts(struct run *run)
{
	const char *pack = disagg_proc_tool(&run->arena, PACK_NAME, run->path);
	struct disagg_proc proc = DISAGG_PROC_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	int64_t end = run_ns() + PARTS_MS * INT64_C(1000000);

	if (!is_wanted(run) || !pack)
		return;
	if (start_parts(run, pack, &proc, &err) != 0) {
		run_warn(run, "what the nodes look like is not kept: %s", err.text);
		return;
	}
	while (disagg_proc_reap(&proc) == 0 && run_ns() < end && !run->told)
		run_tick(run, run_ns() + LOOK_NS);
	disagg_proc_kill(&proc);
}

void run_pack_archive(struct run *run)
{
	const char *pack = disagg_proc_tool(&run->arena, PACK_NAME, run->path);
	const char *const argv[] = {pack, "--deadline=45", run->in.run_dir, NULL};
	struct disagg_proc_call call = {
		.argv = argv, .envp = run->envp, .timeout_ms = ARCHIVE_MS, .cancel_fd = -1};
	struct disagg_proc_result result;
	struct disagg_err err = DISAGG_ERR_INIT;

	if (!is_wanted(run) || !pack)
		return;
	if (disagg_proc_run(&run->arena, &call, &result, &err) != 0)
		run_say(run, "the logs are not packed: %s", err.text);
	else if (result.status != 0)
		run_say(run, "the logs are not packed: %.*s", (int)strcspn(result.out, "\n"),
			result.out);
	else
		run_say(run, "packed in %.*s", (int)strcspn(result.out, "\n"), result.out);
}
