/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/yamlmap.h"

#include <stdlib.h>
#include <string.h>

const char disagg_yaml_merge_key[] = "<<";

static int fail_duplicate(
	const struct disagg_pair *first, const struct disagg_pair *second, struct disagg_err *err)
{
	return disagg_err_at(err, DISAGG_CONFIG, second->at.source, second->at.line, second->at.col,
		"duplicate key '%.100s', first at line %u", second->key, first->at.line);
}

static size_t hash(const char *key)
{
	uint64_t value = UINT64_C(0xcbf29ce484222325);

	for (; *key; key++)
		value = (value ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	return (size_t)(value ^ value >> 32);
}

/* A map may have 25,000 keys, so not each with each. */
static int check_duplicates(const struct disagg_pair *pair, uint32_t count, struct disagg_err *err)
{
	size_t room = 16;
	uint32_t *slot; /* index + 1; 0: free */

	if (count < 2)
		return 0;
	while (room < count * 2)
		room *= 2;
	slot = disagg_raw_realloc(NULL, room * sizeof(*slot));
	if (!slot)
		return disagg_err_nomem(err);
	memset(slot, 0, room * sizeof(*slot));
	for (uint32_t i = 0; i < count; i++) {
		size_t at = hash(pair[i].key) & (room - 1);

		while (slot[at] && strcmp(pair[slot[at] - 1].key, pair[i].key) != 0)
			at = (at + 1) & (room - 1);
		if (slot[at]) {
			fail_duplicate(&pair[slot[at] - 1], &pair[i], err);
			free(slot);
			return -1;
		}
		slot[at] = i + 1;
	}
	free(slot);
	return 0;
}

static int put_all(struct disagg_arena *arena, struct disagg_node *map,
	const struct disagg_pair *pair, uint32_t count, struct disagg_err *err)
{
	for (uint32_t i = 0; i < count; i++) {
		if (pair[i].key == disagg_yaml_merge_key)
			continue;
		if (disagg_node_put(arena, map, pair[i].key, pair[i].at, pair[i].value))
			return disagg_err_nomem(err);
	}
	return 0;
}

/* `<<: map` or `<<: [map, map]`: the first map of a list is the strongest, the
 * map's own keys are stronger than all of them. */
static int merge_into(struct disagg_arena *arena, struct disagg_node *map,
	const struct disagg_pair *merge, struct disagg_err *err)
{
	struct disagg_node *one = merge->value, **list = &one;
	uint32_t count = 1;

	if (one->kind == DISAGG_SEQ) {
		count = one->count;
		list = one->item;
	}
	for (uint32_t i = count; i > 0; i--) {
		const struct disagg_node *from = list[i - 1];

		if (from->kind != DISAGG_MAP)
			return disagg_err_at(err, DISAGG_CONFIG, merge->at.source, merge->at.line,
				merge->at.col, "'<<' wants a map or a list of maps");
		if (put_all(arena, map, from->pair, from->count, err))
			return -1;
	}
	return 0;
}

static const struct disagg_pair *find_merge(const struct disagg_pair *pair, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (pair[i].key == disagg_yaml_merge_key)
			return &pair[i];
	}
	return NULL;
}

int disagg_yamlmap_fill(struct disagg_arena *arena, struct disagg_node *map,
	const struct disagg_pair *pair, uint32_t count, struct disagg_err *err)
{
	const struct disagg_pair *merge = find_merge(pair, count);

	if (check_duplicates(pair, count, err))
		return -1;
	if (merge)
		return merge_into(arena, map, merge, err) || put_all(arena, map, pair, count, err)
			       ? -1
			       : 0;
	map->pair = disagg_arena_array(arena, count, sizeof(*pair));
	if (!map->pair)
		return disagg_err_nomem(err);
	if (count)
		memcpy(map->pair, pair, count * sizeof(*pair));
	map->count = map->room = count;
	return 0;
}
