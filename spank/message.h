/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_MESSAGE_H
#define DISAGG_SPANK_MESSAGE_H

#include "lib/conf/findings.h"

/* The one place that speaks to the user, by Slurm's own log calls. */

void disagg_message_error(const struct disagg_err *err);
/* On a compute node: says who is speaking. */
void disagg_message_node_error(const struct disagg_err *err);
void disagg_message_note(const char *text);
/* Errors, at most DISAGG_MAX_ERRORS; with none, the warnings. */
void disagg_message_findings(struct disagg_findings *found);
/* To stdout, as it is. */
void disagg_message_print(const char *text);

#endif
