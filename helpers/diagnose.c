/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/diagnose.h"

#include "helpers/helper.h"
#include "lib/base/num.h"
#include "lib/diag/matcher.h"
#include "lib/host/jobs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { O_FORMAT = 256, O_SIGNATURES, O_OFFSET, O_STATE, O_ALL };
enum { AS_TEXT, AS_JSON, AS_JUNIT };

static const char *const format_names[] = {"text", "json", "junit", NULL};

static const struct helper_option options[] = {
	{"format", O_FORMAT, HELPER_VALUE, "FORMAT", "text (default), json or junit"},
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
	.synopsis = "[OPTION]... [RUN_DIR|JOBID|FILE]...",
	.about = "Says what failed first in a run, and what it most likely failed of: from the\n"
		 "logs of all workers, how their tasks ended, the kernel's log, Slurm's state\n"
		 "and disagg-run's verdict.  What followed from it is listed below.  A job's run\n"
		 "directory is looked for here and in the job's working directory; of an archive,\n"
		 "give the folder it was unpacked to.\n",
	.option = options,
	.examples = "  disagg-diagnose disagg-1234\n"
		    "  disagg-diagnose decode_0.log prefill_0.log kmsg.n3\n"
		    "  disagg-diagnose --format=json 1234 | jq -r .class\n",
	.environment = "  PATH      where squeue is\n"
		       "  NO_COLOR  no colour on a terminal\n",
	.exits = "  0 no failure was found, 1 one was; 2 usage, 3 the signatures' file is wrong,\n"
		 "  4 no such run or file, 5 a system call failed\n",
};

struct call {
	int format;
	bool all, has_offset;
	double offset_s;
	const char *signatures, *slurm_state;
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
	call->has_offset = true;
	call->offset_s = west ? -(double)seconds : (double)seconds;
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
		call->signatures = value;
		return 0;
	case O_STATE:
		call->slurm_state = value;
		return 0;
	case O_OFFSET:
		return take_offset(call, value);
	default:
		call->format = helper_choice(&helper, "format", format_names, value);
		return call->format < 0 ? DISAGG_USAGE : 0;
	}
}

/* ---- what there is ---- */

/* A path is one; a number that is none is a job. */
static int add_word(struct disagg_arena *arena, struct disagg_runfiles *files, const char *word,
	struct disagg_err *err)
{
	struct disagg_job_facts facts;
	const char *dir;
	int64_t job;

	if (disagg_num_int(word, 1, UINT32_MAX, &job))
		return disagg_runfiles_add(arena, files, word, err);
	dir = disagg_jobs_run(arena, word, getenv("PATH"), (const char *const *)environ);
	if (!dir)
		return disagg_err_set(err, DISAGG_MISSING,
			"there is no run directory of job '%s' here or in its working directory",
			word);
	if (disagg_jobs_ask(
		    arena, word, getenv("PATH"), (const char *const *)environ, &facts, NULL) == 0) {
		files->slurm_state = facts.state;
		files->slurm_reason = facts.reason;
	}
	return disagg_runfiles_add(arena, files, dir, err);
}

static int add_words(struct disagg_arena *arena, struct disagg_runfiles *files, char **word,
	struct disagg_err *err)
{
	if (!*word)
		return disagg_runfiles_add(arena, files, ".", err);
	for (; *word; word++) {
		if (add_word(arena, files, *word, err))
			return -1;
	}
	return 0;
}

static int gather(struct disagg_arena *arena, const struct call *call, char **word,
	struct disagg_runfiles *files, struct disagg_err *err)
{
	if (disagg_runfiles_init(arena, files, err) || add_words(arena, files, word, err))
		return -1;
	if (call->slurm_state)
		files->slurm_state = call->slurm_state;
	if (!files->log_count && !files->has_state && !files->exits.count && !files->kernel.count)
		return disagg_err_set(err, DISAGG_MISSING,
			"there are no logs in '%s', and no state.json", *word ? *word : ".");
	return 0;
}

/* ---- the answer ---- */

static void render(struct disagg_strbuf *out, const struct diagnose_shown *shown, int format)
{
	if (format == AS_JSON)
		diagnose_put_json(out, shown);
	else if (format == AS_JUNIT)
		diagnose_put_junit(out, shown);
	else
		diagnose_put_text(out, shown);
}

static int diagnose(struct disagg_arena *arena, const struct call *call, char **word,
	struct disagg_strbuf *out, struct disagg_err *err)
{
	struct disagg_diagnose_options wanted = {
		.utc_offset_s = call->has_offset ? &call->offset_s : NULL};
	struct disagg_signatures signatures;
	struct disagg_runfiles files;
	struct disagg_diagnosis diagnosis;
	struct disagg_scan scan = {0};
	struct diagnose_shown shown = {.diagnosis = &diagnosis,
		.files = &files,
		.scan = &scan,
		.colour = helper_colour(),
		.all = call->all};

	if (gather(arena, call, word, &files, err) ||
		disagg_signatures_load(arena, call->signatures, &signatures, err))
		return -1;
	scan.file = files.log;
	scan.file_count = files.log_count;
	if (disagg_scan_logs(arena, &signatures, &scan, err) ||
		disagg_diagnose(arena, &signatures, &files, &scan, &wanted, &diagnosis, err))
		return -1;
	render(out, &shown, call->format);
	return diagnosis.outcome == DISAGG_OUTCOME_FAILURE ? DISAGG_CHECK : DISAGG_OK;
}

int main(int argc, char **argv)
{
	struct disagg_arena arena = {.limit = (size_t)1 << 30};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct call call = {.format = AS_TEXT};
	struct disagg_strbuf out;
	char version[128];
	int first, rc;

	helper.features = disagg_matcher_version(version, sizeof(version));
	rc = helper_parse(&helper, argc, argv, take, &call, &first);
	if (rc >= 0)
		return rc;
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
