/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/json.h"

#include "lib/host/latency.h"
#include "tests/unit/tap.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char sample[] =
	"{\"a\": {\"b\": [1, \"two\", null, true, 2.5]}, \"health\": \"true\", \"n\": -3,"
	" \"empty\": {}, \"u\": \"\\u00e9\"}\n";

static const struct {
	const char *path, *value;
	bool equal;
	enum disagg_json_kind kind;
} paths[] = {
	{"a.b.0", "1", true, DISAGG_JSON_NUMBER},
	{"a.b.0", "1.0", false, DISAGG_JSON_NUMBER},
	{"a.b.1", "two", true, DISAGG_JSON_TEXT},
	{"a.b.2", "null", true, DISAGG_JSON_NULL},
	{"a.b.3", "true", true, DISAGG_JSON_BOOL},
	{"a.b.3", "false", false, DISAGG_JSON_BOOL},
	{"a.b.4", "2.5", true, DISAGG_JSON_NUMBER},
	{"a.b.5", "", false, DISAGG_JSON_MISSING},
	{"a.b.-1", "", false, DISAGG_JSON_MISSING},
	{"a.b.x", "", false, DISAGG_JSON_MISSING},
	{"a.b", "[1]", false, DISAGG_JSON_ARRAY},
	{"a.b.2.x", "null", false, DISAGG_JSON_MISSING},
	{"a", "", false, DISAGG_JSON_OBJECT},
	{"a.", "", false, DISAGG_JSON_MISSING},
	{"", "", false, DISAGG_JSON_MISSING},
	{"health", "true", true, DISAGG_JSON_TEXT},
	{"n", "-3", true, DISAGG_JSON_NUMBER},
	{"u", "\xc3\xa9", true, DISAGG_JSON_TEXT},
	{"empty.x", "", false, DISAGG_JSON_MISSING},
};

static void test_paths(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_json *json = NULL;

	ok(disagg_json_parse(&json, sample, strlen(sample), &err) == 0, "a document");
	is_int(err.code, DISAGG_OK, "success leaves the error alone");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct disagg_json *found = disagg_json_at(json, paths[i].path);

		is_int(disagg_json_kind(found), paths[i].kind, paths[i].path);
		is_int(disagg_json_equals(found, paths[i].value), paths[i].equal, paths[i].value);
	}
	disagg_json_free(json);
}

static void test_readers(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_json *json = NULL;
	int64_t number = 7;
	double real = 7;

	ok(disagg_json_parse(&json, sample, strlen(sample), &err) == 0, "a document");
	is_int((intmax_t)disagg_json_count(disagg_json_at(json, "a.b")), 5, "elements");
	is_int((intmax_t)disagg_json_count(json), 0, "an object has no elements");
	is_int((intmax_t)disagg_json_count(NULL), 0, "nothing has none");
	ok(!disagg_json_item(disagg_json_at(json, "a.b"), 5), "one behind the last");
	ok(disagg_json_int(disagg_json_at(json, "n"), &number) == 0 && number == -3, "an integer");
	is_int(disagg_json_int(disagg_json_at(json, "health"), &number), -1, "a text is none");
	is_int(disagg_json_int(disagg_json_at(json, "a.b.4"), &number), -1, "nor is 2.5");
	is_int(number, -3, "and what is not read stays");
	ok(disagg_json_real(disagg_json_at(json, "a.b.4"), &real) == 0 && real > 2.4, "2.5");
	ok(disagg_json_real(disagg_json_at(json, "n"), &real) == 0 && real < -2.9, "-3 as well");
	is_int(disagg_json_real(NULL, &real), -1, "nothing is no number");
	ok(disagg_json_is_true(disagg_json_at(json, "a.b.3")), "true");
	ok(!disagg_json_is_true(disagg_json_at(json, "health")), "the text is not");
	ok(!disagg_json_text(disagg_json_at(json, "n")), "a number is no text");
	disagg_json_free(json);
	disagg_json_free(NULL);
}

static const struct {
	const char *text;
	const char *why;
} bad[] = {
	{"", "no JSON"},
	{"   ", "no JSON"},
	{"OK", "no JSON"},
	{"{", "no JSON"},
	{"{\"a\":1", "no JSON"},
	{"{\"a\":1} x", "no JSON"},
	{"{\"a\":1}{}", "no JSON"},
	{"[1,]", "no JSON"},
	{"{\"a\":\"\xff\"}", "no JSON"},
	{"nul", "no JSON"},
	{"\"open", "no JSON"},
	{"[1] /* c */", "no JSON"},
};

static void test_bad(void)
{
	static char deep[201], large[17 * 1024 * 1024];
	struct disagg_json *json = NULL;
	struct disagg_err err = DISAGG_ERR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		is_int(disagg_json_parse(&json, bad[i].text, strlen(bad[i].text), &err), -1,
			bad[i].text);
		has_str(err.text, bad[i].why, "says so");
		is_int(err.code, DISAGG_INVALID, "as a result that means nothing");
	}
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	is_int(disagg_json_parse(&json, deep, 200, &err), -1, "100 levels");
	has_str(err.text, "nesting too deep", "are too deep");
	memset(large, ' ', sizeof(large));
	is_int(disagg_json_parse(&json, large, sizeof(large), &err), -1, "17 MiB");
	has_str(err.text, "17825792 bytes, at most 16777216 are", "are too large");
	ok(!json, "and nothing was returned");
}

static void test_scalars(void)
{
	static const char *const whole[] = {"12", "null", "true", "\"x\"", "1.5"};
	struct disagg_err err = DISAGG_ERR_INIT;

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		struct disagg_json *json = NULL;

		ok(disagg_json_parse(&json, whole[i], strlen(whole[i]), &err) == 0, whole[i]);
		ok(json && disagg_json_kind(json) != DISAGG_JSON_MISSING, "is a value");
		disagg_json_free(json);
	}
}

static void test_writer(void)
{
	struct disagg_strbuf out;
	struct disagg_json_writer writer = {.out = &out};

	disagg_strbuf_init(&out, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_text(&writer, "t", "a\"b");
	disagg_json_put_text(&writer, "none", NULL);
	disagg_json_begin(&writer, "list", '[');
	disagg_json_put_int(&writer, NULL, -1);
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_end(&writer, '}');
	disagg_json_put_bool(&writer, NULL, true);
	disagg_json_end(&writer, ']');
	disagg_json_put_real(&writer, "r", 0.25);
	disagg_json_put_real(&writer, "nan", NAN);
	disagg_json_end(&writer, '}');
	is_str(out.text,
		"{\"t\":\"a\\\"b\",\"none\":null,\"list\":[-1,{},true],\"r\":0.25,\"nan\":null}",
		"objects, lists and scalars");
	disagg_strbuf_release(&out);
}

/* Numbers are as printf has them, whatever writes them. */
static void test_numbers(void)
{
	static const double some[] = {0, -0.0, 1, 9.999995, 9.9999949, 99999.95, 999999.5, 1e6, 0.1,
		0.01, 0.001, 0.0001, 0.00099999949, 0.00009, 0.5, 2.5e-1, 1e-300, 1e100, 123456.5,
		0.0005, 1.0005, 2.5, 1764194400.0005, 4e9, 4e12, -3.25, -0.0004, 1e-5};
	char want[512];
	uint64_t seed = 5;
	struct disagg_strbuf out;
	unsigned wrong = 0;

	disagg_strbuf_init(&out, 0);
	for (unsigned i = 0; i < 50000; i++) {
		struct disagg_json_writer writer = {.out = &out};
		double value = (double)disagg_random_between(&seed, 0, 2000000) - 1000000;

		if (i < sizeof(some) / sizeof(*some))
			value = some[i];
		else
			value *= pow(10, (double)(i % 17) - 10);
		snprintf(want, sizeof(want), "%.6g,%.3f,%.0f", value, value, value);
		disagg_strbuf_clear(&out);
		disagg_json_put_real(&writer, NULL, value);
		disagg_json_put_fixed(&writer, NULL, value, 3);
		disagg_json_put_fixed(&writer, NULL, value, 0);
		if (strcmp(out.text, want) != 0 && wrong++ == 0)
			is_str(out.text, want, "as printf has it");
	}
	is_int(wrong, 0, "so many of 50000 numbers are not as printf has them");
	disagg_strbuf_release(&out);
}

int main(void)
{
	test_paths();
	test_readers();
	test_scalars();
	test_bad();
	test_writer();
	test_numbers();
	return tap_done();
}
