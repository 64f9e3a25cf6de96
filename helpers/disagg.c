/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/helper.h"
#include "lib/conf/schema.h"
#include "lib/host/proc.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX	   "disagg-"
#define MOST_VERBS 128
#define HELP_MS	   2000

extern char **environ;

static const struct helper_option options[] = {
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const struct helper helper = {
	.name = "disagg",
	.synopsis = "VERB [ARGUMENT]...",
	.about = "Runs disagg-VERB, which stands beside this program or in PATH.\n"
		 "'disagg help' lists the verbs that are installed, 'disagg help VERB' shows "
		 "one's help.\n",
	.option = options,
	.examples = "  disagg plan job.yaml\n"
		    "  disagg help plan\n",
	.exits = "  2 usage or no such verb, otherwise what disagg-VERB answers\n",
	.features = "runs every disagg-VERB that is installed",
};

struct verbs {
	struct disagg_arena arena;
	const char *folder; /* of this program; NULL: not known */
	const char *name[MOST_VERBS + 1];
	unsigned count;
};

static const char *own_folder(struct disagg_arena *arena)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (len <= 0)
		return NULL;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	return disagg_arena_strdup(arena, path);
}

static bool is_known(const struct verbs *verbs, const char *name)
{
	for (unsigned i = 0; i < verbs->count; i++) {
		if (strcmp(verbs->name[i], name) == 0)
			return true;
	}
	return false;
}

static void add_folder(struct verbs *verbs, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)) && verbs->count < MOST_VERBS) {
		const char *name = entry->d_name;
		const char *verb;

		if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || strchr(name, '.') ||
			faccessat(dirfd(dir), name, X_OK, 0) ||
			is_known(verbs, name + strlen(PREFIX)))
			continue;
		verb = disagg_arena_strdup(&verbs->arena, name + strlen(PREFIX));
		if (verb)
			verbs->name[verbs->count++] = verb;
	}
	closedir(dir);
}

static void add_path(struct verbs *verbs)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t len = strcspn(path, ":");
		const char *folder = disagg_arena_strndup(&verbs->arena, path, len);

		if (folder && len)
			add_folder(verbs, folder);
		path += len + (path[len] == ':');
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void find_verbs(struct verbs *verbs)
{
	if (verbs->folder)
		add_folder(verbs, verbs->folder);
	add_path(verbs);
	qsort(verbs->name, verbs->count, sizeof(verbs->name[0]), by_name);
}

/* The first sentence, or what it says before a colon, of the paragraph behind
 * the usage, on one line; in place.  "" where there is none. */
static const char *sentence_of(char *help)
{
	char *start = strncmp(help, "usage: ", 7) == 0 ? strstr(help, "\n\n") : NULL;
	char *end;

	if (!start)
		return "";
	start += 2;
	for (end = start; *end && strncmp(end, "\n\n", 2) != 0; end++) {
		if ((*end == '.' || *end == ':') && (end[1] == ' ' || end[1] == '\n'))
			break;
		if (*end == '\n')
			*end = ' ';
	}
	*end = '\0';
	return start;
}

/* By its own --help.  Only what stands beside this program is run for that. */
static const char *about_verb(struct verbs *verbs, const char *verb)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_proc_result result = {0};
	const char *path = verbs->folder ? disagg_arena_printf(&verbs->arena, "%s/" PREFIX "%s",
						   verbs->folder, verb)
					 : NULL;
	const char *const argv[] = {path, "--help", NULL};
	struct disagg_proc_call call = {
		.argv = argv,
		.envp = (const char *const *)environ,
		.timeout_ms = HELP_MS,
		.cancel_fd = -1,
	};
	char *help;

	if (!path || access(path, X_OK) || disagg_proc_run(&verbs->arena, &call, &result, &err) ||
		result.status)
		return "";
	help = disagg_arena_strndup(&verbs->arena, result.out, result.len);
	return help ? sentence_of(help) : "";
}

static int list_verbs(struct verbs *verbs)
{
	find_verbs(verbs);
	printf("usage: disagg VERB [ARGUMENT]...\n\nverbs:\n");
	for (unsigned i = 0; i < verbs->count; i++) {
		const char *about = about_verb(verbs, verbs->name[i]);

		printf(*about ? "  %-9s%s\n" : "  %s%s\n", verbs->name[i], about);
	}
	printf("\n'disagg help VERB' or 'disagg VERB --help' shows more\n");
	return fflush(stdout) ? DISAGG_SYSTEM : DISAGG_OK;
}

static int unknown_verb(struct verbs *verbs, const char *verb)
{
	const char *nearest;

	find_verbs(verbs);
	nearest = disagg_nearest_name(verbs->name, verb);
	if (nearest)
		helper_fail(&helper, DISAGG_USAGE, "unknown verb '%s', did you mean '%s'?", verb,
			nearest);
	else
		helper_fail(&helper, DISAGG_USAGE, "unknown verb '%s'", verb);
	fputs("'disagg help' lists the verbs\n", stderr);
	return DISAGG_USAGE;
}

/* Comes back only where the verb could not be run. */
static int run_verb(struct verbs *verbs, char *verb, char **argv)
{
	const char *program = disagg_arena_printf(&verbs->arena, PREFIX "%s", verb);
	const char *beside = verbs->folder && program ? disagg_arena_printf(&verbs->arena, "%s/%s",
								verbs->folder, program)
						      : NULL;
	int why;

	if (!program)
		return helper_fail(&helper, DISAGG_SYSTEM, "out of memory");
	if (strchr(verb, '/'))
		return unknown_verb(verbs, verb);
	argv[0] = (char *)(uintptr_t)program;
	if (beside)
		execv(beside, argv);
	if (!beside || errno == ENOENT)
		execvp(program, argv);
	why = errno;
	if (why == ENOENT)
		return unknown_verb(verbs, verb);
	return helper_fail(&helper, DISAGG_SYSTEM, "cannot run '%s': %s", program, strerror(why));
}

static int help(struct verbs *verbs, char *verb)
{
	char option[] = "--help";
	char *argv[] = {NULL, option, NULL};

	return verb ? run_verb(verbs, verb, argv) : list_verbs(verbs);
}

static int no_option(void *context, int id, const char *value)
{
	(void)context;
	(void)id;
	(void)value;
	return 0;
}

static int run(struct verbs *verbs, int argc, char **argv)
{
	int first = 1;

	if (argc > 1 && argv[1][0] == '-') {
		int result = helper_parse(&helper, 2, argv, no_option, NULL, &first);

		if (result >= 0)
			return result;
	}
	if (first >= argc)
		return helper_usage(&helper, "expected a VERB");
	if (strcmp(argv[first], "help") == 0)
		return help(verbs, argv[first + 1]);
	return run_verb(verbs, argv[first], argv + first);
}

int main(int argc, char **argv)
{
	struct verbs verbs = {.arena = DISAGG_ARENA_INIT};
	int result;

	verbs.folder = own_folder(&verbs.arena);
	result = run(&verbs, argc, argv);
	disagg_arena_release(&verbs.arena);
	return result;
}
