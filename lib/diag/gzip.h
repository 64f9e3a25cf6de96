/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_GZIP_H
#define DISAGG_DIAG_GZIP_H

#include "lib/base/err.h"
#include <stddef.h>

/*
 * A gzip file as a row of members of 1 MiB each (RFC 1952, 2.2: a reader takes them as
 * one), by libdeflate, which wants whole blocks and is some twice as fast as zlib.  The
 * same bytes give the same file.  The only user of libdeflate.
 */
struct disagg_gzip;

/* Writes to fd, which stays the caller's.  -1: no memory. */
int disagg_gzip_new(struct disagg_gzip **ret, int fd, struct disagg_err *err);
/* -1 with errno, as write(2). */
int disagg_gzip_put(struct disagg_gzip *gzip, const void *bytes, size_t len);
int disagg_gzip_finish(struct disagg_gzip *gzip);
void disagg_gzip_free(struct disagg_gzip *gzip); /* NULL is fine */

#endif
