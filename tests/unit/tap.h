/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_TAP_H
#define DISAGG_TESTS_TAP_H

/* TAP for the C tests: one line a check, with place, got and expected. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned tap_count, tap_failed;

static inline bool tap_ok(bool good, const char *file, int line, const char *what)
{
	tap_count++;
	if (!good)
		tap_failed++;
	printf("%s %u - %s\n", good ? "ok" : "not ok", tap_count, what);
	if (!good)
		printf("# at %s:%d\n", file, line);
	fflush(stdout);
	return good;
}

static inline bool tap_str(
	const char *got, const char *want, const char *file, int line, const char *what)
{
	bool good = got && want ? strcmp(got, want) == 0 : got == want;

	tap_ok(good, file, line, what);
	if (!good)
		printf("#   got      '%s'\n#   expected '%s'\n", got ? got : "(null)",
			want ? want : "(null)");
	return good;
}

static inline bool tap_has(
	const char *got, const char *part, const char *file, int line, const char *what)
{
	bool good = got && strstr(got, part);

	tap_ok(good, file, line, what);
	if (!good)
		printf("#   got      '%s'\n#   expected it to contain '%s'\n", got ? got : "(null)",
			part);
	return good;
}

static inline bool tap_int(
	intmax_t got, intmax_t want, const char *file, int line, const char *what)
{
	tap_ok(got == want, file, line, what);
	if (got != want)
		printf("#   got      %jd\n#   expected %jd\n", got, want);
	return got == want;
}

static inline int tap_done(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed ? 1 : 0;
}

#define ok(cond, what)		 tap_ok((cond), __FILE__, __LINE__, (what))
#define is_str(got, want, what)	 tap_str((got), (want), __FILE__, __LINE__, (what))
#define has_str(got, part, what) tap_has((got), (part), __FILE__, __LINE__, (what))
#define is_int(got, want, what)	 tap_int((got), (want), __FILE__, __LINE__, (what))

#endif
