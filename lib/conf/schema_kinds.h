/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_SCHEMA_KINDS_H
#define DISAGG_CONF_SCHEMA_KINDS_H

#include "lib/conf/schema.h"

/* How one row is read: what the walk (schema.c) asks of a kind. */
struct disagg_spot {
	struct disagg_schema_walk *walk;
	const struct disagg_row *row;
	const char *path;
	const struct disagg_node *node;
	char *field;
};

/* The field is filled, or a finding says why not, or memory has run out. */
enum disagg_outcome { DISAGG_READ, DISAGG_REFUSED, DISAGG_NOMEM };

struct disagg_kind_reader {
	enum disagg_outcome (*read)(const struct disagg_spot *spot);
	bool takes_placeholder;
	bool traces_itself;
};

/* By enum disagg_kind; DISAGG_K_STRUCT is the walk's own. */
extern const struct disagg_kind_reader disagg_kind_readers[DISAGG_K_IGNORE + 1];

/* A map is traced leaf by leaf, a list as one.  -1: no memory. */
int disagg_spot_trace(
	const struct disagg_spot *spot, const char *path, const struct disagg_node *node);

/* ---- values in messages (schema_show.c) ---- */

#define DISAGG_SHOWN 64 /* bytes of a value */

/* On one line and not longer than a message can bear. */
void disagg_show_text(const char *text, char buf[DISAGG_SHOWN + 4]);

/* "'all'", "a map"; by_type: "the integer 1"; never the text of a secret. */
void disagg_show_node(
	const struct disagg_node *node, bool secret, bool by_type, char *buf, size_t size);

#endif
