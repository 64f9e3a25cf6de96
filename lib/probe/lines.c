/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/lines.h"

#include "lib/base/arena.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_BYTES 4096u

/* Makes room behind what waits; -1: the line is too long, or no memory. */
static int make_room(struct disagg_lines *lines)
{
	size_t size = lines->size ? lines->size * 2 : FIRST_BYTES;
	char *grown;

	if (lines->start) {
		memmove(lines->bytes, lines->bytes + lines->start, lines->len - lines->start);
		lines->len -= lines->start;
		lines->start = 0;
	}
	if (lines->len < lines->size)
		return 0;
	if (lines->len >= lines->limit)
		return -1;
	if (size > lines->limit)
		size = lines->limit;
	grown = disagg_raw_realloc(lines->bytes, size);
	if (!grown)
		return -1;
	lines->bytes = grown;
	lines->size = size;
	return 0;
}

enum disagg_lines_got disagg_lines_fill(struct disagg_lines *lines, int fd)
{
	ssize_t got;

	if (lines->too_long || make_room(lines)) {
		lines->too_long = true;
		return DISAGG_LINES_FULL;
	}
	do
		got = read(fd, lines->bytes + lines->len, lines->size - lines->len);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		lines->len += (size_t)got;
		return DISAGG_LINES_SOME;
	}
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return DISAGG_LINES_LATER;
	return DISAGG_LINES_END;
}

char *disagg_lines_next(struct disagg_lines *lines, size_t *ret_len)
{
	size_t waiting = lines->len - lines->start;
	char *line = waiting ? lines->bytes + lines->start : NULL;
	char *end = waiting ? memchr(line, '\n', waiting) : NULL;

	if (end) {
		*end = '\0';
		*ret_len = (size_t)(end - line);
		lines->start += *ret_len + 1;
		return line;
	}
	if (!waiting)
		disagg_lines_release(lines);
	return NULL;
}

void disagg_lines_release(struct disagg_lines *lines)
{
	free(lines->bytes);
	lines->bytes = NULL;
	lines->start = lines->len = lines->size = 0;
}
