/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_fold.h"

#include <string.h>

#define LEAST	   12u /* columns of a table's column that is made narrower */
#define LEAST_LAST 24u /* of the last, which is so before the others are */

static bool is_first_byte(char c)
{
	return (c & 0xc0) != 0x80;
}

size_t report_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += is_first_byte(*text);
	return width;
}

size_t report_fold(const char *text, size_t width, bool hard)
{
	size_t columns = 0, fits = 0, at;

	width = width ? width : 1;
	for (at = 0; text[at]; at++) {
		columns += is_first_byte(text[at]);
		if (text[at] == ' ' && at > 0 && (columns <= width + 1 || !fits))
			fits = at;
		if (columns > width && (fits || hard))
			break;
		if (text[at] == ',' && columns <= width)
			fits = at + 1;
	}
	if (columns <= width)
		return at;
	if (fits)
		return fits;
	return text[at] && at > 0 ? at : strlen(text);
}

void report_put_folded(struct disagg_strbuf *out, const char *text, unsigned at, unsigned indent)
{
	while (*text) {
		size_t width = at < REPORT_WIDTH ? REPORT_WIDTH - at : 1;
		size_t len = report_fold(text, width, false);

		disagg_strbuf_printf(out, "%.*s", (int)len, text);
		text += len;
		text += strspn(text, " ");
		at = indent;
		if (*text)
			disagg_strbuf_printf(out, "\n%*s", (int)indent, "");
	}
}

void report_fit(size_t *width, unsigned columns)
{
	for (;;) {
		size_t all = 2 * (columns - 1);
		unsigned widest = 0;

		for (unsigned c = 0; c < columns; c++) {
			all += width[c];
			if (width[c] > width[widest])
				widest = c;
		}
		if (width[columns - 1] > LEAST_LAST)
			widest = columns - 1;
		if (all <= REPORT_WIDTH || width[widest] <= LEAST)
			return;
		width[widest]--;
	}
}
