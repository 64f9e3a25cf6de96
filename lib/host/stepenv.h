/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_STEPENV_H
#define DISAGG_HOST_STEPENV_H

#include "lib/base/envlist.h"
#include "lib/base/err.h"

/*
 * environment.json in the run directory (schema disagg.environment/1): what
 * disagg-run's steps know of their job, so that a step which is started later,
 * from a login node too, knows the same.  It holds what the job carries, its
 * nodes and its places; the user's own variables are not in it, for they may be
 * secret.  What it says is run: its owner alone reads and writes it.
 */
#define DISAGG_STEPENV_FILE "environment.json"

struct disagg_stepenv {
	const char *exec; /* path of disagg-exec on the nodes */
	struct disagg_envlist env;
};

/* Whether a variable belongs in it: SLURM_DISAGG_* and a few that name the job. */
bool disagg_stepenv_has(const char *name);

/* Of `envp` what belongs in it; by rename, `tag` as in disagg_rundir_write. */
int disagg_stepenv_write(struct disagg_arena *arena, const char *dir, const char *tag,
	const char *const *envp, const char *exec, struct disagg_err *err);

/* DISAGG_MISSING: the run has none; DISAGG_CONFIG where it is not the caller's own,
 * others may write it or it is no regular file, and with a position where it is
 * damaged or of another version.  Other variables than its own are refused. */
int disagg_stepenv_read(struct disagg_arena *arena, const char *dir, struct disagg_stepenv *ret,
	struct disagg_err *err);

#endif
