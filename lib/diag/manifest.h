/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_MANIFEST_H
#define DISAGG_DIAG_MANIFEST_H

#include "lib/diag/unpack.h"

/*
 * manifest.json (schema disagg.manifest/1), the last member of an archive of
 * disagg-pack: names, sizes and SHA-256 of all the others.  It tells of a log that
 * was damaged on its way what a sum of gzip would, which libarchive does not look
 * at (3.6, archive_read_support_filter_gzip.c, consume_trailer).
 */
#define DISAGG_MANIFEST "manifest.json"

/*
 * Whether the members are what the archive's manifest says; those that it does not
 * name, or that were not wanted, do not matter, nor does an archive without one.  One of
 * more than 8 MiB is not looked at: JSON takes some thirty times its size in memory.
 * DISAGG_CONFIG: one of them is not; `path` is the archive's, for the text.
 */
int disagg_manifest_check(
	const char *path, const struct disagg_unpacked_list *list, struct disagg_err *err);

#endif
