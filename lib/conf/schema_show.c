/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/schema_kinds.h"

#include <stdio.h>
#include <string.h>

void disagg_show_text(const char *text, char buf[DISAGG_SHOWN + 4])
{
	size_t len = 0;

	for (; len < DISAGG_SHOWN && text[len]; len++)
		buf[len] = (unsigned char)text[len] < 0x20 ? ' ' : text[len];
	if (text[len]) {
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
		memcpy(buf + len, "...", 4);
	} else {
		buf[len] = '\0';
	}
}

void disagg_show_node(
	const struct disagg_node *node, bool secret, bool by_type, char *buf, size_t size)
{
	const char *type = disagg_node_type_name(node);
	char text[DISAGG_SHOWN + 4];

	if (node->kind != DISAGG_SCALAR || secret || disagg_node_is_null(node)) {
		snprintf(buf, size, "%s", type);
		return;
	}
	disagg_show_text(node->text, text);
	if (by_type && disagg_scalar_read(node).type != DISAGG_T_STR)
		snprintf(buf, size, "the %s %s", strchr(type, ' ') + 1, text);
	else
		snprintf(buf, size, "'%s'", text);
}
