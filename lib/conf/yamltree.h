/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_YAMLTREE_H
#define DISAGG_CONF_YAMLTREE_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * YAML (and so JSON) bytes to a tree with positions.  The tree is immutable
 * once parsed; layers build new maps that share unchanged children.
 * The only user of libyaml.
 */

/* Where a value comes from.  line 0: not a file, and source says what it is:
 * "--disagg-set", "DISAGG_SET", "default". */
struct disagg_origin {
	const char *source;
	uint32_t line, col; /* 1-based */
};

enum disagg_node_kind { DISAGG_SCALAR, DISAGG_SEQ, DISAGG_MAP };

struct disagg_pair;

struct disagg_node {
	enum disagg_node_kind kind;
	bool quoted;	  /* a scalar in quotes or a block scalar: always a string */
	uint32_t count;	  /* items, or pairs */
	uint32_t room;	  /* that item or pair has room for */
	const char *text; /* DISAGG_SCALAR; "" for an empty value */
	struct disagg_origin at;
	union {
		struct disagg_node **item; /* DISAGG_SEQ */
		struct disagg_pair *pair;  /* DISAGG_MAP, in the file's order */
	};
};

struct disagg_pair {
	const char *key;
	struct disagg_origin at; /* of the key */
	struct disagg_node *value;
};

/*
 * One document.  Refused with a position: syntax errors, a second document,
 * duplicate keys, keys that are not scalars, cyclic aliases, tags other than
 * the core ones, a NUL inside a scalar, invalid UTF-8, anything over limits.h
 * (aliases count expanded).  `<<` merge keys are expanded as YAML 1.1 has it.
 * An empty document is an error.  `source` must outlive the arena or be in it.
 */
int disagg_yaml_parse(struct disagg_arena *arena, const char *bytes, size_t len, const char *source,
	struct disagg_node **ret_root, struct disagg_err *err);

/* disagg_fd_read_file and disagg_yaml_parse; positions name `path`. */
int disagg_yaml_load(struct disagg_arena *arena, const char *path, struct disagg_node **ret_root,
	struct disagg_err *err);

/* The value of a key, or NULL; also NULL where `map` is NULL or no map. */
struct disagg_node *disagg_node_get(const struct disagg_node *map, const char *key);

/* "a.b[2].c" below root, or NULL. */
struct disagg_node *disagg_node_find(const struct disagg_node *root, const char *path);

/* New nodes in the arena; NULL when memory has run out. */
struct disagg_node *disagg_node_scalar(
	struct disagg_arena *arena, const char *text, bool quoted, struct disagg_origin at);
struct disagg_node *disagg_node_map(struct disagg_arena *arena, struct disagg_origin at);
struct disagg_node *disagg_node_seq(struct disagg_arena *arena, struct disagg_origin at);
/* Appends, or replaces in place where the key is there. -1: no memory. */
int disagg_node_put(struct disagg_arena *arena, struct disagg_node *map, const char *key,
	struct disagg_origin key_at, struct disagg_node *value);
int disagg_node_append(
	struct disagg_arena *arena, struct disagg_node *seq, struct disagg_node *value);

/* base with over laid on it: maps merge key by key, anything else replaces, a
 * null in `over` deletes the key (srtctl's override_* rule).  Neither input
 * is changed.  NULL when memory has run out. */
struct disagg_node *disagg_node_merge(
	struct disagg_arena *arena, const struct disagg_node *base, const struct disagg_node *over);

/* A copy of root with the value at `path` ("a.b[1].c") replaced or created
 * (maps on the way are created, list items must exist). */
int disagg_node_set(struct disagg_arena *arena, const struct disagg_node *root, const char *path,
	struct disagg_node *value, struct disagg_node **ret_root, struct disagg_err *err);

#endif
