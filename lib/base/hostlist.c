/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/hostlist.h"

#include "lib/base/limits.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAME     256u /* with the NUL; HOST_NAME_MAX and more */
#define MAX_BRACKETS 8u
#define MAX_DIGITS   18u

struct expander {
	struct disagg_arena *arena;
	struct disagg_err *err;
	const char *text; /* the whole, for messages */
	struct disagg_hostlist list;
	unsigned size;
	char name[MAX_NAME]; /* what is built */
};

static int malformed(struct expander *ex, const char *at, const char *expected)
{
	return disagg_err_set(ex->err, DISAGG_CONFIG,
		"cannot read the host list '%.200s': expected %s at character %zu", ex->text,
		expected, (size_t)(at - ex->text) + 1);
}

static int emit(struct expander *ex, size_t len)
{
	struct disagg_hostlist *list = &ex->list;
	const char *copy;

	if (list->count == DISAGG_MAX_HOSTLIST)
		return disagg_err_set(ex->err, DISAGG_CONFIG,
			"cannot read the host list '%.200s': it has more than %u names", ex->text,
			DISAGG_MAX_HOSTLIST);
	if (list->count == ex->size) {
		unsigned size = ex->size ? ex->size * 2 : 64;
		const char **grown =
			disagg_arena_grow(ex->arena, list->name, list->count, size, sizeof(*grown));

		if (!grown)
			return disagg_err_nomem(ex->err);
		list->name = grown;
		ex->size = size;
	}
	copy = disagg_arena_strndup(ex->arena, ex->name, len);
	if (!copy)
		return disagg_err_nomem(ex->err);
	list->name[list->count++] = copy;
	return 0;
}

static bool is_name_char(char c)
{
	return c > ' ' && c < 0x7f && !strchr(",[]", c);
}

/* One number of a range: its value and how wide it was written. */
static int read_number(struct expander *ex, const char **at, uint64_t *ret, unsigned *ret_width)
{
	const char *start = *at;
	uint64_t value = 0;
	unsigned width = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		if (++width > MAX_DIGITS)
			return malformed(ex, start, "a number of at most 18 digits");
		value = value * 10 + (uint64_t)(**at - '0');
	}
	if (!width)
		return malformed(ex, start, "a digit");
	*ret = value;
	*ret_width = width;
	return 0;
}

static int expand(struct expander *ex, const char *at, size_t len, unsigned brackets);

/* lo-hi at *at, each with all that follows the bracket (`rest`). */
static int expand_range(
	struct expander *ex, const char **at, const char *rest, size_t len, unsigned brackets)
{
	const char *start = *at;
	unsigned width, hi_width;
	uint64_t lo, hi;

	if (read_number(ex, at, &lo, &width))
		return -1;
	hi = lo;
	if (**at == '-') {
		(*at)++;
		if (read_number(ex, at, &hi, &hi_width))
			return -1;
	}
	if (hi < lo)
		return malformed(ex, start, "a range that goes up");
	for (uint64_t i = lo; i <= hi; i++) {
		int put = snprintf(ex->name + len, MAX_NAME - len, "%0*" PRIu64, (int)width, i);

		if (put < 0 || (size_t)put >= MAX_NAME - len)
			return malformed(ex, start, "a name of at most 255 characters");
		if (expand(ex, rest, len + (size_t)put, brackets))
			return -1;
	}
	return 0;
}

static int expand_bracket(struct expander *ex, const char *at, size_t len, unsigned brackets)
{
	const char *close = at + strcspn(at, "[]");

	if (*close != ']')
		return malformed(ex, close, "']'");
	if (brackets == MAX_BRACKETS)
		return malformed(ex, at, "at most 8 brackets in one name");
	for (;;) {
		if (expand_range(ex, &at, close + 1, len, brackets + 1))
			return -1;
		if (at == close)
			return 0;
		if (*at != ',')
			return malformed(ex, at, "a range, ',' or ']'");
		at++;
	}
}

/* The names that begin with the `len` bytes of ex->name and go on at `at`. */
static int expand(struct expander *ex, const char *at, size_t len, unsigned brackets)
{
	for (; is_name_char(*at); at++) {
		if (len + 1 >= MAX_NAME)
			return malformed(ex, at, "a name of at most 255 characters");
		ex->name[len++] = *at;
	}
	if (*at == '[')
		return expand_bracket(ex, at + 1, len, brackets);
	if (*at && *at != ',')
		return malformed(ex, at, "a host name");
	if (!len)
		return malformed(ex, at, "a host name");
	return emit(ex, len);
}

/* Behind the element at `at`: its comma, or the end. */
static const char *element_end(const char *at)
{
	bool inside = false;

	for (; *at && (inside || *at != ','); at++) {
		if (*at == '[' || *at == ']')
			inside = *at == '[';
	}
	return at;
}

int disagg_hostlist_parse(struct disagg_arena *arena, const char *text,
	struct disagg_hostlist *ret_list, struct disagg_err *err)
{
	struct expander ex = {.arena = arena, .err = err, .text = text};
	const char *at = text;

	for (;;) {
		if (expand(&ex, at, 0, 0))
			return -1;
		at = element_end(at);
		if (!*at)
			break;
		at++;
	}
	*ret_list = ex.list;
	return 0;
}
