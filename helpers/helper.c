/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/helper.h"
#include "lib/base/fd.h"
#include "lib/conf/schema.h"
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_OPTIONS 64
#define MOST_TEXT    1024 /* of a message */
#define ID_HELP	     'h'
#define ID_VERSION   0x7000

static const struct helper_option common[] = {
	{"help", ID_HELP, HELPER_FLAG, NULL, "show this text"},
	{"version", ID_VERSION, HELPER_FLAG, NULL, "show the version and what is built in"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

/* What is said may be someone else's words: not without end, and no control
 * characters to the terminal. */
static void say(const struct helper *helper, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

static void say(const struct helper *helper, const char *fmt, va_list args)
{
	char text[MOST_TEXT];

	if (vsnprintf(text, sizeof(text), fmt, args) >= (int)sizeof(text))
		memcpy(text + sizeof(text) - 4, "...", 4);
	disagg_text_tame(text);
	fprintf(stderr, "%s: %s\n", helper->name, text);
}

int helper_fail(const struct helper *helper, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(helper, fmt, args);
	va_end(args);
	return code;
}

int helper_fail_err(const struct helper *helper, const struct disagg_err *err)
{
	char text[1024];

	disagg_err_format(err, text, sizeof(text));
	return helper_fail(helper, (int)err->code, "%s", text);
}

int helper_usage(const struct helper *helper, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(helper, fmt, args);
	va_end(args);
	fprintf(stderr, "try '%s --help'\n", helper->name);
	return DISAGG_USAGE;
}

static void print_options(const struct helper_option *option)
{
	for (; option->name; option++) {
		char left[64];
		bool has_letter = option->id < 256;

		snprintf(left, sizeof(left), "  %c%c%s --%s%s%s", has_letter ? '-' : ' ',
			has_letter ? option->id : ' ', has_letter ? "," : " ", option->name,
			option->value ? "=" : "", option->value ? option->value : "");
		printf("%-30s %s\n", left, option->doc);
	}
}

static void print_section(const char *title, const char *text)
{
	if (text)
		printf("\n%s:\n%s", title, text);
}

static int flush_out(const struct helper *helper)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return DISAGG_OK;
	return helper_fail(helper, DISAGG_SYSTEM, "cannot write to stdout: %s", strerror(errno));
}

static int print_help(const struct helper *helper)
{
	printf("usage: %s %s\n\n%s\noptions:\n", helper->name, helper->synopsis, helper->about);
	print_options(helper->option);
	print_options(common);
	print_section("examples", helper->examples);
	print_section("environment", helper->environment);
	print_section("exit status", helper->exits);
	return flush_out(helper);
}

static int print_version(const struct helper *helper)
{
	printf("%s %s\nfeatures: %s\n", helper->name, DISAGG_VERSION, helper->features);
	return flush_out(helper);
}

/* Both tables as getopt wants them. */
struct getopt_table {
	struct option option[MOST_OPTIONS + 1];
	const char *name[MOST_OPTIONS + 1];
	char letters[2 * MOST_OPTIONS + 3];
	unsigned count;
};

static void table_add(struct getopt_table *table, const struct helper_option *option)
{
	size_t end = strlen(table->letters);

	for (; option->name && table->count < MOST_OPTIONS; option++) {
		bool wants = option->arg == HELPER_VALUE;

		table->option[table->count].name = option->name;
		table->option[table->count].has_arg = wants ? required_argument : no_argument;
		table->option[table->count].val = option->id;
		table->name[table->count++] = option->name;
		if (option->id >= 256)
			continue;
		table->letters[end++] = (char)option->id;
		if (wants)
			table->letters[end++] = ':';
	}
}

static bool is_letter(const struct getopt_table *table, int letter)
{
	return letter != ':' && strchr(table->letters, letter);
}

static int refuse(const struct helper *helper, const struct getopt_table *table, int problem,
	const char *word)
{
	char name[64];
	const char *nearest;

	if (problem == ':')
		return helper_usage(helper, "option '%s' needs a value", word);
	/* getopt has not moved on yet where a letter of several is unknown */
	if (optopt && !is_letter(table, optopt) && optopt < 256)
		return helper_usage(helper, "unknown option '-%c'", optopt);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	for (unsigned i = 0; i < table->count; i++) {
		if (strcmp(table->name[i], name) == 0)
			return helper_usage(helper, "option '--%s' takes no value", name);
	}
	nearest = disagg_nearest_name(table->name, name);
	if (nearest)
		return helper_usage(
			helper, "unknown option '--%s', did you mean '--%s'?", name, nearest);
	return helper_usage(helper, "unknown option '--%s'", name);
}

int helper_parse(const struct helper *helper, int argc, char **argv, helper_take *take,
	void *context, int *ret_first)
{
	struct getopt_table table = {.letters = ":"};
	int id, result;

	table_add(&table, helper->option);
	table_add(&table, common);
	while ((id = getopt_long(argc, argv, table.letters, table.option, NULL)) != -1) {
		switch (id) {
		case ID_HELP:
			return print_help(helper);
		case ID_VERSION:
			return print_version(helper);
		case '?':
		case ':':
			return refuse(helper, &table, id, argv[optind - 1]);
		default:
			result = take(context, id, optarg);
			if (result)
				return result;
		}
	}
	*ret_first = optind;
	return -1;
}

int helper_choice(
	const struct helper *helper, const char *option, const char *const *names, const char *word)
{
	char list[256] = "";
	const char *nearest = disagg_nearest_name(names, word);
	size_t len = 0;

	for (int i = 0; names[i]; i++) {
		if (strcmp(names[i], word) == 0)
			return i;
		len += (size_t)snprintf(
			list + len, sizeof(list) - len, "%s%s", i ? ", " : "", names[i]);
		if (len >= sizeof(list))
			len = sizeof(list) - 1;
	}
	if (nearest)
		helper_usage(helper, "--%s: '%s' is none of %s; did you mean '%s'?", option, word,
			list, nearest);
	else
		helper_usage(helper, "--%s: '%s' is none of %s", option, word, list);
	return -1;
}

bool helper_colour(void)
{
	const char *refused = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if ((refused && refused[0]) || !isatty(STDOUT_FILENO))
		return false;
	return term && strcmp(term, "dumb") != 0;
}

static void count_rest(const struct disagg_findings *found, bool is_error, unsigned shown)
{
	unsigned all = is_error ? found->errors : found->warnings;
	const char *source = found->count ? found->item[0].at.source : NULL;

	if (all > shown)
		fprintf(stderr, "%s%s%u more %s%s\n", source ? source : "", source ? ": " : "",
			all - shown, is_error ? "error" : "warning", all - shown == 1 ? "" : "s");
}

void helper_findings(struct disagg_findings *found)
{
	unsigned errors = 0, warnings = 0;

	disagg_findings_sort(found);
	for (unsigned i = 0; i < found->count; i++) {
		const struct disagg_finding *finding = &found->item[i];
		struct disagg_finding place = {.at = finding->at, .text = ""};
		char where[1024];

		disagg_finding_format(&place, where, sizeof(where));
		fprintf(stderr, "%s%s%s\n", where,
			finding->is_error ? "" : "warning: ", finding->text);
		if (finding->is_error)
			errors++;
		else
			warnings++;
	}
	count_rest(found, true, errors);
	count_rest(found, false, warnings);
}

int helper_print(const struct helper *helper, const struct disagg_strbuf *out)
{
	if (out->failed)
		return helper_fail(helper, DISAGG_SYSTEM, "out of memory for the output");
	if (disagg_fd_write_all(STDOUT_FILENO, out->text, out->len) == 0)
		return DISAGG_OK;
	return helper_fail(helper, DISAGG_SYSTEM, "cannot write to stdout: %m");
}
