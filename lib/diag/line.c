/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/line.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#define PREFIX_MAX 320u /* bytes that are searched for a time */
#define LEVEL_MAX  200u
#define DAY_S	   86400.0

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* ---- a pattern of digits ---- */

struct clock {
	int year, month, day, hour, minute, second; /* -1: not told */
	double fraction;
	size_t end; /* behind the seconds and their fraction */
};

struct form {
	const char *text; /* Y M D h m s: digits; T: 'T' or blank; all else is itself */
	bool at_start;	  /* of the line, or behind a '[' there */
};

/* The longer forms first: the shorter are parts of them. */
static const struct form forms[] = {
	{"YYYY-MM-DDThh:mm:ss", false},
	{"YYYY/MM/DD hh:mm:ss", false},
	{"MM/DD/YYYY-hh:mm:ss", false},
	{"MM-DD hh:mm:ss", false},
	{"hh:mm:ss", true},
};

static bool take(char form, char c, struct clock *clock)
{
	static const char fields[] = "YMDhms";
	const char *field = strchr(fields, form);
	int *value[] = {&clock->year, &clock->month, &clock->day, &clock->hour, &clock->minute,
		&clock->second};

	if (form == 'T')
		return c == 'T' || c == ' ' || c == 't';
	if (!field)
		return c == form;
	if (!isdigit((unsigned char)c))
		return false;
	int *at = value[field - fields];

	*at = (*at < 0 ? 0 : *at) * 10 + (c - '0');
	return true;
}

/* ".123456" or ",123" */
static size_t read_fraction(const char *text, size_t len, double *ret)
{
	size_t at = 0;
	double unit = 0.1;

	*ret = 0;
	if (len < 2 || (text[0] != '.' && text[0] != ',') || !isdigit((unsigned char)text[1]))
		return 0;
	for (at = 1; at < len && at < 10 && isdigit((unsigned char)text[at]); at++, unit /= 10)
		*ret += (text[at] - '0') * unit;
	return at;
}

static bool is_sane(const struct clock *clock)
{
	return (clock->year < 0 || (clock->year >= 2000 && clock->year < 2200)) &&
	       clock->month != 0 && clock->month <= 12 && clock->day != 0 && clock->day <= 31 &&
	       clock->hour < 24 && clock->minute < 60 && clock->second < 61;
}

static bool read_form(const struct form *form, const char *text, size_t len, struct clock *ret)
{
	size_t size = strlen(form->text);
	struct clock clock = {-1, -1, -1, -1, -1, -1, 0, 0};

	if (len < size)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (!take(form->text[i], text[i], &clock))
			return false;
	}
	if (!is_sane(&clock) || (len > size && isdigit((unsigned char)text[size])))
		return false;
	clock.end = size + read_fraction(text + size, len - size, &clock.fraction);
	*ret = clock;
	return true;
}

/* "E0822 10:00:00", "E822 10:00:00": a letter, the month and two digits of day */
static bool read_glog(const char *text, size_t len, struct clock *ret)
{
	static const struct form form = {"hh:mm:ss", true};
	size_t digits = 0;
	struct clock clock;

	if (len < 13 || !strchr("IWEFD", text[0]))
		return false;
	while (digits < 5 && isdigit((unsigned char)text[1 + digits]))
		digits++;
	if ((digits != 3 && digits != 4) || text[1 + digits] != ' ' ||
		!read_form(&form, text + 2 + digits, len - 2 - digits, &clock))
		return false;
	clock.month = text[1] - '0';
	if (digits == 4)
		clock.month = clock.month * 10 + (text[2] - '0');
	clock.day = (text[digits - 1] - '0') * 10 + (text[digits] - '0');
	clock.end += 2 + digits;
	*ret = clock;
	return is_sane(&clock) && clock.month > 0;
}

/* "Aug 22 10:00:00", with " 2026" behind it or not */
static bool read_syslog(const char *text, size_t len, struct clock *ret)
{
	static const struct form form = {"hh:mm:ss", true};
	const char *month;
	struct clock clock;

	if (len < 15 || text[3] != ' ' || text[6] != ' ' || !isdigit((unsigned char)text[5]))
		return false;
	month = memmem(months, sizeof(months) - 1, text, 3);
	if (!month || (month - months) % 3 || !read_form(&form, text + 7, len - 7, &clock))
		return false;
	clock.month = (int)(month - months) / 3 + 1;
	clock.day = (text[4] == ' ' ? 0 : (text[4] - '0') * 10) + (text[5] - '0');
	if (clock.day < 1 || clock.day > 31)
		return false;
	clock.end += 7;
	if (len >= 20 && text[15] == ' ' && text[16] == '2' && isdigit((unsigned char)text[19])) {
		clock.year = 0;
		for (int i = 16; i < 20; i++)
			clock.year = clock.year * 10 + (text[i] - '0');
	}
	*ret = clock;
	return is_sane(&clock);
}

/* ---- to Unix time ---- */

static double seconds_of(const struct clock *clock, int year, int month, int day)
{
	struct tm tm = {.tm_year = year - 1900,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = clock->hour,
		.tm_min = clock->minute,
		.tm_sec = clock->second};

	return (double)timegm(&tm) + clock->fraction;
}

static bool to_unix(const struct clock *clock, double about_s, double *ret)
{
	time_t about = (time_t)(about_s + DAY_S);
	struct tm tm;
	double at;

	if (clock->year > 0) {
		*ret = seconds_of(clock, clock->year, clock->month, clock->day);
		return true;
	}
	if (about_s <= 0 || !gmtime_r(&about, &tm))
		return false;
	if (clock->month > 0) {
		at = seconds_of(clock, tm.tm_year + 1900, clock->month, clock->day);
		if (at > about_s + DAY_S)
			at = seconds_of(clock, tm.tm_year + 1899, clock->month, clock->day);
		*ret = at;
		return true;
	}
	at = seconds_of(clock, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	while (at > about_s + DAY_S / 2)
		at -= DAY_S;
	*ret = at;
	return true;
}

/* "Z", "+02:00", "+0200" or " UTC" behind a time: seconds east, or false. */
static bool read_zone(const char *text, size_t len, int *ret)
{
	int hours, minutes;

	*ret = 0;
	if (len && (text[0] == 'Z' || text[0] == 'z'))
		return true;
	if (len >= 4 && memcmp(text, " UTC", 4) == 0)
		return true;
	if (len < 5 || (text[0] != '+' && text[0] != '-') || !isdigit((unsigned char)text[1]) ||
		!isdigit((unsigned char)text[2]))
		return false;
	text += text[3] == ':' && len >= 6;
	if (!isdigit((unsigned char)text[3]) || !isdigit((unsigned char)text[4]))
		return false;
	minutes = (text[3] - '0') * 10 + (text[4] - '0');
	text -= text[2] == ':';
	hours = (text[1] - '0') * 10 + (text[2] - '0');
	*ret = (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
	return hours <= 14 && minutes < 60;
}

/* ---- finding the time ---- */

static bool read_at(const char *text, size_t at, size_t len, struct clock *ret)
{
	unsigned char before = at ? (unsigned char)text[at - 1] : ' ';
	bool is_start = at == 0 || (at < 3 && (before == '[' || before == ' '));
	char c = text[at];

	if (isalnum(before) || before == '.')
		return false;
	if (isupper((unsigned char)c))
		return read_glog(text + at, len - at, ret) || read_syslog(text + at, len - at, ret);
	if (!isdigit((unsigned char)c))
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if ((!forms[i].at_start || is_start) &&
			read_form(&forms[i], text + at, len - at, ret))
			return true;
	}
	return false;
}

/* ESC [ ... letter */
static size_t escape_len(const char *text, size_t len)
{
	size_t at = 2;

	if (len < 3 || text[0] != '\033' || text[1] != '[')
		return 0;
	while (at < len && at < 16 && !isalpha((unsigned char)text[at]))
		at++;
	return at + 1;
}

bool disagg_line_time(
	const char *text, size_t len, double about_s, enum disagg_stamp *ret_stamp, double *ret_s)
{
	size_t most = len < PREFIX_MAX ? len : PREFIX_MAX;
	struct clock clock;
	char plain[PREFIX_MAX];
	size_t count = 0;
	int zone;

	for (size_t at = 0; at < most;) {
		size_t skip = escape_len(text + at, len - at);

		plain[count++] = skip ? ' ' : text[at];
		at += skip ? skip : 1;
	}
	for (size_t at = 0; at + 8 <= count; at++) {
		if (!read_at(plain, at, count, &clock) || !to_unix(&clock, about_s, ret_s))
			continue;
		*ret_stamp = DISAGG_STAMP_LOCAL;
		if (clock.year > 0 &&
			read_zone(plain + at + clock.end, count - at - clock.end, &zone)) {
			*ret_stamp = DISAGG_STAMP_ZONED;
			*ret_s -= zone;
		}
		return true;
	}
	return false;
}
