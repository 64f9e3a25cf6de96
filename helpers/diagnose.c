/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/helper.h"
#include "lib/base/num.h"
#include "lib/diag/examine.h"
#include "lib/diag/matcher.h"
#include "lib/diag/tell.h"
#include "lib/host/jobs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { O_FORMAT = 256, O_SIGNATURES, O_OFFSET, O_STATE, O_ALL };
enum { AS_TEXT, AS_JSON, AS_JUNIT, FORMATS };

static const char *const format_names[] = {"text", "json", "junit", NULL};

static const struct helper_option options[] = {
	{"format", O_FORMAT, HELPER_VALUE, "LIST",
		"text (default), json or junit; several: json,text"},
	{"all", O_ALL, HELPER_FLAG, NULL, "every signal, and how every task ended"},
	{"signatures", O_SIGNATURES, HELPER_VALUE, "FILE",
		"a site's signatures, tried before ours"},
	{"utc-offset", O_OFFSET, HELPER_VALUE, "[-]HH:MM",
		"of times without a zone; else it is estimated"},
	{"slurm-state", O_STATE, HELPER_VALUE, "STATE", "the job's, as sacct has it: TIMEOUT"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static struct helper helper = {
	.name = "disagg-diagnose",
	.synopsis = "[OPTION]... RUN_DIR|JOBID|ARCHIVE|FILE...",
	.about = "Says what failed first in a run, and what it most likely failed of: from the\n"
		 "logs of all workers, how their tasks ended, the kernel's log, Slurm's state\n"
		 "and disagg-run's verdict.  What followed from it is listed below.  A job's run\n"
		 "directory is looked for here and in the job's working directory.  An archive of\n"
		 "disagg-pack is read as it is.\n",
	.option = options,
	.examples = "  disagg-diagnose disagg-1234\n"
		    "  disagg-diagnose job_1234_failure_20261126.tar.gz\n"
		    "  disagg-diagnose decode_0.log prefill_0.log kmsg.n3\n"
		    "  disagg-diagnose --format=json 1234 | jq -r .class\n",
	.environment =
		"  PATH      where squeue is\n"
		"  TMPDIR    where an archive is unpacked into a file without a name (/tmp)\n"
		"  NO_COLOR  no colour on a terminal\n",
	.exits = "  0 no failure was found, 1 one was; 2 usage, 3 the signatures' file is wrong,\n"
		 "  or an archive damaged, 4 no such run or file, 5 a system call failed\n",
};

struct call {
	int format[FORMATS]; /* in their order */
	unsigned format_count;
	bool all;
	double offset_s;
	struct disagg_examine_options wanted;
};

extern char **environ;

static int take_offset(struct call *call, const char *value)
{
	int64_t seconds;
	bool west = *value == '-';
	char text[32];

	value += west || *value == '+';
	/* a duration has seconds, too */
	snprintf(text, sizeof(text), "%.5s:00", value);
	if (strlen(value) > 5 || !strchr(value, ':') || disagg_num_duration(text, &seconds) ||
		seconds > 14 * 3600)
		return helper_usage(&helper,
			"--utc-offset: expected HH:MM or -HH:MM, at most 14 hours, got '%s'",
			value);
	call->offset_s = west ? -(double)seconds : (double)seconds;
	call->wanted.utc_offset_s = &call->offset_s;
	return 0;
}

static int take_formats(struct call *call, const char *value)
{
	call->format_count = 0;
	for (const char *word = value; word; word = strchr(word, ',')) {
		char name[16];

		word += word > value;
		if (call->format_count == FORMATS)
			return helper_usage(
				&helper, "--format: expected at most %d, got '%s'", FORMATS, value);
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, ","), word);
		call->format[call->format_count] =
			helper_choice(&helper, "format", format_names, name);
		if (call->format[call->format_count++] < 0)
			return DISAGG_USAGE;
	}
	return 0;
}

static int take(void *context, int id, const char *value)
{
	struct call *call = context;

	switch (id) {
	case O_ALL:
		call->all = true;
		return 0;
	case O_SIGNATURES:
		call->wanted.signatures = value;
		return 0;
	case O_STATE:
		call->wanted.slurm_state = value;
		return 0;
	case O_OFFSET:
		return take_offset(call, value);
	default:
		return take_formats(call, value);
	}
}

/* A number is a job: the path of its run, and how Slurm says that it ended. */
static const char *path_of(
	struct disagg_arena *arena, struct call *call, const char *word, struct disagg_err *err)
{
	struct disagg_job_facts facts;
	const char *dir;
	int64_t job;

	if (disagg_num_int(word, 1, UINT32_MAX, &job))
		return word;
	dir = disagg_jobs_run(arena, word, getenv("PATH"), (const char *const *)environ);
	if (!dir)
		disagg_err_set(err, DISAGG_MISSING,
			"no run directory of job '%s' is found here or in its working directory: "
			"expected a job's number, or the path of its run directory",
			word);
	else if (!call->wanted.slurm_state && !disagg_jobs_ask(arena, word, getenv("PATH"),
						      (const char *const *)environ, &facts, NULL)) {
		call->wanted.slurm_state = facts.state;
		call->wanted.slurm_reason = facts.reason;
	}
	return dir;
}

static int diagnose(struct disagg_arena *arena, struct call *call, char **word,
	struct disagg_strbuf *out, struct disagg_err *err)
{
	static void (*const tell_as[])(struct disagg_strbuf *, const struct disagg_tell *) = {
		[AS_TEXT] = disagg_tell_text,
		[AS_JSON] = disagg_tell_json,
		[AS_JUNIT] = disagg_tell_junit,
	};
	struct disagg_examination seen;
	struct disagg_tell tell = {.diagnosis = &seen.diagnosis,
		.files = &seen.files,
		.scan = &seen.scan,
		.colour = helper_colour(),
		.all = call->all};
	unsigned count = 0;
	const char **path;

	while (word[count])
		count++;
	path = disagg_arena_array(arena, count + 1u, sizeof(*path));
	if (!path)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < count; i++) {
		path[i] = path_of(arena, call, word[i], err);
		if (!path[i])
			return -1;
	}
	if (disagg_examine(arena, path, &call->wanted, &seen, err))
		return -1;
	for (unsigned i = 0; i < call->format_count; i++)
		tell_as[call->format[i]](out, &tell);
	return seen.diagnosis.outcome == DISAGG_OUTCOME_FAILURE ? DISAGG_CHECK : DISAGG_OK;
}

int main(int argc, char **argv)
{
	struct disagg_arena arena = {.limit = (size_t)1 << 30};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct call call = {
		.format = {AS_TEXT}, .format_count = 1, .wanted = {.tmp_dir = getenv("TMPDIR")}};
	struct disagg_strbuf out;
	char version[128];
	int first, rc;

	helper.features = disagg_matcher_version(version, sizeof(version));
	rc = helper_parse(&helper, argc, argv, take, &call, &first);
	if (rc >= 0)
		return rc;
	if (first == argc)
		return helper_usage(&helper, "expected a RUN_DIR, a JOBID, an ARCHIVE or a FILE");
	disagg_strbuf_init(&out, 0);
	rc = diagnose(&arena, &call, argv + first, &out, &err);
	if (rc < 0)
		rc = helper_fail_err(&helper, &err);
	else if (helper_print(&helper, &out))
		rc = DISAGG_SYSTEM;
	disagg_strbuf_release(&out);
	disagg_arena_release(&arena);
	return rc;
}
