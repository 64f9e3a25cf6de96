/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_KERNOWNER_H
#define DISAGG_DIAG_KERNOWNER_H

#include "lib/diag/kmsg.h"

/*
 * Whose process a line of the kernel's log names, where the line is for one user and the
 * node may have been another's too.
 *
 * What the kernel tells (mm/oom_kill.c): "oom-kill:...,task_memcg=CGROUP,task=NAME,pid=N,
 * uid=N", then "... Killed process N (NAME) ..., UID:N ...", without UID before Linux 5.3,
 * and with memory.oom.group (Linux 4.19) one such line for each process of the cgroup.
 * kernel/hung_task.c, watchdog.c and mm/memory-failure.c have "NAME:N", fs/ext4/super.c "comm
 * NAME: ", NVIDIA's driver "pid=N, name=NAME", and none of them a user.  NAME is up to 15 bytes of
 * that user's choice; of these /dev/kmsg writes what is no printable ASCII, and the backslash, as
 * "\xNN" (Documentation/ABI/testing/dev-kmsg).
 */
struct disagg_kernowner {
	int64_t uid;	 /* the user's; -1: all may be told */
	const char *job; /* its number; NULL: not known */
	/* of the GPUs that were the job's; a process on them is the user's */
	const char *const *pci;
	unsigned pci_count;
	const char *proc; /* "/proc": whose a process is that still runs; NULL: not asked */
	/* of the last "oom-kill:", with whom others of its cgroup may be killed; begin with 0 */
	int64_t victim;
	bool victim_ours, victim_of_job,
		victim_of_other; /* the user's, this job's, another job's */
};

/*
 * In place: name and pid become '*' where the process is not the user's, nor root's outside
 * of a job, nor known to be.  False: the line is not to be told, for it is of the memory
 * limit of somebody else's processes or of another job of the user's, or where the name in it ends
 * cannot be read.
 */
bool disagg_kernowner_mask(
	struct disagg_kernowner *owner, const struct disagg_kmsg_finding *finding, char *text);

#endif
