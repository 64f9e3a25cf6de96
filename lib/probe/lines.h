/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_LINES_H
#define DISAGG_PROBE_LINES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Lines out of a descriptor that does not block, each at most `limit` bytes
 * with its newline.  Memory is held only while part of a line waits.
 */
struct disagg_lines {
	size_t limit;
	char *bytes;
	size_t start, len, size; /* what is not given out yet: bytes[start, len) */
	bool too_long;		 /* a line over the limit: nothing more is read */
};

enum disagg_lines_got {
	DISAGG_LINES_SOME,  /* bytes came: ask for lines */
	DISAGG_LINES_LATER, /* nothing now */
	DISAGG_LINES_END,   /* the other side has closed, or the descriptor failed */
	DISAGG_LINES_FULL,  /* a line is too long, or no memory */
};

/* One read. */
enum disagg_lines_got disagg_lines_fill(struct disagg_lines *lines, int fd);

/* The next line, its newline replaced by a NUL, valid until the next fill; NULL: no whole one. */
char *disagg_lines_next(struct disagg_lines *lines, size_t *ret_len);

void disagg_lines_release(struct disagg_lines *lines);

#endif
