/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_HELPER_H
#define DISAGG_HELPERS_HELPER_H

#include "lib/conf/findings.h"
#include "lib/base/strbuf.h"
#include <stdbool.h>

/*
 * What every helper's main shares: options from a table, --help and --version
 * from the same table, messages, exit codes.
 */
enum helper_arg { HELPER_FLAG, HELPER_VALUE };

struct helper_option {
	const char *name; /* long, without dashes */
	int id;		  /* above 255, or the letter of a short form */
	enum helper_arg arg;
	const char *value; /* "FILE"; NULL for a flag */
	const char *doc;
};

struct helper {
	const char *name;     /* "disagg-plan" */
	const char *synopsis; /* behind the name */
	const char *about;    /* paragraphs */
	const struct helper_option
		*option;	 /* ends with name NULL; --help and --version are added */
	const char *examples;	 /* lines */
	const char *environment; /* lines; may be NULL */
	const char *exits;	 /* lines */
	const char *features;	 /* what --version says is built in */
};

/* Called for each option in order; not 0 ends the parse with that exit code. */
typedef int helper_take(void *context, int id, const char *value);

/*
 * Reads argv.  -1: go on, *ret_first is the first operand.  Otherwise the exit
 * code of main: 0 after --help or --version, DISAGG_USAGE with a message out.
 */
int helper_parse(const struct helper *helper, int argc, char **argv, helper_take *take,
	void *context, int *ret_first);

/* "NAME: text" and where to read more, on stderr; returns DISAGG_USAGE. */
int helper_usage(const struct helper *helper, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "NAME: text" on stderr; returns `code`. */
int helper_fail(const struct helper *helper, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int helper_fail_err(const struct helper *helper, const struct disagg_err *err);

/* The index of `word` in names (which end with NULL), or a usage error. -1:
 * the message is out. */
int helper_choice(const struct helper *helper, const char *option, const char *const *names,
	const char *word);

/* Whether stdout takes colour: a terminal, and NO_COLOR is not set. */
bool helper_colour(void);

/* "file:line:col: text" and "file:line:col: warning: text" on stderr, in the
 * order of the file; what is over the limits is counted. */
void helper_findings(struct disagg_findings *found);

/* To stdout, whole; 0, or DISAGG_SYSTEM with a message out. */
int helper_print(const struct helper *helper, const struct disagg_strbuf *out);

#endif
