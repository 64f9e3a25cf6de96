/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_SHELL_H
#define DISAGG_HELPERS_SHELL_H

#include "helpers/helper.h"
#include "lib/base/hostlist.h"
#include "lib/host/jobs.h"
#include "lib/host/stepenv.h"
#include "lib/plan/plan.h"

/* What was asked for, and what is known of it by and by. */
struct shell {
	struct disagg_arena arena;
	const char *const *envp; /* of Slurm's commands */
	const char *path;	 /* $PATH */

	const char *job, *run_dir, *role_text; /* NULL: not said, or not known yet */
	uint32_t rank;
	bool tty, no_container;
	char **command; /* ends with NULL; empty: a shell */

	struct disagg_job_facts facts;
	struct disagg_stepenv env;
	struct disagg_plan *plan;
	struct disagg_hostlist hosts;
	uint32_t role, index;
	const char *name; /* "decode_1" */
	const char *host;
};

/* The job, its run directory, its plan, and the worker's node (shell-find.c). */
int shell_find(struct shell *shell, struct disagg_err *err);

/* What srun is called with; NULL: no memory (shell-step.c). */
const char *const *shell_argv(struct shell *shell, const char *srun, bool terminal);
/* The environment without what another job or step has left in it. */
const char *const *shell_environment(struct shell *shell);

#endif
