/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec.h"
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A container that a user may start without privileges (enroot, pyxis) belongs to a
 * user namespace of the user's own, so that its owner may enter it.  The user
 * namespace is first, for it gives the right to enter the others; the mounts are
 * last, for with them /proc may be another one.
 */
static const char *const kinds[] = {"user", "cgroup", "ipc", "uts", "net", "mnt"};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* -1: ours already, or the kernel has none. */
static int open_other(long pid, const char *kind)
{
	char path[64], own[64];
	struct stat theirs, ours;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/ns/%s", pid, kind);
	snprintf(own, sizeof(own), "/proc/self/ns/%s", kind);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &theirs) == 0 && stat(own, &ours) == 0 &&
		(theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev))
		return fd;
	close(fd);
	return -1;
}

static int cannot(const struct task *task, struct disagg_err *err)
{
	disagg_err_sys(err, "cannot enter the container of '%s'", task->name);
	return disagg_err_wrap(err, "--no-container gives a shell on its node");
}

static int enter_all(const struct task *task, const int *fd, int folder, struct disagg_err *err)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (fd[i] >= 0 && setns(fd[i], 0))
			return cannot(task, err);
	}
	return folder >= 0 && fchdir(folder) ? cannot(task, err) : 0;
}

int exec_enter(const struct task *task, struct disagg_err *err)
{
	int fd[KINDS], folder, rc = 0;
	char path[64];
	bool is_other;

	if (!task->living)
		return 0;
	snprintf(path, sizeof(path), "/proc/%ld/cwd", task->living);
	folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < KINDS; i++)
		fd[i] = open_other(task->living, kinds[i]);
	/* without other mounts it is no container */
	is_other = fd[KINDS - 1] >= 0;
	if (is_other)
		rc = enter_all(task, fd, folder, err);
	for (size_t i = 0; i < KINDS; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
	}
	if (folder >= 0)
		close(folder);
	return rc;
}
