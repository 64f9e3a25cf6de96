/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/wire_text.h"

#include <stddef.h>

/*
 * Placement repeats: after p rows the same rows come again with a constant
 * added to each column (the next node, the next ports).  A block is p rows, a
 * number of repeats and that constant vector.
 */
#define VALUE_MAX (1 << 30)

static const int32_t *row_at(const struct disagg_wire_rows *rows, uint32_t row)
{
	return rows->v + (size_t)row * rows->columns;
}

static bool same_step(
	const struct disagg_wire_rows *rows, uint32_t first, uint32_t row, uint32_t period)
{
	const int32_t *a = row_at(rows, first), *b = row_at(rows, first + period);
	const int32_t *c = row_at(rows, row), *d = row_at(rows, row + period);

	for (uint32_t i = 0; i < rows->columns; i++) {
		if (b[i] - a[i] != d[i] - c[i])
			return false;
	}
	return true;
}

/* How often the `period` rows at `first` come, themselves counted. */
static uint32_t count_repeats(const struct disagg_wire_rows *rows, uint32_t first, uint32_t period)
{
	uint32_t row = first;

	while (row + period < rows->count && same_step(rows, first, row, period))
		row++;
	return (row - first + period) / period;
}

/* The period that spares most rows, or 0.  Linear over a whole table: what is
 * scanned for the best period is at most its own rows and 64 more, times 64. */
static uint32_t best_period(
	const struct disagg_wire_rows *rows, uint32_t first, uint32_t *ret_repeats)
{
	uint32_t left = rows->count - first, best = 0, best_spared = 0;

	for (uint32_t period = 1; period <= DISAGG_WIRE_PERIOD && period * 2 <= left; period++) {
		uint32_t repeats = count_repeats(rows, first, period);
		uint32_t covered = repeats * period;

		if (covered > period + 1 && covered - period - 1 > best_spared) {
			best_spared = covered - period - 1;
			best = period;
			*ret_repeats = repeats;
		}
		if (best && covered == left)
			break;
	}
	return best;
}

static void put_row(struct disagg_strbuf *out, const struct disagg_wire_rows *rows, uint32_t row)
{
	const int32_t *value = row_at(rows, row);

	for (uint32_t i = 0; i < rows->columns; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		if (value[i] != -1)
			disagg_strbuf_printf(out, "%d", (int)value[i]);
	}
}

static void put_repeat(struct disagg_strbuf *out, const struct disagg_wire_rows *rows,
	uint32_t first, uint32_t period, uint32_t repeats)
{
	const int32_t *a = row_at(rows, first), *b = row_at(rows, first + period);

	disagg_strbuf_printf(out, "*%u+", (unsigned)repeats);
	for (uint32_t i = 0; i < rows->columns; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		if (b[i] != a[i])
			disagg_strbuf_printf(out, "%d", (int)(b[i] - a[i]));
	}
}

void disagg_wire_put_rows(struct disagg_strbuf *out, const struct disagg_wire_rows *rows)
{
	uint32_t row = 0;
	bool literal = false; /* the block that is open can take single rows */

	disagg_strbuf_printf(out, "%u:", (unsigned)rows->count);
	while (row < rows->count && !out->failed) {
		uint32_t repeats = 1, period = best_period(rows, row, &repeats);
		uint32_t shown = period ? period : 1;

		if (row)
			disagg_strbuf_putc(out, literal && !period ? '|' : '/');
		for (uint32_t i = 0; i < shown; i++) {
			if (i)
				disagg_strbuf_putc(out, '|');
			put_row(out, rows, row + i);
		}
		if (period)
			put_repeat(out, rows, row, period, repeats);
		literal = !period;
		row += shown * repeats;
	}
}

static int read_row(struct disagg_wire_reader *reader, uint32_t columns, const char *ends,
	int64_t empty, int64_t min, int32_t *ret)
{
	for (uint32_t i = 0; i < columns; i++) {
		bool last = i + 1 == columns;
		int64_t value;

		if (disagg_wire_number(
			    reader, last ? ends : ",|*/;", empty, min, VALUE_MAX, &value) < 0)
			return -1;
		if (!last && disagg_wire_literal(reader, ",") < 0)
			return -1;
		ret[i] = (int32_t)value;
	}
	return 0;
}

/* Rows `first` to `first + period` again, each time one step further. */
static int repeat_rows(struct disagg_wire_reader *reader, struct disagg_wire_rows *rows,
	uint32_t first, uint32_t period, uint32_t repeats, const int32_t *step)
{
	size_t stride = (size_t)period * rows->columns;
	int32_t *to = rows->v + (size_t)first * rows->columns + stride;
	size_t left = stride * (repeats - 1);

	for (size_t i = 0; i < left; i++) {
		int64_t value =
			(int64_t)to[(ptrdiff_t)i - (ptrdiff_t)stride] + step[i % rows->columns];

		if (value < -1 || value > VALUE_MAX)
			return disagg_wire_damaged(reader, "a step that stays in range");
		to[i] = (int32_t)value;
	}
	return 0;
}

static int read_repeat(struct disagg_wire_reader *reader, struct disagg_wire_rows *rows,
	uint32_t first, uint32_t *row)
{
	uint32_t period = *row - first;
	int32_t step[DISAGG_WIRE_COLUMNS];
	int64_t repeats;

	if (disagg_wire_literal(reader, "*") < 0 ||
		disagg_wire_number(reader, "+", 0, 2, (rows->count - first) / period, &repeats) <
			0 ||
		disagg_wire_literal(reader, "+") < 0 ||
		read_row(reader, rows->columns, "/;", 0, -VALUE_MAX, step) < 0)
		return -1;
	if (repeat_rows(reader, rows, first, period, (uint32_t)repeats, step) < 0)
		return -1;
	*row = first + period * (uint32_t)repeats;
	return 0;
}

static int read_block(
	struct disagg_wire_reader *reader, struct disagg_wire_rows *rows, uint32_t *row)
{
	uint32_t first = *row;

	do {
		if (*row > first && disagg_wire_literal(reader, "|") < 0)
			return -1;
		if (*row == rows->count)
			return disagg_wire_damaged(reader, "no more rows");
		if (read_row(reader, rows->columns, "|*/;", -1, -1,
			    rows->v + (size_t)*row * rows->columns) < 0)
			return -1;
		(*row)++;
	} while (*reader->at == '|');
	if (*reader->at == '*')
		return read_repeat(reader, rows, first, row);
	return 0;
}

int disagg_wire_rows(struct disagg_wire_reader *reader, uint32_t columns, uint32_t max_count,
	struct disagg_wire_rows *ret)
{
	struct disagg_wire_rows rows = {.columns = columns};
	uint32_t row = 0;
	int64_t count;

	if (disagg_wire_number(reader, ":;", -1, 0, max_count, &count) < 0 ||
		disagg_wire_literal(reader, ":") < 0)
		return -1;
	rows.count = (uint32_t)count;
	if (count) {
		rows.v =
			disagg_arena_array(reader->arena, (size_t)count, columns * sizeof(*rows.v));
		if (!rows.v)
			return disagg_err_nomem(reader->err);
	}
	while (row < rows.count) {
		if (row && disagg_wire_literal(reader, "/") < 0)
			return -1;
		if (read_block(reader, &rows, &row) < 0)
			return -1;
	}
	*ret = rows;
	return 0;
}
