/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/variant_build.h"
#include "lib/base/strbuf.h"
#include "lib/conf/scalar.h"
#include <string.h>

struct sweep {
	struct disagg_arena *arena;
	const struct disagg_node *params; /* NAME: [values] */
	uint32_t *at;			  /* which value of each parameter */
	bool *used;
};

/* A value as it reads inside a string: lists become "a,b". */
static void value_text(const struct disagg_node *value, struct disagg_strbuf *out)
{
	if (value->kind == DISAGG_SCALAR) {
		disagg_strbuf_puts(out, value->text);
		return;
	}
	if (value->kind == DISAGG_MAP) {
		disagg_node_json(value, out);
		return;
	}
	for (uint32_t i = 0; i < value->count; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		value_text(value->item[i], out);
	}
}

static const struct disagg_node *sweep_value(const struct sweep *sweep, uint32_t param)
{
	return sweep->params->pair[param].value->item[sweep->at[param]];
}

/* The parameter whose "{name}" stands at `text`, or the count. */
static uint32_t param_at(const struct sweep *sweep, const char *text, size_t *ret_len)
{
	for (uint32_t i = 0; text[0] == '{' && i < sweep->params->count; i++) {
		const char *name = sweep->params->pair[i].key;
		size_t len = strlen(name);

		if (strncmp(text + 1, name, len) == 0 && text[len + 1] == '}') {
			*ret_len = len + 2;
			return i;
		}
	}
	return sweep->params->count;
}

static struct disagg_node *fill_text(struct sweep *sweep, const struct disagg_node *node)
{
	struct disagg_strbuf out;
	struct disagg_node *filled = NULL;

	disagg_strbuf_init(&out, DISAGG_MAX_YAML_BYTES);
	for (const char *p = node->text; *p;) {
		size_t len = 1;
		uint32_t param = param_at(sweep, p, &len);

		if (param == sweep->params->count) {
			disagg_strbuf_putc(&out, *p);
		} else {
			sweep->used[param] = true;
			value_text(sweep_value(sweep, param), &out);
		}
		p += len;
	}
	if (!out.failed)
		filled = disagg_node_scalar(sweep->arena, out.text, true, node->at);
	disagg_strbuf_release(&out);
	return filled;
}

static struct disagg_node *fill(struct sweep *sweep, struct disagg_node *node);

static struct disagg_node *fill_map(struct sweep *sweep, const struct disagg_node *node)
{
	struct disagg_node *out = disagg_node_map(sweep->arena, node->at);

	for (uint32_t i = 0; out && i < node->count; i++) {
		struct disagg_node *value = fill(sweep, node->pair[i].value);

		if (!value || disagg_node_put(sweep->arena, out, node->pair[i].key,
				      node->pair[i].at, value))
			return NULL;
	}
	return out;
}

static struct disagg_node *fill_seq(struct sweep *sweep, const struct disagg_node *node)
{
	struct disagg_node *out = disagg_node_seq(sweep->arena, node->at);

	for (uint32_t i = 0; out && i < node->count; i++) {
		struct disagg_node *value = fill(sweep, node->item[i]);

		if (!value || disagg_node_append(sweep->arena, out, value))
			return NULL;
	}
	return out;
}

static struct disagg_node *fill(struct sweep *sweep, struct disagg_node *node)
{
	size_t len = 0;
	uint32_t param;

	if (node->kind == DISAGG_MAP)
		return fill_map(sweep, node);
	if (node->kind == DISAGG_SEQ)
		return fill_seq(sweep, node);
	if (!strchr(node->text, '{'))
		return node;
	param = param_at(sweep, node->text, &len);
	if (param < sweep->params->count && !node->text[len] &&
		sweep_value(sweep, param)->kind == DISAGG_SEQ) {
		sweep->used[param] = true;
		return sweep->params->pair[param].value->item[sweep->at[param]];
	}
	return fill_text(sweep, node);
}

/* The number of combinations; 0 after an error. */
static uint32_t sweep_count(struct disagg_expansion *ex, const struct disagg_node *params)
{
	uint64_t count = 1;

	for (uint32_t i = 0; i < params->count; i++) {
		const struct disagg_pair *pair = &params->pair[i];

		if (pair->value->kind != DISAGG_SEQ || !pair->value->count) {
			disagg_findings_error(ex->found, &pair->value->at,
				"sweep.%s: expected a list of values (sweep: {NAME: [a, b]}), got "
				"%s",
				pair->key,
				pair->value->kind == DISAGG_SEQ
					? "an empty list"
					: disagg_node_type_name(pair->value));
			return 0;
		}
		count *= pair->value->count;
		if (count > DISAGG_MAX_VARIANTS)
			break;
	}
	return disagg_variant_room(ex, &params->at, (unsigned)count) ? (uint32_t)count : 0;
}

/* "k1v1_k2v2" of the combination that sweep->at says. */
static const char *sweep_suffix(const struct sweep *sweep)
{
	struct disagg_strbuf out;
	const char *suffix = NULL;

	disagg_strbuf_init(&out, 4096);
	for (uint32_t i = 0; i < sweep->params->count; i++) {
		if (i)
			disagg_strbuf_putc(&out, '_');
		disagg_strbuf_puts(&out, sweep->params->pair[i].key);
		value_text(sweep_value(sweep, i), &out);
	}
	if (!out.failed)
		suffix = disagg_arena_strdup(sweep->arena, out.text);
	disagg_strbuf_release(&out);
	return suffix;
}

static int add_combination(struct disagg_expansion *ex, struct sweep *sweep, uint32_t index)
{
	struct disagg_node *tree = disagg_node_map(ex->arena, ex->root->at);
	const char *suffix;
	uint32_t rest = index;

	/* the last parameter runs fastest */
	for (uint32_t i = sweep->params->count; i-- > 0;) {
		uint32_t values = sweep->params->pair[i].value->count;

		sweep->at[i] = rest % values;
		rest /= values;
	}
	for (uint32_t i = 0; tree && i < ex->root->count; i++) {
		const struct disagg_pair *pair = &ex->root->pair[i];
		struct disagg_node *value;

		if (strcmp(pair->key, "sweep") == 0)
			continue;
		value = fill(sweep, pair->value);
		if (!value || disagg_node_put(ex->arena, tree, pair->key, pair->at, value))
			return -1;
	}
	suffix = sweep_suffix(sweep);
	if (!tree || !suffix ||
		disagg_variant_name(ex, tree,
			disagg_arena_printf(
				ex->arena, "%s_%s", disagg_variant_base_name(ex->root), suffix),
			sweep->params->at))
		return -1;
	return disagg_variant_add(
		ex, suffix, disagg_arena_printf(ex->arena, "sweep[%u]", (unsigned)index), tree);
}

int disagg_sweep_expand(struct disagg_expansion *ex, const struct disagg_node *params)
{
	struct sweep sweep = {.arena = ex->arena, .params = params};
	uint32_t count;

	if (params->kind != DISAGG_MAP || !params->count) {
		disagg_findings_error(ex->found, &params->at,
			"'sweep': expected a map of lists (sweep: {NAME: [a, b]}), got %s",
			params->kind == DISAGG_MAP ? "an empty map"
						   : disagg_node_type_name(params));
		return 0;
	}
	count = sweep_count(ex, params);
	if (!count)
		return 0;
	sweep.at = disagg_arena_array(ex->arena, params->count, sizeof(*sweep.at));
	sweep.used = disagg_arena_array(ex->arena, params->count, sizeof(*sweep.used));
	if (!sweep.at || !sweep.used)
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		if (add_combination(ex, &sweep, i))
			return -1;
	}
	for (uint32_t i = 0; i < params->count; i++) {
		if (!sweep.used[i])
			disagg_findings_error(ex->found, &params->pair[i].at,
				"sweep parameter '%s' is used nowhere: expected \"{%s}\" "
				"(in quotes) in some value",
				params->pair[i].key, params->pair[i].key);
	}
	return 0;
}
