/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/hostlist.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DIGITS 15u

/* A name is a stem and the digits it ends in. */
static size_t stem_of(const char *name)
{
	size_t len = strlen(name), stem = len;

	while (stem > 0 && len - stem < MOST_DIGITS && name[stem - 1] >= '0' &&
		name[stem - 1] <= '9')
		stem--;
	return stem;
}

static long long number_of(const char *digits)
{
	long long number = 0;

	for (; *digits; digits++)
		number = number * 10 + (*digits - '0');
	return number;
}

int disagg_hostlist_compare(const char *a, const char *b)
{
	size_t left = stem_of(a), right = stem_of(b);
	int order = strncmp(a, b, left < right ? left : right);
	long long less;

	if (order == 0 && left != right)
		return left < right ? -1 : 1;
	if (order != 0)
		return order;
	less = number_of(a + left) - number_of(b + right);
	if (less != 0)
		return less < 0 ? -1 : 1;
	return strcmp(a, b);
}

static int compare(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return disagg_hostlist_compare(*left, *right);
}

/* "n07" goes on after "n06", and "n10" after "n9", but no padded one after one that is not. */
static bool is_next(const char *name, const char *next)
{
	size_t stem = stem_of(name);
	bool same_width = strlen(name) == strlen(next) || next[stem] != '0';

	return same_width && number_of(next + stem) == number_of(name + stem) + 1;
}

static bool is_family(const char *a, const char *b)
{
	size_t stem = stem_of(a);

	return a[stem] && stem_of(b) == stem && b[stem] && strncmp(a, b, stem) == 0;
}

/* The names [first, end) of one stem. */
static void put_family(struct disagg_strbuf *out, const char *const *name, size_t count)
{
	size_t stem = stem_of(name[0]);

	if (count == 1) {
		disagg_strbuf_puts(out, name[0]);
		return;
	}
	disagg_strbuf_add(out, name[0], stem);
	disagg_strbuf_putc(out, '[');
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && is_next(name[end - 1], name[end]); end++)
			;
		if (i > 0)
			disagg_strbuf_putc(out, ',');
		disagg_strbuf_puts(out, name[i] + stem);
		if (end - i > 1) {
			disagg_strbuf_putc(out, end - i > 2 ? '-' : ',');
			disagg_strbuf_puts(out, name[end - 1] + stem);
		}
	}
	disagg_strbuf_putc(out, ']');
}

void disagg_hostlist_fold(struct disagg_strbuf *out, const char **name, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(name, count, sizeof(*name), compare);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(name[i], name[kept - 1]) != 0)
			name[kept++] = name[i];
	for (size_t i = 0, end; i < kept; i = end) {
		for (end = i + 1; end < kept && is_family(name[i], name[end]); end++)
			;
		if (i > 0)
			disagg_strbuf_putc(out, ',');
		put_family(out, name + i, end - i);
	}
}
