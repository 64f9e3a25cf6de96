/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_STEP_H
#define DISAGG_HOST_STEP_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/conf/schema.h"
#include "lib/host/proc.h"
#include <stdint.h>

/*
 * Slurm's own commands, called as a user would: srun for a step, scancel to
 * signal one, squeue and scontrol to ask.  A step is ended by
 * `scancel --signal=TERM JOB.STEP`: a signal to the srun client kills its tasks
 * at once, and killing the client leaves them alive.
 */
struct disagg_slurm {
	const char *srun, *scancel, *squeue, *scontrol; /* paths */
	const char *sinfo;				/* NULL: not there */
	const char *job_id;
	const char *const *envp;
	int cancel_fd; /* of calls that wait; -1: none */
};

/* The programs in the folders of `path`; DISAGG_MISSING names what is not there. */
int disagg_slurm_find(struct disagg_arena *arena, const char *path, struct disagg_slurm *ret,
	struct disagg_err *err);

/* What one step is started with. */
struct disagg_step_call {
	const char *role;		  /* "decode:1"; NULL: one task on each of the */
	unsigned nodes;			  /* first so many nodes of the job, */
	const char *nodelist;		  /* or these; our input and output are the step's */
	const char *name;		  /* of the step: "decode_1" */
	const char *log;		  /* path; with a role */
	const struct disagg_map *options; /* of the role, for srun; may be NULL */
	const char *mpi;		  /* "pmix"; NULL: Slurm's default */
	const char *const *container;	  /* disagg_container_options; NULL: none */
	const char *const *program;	  /* argv, ends with NULL */
	bool alone; /* a task or a node that fails ends the others' no more than its own */
};

/* argv of srun; NULL: no memory. */
const char *const *disagg_step_argv(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	const struct disagg_step_call *call);

/* A step that Slurm has now. */
struct disagg_step {
	const char *id;	  /* "123.4" */
	const char *name; /* "decode_1" */
};
struct disagg_steps {
	struct disagg_step *v;
	unsigned count;
};
int disagg_steps_list(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	struct disagg_steps *ret, struct disagg_err *err);

/* Starts a scancel of `signal` ("TERM", "KILL") to the steps with these ids; some of
 * them may have ended, which is no error.  It tells the nodes itself and waits
 * long for those that do not answer: the caller goes on meanwhile.  What it says
 * is of no use, for it complains of each node that has no part in a step. */
int disagg_steps_signal(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	const char *signal, const char *const *id, unsigned count, struct disagg_proc *ret,
	struct disagg_err *err);

/* Seconds since 1970 when the job is to end; INT64_MAX: it has no limit. */
int disagg_slurm_end_time(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	int64_t *ret_time, struct disagg_err *err);

/* Whether the job has its nodes to itself (squeue's OverSubscribe is NO). */
int disagg_slurm_is_alone(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	bool *ret_alone, struct disagg_err *err);

/* Seconds between TERM and KILL at the end of a job (KillWait). */
int disagg_slurm_kill_wait(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	int64_t *ret_seconds, struct disagg_err *err);

/* Whether srun knows the option, as a plugin like pyxis adds one. */
int disagg_slurm_has_option(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	const char *option, bool *ret_has, struct disagg_err *err);

#endif
