/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/shell.h"
#include "lib/base/num.h"
#include "lib/host/proc.h"
#include "lib/host/rundir.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { O_RANK = 256, O_NO_CONTAINER };

static const struct helper_option options[] = {
	{"rank", O_RANK, HELPER_VALUE, "N", "of a worker of several tasks: that one (0)"},
	{"tty", 't', HELPER_FLAG, NULL, "a terminal for COMMAND too"},
	{"no-container", O_NO_CONTAINER, HELPER_FLAG, NULL,
		"on the node, also where the worker is in a container"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const struct helper helper = {
	.name = "disagg-shell",
	.synopsis = "[OPTION]... [JOBID|RUN_DIR] ROLE:INDEX [--] [COMMAND [ARGUMENT]...]",
	.about =
		"Opens a shell, or runs COMMAND, beside a running worker or service: on its node\n"
		"and with its environment.  Inside a job JOBID may be left out.  The job's script\n"
		"ends in 'exec disagg run'.\n",
	.option = options,
	.examples = "  disagg-shell 1234 decode:1\n"
		    "  disagg-shell 1234 decode:1 -- nvidia-smi\n"
		    "  disagg-shell --rank=8 1234 decode:0 -- env\n",
	.environment = "  SLURM_JOB_ID     the job, where none is given\n"
		       "  DISAGG_RUN_DIR   its run directory then\n"
		       "  SHELL            what is opened, where the node has it\n"
		       "  PATH             where srun and squeue are\n",
	.exits = "  2 usage, or no such worker; 3 the run directory is damaged or another user's;\n"
		 "  4 no such job, it does not run, it is another user's, or srun is missing; 5 a\n"
		 "  system call failed; otherwise COMMAND's, the shell's or srun's own\n",
	.features = "disagg.environment/1",
};

extern char **environ;

static int take(void *context, int id, const char *value)
{
	struct shell *shell = context;
	int64_t rank = 0;

	if (id == 't') {
		shell->tty = true;
	} else if (id == O_NO_CONTAINER) {
		shell->no_container = true;
	} else {
		if (disagg_num_int(value, 0, INT32_MAX, &rank))
			return helper_usage(&helper, "--rank: '%s' is no number from 0", value);
		shell->rank = (uint32_t)rank;
	}
	return 0;
}

/* A job's number and a run directory are no names of roles. */
static bool take_job(struct shell *shell, const char *word)
{
	const char *state = disagg_arena_printf(&shell->arena, "%s/" DISAGG_RUNDIR_STATE, word);
	int64_t job;

	if (disagg_num_int(word, 1, UINT32_MAX, &job) == 0)
		shell->job = word;
	else if (strchr(word, '/') || (state && access(state, F_OK) == 0))
		shell->run_dir = word;
	return shell->job || shell->run_dir;
}

static int take_operands(struct shell *shell, char **word)
{
	bool given = *word && take_job(shell, *word);

	word += given;
	if (!*word)
		return helper_usage(&helper, "expected %sROLE:INDEX%s%s",
			given ? "" : "a JOBID and ", given ? " behind " : "",
			given ? word[-1] : "");
	shell->role_text = *word++;
	shell->command = word;
	if (given)
		return 0;
	shell->job = getenv("SLURM_JOB_ID");
	shell->run_dir = getenv("DISAGG_RUN_DIR");
	if (!shell->job)
		return helper_usage(&helper,
			"expected a JOBID before '%s': this is no job, SLURM_JOB_ID is not set",
			shell->role_text);
	return 0;
}

/* Returns only with an error. */
static int become(struct shell *shell, struct disagg_err *err)
{
	bool terminal = (!*shell->command || shell->tty) && isatty(STDIN_FILENO);
	const char *srun = disagg_proc_find(&shell->arena, "srun", shell->path);
	const char *const *argv, *const *envp = shell_environment(shell);

	if (!srun)
		return disagg_err_set(err, DISAGG_MISSING,
			"'srun' is not in PATH: expected Slurm's commands on this node");
	argv = shell_argv(shell, srun, terminal);
	if (!argv || !envp)
		return disagg_err_nomem(err);
	if (!*shell->command && terminal)
		fprintf(stderr, "disagg-shell: '%s' rank %u on %s, job %s\n", shell->name,
			(unsigned)shell->rank, shell->host, shell->job);
	execve(srun, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
	return disagg_err_sys(err, "cannot run '%s'", srun);
}

int main(int argc, char **argv)
{
	struct shell shell = {.envp = (const char *const *)environ, .path = getenv("PATH")};
	struct disagg_err err = DISAGG_ERR_INIT;
	int first, rc = helper_parse(&helper, argc, argv, take, &shell, &first);

	if (rc < 0)
		rc = take_operands(&shell, argv + first) ? DISAGG_USAGE : -1;
	if (rc < 0 && (shell_find(&shell, &err) || become(&shell, &err)))
		rc = helper_fail_err(&helper, &err);
	disagg_arena_release(&shell.arena);
	return rc;
}
