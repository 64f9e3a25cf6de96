/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/schema_kinds.h"

#include "lib/base/num.h"
#include <stdio.h>
#include <string.h>

static enum disagg_outcome refuse(const struct disagg_spot *spot, const char *expected)
{
	char got[DISAGG_SHOWN + 32];

	disagg_show_node(spot->node, spot->row->flags & DISAGG_F_SECRET, false, got, sizeof(got));
	disagg_findings_error(spot->walk->found, &spot->node->at, "%s: expected %s, got %s",
		spot->path, expected, got);
	return DISAGG_REFUSED;
}

/* The advice is the same for 1, true and 1.5, and the text is the user's own. */
static void refuse_unquoted(const struct disagg_spot *spot, const char *path,
	const struct disagg_node *node, bool secret)
{
	char got[DISAGG_SHOWN + 32], text[DISAGG_SHOWN + 4];

	disagg_show_node(node, secret, true, got, sizeof(got));
	if (node->kind != DISAGG_SCALAR || secret) {
		disagg_findings_error(
			spot->walk->found, &node->at, "%s: expected a string, got %s", path, got);
		return;
	}
	disagg_show_text(disagg_node_is_null(node) ? "" : node->text, text);
	disagg_findings_error(spot->walk->found, &node->at,
		"%s: expected a string, got %s: write \"%s\"", path, got, text);
}

static bool has_bounds(const struct disagg_row *row)
{
	return row->min != row->max;
}

/* INT64_MAX, or anything that no one writes, is no bound to tell. */
static enum disagg_outcome refuse_number(const struct disagg_spot *spot, const char *what)
{
	const struct disagg_row *row = spot->row;
	char expected[128];

	if (!has_bounds(row))
		return refuse(spot, what);
	if (row->max == INT64_MAX)
		snprintf(expected, sizeof(expected), "%s of at least %lld", what,
			(long long)row->min);
	else
		snprintf(expected, sizeof(expected), "%s from %lld to %lld", what,
			(long long)row->min, (long long)row->max);
	return refuse(spot, expected);
}

/* ---- one scalar ---- */

static enum disagg_outcome read_tri(const struct disagg_spot *spot)
{
	struct disagg_scalar value = {.type = DISAGG_T_STR};
	enum disagg_tristate answer;

	if (spot->node->kind == DISAGG_SCALAR)
		value = disagg_scalar_read(spot->node);
	if (value.type != DISAGG_T_BOOL)
		return refuse(spot, "true or false");
	answer = value.boolean ? DISAGG_YES : DISAGG_NO;
	memcpy(spot->field, &answer, sizeof(answer));
	return DISAGG_READ;
}

static bool scalar_int(const struct disagg_node *node, int64_t *ret)
{
	struct disagg_scalar value;

	if (node->kind != DISAGG_SCALAR)
		return false;
	value = disagg_scalar_read(node);
	if (value.type == DISAGG_T_STR)
		return disagg_num_int(node->text, INT64_MIN, INT64_MAX, ret) == 0;
	if (value.type != DISAGG_T_INT || value.sexagesimal)
		return false;
	*ret = value.integer;
	return true;
}

static enum disagg_outcome read_int(const struct disagg_spot *spot)
{
	const struct disagg_row *row = spot->row;
	struct disagg_int value = {.set = true};

	if (!scalar_int(spot->node, &value.v))
		return refuse_number(spot, "an integer");
	if (has_bounds(row) && (value.v < row->min || value.v > row->max))
		return refuse_number(spot, "an integer");
	memcpy(spot->field, &value, sizeof(value));
	return DISAGG_READ;
}

static bool scalar_real(const struct disagg_node *node, double *ret)
{
	struct disagg_scalar value;

	if (node->kind != DISAGG_SCALAR)
		return false;
	value = disagg_scalar_read(node);
	if (value.type == DISAGG_T_STR)
		return disagg_num_real(node->text, ret) == 0;
	if (value.type == DISAGG_T_INT && !value.sexagesimal)
		value.real = (double)value.integer;
	else if (value.type != DISAGG_T_REAL || value.real - value.real != 0)
		return false;
	*ret = value.real;
	return true;
}

static enum disagg_outcome read_real(const struct disagg_spot *spot)
{
	const struct disagg_row *row = spot->row;
	struct disagg_real value = {.set = true};

	if (!scalar_real(spot->node, &value.v))
		return refuse_number(spot, "a number");
	if (has_bounds(row) && (value.v < (double)row->min || value.v > (double)row->max))
		return refuse_number(spot, "a number");
	memcpy(spot->field, &value, sizeof(value));
	return DISAGG_READ;
}

static enum disagg_outcome read_duration(const struct disagg_spot *spot)
{
	static const char expected[] = "a duration such as 90, 90s, 15m, 2h or 01:30:00";
	const struct disagg_row *row = spot->row;
	struct disagg_int value = {.set = true};

	if (spot->node->kind != DISAGG_SCALAR || disagg_num_duration(spot->node->text, &value.v))
		return refuse(spot, expected);
	if (has_bounds(row) && (value.v < row->min || value.v > row->max))
		return refuse_number(spot, "seconds");
	memcpy(spot->field, &value, sizeof(value));
	return DISAGG_READ;
}

static enum disagg_outcome read_enum(const struct disagg_spot *spot)
{
	const char *const *names = spot->row->names;
	char expected[256] = "one of ", got[DISAGG_SHOWN + 32];
	const char *near;
	size_t len = strlen(expected);

	for (int i = 0; spot->node->kind == DISAGG_SCALAR && names[i]; i++) {
		if (strcmp(names[i], spot->node->text) == 0) {
			memcpy(spot->field, &i, sizeof(i));
			return DISAGG_READ;
		}
	}
	for (int i = 0; names[i] && len < sizeof(expected); i++)
		len += (size_t)snprintf(
			expected + len, sizeof(expected) - len, "%s%s", i ? ", " : "", names[i]);
	near = spot->node->kind == DISAGG_SCALAR ? disagg_nearest_name(names, spot->node->text)
						 : NULL;
	if (!near)
		return refuse(spot, expected);
	disagg_show_node(spot->node, spot->row->flags & DISAGG_F_SECRET, false, got, sizeof(got));
	disagg_findings_error(spot->walk->found, &spot->node->at,
		"%s: expected %s, got %s: did you mean '%s'?", spot->path, expected, got, near);
	return DISAGG_REFUSED;
}

/* ---- strings ---- */

static enum disagg_outcome store_text(const struct disagg_spot *spot, const char *text)
{
	if (!*text && (spot->row->flags & DISAGG_F_NOEMPTY)) {
		disagg_findings_error(spot->walk->found, &spot->node->at,
			"%s: expected a text, got \"\"", spot->path);
		return DISAGG_REFUSED;
	}
	memcpy(spot->field, &text, sizeof(text));
	return DISAGG_READ;
}

/* True when a literal stands where only a reference may; nothing of the value
 * is told. */
static bool is_literal_secret(
	const struct disagg_spot *spot, const char *path, const struct disagg_node *node)
{
	if (!*node->text || disagg_env_reference(spot->walk->arena, node->text))
		return false;
	disagg_findings_error(spot->walk->found, &node->at,
		"%s: a secret must not be written here: write ${env:NAME} and set NAME in the job",
		path);
	return true;
}

static enum disagg_outcome read_str(const struct disagg_spot *spot)
{
	if (spot->node->kind != DISAGG_SCALAR)
		return refuse(spot, "a text");
	if ((spot->row->flags & DISAGG_F_SECRET) && is_literal_secret(spot, spot->path, spot->node))
		return DISAGG_REFUSED;
	return store_text(spot, spot->node->text);
}

static bool is_string(const struct disagg_node *node)
{
	return node->kind == DISAGG_SCALAR && disagg_scalar_read(node).type == DISAGG_T_STR;
}

static enum disagg_outcome read_text(const struct disagg_spot *spot)
{
	bool secret = spot->row->flags & DISAGG_F_SECRET;

	if (!is_string(spot->node)) {
		refuse_unquoted(spot, spot->path, spot->node, secret);
		return DISAGG_REFUSED;
	}
	return read_str(spot);
}

static enum disagg_outcome read_strs(const struct disagg_spot *spot)
{
	const struct disagg_node *node = spot->node;
	const struct disagg_node *const one[] = {node};
	const struct disagg_node *const *item = one;
	struct disagg_strs list = {.count = 1};

	if (node->kind == DISAGG_SEQ) {
		list.count = node->count;
		item = (const struct disagg_node *const *)node->item;
	}
	list.v = disagg_arena_array(spot->walk->arena, list.count, sizeof(char *));
	if (!list.v)
		return DISAGG_NOMEM;
	for (unsigned i = 0; i < list.count; i++) {
		struct disagg_spot at = *spot;

		at.node = item[i];
		if (item[i]->kind != DISAGG_SCALAR || disagg_node_is_null(item[i]))
			return refuse(&at, "a list of texts");
		list.v[i] = item[i]->text;
	}
	if (!list.count && (spot->row->flags & DISAGG_F_NOEMPTY))
		return refuse(spot, "a list that is not empty");
	memcpy(spot->field, &list, sizeof(list));
	return DISAGG_READ;
}

/* ---- maps of strings ---- */

static bool entry_fits(
	const struct disagg_spot *spot, const struct disagg_pair *pair, const char *path)
{
	bool loose = spot->row->kind == DISAGG_K_LOOSEMAP;
	bool secret = disagg_key_is_secret(pair->key);
	const struct disagg_node *value = pair->value;

	if (loose ? value->kind != DISAGG_SCALAR : !is_string(value)) {
		refuse_unquoted(spot, path, value, secret);
		return false;
	}
	if (!(spot->row->flags & DISAGG_F_SECRET) || disagg_node_is_null(value) ||
		!disagg_value_is_secret(pair->key, value->text))
		return true;
	return !is_literal_secret(spot, path, value);
}

static int trace_scalar(
	const struct disagg_spot *spot, const char *path, const struct disagg_node *node)
{
	struct disagg_trace *trace = spot->walk->trace;

	return trace ? disagg_trace_add(trace, path, node->text, node->at) : 0;
}

static enum disagg_outcome read_map(const struct disagg_spot *spot)
{
	const struct disagg_node *node = spot->node;
	struct disagg_map map = {0};
	enum disagg_outcome outcome = DISAGG_READ;

	if (node->kind != DISAGG_MAP)
		return refuse(spot, "a map");
	map.v = disagg_arena_array(spot->walk->arena, node->count, sizeof(*map.v));
	if (!map.v)
		return DISAGG_NOMEM;
	for (uint32_t i = 0; i < node->count; i++) {
		const struct disagg_pair *pair = &node->pair[i];
		const char *path =
			disagg_arena_printf(spot->walk->arena, "%s.%s", spot->path, pair->key);

		if (!path)
			return DISAGG_NOMEM;
		if (!entry_fits(spot, pair, path)) {
			outcome = DISAGG_REFUSED;
			continue;
		}
		if (trace_scalar(spot, path, pair->value))
			return DISAGG_NOMEM;
		map.v[map.count++] = (struct disagg_kv){.key = pair->key,
			.value = disagg_node_is_null(pair->value) ? "" : pair->value->text,
			.at = pair->value->at};
	}
	memcpy(spot->field, &map, sizeof(map));
	return outcome;
}

/* ---- trees ---- */

static enum disagg_outcome read_tree(const struct disagg_spot *spot)
{
	memcpy(spot->field, &spot->node, sizeof(spot->node));
	return DISAGG_READ;
}

static int trace_json(
	const struct disagg_spot *spot, const char *path, const struct disagg_node *node)
{
	struct disagg_strbuf json;
	int rc;

	disagg_strbuf_init(&json, 0);
	disagg_node_json(node, &json);
	rc = json.failed ? -1 : disagg_trace_add(spot->walk->trace, path, json.text, node->at);
	disagg_strbuf_release(&json);
	return rc;
}

int disagg_spot_trace(
	const struct disagg_spot *spot, const char *path, const struct disagg_node *node)
{
	if (!spot->walk->trace)
		return 0;
	if (node->kind == DISAGG_SCALAR)
		return trace_scalar(spot, path, node);
	if (node->kind == DISAGG_SEQ || !node->count)
		return trace_json(spot, path, node);
	for (uint32_t i = 0; i < node->count; i++) {
		const char *below =
			disagg_arena_printf(spot->walk->arena, "%s.%s", path, node->pair[i].key);

		if (!below || disagg_spot_trace(spot, below, node->pair[i].value))
			return -1;
	}
	return 0;
}

static enum disagg_outcome read_nothing(const struct disagg_spot *spot)
{
	if (spot->row->flags & DISAGG_F_WARN)
		disagg_findings_warn(
			spot->walk->found, &spot->node->at, "%s has no effect", spot->path);
	return DISAGG_READ;
}

/* ---- */

const struct disagg_kind_reader disagg_kind_readers[DISAGG_K_IGNORE + 1] = {
	[DISAGG_K_TRI] = {read_tri, false, false},
	[DISAGG_K_INT] = {read_int, false, false},
	[DISAGG_K_REAL] = {read_real, false, false},
	[DISAGG_K_STR] = {read_str, true, false},
	[DISAGG_K_TEXT] = {read_text, true, false},
	[DISAGG_K_DURATION] = {read_duration, false, false},
	[DISAGG_K_ENUM] = {read_enum, false, false},
	[DISAGG_K_STRS] = {read_strs, true, false},
	[DISAGG_K_MAP] = {read_map, false, true},
	[DISAGG_K_LOOSEMAP] = {read_map, false, true},
	[DISAGG_K_NODE] = {read_tree, true, false},
	[DISAGG_K_IGNORE] = {read_nothing, true, false},
};
