/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/signatures.h"

#include "lib/conf/yamltree.h"
#include "lib/diag/literals.h"
#include "lib/diag/signatures_data.h"
#include <string.h>

#define BUILT_IN "signatures.yaml"

const char *const disagg_fault_names[DISAGG_FAULT_COUNT + 1] = {
	[DISAGG_FAULT_UNKNOWN] = "unknown",
	[DISAGG_FAULT_USER_APP] = "user_app",
	[DISAGG_FAULT_OOM_HOST] = "oom_host",
	[DISAGG_FAULT_OOM_GPU] = "oom_gpu",
	[DISAGG_FAULT_GPU_HW] = "gpu_hw",
	[DISAGG_FAULT_GPU_MEM] = "gpu_mem",
	[DISAGG_FAULT_NVLINK] = "nvlink",
	[DISAGG_FAULT_FABRIC] = "fabric",
	[DISAGG_FAULT_PCIE] = "pcie",
	[DISAGG_FAULT_STORAGE] = "storage",
	[DISAGG_FAULT_SERVICE_TIMEOUT] = "service_timeout",
	[DISAGG_FAULT_SCHEDULER] = "scheduler",
	[DISAGG_FAULT_CANCELLED] = "cancelled",
	[DISAGG_FAULT_CONFIG] = "config",
};

const char *const disagg_rank_names[DISAGG_RANK_COUNT + 1] = {
	[DISAGG_RANK_CAUSE] = "cause",
	[DISAGG_RANK_CRASH] = "crash",
	[DISAGG_RANK_SYMPTOM] = "symptom",
	[DISAGG_RANK_CONSEQUENCE] = "consequence",
	[DISAGG_RANK_TRACE] = "trace",
};

struct reader {
	struct disagg_arena *arena;
	struct disagg_signature *list;
	unsigned count, patterns;
	struct disagg_err *err;
};

static int wrong(struct reader *reader, const struct disagg_node *node, const char *want)
{
	return disagg_err_at(reader->err, DISAGG_CONFIG, node->at.source, node->at.line,
		node->at.col, "expected %s", want);
}

static const char *text_of(const struct disagg_node *map, const char *key)
{
	const struct disagg_node *node = disagg_node_get(map, key);

	return node && node->kind == DISAGG_SCALAR && *node->text ? node->text : NULL;
}

static int name_of(struct reader *reader, const struct disagg_node *map, const char *key,
	const char *const *names)
{
	const char *text = text_of(map, key);

	for (int i = 0; text && names[i]; i++) {
		if (strcmp(names[i], text) == 0)
			return i;
	}
	wrong(reader, map,
		strcmp(key, "class") == 0 ? "'class', one of disagg-diagnose(1)'s"
					  : "'rank', one of disagg-diagnose(1)'s");
	return -1;
}

static int read_patterns(
	struct reader *reader, const struct disagg_node *map, struct disagg_signature *ret)
{
	const struct disagg_node *list = disagg_node_get(map, "match");
	struct disagg_literals words;
	const char **pattern;

	if (!list || list->kind != DISAGG_SEQ || !list->count)
		return wrong(reader, map, "'match', a list of regular expressions");
	reader->patterns += list->count;
	if (reader->patterns > DISAGG_PATTERNS_MOST)
		return wrong(reader, list, "fewer regular expressions");
	pattern = disagg_arena_array(reader->arena, list->count, sizeof(*pattern));
	if (!pattern)
		return disagg_err_nomem(reader->err);
	for (unsigned i = 0; i < list->count; i++) {
		if (list->item[i]->kind != DISAGG_SCALAR ||
			!disagg_literals_of(list->item[i]->text, &words))
			return wrong(reader, list->item[i],
				"a regular expression with a word of at least 3 letters in each "
				"alternative, and without '(?'");
		pattern[i] = list->item[i]->text;
	}
	ret->pattern = pattern;
	ret->pattern_count = list->count;
	return 0;
}

static int read_one(
	struct reader *reader, const struct disagg_node *map, struct disagg_signature *ret)
{
	const char *flag = text_of(map, "case");
	int fault, rank;

	if (map->kind != DISAGG_MAP || !text_of(map, "id") || !text_of(map, "title"))
		return wrong(reader, map, "a signature with 'id' and 'title'");
	fault = name_of(reader, map, "class", disagg_fault_names);
	if (fault < 0)
		return -1;
	rank = name_of(reader, map, "rank", disagg_rank_names);
	if (rank < 0)
		return -1;
	*ret = (struct disagg_signature){
		.id = text_of(map, "id"),
		.fault = (enum disagg_fault)fault,
		.rank = (enum disagg_rank)rank,
		.title = text_of(map, "title"),
		.hint = text_of(map, "hint"),
		.case_matters = flag && strcmp(flag, "true") == 0,
	};
	return read_patterns(reader, map, ret);
}

static int read_list(struct reader *reader, const struct disagg_node *root)
{
	const struct disagg_node *list = disagg_node_get(root, "signatures");

	if (!list || list->kind != DISAGG_SEQ)
		return wrong(reader, root, "'signatures', a list");
	for (unsigned i = 0; i < list->count; i++) {
		if (reader->count == DISAGG_SIGNATURES_MOST)
			return wrong(reader, list->item[i], "fewer signatures");
		if (read_one(reader, list->item[i], &reader->list[reader->count]))
			return -1;
		reader->count++;
	}
	return 0;
}

int disagg_signatures_load(struct disagg_arena *arena, const char *site_path,
	struct disagg_signatures *ret, struct disagg_err *err)
{
	struct reader reader = {.arena = arena, .err = err};
	struct disagg_node *root;
	const char *bytes;
	size_t len;

	reader.list = disagg_arena_array(arena, DISAGG_SIGNATURES_MOST, sizeof(*reader.list));
	if (!reader.list)
		return disagg_err_nomem(err);
	if (site_path &&
		(disagg_yaml_load(arena, site_path, &root, err) || read_list(&reader, root)))
		return -1;
	bytes = disagg_signatures_data(&len);
	if (disagg_yaml_parse(arena, bytes, len, BUILT_IN, &root, err) || read_list(&reader, root))
		return -1;
	*ret = (struct disagg_signatures){
		.v = reader.list, .count = reader.count, .pattern_count = reader.patterns};
	return 0;
}
