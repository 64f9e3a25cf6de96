/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/jobs.h"
#include "lib/base/num.h"
#include "lib/base/strbuf.h"
#include "lib/host/proc.h"
#include "lib/host/rundir.h"
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALL_MS 5000

/* ---- what Slurm says ---- */

/* The value behind KEY=, up to one of `ends`; the key begins a word. */
static char *value_of(
	struct disagg_arena *arena, const char *text, const char *key, const char *ends)
{
	const char *at = text;

	while ((at = strstr(at, key))) {
		bool begins = at == text || strchr(" \n", at[-1]);

		at += strlen(key);
		if (begins)
			return disagg_arena_strndup(arena, at, strcspn(at, ends));
	}
	return NULL;
}

/* "alice(1001)" */
static void read_user(char *text, struct disagg_job_facts *facts)
{
	char *open = strchr(text, '('), *close = open ? strchr(open, ')') : NULL;

	facts->user = text;
	if (!close)
		return;
	*open = *close = '\0';
	if (disagg_num_int(open + 1, 0, UINT32_MAX, &facts->uid))
		facts->uid = -1;
}

static int read_facts(struct disagg_arena *arena, const char *text, struct disagg_job_facts *ret)
{
	struct disagg_job_facts facts = {.uid = -1};
	char *user = value_of(arena, text, "UserId=", " \n");

	facts.state = value_of(arena, text, "JobState=", " \n");
	facts.work_dir = value_of(arena, text, "WorkDir=", "\n");
	if (!facts.state || !user)
		return -1;
	read_user(user, &facts);
	*ret = facts;
	return 0;
}

int disagg_jobs_ask(struct disagg_arena *arena, const char *job, const char *path,
	const char *const *envp, struct disagg_job_facts *ret, struct disagg_err *err)
{
	const char *scontrol = disagg_proc_find(arena, "scontrol", path);
	const char *const argv[] = {scontrol, "show", "job", job, NULL};
	const struct disagg_proc_call call = {
		.argv = argv, .envp = envp, .timeout_ms = CALL_MS, .cancel_fd = -1};
	struct disagg_proc_result result;

	if (!scontrol)
		return disagg_err_set(err, DISAGG_MISSING,
			"'scontrol' is not in PATH: expected Slurm's commands on this node");
	if (disagg_proc_run(arena, &call, &result, err))
		return -1;
	if (result.status == 0 && read_facts(arena, result.out, ret) == 0)
		return 0;
	return disagg_err_set(err, DISAGG_MISSING, "Slurm knows no job %s: %.*s", job,
		(int)strcspn(result.out, "\n"), result.out);
}

/* ---- the run directory ---- */

static bool has_state(struct disagg_arena *arena, const char *dir)
{
	const char *path = disagg_arena_printf(arena, "%s/" DISAGG_RUNDIR_STATE, dir);

	return path && access(path, R_OK) == 0;
}

/* The newest of what a pattern names: a requeued job has several. */
static const char *newest(struct disagg_arena *arena, const char *pattern)
{
	const char *found = NULL;
	time_t when = 0;
	glob_t list;

	if (!pattern || glob(pattern, GLOB_NOSORT, NULL, &list))
		return NULL;
	for (size_t i = 0; i < list.gl_pathc; i++) {
		const char *dir = list.gl_pathv[i];
		struct stat st;

		if (!has_state(arena, dir) || stat(dir, &st) || (found && st.st_mtime < when))
			continue;
		found = disagg_arena_strdup(arena, dir);
		when = st.st_mtime;
	}
	globfree(&list);
	return found;
}

/* A path as a pattern that matches it alone. */
static const char *escaped(struct disagg_arena *arena, const char *path)
{
	struct disagg_strbuf out;
	const char *text;

	disagg_strbuf_init(&out, 0);
	for (; *path; path++) {
		if (strchr("\\*?[", *path))
			disagg_strbuf_putc(&out, '\\');
		disagg_strbuf_putc(&out, *path);
	}
	text = out.failed ? NULL : disagg_arena_strdup(arena, out.text);
	disagg_strbuf_release(&out);
	return text;
}

/* The run of the last restart goes before the first one. */
const char *disagg_jobs_run_below(struct disagg_arena *arena, const char *folder, const char *job)
{
	static const char *const bases[] = {"disagg-", "*/"};
	static const char *const ends[] = {".[0-9]*", ""};
	const char *found = NULL;

	folder = escaped(arena, folder);
	for (unsigned i = 0; folder && i < 4 && !found; i++)
		found = newest(arena, disagg_arena_printf(arena, "%s/%s%s%s", folder, bases[i / 2],
					      job, ends[i % 2]));
	return found;
}

const char *disagg_jobs_run(
	struct disagg_arena *arena, const char *word, const char *path, const char *const *envp)
{
	struct disagg_job_facts facts;
	int64_t job;
	const char *found;

	if (disagg_num_int(word, 1, UINT32_MAX, &job))
		return has_state(arena, word) ? word : NULL;
	found = disagg_jobs_run_below(arena, ".", word);
	if (found || disagg_jobs_ask(arena, word, path, envp, &facts, NULL) || !facts.work_dir)
		return found;
	return disagg_jobs_run_below(arena, facts.work_dir, word);
}
