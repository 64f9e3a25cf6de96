/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_BUNDLE_H
#define DISAGG_DIAG_BUNDLE_H

#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An archive that is written front to back: the same members with the same
 * bytes and times give the same archive, byte for byte (owner 0, mode 0644,
 * one time for all, no name or time in gzip's header).  Memory is constant.
 * Uses libarchive, as unpack.h does, and libcrypto, as manifest.h.
 */
enum disagg_bundle_format {
	DISAGG_BUNDLE_GZIP, /* .tar.gz, gzip.h */
	DISAGG_BUNDLE_ZSTD, /* .tar.zst */
};

extern const char *const disagg_bundle_suffix[]; /* "tar.gz", "tar.zst"; NULL ends */

struct disagg_bundle_spec {
	int fd; /* is written from where it stands; stays the caller's */
	enum disagg_bundle_format format;
	const char *folder; /* above every member: "job_123" */
	int64_t time_s;	    /* of every member */
};

/*
 * What stands between a file and the archive.  It may overwrite bytes, never add
 * or drop any: the size of a member is told before its content.  Returns how many
 * of the bytes are done, at least half of a full block (DISAGG_BUNDLE_BLOCK); the
 * rest come again with more behind them.  With `last` all are done.
 */
#define DISAGG_BUNDLE_BLOCK (1024u * 1024u)
struct disagg_bundle_filter {
	size_t (*take)(void *context, char *bytes, size_t len, bool last);
	void *context;
};

struct disagg_bundle_file {
	const char *name;    /* in the folder; '/' between its parts */
	int fd;		     /* read by pread */
	uint64_t size;	     /* never more than this is read, though the file may grow */
	uint64_t head, tail; /* of a larger file only so many bytes; both 0: all */
	struct disagg_bundle_filter filter; /* take NULL: none */
};

#define DISAGG_BUNDLE_SHA256 65u /* in hexadecimal, with its end */

/* What the manifest says of a member. */
struct disagg_bundle_member {
	const char *name;  /* as the archive has it */
	uint64_t size;	   /* in the archive */
	uint64_t left_out; /* bytes of the file that are not in it */
	bool shrank;	   /* ended before `size`; the rest is newlines */
	char sha256[DISAGG_BUNDLE_SHA256];
};

struct disagg_bundle;

int disagg_bundle_new(
	struct disagg_bundle **ret, const struct disagg_bundle_spec *spec, struct disagg_err *err);

/* Both: DISAGG_SYSTEM where writing failed (no space): the archive is void then.
 * A file that cannot be read to its end is no error: see `shrank`.  Names that a
 * terminal or a file system would trip over are escaped as %0A. */
int disagg_bundle_add_text(struct disagg_bundle *bundle, const char *name, const char *text,
	size_t len, struct disagg_err *err);
int disagg_bundle_add_file(struct disagg_bundle *bundle, const struct disagg_bundle_file *file,
	struct disagg_err *err);

/* A member out of pieces: as many bytes as begin was told, in any number of puts; end
 * fills what is missing with newlines, and put drops what is over. */
int disagg_bundle_begin(
	struct disagg_bundle *bundle, const char *name, uint64_t size, struct disagg_err *err);
int disagg_bundle_put(
	struct disagg_bundle *bundle, const char *bytes, size_t len, struct disagg_err *err);
/* The first `size` bytes of a file, filtered, as a piece. */
int disagg_bundle_put_file(struct disagg_bundle *bundle, const struct disagg_bundle_file *file,
	struct disagg_err *err);
int disagg_bundle_end(struct disagg_bundle *bundle, struct disagg_err *err);

/* Those added so far, in their order. */
size_t disagg_bundle_members(
	const struct disagg_bundle *bundle, const struct disagg_bundle_member **ret);
/* Bytes of content so far. */
uint64_t disagg_bundle_bytes(const struct disagg_bundle *bundle);

/* Of bytes that are in no archive, as a member's is written. */
int disagg_bundle_sha256(
	const char *bytes, size_t len, char ret[DISAGG_BUNDLE_SHA256], struct disagg_err *err);

/* The end of the archive; -1 as above.  Frees in any case. */
int disagg_bundle_close(struct disagg_bundle *bundle, struct disagg_err *err);
/* Frees what is not to be finished; NULL is fine. */
void disagg_bundle_drop(struct disagg_bundle *bundle);

#endif
