/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_BASE_ENVLIST_H
#define DISAGG_BASE_ENVLIST_H

#include "lib/base/arena.h"
#include <stdbool.h>

/* An ordered list of environment variables; a later set replaces in place. */
struct disagg_env {
	const char *name;
	const char *value; /* NULL: to be unset */
};

struct disagg_envlist {
	struct disagg_arena *arena;
	struct disagg_env *entry;
	unsigned count;
	unsigned size;
};

void disagg_envlist_init(struct disagg_envlist *list, struct disagg_arena *arena);

/* Copies both; value NULL records an unset.  -1 when memory has run out. */
int disagg_envlist_set(struct disagg_envlist *list, const char *name, const char *value);
int disagg_envlist_setf(struct disagg_envlist *list, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The value, or NULL where it is not set. */
const char *disagg_envlist_get(const struct disagg_envlist *list, const char *name);

/* [A-Za-z_][A-Za-z0-9_]* */
bool disagg_env_name_valid(const char *name);

#endif
