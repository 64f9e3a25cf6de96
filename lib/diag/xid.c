/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/xid.h"

#include "lib/base/num.h"
#include "lib/conf/yamltree.h"
#include "lib/diag/xid_data.h"
#include "lib/diag/xid_table.h"
#include <stdlib.h>
#include <string.h>

#define MOST_CODE	     99999
#define LAST_STABLE_RECOVERY 4 /* nvml.h's releases differ above */

static const char *const drain_names[] = {
	"never", "after_repeat", "after_job", "now", "decode", "follow_154"};
static const char *const attribution_names[] = {"none", "user", "ambiguous", "infra"};
static const char *const impact_names[] = {"none", "maybe", "kills"};
static const char *const fatal_names[] = {"never", "maybe", "always"};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

const char *disagg_drain_name(enum disagg_drain drain)
{
	return drain_names[drain];
}

/* ---- reading ---- */

static int bad(const struct disagg_node *node, struct disagg_err *err, const char *key,
	const char *expected)
{
	return disagg_err_at(err, DISAGG_CONFIG, node->at.source, node->at.line, node->at.col,
		"%s: expected %s", key, expected);
}

/* The text of map.key; NULL where it is not there or no text. */
static const char *text_of(const struct disagg_node *map, const char *key)
{
	const struct disagg_node *node = disagg_node_get(map, key);

	return node && node->kind == DISAGG_SCALAR ? node->text : NULL;
}

static int int_of(const struct disagg_node *map, const char *key, int64_t max, int *ret,
	struct disagg_err *err)
{
	const char *text = text_of(map, key);
	int64_t value;

	if (!text || disagg_num_int(text, 0, max, &value))
		return bad(map, err, key, "a number");
	*ret = (int)value;
	return 0;
}

static const struct disagg_node *list_of(const struct disagg_node *root, const char *key)
{
	static const struct disagg_node none = {.kind = DISAGG_SEQ};
	const struct disagg_node *list = disagg_node_get(root, key);

	return list && list->kind == DISAGG_SEQ ? list : &none;
}

struct names {
	const char *const *name;
	size_t count;
	const char *expected;
};

static const struct names drains = {drain_names, COUNT(drain_names),
	"never, after_repeat, after_job, now, decode or follow_154"};
static const struct names attributions = {
	attribution_names, COUNT(attribution_names), "none, user, ambiguous or infra"};
static const struct names impacts = {impact_names, COUNT(impact_names), "none, maybe or kills"};
static const struct names fatals = {fatal_names, COUNT(fatal_names), "never, maybe or always"};

/* 1: set, 0: the key is not there */
static int name_of(const struct disagg_node *map, const char *key, const struct names *names,
	size_t *ret, struct disagg_err *err)
{
	const struct disagg_node *node = disagg_node_get(map, key);

	if (!node)
		return 0;
	for (size_t i = 0; i < names->count; i++)
		if (node->kind == DISAGG_SCALAR && strcmp(node->text, names->name[i]) == 0) {
			*ret = i;
			return 1;
		}
	return bad(node, err, key, names->expected);
}

/* Lays what a map says over a row. */
static int read_row(
	const struct disagg_node *map, struct disagg_xid_row *row, struct disagg_err *err)
{
	const struct {
		const char *key;
		const char **at;
	} texts[] = {
		{"mnemonic", &row->mnemonic},
		{"text", &row->text},
		{"catalog", &row->catalog},
		{"class", &row->cls},
		{"action", &row->action},
		{"note", &row->note},
	};
	size_t drain = row->drain, attribution = row->attribution, impact = 0;
	int has_impact = name_of(map, "impact", &impacts, &impact, err);

	if (has_impact < 0 || name_of(map, "drain", &drains, &drain, err) < 0 ||
		name_of(map, "attribution", &attributions, &attribution, err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(texts); i++) {
		const struct disagg_node *node = disagg_node_get(map, texts[i].key);

		if (node && node->kind != DISAGG_SCALAR)
			return bad(node, err, texts[i].key, "a text");
		if (node)
			*texts[i].at = node->text;
	}
	if (has_impact)
		row->impact = impact_names[impact];
	row->drain = (enum disagg_drain)drain;
	row->attribution = (enum disagg_attribution)attribution;
	return 0;
}

/* What a switch's errors have in common, by whether they are fatal. */
static int read_switch_row(
	const struct disagg_node *map, struct disagg_xid_row *row, struct disagg_err *err)
{
	static const struct disagg_xid_row by_fatal[] = {
		{.impact = "none", .drain = DISAGG_DRAIN_NEVER, .action = "none"},
		{.impact = "kills",
			.attribution = DISAGG_BLAME_INFRA,
			.drain = DISAGG_DRAIN_AFTER_JOB,
			.action = "reset_gpu"},
		{.impact = "kills",
			.attribution = DISAGG_BLAME_INFRA,
			.drain = DISAGG_DRAIN_NOW,
			.action = "reboot_node"},
	};
	size_t fatal = 0;
	int has = name_of(map, "fatal", &fatals, &fatal, err);

	if (has < 0)
		return -1;
	if (has) {
		int code = row->code;
		bool site = row->site;

		*row = by_fatal[fatal];
		row->code = code;
		row->site = site;
		row->cls = "nvlink";
	}
	return read_row(map, row, err);
}

static int by_code(const void *a, const void *b)
{
	const struct disagg_xid_row *x = a, *y = b;

	return (x->code > y->code) - (x->code < y->code);
}

static struct disagg_xid_row *find(const struct disagg_xid_rows *rows, int code)
{
	struct disagg_xid_row key = {.code = code};

	return rows->count ? bsearch(&key, rows->row, rows->count, sizeof(*rows->row), by_code)
			   : NULL;
}

struct reader {
	struct disagg_arena *arena;
	bool site;
	int (*row)(
		const struct disagg_node *map, struct disagg_xid_row *row, struct disagg_err *err);
};

/* Rows of a list, each laid over the one of its code; a new code is appended. */
static int read_rows(const struct reader *reader, const struct disagg_node *list,
	struct disagg_xid_rows *rows, struct disagg_err *err)
{
	size_t known = rows->count;

	rows->row = disagg_arena_grow(
		reader->arena, rows->row, known, known + list->count, sizeof(*rows->row));
	if (!rows->row)
		return disagg_err_nomem(err);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct disagg_node *map = list->item[i];
		struct disagg_xid_rows old = {rows->row, known};
		struct disagg_xid_row *row;
		int code;

		if (int_of(map, "code", MOST_CODE, &code, err))
			return -1;
		row = find(&old, code);
		if (!row) {
			row = &rows->row[rows->count++];
			*row = (struct disagg_xid_row){.code = code,
				.cls = "unknown",
				.impact = "maybe",
				.attribution = DISAGG_BLAME_AMBIGUOUS,
				.drain = DISAGG_DRAIN_AFTER_REPEAT,
				.action = "inspect"};
		}
		if (reader->row(map, row, err))
			return -1;
		row->site = reader->site &&
			    (disagg_node_get(map, "drain") || disagg_node_get(map, "action"));
	}
	qsort(rows->row, rows->count, sizeof(*rows->row), by_code);
	return 0;
}

static int read_rules(struct disagg_arena *arena, const struct disagg_node *list,
	struct disagg_xid_table *table, struct disagg_err *err)
{
	table->rule = disagg_arena_array(arena, list->count, sizeof(*table->rule));
	if (list->count && !table->rule)
		return disagg_err_nomem(err);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct disagg_node *map = list->item[i];
		struct disagg_xid_rule *rule = &table->rule[i];
		const char *status = text_of(map, "status");
		uint64_t word;

		rule->unit = text_of(map, "unit");
		rule->v1 = text_of(map, "v1");
		rule->v2 = text_of(map, "v2");
		rule->resolution = text_of(map, "resolution");
		rule->investigate = text_of(map, "investigate");
		if (int_of(map, "xid", MOST_CODE, &rule->xid, err))
			return -1;
		if (!rule->unit || !rule->v1 || !rule->v2 || !rule->resolution || !status ||
			disagg_num_hex(status, UINT32_MAX, &word))
			return bad(map, err, "nvlink5_rules", "unit, v1, v2, status, resolution");
		rule->status = (uint32_t)word;
	}
	table->rule_count = list->count;
	return 0;
}

static int read_recoveries(struct disagg_arena *arena, const struct disagg_node *list,
	struct disagg_xid_table *table, struct disagg_err *err)
{
	table->recovery = disagg_arena_array(arena, list->count, sizeof(*table->recovery));
	if (list->count && !table->recovery)
		return disagg_err_nomem(err);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct disagg_node *map = list->item[i];
		struct disagg_xid_recovery *recovery = &table->recovery[i];
		size_t drain = DISAGG_DRAIN_AFTER_JOB;

		recovery->nvml = -1;
		if (disagg_node_get(map, "nvml") &&
			int_of(map, "nvml", LAST_STABLE_RECOVERY, &recovery->nvml, err))
			return -1;
		if (name_of(map, "drain", &drains, &drain, err) < 0)
			return -1;
		recovery->drain = (enum disagg_drain)drain;
		recovery->text = text_of(map, "text");
		recovery->action = text_of(map, "action");
		if (!recovery->text || !recovery->action)
			return bad(map, err, "recovery_actions", "text and action");
	}
	table->recovery_count = list->count;
	return 0;
}

static int read_repeat(
	const struct disagg_node *map, struct disagg_xid_repeat *repeat, struct disagg_err *err)
{
	int count, jobs, hours;

	if (!map)
		return 0;
	if (int_of(map, "count", 1000, &count, err) ||
		int_of(map, "distinct_jobs", 1000, &jobs, err) ||
		int_of(map, "window_h", 8760, &hours, err))
		return -1;
	*repeat = (struct disagg_xid_repeat){(unsigned)count, (unsigned)jobs, (unsigned)hours};
	return 0;
}

static int lay_site(struct disagg_arena *arena, const char *path, struct disagg_xid_table *table,
	struct disagg_err *err)
{
	const struct reader xids = {arena, true, read_row};
	const struct reader sxids = {arena, true, read_switch_row};
	struct disagg_node *root;

	if (disagg_yaml_load(arena, path, &root, err))
		return -1;
	if (root->kind != DISAGG_MAP)
		return bad(root, err, "the file", "a map with xids: or sxids:");
	for (uint32_t i = 0; i < root->count; i++) {
		const char *key = root->pair[i].key;

		if (strcmp(key, "xids") != 0 && strcmp(key, "sxids") != 0 &&
			strcmp(key, "repeat") != 0 && strcmp(key, "schema") != 0)
			return disagg_err_at(err, DISAGG_CONFIG, root->at.source,
				root->pair[i].at.line, root->pair[i].at.col,
				"unknown key '%s': expected xids, sxids or repeat", key);
	}
	if (read_repeat(disagg_node_get(root, "repeat"), &table->repeat, err) ||
		read_rows(&xids, list_of(root, "xids"), &table->xids, err))
		return -1;
	return read_rows(&sxids, list_of(root, "sxids"), &table->sxids, err);
}

int disagg_xid_load(struct disagg_arena *arena, const char *site_path,
	struct disagg_xid_table **ret, struct disagg_err *err)
{
	const struct reader xids = {arena, false, read_row};
	const struct reader sxids = {arena, false, read_switch_row};
	struct disagg_xid_table *table = disagg_arena_alloc(arena, sizeof(*table));
	struct disagg_node *root;
	size_t len;
	const char *bytes = disagg_xid_data(&len);

	if (!table)
		return disagg_err_nomem(err);
	table->other = (struct disagg_xid_recovery){.nvml = -1,
		.text = "an action that this table does not know",
		.drain = DISAGG_DRAIN_AFTER_JOB,
		.action = "inspect"};
	if (disagg_yaml_parse(arena, bytes, len, "lib/diag/xid.yaml", &root, err))
		return -1;
	table->version = text_of(root, "table");
	if (read_repeat(disagg_node_get(root, "repeat"), &table->repeat, err) ||
		read_rows(&xids, list_of(root, "xids"), &table->xids, err) ||
		read_rows(&sxids, list_of(root, "sxids"), &table->sxids, err) ||
		read_rules(arena, list_of(root, "nvlink5_rules"), table, err) ||
		read_recoveries(arena, list_of(root, "recovery_actions"), table, err))
		return -1;
	if (site_path && lay_site(arena, site_path, table, err))
		return -1;
	*ret = table;
	return 0;
}

const char *disagg_xid_version(const struct disagg_xid_table *table)
{
	return table->version ? table->version : "";
}

const struct disagg_xid_row *disagg_xid_find(const struct disagg_xid_table *table, int code)
{
	return find(&table->xids, code);
}

const struct disagg_xid_row *disagg_sxid_find(const struct disagg_xid_table *table, int code)
{
	return find(&table->sxids, code);
}

const struct disagg_xid_repeat *disagg_xid_repeat(const struct disagg_xid_table *table)
{
	return &table->repeat;
}

const struct disagg_xid_recovery *disagg_xid_recover(
	const struct disagg_xid_table *table, int nvml, const char *text)
{
	for (size_t i = 0; i < table->recovery_count; i++) {
		const struct disagg_xid_recovery *known = &table->recovery[i];

		if (known->nvml >= 0 ? known->nvml == nvml
				     : nvml > LAST_STABLE_RECOVERY && text &&
					       strcmp(known->text, text) == 0)
			return known;
	}
	return &table->other;
}
