/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_VARIANT_BUILD_H
#define DISAGG_CONF_VARIANT_BUILD_H

#include "lib/conf/variant.h"

/* What overrides (variant.c) and sweeps (variant_sweep.c) build variants with. */
struct disagg_expansion {
	struct disagg_arena *arena;
	struct disagg_findings *found;
	const struct disagg_node *root;
	const struct disagg_node *base; /* overrides only */
	struct disagg_variants *list;
	unsigned size;
};

/* The name that the variants' names begin with. */
const char *disagg_variant_base_name(const struct disagg_node *base);

/* Whether `more` fit; an error at `at` when not. */
bool disagg_variant_room(
	struct disagg_expansion *ex, const struct disagg_origin *at, unsigned more);

/* NULL for any argument is a lack of memory, as -1 is. */
int disagg_variant_add(struct disagg_expansion *ex, const char *suffix, const char *selector,
	struct disagg_node *tree);
int disagg_variant_name(struct disagg_expansion *ex, struct disagg_node *tree, const char *name,
	struct disagg_origin at);

int disagg_sweep_expand(struct disagg_expansion *ex, const struct disagg_node *params);

#endif
