/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_SUBMIT_H
#define DISAGG_SPANK_SUBMIT_H

#include "lib/conf/job.h"
#include "lib/plan/plan.h"
#include "spank/ask.h"
#include "spank/options.h"

struct spank_handle;

/* From what was said to a sized, checked job that carries its plan. */
struct disagg_submit {
	struct disagg_arena arena; /* of the last reading of the file */
	struct disagg_findings found;
	struct disagg_job *job;
	struct disagg_plan *plan; /* NULL: none, and then `found` has errors if one was asked for */
	struct disagg_ask ask;
	unsigned components; /* of a heterogeneous job, so far */
};

void disagg_submit_release(struct disagg_submit *submit);

/*
 * Reads the file that was named, makes the plan and sizes the job through the
 * host program's options (`opt`: NULL for its global ones).  Called after
 * every occurrence of an option of ours, and by cli_filter/disagg once all
 * are known.  Never fails: what went wrong is kept in submit->found.
 */
void disagg_submit_size(struct disagg_submit *submit, const struct disagg_said *said, void *opt);

/* What does not fit, once all is said, is added to submit->found.  -1 when
 * there is an error in it. */
int disagg_submit_check(struct disagg_submit *submit, const struct disagg_said *said);

/* slurm_spank_init_post_opt: checks, then puts the plan into the environment
 * of the job.  *ret_done: --disagg-dry-run has printed, nothing is to be
 * submitted. */
int disagg_submit_finish(struct disagg_submit *submit, const struct disagg_said *said,
	struct spank_handle *sp, bool *ret_done);

#endif
