/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_NODELOCK_H
#define DISAGG_PROBE_NODELOCK_H

#include "lib/base/err.h"

/*
 * One run at a time on a node, whoever it is of: two would measure each other.
 * The lock is the name of a socket in the abstract namespace, which goes with
 * the process however that ends, and needs no file that another user could
 * have put there.
 */

/* The descriptor that holds it, close-on-exec.  DISAGG_MISSING: another run holds it, with
 * its process and user; else DISAGG_SYSTEM. */
int disagg_nodelock_take(const char *node, int *ret_fd, struct disagg_err *err);

#endif
