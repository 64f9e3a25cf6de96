/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_REPORT_H
#define DISAGG_HELPERS_REPORT_H

#include "lib/probe/report.h"

/*
 * Drains the nodes that failed, by scontrol, each with a reason that begins
 * with "disagg-probe: ".  A node that is drained, down or has a reason already
 * is left as it is.  No more than 1 node or 2 % of the cluster's nodes an hour,
 * counted by the reasons of that prefix and their times; where that would be
 * passed none is drained, for so many at once have a common cause; none either by
 * records that another user may have written.  What is done
 * and what is not goes to stderr.  0; or a code, with the message out.
 */
int report_drain_failed(const struct disagg_report *report);

#endif
