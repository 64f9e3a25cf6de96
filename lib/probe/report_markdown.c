/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"

#include <string.h>

#define MOST_NODES 1000u

/* Nothing of it is markup, nor ends a cell of a table. */
static void put_plain(struct disagg_strbuf *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			disagg_strbuf_puts(out, "&amp;");
			break;
		case '<':
			disagg_strbuf_puts(out, "&lt;");
			break;
		case '>':
			disagg_strbuf_puts(out, "&gt;");
			break;
		default:
			if (strchr("\\`*_[]|~#", *text))
				disagg_strbuf_putc(out, '\\');
			disagg_strbuf_putc(out, *text);
		}
	}
}

static void put_table(struct disagg_strbuf *out, const struct report_table *table)
{
	disagg_strbuf_printf(out, "\n## %s\n\n", table->title);
	if (table->note)
		disagg_strbuf_printf(out, "%s\n\n", table->note);
	for (unsigned c = 0; c < table->columns; c++)
		disagg_strbuf_printf(out, "| %s ", table->head[c]);
	disagg_strbuf_puts(out, "|\n");
	for (unsigned c = 0; c < table->columns; c++)
		disagg_strbuf_puts(out, "|---");
	disagg_strbuf_puts(out, "|\n");
	for (size_t i = 0; i < table->rows * table->columns; i++) {
		disagg_strbuf_puts(out, "| ");
		put_plain(out, table->cell[i]);
		disagg_strbuf_puts(out, i % table->columns == table->columns - 1 ? " |\n" : " ");
	}
	if (table->left_out)
		disagg_strbuf_printf(out, "\nand %zu more\n", table->left_out);
}

/* The cell that `cell` holds, which is empty again then. */
static void end_cell(struct disagg_strbuf *out, struct disagg_strbuf *cell)
{
	put_plain(out, cell->text);
	disagg_strbuf_puts(out, " | ");
	disagg_strbuf_clear(cell);
}

static void put_record(struct disagg_strbuf *out, const struct disagg_probe_record *record)
{
	struct disagg_strbuf cell;

	disagg_strbuf_init(&cell, 0);
	disagg_strbuf_puts(out, "| ");
	disagg_strbuf_puts(&cell, record->node);
	end_cell(out, &cell);
	report_put_where(&cell, record, false);
	end_cell(out, &cell);
	disagg_strbuf_printf(out, "**%s** | ", disagg_probe_status_name(record->status));
	report_put_metric(&cell, record->probe, record->param);
	end_cell(out, &cell);
	report_put_value(&cell, record);
	end_cell(out, &cell);
	report_put_expected(&cell, record);
	end_cell(out, &cell);
	disagg_strbuf_puts(&cell, record->reason ? record->reason : "");
	if (record->hint)
		disagg_strbuf_printf(&cell, " (%s)", record->hint);
	end_cell(out, &cell);
	put_plain(out, disagg_judge_action(record));
	disagg_strbuf_puts(out, " |\n");
	out->failed = out->failed || cell.failed;
	disagg_strbuf_release(&cell);
}

static void put_nodes(const struct disagg_report *report, struct disagg_strbuf *out)
{
	size_t shown = 0;

	for (; shown < report->node_count && shown < MOST_NODES; shown++) {
		const struct report_node *node = report->node[shown];

		if (node->status == DISAGG_PROBE_PASS || node->status == DISAGG_PROBE_SKIP)
			break;
		if (shown == 0)
			disagg_strbuf_puts(out,
				"\n## Abnormal nodes\n\n| node | where | status | probe | value | "
				"expected | why | action |\n|---|---|---|---|---|---|---|---|\n");
		for (size_t i = 0; i < node->count; i++)
			if (node->record[i]->status == node->status)
				put_record(out, node->record[i]);
	}
	if (shown == MOST_NODES)
		disagg_strbuf_puts(out, "\nand more: see report.json\n");
}

static void put_drains(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	size_t count = 0;

	for (size_t i = 0; i < report->node_count && i < MOST_NODES; i++) {
		const char *drain = report_drain(arena, report->node[i]);

		if (!drain)
			continue;
		if (count++ == 0)
			disagg_strbuf_puts(out, "\nTo drain those that failed:\n\n```sh\n");
		disagg_strbuf_printf(out, "%s\n", drain);
	}
	if (count)
		disagg_strbuf_puts(out, "```\n");
}

int report_put_markdown(const struct disagg_report *report, struct disagg_strbuf *out, int fd)
{
	static const enum report_table_kind order[] = {REPORT_CLUSTER, REPORT_REGRESSIONS,
		REPORT_VARIANTS, REPORT_NOT_TESTED, REPORT_PAIRS, REPORT_PROBES,
		REPORT_DISTRIBUTIONS, REPORT_RUN};
	struct disagg_arena arena = {.limit = report->arena.limit};
	struct report_table table;
	int rc = 0;

	disagg_strbuf_puts(out, "# ");
	report_put_verdict(out, report);
	disagg_strbuf_putc(out, '\n');
	put_nodes(report, out);
	put_drains(report, &arena, out);
	for (size_t i = 0; i < sizeof(order) / sizeof(*order) && rc == 0; i++) {
		rc = report_table_make(&arena, report, order[i], &table);
		if (rc == 0 && table.rows > 0)
			put_table(out, &table);
		if (rc == 0)
			rc = report_flush(out, fd);
	}
	disagg_arena_release(&arena);
	return rc;
}
