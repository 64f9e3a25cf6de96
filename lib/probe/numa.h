/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_NUMA_H
#define DISAGG_PROBE_NUMA_H

#include "lib/base/err.h"
#include <sched.h>
#include <stdbool.h>

/* A list of CPUs as sysfs writes it, "0-31,64-95\n"; false where it is none. CPUs that a
 * cpu_set_t has no room for are left out. */
bool disagg_numa_cpus(const char *text, cpu_set_t *ret);

/*
 * Keeps this process to the CPUs beside a PCI device ("0000:0f:00.0") as far as it
 * may use them.  A best effort: false where sysfs does not say, or none of them is
 * the step's; the process stays where it was then.
 */
bool disagg_numa_bind_near(const char *sysroot, const char *pci);

#endif
