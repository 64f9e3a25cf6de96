/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/num.h"

#include "tests/unit/tap.h"
#include <locale.h>
#include <stdio.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct {
	const char *text;
	int64_t min, max, want;
} ints[] = {
	{"0", INT64_MIN, INT64_MAX, 0},
	{"-0", INT64_MIN, INT64_MAX, 0},
	{"+7", INT64_MIN, INT64_MAX, 7},
	{"010", INT64_MIN, INT64_MAX, 10},
	{"9223372036854775807", INT64_MIN, INT64_MAX, INT64_MAX},
	{"-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN},
	{"-9223372036854775807", INT64_MIN, INT64_MAX, INT64_MIN + 1},
	{"1", 1, 64, 1},
	{"64", 1, 64, 64},
};

static const struct {
	const char *text;
	int64_t min, max;
} bad_ints[] = {
	{"", INT64_MIN, INT64_MAX},
	{"-", INT64_MIN, INT64_MAX},
	{"+-1", INT64_MIN, INT64_MAX},
	{" 1", INT64_MIN, INT64_MAX},
	{"1 ", INT64_MIN, INT64_MAX},
	{"1x", INT64_MIN, INT64_MAX},
	{"0x10", INT64_MIN, INT64_MAX},
	{"1.0", INT64_MIN, INT64_MAX},
	{"1e3", INT64_MIN, INT64_MAX},
	{"9223372036854775808", INT64_MIN, INT64_MAX},
	{"-9223372036854775809", INT64_MIN, INT64_MAX},
	{"18446744073709551617", INT64_MIN, INT64_MAX},
	{"99999999999999999999999", INT64_MIN, INT64_MAX},
	{"0", 1, 64},
	{"65", 1, 64},
	{"-1", 0, 64},
};

static void test_int(void)
{
	for (size_t i = 0; i < COUNT(ints); i++) {
		int64_t got = -77;

		disagg_num_int(ints[i].text, ints[i].min, ints[i].max, &got);
		is_int(got, ints[i].want, ints[i].text);
	}
	for (size_t i = 0; i < COUNT(bad_ints); i++) {
		int64_t got = -77;
		int rc = disagg_num_int(bad_ints[i].text, bad_ints[i].min, bad_ints[i].max, &got);

		ok(rc == -1 && got == -77, bad_ints[i].text);
	}
}

static const struct {
	const char *text;
	double want;
} reals[] = {
	{"0", 0},
	{"1.5", 1.5},
	{"-1.5e3", -1500},
	{"1e-5", 1e-5},
	{".5", 0.5},
	{"5.", 5},
	{"+2E+2", 200},
	{"0.1", 0.1},
	{"1e308", 1e308},
};

static const char *const bad_reals[] = {"", ".", "-", "e5", "1e", "1e+", "1.5x", " 1", "1 ",
	"0x1p3", "inf", "nan", "1e999", "1,5", "1_0", "--1", "1.2.3"};

static void test_real(void)
{
	for (size_t i = 0; i < COUNT(reals); i++) {
		double got = -77;

		ok(!disagg_num_real(reals[i].text, &got) && got <= reals[i].want &&
				got >= reals[i].want,
			reals[i].text);
	}
	for (size_t i = 0; i < COUNT(bad_reals); i++) {
		double got = -77;

		ok(disagg_num_real(bad_reals[i], &got) == -1 && got < -76, bad_reals[i]);
	}
}

struct row {
	const char *text;
	int64_t want; /* -1: refused */
};

static const struct row durations[] = {
	{"0", 0},
	{"90", 90},
	{"90s", 90},
	{"15m", 900},
	{"2h", 7200},
	{"1d", 86400},
	{"500ms", 1},
	{"0ms", 0},
	{"1000ms", 1},
	{"1001ms", 2},
	{"10:30", 630},
	{"90:00", 5400},
	{"02:00:00", 7200},
	{"10:00:00", 36000},
	{"100:00:01", 360001},
	{"1-00", 86400},
	{"1-12", 129600},
	{"1-12:30", 131400},
	{"1-12:30:15", 131415},
	{"0-0", 0},
	{"", -1},
	{"s", -1},
	{"-1", -1},
	{"+1", -1},
	{"1.5h", -1},
	{"1w", -1},
	{"1 h", -1},
	{"1:60", -1},
	{"1:00:60", -1},
	{"1:60:00", -1},
	{"1-24", -1},
	{"1-23:60", -1},
	{"1:", -1},
	{":1", -1},
	{"1:2:3:4", -1},
	{"1-", -1},
	{"1-2:", -1},
	{"1-2-3", -1},
	{"1-2:3:4:5", -1},
	{"10s:5", -1},
	{"99999999999999999999", -1},
	{"9223372036854775807m", -1},
	{"9223372036854775807:00", -1},
	{"9223372036854775807-00", -1},
	{"1 ", -1},
};

static const struct row times[] = {
	{"0", 0},
	{"90", 90},
	{"90:00", 90},
	{"90:01", 91},
	{"0:30", 1},
	{"1:90", 3},
	{"02:00:00", 120},
	{"2:00:00", 120},
	{"10:00:01", 601},
	{"1-0", 1440},
	{"1-12", 2160},
	{"1-12:30", 2190},
	{"1-12:30:30", 2191},
	{"0-36", 2160},
	{"UNLIMITED", INT64_MAX},
	{"infinite", INT64_MAX},
	{"", -1},
	{"-1", -1},
	{"1h", -1},
	{"1:2:3:4", -1},
	{"1-", -1},
	{"1-2:3:4:5", -1},
	{"1:", -1},
	{" 1", -1},
	{"1 ", -1},
	{"UNLIMITEDLY", -1},
	{"9223372036854775807-0", -1},
	{"18446744073709551615", -1},
};

static void test_rows(const struct row *row, size_t count, int (*read)(const char *, int64_t *))
{
	for (size_t i = 0; i < count; i++) {
		int64_t got = -77;
		int rc = read(row[i].text, &got);

		if (row[i].want == -1)
			ok(rc == -1 && got == -77, row[i].text);
		else
			is_int(rc == 0 ? got : -1, row[i].want, row[i].text);
	}
}

/* Whatever the host's locale says of the decimal point. */
static void test_locale(void)
{
	static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
	double got = 0;

	for (size_t i = 0; i < COUNT(names); i++) {
		if (setlocale(LC_ALL, names[i]))
			break;
	}
	ok(!disagg_num_real("1.5", &got) && got > 1.4 && got < 1.6, "no locale in numbers");
	setlocale(LC_ALL, "C");
}

static void sizes(void)
{
	static const char *const bad[] = {
		"", "K", "-1", "8m", "8MB", " 8", "16777216T", "1 K", NULL};
	uint64_t bytes = 42;

	ok(disagg_num_size("4096", &bytes) == 0 && bytes == 4096, "bytes are a size");
	ok(disagg_num_size("8M", &bytes) == 0 && bytes == 8388608, "M is 2^20");
	ok(disagg_num_size("1T", &bytes) == 0 && bytes == UINT64_C(1) << 40, "T is 2^40");
	for (size_t i = 0; bad[i]; i++)
		ok(disagg_num_size(bad[i], &bytes) == -1 && bytes == UINT64_C(1) << 40, bad[i]);
}

static void test_hex(void)
{
	static const char *const bad[] = {
		"", "0x", "x1", "1g", " 1", "1 ", "-1", "100000000", "11112222333344445", "0x0x1"};
	uint64_t value = 7;

	for (size_t i = 0; i < COUNT(bad); i++)
		ok(disagg_num_hex(bad[i], UINT32_MAX, &value) && value == 7, "no hexadecimal");
	ok(disagg_num_hex("0x004505c6", UINT32_MAX, &value) == 0 && value == 0x004505c6, "0x");
	ok(disagg_num_hex("FfFfffff", UINT32_MAX, &value) == 0 && value == UINT32_MAX, "the most");
	ok(disagg_num_hex("ffffffffffffffff", UINT64_MAX, &value) == 0 && value == UINT64_MAX,
		"64 bits");
}

/* What the fast reader takes has the very value that strtod gives. */
static void test_next(void)
{
	static const char *const left[] = {"", "-", "x", ".5", "1.", "1e", "1e+",
		"1234567890123456", "1e23", "1e-30", "0.1234567890123456"};
	uint64_t seed = 11;
	bool equal = true, behind = true;

	for (unsigned i = 0; i < 20000; i++) {
		char text[64];
		const char *at = text;
		double got = -1, want = -2;
		int digits = (int)(seed >> 40 & 15), power = (int)(seed >> 33 & 31) - 15;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		snprintf(text, sizeof(text), i % 2 ? "%s%.*fe%d" : "%s%.*g", seed & 1 ? "-" : "",
			digits, (double)(seed >> 20 & 0xffffff) / 997.0, power);
		if (disagg_num_next(&at, &got) != 0)
			continue;
		equal = equal && disagg_num_real(text, &want) == 0 && got == want;
		behind = behind && *at == '\0';
	}
	ok(equal, "the fast reader gives the value of the other");
	ok(behind, "and stands behind the number");
	for (size_t i = 0; i < COUNT(left); i++) {
		const char *at = left[i];
		double got = 4;

		ok(disagg_num_next(&at, &got) == -1 && got == 4 && at == left[i], left[i]);
	}
}

int main(void)
{
	test_hex();
	test_next();
	test_int();
	test_real();
	test_rows(durations, COUNT(durations), disagg_num_duration);
	test_rows(times, COUNT(times), disagg_num_slurm_time);
	test_locale();
	sizes();
	return tap_done();
}
