/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/names.h"

#include <string.h>

#define FIRST_SIZE 1024u
#define MOST_BYTES (1u << 20)

/* FNV-1a over eight bytes a step */
static uint32_t hash_of(const char *bytes, size_t len)
{
	uint64_t hash = UINT64_C(14695981039346656037) ^ len, word;

	for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = (hash ^ word) * UINT64_C(1099511628211);
		hash ^= hash >> 29;
	}
	word = 0;
	memcpy(&word, bytes, len);
	hash = (hash ^ word) * UINT64_C(1099511628211);
	hash ^= hash >> 32;
	return (uint32_t)hash;
}

static int grow(struct disagg_names *names)
{
	uint32_t size = names->size ? names->size * 2 : FIRST_SIZE;
	struct disagg_name **slot = disagg_arena_array(names->arena, size, sizeof(*slot));

	if (!slot)
		return -1;
	for (uint32_t i = 0; i < names->size; i++) {
		uint32_t at;

		if (!names->slot[i])
			continue;
		at = names->slot[i]->hash & (size - 1);
		while (slot[at])
			at = (at + 1) & (size - 1);
		slot[at] = names->slot[i];
	}
	names->slot = slot;
	names->size = size;
	return 0;
}

const struct disagg_name *disagg_names_put(
	struct disagg_names *names, const char *bytes, size_t len)
{
	uint32_t hash = hash_of(bytes, len), at;
	struct disagg_name *name;

	if (len > MOST_BYTES || (names->count >= names->size / 2 && grow(names) != 0))
		return NULL;
	at = hash & (names->size - 1);
	while ((name = names->slot[at])) {
		if (name->hash == hash && name->len == len && memcmp(name->text, bytes, len) == 0)
			return name;
		at = (at + 1) & (names->size - 1);
	}
	name = disagg_arena_alloc(names->arena, sizeof(*name) + len + 1);
	if (!name)
		return NULL;
	name->id = names->count++;
	name->hash = hash;
	name->len = (uint32_t)len;
	memcpy(name->text, bytes, len);
	names->slot[at] = name;
	return name;
}
