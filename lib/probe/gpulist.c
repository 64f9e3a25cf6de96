/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gpulist.h"

#include "lib/base/limits.h"
#include <string.h>

#define MOST_TEXT   256u
#define MOST_REASON 512u

void disagg_gpu_list_put(struct disagg_strbuf *out, const struct disagg_gpu_list *list)
{
	struct disagg_json_writer writer = {.out = out};

	disagg_json_begin(&writer, NULL, '{');
	disagg_json_begin(&writer, "gpus", '[');
	for (size_t i = 0; i < list->count; i++) {
		const struct disagg_gpu *gpu = &list->gpu[i];

		disagg_json_begin(&writer, NULL, '{');
		disagg_json_put_int(&writer, "index", gpu->index);
		disagg_json_put_text(&writer, "uuid", gpu->uuid);
		disagg_json_put_text(&writer, "name", gpu->name);
		disagg_json_put_text(&writer, "pci", gpu->pci);
		disagg_json_put_text(&writer, "cohort", gpu->cohort);
		disagg_json_put_int(&writer, "mem_bytes", (int64_t)gpu->mem_bytes);
		disagg_json_put_bool(&writer, "mig", gpu->mig);
		if (list->busy && list->busy[i])
			disagg_json_put_text(&writer, "busy", list->busy[i]);
		disagg_json_end(&writer, '}');
	}
	disagg_json_end(&writer, ']');
	disagg_json_put_text(&writer, "reason", list->reason);
	disagg_json_end(&writer, '}');
}

/* NULL where it is none, or no memory. */
static const char *copy(
	struct disagg_arena *arena, const struct disagg_json *json, const char *name, size_t most)
{
	const char *text = disagg_json_text(disagg_json_at(json, name));
	char *ret = text ? disagg_arena_strndup(arena, text, strnlen(text, most)) : NULL;

	if (ret)
		disagg_text_tame(ret);
	return ret;
}

static int read_gpu(
	struct disagg_arena *arena, const struct disagg_json *json, struct disagg_gpu *ret)
{
	int64_t index, mem = 0;

	if (disagg_json_int(disagg_json_at(json, "index"), &index) || index < 0 ||
		index >= (int64_t)DISAGG_MAX_GPUS_PER_NODE)
		return -1;
	disagg_json_int(disagg_json_at(json, "mem_bytes"), &mem);
	ret->index = (int)index;
	ret->uuid = copy(arena, json, "uuid", MOST_TEXT);
	ret->name = copy(arena, json, "name", MOST_TEXT);
	ret->pci = copy(arena, json, "pci", MOST_TEXT);
	ret->cohort = copy(arena, json, "cohort", MOST_TEXT);
	ret->mem_bytes = mem > 0 ? (uint64_t)mem : 0;
	ret->mig = disagg_json_is_true(disagg_json_at(json, "mig"));
	return ret->uuid ? 0 : -1;
}

static int read_all(struct disagg_arena *arena, const struct disagg_json *json,
	struct disagg_gpu_list *ret, struct disagg_err *err)
{
	const struct disagg_json *list = disagg_json_at(json, "gpus");
	size_t count = disagg_json_count(list);

	if (disagg_json_kind(list) != DISAGG_JSON_ARRAY || count > DISAGG_MAX_GPUS_PER_NODE)
		return disagg_err_set(err, DISAGG_INVALID, "no list of GPUs");
	ret->gpu = disagg_arena_array(arena, count + 1, sizeof(*ret->gpu));
	ret->busy = disagg_arena_array(arena, count + 1, sizeof(*ret->busy));
	if (!ret->gpu || !ret->busy)
		return disagg_err_nomem(err);
	for (; ret->count < count; ret->count++) {
		const struct disagg_json *item = disagg_json_item(list, ret->count);

		if (read_gpu(arena, item, &ret->gpu[ret->count]))
			return disagg_err_set(err, DISAGG_INVALID, "a GPU without index or UUID");
		ret->busy[ret->count] = copy(arena, item, "busy", MOST_REASON);
	}
	ret->reason = copy(arena, json, "reason", MOST_REASON);
	return 0;
}

int disagg_gpu_list_read(struct disagg_arena *arena, const char *text, size_t len,
	struct disagg_gpu_list *ret, struct disagg_err *err)
{
	struct disagg_gpu_list list = {0};
	struct disagg_json *json = NULL;
	int rc;

	if (disagg_json_parse(&json, text, len, err) != 0)
		return -1;
	rc = read_all(arena, json, &list, err);
	disagg_json_free(json);
	if (rc == 0)
		*ret = list;
	return rc;
}
