/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_NATIVE_H
#define DISAGG_CONF_NATIVE_H

#include "lib/conf/cluster.h"
#include "lib/conf/native_tables.h"

/* What the parts of the native importer share. */
struct native {
	struct disagg_import *import;
	struct native_file file;
	struct disagg_map env; /* of every role: the cluster's, then the file's */
	int default_placement;
	bool any_gpus;
};

/* Where the value of a key of `map` is, or `otherwise`. */
const struct disagg_origin *disagg_native_at(
	const struct disagg_node *map, const char *key, const struct disagg_origin *otherwise);

int disagg_native_read(struct disagg_import *import, const struct disagg_table *table,
	const char *prefix, const struct disagg_node *map, void *ret);

/* Values whose text YAML takes for something else must be quoted. */
void disagg_native_env_check(
	struct disagg_import *import, const char *path, const struct disagg_node *env);

int disagg_native_container(struct disagg_import *import, struct disagg_container *to,
	const struct disagg_container *over);

/* `roles:`, in native_role.c */
int disagg_native_roles(struct native *native);

/* `benchmark:`, and a role for it where the file has none; in native_bench.c */
int disagg_native_bench(struct native *native);

#endif
