/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_BASE_STRBUF_H
#define DISAGG_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A growing string with a cap.  Failure is sticky: after memory or the cap has
 * run out every further append is a no-op, so a writer checks `failed` once.
 * `text` is never NULL and always terminated.
 */
struct disagg_strbuf {
	char *text;
	size_t len;
	size_t size;
	size_t limit; /* bytes with the NUL */
	bool failed;
};

/* limit 0: DISAGG_MAX_ARENA_BYTES */
void disagg_strbuf_init(struct disagg_strbuf *buf, size_t limit);
void disagg_strbuf_add(struct disagg_strbuf *buf, const char *bytes, size_t len);
void disagg_strbuf_puts(struct disagg_strbuf *buf, const char *text);
void disagg_strbuf_putc(struct disagg_strbuf *buf, char c);
void disagg_strbuf_printf(struct disagg_strbuf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* "text" with JSON's escapes and the quotes; invalid UTF-8 becomes U+FFFD. */
void disagg_strbuf_json(struct disagg_strbuf *buf, const char *text);
void disagg_strbuf_clear(struct disagg_strbuf *buf);
void disagg_strbuf_release(struct disagg_strbuf *buf);

#endif
