/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_BASE_ARENA_H
#define DISAGG_BASE_ARENA_H

#include <stddef.h>
#include <stdarg.h>

/*
 * Memory for objects that share one lifetime: a node tree, a job, a plan.
 * One release frees all; nothing in it is freed alone.
 */
struct disagg_arena {
	struct disagg_arena_block *head;
	size_t used;  /* bytes handed out */
	size_t limit; /* bytes; 0 means DISAGG_MAX_ARENA_BYTES */
};

#define DISAGG_ARENA_INIT                                                                          \
	{                                                                                          \
		0                                                                                  \
	}

/* Zeroed, aligned for any type.  NULL when memory or the limit has run out. */
void *disagg_arena_alloc(struct disagg_arena *arena, size_t size);

/* count * size with overflow check. */
void *disagg_arena_array(struct disagg_arena *arena, size_t count, size_t size);

/* Copies; NULL on failure.  strndup takes len bytes and adds a NUL. */
char *disagg_arena_strdup(struct disagg_arena *arena, const char *text);
char *disagg_arena_strndup(struct disagg_arena *arena, const char *text, size_t len);
char *disagg_arena_printf(struct disagg_arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
char *disagg_arena_vprintf(struct disagg_arena *arena, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

/* A grown copy of an array (old contents copied, the rest zeroed); the old one
 * stays behind in the arena.  For lists that double. */
void *disagg_arena_grow(struct disagg_arena *arena, const void *old, size_t old_count,
	size_t new_count, size_t size);

/* Accepts an arena that was never used; may be used again afterwards. */
void disagg_arena_release(struct disagg_arena *arena);

/* For tests: the allocation after the next `count` ones fails, once; counted
 * over all arenas and string buffers.  Negative: never (the default). */
void disagg_alloc_fail_after(long count);

/* What every allocation in lib/ goes through, so that tests can fail it. */
void *disagg_raw_realloc(void *old, size_t size);

#endif
