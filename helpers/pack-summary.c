/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/host/json.h"
#include "lib/host/proc.h"
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define MOST_TOLD 20u

static void put_time(struct disagg_strbuf *out, double at)
{
	time_t seconds = (time_t)at;
	char text[40];
	struct tm tm;

	if (at > 0 && gmtime_r(&seconds, &tm) &&
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		disagg_strbuf_puts(out, text);
	else
		disagg_strbuf_puts(out, "-");
}

static void put_verdict(struct pack_run *run)
{
	const struct pack *pack = run->pack;
	const struct disagg_state *state = &pack->state;
	struct disagg_strbuf *out = &run->summary;

	disagg_strbuf_printf(
		out, "job %s: %s\n", pack->job_id, run->success ? "success" : "failure");
	if (!pack->has_state) {
		disagg_strbuf_puts(out, "disagg-run has left no state.json\n");
		return;
	}
	if (state->name)
		disagg_strbuf_printf(out, "deployment: %s\n", state->name);
	if (!state->verdict.set) {
		disagg_strbuf_printf(out,
			"disagg-run did not come to a verdict; the job ended in phase '%s'\n",
			disagg_phase_names[state->phase]);
		return;
	}
	disagg_strbuf_printf(out, "exit code %d: %s\n", state->verdict.code,
		state->verdict.text ? state->verdict.text : "");
	if (state->verdict.worker)
		disagg_strbuf_printf(out, "first failure: %s\n", state->verdict.worker);
}

static void put_phases(struct pack_run *run)
{
	const struct disagg_state *state = &run->pack->state;
	struct disagg_strbuf *out = &run->summary;

	if (!run->pack->has_state)
		return;
	disagg_strbuf_puts(out, "\nphases\n");
	for (int i = 0; i < DISAGG_PHASE_COUNT; i++) {
		if (state->phase_at[i] <= 0)
			continue;
		disagg_strbuf_printf(out, "  %-10s ", disagg_phase_names[i]);
		put_time(out, state->phase_at[i]);
		disagg_strbuf_putc(out, '\n');
	}
}

static void put_nodes(struct pack_run *run)
{
	struct disagg_strbuf *out = &run->summary;

	if (run->missing_count == 0)
		return;
	disagg_strbuf_printf(out, "\nno part came from %zu of %u nodes:", run->missing_count,
		run->pack->nodes.count);
	for (size_t i = 0; i < run->missing_count && i < MOST_TOLD; i++)
		disagg_strbuf_printf(out, " %s", run->missing_node[i]);
	if (run->missing_count > MOST_TOLD)
		disagg_strbuf_printf(out, " and %zu more", run->missing_count - MOST_TOLD);
	disagg_strbuf_putc(out, '\n');
}

/* ---- what failed, by disagg-diagnose ---- */

#define DIAGNOSE_MS    20000
#define DIAGNOSE_BYTES (1024u * 1024u)

/*
 * In a process of its own, so that logs made to trip it up cost only its words.  A half of
 * the time that is left is its, at most 20 s.  -1: it did not come to an end.
 */
static int diagnose(struct pack_run *run, const char *format, struct disagg_proc_result *ret,
	struct disagg_err *err)
{
	struct pack *pack = run->pack;
	static const char *const envp[] = {"LC_ALL=C.UTF-8", "NO_COLOR=1", NULL};
	const char *argv[] = {disagg_proc_tool(&pack->arena, "disagg-diagnose", NULL), format, "--",
		pack->run_dir, NULL};
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

static void put_diagnosis(struct pack_run *run)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_proc_result result;

	if (diagnose(run, "--format=text", &result, &err) == 0)
		disagg_strbuf_printf(&run->summary, "\n%s", result.out);
	else
		disagg_strbuf_printf(
			&run->summary, "\nthe logs have not been searched: %s\n", err.text);
}

int pack_diagnosis(struct pack_run *run, struct disagg_err *err)
{
	struct disagg_proc_result result;
	char *text;

	if (run->small || diagnose(run, "--format=json", &result, NULL) != 0)
		return 0;
	text = disagg_arena_strndup(&run->pack->arena, result.out, result.len);
	if (!text)
		return disagg_err_nomem(err);
	disagg_redact(run->redactor, text, result.len, true);
	return disagg_bundle_add_text(run->bundle, "diagnosis.json", text, result.len, err);
}

int pack_summary(struct pack_run *run, struct disagg_err *err)
{
	put_verdict(run);
	put_diagnosis(run);
	put_phases(run);
	put_nodes(run);
	if (run->small)
		disagg_strbuf_puts(&run->summary,
			"\nthere was little space: of large files there are head and tail\n");
	disagg_strbuf_puts(&run->summary,
		"\nmanifest.json lists the members, and what was left out and why\n");
	return run->summary.failed ? disagg_err_nomem(err) : 0;
}

/* ---- the manifest ---- */

static void put_members(struct pack_run *run, struct disagg_json_writer *json)
{
	const struct disagg_bundle_member *member;
	size_t count = disagg_bundle_members(run->bundle, &member);

	disagg_json_begin(json, "members", '[');
	for (size_t i = 0; i < count; i++, member++) {
		disagg_json_begin(json, NULL, '{');
		disagg_json_put_text(json, "name", member->name);
		disagg_json_put_int(json, "size", (int64_t)member->size);
		disagg_json_put_text(json, "sha256", member->sha256);
		if (member->left_out)
			disagg_json_put_int(json, "left_out", (int64_t)member->left_out);
		if (member->shrank)
			disagg_json_put_bool(json, "shrank", true);
		disagg_json_end(json, '}');
	}
	disagg_json_end(json, ']');
}

static void put_missed(struct pack_run *run, struct disagg_json_writer *json)
{
	disagg_json_begin(json, "not_included", '[');
	for (size_t i = 0; i < run->missed_count; i++) {
		disagg_json_begin(json, NULL, '{');
		disagg_json_put_text(json, "name", run->missed[i].name);
		disagg_json_put_text(json, "why", run->missed[i].why);
		disagg_json_end(json, '}');
	}
	disagg_json_end(json, ']');
	disagg_json_put_int(
		json, "not_included_more", (int64_t)(run->missed_over + run->pack->tree.over));
}

static void put_masked(struct pack_run *run, struct disagg_json_writer *json)
{
	disagg_json_begin(json, "masked", '{');
	for (int kind = 0; kind < DISAGG_SECRET_COUNT; kind++) {
		uint64_t count = disagg_redactor_count(run->redactor, (enum disagg_secret)kind);

		if (count)
			disagg_json_put_int(json, disagg_secret_names[kind], (int64_t)count);
	}
	disagg_json_end(json, '}');
}

int pack_manifest(struct pack_run *run, struct disagg_err *err)
{
	struct disagg_strbuf out;
	struct disagg_json_writer json = {.out = &out};
	int rc;

	disagg_strbuf_init(&out, 0);
	disagg_json_begin(&json, NULL, '{');
	disagg_json_put_text(&json, "schema", "disagg.manifest/1");
	disagg_json_put_text(&json, "job_id", run->pack->job_id);
	disagg_json_put_text(&json, "status", run->success ? "success" : "failure");
	disagg_json_put_text(&json, "mode", disagg_machine_modes[run->pack->mode]);
	disagg_json_put_text(&json, "version", DISAGG_VERSION);
	disagg_json_begin(&json, "missing_nodes", '[');
	for (size_t i = 0; i < run->missing_count; i++)
		disagg_json_put_text(&json, NULL, run->missing_node[i]);
	disagg_json_end(&json, ']');
	put_members(run, &json);
	put_missed(run, &json);
	put_masked(run, &json);
	disagg_json_end(&json, '}');
	disagg_strbuf_putc(&out, '\n');
	rc = out.failed
		     ? disagg_err_nomem(err)
		     : disagg_bundle_add_text(run->bundle, "manifest.json", out.text, out.len, err);
	disagg_strbuf_release(&out);
	return rc;
}
