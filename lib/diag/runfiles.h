/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_RUNFILES_H
#define DISAGG_DIAG_RUNFILES_H

#include "lib/base/arena.h"
#include "lib/diag/exits.h"
#include "lib/diag/kernlines.h"
#include "lib/diag/logscan.h"
#include "lib/diag/unpack.h"
#include "lib/host/state.h"

/*
 * What there is to diagnose a run from: the files of its run directory, those in
 * an archive, or such as are named one by one.
 */
#define DISAGG_RUNFILES_DEPTH 4u

struct disagg_runfiles {
	struct disagg_scan_file *log;
	unsigned log_count, log_room;
	struct disagg_exits exits;
	struct disagg_kernlines kernel;
	bool has_state;
	struct disagg_state state;
	const char *slurm_state, *slurm_reason; /* "TIMEOUT", "TimeLimit"; NULL: not known */
	const char *full;			/* a folder of these that has no room; NULL */
	unsigned left_out;			/* logs over DISAGG_SCAN_FILES_MOST */
	const char *run;			/* the folder or archive of these; NULL */
	const char *note;			/* of a file that is damaged, for a reader; NULL */
	struct disagg_xid_table *xids;
	struct disagg_spool spool; /* of archives; its folder is the caller's to set */
};

/* Before the first add; the end of its use is disagg_spool_close(&files->spool). */
int disagg_runfiles_init(
	struct disagg_arena *arena, struct disagg_runfiles *files, struct disagg_err *err);

/*
 * A folder, down to its folders' folders, no symlink followed: *.log, *.out and
 * *.err, state.json, exits*.jsonl, exits/NODE.jsonl, the kernel's log (kernlines.h)
 * and Slurm's (scontrol*.txt: "JobState=... Reason=..."); not pack.log and probes.log,
 * in which our own programs quote what they found.  Of a file that is named
 * the name decides in the same way; any other is a log, but for an archive
 * (unpack.h): of that the files are taken as of a folder, in the same order, and
 * are called as below the folder that holds all of them.  DISAGG_MISSING where
 * there is nothing at `path`; DISAGG_USAGE for a second folder or archive, which would
 * be another run; a file in a folder that cannot be read is noted.
 */
int disagg_runfiles_add(struct disagg_arena *arena, struct disagg_runfiles *files, const char *path,
	struct disagg_err *err);

#endif
