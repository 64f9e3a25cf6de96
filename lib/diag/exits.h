/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_EXITS_H
#define DISAGG_DIAG_EXITS_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * How tasks ended: lines of JSON (schema disagg.exit/1), as the plugin writes
 * them in exits/NODE.jsonl of a run directory: node, worker ("" where the step
 * was none), step, rank, pid, status (as waitpid gives it) and at (Unix time).
 */
#define DISAGG_EXITS_MOST 65536u

struct disagg_exit {
	double at;		   /* Unix time; 0: not known */
	const char *node, *worker; /* NULL: not known */
	int rank;		   /* -1 */
	int code;		   /* exit status; -1: a signal ended it */
	int signal;		   /* 0: none */
};

struct disagg_exits {
	struct disagg_exit *v;
	unsigned count, room;
	unsigned damaged; /* lines that are none */
};

/* Appends what the text holds; lines that cannot be read are counted. */
int disagg_exits_parse(struct disagg_arena *arena, const char *text, size_t len,
	struct disagg_exits *exits, struct disagg_err *err);
int disagg_exits_add(struct disagg_arena *arena, struct disagg_exits *exits,
	const struct disagg_exit *exit, struct disagg_err *err);

/* From a wait status, and from what a shell makes of a signal (137 for 9). */
struct disagg_exit disagg_exit_of(int wait_status);

/* "exit status 1", "signal 9 (killed)" */
const char *disagg_exit_text(const struct disagg_exit *exit, char *buf, size_t size);

/* Not 0, and no signal that asks a process to end (TERM, INT, HUP). */
bool disagg_exit_is_failure(const struct disagg_exit *exit);
/* By a signal of its own fault: SEGV, ABRT, BUS, FPE, ILL, SYS, TRAP. */
bool disagg_exit_is_crash(const struct disagg_exit *exit);

#endif
