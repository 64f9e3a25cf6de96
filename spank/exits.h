/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_EXITS_H
#define DISAGG_SPANK_EXITS_H

#include "lib/base/arena.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Who died first: how the tasks of a step ended on this node, in the order in which
 * slurmstepd saw it, as lines of JSON (schema disagg.exit/1) in exits/NODE.jsonl of the
 * run directory.  The first failure is written at once and the rest when the step ends,
 * by a forked child that has become the user and has a deadline: a write a task would
 * cost a wide step a third of its time.
 */
#define DISAGG_STEP_EXITS_KEPT 256u /* tasks of one node in memory; then they are written */

struct disagg_step_exit {
	uint32_t rank;
	int pid;
	int status;    /* as waitpid gives it */
	int64_t at_ns; /* since 1970 */
};

struct disagg_step_exits {
	const char *dir; /* run directory; NULL: nothing is kept */
	const char *node;
	const char *worker; /* "decode_1", of a role step; "" else */
	uint32_t job_id, step_id;
	uid_t uid;
	gid_t gid;
	const gid_t *group; /* the user's, as Slurm started the step with them */
	unsigned groups;    /* 0: only gid */
	struct disagg_step_exit task[DISAGG_STEP_EXITS_KEPT];
	unsigned count, written;
	bool failed; /* the first failure is on the disk */
};

/* As root, in slurm_spank_task_exit and slurm_spank_exit.  Never fails. */
void disagg_step_exits_add(struct disagg_step_exits *exits, const struct disagg_step_exit *task);
void disagg_step_exits_finish(struct disagg_step_exits *exits);

#endif
