/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gather_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_MESSAGE (40u * 1024u)
#define MOST_PAIRS   8192u
#define MOST_TRIES   3u

enum state { UNREAD, READ, GIVEN_UP };

/* The nodes of one digest of a section. */
struct variant {
	const char *digest;
	size_t *node;
	size_t nodes;
	enum state state;
	size_t ask;  /* the node that is asked */
	size_t from; /* pairs that have come */
	struct disagg_fingerprint_pair *pair;
	size_t count, room;
};

struct section {
	struct variant *variant; /* the commonest first */
	size_t count;
};

struct digests {
	char of[DISAGG_ENV_PARTS][DISAGG_DIGEST_TEXT];
};

struct disagg_gather {
	struct disagg_arena *arena;
	const char *const *name;
	size_t count;
	bool *told;
	struct digests *digest;
	bool grouped;
	struct section section[DISAGG_ENV_PARTS];
};

struct disagg_gather *disagg_gather_new(
	struct disagg_arena *arena, const char *const *name, size_t count)
{
	struct disagg_gather *gather = disagg_arena_alloc(arena, sizeof(*gather));

	if (!gather)
		return NULL;
	gather->arena = arena;
	gather->name = name;
	gather->count = count;
	gather->told = disagg_arena_array(arena, count, sizeof(*gather->told));
	gather->digest = disagg_arena_array(arena, count, sizeof(*gather->digest));
	return gather->told && gather->digest ? gather : NULL;
}

/* ---- messages ---- */

void disagg_gather_put_digests(struct disagg_strbuf *out, const struct disagg_fingerprint *print)
{
	struct disagg_json_writer writer = {.out = out};
	size_t keys = 0;

	for (size_t i = 0; i < DISAGG_ENV_PARTS; i++)
		keys += print->section[i].count;
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_int(&writer, "keys", (int64_t)keys);
	disagg_json_begin(&writer, "digest", '{');
	for (size_t i = 0; i < DISAGG_ENV_PARTS; i++)
		disagg_json_put_text(&writer, disagg_fingerprint_name(i), print->section[i].digest);
	disagg_json_end(&writer, '}');
	disagg_json_end(&writer, '}');
}

int disagg_gather_take_digests(struct disagg_gather *gather, size_t node,
	const struct disagg_json *message, struct disagg_err *err)
{
	const struct disagg_json *all = disagg_json_at(message, "digest");

	if (node >= gather->count || gather->grouped)
		return disagg_err_set(err, DISAGG_INVALID, "digests that come too late");
	for (size_t i = 0; i < DISAGG_ENV_PARTS; i++) {
		const char *text =
			disagg_json_text(disagg_json_at(all, disagg_fingerprint_name(i)));

		if (!text || strlen(text) != DISAGG_DIGEST_TEXT - 1)
			return disagg_err_set(err, DISAGG_INVALID,
				"node %s tells no digest of its '%s'", gather->name[node],
				disagg_fingerprint_name(i));
		memcpy(gather->digest[node].of[i], text, DISAGG_DIGEST_TEXT);
	}
	gather->told[node] = true;
	return 0;
}

void disagg_gather_put_pairs(struct disagg_strbuf *out, const struct disagg_fingerprint *print,
	enum disagg_fingerprint_part part, size_t from)
{
	const struct disagg_fingerprint_section *section = &print->section[part];
	struct disagg_json_writer writer = {.out = out};
	size_t start = out->len;

	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_text(&writer, "section", disagg_fingerprint_name(part));
	disagg_json_begin(&writer, "pairs", '[');
	for (; from < section->count && out->len - start < MOST_MESSAGE; from++) {
		disagg_json_put_text(&writer, NULL, section->pair[from].key);
		disagg_json_put_text(&writer, NULL, section->pair[from].value);
	}
	disagg_json_end(&writer, ']');
	if (from < section->count)
		disagg_json_put_int(&writer, "next", (int64_t)from);
	disagg_json_end(&writer, '}');
}

static int add_pair(
	struct disagg_gather *gather, struct variant *variant, const char *key, const char *value)
{
	struct disagg_fingerprint_pair *pair;

	if (variant->count == variant->room) {
		size_t room = variant->room ? variant->room * 2 : 64;

		pair = disagg_arena_grow(
			gather->arena, variant->pair, variant->room, room, sizeof(*pair));
		if (!pair)
			return -1;
		variant->pair = pair;
		variant->room = room;
	}
	pair = &variant->pair[variant->count];
	pair->key = disagg_arena_strdup(gather->arena, key);
	pair->value = disagg_arena_strdup(gather->arena, value);
	if (!pair->key || !pair->value)
		return -1;
	disagg_text_tame((char *)(uintptr_t)pair->key);
	disagg_text_tame((char *)(uintptr_t)pair->value);
	variant->count++;
	return 0;
}

static struct variant *find_variant(
	struct disagg_gather *gather, const struct disagg_gather_question *question)
{
	struct section *section = &gather->section[question->part];

	for (size_t i = 0; i < section->count; i++)
		if (section->variant[i].node[section->variant[i].ask] == question->node)
			return &section->variant[i];
	return NULL;
}

int disagg_gather_take_pairs(struct disagg_gather *gather,
	const struct disagg_gather_question *question, const struct disagg_json *message,
	struct disagg_err *err)
{
	const struct disagg_json *pairs = disagg_json_at(message, "pairs");
	struct variant *variant = find_variant(gather, question);
	size_t count = disagg_json_count(pairs);
	int64_t next;

	if (!variant || variant->state != UNREAD || variant->from != question->from || count % 2 ||
		variant->count + count / 2 > MOST_PAIRS)
		return disagg_err_set(err, DISAGG_INVALID, "no answer to what was asked");
	for (size_t i = 0; i < count; i += 2) {
		const char *key = disagg_json_text(disagg_json_item(pairs, i));
		const char *value = disagg_json_text(disagg_json_item(pairs, i + 1));

		if (!key || !value)
			return disagg_err_set(err, DISAGG_INVALID, "pairs that are no texts");
		if (add_pair(gather, variant, key, value))
			return disagg_err_nomem(err);
	}
	if (disagg_json_int(disagg_json_at(message, "next"), &next) == 0) {
		if (next <= (int64_t)variant->from || next > (int64_t)MOST_PAIRS)
			return disagg_err_set(err, DISAGG_INVALID, "pairs that do not go on");
		variant->from = (size_t)next;
		return 0;
	}
	variant->state = READ;
	return 0;
}

void disagg_gather_give_up(
	struct disagg_gather *gather, const struct disagg_gather_question *question)
{
	struct variant *variant = find_variant(gather, question);

	if (!variant || variant->state != UNREAD)
		return;
	variant->from = variant->count = 0;
	if (variant->ask + 1 < variant->nodes && variant->ask + 1 < MOST_TRIES)
		variant->ask++;
	else
		variant->state = GIVEN_UP;
}

/* ---- groups ---- */

struct member {
	const char *digest;
	size_t node;
};

static int by_digest(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = strcmp(x->digest, y->digest);

	return order ? order : (x->node > y->node) - (x->node < y->node);
}

/* The commonest first; among equals the one of the earlier node. */
static int by_nodes(const void *a, const void *b)
{
	const struct variant *x = a, *y = b;

	if (x->nodes != y->nodes)
		return x->nodes < y->nodes ? 1 : -1;
	return (x->node[0] > y->node[0]) - (x->node[0] < y->node[0]);
}

static int group(
	struct disagg_gather *gather, enum disagg_fingerprint_part part, struct member *member)
{
	struct section *section = &gather->section[part];
	size_t count = 0, *nodes = disagg_arena_array(gather->arena, gather->count, sizeof(*nodes));

	for (size_t i = 0; i < gather->count; i++)
		if (gather->told[i])
			member[count++] = (struct member){gather->digest[i].of[part], i};
	qsort(member, count, sizeof(*member), by_digest);
	for (size_t i = 0; i < count; i++)
		section->count += i == 0 || strcmp(member[i].digest, member[i - 1].digest) != 0;
	section->variant =
		disagg_arena_array(gather->arena, section->count, sizeof(*section->variant));
	if ((gather->count && !nodes) || (section->count && !section->variant))
		return -1;
	section->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct variant *last =
			section->count ? &section->variant[section->count - 1] : NULL;

		nodes[i] = member[i].node;
		if (last && strcmp(last->digest, member[i].digest) == 0)
			last->nodes++;
		else
			section->variant[section->count++] = (struct variant){
				.digest = member[i].digest, .node = &nodes[i], .nodes = 1};
	}
	if (section->count)
		qsort(section->variant, section->count, sizeof(*section->variant), by_nodes);
	return 0;
}

static int group_all(struct disagg_gather *gather)
{
	struct member *member = calloc(gather->count + 1, sizeof(*member));
	int rc = member ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < DISAGG_ENV_PARTS; i++)
		rc = group(gather, (enum disagg_fingerprint_part)i, member);
	free(member);
	gather->grouped = rc == 0;
	return rc;
}

size_t disagg_gather_questions(
	struct disagg_gather *gather, struct disagg_gather_question *ret, size_t room)
{
	size_t count = 0;

	if (!gather->grouped && group_all(gather))
		return 0;
	for (size_t i = 0; i < DISAGG_ENV_PARTS; i++) {
		struct section *section = &gather->section[i];

		for (size_t k = 0; section->count > 1 && k < section->count &&
				   k < DISAGG_GATHER_VARIANTS && count < room;
			k++) {
			const struct variant *variant = &section->variant[k];

			if (variant->state == UNREAD)
				ret[count++] =
					(struct disagg_gather_question){variant->node[variant->ask],
						(enum disagg_fingerprint_part)i, variant->from};
		}
	}
	return count;
}

/* ---- for gather_compare.c ---- */

size_t disagg_gather_variants(const struct disagg_gather *gather, enum disagg_fingerprint_part part)
{
	return gather->section[part].count;
}

struct disagg_gather_variant disagg_gather_variant(
	const struct disagg_gather *gather, enum disagg_fingerprint_part part, size_t index)
{
	const struct variant *variant = &gather->section[part].variant[index];

	return (struct disagg_gather_variant){
		.read = variant->state == READ,
		.pair = variant->pair,
		.count = variant->count,
		.node = variant->node,
		.nodes = variant->nodes,
	};
}

struct disagg_arena *disagg_gather_arena(const struct disagg_gather *gather)
{
	return gather->arena;
}

const char *disagg_gather_name(const struct disagg_gather *gather, size_t node)
{
	return gather->name[node];
}

size_t disagg_gather_told(const struct disagg_gather *gather)
{
	size_t told = 0;

	for (size_t i = 0; i < gather->count; i++)
		told += gather->told[i];
	return told;
}
