/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/arena.h"

#include "lib/base/limits.h"
#include "tests/unit/tap.h"
#include <stdlib.h>

static bool is_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* Small ones, and now and then one larger than a block. */
static size_t piece_size(size_t i)
{
	return i * 37 % 1500 + (i % 100 == 0 ? 40000u : 0u);
}

/* Pieces of all sizes: zeroed, aligned, none on top of another. */
static void test_pieces(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	unsigned char *piece[2000];
	bool zero = true, aligned = true, apart = true;

	for (size_t i = 0; i < 2000; i++) {
		size_t size = piece_size(i);

		piece[i] = disagg_arena_alloc(&arena, size);
		zero = zero && is_zero(piece[i], size);
		aligned = aligned && (uintptr_t)piece[i] % _Alignof(max_align_t) == 0;
		memset(piece[i], (int)(i % 251) + 1, size);
	}
	for (size_t i = 0; i < 2000; i++) {
		size_t size = piece_size(i);

		apart = apart && (!size || (piece[i][0] == i % 251 + 1 &&
						   piece[i][size - 1] == i % 251 + 1));
	}
	ok(zero, "memory is zeroed");
	ok(aligned, "memory is aligned");
	ok(apart, "pieces do not overlap");
	disagg_arena_release(&arena);
	is_int((intmax_t)arena.used, 0, "release empties");
	ok(disagg_arena_alloc(&arena, 1) != NULL, "it can be used again");
	disagg_arena_release(&arena);
	disagg_arena_release(&arena);
	ok(!arena.head, "releasing twice is fine");
}

static void test_text(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	const int three[] = {1, 2, 3};
	const int *grown;

	is_str(disagg_arena_strdup(&arena, "abc"), "abc", "strdup");
	is_str(disagg_arena_strndup(&arena, "abc", 2), "ab", "strndup");
	is_str(disagg_arena_strndup(&arena, "abc", 0), "", "strndup of nothing");
	is_str(disagg_arena_printf(&arena, "%s-%d", "a", 7), "a-7", "printf");
	grown = disagg_arena_grow(&arena, three, 3, 6, sizeof(int));
	ok(grown && grown[0] == 1 && grown[2] == 3 && !grown[3] && !grown[5],
		"grow copies and zeroes");
	grown = disagg_arena_grow(&arena, NULL, 0, 2, sizeof(int));
	ok(grown && !grown[0], "grow from nothing");
	disagg_arena_release(&arena);
}

static void test_limit(void)
{
	struct disagg_arena arena = {.limit = 4096}, whole = DISAGG_ARENA_INIT;
	size_t total = 0;

	while (disagg_arena_alloc(&arena, 100))
		total += 100;
	ok(total > 3000 && total <= 4096, "the limit holds");
	ok(arena.used <= 4096, "used never passes the limit");
	disagg_arena_release(&arena);
	ok(!disagg_arena_alloc(&arena, 5000), "one piece over the limit");
	ok(!disagg_arena_alloc(&arena, SIZE_MAX), "SIZE_MAX bytes");
	ok(!disagg_arena_alloc(&arena, SIZE_MAX / 2 + 1), "half of SIZE_MAX");
	ok(!disagg_arena_array(&arena, SIZE_MAX / 2, 4), "count * size that wraps");
	ok(!disagg_arena_array(&arena, SIZE_MAX / 8 + 2, 8), "count * size that wraps to little");
	ok(!disagg_arena_strndup(&arena, "x", SIZE_MAX), "strndup of SIZE_MAX bytes");
	ok(!disagg_arena_alloc(&whole, (size_t)DISAGG_MAX_ARENA_BYTES + 1),
		"the default limit holds");
	ok(disagg_arena_alloc(&whole, 1024 * 1024) != NULL, "a large piece below it");
	disagg_arena_release(&whole);
}

static void test_fault(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	void *raw;

	disagg_alloc_fail_after(0);
	ok(!disagg_arena_alloc(&arena, 8), "the next allocation fails");
	ok(disagg_arena_alloc(&arena, 8) != NULL, "only once");
	disagg_arena_release(&arena);
	disagg_alloc_fail_after(2);
	raw = disagg_raw_realloc(NULL, 8);
	raw = disagg_raw_realloc(raw, 16);
	ok(raw != NULL, "two go well");
	ok(!disagg_raw_realloc(NULL, 8), "the third fails");
	free(raw);
	disagg_alloc_fail_after(-1);
}

int main(void)
{
	test_pieces();
	test_text();
	test_limit();
	test_fault();
	return tap_done();
}
