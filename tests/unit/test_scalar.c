/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/scalar.h"

#include "tests/unit/tap.h"
#include <math.h>

enum {
	N = DISAGG_T_NULL,
	B = DISAGG_T_BOOL,
	I = DISAGG_T_INT,
	F = DISAGG_T_REAL,
	S = DISAGG_T_STR
};

/*
 * What PyYAML 6.0.3's safe loader makes of each text, but for integers over 64
 * bits and dates, which stay strings here, and what it refuses ("=", "0b").
 */
static const struct {
	const char *text;
	int type;
	int64_t integer; /* or the boolean */
	double real;
	bool sexagesimal;
} rows[] = {
	/* clang-format off */
	{"", N, 0, 0, 0},
	{"~", N, 0, 0, 0},
	{"null", N, 0, 0, 0},
	{"Null", N, 0, 0, 0},
	{"NULL", N, 0, 0, 0},
	{"nUll", S, 0, 0, 0},
	{"true", B, 1, 0, 0},
	{"True", B, 1, 0, 0},
	{"TRUE", B, 1, 0, 0},
	{"tRUE", S, 0, 0, 0},
	{"false", B, 0, 0, 0},
	{"False", B, 0, 0, 0},
	{"FALSE", B, 0, 0, 0},
	{"yes", B, 1, 0, 0},
	{"Yes", B, 1, 0, 0},
	{"YES", B, 1, 0, 0},
	{"no", B, 0, 0, 0},
	{"No", B, 0, 0, 0},
	{"NO", B, 0, 0, 0},
	{"on", B, 1, 0, 0},
	{"On", B, 1, 0, 0},
	{"ON", B, 1, 0, 0},
	{"off", B, 0, 0, 0},
	{"Off", B, 0, 0, 0},
	{"OFF", B, 0, 0, 0},
	{"y", S, 0, 0, 0},
	{"n", S, 0, 0, 0},
	{"yEs", S, 0, 0, 0},
	{"0", I, 0, 0, 0},
	{"-0", I, 0, 0, 0},
	{"+0", I, 0, 0, 0},
	{"7", I, 7, 0, 0},
	{"-7", I, -7, 0, 0},
	{"+7", I, 7, 0, 0},
	{"010", I, 8, 0, 0},
	{"0777", I, 511, 0, 0},
	{"08", S, 0, 0, 0},
	{"09", S, 0, 0, 0},
	{"0o10", S, 0, 0, 0},
	{"00", I, 0, 0, 0},
	{"0_", I, 0, 0, 0},
	{"0_7", I, 7, 0, 0},
	{"1_000", I, 1000, 0, 0},
	{"1__0_", I, 10, 0, 0},
	{"_1", S, 0, 0, 0},
	{"-_1", S, 0, 0, 0},
	{"12_", I, 12, 0, 0},
	{"0x10", I, 16, 0, 0},
	{"0xFF", I, 255, 0, 0},
	{"-0xff", I, -255, 0, 0},
	{"0x", S, 0, 0, 0},
	{"0x_", S, 0, 0, 0},
	{"0xg", S, 0, 0, 0},
	{"0b101", I, 5, 0, 0},
	{"0b", S, 0, 0, 0},
	{"0b2", S, 0, 0, 0},
	{"-0b11", I, -3, 0, 0},
	{"9223372036854775807", I, INT64_C(9223372036854775807), 0, 0},
	{"-9223372036854775808", I, INT64_MIN, 0, 0},
	{"9223372036854775808", S, 0, 0, 0},
	{"-9223372036854775809", S, 0, 0, 0},
	{"0xffffffffffffffff", S, 0, 0, 0},
	{"193273528320", I, INT64_C(193273528320), 0, 0},
	{"1e5", S, 0, 0, 0},
	{"1e-5", S, 0, 0, 0},
	{"1E5", S, 0, 0, 0},
	{"1.0e-5", F, 0, 1e-05, 0},
	{"1.0e5", S, 0, 0, 0},
	{"1.0e+5", F, 0, 100000.0, 0},
	{"1.5", F, 0, 1.5, 0},
	{"-1.5", F, 0, -1.5, 0},
	{"+1.5", F, 0, 1.5, 0},
	{"1.", F, 0, 1.0, 0},
	{".5", F, 0, 0.5, 0},
	{"-.5", S, 0, 0, 0},
	{".", S, 0, 0, 0},
	{"..", S, 0, 0, 0},
	{"._", S, 0, 0, 0},
	{"1_0.5_0", F, 0, 10.5, 0},
	{"1.5.2", S, 0, 0, 0},
	{"1.0e", S, 0, 0, 0},
	{"1.0e+", S, 0, 0, 0},
	{"00.5", F, 0, 0.5, 0},
	{".5e+3", F, 0, 500.0, 0},
	{".5e3", S, 0, 0, 0},
	{"0.90", F, 0, 0.9, 0},
	{"10:00:00", I, 36000, 0, 1},
	{"2:00:00", I, 7200, 0, 1},
	{"02:00:00", S, 0, 0, 0},
	{"10:00", I, 600, 0, 1},
	{"1:5", I, 65, 0, 1},
	{"1:60", S, 0, 0, 0},
	{"10:99", S, 0, 0, 0},
	{"1:2:3:4", I, 223384, 0, 1},
	{"-10:00:00", I, -36000, 0, 1},
	{"+1:30", I, 90, 0, 1},
	{"0:30", S, 0, 0, 0},
	{"1_0:30", I, 630, 0, 1},
	{"10:00:00:", S, 0, 0, 0},
	{"10::00", S, 0, 0, 0},
	{"1:30.5", F, 0, 90.5, 0},
	{"02:30.5", F, 0, 150.5, 0},
	{"-1:30.25", F, 0, -90.25, 0},
	{"1:30.", F, 0, 90.0, 0},
	{"190:20:30.15", F, 0, 685230.15, 0},
	{"1:75.5", S, 0, 0, 0},
	{".inf", F, 0, HUGE_VAL, 0},
	{"-.inf", F, 0, -HUGE_VAL, 0},
	{"+.inf", F, 0, HUGE_VAL, 0},
	{".Inf", F, 0, HUGE_VAL, 0},
	{".INF", F, 0, HUGE_VAL, 0},
	{".iNF", S, 0, 0, 0},
	{"inf", S, 0, 0, 0},
	{".nan", F, 0, (double)NAN, 0},
	{".NaN", F, 0, (double)NAN, 0},
	{".NAN", F, 0, (double)NAN, 0},
	{"-.nan", S, 0, 0, 0},
	{"nan", S, 0, 0, 0},
	{"Infinity", S, 0, 0, 0},
	{"-", S, 0, 0, 0},
	{"+", S, 0, 0, 0},
	{"--", S, 0, 0, 0},
	{"a", S, 0, 0, 0},
	{"1a", S, 0, 0, 0},
	{"1-2", S, 0, 0, 0},
	{"0-3", S, 0, 0, 0},
	{"--gres=gpu:4", S, 0, 0, 0},
	{"/a:/a,/b:/b", S, 0, 0, 0},
	{"A=1", S, 0, 0, 0},
	{"2024-01-01", S, 0, 0, 0},
	{"1.2.3", S, 0, 0, 0},
	{"1,5", S, 0, 0, 0},
	{"<partition>", S, 0, 0, 0},
	{"=", S, 0, 0, 0},
	{"<<", S, 0, 0, 0},
	{"4,8,16", S, 0, 0, 0},
	{"8x", S, 0, 0, 0},
	/* clang-format on */
};

static bool same_real(double got, double want)
{
	if (isnan(want) || isinf(want))
		return isnan(want) ? isnan(got) : got >= want && got <= want;
	return fabs(got - want) <= 1e-15 * fabs(want);
}

static void test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_node node = {.kind = DISAGG_SCALAR, .text = rows[i].text};
		struct disagg_scalar got = disagg_scalar_read(&node);
		int64_t value = got.type == DISAGG_T_BOOL ? got.boolean : got.integer;

		is_int((int)got.type, rows[i].type, rows[i].text);
		if (rows[i].type == B || rows[i].type == I)
			is_int(value, rows[i].integer, "its value");
		if (rows[i].type == F)
			ok(same_real(got.real, rows[i].real), "its value");
		is_int(got.sexagesimal, rows[i].sexagesimal, "its form");
		is_int(disagg_node_is_null(&node), rows[i].type == N, "whether it is a null");
		ok(got.text == rows[i].text, "the text as written");
		node.quoted = true;
		ok(disagg_scalar_read(&node).type == DISAGG_T_STR && !disagg_node_is_null(&node),
			"quoted: a string");
	}
}

static void test_placeholders(void)
{
	static const char *const yes[] = {"<partition>", "<a b>", "<full_path/to>"};
	static const char *const no[] = {"", "<", "<>", "<a", "a>", "<a> ", " <a>", "<a>b",
		"<a> <b>", "<<a>>", "<a/b>/c", "<a>>"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ok(disagg_text_is_placeholder(yes[i]), yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ok(!disagg_text_is_placeholder(no[i]), no[i]);
}

static const struct {
	const char *yaml, *json;
} jsons[] = {
	{"a: 1", "{\"a\":1}"},
	{"[]", "[]"},
	{"{}", "{}"},
	{"[~, null, '', \"~\", ]", "[null,null,\"\",\"~\"]"},
	{"[yes, 'yes', OFF]", "[true,\"yes\",false]"},
	{"[0, -0, +5, 010, 0x1f, 1_000, 10:00:00, 02:00:00]",
		"[0,-0,5,8,31,1000,36000,\"02:00:00\"]"},
	{"[0.90, 1.0e-5, -2.5, 1.50]", "[0.90,1.0e-5,-2.5,1.50]"},
	{"[.5, 1., +1.5, 1_0.5, 00.5]",
		"[5.0000000000000000e-01,1.0000000000000000e+00,1.5000000000000000e+00,"
		"1.0500000000000000e+01,5.0000000000000000e-01]"},
	{"[-.0e+1, -0_.0]", "[\"-.0e+1\",-0.0000000000000000e+00]"},
	{"[.inf, -.inf, .nan]", "[\".inf\",\"-.inf\",\".nan\"]"},
	{"[1e-5, 2024-01-01, 9223372036854775808]",
		"[\"1e-5\",\"2024-01-01\",\"9223372036854775808\"]"},
	{"1: {true: x, null: y}", "{\"1\":{\"true\":\"x\",\"null\":\"y\"}}"},
	{"a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}"},
	{"'<<': 1", "{\"<<\":1}"},
	{"\"a\\u2028\\x7f\\U0001F600\"", "\"a\\u2028\\u007f\xf0\x9f\x98\x80\""},
};

static void test_json(void)
{
	struct disagg_strbuf first, second;

	disagg_strbuf_init(&first, 0);
	disagg_strbuf_init(&second, 0);
	for (size_t i = 0; i < sizeof(jsons) / sizeof(jsons[0]); i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_node *node = NULL;

		disagg_strbuf_clear(&first);
		disagg_strbuf_clear(&second);
		if (disagg_yaml_parse(
			    &arena, jsons[i].yaml, strlen(jsons[i].yaml), "x", &node, &err) == 0)
			disagg_node_json(node, &first);
		is_str(first.text, jsons[i].json, jsons[i].yaml);
		if (disagg_yaml_parse(&arena, first.text, first.len, "x", &node, &err) == 0)
			disagg_node_json(node, &second);
		is_str(second.text, first.text, "read back, it says the same");
		disagg_arena_release(&arena);
	}
	disagg_strbuf_release(&first);
	disagg_strbuf_release(&second);
}

static void test_type_names(void)
{
	static const struct {
		const char *yaml, *want;
	} names[] = {{"{a: 1}", "a map"}, {"[1]", "a list"}, {"1", "an integer"},
		{"1.5", "a number"}, {"on", "a boolean"}, {"x", "a string"}, {"'1'", "a string"}};
	struct disagg_node nothing = {.kind = DISAGG_SCALAR, .text = ""};

	is_str(disagg_node_type_name(&nothing), "nothing", "nothing");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_node *node = NULL;

		disagg_yaml_parse(&arena, names[i].yaml, strlen(names[i].yaml), "x", &node, NULL);
		is_str(node ? disagg_node_type_name(node) : NULL, names[i].want, names[i].yaml);
		disagg_arena_release(&arena);
	}
}

int main(void)
{
	test_rows();
	test_placeholders();
	test_json();
	test_type_names();
	return tap_done();
}
