/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_VARIANT_H
#define DISAGG_CONF_VARIANT_H

#include "lib/conf/findings.h"

/*
 * srtctl's variants: `base:` with `override_*` and `zip_override_*`, and
 * `sweep:`.  A plain file has none.
 */
struct disagg_variant {
	const char *suffix;   /* "base", "1k1k_hightpt_0": as `disagg plan --variants` lists */
	const char *selector; /* "zip_override_1k1k_hightpt[0]" */
	struct disagg_node *tree;
};

struct disagg_variants {
	struct disagg_variant *v;
	unsigned count; /* 0: a plain file */
};

/* All variants of a file, `base` first, in the order of the file; at most
 * DISAGG_MAX_VARIANTS.  Problems become findings (zip lengths that do not
 * fit, a sweep parameter that no string uses).  -1: no memory. */
int disagg_variants_expand(struct disagg_arena *arena, const struct disagg_node *root,
	struct disagg_variants *ret, struct disagg_findings *found);

/* One of them by suffix or selector; NULL with an error that lists the
 * nearest, or all, names. */
const struct disagg_variant *disagg_variants_pick(
	const struct disagg_variants *variants, const char *name, struct disagg_err *err);

#endif
