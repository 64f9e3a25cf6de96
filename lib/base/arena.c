/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/arena.h"

#include "lib/base/limits.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK ((size_t)8 * 1024)
#define LAST_BLOCK  ((size_t)256 * 1024)

struct disagg_arena_block {
	struct disagg_arena_block *next;
	size_t size, used;
	_Alignas(max_align_t) unsigned char data[];
};

/* The one mutable global of lib/: a fault for tests, off by default. */
static long fail_after = -1;

void disagg_alloc_fail_after(long count)
{
	fail_after = count;
}

void *disagg_raw_realloc(void *old, size_t size)
{
	if (fail_after >= 0 && fail_after-- == 0)
		return NULL;
	return realloc(old, size);
}

static size_t next_block_size(const struct disagg_arena *arena)
{
	size_t size = arena->head ? arena->head->size * 2 : FIRST_BLOCK;

	return size > LAST_BLOCK ? LAST_BLOCK : size;
}

/* What is larger than a usual block gets one of its own behind the current
 * one, whose rest stays in use. */
static struct disagg_arena_block *add_block(struct disagg_arena *arena, size_t size)
{
	size_t usual = next_block_size(arena);
	size_t room = size > usual ? size : usual;
	struct disagg_arena_block *block = disagg_raw_realloc(NULL, sizeof(*block) + room);

	if (!block)
		return NULL;
	block->size = room;
	block->used = 0;
	if (arena->head && size > usual) {
		block->next = arena->head->next;
		arena->head->next = block;
	} else {
		block->next = arena->head;
		arena->head = block;
	}
	return block;
}

void *disagg_arena_alloc(struct disagg_arena *arena, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	size_t limit = arena->limit ? arena->limit : DISAGG_MAX_ARENA_BYTES;
	struct disagg_arena_block *block = arena->head;
	void *bytes;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + (size == 0) + align - 1) / align * align;
	if (arena->used > limit || size > limit - arena->used)
		return NULL;
	if (!block || size > block->size - block->used)
		block = add_block(arena, size);
	if (!block)
		return NULL;
	bytes = block->data + block->used;
	block->used += size;
	arena->used += size;
	return memset(bytes, 0, size);
}

void *disagg_arena_array(struct disagg_arena *arena, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return NULL;
	return disagg_arena_alloc(arena, count * size);
}

char *disagg_arena_strdup(struct disagg_arena *arena, const char *text)
{
	return disagg_arena_strndup(arena, text, strlen(text));
}

char *disagg_arena_strndup(struct disagg_arena *arena, const char *text, size_t len)
{
	char *copy = len < SIZE_MAX ? disagg_arena_alloc(arena, len + 1) : NULL;

	if (copy && len)
		memcpy(copy, text, len);
	return copy;
}

char *disagg_arena_vprintf(struct disagg_arena *arena, const char *fmt, va_list args)
{
	va_list again;
	char *text;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, args);
	text = len < 0 ? NULL : disagg_arena_alloc(arena, (size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	return text;
}

char *disagg_arena_printf(struct disagg_arena *arena, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = disagg_arena_vprintf(arena, fmt, args);
	va_end(args);
	return text;
}

void *disagg_arena_grow(struct disagg_arena *arena, const void *old, size_t old_count,
	size_t new_count, size_t size)
{
	void *copy = disagg_arena_array(arena, new_count, size);
	size_t keep = old_count < new_count ? old_count : new_count;

	if (copy && keep && size)
		memcpy(copy, old, keep * size);
	return copy;
}

void disagg_arena_release(struct disagg_arena *arena)
{
	struct disagg_arena_block *block = arena->head;

	while (block) {
		struct disagg_arena_block *next = block->next;

		free(block);
		block = next;
	}
	arena->head = NULL;
	arena->used = 0;
}
