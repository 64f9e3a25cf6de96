/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/host/json.h"

static void put_members(struct pack_run *run, struct disagg_json_writer *json)
{
	const struct disagg_bundle_member *member;
	size_t count = disagg_bundle_members(run->bundle, &member), at = 0;

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
		if (at < run->masked_count && run->masked[at].member == i)
			disagg_json_put_int(json, "masked", (int64_t)run->masked[at++].count);
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
	disagg_json_put_int(&json, "restart", run->pack->restart);
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
		     : disagg_bundle_add_text(run->bundle, PACK_MANIFEST, out.text, out.len, err);
	disagg_strbuf_release(&out);
	return rc;
}
