/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_BASE_FD_H
#define DISAGG_BASE_FD_H

#include "lib/base/arena.h"
#include "lib/base/err.h"

/*
 * The whole of a regular file of at most `limit` bytes, with a NUL behind it.
 * Opened O_CLOEXEC and O_NONBLOCK, so that a FIFO cannot hang the caller; a
 * directory, a FIFO or a device is refused with DISAGG_CONFIG, as is a file
 * that is missing, not readable or too large.  Other failures are DISAGG_SYSTEM.
 */
int disagg_fd_read_file(struct disagg_arena *arena, const char *path, size_t limit,
	char **ret_bytes, size_t *ret_len, struct disagg_err *err);

/* The same of a file that is open; `path` is what it is called in errors. */
int disagg_fd_read_open(struct disagg_arena *arena, int fd, const char *path, size_t limit,
	char **ret_bytes, size_t *ret_len, struct disagg_err *err);

/* All bytes, across short writes and EINTR; -1 with errno. */
int disagg_fd_write_all(int fd, const char *bytes, size_t len);

/* All descriptors from `first` on; between fork and exec too. */
void disagg_fd_close_from(int first);

#endif
