/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include "lib/base/num.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- scalars as Python prints them: the engines' own parsers read them ---- */

/* The shortest digits that give the same number, 0.0001 to 1e16 without exponent. */
static void real_text(double value, struct disagg_strbuf *ret)
{
	char text[40];
	int precision = 0;
	int64_t exponent = 0;
	double back = 0;

	do {
		snprintf(text, sizeof(text), "%.*e", precision, value);
	} while (
		(disagg_num_real(text, &back) || back < value || back > value) && ++precision < 17);
	disagg_num_int(strchr(text, 'e') + 1, -400, 400, &exponent);
	if (exponent < -4 || exponent >= 16) {
		disagg_strbuf_puts(ret, text);
		return;
	}
	precision -= (int)exponent;
	disagg_strbuf_printf(ret, "%.*f", precision > 1 ? precision : 1, value);
}

static void scalar_text(const struct disagg_node *node, struct disagg_strbuf *ret)
{
	struct disagg_scalar scalar = disagg_scalar_read(node);

	switch (scalar.type) {
	case DISAGG_T_NULL:
		disagg_strbuf_puts(ret, "None");
		return;
	case DISAGG_T_BOOL:
		disagg_strbuf_puts(ret, scalar.boolean ? "True" : "False");
		return;
	case DISAGG_T_INT:
		disagg_strbuf_printf(ret, "%lld", (long long)scalar.integer);
		return;
	case DISAGG_T_REAL:
		if (isfinite(scalar.real))
			real_text(scalar.real, ret);
		else
			disagg_strbuf_puts(ret, isnan(scalar.real) ? "nan"
						: scalar.real > 0  ? "inf"
								   : "-inf");
		return;
	case DISAGG_T_STR:
		disagg_strbuf_puts(ret, node->text);
		return;
	}
}

const char *disagg_cmd_text(struct disagg_cmd *cmd, const struct disagg_node *node)
{
	struct disagg_strbuf text;
	const char *copy;

	disagg_strbuf_init(&text, DISAGG_MAX_YAML_BYTES);
	if (node->kind == DISAGG_SCALAR)
		scalar_text(node, &text);
	else
		disagg_node_json(node, &text);
	copy = text.failed ? NULL : disagg_arena_strdup(cmd->arena, text.text);
	disagg_strbuf_release(&text);
	if (!copy)
		cmd->failed = true;
	return copy;
}

/* ---- flags ---- */

static bool is_left_out(const struct disagg_node *node)
{
	struct disagg_scalar scalar;

	if (node->kind != DISAGG_SCALAR)
		return false;
	scalar = disagg_scalar_read(node);
	return scalar.type == DISAGG_T_NULL || (scalar.type == DISAGG_T_BOOL && !scalar.boolean);
}

static bool is_bare(const struct disagg_node *node)
{
	struct disagg_scalar scalar;

	if (node->kind != DISAGG_SCALAR)
		return false;
	scalar = disagg_scalar_read(node);
	return scalar.type == DISAGG_T_BOOL && scalar.boolean;
}

bool disagg_cmd_given(const struct disagg_cmd *cmd, const char *flag)
{
	const struct disagg_node *node = disagg_arg_get(cmd->role->args, flag);

	return node && !is_left_out(node);
}

static bool names_flag(const char *key, const char *flag)
{
	while (*key && (*key == *flag || (*key == '_' && *flag == '-'))) {
		key++;
		flag++;
	}
	return !*key && !*flag;
}

static bool is_skipped(const char *key, const char *const *skip)
{
	for (; skip && *skip; skip++) {
		if (names_flag(key, *skip))
			return true;
	}
	return false;
}

static const char *flag_name(struct disagg_cmd *cmd, const char *key, enum disagg_flag_style style)
{
	char *name = disagg_arena_printf(cmd->arena, "--%s", key);

	for (char *c = name; c && *c && style == DISAGG_FLAG_DASHES; c++) {
		if (*c == '_')
			*c = '-';
	}
	return name;
}

static void put_flag(struct disagg_cmd *cmd, const char *name, const struct disagg_node *value,
	enum disagg_flag_style style)
{
	if (style == DISAGG_FLAG_ASSIGN && !is_bare(value)) {
		const char *text = disagg_cmd_text(cmd, value);

		if (text && name)
			disagg_cmd_putf(cmd, "%s=%s", name, text);
		else
			cmd->failed = true;
		return;
	}
	disagg_cmd_put(cmd, name);
	if (value->kind == DISAGG_SEQ) {
		for (uint32_t i = 0; i < value->count; i++)
			disagg_cmd_put(cmd, disagg_cmd_text(cmd, value->item[i]));
	} else if (!is_bare(value)) {
		disagg_cmd_put(cmd, disagg_cmd_text(cmd, value));
	}
}

void disagg_cmd_flags(struct disagg_cmd *cmd, const struct disagg_node *map,
	const char *const *skip, enum disagg_flag_style style)
{
	if (!map || map->kind != DISAGG_MAP)
		return;
	for (uint32_t i = 0; i < map->count; i++) {
		const struct disagg_pair *pair = &map->pair[i];

		if (!is_left_out(pair->value) && !is_skipped(pair->key, skip))
			put_flag(cmd, flag_name(cmd, pair->key, style), pair->value, style);
	}
}
