/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_LOGSCAN_H
#define DISAGG_DIAG_LOGSCAN_H

#include "lib/base/arena.h"
#include "lib/diag/line.h"
#include "lib/diag/signatures.h"
#include "lib/diag/unpack.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One pass over all logs of a run: which signatures stand in which file, how
 * often, from when to when, with samples.  Logs are read in pieces of 1 MiB,
 * so memory does not grow with them.
 */
#define DISAGG_SCAN_FILES_MOST 16384u
#define DISAGG_SAMPLES	       2u
#define DISAGG_SAMPLE_MAX      400u /* bytes */

/* A line that matched: redacted, tame, cut at DISAGG_SAMPLE_MAX. */
struct disagg_sample {
	const char *text; /* NULL: none */
	uint64_t offset;  /* of the line in its file */
	struct disagg_line line;
};

/* One signature in one file. */
struct disagg_event {
	unsigned signature, file;
	uint64_t count;
	struct disagg_sample first, last;
	bool shown; /* `first` or a later one is of a level above INFO, or of none */
};

struct disagg_scan_file {
	const char *path;			/* to open */
	const char *name;			/* for a reader */
	const struct disagg_unpacked *unpacked; /* its bytes, in place of path; NULL */
	double about_s; /* the file's own time: completes times without a date; 0 */
	/* the scan's */
	uint64_t bytes;
	bool has_time;		 /* the following are set */
	double first_s, last_s;	 /* of the file's first and last line with a time */
	enum disagg_stamp stamp; /* of the last */
	const char *skipped;	 /* why it was not read; NULL */
};

struct disagg_scan {
	struct disagg_scan_file *file;
	unsigned file_count;
	const struct disagg_event *event; /* in the order of file, then of first offset */
	unsigned event_count;
	uint64_t bytes, secrets; /* that were masked in samples */
};

/*
 * Scans scan->file[]; a file that cannot be read, or is none, is skipped and
 * says why.  Lines that disagg's own helpers wrote ("disagg-run: ...") and
 * source code that a Python trace shows match nothing.
 * DISAGG_CONFIG: a signature's expression; DISAGG_SYSTEM: no memory.
 */
int disagg_scan_logs(struct disagg_arena *arena, const struct disagg_signatures *signatures,
	struct disagg_scan *scan, struct disagg_err *err);

#endif
