/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"
#include "lib/base/num.h"
#include <string.h>

#define MOST_DEPTH 64u

struct reader {
	const char *at, *end;
	unsigned depth;
};

static void skip_blanks(struct reader *in)
{
	while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at)
		in->at++;
}

/* The next byte that is not blank, without taking it; NUL at the end. */
static char peek(struct reader *in)
{
	skip_blanks(in);
	return in->at < in->end ? *in->at : '\0';
}

static bool take(struct reader *in, char c)
{
	if (peek(in) != c)
		return false;
	in->at++;
	return true;
}

static bool take_word(struct reader *in, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0)
		return false;
	in->at += len;
	return true;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool take_escape(struct reader *in)
{
	if (in->at >= in->end)
		return false;
	if (*in->at != 'u')
		return *in->at && strchr("\"\\/bfnrt", *in->at++);
	in->at++;
	for (int i = 0; i < 4; i++, in->at++) {
		if (in->at >= in->end || !is_hex(*in->at))
			return false;
	}
	return true;
}

static bool read_string(struct reader *in, struct sim_json *ret)
{
	if (!take(in, '"'))
		return false;
	ret->kind = SIM_JSON_STRING;
	ret->text = in->at;
	while (in->at < in->end && *in->at != '"') {
		unsigned char c = (unsigned char)*in->at++;

		if (c < 0x20 || (c == '\\' && !take_escape(in)))
			return false;
	}
	ret->len = (size_t)(in->at - ret->text);
	return take(in, '"');
}

static bool take_digits(struct reader *in)
{
	const char *start = in->at;

	while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
		in->at++;
	return in->at > start;
}

static bool read_number(struct reader *in, struct sim_json *ret)
{
	ret->kind = SIM_JSON_NUMBER;
	ret->text = in->at;
	take_word(in, "-");
	if (!take_word(in, "0") && !take_digits(in))
		return false;
	if (take_word(in, ".") && !take_digits(in))
		return false;
	if (in->at < in->end && (*in->at == 'e' || *in->at == 'E')) {
		in->at++;
		if (in->at < in->end && (*in->at == '+' || *in->at == '-'))
			in->at++;
		if (!take_digits(in))
			return false;
	}
	ret->len = (size_t)(in->at - ret->text);
	return true;
}

static bool read_value(struct reader *in, struct sim_json *ret);

static bool read_items(struct reader *in, struct sim_json *ret)
{
	if (take(in, ']'))
		return true;
	do {
		struct sim_json item = {.key = NULL};

		if (!read_value(in, &item))
			return false;
		if (!ret->items) {
			ret->first_kind = item.kind;
			ret->first_len = item.len;
		}
		ret->items++;
	} while (take(in, ','));
	return take(in, ']');
}

static void keep(struct sim_json *field, const struct sim_json *name, const struct sim_json *value)
{
	for (; field && field->key; field++) {
		if (strlen(field->key) == name->len &&
			memcmp(field->key, name->text, name->len) == 0) {
			const char *key = field->key;

			*field = *value;
			field->key = key;
		}
	}
}

static bool read_members(struct reader *in, struct sim_json *field)
{
	if (take(in, '}'))
		return true;
	do {
		struct sim_json name = {.key = NULL}, value = {.key = NULL};

		if (!read_string(in, &name) || !take(in, ':') || !read_value(in, &value))
			return false;
		keep(field, &name, &value);
	} while (take(in, ','));
	return take(in, '}');
}

static bool read_inside(struct reader *in, struct sim_json *ret, enum sim_json_kind kind)
{
	bool good;

	if (in->depth >= MOST_DEPTH)
		return false;
	in->depth++;
	ret->kind = kind;
	ret->text = in->at++;
	good = kind == SIM_JSON_ARRAY ? read_items(in, ret) : read_members(in, NULL);
	in->depth--;
	ret->len = (size_t)(in->at - ret->text);
	return good;
}

static bool read_value(struct reader *in, struct sim_json *ret)
{
	switch (peek(in)) {
	case '{':
		return read_inside(in, ret, SIM_JSON_OBJECT);
	case '[':
		return read_inside(in, ret, SIM_JSON_ARRAY);
	case '"':
		return read_string(in, ret);
	case 't':
		ret->kind = SIM_JSON_TRUE;
		return take_word(in, "true");
	case 'f':
		ret->kind = SIM_JSON_FALSE;
		return take_word(in, "false");
	case 'n':
		ret->kind = SIM_JSON_NULL;
		return take_word(in, "null");
	default:
		return read_number(in, ret);
	}
}

bool sim_json_object(const char *text, size_t len, struct sim_json *field)
{
	struct reader in = {.at = text, .end = text + len};

	if (!take(&in, '{') || !read_members(&in, field))
		return false;
	skip_blanks(&in);
	return in.at == in.end;
}

bool sim_json_number(const struct sim_json *value, double *ret)
{
	char text[64];

	if (value->kind != SIM_JSON_NUMBER || value->len >= sizeof(text))
		return false;
	memcpy(text, value->text, value->len);
	text[value->len] = '\0';
	return disagg_num_real(text, ret) == 0;
}

bool sim_json_text(const struct sim_json *value, char *buf, size_t size)
{
	if (value->kind != SIM_JSON_STRING || value->len >= size)
		return false;
	memcpy(buf, value->text, value->len);
	buf[value->len] = '\0';
	return true;
}
