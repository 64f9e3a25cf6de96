/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include "lib/conf/scalar.h"
#include <string.h>

/* A key that means the same text without quotes; a number stays a number. */
static bool is_plain_key(const char *key)
{
	struct disagg_node node = {.kind = DISAGG_SCALAR, .text = key};
	enum disagg_scalar_type type;

	if (!key[0] || key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_")])
		return false;
	type = disagg_scalar_read(&node).type;
	return type == DISAGG_T_STR || type == DISAGG_T_INT;
}

static void put_indent(unsigned indent, struct disagg_strbuf *ret)
{
	for (unsigned i = 0; i < indent; i++)
		disagg_strbuf_puts(ret, "  ");
}

static bool is_block(const struct disagg_node *node)
{
	return node->kind != DISAGG_SCALAR && node->count;
}

/* Behind "key:" or "-". */
static void put_value(const struct disagg_node *node, unsigned indent, struct disagg_strbuf *ret)
{
	if (is_block(node)) {
		disagg_strbuf_putc(ret, '\n');
		disagg_cmd_yaml(node, indent, ret);
		return;
	}
	disagg_strbuf_putc(ret, ' ');
	disagg_node_json(node, ret);
	disagg_strbuf_putc(ret, '\n');
}

void disagg_cmd_yaml(const struct disagg_node *node, unsigned indent, struct disagg_strbuf *ret)
{
	if (!is_block(node)) {
		put_indent(indent, ret);
		disagg_node_json(node, ret);
		disagg_strbuf_putc(ret, '\n');
		return;
	}
	for (uint32_t i = 0; i < node->count; i++) {
		put_indent(indent, ret);
		if (node->kind == DISAGG_SEQ) {
			disagg_strbuf_putc(ret, '-');
			put_value(node->item[i], indent + 1, ret);
			continue;
		}
		if (is_plain_key(node->pair[i].key))
			disagg_strbuf_puts(ret, node->pair[i].key);
		else
			disagg_strbuf_json(ret, node->pair[i].key);
		disagg_strbuf_putc(ret, ':');
		put_value(node->pair[i].value, indent + 1, ret);
	}
}
