/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_html.h"

#include "lib/base/hostlist.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ROWS    32u
#define MOST_COLUMNS 32u

/* One cell: the worst of its records. */
struct cell {
	const struct disagg_probe_record *worst; /* NULL: nothing there */
	double part;				 /* of what was expected; 0: not known */
};

struct heat {
	const char *title, *note, *corner;
	const char **row; /* names */
	size_t rows, rows_in_all;
	const char **column;
	size_t columns;
	struct cell *cell;
};

bool report_part(const struct disagg_probe_record *record, double *ret)
{
	double expected = record->has_ref ? record->ref : record->fleet_median;

	if (!record->has_value || (!record->has_fleet && !record->has_ref) || expected <= 0 ||
		record->value <= 0)
		return false;
	*ret = record->better == DISAGG_BETTER_LESS ? expected / record->value
						    : record->value / expected;
	return isfinite(*ret);
}

static void add(struct cell *cell, const struct disagg_probe_record *record)
{
	double part;

	if (!cell->worst ||
		(disagg_status_worse(cell->worst->status, record->status) != cell->worst->status))
		cell->worst = record;
	if (report_part(record, &part) && (cell->part <= 0 || part < cell->part))
		cell->part = part;
}

static void put_cell(struct disagg_strbuf *out, const struct cell *cell)
{
	struct disagg_strbuf tip;

	if (!cell->worst) {
		disagg_strbuf_puts(out, "<td></td>");
		return;
	}
	disagg_strbuf_init(&tip, 0);
	report_put_where(&tip, cell->worst, true);
	disagg_strbuf_puts(&tip, ": ");
	report_put_metric(&tip, cell->worst->probe, cell->worst->param);
	disagg_strbuf_putc(&tip, ' ');
	report_put_value(&tip, cell->worst);
	if (cell->worst->reason)
		disagg_strbuf_printf(&tip, ": %s", cell->worst->reason);
	disagg_strbuf_printf(
		out, "<td class=\"%s\" title=\"", disagg_probe_status_name(cell->worst->status));
	report_put_escaped(out, tip.text);
	if (cell->part > 0 && (cell->worst->has_value || cell->worst->status == DISAGG_PROBE_PASS))
		disagg_strbuf_printf(out, "\">%.0f</td>", 100 * cell->part);
	else
		disagg_strbuf_printf(out, "\">%s</td>",
			cell->worst->status == DISAGG_PROBE_PASS
				? "ok"
				: disagg_probe_status_name(cell->worst->status));
	out->failed = out->failed || tip.failed;
	disagg_strbuf_release(&tip);
}

static void put_heat(struct disagg_strbuf *out, const struct heat *heat)
{
	disagg_strbuf_printf(out,
		"<section><h2>%s <small>%s</small></h2><div class=\"scroll\">"
		"<table class=\"heat\"><tr><th>%s</th>",
		heat->title, heat->note, heat->corner);
	for (size_t c = 0; c < heat->columns; c++) {
		disagg_strbuf_puts(out, "<th>");
		report_put_escaped(out, heat->column[c]);
		disagg_strbuf_puts(out, "</th>");
	}
	disagg_strbuf_puts(out, "</tr>\n");
	for (size_t r = 0; r < heat->rows; r++) {
		disagg_strbuf_puts(out, "<tr><th>");
		report_put_escaped(out, heat->row[r]);
		disagg_strbuf_puts(out, "</th>");
		for (size_t c = 0; c < heat->columns; c++)
			put_cell(out, &heat->cell[r * heat->columns + c]);
		disagg_strbuf_puts(out, "</tr>\n");
	}
	disagg_strbuf_puts(out, "</table></div>\n");
	if (heat->rows_in_all > heat->rows)
		disagg_strbuf_printf(out, "<p class=\"soft\">and %zu more nodes</p>\n",
			heat->rows_in_all - heat->rows);
	disagg_strbuf_puts(out, "</section>\n");
}

/* Rows are the first nodes, worst first, of those with such records; columns 0, 1, ... */
static int make_heat(const struct disagg_report *report, struct disagg_arena *arena,
	int (*column_of)(const struct disagg_probe_record *record), const char *prefix,
	struct heat *heat)
{
	heat->row = disagg_arena_array(arena, MOST_ROWS, sizeof(*heat->row));
	heat->column = disagg_arena_array(arena, MOST_COLUMNS, sizeof(*heat->column));
	heat->cell =
		disagg_arena_array(arena, (size_t)MOST_ROWS * MOST_COLUMNS, sizeof(*heat->cell));
	if (!heat->row || !heat->column || !heat->cell)
		return -1;
	for (size_t i = 0; i < report->count; i++) {
		int column = column_of(report->record[i]);

		if (column >= 0 && column < (int)MOST_COLUMNS && (size_t)column >= heat->columns)
			heat->columns = (size_t)column + 1;
	}
	for (size_t i = 0; i < heat->columns; i++) {
		heat->column[i] = disagg_arena_printf(arena, "%s%zu", prefix, i);
		if (!heat->column[i])
			return -1;
	}
	for (size_t i = 0; i < report->node_count; i++) {
		const struct report_node *node = report->node[i];
		bool has_any = false;

		for (size_t k = 0; k < node->count; k++) {
			int column = column_of(node->record[k]);

			if (column < 0 || column >= (int)heat->columns)
				continue;
			has_any = true;
			if (heat->rows < MOST_ROWS)
				add(&heat->cell[heat->rows * heat->columns + (size_t)column],
					node->record[k]);
		}
		heat->rows_in_all += has_any;
		if (has_any && heat->rows < MOST_ROWS)
			heat->row[heat->rows++] = node->name;
	}
	return 0;
}

static int gpu_of(const struct disagg_probe_record *record)
{
	return record->status == DISAGG_PROBE_SKIP ? -1 : record->gpu;
}

static int rail_of(const struct disagg_probe_record *record)
{
	return record->has_value && record->status != DISAGG_PROBE_SKIP ? record->rail : -1;
}

int report_put_gpu_matrix(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	struct heat heat = {.title = "GPUs",
		.note = "worst value, % of expected; worst nodes first",
		.corner = "node"};

	if (make_heat(report, arena, gpu_of, "", &heat) != 0)
		return -1;
	if (heat.rows > 0)
		put_heat(out, &heat);
	return 0;
}

int report_put_rail_matrix(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	struct heat heat = {.title = "Rails",
		.note = "worst value, % of expected; worst nodes first",
		.corner = "node"};

	if (make_heat(report, arena, rail_of, "rail ", &heat) != 0)
		return -1;
	if (heat.rows > 0)
		put_heat(out, &heat);
	return 0;
}

/* ---- pairs ---- */

struct pair {
	const char *from, *to;
	size_t to_len;
};

static bool pair_of(const struct disagg_probe_record *record, struct pair *ret)
{
	if (!record->has_value || !disagg_record_is_pair(record))
		return false;
	*ret = (struct pair){record->node, record->peer, strcspn(record->peer, ":")};
	return true;
}

static int compare_names(const void *a, const void *b)
{
	return disagg_hostlist_compare(*(const char *const *)a, *(const char *const *)b);
}

static size_t index_of(const char *const *name, size_t count, const char *text, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(name[i], text, len) == 0 && name[i][len] == '\0')
			return i;
	return count;
}

/* -1: no memory; 1: more nodes than there is room for */
static int add_name(
	struct disagg_arena *arena, const char **name, size_t *count, const char *text, size_t len)
{
	if (index_of(name, *count, text, len) < *count)
		return 0;
	if (*count == MOST_COLUMNS)
		return 1;
	name[*count] = disagg_arena_strndup(arena, text, len);
	return name[(*count)++] ? 0 : -1;
}

int report_put_pair_matrix(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	const char **name = disagg_arena_array(arena, MOST_COLUMNS, sizeof(*name));
	struct cell *cell =
		disagg_arena_array(arena, (size_t)MOST_COLUMNS * MOST_COLUMNS, sizeof(*cell));
	struct heat heat = {.title = "Pairs of nodes",
		.note = "worst value, % of expected",
		.corner = "from \\ to"};
	size_t count = 0;
	struct pair pair;
	int rc = name && cell ? 0 : -1;

	for (size_t i = 0; i < report->count && rc == 0; i++) {
		if (!pair_of(report->record[i], &pair))
			continue;
		rc = add_name(arena, name, &count, pair.from, strlen(pair.from));
		if (rc == 0)
			rc = add_name(arena, name, &count, pair.to, pair.to_len);
	}
	if (rc != 0 || count == 0)
		return rc < 0 ? -1 : 0; /* too many nodes: the table of the lowest pairs has them */
	qsort(name, count, sizeof(*name), compare_names);
	for (size_t i = 0; i < report->count; i++) {
		if (!pair_of(report->record[i], &pair))
			continue;
		add(&cell[index_of(name, count, pair.from, strlen(pair.from)) * count +
			    index_of(name, count, pair.to, pair.to_len)],
			report->record[i]);
	}
	heat.row = heat.column = name;
	heat.rows = heat.rows_in_all = heat.columns = count;
	heat.cell = cell;
	put_heat(out, &heat);
	return 0;
}
