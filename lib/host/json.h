/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_JSON_H
#define DISAGG_HOST_JSON_H

#include "lib/base/err.h"
#include "lib/base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * JSON that another machine wrote: one value, bounded in bytes and depth, read
 * only.  A missing node is NULL, and every reader accepts NULL.  The only user
 * of json-c.
 */
struct disagg_json;

enum disagg_json_kind {
	DISAGG_JSON_MISSING,
	DISAGG_JSON_NULL,
	DISAGG_JSON_BOOL,
	DISAGG_JSON_NUMBER,
	DISAGG_JSON_TEXT,
	DISAGG_JSON_ARRAY,
	DISAGG_JSON_OBJECT,
};

/* DISAGG_INVALID where the bytes are no JSON, or too many or too deep. */
int disagg_json_parse(
	struct disagg_json **ret, const char *bytes, size_t len, struct disagg_err *err);
void disagg_json_free(struct disagg_json *json);

enum disagg_json_kind disagg_json_kind(const struct disagg_json *json);

/* "data.0.id": member names and array positions. */
const struct disagg_json *disagg_json_at(const struct disagg_json *json, const char *path);

/* Elements of an array; 0 for all else. */
size_t disagg_json_count(const struct disagg_json *json);
const struct disagg_json *disagg_json_item(const struct disagg_json *json, size_t index);

/* NULL, -1 and false where it is something else. */
const char *disagg_json_text(const struct disagg_json *json);
int disagg_json_int(const struct disagg_json *json, int64_t *ret);
int disagg_json_real(const struct disagg_json *json, double *ret);
bool disagg_json_is_true(const struct disagg_json *json);

/* Text as it is, other scalars as JSON writes them ("true", "3", "null"). */
bool disagg_json_equals(const struct disagg_json *json, const char *value);

/* ---- writing small objects ---- */

/* Puts commas and names; the text is right when as many ends as begins were
 * called.  name NULL: an element of an array, or the outermost value. */
struct disagg_json_writer {
	struct disagg_strbuf *out;
	bool needs_comma;
};

void disagg_json_begin(struct disagg_json_writer *writer, const char *name, char bracket);
void disagg_json_end(struct disagg_json_writer *writer, char bracket);
void disagg_json_put_text(
	struct disagg_json_writer *writer, const char *name, const char *value); /* NULL: null */
void disagg_json_put_int(struct disagg_json_writer *writer, const char *name, int64_t value);
void disagg_json_put_real(struct disagg_json_writer *writer, const char *name, double value);
/* With so many digits behind the point: times, which six figures cannot hold. */
void disagg_json_put_fixed(
	struct disagg_json_writer *writer, const char *name, double value, int digits);
void disagg_json_put_bool(struct disagg_json_writer *writer, const char *name, bool value);

#endif
