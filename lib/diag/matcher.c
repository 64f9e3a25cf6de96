/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "lib/diag/matcher.h"

#include "lib/diag/literals.h"
#include "lib/diag/words.h"
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MOST    8192u
#define BEFORE_WORD   1024u /* of a line that is too long */
#define BEHIND_WORD   3072u
#define BACKTRACKS    20000u /* of one expression on one line */
#define PATTERN_WORDS (DISAGG_PATTERNS_MOST / 64u + 1u)

struct pattern {
	const char *text;
	unsigned signature;
	pcre2_code *code; /* NULL until it is needed */
};

struct word {
	char text[DISAGG_LITERAL_MAX + 1];
	unsigned *pattern; /* that cannot match without it */
	unsigned count;
	size_t line; /* of the block, that it was last seen in; SIZE_MAX: none */
};

/* A line that has a word: where it begins, and where the word ends. */
struct found {
	size_t line, end;
	unsigned word;
};

struct disagg_matcher {
	struct disagg_arena arena;
	const struct disagg_signatures *signatures;
	struct pattern *pattern;
	struct word *word;
	unsigned word_count;
	struct disagg_words *words;
	pcre2_match_data *data;
	pcre2_match_context *limits;
	uint64_t *todo; /* a bit a pattern */
	struct found *found;
	size_t found_count, found_room;
	/* the block that is scanned */
	const char *bytes;
	size_t len, line, line_end;
	bool unordered, no_memory;
};

/* ---- building ---- */

static struct word *word_of(struct disagg_matcher *matcher, const char *text)
{
	struct word *word;

	for (unsigned i = 0; i < matcher->word_count; i++) {
		if (strcmp(matcher->word[i].text, text) == 0)
			return &matcher->word[i];
	}
	if (matcher->word_count == WORDS_MOST)
		return NULL;
	word = &matcher->word[matcher->word_count++];
	memcpy(word->text, text, strlen(text) + 1);
	return word;
}

static int add_pattern(struct disagg_matcher *matcher, unsigned index, struct disagg_err *err)
{
	struct disagg_literals literals;

	if (!disagg_literals_of(matcher->pattern[index].text, &literals))
		return disagg_err_set(err, DISAGG_CONFIG, "signature '%s': no word in '%s'",
			matcher->signatures->v[matcher->pattern[index].signature].id,
			matcher->pattern[index].text);
	for (unsigned i = 0; i < literals.count; i++) {
		struct word *word = word_of(matcher, literals.word[i]);
		unsigned *grown;

		if (!word)
			return disagg_err_set(err, DISAGG_CONFIG,
				"signatures: more than %u different words", WORDS_MOST);
		grown = disagg_arena_grow(&matcher->arena, word->pattern, word->count,
			word->count + 1u, sizeof(*grown));
		if (!grown)
			return disagg_err_nomem(err);
		grown[word->count++] = index;
		word->pattern = grown;
	}
	return 0;
}

static int add_patterns(struct disagg_matcher *matcher, struct disagg_err *err)
{
	const struct disagg_signatures *list = matcher->signatures;
	unsigned count = 0;

	for (unsigned i = 0; i < list->count; i++) {
		for (unsigned j = 0; j < list->v[i].pattern_count; j++) {
			matcher->pattern[count] =
				(struct pattern){.text = list->v[i].pattern[j], .signature = i};
			if (add_pattern(matcher, count++, err))
				return -1;
		}
	}
	return 0;
}

static int compile_words(struct disagg_matcher *matcher, struct disagg_err *err)
{
	const char **text = disagg_arena_array(&matcher->arena, matcher->word_count, sizeof(*text));

	if (!text)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < matcher->word_count; i++)
		text[i] = matcher->word[i].text;
	return disagg_words_new(&matcher->words, text, matcher->word_count, err);
}

static int build(struct disagg_matcher *matcher, struct disagg_err *err)
{
	struct disagg_arena *arena = &matcher->arena;

	matcher->pattern = disagg_arena_array(
		arena, matcher->signatures->pattern_count + 1u, sizeof(*matcher->pattern));
	matcher->word = disagg_arena_array(arena, WORDS_MOST, sizeof(*matcher->word));
	matcher->todo = disagg_arena_array(arena, PATTERN_WORDS, sizeof(*matcher->todo));
	matcher->data = pcre2_match_data_create(1, NULL);
	matcher->limits = pcre2_match_context_create(NULL);
	if (!matcher->pattern || !matcher->word || !matcher->todo || !matcher->data ||
		!matcher->limits)
		return disagg_err_nomem(err);
	pcre2_set_match_limit(matcher->limits, BACKTRACKS);
	return add_patterns(matcher, err) || compile_words(matcher, err) ? -1 : 0;
}

int disagg_matcher_new(const struct disagg_signatures *signatures, struct disagg_matcher **ret,
	struct disagg_err *err)
{
	struct disagg_matcher *matcher = disagg_raw_realloc(NULL, sizeof(*matcher));

	if (!matcher)
		return disagg_err_nomem(err);
	memset(matcher, 0, sizeof(*matcher));
	matcher->signatures = signatures;
	if (build(matcher, err)) {
		disagg_matcher_free(matcher);
		return -1;
	}
	*ret = matcher;
	return 0;
}

void disagg_matcher_free(struct disagg_matcher *matcher)
{
	if (!matcher)
		return;
	for (unsigned i = 0; matcher->pattern && i < matcher->signatures->pattern_count; i++)
		pcre2_code_free(matcher->pattern[i].code);
	pcre2_match_data_free(matcher->data);
	pcre2_match_context_free(matcher->limits);
	disagg_words_free(matcher->words);
	free(matcher->found);
	disagg_arena_release(&matcher->arena);
	free(matcher);
}

/* ---- the words ---- */

static bool keep_found(struct disagg_matcher *matcher, const struct found *found)
{
	size_t room = matcher->found_room ? matcher->found_room * 2 : 1024;
	struct found *grown;

	if (matcher->found_count == matcher->found_room) {
		grown = disagg_raw_realloc(matcher->found, room * sizeof(*grown));
		if (!grown)
			return false;
		matcher->found = grown;
		matcher->found_room = room;
	}
	matcher->unordered |=
		matcher->found_count && matcher->found[matcher->found_count - 1].line > found->line;
	matcher->found[matcher->found_count++] = *found;
	return true;
}

static bool on_word(void *context, unsigned id, size_t end)
{
	struct disagg_matcher *matcher = context;

	if (end <= matcher->line || end > matcher->line_end) {
		const char *before = memrchr(matcher->bytes, '\n', end - 1);
		const char *behind = memchr(matcher->bytes + end, '\n', matcher->len - end);

		matcher->line = before ? (size_t)(before + 1 - matcher->bytes) : 0;
		matcher->line_end = behind ? (size_t)(behind - matcher->bytes) : matcher->len;
	}
	if (matcher->word[id].line == matcher->line)
		return true;
	matcher->word[id].line = matcher->line;
	matcher->no_memory = !keep_found(
		matcher, &(struct found){.line = matcher->line, .end = end, .word = id});
	return !matcher->no_memory;
}

/* ---- the expressions ---- */

/* False where the expression is none, which is found out when it is needed. */
static bool compile(struct disagg_matcher *matcher, struct pattern *pattern)
{
	uint32_t flags =
		matcher->signatures->v[pattern->signature].case_matters ? 0 : PCRE2_CASELESS;
	PCRE2_SIZE at;
	int code;

	pattern->code = pcre2_compile(
		(PCRE2_SPTR)pattern->text, PCRE2_ZERO_TERMINATED, flags, &code, &at, NULL);
	if (!pattern->code)
		return false;
	/* where there is no JIT the interpreter does it */
	pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
	return true;
}

/* The first signature of those in `todo`, or -1. */
static int first_match(struct disagg_matcher *matcher, const char *text, size_t len)
{
	int found = -1;

	for (unsigned i = 0; i <= matcher->signatures->pattern_count / 64u; i++) {
		for (uint64_t bits = matcher->todo[i]; bits && found < 0; bits &= bits - 1) {
			struct pattern *pattern =
				&matcher->pattern[i * 64u + (unsigned)__builtin_ctzll(bits)];

			if (!pattern->code && !compile(matcher, pattern))
				continue;
			if (pcre2_match(pattern->code, (PCRE2_SPTR)text, len, 0, 0, matcher->data,
				    matcher->limits) >= 0)
				found = (int)pattern->signature;
		}
		matcher->todo[i] = 0;
	}
	return found;
}

static int by_line(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->line != y->line ? (x->line > y->line) - (x->line < y->line)
				  : (x->end > y->end) - (x->end < y->end);
}

/* The line that found[first] is on; returns the first of the next. */
static size_t match_line(
	struct disagg_matcher *matcher, size_t first, disagg_matcher_hit *hit, void *context)
{
	const struct found *found = &matcher->found[first];
	const char *begin = matcher->bytes + found->line;
	const char *newline = memchr(begin, '\n', matcher->len - found->line);
	size_t len = newline ? (size_t)(newline - begin) : matcher->len - found->line;
	size_t from = 0, size = len, next = first;
	int signature;

	for (; next < matcher->found_count && matcher->found[next].line == found->line; next++) {
		const struct word *word = &matcher->word[matcher->found[next].word];

		for (unsigned i = 0; i < word->count; i++)
			matcher->todo[word->pattern[i] / 64u] |= UINT64_C(1)
								 << word->pattern[i] % 64u;
	}
	if (len > DISAGG_MATCH_LINE_MAX) {
		size_t at = found->end - found->line;

		from = at > BEFORE_WORD ? at - BEFORE_WORD : 0;
		size = len - from > BEFORE_WORD + BEHIND_WORD ? BEFORE_WORD + BEHIND_WORD
							      : len - from;
	}
	if (size && begin[from + size - 1] == '\r')
		size--;
	signature = first_match(matcher, begin + from, size);
	if (signature >= 0)
		hit(context, (unsigned)signature, found->line, len);
	return next;
}

int disagg_matcher_scan(struct disagg_matcher *matcher, const char *bytes, size_t len,
	disagg_matcher_hit *hit, void *context, struct disagg_err *err)
{
	int rc;

	matcher->bytes = bytes;
	matcher->len = len;
	matcher->line = matcher->line_end = 0;
	matcher->found_count = 0;
	matcher->unordered = matcher->no_memory = false;
	for (unsigned i = 0; i < matcher->word_count; i++)
		matcher->word[i].line = SIZE_MAX;
	rc = disagg_words_scan(matcher->words, bytes, len, on_word, matcher, err);
	if (matcher->no_memory)
		return disagg_err_nomem(err);
	if (rc)
		return -1;
	if (matcher->unordered)
		qsort(matcher->found, matcher->found_count, sizeof(*matcher->found), by_line);
	for (size_t i = 0; i < matcher->found_count;)
		i = match_line(matcher, i, hit, context);
	return 0;
}

const char *disagg_matcher_version(char *buf, size_t size)
{
	char pcre[64] = "";

	pcre2_config(PCRE2_CONFIG_VERSION, pcre);
	snprintf(buf, size, "hyperscan %s, pcre2 %s", disagg_words_version(), pcre);
	return buf;
}
