/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/json.h"

#include "lib/base/num.h"
#include <inttypes.h>
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#define MOST_BYTES (16u * 1024u * 1024u)
#define MOST_DEPTH 32
#define MOST_NAME  256u

/* struct disagg_json is json-c's object under another name. */
static struct json_object *raw(const struct disagg_json *json)
{
	return (struct json_object *)(uintptr_t)json;
}

static const struct disagg_json *ours(struct json_object *object)
{
	return (const struct disagg_json *)object;
}

/* json-c gives NULL for "null" too; this stands for it. */
static const struct disagg_json *const null_node =
	(const struct disagg_json *)(const void *)&null_node;

static struct disagg_json *or_null(struct json_object *object)
{
	const struct disagg_json *node = object ? ours(object) : null_node;

	return (struct disagg_json *)(uintptr_t)node;
}

/* ---- reading ---- */

static int parse(struct json_tokener *tokener, struct json_object **ret, const char *bytes,
	size_t len, struct disagg_err *err)
{
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*ret = json_tokener_parse_ex(tokener, bytes, (int)len);
	/* a number goes on until something else comes */
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		*ret = json_tokener_parse_ex(tokener, "", 1);
	if (json_tokener_get_error(tokener) == json_tokener_success)
		return 0;
	return disagg_err_set(err, DISAGG_INVALID, "no JSON: %s at byte %zu",
		json_tokener_error_desc(json_tokener_get_error(tokener)),
		json_tokener_get_parse_end(tokener));
}

int disagg_json_parse(
	struct disagg_json **ret, const char *bytes, size_t len, struct disagg_err *err)
{
	struct json_tokener *tokener;
	struct json_object *object;
	int result;

	if (len > MOST_BYTES)
		return disagg_err_set(err, DISAGG_INVALID,
			"no JSON that is read: %zu bytes, at most %u are", len, MOST_BYTES);
	/* the strict mode takes what follows the value for an error */
	while (len && strchr(" \t\r\n", bytes[len - 1]))
		len--;
	tokener = json_tokener_new_ex(MOST_DEPTH);
	if (!tokener)
		return disagg_err_nomem(err);
	result = parse(tokener, &object, bytes, len, err);
	json_tokener_free(tokener);
	if (result == 0)
		*ret = or_null(object);
	return result;
}

void disagg_json_free(struct disagg_json *json)
{
	if (json && json != null_node)
		json_object_put(raw(json));
}

static enum json_type type_of(const struct disagg_json *json)
{
	if (!json || json == null_node)
		return json_type_null;
	return json_object_get_type(raw(json));
}

enum disagg_json_kind disagg_json_kind(const struct disagg_json *json)
{
	static const enum disagg_json_kind kinds[] = {
		[json_type_null] = DISAGG_JSON_NULL,
		[json_type_boolean] = DISAGG_JSON_BOOL,
		[json_type_double] = DISAGG_JSON_NUMBER,
		[json_type_int] = DISAGG_JSON_NUMBER,
		[json_type_object] = DISAGG_JSON_OBJECT,
		[json_type_array] = DISAGG_JSON_ARRAY,
		[json_type_string] = DISAGG_JSON_TEXT,
	};

	return json ? kinds[type_of(json)] : DISAGG_JSON_MISSING;
}

static const struct disagg_json *member(const struct disagg_json *json, const char *name)
{
	struct json_object *found;
	int64_t index;

	if (type_of(json) == json_type_object)
		return json_object_object_get_ex(raw(json), name, &found) ? or_null(found) : NULL;
	if (disagg_num_int(name, 0, INT32_MAX, &index))
		return NULL;
	return disagg_json_item(json, (size_t)index);
}

const struct disagg_json *disagg_json_at(const struct disagg_json *json, const char *path)
{
	while (json) {
		size_t len = strcspn(path, ".");
		char name[MOST_NAME];

		if (len >= sizeof(name))
			return NULL;
		memcpy(name, path, len);
		name[len] = '\0';
		json = member(json, name);
		if (!path[len])
			break;
		path += len + 1;
	}
	return json;
}

size_t disagg_json_count(const struct disagg_json *json)
{
	return type_of(json) == json_type_array ? json_object_array_length(raw(json)) : 0;
}

const struct disagg_json *disagg_json_item(const struct disagg_json *json, size_t index)
{
	if (index >= disagg_json_count(json))
		return NULL;
	return or_null(json_object_array_get_idx(raw(json), index));
}

const char *disagg_json_text(const struct disagg_json *json)
{
	return type_of(json) == json_type_string ? json_object_get_string(raw(json)) : NULL;
}

int disagg_json_int(const struct disagg_json *json, int64_t *ret)
{
	if (type_of(json) != json_type_int)
		return -1;
	*ret = json_object_get_int64(raw(json));
	return 0;
}

int disagg_json_real(const struct disagg_json *json, double *ret)
{
	enum json_type type = type_of(json);

	if (type != json_type_int && type != json_type_double)
		return -1;
	*ret = json_object_get_double(raw(json));
	return 0;
}

bool disagg_json_is_true(const struct disagg_json *json)
{
	return type_of(json) == json_type_boolean && json_object_get_boolean(raw(json));
}

bool disagg_json_equals(const struct disagg_json *json, const char *value)
{
	const char *text;

	if (!json || type_of(json) == json_type_array || type_of(json) == json_type_object)
		return false;
	if (json == null_node)
		return strcmp(value, "null") == 0;
	text = json_object_get_string(raw(json));
	return text && strcmp(text, value) == 0;
}

/* ---- writing ---- */

static void put_name(struct disagg_json_writer *writer, const char *name)
{
	if (writer->needs_comma)
		disagg_strbuf_putc(writer->out, ',');
	writer->needs_comma = true;
	if (!name)
		return;
	disagg_strbuf_json(writer->out, name);
	disagg_strbuf_putc(writer->out, ':');
}

void disagg_json_begin(struct disagg_json_writer *writer, const char *name, char bracket)
{
	put_name(writer, name);
	disagg_strbuf_putc(writer->out, bracket);
	writer->needs_comma = false;
}

void disagg_json_end(struct disagg_json_writer *writer, char bracket)
{
	disagg_strbuf_putc(writer->out, bracket);
	writer->needs_comma = true;
}

void disagg_json_put_text(struct disagg_json_writer *writer, const char *name, const char *value)
{
	put_name(writer, name);
	if (value)
		disagg_strbuf_json(writer->out, value);
	else
		disagg_strbuf_puts(writer->out, "null");
}

void disagg_json_put_int(struct disagg_json_writer *writer, const char *name, int64_t value)
{
	put_name(writer, name);
	disagg_strbuf_printf(writer->out, "%" PRId64, value);
}

/* Of millions of numbers printf is most of the time that a report takes: what is short
 * is written here, and as printf would. */
#define FIGURES	    6
#define MOST_SCALED 4e12 /* the rounding error of a product up to it is below NEAR_TIE */
#define NEAR_TIE    0.001

static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

#define POWERS (sizeof(powers) / sizeof(*powers))

/* The number that is value * power when rounded; false where the product's own rounding
 * may matter, and printf is to do it. */
static bool round_scaled(double value, double power, uint64_t *ret)
{
	double scaled = value * power, whole = floor(scaled), rest = scaled - whole;

	if (signbit(value) || scaled > MOST_SCALED || fabs(rest - 0.5) < NEAR_TIE)
		return false;
	*ret = (uint64_t)whole + (rest > 0.5);
	return true;
}

/* Of so many digits the last `digits` behind the point. */
static void put_digits(struct disagg_strbuf *out, uint64_t number, unsigned digits)
{
	char text[32], *at = text + sizeof(text);

	for (unsigned done = 0; number > 0 || done <= digits; done++) {
		if (done == digits && digits > 0)
			*--at = '.';
		*--at = (char)('0' + number % 10);
		number /= 10;
	}
	disagg_strbuf_add(out, at, (size_t)(text + sizeof(text) - at));
}

/* As %.6g has it, where that is no exponent. */
static bool put_figures(struct disagg_strbuf *out, double value)
{
	double size = fabs(value), least = 1;
	unsigned digits = FIGURES - 1;
	uint64_t number;

	if (size < 1e-4 || size >= powers[FIGURES])
		return false;
	for (; size < least; least /= 10)
		digits++;
	for (; digits > 0 && size >= 10 * least; least *= 10)
		digits--;
	if (!round_scaled(size, powers[digits], &number) || number < powers[FIGURES - 1] ||
		number >= powers[FIGURES])
		return false;
	for (; digits > 0 && number % 10 == 0; digits--)
		number /= 10;
	if (value < 0)
		disagg_strbuf_putc(out, '-');
	put_digits(out, number, digits);
	return true;
}

void disagg_json_put_real(struct disagg_json_writer *writer, const char *name, double value)
{
	put_name(writer, name);
	if (!isfinite(value))
		disagg_strbuf_puts(writer->out, "null");
	else if (!put_figures(writer->out, value))
		disagg_strbuf_printf(writer->out, "%.*g", FIGURES, value);
}

void disagg_json_put_fixed(
	struct disagg_json_writer *writer, const char *name, double value, int digits)
{
	uint64_t number;

	put_name(writer, name);
	if (!isfinite(value))
		disagg_strbuf_puts(writer->out, "null");
	else if (digits >= 0 && (size_t)digits < POWERS &&
		 round_scaled(value, powers[digits], &number))
		put_digits(writer->out, number, (unsigned)digits);
	else
		disagg_strbuf_printf(writer->out, "%.*f", digits, value);
}

void disagg_json_put_bool(struct disagg_json_writer *writer, const char *name, bool value)
{
	put_name(writer, name);
	disagg_strbuf_puts(writer->out, value ? "true" : "false");
}
