/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/schema.h"

#include "lib/conf/schema_kinds.h"
#include <string.h>

static int walk_table(struct disagg_schema_walk *walk, const struct disagg_table *table,
	const struct disagg_node *map, const char *path, bool free_keys, char *ret);

static const char *join(struct disagg_schema_walk *walk, const char *path, const char *key)
{
	size_t head = strlen(path), tail = strlen(key);
	char *joined;

	if (!head)
		return key;
	joined = disagg_arena_alloc(walk->arena, head + tail + 2);
	if (!joined)
		return NULL;
	memcpy(joined, path, head);
	joined[head] = '.';
	memcpy(joined + head + 1, key, tail);
	return joined;
}

/* A value of the file that is to be read, or NULL when it counts as not given. */
static const struct disagg_node *given(
	const struct disagg_spot *spot, const struct disagg_node *node)
{
	char text[DISAGG_SHOWN + 4];

	if (!node || disagg_node_is_null(node))
		return NULL;
	if (disagg_kind_readers[spot->row->kind].takes_placeholder)
		return node;
	if (node->kind != DISAGG_SCALAR || !disagg_text_is_placeholder(node->text))
		return node;
	disagg_show_text(node->text, text);
	disagg_findings_warn(spot->walk->found, &node->at,
		"%s: the placeholder '%s' counts as not given", spot->path, text);
	return NULL;
}

/* The default as a node; a list or a map is written in YAML's flow form. */
static int default_node(const struct disagg_spot *spot, struct disagg_node **ret)
{
	const struct disagg_row *row = spot->row;
	struct disagg_origin at = {.source = "default"};
	bool text = row->kind == DISAGG_K_STR || row->kind == DISAGG_K_TEXT;

	if (!text && (*row->dflt == '[' || *row->dflt == '{')) {
		if (disagg_yaml_parse(
			    spot->walk->arena, row->dflt, strlen(row->dflt), at.source, ret, NULL))
			return -1;
		(*ret)->at = at;
		return 0;
	}
	*ret = disagg_node_scalar(spot->walk->arena, row->dflt, text, at);
	return *ret ? 0 : -1;
}

static int read_spot(const struct disagg_spot *spot)
{
	enum disagg_outcome outcome = disagg_kind_readers[spot->row->kind].read(spot);

	if (outcome == DISAGG_NOMEM)
		return -1;
	if (outcome == DISAGG_REFUSED || disagg_kind_readers[spot->row->kind].traces_itself)
		return 0;
	return disagg_spot_trace(spot, spot->path, spot->node);
}

static void report_missing(const struct disagg_spot *spot, const struct disagg_node *map)
{
	if (map && (spot->row->flags & DISAGG_F_REQUIRED))
		disagg_findings_error(
			spot->walk->found, &map->at, "%s: expected a value, got none", spot->path);
}

/* Of most rows of a table nothing is said in a file. */
static bool has_nothing(const struct disagg_row *row, const struct disagg_node *node)
{
	return !node && !row->dflt && row->kind != DISAGG_K_STRUCT &&
	       !(row->flags & DISAGG_F_REQUIRED);
}

static int walk_row(struct disagg_spot *spot, const struct disagg_node *map)
{
	const struct disagg_row *row = spot->row;
	struct disagg_node *dflt;

	spot->node = given(spot, disagg_node_get(map, row->key));
	if (!spot->node)
		report_missing(spot, map);
	if (row->kind == DISAGG_K_STRUCT)
		return walk_table(spot->walk, row->sub, spot->node, spot->path,
			row->flags & DISAGG_F_FREE, spot->field);
	if (!spot->node && row->dflt) {
		if (default_node(spot, &dflt))
			return -1;
		spot->node = dflt;
	}
	return spot->node ? read_spot(spot) : 0;
}

static bool is_known_key(const struct disagg_table *table, const char *key)
{
	for (const struct disagg_row *row = table->row; row->key; row++) {
		if (strcmp(row->key, key) == 0)
			return true;
	}
	return false;
}

static void report_unknown(struct disagg_schema_walk *walk, const struct disagg_table *table,
	const struct disagg_pair *pair, const char *path)
{
	const char *near = disagg_nearest_key(table, pair->key);
	void (*report)(struct disagg_findings *, const struct disagg_origin *, const char *, ...) =
		walk->unknown_is_warning ? disagg_findings_warn : disagg_findings_error;
	const char *colon = *path ? ": " : "";
	char key[DISAGG_SHOWN + 4];

	disagg_show_text(pair->key, key);
	if (near)
		report(walk->found, &pair->at, "%s%sunknown key '%s', did you mean '%s'?", path,
			colon, key, near);
	else
		report(walk->found, &pair->at, "%s%sunknown key '%s'", path, colon, key);
}

static void report_unknown_keys(struct disagg_schema_walk *walk, const struct disagg_table *table,
	const struct disagg_node *map, const char *path)
{
	for (uint32_t i = 0; i < map->count; i++) {
		const struct disagg_pair *pair = &map->pair[i];

		if (strncmp(pair->key, "x-", 2) != 0 && !is_known_key(table, pair->key))
			report_unknown(walk, table, pair, path);
	}
}

/* `map` NULL: not given; then there are only defaults to fill in. */
static int walk_table(struct disagg_schema_walk *walk, const struct disagg_table *table,
	const struct disagg_node *map, const char *path, bool free_keys, char *ret)
{
	char got[DISAGG_SHOWN + 32];

	if (map && map->kind != DISAGG_MAP) {
		disagg_show_node(map, false, false, got, sizeof(got));
		disagg_findings_error(walk->found, &map->at, "%s%sexpected a map, got %s", path,
			*path ? ": " : "", got);
		map = NULL;
	}
	if (map && !free_keys)
		report_unknown_keys(walk, table, map, path);
	for (const struct disagg_row *row = table->row; row->key; row++) {
		struct disagg_spot spot = {.walk = walk, .row = row, .field = ret + row->offset};

		if (has_nothing(row, disagg_node_get(map, row->key)))
			continue;
		spot.path = join(walk, path, row->key);
		if (!spot.path || walk_row(&spot, map))
			return -1;
	}
	return 0;
}

int disagg_schema_read(struct disagg_schema_walk *walk, const struct disagg_table *table,
	const struct disagg_node *map, void *ret)
{
	return walk_table(walk, table, map, walk->prefix ? walk->prefix : "", false, ret);
}
