/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TOPO_BIND_H
#define DISAGG_TOPO_BIND_H

#include "lib/base/err.h"
#include <sched.h>

/* The calling thread and all that it starts: before exec that is a program with
 * all its threads.  A later call in a program comes too late for what its
 * libraries have started and touched. */
int disagg_bind_cpus(const cpu_set_t *cpus, struct disagg_err *err);

/* New memory comes from these nodes while they have some, then from others:
 * nothing is killed because near memory has run out.  Several nodes: Linux
 * 5.15. */
int disagg_bind_memory(const unsigned *numa, unsigned count, struct disagg_err *err);

/* The CPUs that this process may use. */
int disagg_bind_allowed(cpu_set_t *ret, struct disagg_err *err);

#endif
