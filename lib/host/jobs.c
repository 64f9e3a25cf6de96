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

/* Of the user's own choice is the folder alone, and it comes last. */
#define FORMAT "--format=%A %T %U %u %r|%Z"

/* What comes before the next `end` of a line, which is cut there. */
static char *part_of(char **line, const char *ends)
{
	char *word = *line, *end = word + strcspn(word, ends);

	*line = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

/* A job of many, an array's or a mixed one's, is answered for with all of them. */
static int read_facts(struct disagg_arena *arena, const char *text, const char *job,
	struct disagg_job_facts *ret, struct disagg_err *err)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = disagg_arena_strndup(arena, text, len);
		struct disagg_job_facts facts;
		const char *id;

		if (!line)
			return disagg_err_nomem(err);
		id = part_of(&line, " ");
		facts.state = part_of(&line, " ");
		if (disagg_num_int(part_of(&line, " "), 0, UINT32_MAX, &facts.uid))
			facts.uid = -1;
		facts.user = part_of(&line, " ");
		facts.reason = part_of(&line, "|");
		if (!facts.reason[0] || strcmp(facts.reason, "None") == 0)
			facts.reason = NULL;
		facts.work_dir = *line ? line : NULL;
		if (strcmp(id, job) == 0 && facts.user[0]) {
			*ret = facts;
			return 0;
		}
		text += len;
		text += *text == '\n';
	}
	return 1;
}

/* What squeue is told by SQUEUE_USERS and its like would hide jobs from us. */
static const char *const *unfiltered(struct disagg_arena *arena, const char *const *envp)
{
	static const char prefix[] = "SQUEUE_";
	size_t count = 0, kept = 0;
	const char **list;

	while (envp[count])
		count++;
	list = disagg_arena_array(arena, count + 1, sizeof(*list));
	for (size_t i = 0; list && i < count; i++) {
		if (strncmp(envp[i], prefix, strlen(prefix)) != 0)
			list[kept++] = envp[i];
	}
	return list;
}

int disagg_jobs_ask(struct disagg_arena *arena, const char *job, const char *path,
	const char *const *envp, struct disagg_job_facts *ret, struct disagg_err *err)
{
	const char *squeue = disagg_proc_find(arena, "squeue", path);
	const char *const argv[] = {
		squeue, "--noheader", "--states=all", "--jobs", job, FORMAT, NULL};
	const struct disagg_proc_call call = {.argv = argv,
		.envp = unfiltered(arena, envp),
		.timeout_ms = CALL_MS,
		.cancel_fd = -1};
	struct disagg_proc_result result;
	int rc;

	if (!squeue)
		return disagg_err_set(err, DISAGG_MISSING,
			"'squeue' is not in PATH: expected Slurm's commands on this node");
	if (!call.envp)
		return disagg_err_nomem(err);
	if (disagg_proc_run(arena, &call, &result, err))
		return -1;
	rc = result.status ? 1 : read_facts(arena, result.out, job, ret, err);
	if (rc <= 0)
		return rc;
	return disagg_err_set(err, DISAGG_MISSING, "Slurm knows no job %s%s%.*s", job,
		result.status ? ": " : "", result.status ? (int)strcspn(result.out, "\n") : 0,
		result.out);
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
