/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_STEP_H
#define DISAGG_SPANK_STEP_H

#include "spank/ask.h"
#include "spank/options.h"

/* srun inside a job: opens no file and sizes no job; --disagg-role lays the
 * tasks out as the plan that the job carries has them. */
struct disagg_step {
	struct disagg_arena arena;
	struct disagg_findings found;
	struct disagg_ask ask;
	unsigned components; /* of `srun a : b`, so far */
};

void disagg_step_release(struct disagg_step *step);

/* After every occurrence of --disagg-role; what goes wrong is kept. */
void disagg_step_size(struct disagg_step *step, const struct disagg_said *said);

/* slurm_spank_init_post_opt: -1 when something was wrong, which then has been
 * reported. */
int disagg_step_finish(struct disagg_step *step, const struct disagg_said *said);

#endif
