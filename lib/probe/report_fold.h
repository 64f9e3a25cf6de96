/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_REPORT_FOLD_H
#define DISAGG_PROBE_REPORT_FOLD_H

#include "lib/base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>

/* Text in lines that a terminal shows whole.  A character counts as one column. */
#define REPORT_WIDTH 80u

/* Columns of the text. */
size_t report_width(const char *text);

/*
 * How many bytes of the text go on a line of `width` columns, up to a space or behind a
 * comma.  A word that is longer stays whole, but where `hard` is given it is cut.
 * At least one byte of a text that is not empty.
 */
size_t report_fold(const char *text, size_t width, bool hard);

/* The text from column `at` on, its further lines indented; no newline at its end. */
void report_put_folded(struct disagg_strbuf *out, const char *text, unsigned at, unsigned indent);

/* Makes the last column narrower, 24 at least, then the widest ones, 12 at least, until a line of
 * them with two spaces between fits. */
void report_fit(size_t *width, unsigned columns);

#endif
