/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_PROC_H
#define DISAGG_HOST_PROC_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Children with a ready argv and environment: nothing is built between fork
 * and exec, and no shell is between.  A child is watched by its pidfd; where
 * the kernel has none (before 5.3) pidfd is -1 and the caller polls by reap.
 */
struct disagg_proc {
	pid_t pid;  /* 0: never started, or reaped */
	int pidfd;  /* -1: none */
	int status; /* as waitpid gives it, once reaped */
};

#define DISAGG_PROC_INIT                                                                           \
	{                                                                                          \
		.pid = 0, .pidfd = -1, .status = 0                                                 \
	}

struct disagg_proc_spec {
	const char *const *argv; /* argv[0] is a path: disagg_proc_find */
	const char *const *envp;
	int in_fd, out_fd, err_fd; /* -1: /dev/null */
	bool own_group;		   /* signals to our group do not reach it */
};

/* DISAGG_MISSING or DISAGG_SYSTEM with the name of the program: also a failed
 * exec is told here, and leaves no child behind. */
int disagg_proc_spawn(
	const struct disagg_proc_spec *spec, struct disagg_proc *ret, struct disagg_err *err);

/* In a forked child: every signal as a new program has it, and none blocked. */
void disagg_proc_reset_signals(void);

/* 1: it has ended, and the status is in proc->status; 0: it runs.  Never blocks. */
int disagg_proc_reap(struct disagg_proc *proc);

/* Until it has ended; 0, or 1 where timeout_ms have passed or cancel_fd (-1:
 * none) became readable first. */
int disagg_proc_wait(struct disagg_proc *proc, int timeout_ms, int cancel_fd);

/* KILL and reap; nothing for one that has ended. */
void disagg_proc_kill(struct disagg_proc *proc);

struct disagg_proc_result {
	const char *out; /* stdout and stderr, terminated, in the arena */
	size_t len;
	int status;
};

/* A short command to its end, its output kept up to limit bytes (the rest is
 * dropped).  Past timeout_ms, or when cancel_fd is readable, it is killed:
 * DISAGG_TIMEOUT.  A status other than 0 is no error here. */
struct disagg_proc_call {
	const char *const *argv;
	const char *const *envp;
	int timeout_ms;
	int cancel_fd; /* -1: none */
	size_t limit;  /* 0: 256 KiB */
};
int disagg_proc_run(struct disagg_arena *arena, const struct disagg_proc_call *call,
	struct disagg_proc_result *ret, struct disagg_err *err);

/* The program `name` in the folders of `path` (as $PATH), or `name` itself where it
 * has a '/'; NULL where there is none that may be executed, or no memory. */
const char *disagg_proc_find(struct disagg_arena *arena, const char *name, const char *path);

/* The program `name` beside the running one, else in `path`; NULL as above. */
const char *disagg_proc_tool(struct disagg_arena *arena, const char *name, const char *path);

/* "exit status 3", "signal 9 (Killed)" */
void disagg_proc_tell(int status, char *buf, size_t size);
/* The same of a task by its srun client or shell, whose exit status is 128 and
 * the signal's number then: "killed by signal 9 (Killed)".  Returns that number; 0: none. */
int disagg_proc_tell_task(int status, char *buf, size_t size);

/* What a shell's $? would be: the exit status, or 128 + signal. */
int disagg_proc_code(int status);

/* The environment `base` with each of `change` ("NAME=VALUE", or "NAME" to
 * leave it out; ends with NULL) laid over it.  NULL when memory has run out. */
const char *const *disagg_proc_env(
	struct disagg_arena *arena, const char *const *base, const char *const *change);

#endif
