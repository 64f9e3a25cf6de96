/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_MOUNTS_H
#define DISAGG_CONF_MOUNTS_H

#include "lib/conf/job.h"

/* Mounts that no option for a container can hold: commas and colons end a path
 * there.  What several roles have from one place is reported once. */
void disagg_mounts_check(const struct disagg_job *job, struct disagg_findings *found);

#endif
