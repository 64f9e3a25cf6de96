/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void mark_cut(char *buf, size_t size)
{
	memcpy(buf + size - 4, "...", 4);
}

void disagg_text_tame(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0; /* in UTF-8 */

		if (c1)
			c[1] = '?';
		if (c1 || (*c < ' ' && *c != '\t') || *c == 0x7f)
			*c = '?';
	}
}

static void set_text(struct disagg_err *err, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

/* By way of a copy, because an argument may be err->text itself. */
static void set_text(struct disagg_err *err, const char *fmt, va_list args)
{
	char text[sizeof(err->text)];
	int len = vsnprintf(text, sizeof(text), fmt, args);

	if (len < 0)
		text[0] = '\0';
	else if ((size_t)len >= sizeof(text))
		mark_cut(text, sizeof(text));
	disagg_text_tame(text);
	memcpy(err->text, text, sizeof(text));
}

/* Of a path that is too long the end says more than the beginning. */
static void set_file(struct disagg_err *err, const char *file)
{
	char copy[sizeof(err->file)];
	size_t len = file ? strlen(file) : 0;

	if (len < sizeof(copy)) {
		memcpy(copy, file ? file : "", len + 1);
	} else {
		memcpy(copy, "...", 3);
		memcpy(copy + 3, file + len - (sizeof(copy) - 4), sizeof(copy) - 3);
	}
	disagg_text_tame(copy);
	memcpy(err->file, copy, sizeof(copy));
}

int disagg_err_set(struct disagg_err *err, enum disagg_code code, const char *fmt, ...)
{
	int saved = errno;
	va_list args;

	if (!err)
		return -1;
	va_start(args, fmt);
	set_text(err, fmt, args);
	va_end(args);
	err->code = code;
	err->sys = 0;
	err->line = err->col = 0;
	err->file[0] = '\0';
	errno = saved;
	return -1;
}

int disagg_err_at(struct disagg_err *err, enum disagg_code code, const char *file, unsigned line,
	unsigned col, const char *fmt, ...)
{
	int saved = errno;
	va_list args;

	if (!err)
		return -1;
	va_start(args, fmt);
	set_text(err, fmt, args);
	va_end(args);
	err->code = code;
	err->sys = 0;
	err->line = line;
	err->col = col;
	set_file(err, file);
	errno = saved;
	return -1;
}

static void append(struct disagg_err *err, const char *tail)
{
	size_t used = strlen(err->text);
	int len = snprintf(err->text + used, sizeof(err->text) - used, "%s", tail);

	if (len >= 0 && (size_t)len >= sizeof(err->text) - used)
		mark_cut(err->text, sizeof(err->text));
}

int disagg_err_sys(struct disagg_err *err, const char *fmt, ...)
{
	int saved = errno;
	char reason[128];
	va_list args;

	if (!err)
		return -1;
	va_start(args, fmt);
	set_text(err, fmt, args);
	va_end(args);
	append(err, ": ");
	append(err, strerror_r(saved, reason, sizeof(reason)));
	err->code = DISAGG_SYSTEM;
	err->sys = saved;
	err->line = err->col = 0;
	err->file[0] = '\0';
	errno = saved;
	return -1;
}

int disagg_err_nomem(struct disagg_err *err)
{
	return disagg_err_set(err, DISAGG_SYSTEM, "out of memory");
}

int disagg_err_wrap(struct disagg_err *err, const char *fmt, ...)
{
	int saved = errno;
	char inner[sizeof(err->text)];
	va_list args;

	if (!err)
		return -1;
	memcpy(inner, err->text, sizeof(inner));
	va_start(args, fmt);
	set_text(err, fmt, args);
	va_end(args);
	append(err, ": ");
	append(err, inner);
	errno = saved;
	return -1;
}

static int put_all(const struct disagg_err *err, char *buf, size_t size)
{
	if (err->file[0] && err->line)
		return snprintf(
			buf, size, "%s:%u:%u: %s", err->file, err->line, err->col, err->text);
	if (err->file[0])
		return snprintf(buf, size, "%s: %s", err->file, err->text);
	return snprintf(buf, size, "%s", err->text);
}

int disagg_err_format(const struct disagg_err *err, char *buf, size_t size)
{
	int len = put_all(err, buf, size);

	/* its fields can be written to by hand */
	if (size)
		disagg_text_tame(buf);
	return len;
}
