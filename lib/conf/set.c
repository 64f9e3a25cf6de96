/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/load.h"
#include <string.h>

/* A value of an option has no line of its own. */
static void origin_clear(struct disagg_node *node, const char *source)
{
	node->at = (struct disagg_origin){.source = source};
	for (uint32_t i = 0; node->kind == DISAGG_SEQ && i < node->count; i++)
		origin_clear(node->item[i], source);
	for (uint32_t i = 0; node->kind == DISAGG_MAP && i < node->count; i++) {
		node->pair[i].at = node->at;
		origin_clear(node->pair[i].value, source);
	}
}

/* Nothing behind the '=' takes the value away, as a null does. */
static bool takes_away(const char *text)
{
	return text[strspn(text, " \t")] == '\0' || strcmp(text, "null") == 0 ||
	       strcmp(text, "~") == 0;
}

static int value_parse(struct disagg_setter *setter, const char *text, struct disagg_node **ret,
	struct disagg_err *err)
{
	struct disagg_origin at = {.source = setter->source};

	if (takes_away(text)) {
		*ret = disagg_node_scalar(setter->arena, "", false, at);
		return *ret ? 0 : disagg_err_nomem(err);
	}
	if (disagg_yaml_parse(setter->arena, text, strlen(text), setter->source, ret, err))
		return -1;
	origin_clear(*ret, setter->source);
	return 0;
}

static int refuse(struct disagg_setter *setter, struct disagg_err *err, const char *text)
{
	if (err->code == DISAGG_SYSTEM)
		return -1;
	/* a column inside a value's text would read as one of a file */
	err->line = 0;
	err->col = 0;
	disagg_err_wrap(err, "'%s'", text);
	disagg_findings_take(setter->found, err);
	return 0;
}

static size_t base_length(const char *name)
{
	size_t len = strlen(name);

	while (len && name[len - 1] >= '0' && name[len - 1] <= '9')
		len--;
	return len;
}

/* decode2 is meant to be another one than decode. */
static bool is_numbered(const char *a, const char *b)
{
	size_t len = base_length(a);

	return len == base_length(b) && strncmp(a, b, len) == 0;
}

/* What a path may go into below `node`, by the name of which `key` is a slip. */
static const char *near_section(
	struct disagg_arena *arena, const struct disagg_node *node, const char *key)
{
	const char **names;
	const char *near;
	uint32_t count = 0;

	if (!node || node->kind != DISAGG_MAP)
		return NULL;
	names = disagg_arena_array(arena, (size_t)node->count + 1, sizeof(*names));
	for (uint32_t i = 0; names && i < node->count; i++) {
		if (node->pair[i].value->kind != DISAGG_SCALAR)
			names[count++] = node->pair[i].key;
	}
	near = names ? disagg_nearest_name(names, key) : NULL;
	return near && !is_numbered(near, key) ? near : NULL;
}

/* A section of every dialect, which few files have and options add. */
static bool is_for_options(const char *section)
{
	return strcmp(section, "probes") == 0;
}

/* A path may make new sections, but hardly one that is named almost as one that
 * is there.  0: it does not; else a finding says so. */
static int slip_check(struct disagg_setter *setter, const char *path)
{
	const struct disagg_origin at = {.source = setter->source};
	const struct disagg_node *node = setter->tree;
	size_t start = 0;

	for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
		const char *head = disagg_arena_strndup(setter->arena, path, (size_t)(dot - path));
		const struct disagg_node *next;
		const char *near;

		if (!head)
			return 0;
		next = disagg_node_find(setter->tree, head);
		near = next || is_for_options(head)
			       ? NULL
			       : near_section(setter->arena, node, head + start);
		if (near) {
			disagg_findings_error(setter->found, &at,
				"'%s': there is no '%s', did you mean '%.*s%s'?", path, head,
				(int)start, path, near);
			return -1;
		}
		if (!next)
			return 0;
		node = next;
		start = (size_t)(dot - path) + 1;
	}
	return 0;
}

int disagg_tree_set(struct disagg_setter *setter, const char *text)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_origin at = {.source = setter->source};
	const char *equals = strchr(text, '=');
	struct disagg_node *value, *tree;
	const char *path;

	if (!equals || equals == text) {
		disagg_findings_error(setter->found, &at, "'%s': expected PATH=VALUE", text);
		return 0;
	}
	path = disagg_arena_strndup(setter->arena, text, (size_t)(equals - text));
	if (!path)
		return -1;
	if (slip_check(setter, path))
		return 0;
	if (value_parse(setter, equals + 1, &value, &err) ||
		disagg_node_set(setter->arena, setter->tree, path, value, &tree, &err))
		return refuse(setter, &err, text);
	setter->tree = tree;
	return 0;
}

int disagg_tree_set_all(struct disagg_setter *setter, const char *text)
{
	while (text && *text) {
		size_t len = strcspn(text, ";\n");
		size_t blank = strspn(text, " \t");
		const char *one;

		if (blank < len) {
			one = disagg_arena_strndup(setter->arena, text + blank, len - blank);
			if (!one || disagg_tree_set(setter, one))
				return -1;
		}
		text += len + (text[len] != '\0');
	}
	return 0;
}
