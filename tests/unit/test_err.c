/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/err.h"

#include "tests/unit/tap.h"
#include <errno.h>

static void test_set(void)
{
	struct disagg_err err = {.line = 3, .col = 4, .sys = 5, .file = "old"};

	errno = EBUSY;
	is_int(disagg_err_set(&err, DISAGG_CONFIG, "no role '%s'", "x"), -1, "set returns -1");
	is_int(errno, EBUSY, "set keeps errno");
	is_str(err.text, "no role 'x'", "set formats");
	is_int(err.code, DISAGG_CONFIG, "set takes the code");
	ok(!err.line && !err.col && !err.sys && !err.file[0], "set clears the position");
	is_int(disagg_err_set(NULL, DISAGG_CONFIG, "x"), -1, "set without an error to fill");
	disagg_err_set(&err, DISAGG_CHECK, "again: %s", err.text);
	is_str(err.text, "again: no role 'x'", "the old text may be an argument");
}

static void test_sys(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	errno = ENOENT;
	is_int(disagg_err_sys(&err, "cannot open '%s'", "a"), -1, "sys returns -1");
	is_str(err.text, "cannot open 'a': No such file or directory", "sys adds the reason");
	is_int(err.sys, ENOENT, "sys keeps the number");
	is_int(err.code, DISAGG_SYSTEM, "sys has the system's code");
	is_int(errno, ENOENT, "sys keeps errno");
	is_int(disagg_err_sys(NULL, "x"), -1, "sys without an error to fill");
	is_int(disagg_err_nomem(&err), -1, "nomem returns -1");
	is_str(err.text, "out of memory", "nomem's text");
}

static void test_wrap(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	disagg_err_at(&err, DISAGG_CONFIG, "a.yaml", 2, 3, "bad");
	is_int(disagg_err_wrap(&err, "loading '%s'", "b"), -1, "wrap returns -1");
	is_str(err.text, "loading 'b': bad", "the outermost reads first");
	ok(err.line == 2 && err.col == 3 && strcmp(err.file, "a.yaml") == 0,
		"wrap keeps the position");
	is_int(disagg_err_wrap(NULL, "x"), -1, "wrap without an error");
}

static void test_format(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	char buf[64];

	disagg_err_at(&err, DISAGG_CONFIG, "a.yaml", 2, 3, "bad");
	is_int(disagg_err_format(&err, buf, sizeof(buf)), 15, "format returns the length");
	is_str(buf, "a.yaml:2:3: bad", "file, line, column");
	disagg_err_at(&err, DISAGG_CONFIG, "a.yaml", 0, 0, "bad");
	disagg_err_format(&err, buf, sizeof(buf));
	is_str(buf, "a.yaml: bad", "file alone");
	disagg_err_at(&err, DISAGG_CONFIG, NULL, 0, 0, "bad");
	disagg_err_format(&err, buf, sizeof(buf));
	is_str(buf, "bad", "no file");
	is_int(disagg_err_format(&err, buf, 2), 3, "a short buffer: the length it would have");
	is_str(buf, "b", "a short buffer is terminated");
}

static void test_cut(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	char longer[700];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	disagg_err_set(&err, DISAGG_CONFIG, "%s", longer);
	is_int((intmax_t)strlen(err.text), sizeof(err.text) - 1, "a long text fills the field");
	is_str(err.text + sizeof(err.text) - 5, "x...", "a long text ends in dots");
	disagg_err_set(&err, DISAGG_CONFIG, "inner");
	disagg_err_wrap(&err, "%s", longer);
	is_str(err.text + sizeof(err.text) - 5, "x...", "a long wrap ends in dots");
	longer[300] = 'y';
	longer[301] = '\0';
	disagg_err_at(&err, DISAGG_CONFIG, longer, 1, 1, "bad");
	is_int((intmax_t)strlen(err.file), sizeof(err.file) - 1, "a long path fills the field");
	ok(strncmp(err.file, "...x", 4) == 0, "a long path begins with dots");
	is_str(err.file + sizeof(err.file) - 3, "xy", "a long path keeps its end");
}

static void test_tame(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"plain\ttext", "plain\ttext"},
		{"two\nlines\r", "two?lines?"},
		{"\033[31mred\a\x7f", "?[31mred??"},
		{"csi \xc2\x9b 31m", "csi ?? 31m"},
		{"gr\xc3\xbc\xc3\x9f, cut \xc2", "gr\xc3\xbc\xc3\x9f, cut \xc2"},
		{"", ""},
	};
	struct disagg_err err = DISAGG_ERR_INIT;
	char buf[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		disagg_err_set(&err, DISAGG_CONFIG, "%s", rows[i].text);
		is_str(err.text, rows[i].want, "no control character gets into an error");
	}
	disagg_err_at(&err, DISAGG_CONFIG, "a\nb.yaml", 1, 1, "x");
	disagg_err_wrap(&err, "\033]0;%s", "t");
	disagg_err_format(&err, buf, sizeof(buf));
	is_str(buf, "a?b.yaml:1:1: ?]0;t: x", "nor into its file or what wraps it");
}

int main(void)
{
	test_set();
	test_sys();
	test_wrap();
	test_format();
	test_cut();
	test_tame();
	return tap_done();
}
