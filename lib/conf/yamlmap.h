/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_YAMLMAP_H
#define DISAGG_CONF_YAMLMAP_H

#include "lib/conf/yamltree.h"

/* The key of a pair that is a merge, and no key named "<<" in quotes: the
 * pointer tells, not the text. */
extern const char disagg_yaml_merge_key[];

/* The pairs of a map as they stand in the file: refuses duplicates, expands
 * merge keys.  `map` is empty, `pair` is copied. */
int disagg_yamlmap_fill(struct disagg_arena *arena, struct disagg_node *map,
	const struct disagg_pair *pair, uint32_t count, struct disagg_err *err);

#endif
