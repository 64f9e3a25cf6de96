/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_SCALAR_H
#define DISAGG_CONF_SCALAR_H

#include "lib/base/strbuf.h"
#include "lib/conf/yamltree.h"

/*
 * What a plain scalar means, as the tools that wrote these files read it:
 * YAML 1.1 as in PyYAML's safe loader (facts: `on`/`yes` are booleans, `010`
 * is 8, `08` a string, `1_000` an integer, `1e-5` a string, `1.0e-5` a float,
 * `10:00:00` the integer 36000, `02:00:00` a string).
 */
enum disagg_scalar_type {
	DISAGG_T_NULL,
	DISAGG_T_BOOL,
	DISAGG_T_INT,
	DISAGG_T_REAL,
	DISAGG_T_STR,
};

struct disagg_scalar {
	enum disagg_scalar_type type;
	bool boolean;
	bool sexagesimal; /* an integer that was written 10:00:00 */
	int64_t integer;  /* 64 bits; a larger one is DISAGG_T_STR */
	double real;
	const char *text; /* as written */
};

/* `node` must be a scalar. */
struct disagg_scalar disagg_scalar_read(const struct disagg_node *node);

/* A null: `~`, `null`, or nothing at all, not quoted.  False for non-scalars. */
bool disagg_node_is_null(const struct disagg_node *node);

/* "<partition>": a value that the file leaves to be filled in. */
bool disagg_text_is_placeholder(const char *text);

/* The tree as JSON on one line.  disagg_yaml_parse reads it back to a tree of
 * the same types (strings quoted, all others in JSON's form). */
void disagg_node_json(const struct disagg_node *node, struct disagg_strbuf *ret);

/* "an integer", "a map"...: for messages. */
const char *disagg_node_type_name(const struct disagg_node *node);

#endif
