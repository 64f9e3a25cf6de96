/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/trtllm.h"
#include "lib/base/strbuf.h"
#include <string.h>

const struct disagg_origin *disagg_trtllm_at(const struct disagg_import *import, const char *path)
{
	const struct disagg_node *node = disagg_node_find(import->tree, path);

	return node ? &node->at : &import->tree->at;
}

bool disagg_trtllm_word(const char **cursor, const char *separators, struct disagg_word *ret)
{
	const char *from = *cursor + strspn(*cursor, separators);

	if (!*from)
		return false;
	ret->text = from;
	ret->len = strcspn(from, separators);
	*cursor = from + ret->len;
	return true;
}

const char *disagg_trtllm_text(struct disagg_arena *arena, const struct disagg_node *node)
{
	struct disagg_strbuf json;
	const char *text;

	if (node->kind == DISAGG_SCALAR)
		return node->text;
	disagg_strbuf_init(&json, DISAGG_MAX_YAML_BYTES);
	disagg_node_json(node, &json);
	text = json.failed ? NULL : disagg_arena_strdup(arena, json.text);
	disagg_strbuf_release(&json);
	return text;
}

bool disagg_trtllm_given(const char *text)
{
	return text && text[0] && !disagg_text_is_placeholder(text);
}

int64_t disagg_trtllm_or(struct disagg_int value, int64_t other)
{
	return value.set ? value.v : other;
}
