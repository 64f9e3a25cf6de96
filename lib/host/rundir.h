/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_RUNDIR_H
#define DISAGG_HOST_RUNDIR_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * The folder of one run of a job.  Files in it are written whole under another
 * name and renamed, so that a reader sees the old one or the new one.  Nothing
 * in it is ever deleted, but for the marks of steps in up/.
 */
#define DISAGG_RUNDIR_UP      "up" /* one file a step that has started */
#define DISAGG_RUNDIR_RESULTS "results"
#define DISAGG_RUNDIR_STATE   "state.json"

/* The folder with all above it, up/ and results/; that they are there is fine. */
int disagg_rundir_make(struct disagg_arena *arena, const char *dir, struct disagg_err *err);

/* dir/name by rename; `tag` keeps writers of one name apart (a pid, a host). */
int disagg_rundir_write(struct disagg_arena *arena, const char *dir, const char *name,
	const char *tag, const char *text, size_t len, struct disagg_err *err);

/* The same, for a file that its owner alone reads and writes. */
int disagg_rundir_write_own(struct disagg_arena *arena, const char *dir, const char *name,
	const char *tag, const char *text, size_t len, struct disagg_err *err);

/* For appending, created where it is not there; -1. */
int disagg_rundir_open_log(
	struct disagg_arena *arena, const char *dir, const char *name, struct disagg_err *err);

/* The last lines of a file, at most `lines` and 8 KiB, tame; "" where there is
 * none.  NULL: no memory. */
char *disagg_rundir_tail(struct disagg_arena *arena, const char *path, unsigned lines);
/* The same of a file that is to be shown: `mask` overwrites what nobody should see, in the
 * last 8 KiB before lines are taken from them. */
struct disagg_rundir_mask {
	void (*take)(void *context, char *bytes, size_t len);
	void *context;
};
char *disagg_rundir_tail_masked(struct disagg_arena *arena, const char *path, unsigned lines,
	const struct disagg_rundir_mask *mask);

/* The mark of a step: disagg-exec of its first task puts it as soon as it runs. */
struct disagg_rundir_mark {
	const char *host;
	const char *ip; /* of the host, as it sees itself; "" where unknown */
};
/* The mark's name: the worker's, and of a later rank that has one "decode_1.8". */
const char *disagg_rundir_mark_of(struct disagg_arena *arena, const char *worker, uint32_t rank);
int disagg_rundir_mark_put(struct disagg_arena *arena, const char *dir, const char *worker,
	const struct disagg_rundir_mark *mark, struct disagg_err *err);
bool disagg_rundir_mark_get(struct disagg_arena *arena, const char *dir, const char *worker,
	struct disagg_rundir_mark *ret);
/* Before a step is started again. */
void disagg_rundir_mark_drop(struct disagg_arena *arena, const char *dir, const char *worker);

#endif
