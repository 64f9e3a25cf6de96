/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_NAMESPACES_H
#define DISAGG_HOST_NAMESPACES_H

#include "lib/base/err.h"

/*
 * Into the container of a process, which `process`, an open folder of /proc,
 * stands for: the folder is of that very process, and of none when it has ended,
 * where a number may be another one's by then.
 *
 * All its namespaces that are not ours, and its working directory.  A process
 * that has our mounts is in no container: nothing is done.  Only a kind that
 * this kernel has not is passed over; what cannot be seen, as of a process that
 * has ended (DISAGG_MISSING), is an error, and the caller must not go on: it may
 * be half way in.
 */
int disagg_namespaces_enter(int process, struct disagg_err *err);

#endif
