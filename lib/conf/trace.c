/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/schema.h"

#include <string.h>

const struct disagg_origin *disagg_trace_origin(const struct disagg_trace *trace, const char *path)
{
	for (unsigned i = trace->count; i > 0; i--) {
		if (strcmp(trace->item[i - 1].path, path) == 0)
			return &trace->item[i - 1].at;
	}
	return NULL;
}

static int make_room(struct disagg_trace *trace)
{
	unsigned size = trace->size ? trace->size * 2 : 64;
	struct disagg_value *grown;

	if (trace->count < trace->size)
		return 0;
	grown = disagg_arena_grow(trace->arena, trace->item, trace->count, size, sizeof(*grown));
	if (!grown)
		return -1;
	trace->item = grown;
	trace->size = size;
	return 0;
}

int disagg_trace_add(
	struct disagg_trace *trace, const char *path, const char *text, struct disagg_origin at)
{
	struct disagg_value value = {.at = at};

	value.path = disagg_arena_strdup(trace->arena, path);
	value.text = disagg_arena_strdup(trace->arena, text);
	if (!value.path || !value.text || make_room(trace))
		return -1;
	trace->item[trace->count++] = value;
	return 0;
}
