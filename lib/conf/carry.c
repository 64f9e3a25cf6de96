/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/load.h"
#include "lib/base/strbuf.h"
#include <string.h>

#define SCHEMA "disagg.config/1"
#define SOURCE "SLURM_DISAGG_CONFIG"

static void text_or_null(struct disagg_strbuf *out, const char *text)
{
	if (text)
		disagg_strbuf_json(out, text);
	else
		disagg_strbuf_puts(out, "null");
}

static void tree_or_null(struct disagg_strbuf *out, const struct disagg_node *tree)
{
	if (tree)
		disagg_node_json(tree, out);
	else
		disagg_strbuf_puts(out, "null");
}

static void config_write(const struct disagg_job *job, struct disagg_strbuf *out)
{
	disagg_strbuf_puts(out, "{\"schema\":\"" SCHEMA "\",\"dialect\":");
	disagg_strbuf_json(out, disagg_dialect_names[job->dialect]);
	disagg_strbuf_puts(out, ",\"source\":");
	text_or_null(out, job->source);
	disagg_strbuf_puts(out, ",\"variant\":");
	text_or_null(out, job->variant);
	disagg_strbuf_printf(
		out, ",\"rehearse\":%s,\"cluster\":", job->rehearse ? "true" : "false");
	tree_or_null(out, job->cluster);
	disagg_strbuf_puts(out, ",\"job\":");
	tree_or_null(out, job->tree);
	disagg_strbuf_puts(out, "}");
}

int disagg_job_config(struct disagg_arena *arena, const struct disagg_job *job,
	const char **ret_json, struct disagg_err *err)
{
	struct disagg_strbuf out;
	const char *json = NULL;

	/* larger than what may travel, so that the message can say how much it is */
	disagg_strbuf_init(&out, DISAGG_MAX_YAML_BYTES);
	config_write(job, &out);
	if (out.failed || out.len >= DISAGG_MAX_CONFIG_BYTES) {
		disagg_err_at(err, DISAGG_CONFIG, job->source, 0, 0,
			"the configuration is too large to travel with a job: %s%zu bytes of "
			"JSON, at most %u are carried",
			out.failed ? "more than " : "", out.len, DISAGG_MAX_CONFIG_BYTES - 1);
	} else {
		json = disagg_arena_strndup(arena, out.text, out.len);
		if (!json)
			disagg_err_nomem(err);
	}
	disagg_strbuf_release(&out);
	if (!json)
		return -1;
	*ret_json = json;
	return 0;
}

static const char *text_of(const struct disagg_node *root, const char *key)
{
	const struct disagg_node *node = disagg_node_get(root, key);

	return node && node->kind == DISAGG_SCALAR && !disagg_node_is_null(node) ? node->text
										 : NULL;
}

static int carried_check(const struct disagg_node *root, struct disagg_findings *found)
{
	const char *schema = text_of(root, "schema");
	const struct disagg_node *tree = disagg_node_get(root, "job");

	if (!schema || strcmp(schema, SCHEMA) != 0) {
		disagg_findings_error(found, &root->at,
			"the carried configuration has schema '%s', expected '" SCHEMA
			"': the submit host and this node have different versions",
			schema ? schema : "");
		return -1;
	}
	if (!tree || tree->kind != DISAGG_MAP) {
		disagg_findings_error(
			found, &root->at, "the carried configuration has no 'job' map");
		return -1;
	}
	return 0;
}

int disagg_job_load_config(struct disagg_arena *arena, const char *json,
	struct disagg_job **ret_job, struct disagg_findings *found)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_job *job = disagg_arena_alloc(arena, sizeof(*job));
	struct disagg_cluster *cluster = NULL;
	const struct disagg_node *carried;
	struct disagg_node *root;
	const char *rehearse;

	if (!job) {
		disagg_err_nomem(&err);
		disagg_findings_take(found, &err);
		return -1;
	}
	if (disagg_yaml_parse(arena, json, strlen(json), SOURCE, &root, &err)) {
		disagg_findings_take(found, &err);
		return -1;
	}
	if (carried_check(root, found))
		return -1;
	carried = disagg_node_get(root, "cluster");
	if (carried && carried->kind == DISAGG_MAP &&
		disagg_cluster_read_carried(arena, carried, &cluster, found)) {
		disagg_err_nomem(&err);
		disagg_findings_take(found, &err);
		return -1;
	}
	job->source = text_of(root, "source");
	job->variant = text_of(root, "variant");
	rehearse = text_of(root, "rehearse");
	job->rehearse = rehearse && strcmp(rehearse, "true") == 0;
	return disagg_job_build(arena, disagg_node_get(root, "job"), cluster, job, ret_job, found);
}
