/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/words.h"

#include "lib/base/arena.h"
#include <hs/hs.h>
#include <stdlib.h>
#include <string.h>

struct disagg_words {
	hs_database_t *db;
	hs_scratch_t *scratch;
};

struct call {
	disagg_words_hit *hit;
	void *context;
};

static int compile(struct disagg_words *words, struct disagg_arena *arena, const char *const *word,
	unsigned count, struct disagg_err *err)
{
	unsigned *flags = disagg_arena_array(arena, count, sizeof(*flags));
	unsigned *ids = disagg_arena_array(arena, count, sizeof(*ids));
	size_t *lens = disagg_arena_array(arena, count, sizeof(*lens));
	hs_compile_error_t *error = NULL;

	if (!flags || !ids || !lens)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < count; i++) {
		flags[i] = HS_FLAG_CASELESS;
		ids[i] = i;
		lens[i] = strlen(word[i]);
	}
	if (hs_compile_lit_multi(word, flags, ids, lens, count, HS_MODE_BLOCK, NULL, &words->db,
		    &error) != HS_SUCCESS) {
		disagg_err_set(err, DISAGG_SYSTEM, "hyperscan: %s", error->message);
		hs_free_compile_error(error);
		return -1;
	}
	if (hs_alloc_scratch(words->db, &words->scratch) != HS_SUCCESS)
		return disagg_err_nomem(err);
	return 0;
}

int disagg_words_new(
	struct disagg_words **ret, const char *const *word, unsigned count, struct disagg_err *err)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_words *words = disagg_raw_realloc(NULL, sizeof(*words));
	int rc;

	if (!words)
		return disagg_err_nomem(err);
	*words = (struct disagg_words){0};
	rc = compile(words, &scratch, word, count, err);
	disagg_arena_release(&scratch);
	if (rc)
		disagg_words_free(words);
	else
		*ret = words;
	return rc;
}

void disagg_words_free(struct disagg_words *words)
{
	if (!words)
		return;
	hs_free_scratch(words->scratch);
	hs_free_database(words->db);
	free(words);
}

static int on_match(
	unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
	const struct call *call = context;

	(void)from;
	(void)flags;
	return !call->hit(call->context, id, (size_t)to);
}

int disagg_words_scan(struct disagg_words *words, const char *bytes, size_t len,
	disagg_words_hit *hit, void *context, struct disagg_err *err)
{
	struct call call = {.hit = hit, .context = context};
	hs_error_t rc;

	if (len > 1u << 30)
		return disagg_err_set(err, DISAGG_SYSTEM, "a block of %zu bytes is too large", len);
	rc = hs_scan(words->db, bytes, (unsigned)len, 0, words->scratch, on_match, &call);
	if (rc != HS_SUCCESS && rc != HS_SCAN_TERMINATED)
		return disagg_err_set(err, DISAGG_SYSTEM, "hyperscan: error %d", rc);
	return 0;
}

const char *disagg_words_version(void)
{
	return hs_version();
}
