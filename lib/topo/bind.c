/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/topo/bind.h"
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/mempolicy.h, whose older versions lack the second */
enum { PREFERRED = 1, PREFERRED_MANY = 5 };

enum { MAX_NUMA = 1024, WORD_BITS = sizeof(unsigned long) * CHAR_BIT };

int disagg_bind_allowed(cpu_set_t *ret, struct disagg_err *err)
{
	if (sched_getaffinity(0, sizeof(*ret), ret))
		return disagg_err_sys(err, "cannot ask for the task's CPUs");
	return 0;
}

int disagg_bind_cpus(const cpu_set_t *cpus, struct disagg_err *err)
{
	if (sched_setaffinity(0, sizeof(*cpus), cpus))
		return disagg_err_sys(err, "cannot bind to the CPUs");
	return 0;
}

int disagg_bind_memory(const unsigned *numa, unsigned count, struct disagg_err *err)
{
	unsigned long mask[MAX_NUMA / WORD_BITS] = {0};
	int mode = count > 1 ? PREFERRED_MANY : PREFERRED;

	for (unsigned i = 0; i < count; i++) {
		if (numa[i] < MAX_NUMA)
			mask[numa[i] / WORD_BITS] |= 1ul << numa[i] % WORD_BITS;
	}
	/* the kernel counts the bits from 1 */
	if (syscall(SYS_set_mempolicy, mode, mask, (unsigned long)MAX_NUMA + 1))
		return disagg_err_sys(err, "cannot prefer the NUMA nodes' memory");
	return 0;
}
