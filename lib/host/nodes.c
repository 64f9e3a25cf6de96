/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/nodes.h"
#include <stdio.h>
#include <string.h>

const char *const *disagg_nodes_argv(
	struct disagg_arena *arena, const char *sinfo, const char *list)
{
	const char **argv = disagg_arena_array(arena, 7, sizeof(*argv));
	const char *nodes = disagg_arena_printf(arena, "--nodes=%s", list);

	if (!argv || !nodes)
		return NULL;
	argv[0] = sinfo;
	argv[1] = "--noheader";
	argv[2] = "--all";
	argv[3] = "--Node";
	argv[4] = nodes;
	argv[5] = "--format=%N %T";
	return argv;
}

const char *disagg_nodes_next(const char *text, char *name, size_t name_size, bool *ret_answers)
{
	while (*text) {
		size_t line = strcspn(text, "\n"), len = strcspn(text, " \n");
		const char *state = text + len + strspn(text + len, " ");
		const char *end = text + line;

		if (len && len < line && len < name_size && state < end) {
			snprintf(name, name_size, "%.*s", (int)len, text);
			*ret_answers = !memchr(state, '*', (size_t)(end - state));
			return end + (*end == '\n');
		}
		text = end + (*end == '\n');
	}
	return NULL;
}
