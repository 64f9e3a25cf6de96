/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec-client.h"
#include "lib/host/measured.h"
#include "lib/host/proc.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * A client's runs, one after the other.  A client that ends with status 0 may
 * still have measured nothing: what its result file says counts.
 */
static int judge(struct task *task, const struct disagg_client_run *run)
{
	const char *path = disagg_arena_printf(task->arena, "%s/%s", task->in.run_dir, run->result);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_measured measured;
	const char *problem;
	char text[96];

	if (!path || access(path, F_OK)) {
		fprintf(stderr,
			"disagg-exec: warning: there is no '%s': what was measured is not "
			"checked\n",
			run->result);
		return 0;
	}
	problem = disagg_measured_read(path, &measured, &err)
			  ? err.text
			  : disagg_measured_problem(&measured, text, sizeof(text));
	if (!problem)
		return 0;
	fprintf(stderr, "disagg-exec: the result in '%s' is invalid: %s\n", run->result, problem);
	return DISAGG_INVALID;
}

/* What the client calls its status means nothing here; disagg-bench's does. */
static int status_of(const struct disagg_client_run *run, int status)
{
	const char *program = strrchr(run->argv[0], '/');
	int code = disagg_proc_code(status);

	if (!code || strcmp(program ? program + 1 : run->argv[0], "disagg-bench") == 0)
		return code;
	return DISAGG_CHECK;
}

static void tell(const struct task *task, unsigned index)
{
	const struct disagg_client_run *run = &task->runs.v[index];

	fprintf(stderr, "disagg-exec: run %u of %u%s%s\n", index + 1, task->runs.count,
		run->label ? ": " : "", run->label ? run->label : "");
}

/* The status that ends it all, 0 to go on; -1: an error, or the child itself. */
static int one_run(struct task *task, unsigned index, struct disagg_err *err)
{
	const struct disagg_client_run *run = &task->runs.v[index];
	char how[64];
	int status, code;

	tell(task, index);
	task->command.argv = run->argv;
	task->command.argc = run->argc;
	if ((run->folder && exec_make_folder(task, run->folder, err)) ||
		exec_child(task, true, &status, err))
		return -1;
	code = status_of(run, status);
	disagg_proc_tell(status, how, sizeof(how));
	if (exec_was_told_to_end()) {
		fprintf(stderr, "disagg-exec: told to end: %s\n", how);
		return code ? code : DISAGG_CHECK;
	}
	if (code)
		fprintf(stderr, "disagg-exec: '%s' ended with %s\n", run->argv[0], how);
	if (code && run->may_fail)
		return 0;
	return code || !run->result ? code : judge(task, run);
}

int exec_runs(struct task *task, struct disagg_err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < task->runs.count && !rc; i++) {
		if (exec_was_told_to_end()) {
			fprintf(stderr, "disagg-exec: told to end: run %u of %u is not started\n",
				i + 1, task->runs.count);
			return DISAGG_CHECK;
		}
		rc = one_run(task, i, err);
	}
	return rc;
}
