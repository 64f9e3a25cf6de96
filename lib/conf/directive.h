/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_DIRECTIVE_H
#define DISAGG_CONF_DIRECTIVE_H

#include "lib/conf/job.h"

/* An option for sbatch that a file gives must be known and allowed there.
 * Whether its value fits the plan is for sizing to say. */
void disagg_directive_check(
	const struct disagg_directive *directive, struct disagg_findings *found);

#endif
