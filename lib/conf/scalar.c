/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/scalar.h"

#include "lib/base/num.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* No number that fits 64 bits or a double is longer, but for one that is
 * padded with zeros or `_`. */
#define MAX_NUMBER 128u

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++) {
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

static bool is_null_text(const char *text)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};

	return is_one_of(text, words);
}

static bool read_bool(const char *text, bool *ret)
{
	static const char *const yes[] = {
		"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
	static const char *const no[] = {
		"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};

	*ret = is_one_of(text, yes);
	return *ret || is_one_of(text, no);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t span(const char *text, const char *set)
{
	return strspn(text, set);
}

static const char *skip_sign(const char *text)
{
	return text + (*text == '+' || *text == '-');
}

/* Without sign and `_`; false when it does not fit. */
static bool strip(const char *text, char *buf, size_t size)
{
	size_t len = 0;

	for (; *text; text++) {
		if (*text == '_')
			continue;
		if (len + 1 >= size)
			return false;
		buf[len++] = *text;
	}
	buf[len] = '\0';
	return true;
}

/* ---- integers ---- */

static unsigned digit_value(char c)
{
	if (is_digit(c))
		return (unsigned)(c - '0');
	return (unsigned)((c | 0x20) - 'a') + 10;
}

static bool digits_value(const char *digits, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*digits)
		return false;
	for (; *digits; digits++) {
		if (__builtin_mul_overflow(value, base, &value) ||
			__builtin_add_overflow(value, digit_value(*digits), &value))
			return false;
	}
	*ret = value;
	return true;
}

/* :[0-5]?[0-9] one or more times; how many bytes, 0: none. */
static size_t sixties(const char *text)
{
	size_t len = 0;

	while (text[len] == ':' && is_digit(text[len + 1])) {
		if (text[len + 1] <= '5' && is_digit(text[len + 2]))
			len += 3;
		else
			len += 2;
	}
	return len;
}

/* "10:00:30" in base 60; the form was checked. */
static bool sixties_value(const char *text, uint64_t *ret)
{
	uint64_t total = 0, part = 0;

	for (; *text; text++) {
		if (*text == ':') {
			if (__builtin_add_overflow(total, part, &total) ||
				__builtin_mul_overflow(total, 60u, &total))
				return false;
			part = 0;
		} else if (__builtin_mul_overflow(part, 10u, &part) ||
			   __builtin_add_overflow(part, digit_value(*text), &part)) {
			return false;
		}
	}
	return !__builtin_add_overflow(total, part, ret);
}

/* The base that a text without sign is an integer of; 60 for 10:00:00, 0 where
 * it is none.  *ret_digits: where the digits begin. */
static unsigned int_base(const char *text, const char **ret_digits)
{
	static const struct {
		const char *prefix;
		const char *digits;
		unsigned base;
	} forms[] = {
		{"0b", "01_", 2}, {"0x", "0123456789abcdefABCDEF_", 16}, {"0", "01234567_", 8}};
	size_t len;

	*ret_digits = text;
	if (strcmp(text, "0") == 0)
		return 10;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t skip = strlen(forms[i].prefix);

		if (strncmp(text, forms[i].prefix, skip) != 0)
			continue;
		*ret_digits = text + skip;
		len = span(text + skip, forms[i].digits);
		if (len && !text[skip + len])
			return forms[i].base;
	}
	*ret_digits = text;
	if (*text < '1' || *text > '9')
		return 0;
	len = span(text, "0123456789_");
	if (!text[len])
		return 10;
	return sixties(text + len) && !text[len + sixties(text + len)] ? 60 : 0;
}

static bool with_sign(uint64_t size, bool negative, int64_t *ret)
{
	if (size > (uint64_t)INT64_MAX + (negative ? 1u : 0u))
		return false;
	*ret = (int64_t)(negative ? 0 - size : size);
	return true;
}

static bool read_int(const char *text, int64_t *ret, bool *ret_sixties)
{
	char digits[MAX_NUMBER];
	const char *start;
	unsigned base = int_base(skip_sign(text), &start);
	uint64_t size;

	if (!base || !strip(start, digits, sizeof(digits)))
		return false;
	/* "0_" is a zero in octal */
	if (base == 8 && !digits[0])
		size = 0;
	else if (base == 60 ? !sixties_value(digits, &size) : !digits_value(digits, base, &size))
		return false;
	*ret_sixties = base == 60;
	return with_sign(size, *text == '-', ret);
}

/* ---- reals ---- */

static bool read_special(const char *text, double *ret)
{
	static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL};
	static const char *const not_a_number[] = {".nan", ".NaN", ".NAN", NULL};

	if (is_one_of(skip_sign(text), infinite)) {
		*ret = *text == '-' ? -HUGE_VAL : HUGE_VAL;
		return true;
	}
	if (!is_one_of(text, not_a_number))
		return false;
	*ret = (double)NAN;
	return true;
}

/* [eE][-+][0-9]+ to the end, or nothing: the sign must be there. */
static bool is_exponent(const char *text)
{
	size_t len;

	if (!*text)
		return true;
	if ((*text != 'e' && *text != 'E') || (text[1] != '-' && text[1] != '+'))
		return false;
	len = span(text + 2, "0123456789");
	return len && !text[2 + len];
}

/* A real has a point: 1e-5 is a string, 1.0e-5 is none. */
static bool is_real(const char *text)
{
	const char *whole = skip_sign(text), *point;

	if (*text == '.')
		return is_digit(text[1]) && is_exponent(text + 1 + span(text + 1, "0123456789_"));
	if (!is_digit(*whole))
		return false;
	point = whole + span(whole, "0123456789_");
	return *point == '.' && is_exponent(point + 1 + span(point + 1, "0123456789_"));
}

/* "190:20:30.15"; false where it is not of that form. */
static bool read_real_sixties(const char *text, double *ret)
{
	const char *at = skip_sign(text);
	char digits[MAX_NUMBER];
	double total = 0, part;
	size_t len = span(at, "0123456789_");

	if (!is_digit(*at) || !sixties(at + len))
		return false;
	len += sixties(at + len);
	if (at[len] != '.' || at[len + 1 + span(at + len + 1, "0123456789_")] ||
		!strip(at, digits, sizeof(digits)))
		return false;
	for (char *field = digits, *colon; field; field = colon) {
		colon = strchr(field, ':');
		if (colon)
			*colon++ = '\0';
		if (disagg_num_real(field, &part))
			return false;
		total = total * 60 + part;
	}
	*ret = *text == '-' ? -total : total;
	return true;
}

static bool read_real(const char *text, double *ret)
{
	char digits[MAX_NUMBER];

	if (read_special(text, ret) || read_real_sixties(text, ret))
		return true;
	return is_real(text) && strip(text, digits, sizeof(digits)) &&
	       disagg_num_real(digits, ret) == 0;
}

/* ---- */

struct disagg_scalar disagg_scalar_read(const struct disagg_node *node)
{
	struct disagg_scalar value = {.type = DISAGG_T_STR, .text = node->text};

	if (node->quoted)
		return value;
	if (is_null_text(node->text))
		value.type = DISAGG_T_NULL;
	else if (read_bool(node->text, &value.boolean))
		value.type = DISAGG_T_BOOL;
	else if (!strchr("+-.0123456789", node->text[0]))
		return value;
	else if (read_int(node->text, &value.integer, &value.sexagesimal))
		value.type = DISAGG_T_INT;
	else if (read_real(node->text, &value.real))
		value.type = DISAGG_T_REAL;
	return value;
}

bool disagg_node_is_null(const struct disagg_node *node)
{
	return node->kind == DISAGG_SCALAR && !node->quoted && is_null_text(node->text);
}

bool disagg_text_is_placeholder(const char *text)
{
	size_t inner = *text == '<' ? strcspn(text + 1, "<>") : 0;

	return inner && text[inner + 1] == '>' && !text[inner + 2];
}

/* ---- JSON ---- */

/* -?(0|[1-9][0-9]*) and, of a real, what may follow: then the text can stay as
 * it was written, and 0.90 does not become 0.9. */
static bool is_json_number(const char *text, bool real)
{
	const char *at = text + (*text == '-');
	size_t len = span(at, "0123456789");

	if (!len || (len > 1 && *at == '0'))
		return false;
	at += len;
	if (!real)
		return !*at;
	len = *at == '.' ? span(at + 1, "0123456789") : 0;
	return len && is_exponent(at + 1 + len);
}

/* 17 digits hold every double; with a point, so that it is read as a real.
 * printf's point follows the locale, so the digits are taken apart. */
static void real_json(double value, struct disagg_strbuf *ret)
{
	char text[48], *exponent;
	bool negative = signbit(value);
	const char *digits = text + negative;
	int len = snprintf(text, sizeof(text), "%.16e", value);

	exponent = len > 0 ? strchr(text, 'e') : NULL;
	if (!exponent)
		return;
	*exponent++ = '\0';
	disagg_strbuf_printf(
		ret, "%s%c.%se%s", negative ? "-" : "", *digits, exponent - 17, exponent);
}

static void scalar_json(const struct disagg_node *node, struct disagg_strbuf *ret)
{
	struct disagg_scalar value = disagg_scalar_read(node);
	bool real = value.type == DISAGG_T_REAL;

	if (value.type == DISAGG_T_NULL)
		disagg_strbuf_puts(ret, "null");
	else if (value.type == DISAGG_T_BOOL)
		disagg_strbuf_puts(ret, value.boolean ? "true" : "false");
	else if ((real || value.type == DISAGG_T_INT) && is_json_number(node->text, real))
		disagg_strbuf_puts(ret, node->text);
	else if (value.type == DISAGG_T_INT)
		disagg_strbuf_printf(ret, "%lld", (long long)value.integer);
	else if (real && isfinite(value.real))
		real_json(value.real, ret);
	else
		disagg_strbuf_json(ret, node->text);
}

void disagg_node_json(const struct disagg_node *node, struct disagg_strbuf *ret)
{
	bool is_map = node->kind == DISAGG_MAP;

	if (node->kind == DISAGG_SCALAR) {
		scalar_json(node, ret);
		return;
	}
	disagg_strbuf_putc(ret, is_map ? '{' : '[');
	for (uint32_t i = 0; i < node->count; i++) {
		if (i)
			disagg_strbuf_putc(ret, ',');
		if (is_map) {
			disagg_strbuf_json(ret, node->pair[i].key);
			disagg_strbuf_putc(ret, ':');
		}
		disagg_node_json(is_map ? node->pair[i].value : node->item[i], ret);
	}
	disagg_strbuf_putc(ret, is_map ? '}' : ']');
}

const char *disagg_node_type_name(const struct disagg_node *node)
{
	static const char *const names[] = {
		[DISAGG_T_NULL] = "nothing",
		[DISAGG_T_BOOL] = "a boolean",
		[DISAGG_T_INT] = "an integer",
		[DISAGG_T_REAL] = "a number",
		[DISAGG_T_STR] = "a string",
	};

	if (node->kind == DISAGG_MAP)
		return "a map";
	if (node->kind == DISAGG_SEQ)
		return "a list";
	return names[disagg_scalar_read(node).type];
}
