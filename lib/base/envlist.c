/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/envlist.h"

#include <stdarg.h>
#include <string.h>

void disagg_envlist_init(struct disagg_envlist *list, struct disagg_arena *arena)
{
	*list = (struct disagg_envlist){.arena = arena};
}

static struct disagg_env *find(const struct disagg_envlist *list, const char *name)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (strcmp(list->entry[i].name, name) == 0)
			return &list->entry[i];
	}
	return NULL;
}

static struct disagg_env *add(struct disagg_envlist *list, const char *name)
{
	struct disagg_env *grown;
	const char *copy;

	if (list->count == list->size) {
		unsigned size = list->size ? list->size * 2 : 16;

		grown = disagg_arena_grow(
			list->arena, list->entry, list->count, size, sizeof(*grown));
		if (!grown)
			return NULL;
		list->entry = grown;
		list->size = size;
	}
	copy = disagg_arena_strdup(list->arena, name);
	if (!copy)
		return NULL;
	list->entry[list->count].name = copy;
	return &list->entry[list->count++];
}

/* `value` is the arena's already, or NULL. */
static int put(struct disagg_envlist *list, const char *name, const char *value)
{
	struct disagg_env *entry = find(list, name);

	if (!entry)
		entry = add(list, name);
	if (!entry)
		return -1;
	entry->value = value;
	return 0;
}

int disagg_envlist_set(struct disagg_envlist *list, const char *name, const char *value)
{
	const char *copy = value ? disagg_arena_strdup(list->arena, value) : NULL;

	if (value && !copy)
		return -1;
	return put(list, name, copy);
}

int disagg_envlist_setf(struct disagg_envlist *list, const char *name, const char *fmt, ...)
{
	const char *text;
	va_list args;

	va_start(args, fmt);
	text = disagg_arena_vprintf(list->arena, fmt, args);
	va_end(args);
	return text ? put(list, name, text) : -1;
}

const char *disagg_envlist_get(const struct disagg_envlist *list, const char *name)
{
	const struct disagg_env *entry = find(list, name);

	return entry ? entry->value : NULL;
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

bool disagg_env_name_valid(const char *name)
{
	if (!is_letter(*name))
		return false;
	while (is_letter(*name) || (*name >= '0' && *name <= '9'))
		name++;
	return !*name;
}
