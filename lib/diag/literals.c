/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/literals.h"

#include <ctype.h>
#include <string.h>

#define MOST_DEPTH 16u

/* A set with count 0 says: nothing is certain. */
struct reader {
	const char *at;
	unsigned depth;
	bool failed;
};

static void read_alternatives(struct reader *reader, struct disagg_literals *ret);

/* What the engines' ordinary lines are full of, once a request or a step. */
static const char *const common[] = {"batch", "cache", "code", "connect", "cuda", "decode",
	"engine", "etcd", "health", "http", "info", "instance", "lease", "locate", "memory",
	"model", "nccl", "prefill", "read", "ready", "request", "running", "server", "size",
	"status", "step", "time", "token", "transfer", "waiting", "worker"};

static bool is_common(const char *word)
{
	size_t len = strcspn(word, " ");

	if (word[len] && word[len + 1])
		return false;
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		if (strncmp(common[i], word, len) == 0 && !common[i][len])
			return true;
	}
	return false;
}

/* What is not all letters is rarer than its length says. */
static unsigned weight_of(const char *word)
{
	unsigned len = 0;
	bool plain = true;

	if (is_common(word))
		return 1;

	for (; word[len]; len++)
		plain = plain && isalpha((unsigned char)word[len]);
	return len + !plain;
}

static bool is_better(const struct disagg_literals *set, const struct disagg_literals *than)
{
	if (!set->count || !than->count)
		return set->count > 0;
	return set->weight != than->weight ? set->weight > than->weight : set->count < than->count;
}

/* ---- a run of plain characters ---- */

struct run {
	char text[DISAGG_LITERAL_MAX + 1];
	unsigned len;
};

static void close_run(struct run *run, struct disagg_literals *best)
{
	struct disagg_literals one = {.count = 1};

	run->text[run->len] = '\0';
	one.weight = weight_of(run->text);
	memcpy(one.word[0], run->text, run->len + 1u);
	if (run->len >= DISAGG_LITERAL_MIN && is_better(&one, best))
		*best = one;
	run->len = 0;
}

static void push(struct run *run, char c)
{
	if (run->len < DISAGG_LITERAL_MAX)
		run->text[run->len++] = (char)tolower((unsigned char)c);
}

/* ---- the pieces of an expression ---- */

/* Behind a piece: whether it may be left out, or come more than once. */
static void read_count(struct reader *reader, bool *ret_optional, bool *ret_repeats)
{
	const char *at = reader->at;

	*ret_optional = *at == '?' || *at == '*' || strncmp(at, "{0", 2) == 0;
	*ret_repeats = *at == '*' || *at == '+' || *at == '{';
	if (*at == '{') {
		reader->at = strchr(at, '}');
		if (!reader->at) {
			reader->failed = true;
			reader->at = at + strlen(at);
			return;
		}
		reader->at++;
	} else if (*at && strchr("?*+", *at)) {
		reader->at++;
	}
	if (*at && strchr("?*+{", *at) && *reader->at == '?')
		reader->at++; /* lazy */
}

static void skip_class(struct reader *reader)
{
	const char *at = reader->at + 1;

	at += *at == '^';
	at += *at == ']';
	for (; *at && *at != ']'; at++) {
		if (*at == '\\' && at[1])
			at++;
	}
	reader->failed |= !*at;
	reader->at = at + (*at == ']');
}

/* One piece: a plain character, or -1 with what a group is certain of in *ret. */
static int read_piece(struct reader *reader, struct disagg_literals *ret)
{
	char c = *reader->at;

	ret->count = 0;
	if (c == '(') {
		reader->at++;
		if (strncmp(reader->at, "?:", 2) == 0)
			reader->at += 2;
		reader->failed |= *reader->at == '?';
		read_alternatives(reader, ret);
		reader->failed |= *reader->at != ')';
		reader->at += *reader->at == ')';
		return -1;
	}
	if (c == '[') {
		skip_class(reader);
		return -1;
	}
	reader->at++;
	if (c == '\\') {
		c = *reader->at;
		reader->failed |= !c;
		reader->at += c != '\0';
		return isalnum((unsigned char)c) ? -1 : (unsigned char)c;
	}
	return c == '.' ? -1 : (unsigned char)c;
}

/* \b, \B, ^ and $ take no character: what is around them stays together. */
static bool skip_anchor(struct reader *reader)
{
	const char *at = reader->at;

	if (*at == '^' || *at == '$')
		reader->at++;
	else if (*at == '\\' && (at[1] == 'b' || at[1] == 'B'))
		reader->at += 2;
	return reader->at != at;
}

static void read_sequence(struct reader *reader, struct disagg_literals *best)
{
	struct run run = {.len = 0};
	struct disagg_literals group;
	bool optional, repeats;
	int c;

	best->count = 0;
	while (*reader->at && *reader->at != '|' && *reader->at != ')' && !reader->failed) {
		if (skip_anchor(reader))
			continue;
		c = read_piece(reader, &group);
		read_count(reader, &optional, &repeats);
		if (c >= 0 && !optional)
			push(&run, (char)c);
		if (c < 0 || optional || repeats)
			close_run(&run, best);
		if (c < 0 && !optional && is_better(&group, best))
			*best = group;
	}
	close_run(&run, best);
}

static bool has_word(const struct disagg_literals *set, const char *word)
{
	for (unsigned i = 0; i < set->count; i++) {
		if (strcmp(set->word[i], word) == 0)
			return true;
	}
	return false;
}

/* False where there is no room. */
static bool unite(struct disagg_literals *set, const struct disagg_literals *more)
{
	for (unsigned i = 0; i < more->count; i++) {
		if (has_word(set, more->word[i]))
			continue;
		if (set->count == DISAGG_LITERALS_MOST)
			return false;
		memcpy(set->word[set->count++], more->word[i], sizeof(set->word[0]));
	}
	if (more->weight < set->weight)
		set->weight = more->weight;
	return true;
}

static void read_alternatives(struct reader *reader, struct disagg_literals *ret)
{
	struct disagg_literals one;
	bool certain = true, first = true;

	ret->count = 0;
	reader->failed |= ++reader->depth > MOST_DEPTH;
	while (!reader->failed) {
		read_sequence(reader, &one);
		certain = certain && one.count;
		if (first && certain)
			*ret = one;
		else if (certain)
			certain = unite(ret, &one);
		first = false;
		if (*reader->at != '|')
			break;
		reader->at++;
	}
	reader->depth--;
	if (!certain)
		ret->count = 0;
}

bool disagg_literals_of(const char *pattern, struct disagg_literals *ret)
{
	struct reader reader = {.at = pattern};
	struct disagg_literals found;

	read_alternatives(&reader, &found);
	if (reader.failed || *reader.at || !found.count)
		return false;
	*ret = found;
	return true;
}
