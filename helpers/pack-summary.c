/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/host/proc.h"
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define COLUMNS	  80
#define LABEL	  11 /* "  run      " */
#define MOST_TOLD 3u

/* ---- lines of the page ---- */

/* Bytes of text for a line, to the last blank of them. */
static size_t fold(const char *text)
{
	size_t len = strlen(text), room = COLUMNS - LABEL, at = room;

	if (len <= room)
		return len;
	while (at > room / 3 && text[at] != ' ')
		at--;
	return text[at] == ' ' ? at : room;
}

static void put_line(struct disagg_strbuf *out, const char *label, const char *text)
{
	do {
		size_t len = fold(text);

		disagg_strbuf_printf(out, "  %-8s %.*s\n", label, (int)len, text);
		label = "";
		text += len;
		text += strspn(text, " ");
	} while (*text);
}

/* A line of what `text` holds, which is emptied; none where it holds nothing. */
static void put_text(struct disagg_strbuf *out, const char *label, struct disagg_strbuf *text)
{
	if (text->len > 0 && !text->failed) {
		disagg_text_tame(text->text);
		put_line(out, label, text->text);
	}
	disagg_strbuf_release(text);
}

/* ---- what failed, by disagg-diagnose ---- */

#define DIAGNOSE_MS    20000
#define DIAGNOSE_BYTES (8u * 1024u * 1024u)

static int call_diagnose(
	struct pack_run *run, struct disagg_proc_result *ret, struct disagg_err *err)
{
	struct pack *pack = run->pack;
	static const char *const envp[] = {"LC_ALL=C.UTF-8", "NO_COLOR=1", NULL};
	const char *argv[] = {disagg_proc_tool(&pack->arena, "disagg-diagnose", NULL),
		"--format=json,text", "--", pack->run_dir, NULL};
	struct disagg_proc_call call = {.argv = argv,
		.envp = envp,
		.timeout_ms = DIAGNOSE_MS,
		.cancel_fd = -1,
		.limit = DIAGNOSE_BYTES};
	int64_t left = pack->until_ns ? (pack->until_ns - pack_now_ns()) / 2000000 : DIAGNOSE_MS;

	if (!argv[0])
		return disagg_err_set(err, DISAGG_MISSING, "there is no 'disagg-diagnose'");
	if (left < call.timeout_ms)
		call.timeout_ms = left > 100 ? (int)left : 100;
	if (disagg_proc_run(&pack->arena, &call, ret, err) != 0)
		return -1;
	if (ret->status != 0 && disagg_proc_code(ret->status) != DISAGG_CHECK)
		return disagg_err_set(
			err, DISAGG_SYSTEM, "disagg-diagnose failed: %.200s", ret->out);
	return 0;
}

/*
 * In a process of its own, so that logs made to trip it up cost only its words.  A half of
 * the time that is left is its, at most 20 s.  The logs are searched once: of its answer the
 * first line is the JSON, the others are the text.
 */
static const struct pack_diagnosis *diagnose(struct pack_run *run)
{
	struct pack_diagnosis *diagnosis = &run->diagnosis;
	struct disagg_proc_result result;
	const char *line_end;

	/* of a run that is packed once more, with less space, it is the same */
	if (diagnosis->asked)
		return diagnosis;
	diagnosis->asked = true;
	if (call_diagnose(run, &result, &diagnosis->why) != 0)
		return diagnosis;
	line_end = memchr(result.out, '\n', result.len);
	if (!line_end) {
		disagg_err_set(&diagnosis->why, DISAGG_SYSTEM,
			"disagg-diagnose had more to say than %u bytes", DIAGNOSE_BYTES);
		return diagnosis;
	}
	diagnosis->json = result.out;
	diagnosis->json_len = (size_t)(line_end + 1 - result.out);
	diagnosis->text = line_end + 1;
	return diagnosis;
}

/* ---- what happened ---- */

/* The verdict's own words, where the diagnosis does not have them. */
static void put_verdict(struct pack_run *run, struct disagg_strbuf *text, bool diagnosed)
{
	const struct disagg_state *state = &run->pack->state;
	const struct disagg_state_verdict *verdict = &state->verdict;

	if (!verdict->set) {
		disagg_strbuf_printf(text, "; disagg-run came to no verdict, in phase '%s'",
			disagg_phase_names[state->phase]);
		return;
	}
	disagg_strbuf_printf(text, "; exit code %d", verdict->code);
	if (verdict->text && (!diagnosed || verdict->code == 0))
		disagg_strbuf_printf(text, ": %s", verdict->text);
	if (!diagnosed && verdict->worker)
		disagg_strbuf_printf(text, "; first failure: %s", verdict->worker);
}

static void put_run(struct pack_run *run, bool diagnosed)
{
	const struct pack *pack = run->pack;
	const char *slash = strrchr(pack->run_dir, '/');
	const char *exit = pack->job_exit ? pack->job_exit : "";
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	if (pack->has_state && pack->state.name)
		disagg_strbuf_printf(&text, "'%s'%s in %s", pack->state.name,
			pack->state.rehearse ? ", a rehearsal," : "",
			slash ? slash + 1 : pack->run_dir);
	else
		disagg_strbuf_printf(&text, "%s", slash ? slash + 1 : pack->run_dir);
	if (pack->nodes.count > 0)
		disagg_strbuf_printf(
			&text, ", %u node%s", pack->nodes.count, pack->nodes.count == 1 ? "" : "s");
	if (pack->has_state)
		put_verdict(run, &text, diagnosed);
	else
		disagg_strbuf_puts(&text, "; disagg-run has left no state.json");
	if (*exit && !(pack->has_state && pack->state.verdict.set))
		disagg_strbuf_printf(&text, "; Slurm's exit code of the job is %s", exit);
	if (pack->restarts > pack->restart)
		disagg_strbuf_puts(&text, "; the job was requeued");
	put_text(&run->summary, "run", &text);
}

/* When each phase began, from the first on. */
static void put_phases(struct pack_run *run)
{
	const struct disagg_state *state = &run->pack->state;
	struct disagg_strbuf text;
	double first = 0;

	disagg_strbuf_init(&text, 0);
	for (int i = 0; run->pack->has_state && i < DISAGG_PHASE_COUNT; i++) {
		double at = state->phase_at[i];
		time_t seconds = (time_t)at;
		char clock[32] = "";
		struct tm tm;

		if (at <= 0)
			continue;
		if (first <= 0 && gmtime_r(&seconds, &tm) &&
			strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S UTC", &tm))
			disagg_strbuf_printf(&text, "%s %s", disagg_phase_names[i], clock);
		else
			disagg_strbuf_printf(
				&text, ", %s +%.1f s", disagg_phase_names[i], at - first);
		first = first > 0 ? first : at;
	}
	put_text(&run->summary, "phases", &text);
}

/* The diagnosis, whose first line becomes the page's; or what is known without it. */
static void put_story(struct pack_run *run)
{
	const char *status = run->success ? "success" : "failure", *rest = "";
	const struct pack_diagnosis *diagnosis = diagnose(run);
	const char *text = diagnosis->text;

	disagg_strbuf_printf(&run->summary, "job %s", run->pack->job_id);
	if (run->pack->restart)
		disagg_strbuf_printf(&run->summary, ", restart %d", run->pack->restart);
	disagg_strbuf_puts(&run->summary, ": ");
	if (text && strncmp(text, status, strlen(status)) == 0) {
		size_t len = strcspn(text, "\n");

		disagg_strbuf_printf(&run->summary, "%.*s\n", (int)len, text);
		rest = text + len + (text[len] == '\n');
	} else {
		disagg_strbuf_printf(&run->summary, "%s\n", status);
		rest = text ? text : "";
	}
	put_run(run, text != NULL);
	put_phases(run);
	disagg_strbuf_puts(&run->summary, rest);
	if (!text)
		disagg_strbuf_printf(&run->summary, "\nthe logs have not been searched: %s\n",
			diagnosis->why.text);
}

int pack_put_diagnosis(struct pack_run *run, struct disagg_err *err)
{
	const struct pack_diagnosis *diagnosis = &run->diagnosis;
	size_t len = diagnosis->json_len;
	char *text;

	if (run->small || !diagnosis->json)
		return 0;
	text = disagg_arena_strndup(&run->pack->arena, diagnosis->json, len);
	if (!text)
		return disagg_err_nomem(err);
	pack_mask_text(run, text, len);
	return disagg_bundle_add_text(run->bundle, "diagnosis.json", text, len, err);
}

/* ---- what the archive lacks ---- */

static void put_nodes(struct pack_run *run)
{
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	if (run->missing_count > 0) {
		disagg_strbuf_printf(&text,
			"no part came from %zu of %u nodes: ", run->missing_count,
			run->pack->nodes.count);
		disagg_hostlist_fold(&text, run->missing_node, run->missing_count);
		disagg_strbuf_printf(&text,
			"; where nodes share no file system it is on the node, in the run "
			"directory's path, or in disagg-%s in the job's working directory "
			"or in /tmp",
			run->pack->run_id);
	}
	put_text(&run->summary, "nodes", &text);
}

static void put_size(struct disagg_strbuf *out, uint64_t bytes)
{
	if (bytes >= UINT64_C(10) << 20)
		disagg_strbuf_printf(out, "%" PRIu64 " MiB", bytes >> 20);
	else
		disagg_strbuf_printf(out, "%" PRIu64 " KiB", bytes >> 10);
}

static void put_cut(struct pack_run *run)
{
	const struct pack *pack = run->pack;
	struct disagg_strbuf text;
	size_t count = 0;

	disagg_strbuf_init(&text, 0);
	for (size_t i = 0; i < pack->tree.count; i++) {
		const struct disagg_tree_file *file = &pack->tree.file[i];

		if (pack_refuses(file) || file->size <= pack->file_bytes || count++ >= MOST_TOLD)
			continue;
		disagg_strbuf_printf(
			&text, "%s%.64s (", count == 1 ? "head and tail of: " : ", ", file->name);
		put_size(&text, file->size);
		disagg_strbuf_putc(&text, ')');
	}
	if (count > MOST_TOLD)
		disagg_strbuf_printf(&text, " and %zu more", count - MOST_TOLD);
	if (run->small)
		disagg_strbuf_printf(&text, "%sthere was little space",
			text.len ? "; " : "of large files there are head and tail: ");
	put_text(&run->summary, "cut", &text);
}

static void put_left_out(struct pack_run *run)
{
	const struct pack *pack = run->pack;
	struct disagg_strbuf text;
	size_t count = 0;

	disagg_strbuf_init(&text, 0);
	for (size_t i = 0; i < pack->tree.count; i++) {
		const char *why = pack_refuses(&pack->tree.file[i]);

		if (!why || !*why || count++ >= MOST_TOLD)
			continue;
		disagg_strbuf_printf(&text, "%s%.64s (%s)", count == 1 ? "" : ", ",
			pack->tree.file[i].name, why);
	}
	if (count > MOST_TOLD)
		disagg_strbuf_printf(&text, " and %zu more", count - MOST_TOLD);
	if (pack->tree.over)
		disagg_strbuf_printf(&text, "%s%zu files over the most of %zu", count ? "; " : "",
			pack->tree.over, pack->files);
	put_text(&run->summary, "left out", &text);
}

int pack_summary(struct pack_run *run, struct disagg_err *err)
{
	put_story(run);
	disagg_strbuf_puts(&run->summary, "\nthis archive\n");
	put_nodes(run);
	put_cut(run);
	put_left_out(run);
	/* this page is written before the others are looked through */
	put_line(&run->summary, "masked",
		"what looks like a secret; manifest.json counts it by kind and member");
	put_line(&run->summary, "members",
		"see manifest.json: all of them, and what is missing and why");
	return run->summary.failed ? disagg_err_nomem(err) : 0;
}
