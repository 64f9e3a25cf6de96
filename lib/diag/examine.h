/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_EXAMINE_H
#define DISAGG_DIAG_EXAMINE_H

#include "lib/diag/diagnose.h"

/*
 * All of a diagnosis in one call: what there is, the scan of the logs, the
 * verdict.  For disagg-diagnose, an archive's summary and the end of a run.
 */
struct disagg_examine_options {
	const char *signatures;	    /* a site's file; NULL: none */
	const double *utc_offset_s; /* of times without a zone; NULL: to be estimated */
	const char *slurm_state;    /* NULL: as the files tell it */
	const char *slurm_reason;
	const char *tmp_dir; /* archives are unpacked there; NULL or "": /tmp */
};

struct disagg_examination {
	struct disagg_runfiles files;
	struct disagg_signatures signatures;
	struct disagg_scan scan;
	struct disagg_diagnosis diagnosis;
};

/*
 * path[] ends with NULL: folders, archives or files (disagg_runfiles_add).  The answer
 * lives in the arena.  DISAGG_MISSING where there is nothing to look at; DISAGG_USAGE: two runs;
 * DISAGG_CONFIG: the site's file, or a file that was named, is wrong.
 */
int disagg_examine(struct disagg_arena *arena, const char *const *path,
	const struct disagg_examine_options *options, struct disagg_examination *ret,
	struct disagg_err *err);

#endif
