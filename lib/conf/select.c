/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/select.h"
#include "lib/conf/job.h"
#include <string.h>

static int take(struct disagg_findings *found, const struct disagg_err *err)
{
	disagg_findings_take(found, err);
	return -1;
}

static int no_memory(struct disagg_findings *found)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	disagg_err_nomem(&err);
	return take(found, &err);
}

static bool is_pattern(const char *text)
{
	return text && strpbrk(text, "*?");
}

/* '*' and '?' alone: a selector's brackets are plain text, which fnmatch(3)
 * cannot be told. */
static bool matches(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

static int append(
	struct disagg_arena *arena, struct disagg_choice *choice, struct disagg_chosen chosen)
{
	unsigned size = choice->size ? choice->size * 2 : 16;
	struct disagg_chosen *grown;

	if (choice->count == choice->size) {
		grown = disagg_arena_grow(arena, choice->v, choice->count, size, sizeof(*grown));
		if (!grown)
			return -1;
		choice->v = grown;
		choice->size = size;
	}
	choice->v[choice->count++] = chosen;
	return 0;
}

int disagg_choice_list(struct disagg_arena *arena, struct disagg_choice *choice, const char *path,
	const char *pattern, struct disagg_findings *found)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_variants variants = {0};
	struct disagg_node *root;
	unsigned before = found->errors;

	if (disagg_yaml_load(arena, path, &root, &err))
		return take(found, &err);
	if (root->kind != DISAGG_MAP)
		return 0;
	if (disagg_variants_expand(arena, root, &variants, found))
		return no_memory(found);
	if (found->errors > before)
		return -1;
	for (unsigned i = 0; i < variants.count; i++) {
		const struct disagg_variant *variant = &variants.v[i];
		struct disagg_chosen chosen = {path, variant->suffix, variant->selector};

		if (!matches(pattern, variant->suffix) && !matches(pattern, variant->selector))
			continue;
		if (append(arena, choice, chosen))
			return no_memory(found);
	}
	return 0;
}

static int choose_pattern(struct disagg_arena *arena, struct disagg_choice *choice,
	const char *path, const char *pattern, struct disagg_findings *found)
{
	struct disagg_origin at = {.source = path};
	unsigned before = choice->count;

	if (disagg_choice_list(arena, choice, path, pattern, found))
		return -1;
	if (choice->count > before)
		return 0;
	if (strcmp(pattern, "*") == 0)
		return append(arena, choice, (struct disagg_chosen){.path = path})
			       ? no_memory(found)
			       : 0;
	disagg_findings_error(found, &at,
		"no variant matches '%s': 'disagg-plan --variants %s' lists them", pattern, path);
	return -1;
}

int disagg_choice_add(struct disagg_arena *arena, struct disagg_choice *choice, const char *text,
	struct disagg_findings *found)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	const char *path, *variant;

	if (disagg_config_split(arena, text, &path, &variant, &err))
		return take(found, &err);
	if (is_pattern(variant))
		return choose_pattern(arena, choice, path, variant, found);
	if (append(arena, choice, (struct disagg_chosen){path, variant, NULL}))
		return no_memory(found);
	return 0;
}
