/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_BASE_ERR_H
#define DISAGG_BASE_ERR_H

#include <stddef.h>

/*
 * An error lives in the caller's storage: no allocation, no ownership, and it
 * works when memory has run out.  Success leaves it untouched.
 *
 * Text: lower case, no full stop, what failed first, the subject in '...',
 * what was expected, the fix where it is known.
 */

/* The codes are the helpers' exit codes (disagg(7)). */
enum disagg_code {
	DISAGG_OK = 0,
	DISAGG_CHECK = 1,   /* a verdict, not a fault */
	DISAGG_USAGE = 2,   /* the command line */
	DISAGG_CONFIG = 3,  /* the configuration */
	DISAGG_MISSING = 4, /* a resource that is not there */
	DISAGG_SYSTEM = 5,  /* a system call, memory */
	DISAGG_TIMEOUT = 6,
	DISAGG_DIED = 7,    /* a worker ended */
	DISAGG_INVALID = 8, /* a result that means nothing, or is unknown */
	DISAGG_SKIPPED = 77,
};

struct disagg_err {
	enum disagg_code code;
	int sys;	/* errno where a system call failed, else 0 */
	unsigned line;	/* 1-based; 0: no position */
	unsigned col;	/* 1-based */
	char file[256]; /* "" where there is none */
	char text[512];
};

#define DISAGG_ERR_INIT                                                                            \
	{                                                                                          \
		.code = DISAGG_OK                                                                  \
	}

/* Each fills err (which may be NULL), keeps errno, and returns -1, so that a
 * caller can write `return disagg_err_set(...)`.  A text that is too long ends
 * in "...". */
int disagg_err_set(struct disagg_err *err, enum disagg_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with a position; file may be NULL. */
int disagg_err_at(struct disagg_err *err, enum disagg_code code, const char *file, unsigned line,
	unsigned col, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* DISAGG_SYSTEM, with ": " and the text of errno behind the message. */
int disagg_err_sys(struct disagg_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* DISAGG_SYSTEM: out of memory (or over an arena's limit). */
int disagg_err_nomem(struct disagg_err *err);

/* Puts "fmt: " before the text: the outermost context reads first. */
int disagg_err_wrap(struct disagg_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Shows as '?' what a terminal would obey and a log would take for another
 * line: control characters, of which only the tab stays.  The texts of errors
 * are tame already. */
void disagg_text_tame(char *text);

/* "file:line:col: text", "file: text" or "text" into buf; always terminated.
 * Returns the length the whole text has, as snprintf does. */
int disagg_err_format(const struct disagg_err *err, char *buf, size_t size);

#endif
