/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_WIRE_TEXT_H
#define DISAGG_PLAN_WIRE_TEXT_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/strbuf.h"
#include "lib/plan/plan.h"
#include <stdint.h>

/*
 * The tokens of the wire format and its tables of numbers; only for wire.c.
 * Readers fail with the byte at which the text is damaged.
 */
struct disagg_wire_reader {
	struct disagg_arena *arena;
	const char *begin, *at; /* ends with a NUL */
	struct disagg_err *err;
};

/* A table: `count` rows of `columns` numbers, each -1 or more. */
struct disagg_wire_rows {
	int32_t *v;
	uint32_t count, columns;
};

#define DISAGG_WIRE_TASKS   DISAGG_MAX_GPUS_PER_NODE /* of a process */
#define DISAGG_WIRE_COLUMNS 12u			     /* of the widest table */
#define DISAGG_WIRE_PERIOD  64u			     /* the longest pattern that is looked for */

/* IEEE 802.3, as zlib's crc32 */
uint32_t disagg_wire_crc32(const char *bytes, size_t len);

/* `text` with what the format uses itself as %XX; NULL is "~". */
void disagg_wire_put_text(struct disagg_strbuf *out, const char *text);
void disagg_wire_put_rows(struct disagg_strbuf *out, const struct disagg_wire_rows *rows);

/* Returns -1 with "expected ..." at the reader's place. */
int disagg_wire_damaged(struct disagg_wire_reader *reader, const char *expected);
int disagg_wire_literal(struct disagg_wire_reader *reader, const char *literal);
/* A decimal that ends before one of `ends`; an empty one is `empty`, or an
 * error where that is outside [min, max]. */
int disagg_wire_number(struct disagg_wire_reader *reader, const char *ends, int64_t empty,
	int64_t min, int64_t max, int64_t *ret);
int disagg_wire_u32(
	struct disagg_wire_reader *reader, const char *ends, uint32_t max, uint32_t *ret);
/* One of `count` names, up to ',' or ';'. */
int disagg_wire_name(struct disagg_wire_reader *reader, const char *const *names, unsigned count,
	const char *expected, unsigned *ret);
/* Up to ',' or ';'; NULL only for "~". */
int disagg_wire_text(struct disagg_wire_reader *reader, const char **ret);
/* "<count>:<blocks>", at most max_count rows. */
int disagg_wire_rows(struct disagg_wire_reader *reader, uint32_t columns, uint32_t max_count,
	struct disagg_wire_rows *ret);

/* What is one value for the whole plan. */
void disagg_wire_put_fields(const struct disagg_plan *plan, struct disagg_strbuf *out);
int disagg_wire_read_fields(struct disagg_wire_reader *reader, struct disagg_plan *plan);

/* The worker, process and service tables, to the end of the text. */
int disagg_wire_put_tables(struct disagg_arena *arena, const struct disagg_plan *plan,
	struct disagg_strbuf *out, struct disagg_err *err);
int disagg_wire_read_tables(struct disagg_wire_reader *reader, struct disagg_plan *plan);

/* What can be carried at all.  Both ends hold a plan against this, so that
 * decode takes only what encode writes. */
int disagg_wire_check(const struct disagg_plan *plan, struct disagg_err *err);

#endif
