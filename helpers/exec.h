/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_EXEC_H
#define DISAGG_HELPERS_EXEC_H

#include "helpers/helper.h"
#include "lib/engine/client.h"
#include "lib/host/inside.h"
#include "lib/topo/affinity.h"

/* What a task is bound to near its GPUs. */
enum bound { BOUND_CPUS, BOUND_MEMORY, BOUND_NICS, BOUND_COUNT };
struct binding {
	bool silent; /* no GPUs, or a stand-in that was not asked to be bound */
	struct disagg_near near;
	const char *gpus; /* by PCI address */
	struct {
		const char *value; /* NULL: left as it is */
		const char *why;
	} part[BOUND_COUNT];
	struct disagg_err why; /* why nothing is bound, where code is set */
};

/* One task of a role step, and what it is to become. */
struct task {
	struct disagg_arena *arena;
	struct disagg_inside in;
	const struct disagg_worker *worker;   /* or */
	const struct disagg_service *service; /* one of the two */
	uint32_t role;			      /* index in the plan */
	uint32_t process;		      /* of a worker: index in the plan */
	uint32_t rank;			      /* task in the worker */
	uint32_t local;			      /* task in the process */
	const char *name;		      /* "decode_1" */
	const char *path;		      /* $PATH */
	struct disagg_command command;
	struct binding binding;
	int living; /* --shell: /proc's folder of the task that runs already; -1: none */
	struct disagg_client_runs runs; /* of a benchmark: more than the command, in order */
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

/* Which task this is, by its environment. */
int exec_find_task(struct task *task, struct disagg_err *err);
/* task->command: the engine's, or a stand-in's. */
int exec_build(struct task *task, struct disagg_err *err);
int exec_set_environment(const struct disagg_envlist *env, struct disagg_err *err);

/* disagg-sim in place of the task's program (exec-sim.c). */
int exec_stand_in(struct task *task, struct disagg_err *err);

/* For a benchmark without a command: the client that the file names where it is
 * here, else disagg-bench where that measures the same (exec-bench.c). */
int exec_bench(struct task *task, struct disagg_err *err);

/* The runs of a benchmark; returns the status to end with (exec-runs.c). */
int exec_runs(struct task *task, struct disagg_err *err);

/*
 * Binding (exec-bind.c): what is near the GPUs is chosen, and its NICs go into
 * the command's environment; apply binds this process and says so in the log.
 * The CPUs are those of the task's own GPU where it has one of a worker's, the
 * NICs always those of the worker's GPUs on this node: NCCL wants one list from
 * all ranks of a node.  What cannot be bound is left alone; only a
 * DISAGG_BINDING that is no word of it is an error.
 */
int exec_bind(struct task *task, struct disagg_err *err);
void exec_bind_apply(struct task *task);
void exec_bind_show(const struct task *task, struct disagg_strbuf *out);

/* Becomes the command; returns only with an error. */
int exec_become(struct task *task, struct disagg_err *err);

/* The files and folders of the command, before it starts (exec-files.c). */
int exec_make_files(struct task *task, struct disagg_err *err);
/* A folder below the run directory, with those above it. */
int exec_make_folder(struct task *task, const char *name, struct disagg_err *err);
void exec_drop_scratch(const struct task *task);

/* The command as a child: where a folder is to be removed behind it, and for a
 * rank of a worker with several tasks.  Slurm is silent about a rank that ends
 * with status 0, so an end that nobody asked for gets status 7.  Returns the
 * status to end with. */
int exec_supervise(struct task *task, struct disagg_err *err);

/* --shell: becomes a shell, or argv, with the environment of a worker's task
 * (exec-shell.c); returns only with an error. */
struct exec_shell {
	const char *run_dir;
	const char *role; /* "decode:1" */
	uint32_t rank;
	bool no_container;
	const char **argv; /* ends with NULL */
	unsigned argc;	   /* 0: a shell */
};
int exec_shell(struct task *task, const struct exec_shell *call, struct disagg_err *err);

/* Lays the environment of the task's own process on this node over ours, but for
 * what is about a step (exec-living.c).  That there is none is no error;
 * task->living is -1 then. */
int exec_take_living(struct task *task, struct disagg_err *err);

/* Into that process's container and folder, where it is in one (exec-enter.c). */
int exec_enter(const struct task *task, struct disagg_err *err);

/* The command as a child to its end; signals to us are passed on, to its whole
 * group where it has one of its own.  -1: an error, in the child too. */
int exec_child(struct task *task, bool own_group, int *ret_status, struct disagg_err *err);
bool exec_was_told_to_end(void);

#endif
