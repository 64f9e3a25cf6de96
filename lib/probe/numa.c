/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/numa.h"

#include "lib/base/fd.h"
#include "lib/base/num.h"
#include <stdio.h>
#include <string.h>

#define MOST_BYTES 4096

/* A number of at most `len` bytes. */
static bool read_cpu(const char *text, size_t len, int64_t *ret)
{
	char number[16];

	if (len == 0 || len >= sizeof(number))
		return false;
	memcpy(number, text, len);
	number[len] = '\0';
	return disagg_num_int(number, 0, 1 << 20, ret) == 0;
}

bool disagg_numa_cpus(const char *text, cpu_set_t *ret)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	while (*text && *text != '\n') {
		size_t len = strcspn(text, ",\n"), first_len = strcspn(text, "-,\n");
		int64_t first, last;

		if (!read_cpu(text, first_len, &first))
			return false;
		last = first;
		if (first_len < len && !read_cpu(text + first_len + 1, len - first_len - 1, &last))
			return false;
		for (int64_t cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++)
			CPU_SET((size_t)cpu, &set);
		text += len + (text[len] == ',');
	}
	*ret = set;
	return CPU_COUNT(&set) > 0;
}

bool disagg_numa_bind_near(const char *sysroot, const char *pci)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err ignored = DISAGG_ERR_INIT;
	char path[512], *text;
	cpu_set_t near, now;
	size_t len;
	bool is_bound;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/local_cpulist",
		sysroot ? sysroot : "", pci ? pci : "");
	is_bound = disagg_fd_read_file(&arena, path, MOST_BYTES, &text, &len, &ignored) == 0 &&
		   disagg_numa_cpus(text, &near) && sched_getaffinity(0, sizeof(now), &now) == 0;
	disagg_arena_release(&arena);
	if (!is_bound)
		return false;
	CPU_AND(&near, &near, &now);
	return CPU_COUNT(&near) > 0 && sched_setaffinity(0, sizeof(near), &near) == 0;
}
