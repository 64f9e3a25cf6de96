/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_SCHEMA_H
#define DISAGG_CONF_SCHEMA_H

#include "lib/conf/findings.h"
#include "lib/conf/scalar.h"
#include "lib/conf/yamltree.h"

/*
 * A table of rows, walked over a tree, fills a plain struct.  The table is the
 * one list of keys: it parses, applies defaults, records where every value
 * came from, suggests the nearest key, and documents itself.
 */
struct disagg_int {
	bool set;
	int64_t v;
};

struct disagg_real {
	bool set;
	double v;
};

struct disagg_strs {
	const char **v;
	unsigned count;
};

/* One K: V of a string map, in the file's order. */
struct disagg_kv {
	const char *key;
	const char *value;
	struct disagg_origin at;
};

struct disagg_map {
	struct disagg_kv *v;
	unsigned count;
};

enum disagg_tristate { DISAGG_UNSET, DISAGG_NO, DISAGG_YES };

enum disagg_kind {
	DISAGG_K_TRI,  /* enum disagg_tristate */
	DISAGG_K_INT,  /* struct disagg_int, in [min, max]; "8" in quotes is taken too */
	DISAGG_K_REAL, /* struct disagg_real, in [min, max] */
	DISAGG_K_STR,  /* const char *; any scalar but null, as written; a placeholder is kept */
	DISAGG_K_TEXT, /* const char *; a string only: 1 and true must be quoted */
	DISAGG_K_DURATION, /* struct disagg_int, seconds (disagg_num_duration) */
	DISAGG_K_ENUM,	   /* int: index in names[]; left alone when not given */
	DISAGG_K_STRS,	   /* struct disagg_strs: a list of scalars; one scalar is a list of one */
	DISAGG_K_MAP,	   /* struct disagg_map: string values only, as DISAGG_K_TEXT */
	DISAGG_K_LOOSEMAP, /* struct disagg_map: any scalar as written; null is "" */
	DISAGG_K_NODE,	   /* const struct disagg_node *: any tree, unread */
	DISAGG_K_STRUCT,   /* the row's sub table, into the struct at offset */
	DISAGG_K_IGNORE,   /* a key that is known and has no effect */
};

#define DISAGG_F_REQUIRED 1u /* missing: an error */
#define DISAGG_F_SECRET	  2u /* a literal is refused: only ${env:NAME} */
#define DISAGG_F_NOEMPTY  4u /* "" is refused */
#define DISAGG_F_WARN	  8u /* DISAGG_K_IGNORE: warn that it has no effect */
#define DISAGG_F_FREE                                                                              \
	16u /* DISAGG_K_STRUCT: unknown keys are fine (the raw node is kept elsewhere) */

struct disagg_row {
	const char *key;
	enum disagg_kind kind;
	size_t offset;
	unsigned flags;
	int64_t min, max;		/* min == max: no bounds */
	const char *const *names;	/* DISAGG_K_ENUM, ends with NULL */
	const struct disagg_table *sub; /* DISAGG_K_STRUCT */
	const char *dflt;		/* takes the same way as input; NULL: none */
	const char *doc;		/* one line */
};

struct disagg_table {
	const char *name;
	const struct disagg_row *row; /* ends with key NULL */
};

/* One value and where it came from, for --explain and for errors that cite. */
struct disagg_value {
	const char *path; /* "resources.prefill_nodes" */
	const char *text; /* as JSON for anything but a scalar */
	struct disagg_origin at;
};

struct disagg_trace {
	struct disagg_arena *arena;
	struct disagg_value *item;
	unsigned count, size;
};

/* The origin of the value at path, or NULL. */
const struct disagg_origin *disagg_trace_origin(const struct disagg_trace *trace, const char *path);
int disagg_trace_add(
	struct disagg_trace *trace, const char *path, const char *text, struct disagg_origin at);

struct disagg_schema_walk {
	struct disagg_arena *arena;
	struct disagg_findings *found;
	struct disagg_trace *trace; /* may be NULL */
	bool unknown_is_warning;    /* the TensorRT-LLM dialect */
	const char *prefix;	    /* of paths: "" or "roles.decode" */
};

/*
 * Fills *ret (which the caller has zeroed) from `map` by the table; defaults
 * first, then the file.  Keys that begin with "x-" are free.  Every problem
 * becomes a finding; the walk goes on.  A null value counts as not given.
 * Returns -1 only when memory has run out.
 */
int disagg_schema_read(struct disagg_schema_walk *walk, const struct disagg_table *table,
	const struct disagg_node *map, void *ret);

/* The known name nearest to `word` (edit distance at most 2, or 3 for long
 * words; `-` and `_` count as equal), or NULL. */
const char *disagg_nearest_key(const struct disagg_table *table, const char *word);
const char *disagg_nearest_name(const char *const *names, const char *word);

/* Whether the name of a variable looks like it holds a secret: TOKEN, SECRET,
 * PASSWORD, API_KEY, ACCESS_KEY, PRIVATE_KEY, CREDENTIAL and their kin as whole
 * words between underscores (so not TOKENIZERS_PARALLELISM). */
bool disagg_key_is_secret(const char *name);

/* The same of a name with its value.  A number or a switch is no token: engines
 * have settings such as SGLANG_PER_TOKEN_GROUP_QUANT_8BIT_V2=1. */
bool disagg_value_is_secret(const char *name, const char *value);

/* "${env:NAME}" exactly: NAME (in the arena), or NULL. */
const char *disagg_env_reference(struct disagg_arena *arena, const char *value);

#endif
