/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_HANDOFF_H
#define DISAGG_SPANK_HANDOFF_H

#include "spank/options.h"
#include "spank/submit.h"

/*
 * With sizing=cli_filter the SPANK plugin collects what is said, and
 * cli_filter/disagg, a second library in the same process, sizes the job.
 * They meet in one variable of the process: fields, each ended by 0x1f, then
 * "sized" in their place.
 */

/* In the SPANK plugin, after each option. */
void disagg_handoff_write(const struct disagg_said *said);
/* In the SPANK plugin, once all is said: makes the plan, and sees to it that
 * the filter has run. */
void disagg_handoff_finish(struct disagg_said *said, struct disagg_submit *submit);
/* The whole of the filter: size, check, report.  -1: refused. */
int disagg_handoff_filter(void *opt);

#endif
