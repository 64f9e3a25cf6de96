/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES_MOST 4096 /* closed one by one, where the kernel has no close_range (before 5.9) */

/* What a user can mend by naming another file, or by chmod. */
static bool is_users_fault(int sys)
{
	static const int codes[] = {
		ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG, ENXIO, EISDIR};

	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i] == sys)
			return true;
	}
	return false;
}

static int open_failed(const char *path, struct disagg_err *err)
{
	int sys = errno;

	disagg_err_sys(err, "cannot open '%s'", path);
	if (err && is_users_fault(sys))
		err->code = DISAGG_CONFIG;
	return -1;
}

static int too_large(const char *path, size_t limit, struct disagg_err *err)
{
	return disagg_err_set(err, DISAGG_CONFIG,
		"cannot read '%s': it is larger than %zu bytes, the most that is read", path,
		limit);
}

static int check_kind(
	int fd, const char *path, size_t limit, size_t *ret_size, struct disagg_err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return disagg_err_sys(err, "cannot stat '%s'", path);
	if (S_ISDIR(st.st_mode))
		return disagg_err_set(err, DISAGG_CONFIG,
			"cannot read '%s': expected a regular file, it is a directory", path);
	if (!S_ISREG(st.st_mode))
		return disagg_err_set(err, DISAGG_CONFIG,
			"cannot read '%s': expected a regular file, it is a FIFO, socket or device",
			path);
	if (st.st_size < 0 || (uintmax_t)st.st_size > limit)
		return too_large(path, limit, err);
	*ret_size = (size_t)st.st_size;
	return 0;
}

/* To the end, whatever size was told: a file may grow, and those of /proc say
 * that they are empty. */
static int read_all(int fd, struct disagg_arena *arena, const char *path, size_t limit, size_t size,
	char **ret_bytes, size_t *ret_len, struct disagg_err *err)
{
	size_t room = (size < 512 ? 512 : size) + 1;
	char *bytes = disagg_arena_alloc(arena, room);
	size_t len = 0;
	ssize_t got;

	while (bytes) {
		got = read(fd, bytes + len, room - 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return disagg_err_sys(err, "cannot read '%s'", path);
		len += (size_t)got;
		if (len > limit)
			return too_large(path, limit, err);
		if (got == 0) {
			bytes[len] = '\0';
			*ret_bytes = bytes;
			*ret_len = len;
			return 0;
		}
		if (len == room - 1) {
			bytes = disagg_arena_grow(arena, bytes, room, room * 2, 1);
			room *= 2;
		}
	}
	return disagg_err_nomem(err);
}

int disagg_fd_read_open(struct disagg_arena *arena, int fd, const char *path, size_t limit,
	char **ret_bytes, size_t *ret_len, struct disagg_err *err)
{
	size_t size = 0;

	if (check_kind(fd, path, limit, &size, err))
		return -1;
	return read_all(fd, arena, path, limit, size, ret_bytes, ret_len, err);
}

int disagg_fd_read_file(struct disagg_arena *arena, const char *path, size_t limit,
	char **ret_bytes, size_t *ret_len, struct disagg_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int rc;

	if (fd < 0)
		return open_failed(path, err);
	rc = disagg_fd_read_open(arena, fd, path, limit, ret_bytes, ret_len, err);
	close(fd);
	return rc;
}

int disagg_fd_write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, bytes, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		bytes += put;
		len -= (size_t)put;
	}
	return 0;
}

void disagg_fd_close_from(int first)
{
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
		return;
	for (int fd = first; fd < FILES_MOST; fd++)
		close(fd);
}
