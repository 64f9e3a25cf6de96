/* SPDX-License-Identifier: Apache-2.0 */
/* Binding of this process; each case in a child, as a thread's stays. */
#include "lib/topo/bind.h"
#include "lib/topo/topo.h"
#include "tests/unit/tap.h"
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool in_child(bool (*check)(void))
{
	pid_t child = fork();
	int status = 1;

	if (child == 0)
		_exit(check() ? 0 : 1);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static size_t last_cpu(const cpu_set_t *cpus)
{
	size_t last = 0;

	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, cpus))
			last = cpu;
	}
	return last;
}

static bool one_cpu(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	cpu_set_t allowed, one, now;

	CPU_ZERO(&one);
	if (disagg_bind_allowed(&allowed, &err))
		return false;
	CPU_SET(last_cpu(&allowed), &one);
	return disagg_bind_cpus(&one, &err) == 0 && disagg_bind_allowed(&now, &err) == 0 &&
	       CPU_EQUAL(&now, &one);
}

static bool no_cpu(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	cpu_set_t before, after, none;

	CPU_ZERO(&none);
	return disagg_bind_allowed(&before, &err) == 0 && disagg_bind_cpus(&none, &err) == -1 &&
	       err.code == DISAGG_SYSTEM && err.sys == EINVAL &&
	       disagg_bind_allowed(&after, NULL) == 0 && CPU_EQUAL(&before, &after);
}

static int policy(unsigned long *ret_nodes)
{
	unsigned long nodes[16] = {0};
	int mode = -1;

	if (syscall(SYS_get_mempolicy, &mode, nodes, sizeof(nodes) * 8, NULL, 0ul))
		return -1;
	*ret_nodes = nodes[0];
	return mode;
}

static bool near_memory(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	static const unsigned node = 0;
	unsigned long nodes = 0;

	return disagg_bind_memory(&node, 1, &err) == 0 && policy(&nodes) == MPOL_PREFERRED &&
	       nodes == 1;
}

/* Of two nodes the kernel keeps those that are there. */
static bool several_nodes(void)
{
	enum { PREFERRED_MANY = 5 }; /* since Linux 5.15 */
	struct disagg_err err = DISAGG_ERR_INIT;
	static const unsigned both[] = {0, 1};
	unsigned long nodes = 0;

	if (disagg_bind_memory(both, 2, &err))
		return err.sys == EINVAL;
	return policy(&nodes) == PREFERRED_MANY && (nodes & 1);
}

static bool no_such_node(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	static const unsigned node = 1023;
	unsigned long nodes = 0;

	return disagg_bind_memory(&node, 1, &err) == -1 && err.code == DISAGG_SYSTEM &&
	       policy(&nodes) == MPOL_DEFAULT;
}

int main(void)
{
	unsigned long nodes;

	ok(in_child(one_cpu), "to one of the CPUs that are allowed");
	ok(in_child(no_cpu), "no CPU is refused, and nothing changes");
	if (policy(&nodes) < 0) {
		ok(true, "memory # SKIP this kernel has no memory policies");
		return tap_done();
	}
	ok(in_child(near_memory), "the memory of a node is preferred");
	ok(in_child(several_nodes), "or that of several");
	ok(in_child(no_such_node), "a node that is not there is refused, and nothing changes");
	return tap_done();
}
