/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/hostlist.h"
#include "lib/probe/gather_build.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define MOST_VALUE 160 /* bytes of a value in a reason */
#define MOST_NAMES 300 /* bytes of a list of nodes in a reason */

/* What engines, NCCL or the loader break on where it differs. */
static const char *const mandatory[] = {"kernel.release", "driver.version", "driver.module",
	"driver.gpus", "driver.*.firmware", "driver.*.model", "driver.libcuda.so.1", "cuda.*",
	"os.machine", "program.version", "python.nvidia-*", "python.torch", "python.vllm",
	"python.sglang", "python.tensorrt-llm", "python.nixl*", "python.nccl*"};

bool disagg_gather_mandatory(const char *key)
{
	for (size_t i = 0; i < sizeof(mandatory) / sizeof(*mandatory); i++)
		if (fnmatch(mandatory[i], key, 0) == 0)
			return true;
	return false;
}

static bool is_allowed(struct disagg_arena *arena, const char *allow, const char *key)
{
	for (const char *at = allow; at && *at;) {
		size_t len = strcspn(at, ", ");
		const char *pattern = disagg_arena_strndup(arena, at, len);

		if (pattern && len && fnmatch(pattern, key, 0) == 0)
			return true;
		at += len + strspn(at + len, ", ");
	}
	return false;
}

/* ---- one section ---- */

struct entry { /* a key of a variant */
	const char *key, *value;
	size_t variant;
};

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->variant > y->variant) - (x->variant < y->variant);
}

static int by_nodes(const void *a, const void *b)
{
	const struct disagg_gather_value *x = a, *y = b;

	if (x->nodes != y->nodes)
		return x->nodes < y->nodes ? 1 : -1;
	return (x->node[0] > y->node[0]) - (x->node[0] < y->node[0]);
}

static int by_number(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

struct comparison {
	struct disagg_gather *gather;
	struct disagg_arena *arena;
	const char *allow;
	size_t told;
	struct disagg_gather_variant *variant; /* of the section, those that were read */
	size_t variants;
	struct disagg_gather_result *result;
	size_t room;
};

static bool same_value(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The value of the variant among the entries of one key. */
static const char *value_of(const struct entry *entry, size_t count, size_t variant)
{
	for (size_t i = 0; i < count; i++)
		if (entry[i].variant == variant)
			return entry[i].value;
	return NULL;
}

static struct disagg_gather_difference *new_difference(struct comparison *compare)
{
	struct disagg_gather_result *result = compare->result;

	if (result->count == compare->room) {
		size_t room = compare->room ? compare->room * 2 : 32;
		struct disagg_gather_difference *grown = disagg_arena_grow(
			compare->arena, result->difference, compare->room, room, sizeof(*grown));

		if (!grown)
			return NULL;
		result->difference = grown;
		compare->room = room;
	}
	return &result->difference[result->count++];
}

/* Variants of one value together, with their nodes. */
static int collect(struct comparison *compare, const struct entry *entry, size_t count,
	struct disagg_gather_difference *difference)
{
	struct disagg_arena *arena = compare->arena;
	size_t total = 0, *nodes;

	for (size_t i = 0; i < compare->variants; i++)
		total += compare->variant[i].nodes;
	difference->value =
		disagg_arena_array(arena, compare->variants, sizeof(*difference->value));
	nodes = disagg_arena_array(arena, total, sizeof(*nodes));
	if (!difference->value || !nodes)
		return -1;
	for (size_t i = 0; i < compare->variants; i++) {
		const char *text = value_of(entry, count, i);
		struct disagg_gather_value *value;
		size_t *own = nodes;
		bool seen = false;

		for (size_t k = 0; k < difference->count; k++)
			seen = seen || same_value(difference->value[k].text, text);
		if (seen)
			continue;
		value = &difference->value[difference->count++];
		value->text = text;
		for (size_t k = i; k < compare->variants; k++)
			if (same_value(value_of(entry, count, k), text)) {
				memcpy(own + value->nodes, compare->variant[k].node,
					compare->variant[k].nodes * sizeof(*own));
				value->nodes += compare->variant[k].nodes;
			}
		qsort(own, value->nodes, sizeof(*own), by_number);
		value->node = own;
		nodes += value->nodes;
	}
	qsort(difference->value, difference->count, sizeof(*difference->value), by_nodes);
	return 0;
}

static int compare_key(struct comparison *compare, const struct entry *entry, size_t count)
{
	struct disagg_gather_difference *difference;
	bool differs = count < compare->variants;

	for (size_t i = 1; i < count; i++)
		differs = differs || strcmp(entry[i].value, entry[0].value) != 0;
	if (!differs)
		return 0;
	difference = new_difference(compare);
	if (!difference || collect(compare, entry, count, difference))
		return -1;
	difference->key = entry[0].key;
	difference->majority = difference->value[0].nodes * 2 > compare->told;
	difference->mandatory = disagg_gather_mandatory(difference->key);
	difference->allowed = is_allowed(compare->arena, compare->allow, difference->key);
	return 0;
}

static int compare_section(struct comparison *compare, enum disagg_fingerprint_part part)
{
	size_t all = disagg_gather_variants(compare->gather, part), total = 0, count = 0;
	struct entry *entry;
	int rc = 0;

	compare->variants = 0;
	compare->variant = disagg_arena_array(compare->arena, all, sizeof(*compare->variant));
	if (!compare->variant)
		return -1;
	for (size_t i = 0; i < all; i++) {
		struct disagg_gather_variant variant =
			disagg_gather_variant(compare->gather, part, i);

		if (!variant.read) {
			compare->result->unread++;
			continue;
		}
		compare->variant[compare->variants++] = variant;
		total += variant.count;
	}
	entry = calloc(total + 1, sizeof(*entry));
	if (!entry)
		return -1;
	for (size_t i = 0; i < compare->variants; i++)
		for (size_t k = 0; k < compare->variant[i].count; k++)
			entry[count++] = (struct entry){compare->variant[i].pair[k].key,
				compare->variant[i].pair[k].value, i};
	qsort(entry, count, sizeof(*entry), by_key);
	for (size_t i = 0, end; rc == 0 && i < count; i = end) {
		for (end = i + 1; end < count && strcmp(entry[end].key, entry[i].key) == 0; end++)
			;
		rc = compare_key(compare, &entry[i], end - i);
	}
	free(entry);
	return rc;
}

int disagg_gather_compare(struct disagg_gather *gather, const char *allow,
	struct disagg_gather_result *ret, struct disagg_err *err)
{
	struct disagg_gather_result result = {0};
	struct comparison compare = {.gather = gather,
		.arena = disagg_gather_arena(gather),
		.allow = allow,
		.told = disagg_gather_told(gather),
		.result = &result};

	result.nodes = compare.told;
	for (size_t i = 0; i < DISAGG_ENV_PARTS; i++) {
		enum disagg_fingerprint_part part = (enum disagg_fingerprint_part)i;

		if (disagg_gather_variants(gather, part) < 2)
			continue;
		result.sections++;
		if (compare_section(&compare, part))
			return disagg_err_nomem(err);
	}
	*ret = result;
	return 0;
}

/* ---- records ---- */

static void put_value(struct disagg_strbuf *out, const char *text)
{
	if (!text)
		disagg_strbuf_puts(out, "nothing");
	else
		disagg_strbuf_printf(
			out, "'%.*s%s'", MOST_VALUE, text, strlen(text) > MOST_VALUE ? "..." : "");
}

static void put_nodes(struct disagg_strbuf *out, struct disagg_gather *gather,
	const struct disagg_gather_value *value)
{
	const char **name = calloc(value->nodes + 1, sizeof(*name));
	struct disagg_strbuf list;

	if (!name)
		return;
	disagg_strbuf_init(&list, 0);
	for (size_t i = 0; i < value->nodes; i++)
		name[i] = disagg_gather_name(gather, value->node[i]);
	disagg_hostlist_fold(&list, name, value->nodes);
	disagg_strbuf_printf(
		out, "%.*s%s", MOST_NAMES, list.text, list.len > MOST_NAMES ? "..." : "");
	disagg_strbuf_release(&list);
	free(name);
}

static void put_reason(struct disagg_strbuf *out, struct disagg_gather *gather,
	const struct disagg_gather_difference *difference, size_t which)
{
	size_t told = disagg_gather_told(gather);

	put_value(out, difference->value[which].text);
	disagg_strbuf_puts(out, " on ");
	put_nodes(out, gather, &difference->value[which]);
	if (difference->majority) {
		disagg_strbuf_puts(out, ", ");
		put_value(out, difference->value[0].text);
		disagg_strbuf_printf(out, " on %zu of %zu nodes", difference->value[0].nodes, told);
		return;
	}
	for (size_t i = 0; i < difference->count && i < 3; i++) {
		if (i == which)
			continue;
		disagg_strbuf_puts(out, ", ");
		put_value(out, difference->value[i].text);
		disagg_strbuf_puts(out, " on ");
		put_nodes(out, gather, &difference->value[i]);
	}
	disagg_strbuf_puts(out, "; no majority");
}

int disagg_gather_record(struct disagg_gather *gather,
	const struct disagg_gather_difference *difference, size_t which, size_t node,
	struct disagg_probe_record *ret)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	struct disagg_arena *arena = disagg_gather_arena(gather);
	struct disagg_strbuf reason;

	disagg_strbuf_init(&reason, 0);
	put_reason(&reason, gather, difference, which);
	record.node = disagg_gather_name(gather, node);
	record.param = difference->key;
	record.status = difference->mandatory ? DISAGG_PROBE_FAIL : DISAGG_PROBE_WARN;
	record.reason = reason.failed ? NULL : disagg_arena_strdup(arena, reason.text);
	record.hint = disagg_arena_printf(
		arena, "make them equal, or say --allow=%s where it is meant", difference->key);
	disagg_strbuf_release(&reason);
	if (!record.reason || !record.hint)
		return -1;
	*ret = record;
	return 0;
}
