/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_EXEC_H
#define DISAGG_HELPERS_EXEC_H

#include "helpers/helper.h"
#include "lib/host/inside.h"

/* One task of a role step, and what it is to become. */
struct task {
	struct disagg_arena *arena;
	struct disagg_inside in;
	const struct disagg_worker *worker;   /* or */
	const struct disagg_service *service; /* one of the two */
	uint32_t role;			      /* index in the plan */
	uint32_t process;		      /* of a worker: index in the plan */
	uint32_t rank;			      /* task in the worker */
	const char *name;		      /* "decode_1" */
	const char *path;		      /* $PATH */
	struct disagg_command command;
};

/* Words of an argv that grows in the arena; a failed one says so at its end. */
struct words {
	struct disagg_arena *arena;
	const char **v;
	unsigned count, size;
	bool failed;
};
void words_add(struct words *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* argv, with NULL behind it; NULL: no memory. */
const char **words_take(struct words *words);

/* disagg-sim in place of the task's program (exec-sim.c). */
int exec_stand_in(struct task *task, struct disagg_err *err);

/* disagg-bench for a benchmark that has no program of its own (exec-bench.c). */
int exec_bench(struct task *task, struct disagg_err *err);

/* Becomes the command; returns only with an error. */
int exec_become(struct task *task, struct disagg_err *err);

/* The files and folders of the command, before it starts (exec-files.c). */
int exec_make_files(struct task *task, struct disagg_err *err);
void exec_drop_scratch(const struct task *task);

/* The command as a child: where a folder is to be removed behind it, and for a
 * rank of a worker with several tasks.  Slurm is silent about a rank that ends
 * with status 0, so an end that nobody asked for gets status 7.  Returns the
 * status to end with. */
int exec_supervise(struct task *task, struct disagg_err *err);

#endif
