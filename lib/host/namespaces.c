/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/namespaces.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
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

static int cannot_see(const char *what, struct disagg_err *err)
{
	if (errno == ENOENT || errno == ESRCH)
		return disagg_err_set(err, DISAGG_MISSING, "it has ended (no %s)", what);
	return disagg_err_sys(err, "cannot open its %s", what);
}

/* *ret stays -1 where it is ours, or the kernel has none of the kind. */
static int open_other(int process, const char *kind, int *ret, struct disagg_err *err)
{
	char name[16], own[32];
	struct stat theirs, ours;
	int fd;

	snprintf(name, sizeof(name), "ns/%s", kind);
	snprintf(own, sizeof(own), "/proc/self/%s", name);
	if (stat(own, &ours))
		return errno == ENOENT ? 0 : disagg_err_sys(err, "cannot see '%s'", own);
	fd = openat(process, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cannot_see(name, err);
	if (fstat(fd, &theirs)) {
		disagg_err_sys(err, "cannot see its %s", name);
		close(fd);
		return -1;
	}
	if (theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev)
		*ret = fd;
	else
		close(fd);
	return 0;
}

static int enter_all(const int *fd, int folder, struct disagg_err *err)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (fd[i] >= 0 && setns(fd[i], 0))
			return disagg_err_sys(err, "cannot enter its ns/%s", kinds[i]);
	}
	return fchdir(folder) ? disagg_err_sys(err, "cannot enter its cwd") : 0;
}

static int enter(int process, int *fd, struct disagg_err *err)
{
	int folder, rc;

	for (size_t i = 0; i < KINDS; i++) {
		if (open_other(process, kinds[i], &fd[i], err))
			return -1;
	}
	/* without other mounts it is no container */
	if (fd[KINDS - 1] < 0)
		return 0;
	folder = openat(process, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return cannot_see("cwd", err);
	rc = enter_all(fd, folder, err);
	close(folder);
	return rc;
}

int disagg_namespaces_enter(int process, struct disagg_err *err)
{
	int fd[KINDS], rc;

	for (size_t i = 0; i < KINDS; i++)
		fd[i] = -1;
	rc = enter(process, fd, err);
	for (size_t i = 0; i < KINDS; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
	}
	return rc;
}
