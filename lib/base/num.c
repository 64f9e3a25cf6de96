/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/num.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MINUTE INT64_C(60)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define PLAIN_DIGITS 15 /* so many are exact in a double */
#define MOST_POWER   22 /* of ten, that is exact in a double */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The digits at *text as a number; *text then stands behind them. */
static int read_digits(const char **text, uint64_t *ret)
{
	const char *at = *text;
	uint64_t value = 0;

	if (!is_digit(*at))
		return -1;
	for (; is_digit(*at); at++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return -1;
	}
	*text = at;
	*ret = value;
	return 0;
}

int disagg_num_int(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = *text == '-';
	uint64_t size;
	int64_t value;

	if (*text == '-' || *text == '+')
		text++;
	if (read_digits(&text, &size) || *text)
		return -1;
	if (size > (uint64_t)INT64_MAX + (negative ? 1u : 0u))
		return -1;
	value = negative ? -(int64_t)(size - (size > 0)) - (size > 0) : (int64_t)size;
	if (value < min || value > max)
		return -1;
	*ret = value;
	return 0;
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int disagg_num_hex(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	if (!*text)
		return -1;
	for (; *text; text++) {
		int digit = hex_digit(*text);

		if (digit < 0 || value >> 60)
			return -1;
		value = value << 4 | (unsigned)digit;
	}
	if (value > max)
		return -1;
	*ret = value;
	return 0;
}

static const char *skip_digits(const char *text)
{
	while (is_digit(*text))
		text++;
	return text;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before or behind the
 * point; so neither "inf", "0x1p3" nor blanks reach strtod. */
static bool is_real(const char *text)
{
	const char *whole = text + (*text == '-' || *text == '+');
	const char *end = skip_digits(whole);
	bool digits = end > whole;

	if (*end == '.') {
		const char *fraction = end + 1;

		end = skip_digits(fraction);
		digits = digits || end > fraction;
	}
	if (digits && (*end == 'e' || *end == 'E')) {
		const char *exponent = end + 1;

		exponent += *exponent == '-' || *exponent == '+';
		end = skip_digits(exponent);
		digits = end > exponent;
	}
	return digits && !*end;
}

int disagg_num_real(const char *text, double *ret)
{
	locale_t c_locale;
	double value;

	if (!is_real(text))
		return -1;
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c_locale)
		return -1;
	value = strtod_l(text, NULL, c_locale);
	freelocale(c_locale);
	if (!isfinite(value))
		return -1;
	*ret = value;
	return 0;
}

/* The digits at *text behind those of *value, of which there are *digits already. */
static unsigned add_digits(const char **text, uint64_t *value, unsigned *digits)
{
	unsigned count = 0;

	for (; is_digit(**text) && *digits <= PLAIN_DIGITS; ++*text, count++) {
		*value = *value * 10 + (uint64_t)(**text - '0');
		*digits += *value > 0;
	}
	return count;
}

/* Both the digits and the power of ten are exact doubles, so one operation rounds as
 * strtod does. */
int disagg_num_next(const char **text, double *ret)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
		1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	const char *at = *text + (**text == '-');
	unsigned digits = 0;
	uint64_t value = 0, size = 0;
	int power = 0;
	double number;

	if (add_digits(&at, &value, &digits) == 0)
		return -1;
	if (*at == '.') {
		at++;
		power = -(int)add_digits(&at, &value, &digits);
		if (power == 0)
			return -1;
	}
	if (*at == 'e' || *at == 'E') {
		bool negative = at[1] == '-';

		at += 1 + (at[1] == '-' || at[1] == '+');
		if (read_digits(&at, &size) || size > 1000)
			return -1;
		power += negative ? -(int)size : (int)size;
	}
	if (digits > PLAIN_DIGITS || power < -MOST_POWER || power > MOST_POWER)
		return -1;
	number = power < 0 ? (double)value / powers[-power] : (double)value * powers[power];
	*ret = **text == '-' ? -number : number;
	*text = at;
	return 0;
}

/* [D-]A[:B[:C]] as it stands; `days` says whether there was a D. */
struct clock {
	bool days;
	unsigned parts; /* A, B, C that there are */
	uint64_t day, part[3];
};

static int read_clock(const char *text, struct clock *ret)
{
	struct clock clock = {0};

	if (read_digits(&text, &clock.part[clock.parts++]))
		return -1;
	if (*text == '-') {
		clock.days = true;
		clock.day = clock.part[0];
		text++;
		if (read_digits(&text, &clock.part[0]))
			return -1;
	}
	while (*text == ':' && clock.parts < 3) {
		text++;
		if (read_digits(&text, &clock.part[clock.parts++]))
			return -1;
	}
	if (*text)
		return -1;
	*ret = clock;
	return 0;
}

/* `unit` is that of the first part without days: what one number alone means
 * is the caller's. */
static int clock_seconds(const struct clock *clock, int64_t unit, int64_t *ret)
{
	int64_t total = 0, term;

	if (clock->days) {
		if (__builtin_mul_overflow(clock->day, DAY, &total))
			return -1;
		unit = HOUR;
	}
	for (unsigned i = 0; i < clock->parts; i++) {
		if (__builtin_mul_overflow(clock->part[i], unit, &term) ||
			__builtin_add_overflow(total, term, &total))
			return -1;
		unit /= 60;
	}
	*ret = total;
	return 0;
}

/* Of "1:90" it is not clear what is meant: parts behind a larger one have
 * their natural bounds. */
static bool clock_is_normal(const struct clock *clock)
{
	if (clock->days && clock->part[0] > 23)
		return false;
	for (unsigned i = 1; i < clock->parts; i++) {
		if (clock->part[i] > 59)
			return false;
	}
	return true;
}

static int read_with_unit(const char *text, int64_t *ret)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", MINUTE}, {"h", HOUR}, {"d", DAY}};
	uint64_t value;

	if (read_digits(&text, &value))
		return -1;
	if (strcmp(text, "ms") == 0) {
		*ret = (int64_t)(value / 1000) + (value % 1000 > 0);
		return 0;
	}
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].name) == 0)
			return __builtin_mul_overflow(value, units[i].seconds, ret) ? -1 : 0;
	}
	return -1;
}

int disagg_num_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	uint64_t bytes;

	if (read_digits(&text, &bytes))
		return -1;
	if (*text) {
		unit = strchr(units, *text);
		if (!unit || text[1])
			return -1;
		for (const char *at = units; at <= unit; at++)
			if (__builtin_mul_overflow(bytes, 1024u, &bytes))
				return -1;
	}
	*ret_bytes = bytes;
	return 0;
}

int disagg_num_duration(const char *text, int64_t *ret_seconds)
{
	struct clock clock;
	int64_t seconds;

	if (!strpbrk(text, ":-")) {
		if (read_with_unit(text, &seconds))
			return -1;
		*ret_seconds = seconds;
		return 0;
	}
	if (read_clock(text, &clock) || !clock_is_normal(&clock))
		return -1;
	if (clock_seconds(&clock, clock.parts == 3 ? HOUR : MINUTE, &seconds))
		return -1;
	*ret_seconds = seconds;
	return 0;
}

/* Slurm takes any number in any part and rounds up to whole minutes. */
int disagg_num_slurm_time(const char *text, int64_t *ret_minutes)
{
	struct clock clock;
	int64_t seconds;

	if (strcasecmp(text, "UNLIMITED") == 0 || strcasecmp(text, "INFINITE") == 0) {
		*ret_minutes = INT64_MAX;
		return 0;
	}
	if (read_clock(text, &clock) ||
		clock_seconds(&clock, clock.parts == 3 ? HOUR : MINUTE, &seconds))
		return -1;
	*ret_minutes = seconds / MINUTE + (seconds % MINUTE > 0);
	return 0;
}
