/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/yamltree.h"

#include "lib/base/num.h"
#include "lib/conf/scalar.h"
#include <string.h>

static struct disagg_pair *find_pair(const struct disagg_node *map, const char *key, size_t len)
{
	if (!map || map->kind != DISAGG_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->count; i++) {
		const char *name = map->pair[i].key;

		if (strncmp(name, key, len) == 0 && !name[len])
			return &map->pair[i];
	}
	return NULL;
}

struct disagg_node *disagg_node_get(const struct disagg_node *map, const char *key)
{
	const struct disagg_pair *pair = find_pair(map, key, strlen(key));

	return pair ? pair->value : NULL;
}

static struct disagg_node *new_node(
	struct disagg_arena *arena, enum disagg_node_kind kind, struct disagg_origin at)
{
	struct disagg_node *node = disagg_arena_alloc(arena, sizeof(*node));

	if (!node)
		return NULL;
	node->kind = kind;
	node->at = at;
	return node;
}

struct disagg_node *disagg_node_scalar(
	struct disagg_arena *arena, const char *text, bool quoted, struct disagg_origin at)
{
	struct disagg_node *node = new_node(arena, DISAGG_SCALAR, at);
	const char *copy = node ? disagg_arena_strdup(arena, text) : NULL;

	if (!copy)
		return NULL;
	node->text = copy;
	node->quoted = quoted;
	return node;
}

struct disagg_node *disagg_node_map(struct disagg_arena *arena, struct disagg_origin at)
{
	return new_node(arena, DISAGG_MAP, at);
}

struct disagg_node *disagg_node_seq(struct disagg_arena *arena, struct disagg_origin at)
{
	return new_node(arena, DISAGG_SEQ, at);
}

static uint32_t next_room(const struct disagg_node *node)
{
	return node->room ? node->room * 2 : 4;
}

/* `key` is the arena's already. */
static int add_pair(struct disagg_arena *arena, struct disagg_node *map, const char *key,
	struct disagg_origin key_at, struct disagg_node *value)
{
	if (map->count == map->room) {
		uint32_t room = next_room(map);
		struct disagg_pair *grown =
			disagg_arena_grow(arena, map->pair, map->count, room, sizeof(*grown));

		if (!grown)
			return -1;
		map->pair = grown;
		map->room = room;
	}
	map->pair[map->count++] = (struct disagg_pair){.key = key, .at = key_at, .value = value};
	return 0;
}

int disagg_node_put(struct disagg_arena *arena, struct disagg_node *map, const char *key,
	struct disagg_origin key_at, struct disagg_node *value)
{
	struct disagg_pair *pair = find_pair(map, key, strlen(key));
	const char *copy;

	if (pair) {
		pair->at = key_at;
		pair->value = value;
		return 0;
	}
	copy = disagg_arena_strdup(arena, key);
	return copy ? add_pair(arena, map, copy, key_at, value) : -1;
}

int disagg_node_append(
	struct disagg_arena *arena, struct disagg_node *seq, struct disagg_node *value)
{
	if (seq->count == seq->room) {
		uint32_t room = next_room(seq);
		struct disagg_node **grown = disagg_arena_grow(
			arena, seq->item, seq->count, room, sizeof(struct disagg_node *));

		if (!grown)
			return -1;
		seq->item = grown;
		seq->room = room;
	}
	seq->item[seq->count++] = value;
	return 0;
}

/* The node with a list of its own and room for one more; what is below is
 * shared. */
static struct disagg_node *copy_node(struct disagg_arena *arena, const struct disagg_node *from)
{
	struct disagg_node *copy = new_node(arena, from->kind, from->at);
	uint32_t room = from->count + 1;

	if (!copy)
		return NULL;
	*copy = *from;
	if (from->kind == DISAGG_MAP) {
		copy->pair = disagg_arena_grow(
			arena, from->pair, from->count, room, sizeof(*from->pair));
		copy->room = room;
		return copy->pair ? copy : NULL;
	}
	if (from->kind == DISAGG_SEQ) {
		copy->item = disagg_arena_grow(
			arena, from->item, from->count, room, sizeof(struct disagg_node *));
		copy->room = room;
		return copy->item ? copy : NULL;
	}
	return copy;
}

/* ---- merge ---- */

static void drop_pair(struct disagg_node *map, struct disagg_pair *pair)
{
	size_t behind = (size_t)(map->pair + map->count - (pair + 1));

	memmove(pair, pair + 1, behind * sizeof(*pair));
	map->count--;
}

static int merge_pair(
	struct disagg_arena *arena, struct disagg_node *map, const struct disagg_pair *over)
{
	struct disagg_pair *pair = find_pair(map, over->key, strlen(over->key));
	struct disagg_node *value = over->value;

	if (disagg_node_is_null(value)) {
		if (pair)
			drop_pair(map, pair);
		return 0;
	}
	if (!pair || pair->value->kind != DISAGG_MAP || value->kind != DISAGG_MAP)
		return disagg_node_put(arena, map, over->key, over->at, value);
	value = disagg_node_merge(arena, pair->value, value);
	if (!value)
		return -1;
	pair->value = value;
	return 0;
}

struct disagg_node *disagg_node_merge(
	struct disagg_arena *arena, const struct disagg_node *base, const struct disagg_node *over)
{
	struct disagg_node *merged;

	if (base->kind != DISAGG_MAP || over->kind != DISAGG_MAP)
		return copy_node(arena, over);
	merged = copy_node(arena, base);
	for (uint32_t i = 0; merged && i < over->count; i++) {
		if (merge_pair(arena, merged, &over->pair[i]))
			return NULL;
	}
	return merged;
}

/* ---- paths ---- */

/* One step of a path: a key, or an index in brackets. */
struct step {
	const char *key; /* NULL: an index */
	size_t len;
	uint32_t index;
};

static int read_index(const char **path, struct step *ret)
{
	size_t len = strcspn(*path, "]");
	char digits[16];
	int64_t index;

	if ((*path)[len] != ']' || len >= sizeof(digits))
		return -1;
	memcpy(digits, *path, len);
	digits[len] = '\0';
	if (digits[0] == '+' || disagg_num_int(digits, 0, DISAGG_MAX_YAML_NODES, &index))
		return -1;
	*ret = (struct step){.index = (uint32_t)index};
	*path += len + 1;
	return 0;
}

/* 1: there is a step, *path stands behind it; 0: the end; -1: malformed. */
static int next_step(const char *root, const char **path, struct step *ret)
{
	const char *at = *path;

	if (!*at)
		return at == root ? -1 : 0;
	if (*at == '[') {
		*path = at + 1;
		return read_index(path, ret) ? -1 : 1;
	}
	if (at != root && *at++ != '.')
		return -1;
	*ret = (struct step){.key = at, .len = strcspn(at, ".[")};
	*path = at + ret->len;
	return ret->len ? 1 : -1;
}

static struct disagg_node **step_into(const struct disagg_node *node, const struct step *step)
{
	struct disagg_pair *pair;

	if (step->key) {
		pair = find_pair(node, step->key, step->len);
		return pair ? &pair->value : NULL;
	}
	if (node->kind != DISAGG_SEQ || step->index >= node->count)
		return NULL;
	return &node->item[step->index];
}

struct disagg_node *disagg_node_find(const struct disagg_node *root, const char *path)
{
	const char *at = path;
	struct disagg_node **slot = NULL;
	struct step step;
	int more;

	while (root && (more = next_step(path, &at, &step)) != 0) {
		slot = more > 0 ? step_into(root, &step) : NULL;
		if (!slot)
			return NULL;
		root = *slot;
	}
	return root && slot ? *slot : NULL;
}

static int set_failed(const char *path, const char *at, struct disagg_origin by, const char *what,
	struct disagg_err *err)
{
	return disagg_err_at(err, DISAGG_CONFIG, by.source, by.line, by.col,
		"cannot set '%.200s': '%.*s' %s", path, (int)(at - path > 200 ? 200 : at - path),
		path, what);
}

/* The slot of `step` in *node, which is the caller's own copy. */
static int own_slot(struct disagg_arena *arena, struct disagg_node *node, const struct step *step,
	struct disagg_origin at, struct disagg_node ***ret, struct disagg_err *err)
{
	struct disagg_node **slot = step_into(node, step);
	const char *key;

	if (!slot) {
		key = disagg_arena_strndup(arena, step->key, step->len);
		if (!key || add_pair(arena, node, key, at, NULL))
			return disagg_err_nomem(err);
		slot = &node->pair[node->count - 1].value;
	}
	*ret = slot;
	return 0;
}

/* Why the step cannot be taken below `node`, or NULL. */
static const char *step_problem(const struct disagg_node *node, const struct step *step)
{
	if (!node)
		return step->key ? NULL : "goes by [N] into what is no list";
	if (step->key && node->kind == DISAGG_SEQ)
		return "goes into a list by a key: write [N]";
	if (step->key && node->kind == DISAGG_SCALAR && !disagg_node_is_null(node))
		return "goes into a value that is no map";
	if (!step->key && node->kind != DISAGG_SEQ)
		return "goes by [N] into what is no list";
	if (!step->key && step->index >= node->count)
		return "is behind the end of the list";
	return NULL;
}

/* A copy of `node` in which the step can be taken: a null or missing one
 * becomes a map. */
static struct disagg_node *own_node(
	struct disagg_arena *arena, const struct disagg_node *node, struct disagg_origin at)
{
	return node && node->kind != DISAGG_SCALAR ? copy_node(arena, node)
						   : disagg_node_map(arena, at);
}

int disagg_node_set(struct disagg_arena *arena, const struct disagg_node *root, const char *path,
	struct disagg_node *value, struct disagg_node **ret_root, struct disagg_err *err)
{
	struct disagg_node *top = NULL, **slot = &top;
	const struct disagg_node *old = root;
	const char *at = path, *problem;
	struct step step;
	int more;

	for (unsigned depth = 0; (more = next_step(path, &at, &step)) != 0; depth++) {
		if (more < 0)
			return disagg_err_at(err, DISAGG_CONFIG, value->at.source, value->at.line,
				value->at.col,
				"cannot set '%.200s': expected a path such as a.b[1].c", path);
		problem = depth < DISAGG_MAX_YAML_DEPTH ? step_problem(old, &step)
							: "is nested too deep";
		if (problem)
			return set_failed(path, at, value->at, problem, err);
		*slot = own_node(arena, old, value->at);
		if (!*slot)
			return disagg_err_nomem(err);
		if (own_slot(arena, *slot, &step, value->at, &slot, err))
			return -1;
		old = *slot;
	}
	*slot = value;
	*ret_root = top;
	return 0;
}
