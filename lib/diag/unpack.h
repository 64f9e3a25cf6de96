/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_UNPACK_H
#define DISAGG_DIAG_UNPACK_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The files of a tar, plain or packed by gzip or zstd, as disagg-pack writes it or
 * anybody else.  No name of a member is ever one of the file system: the bytes go,
 * one file behind the other, into one temporary file without a name, which is gone
 * with its descriptor however the process ends.  Reads archives with libarchive,
 * as bundle.h writes them.
 */
#define DISAGG_UNPACK_MEMBERS_MOST 65536u	       /* of one archive */
#define DISAGG_UNPACK_BYTES_MOST   (UINT64_C(4) << 30) /* of all members, wanted or not */
#define DISAGG_UNPACK_NAME_MOST	   4096u

/* Where the bytes of all archives of a process go. */
struct disagg_spool {
	const char *folder; /* of the temporary file; NULL or "": /tmp */
	bool is_open;
	int fd;
	uint64_t bytes; /* that are in it */
	uint64_t total; /* of members, also of those that nobody wanted */
};

/* A member: `size` bytes from `from` of the spool's file on. */
struct disagg_unpacked {
	const char *name; /* "job_7/decode_0.log": relative, and without '.' and '..' */
	int fd;
	uint64_t from, size;
	int64_t mtime_s;
	bool checked; /* against the archive's manifest */
};

struct disagg_unpack_call {
	int fd; /* of the archive; read from where it stands */
	const char *path;
	bool (*wants)(const char *name); /* what it does not want is passed over */
};

struct disagg_unpacked_list {
	struct disagg_unpacked *v; /* by level, then by name, a folder's files together */
	unsigned count, room;
	size_t root_len; /* of the folder that all are in, with its '/'; 0: there is none */
	unsigned passed; /* links, devices, names that lead out of the archive; never read */
	const char *first_passed, *why;
};

/* Whether the file begins as one that is packed does, or as a tar; or is named as one, as
 * an empty one may be, whose copying failed. */
bool disagg_unpack_knows(int fd, const char *path);

/*
 * DISAGG_CONFIG: it is damaged, no archive, or over a limit: nothing is left out of
 * one that is taken, for a part of the logs may tell another story.  DISAGG_SYSTEM:
 * no memory, or no space in the folder.
 */
int disagg_unpack(struct disagg_arena *arena, struct disagg_spool *spool,
	const struct disagg_unpack_call *call, struct disagg_unpacked_list *ret,
	struct disagg_err *err);

/* The member of this name below the folder that all are in; NULL. */
struct disagg_unpacked *disagg_unpacked_find(
	const struct disagg_unpacked_list *list, const char *name);

/* Its bytes with a NUL behind them; DISAGG_CONFIG where they are more than `limit`. */
int disagg_unpacked_read(struct disagg_arena *arena, const struct disagg_unpacked *file,
	size_t limit, char **ret_bytes, size_t *ret_len, struct disagg_err *err);

/* The members' bytes are gone then; accepts one that was never used. */
void disagg_spool_close(struct disagg_spool *spool);

#endif
