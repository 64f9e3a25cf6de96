/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_JOBS_H
#define DISAGG_HOST_JOBS_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdint.h>

/*
 * Jobs seen from outside: what Slurm says of one, and where its run directory
 * is.  `path` is the $PATH that has squeue, `envp` what it is called with.
 */
struct disagg_job_facts {
	const char *state;    /* "RUNNING" */
	const char *reason;   /* "Resources"; NULL: none is told */
	const char *user;     /* "alice" */
	int64_t uid;	      /* -1: not told */
	const char *work_dir; /* NULL: not told */
};

/* DISAGG_MISSING: no squeue, or Slurm knows no such job (any more). */
int disagg_jobs_ask(struct disagg_arena *arena, const char *job, const char *path,
	const char *const *envp, struct disagg_job_facts *ret, struct disagg_err *err);

/* The run directory of a job below `folder`: disagg-JOB or JOB one folder down,
 * of a job that was requeued the last one; NULL where there is none. */
const char *disagg_jobs_run_below(struct disagg_arena *arena, const char *folder, const char *job);

/* The run that `word` names: a run directory, or a job's number, whose run is looked
 * for here and in the job's working directory; NULL where there is none. */
const char *disagg_jobs_run(
	struct disagg_arena *arena, const char *word, const char *path, const char *const *envp);

#endif
