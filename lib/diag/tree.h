/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_TREE_H
#define DISAGG_DIAG_TREE_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The files below a folder that its owner may have filled with traps: links, FIFOs,
 * devices, names of any bytes, folders that are swapped for links meanwhile.  Each
 * is opened below the folder by openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS),
 * without waiting, and looked at by fstat once it is open: what is no regular file
 * of the wanted owner is told of and never read.
 */
struct disagg_tree_limits {
	unsigned depth;	  /* of folders */
	size_t files;	  /* what is over is counted */
	const char *skip; /* a folder at the top that is not entered; NULL: none */
	bool check_owner;
	uid_t owner; /* of every file, where check_owner */
};

struct disagg_tree_file {
	const char *name; /* below the folder; any bytes but NUL */
	uint64_t size;
	int64_t mtime_s;
	const char *refused; /* why it is not read: "a symbolic link"; NULL: it is */
};

struct disagg_tree {
	struct disagg_tree_file *file; /* by name, bytewise */
	size_t count;
	size_t over; /* files that were over the limit */
};

/* -1: DISAGG_MISSING where there is no such folder or it may not be read, DISAGG_SYSTEM. */
int disagg_tree_open(const char *path, int *ret_fd, struct disagg_err *err);

int disagg_tree_list(struct disagg_arena *arena, int folder_fd,
	const struct disagg_tree_limits *limits, struct disagg_tree *ret, struct disagg_err *err);

/*
 * A listed file for reading, and its size now.  -1: it is no longer what it was (err says
 * what it is), or may not be read.
 */
int disagg_tree_open_file(int folder_fd, const char *name, const struct disagg_tree_limits *limits,
	uint64_t *ret_size, struct disagg_err *err);

#endif
