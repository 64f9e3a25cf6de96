/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/hostlist.h"

#include "lib/base/limits.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good)
{
	if (!good)
		abort();
}

/* Names of a list that was read are names, and read alone give themselves. */
static void check_names(struct disagg_arena *arena, const struct disagg_hostlist *list)
{
	struct disagg_hostlist one;

	need(list->count > 0 && list->count <= DISAGG_MAX_HOSTLIST);
	for (unsigned i = 0; i < list->count; i++) {
		size_t len = strlen(list->name[i]);

		need(len > 0 && len < 256 && !strpbrk(list->name[i], ",[] "));
		if (i > 8)
			continue;
		need(!disagg_hostlist_parse(arena, list->name[i], &one, NULL));
		need(one.count == 1 && strcmp(one.name[0], list->name[i]) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_hostlist list = {0};
	const char *text = disagg_arena_strndup(&arena, (const char *)data, size);

	if (text && disagg_hostlist_parse(&arena, text, &list, &err) == 0)
		check_names(&arena, &list);
	else
		need(!text || (err.code != DISAGG_OK && err.text[0] && !list.count));
	disagg_arena_release(&arena);
	return 0;
}
