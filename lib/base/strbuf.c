/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/strbuf.h"

#include "lib/base/arena.h"
#include "lib/base/limits.h"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE ((size_t)256)

/* What `text` is before the first byte; size 0 says that it is not ours. */
static char *nothing(void)
{
	return (char *)(uintptr_t) "";
}

void disagg_strbuf_init(struct disagg_strbuf *buf, size_t limit)
{
	buf->text = nothing();
	buf->len = 0;
	buf->size = 0;
	buf->limit = limit ? limit : DISAGG_MAX_ARENA_BYTES;
	buf->failed = false;
}

/* Room for `more` bytes and the NUL; false and failed when there is none. */
static bool reserve(struct disagg_strbuf *buf, size_t more)
{
	size_t size = buf->size ? buf->size : FIRST_SIZE;
	char *text;

	if (buf->failed)
		return false;
	buf->failed = true;
	if (more >= buf->limit || buf->len >= buf->limit - more)
		return false;
	while (size <= buf->len + more)
		size = size > buf->limit / 2 ? buf->limit : size * 2;
	if (size != buf->size) {
		text = disagg_raw_realloc(buf->size ? buf->text : NULL, size);
		if (!text)
			return false;
		text[buf->len] = '\0';
		buf->text = text;
		buf->size = size;
	}
	buf->failed = false;
	return true;
}

void disagg_strbuf_add(struct disagg_strbuf *buf, const char *bytes, size_t len)
{
	if (!len || !reserve(buf, len))
		return;
	memcpy(buf->text + buf->len, bytes, len);
	buf->len += len;
	buf->text[buf->len] = '\0';
}

void disagg_strbuf_puts(struct disagg_strbuf *buf, const char *text)
{
	disagg_strbuf_add(buf, text, strlen(text));
}

void disagg_strbuf_putc(struct disagg_strbuf *buf, char c)
{
	disagg_strbuf_add(buf, &c, 1);
}

void disagg_strbuf_printf(struct disagg_strbuf *buf, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		buf->failed = true;
	if (len <= 0 || !reserve(buf, (size_t)len))
		return;
	va_start(args, fmt);
	vsnprintf(buf->text + buf->len, (size_t)len + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)len;
}

/* How many bytes a sequence has that begins with `lead`; 0: no such. */
static unsigned utf8_length(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

/* The character at `text` and its length; 0 where it is not UTF-8. */
static unsigned utf8_read(const unsigned char *text, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned len = utf8_length(*text);
	uint32_t value = len < 2 ? *text : *text & (0x7fu >> len);

	for (unsigned i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3fu);
	}
	if (!len || value < least[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*ret = value;
	return len;
}

/*
 * Beside what JSON wants escaped: what YAML does not take as it is (DEL, C1,
 * the byte order mark) or takes for the end of a line, since our own reader is
 * a YAML one.
 */
static bool needs_escape(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
	       c == 0xfffe || c == 0xffff;
}

static void json_char(struct disagg_strbuf *buf, uint32_t c, const char *bytes, unsigned len)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *at = c && c < 0x80 ? strchr(from, (int)c) : NULL;
	char pair[2] = {'\\', '\0'};

	if (at) {
		pair[1] = to[at - from];
		disagg_strbuf_add(buf, pair, sizeof(pair));
	} else if (needs_escape(c)) {
		disagg_strbuf_printf(buf, "\\u%04x", (unsigned)c);
	} else {
		disagg_strbuf_add(buf, bytes, len);
	}
}

static bool json_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void disagg_strbuf_json(struct disagg_strbuf *buf, const char *text)
{
	disagg_strbuf_putc(buf, '"');
	while (*text) {
		uint32_t c = 0;
		unsigned len = 0;
		size_t plain = 0;

		while (json_plain((unsigned char)text[plain]))
			plain++;
		disagg_strbuf_add(buf, text, plain);
		text += plain;
		if (!*text)
			break;
		len = utf8_read((const unsigned char *)text, &c);
		if (len)
			json_char(buf, c, text, len);
		else
			disagg_strbuf_puts(buf, "\xef\xbf\xbd");
		text += len ? len : 1;
	}
	disagg_strbuf_putc(buf, '"');
}

void disagg_strbuf_clear(struct disagg_strbuf *buf)
{
	if (buf->size)
		buf->text[0] = '\0';
	buf->len = 0;
	buf->failed = false;
}

void disagg_strbuf_release(struct disagg_strbuf *buf)
{
	if (buf->size)
		free(buf->text);
	disagg_strbuf_init(buf, buf->limit);
}
