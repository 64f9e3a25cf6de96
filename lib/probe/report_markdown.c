/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_html.h"

#include <string.h>

#define MOST_ROWS     200u /* of abnormal nodes, as of any table */
#define MOST_SECTIONS 50u
#define MOST_GROUPS   12u /* of a node */
#define MOST_GPUS     64u
#define MOST_HOSTS    200u /* bytes */
#define MOST_DRAINS   1000u

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

/* ---- abnormal nodes: a row each, then a section each with a row for each probe ---- */

/* The records of one probe on a node that are as bad as the node; those without a value
 * by what they say. */
struct group {
	const struct disagg_probe_record *worst; /* the farthest from what was expected */
	double part;				 /* of it; 0: not known */
	size_t count;
	bool gpu[MOST_GPUS], elsewhere; /* where; elsewhere: not on a GPU alone */
};

struct groups {
	struct group group[MOST_GROUPS];
	size_t count, left_out; /* records of further groups */
};

static void add_to_group(struct group *group, const struct disagg_probe_record *record)
{
	double part;

	if (!group->worst)
		group->worst = record;
	if (report_part(record, &part) && (group->part <= 0 || part < group->part)) {
		group->worst = record;
		group->part = part;
	}
	if (record->gpu >= 0 && record->gpu < (int)MOST_GPUS && !record->peer && record->rail < 0)
		group->gpu[record->gpu] = true;
	else
		group->elsewhere = true;
	group->count++;
}

/* Names of a report are kept once: equal ones are one pointer. */
static bool belongs(const struct group *group, const struct disagg_probe_record *record)
{
	const struct disagg_probe_record *first = group->worst;

	if (first->probe != record->probe || first->has_value != record->has_value)
		return false;
	return first->has_value ||
	       (first->reason && record->reason ? strcmp(first->reason, record->reason) == 0
						: first->reason == record->reason);
}

static void gather_groups(const struct report_node *node, struct groups *ret)
{
	*ret = (struct groups){.count = 0};
	for (size_t i = 0; i < node->count; i++) {
		const struct disagg_probe_record *record = node->record[i];
		size_t at = 0;

		if (record->status != node->status)
			continue;
		while (at < ret->count && !belongs(&ret->group[at], record))
			at++;
		if (at == MOST_GROUPS) {
			ret->left_out++;
			continue;
		}
		add_to_group(&ret->group[at], record);
		ret->count += at == ret->count;
	}
}

/* "gpu 0-3,7"; where it is not on GPUs alone, the place of the worst. */
static void put_places(struct disagg_strbuf *out, const struct group *group)
{
	const char *before = "gpu ";

	if (group->elsewhere) {
		report_put_where(out, group->worst, false);
		return;
	}
	for (size_t i = 0, end; i < MOST_GPUS; i = end + 1) {
		for (end = i; end < MOST_GPUS && group->gpu[end]; end++)
			;
		if (end == i)
			continue;
		disagg_strbuf_printf(out, "%s%zu", before, i);
		if (end - i > 1)
			disagg_strbuf_printf(out, "-%zu", end - 1);
		before = ",";
	}
}

static void put_hosts(struct disagg_strbuf *out, const struct report_problem *problem)
{
	size_t len = report_short(problem->hosts, MOST_HOSTS);

	disagg_strbuf_add(out, problem->hosts, len);
	disagg_strbuf_puts(out, problem->hosts[len] ? "..." : "");
}

/* What `cell` holds, which is empty again then. */
static void put_cell(struct disagg_strbuf *out, struct disagg_strbuf *cell)
{
	put_plain(out, cell->text);
	disagg_strbuf_clear(cell);
}

static void end_cell(struct disagg_strbuf *out, struct disagg_strbuf *cell)
{
	put_cell(out, cell);
	disagg_strbuf_puts(out, " | ");
}

/* "| gpu0003 | **fail** | 9 of 72 | gemm.bf16 gpu 0-7, pcie.h2d gpu 1 |" */
static void put_node_row(struct disagg_strbuf *out, struct disagg_strbuf *cell,
	const struct report_problem *problem, const struct groups *groups)
{
	const struct report_node *node = problem->node;

	disagg_strbuf_puts(out, "| ");
	put_hosts(cell, problem);
	end_cell(out, cell);
	disagg_strbuf_printf(out, "**%s** | %zu of %zu | ", disagg_probe_status_name(node->status),
		node->worst_count, node->count);
	for (size_t i = 0; i < groups->count; i++) {
		const struct group *group = &groups->group[i];

		disagg_strbuf_printf(cell, "%s%s", i ? ", " : "", group->worst->probe);
		disagg_strbuf_puts(cell, group->elsewhere ? "" : " ");
		if (!group->elsewhere)
			put_places(cell, group);
	}
	if (groups->left_out)
		disagg_strbuf_printf(cell, ", and %zu more", groups->left_out);
	if (groups->count == 0)
		disagg_strbuf_puts(cell, "no record of it");
	put_cell(out, cell);
	disagg_strbuf_puts(out, " |\n");
}

static void put_group(
	struct disagg_strbuf *out, struct disagg_strbuf *cell, const struct group *group)
{
	const struct disagg_probe_record *worst = group->worst;

	disagg_strbuf_puts(out, "| ");
	report_put_metric(cell, worst->probe, worst->param);
	end_cell(out, cell);
	put_places(cell, group);
	end_cell(out, cell);
	disagg_strbuf_printf(out, "%zu | ", group->count);
	report_put_value(cell, worst);
	end_cell(out, cell);
	report_put_expected(cell, worst);
	end_cell(out, cell);
	disagg_strbuf_puts(cell, worst->reason ? worst->reason : "");
	if (worst->hint)
		disagg_strbuf_printf(cell, " (%s)", worst->hint);
	put_cell(out, cell);
	disagg_strbuf_puts(out, " |\n");
}

/* Once for each probe, whose groups mostly follow each other, and what to do about it. */
static void put_actions(struct disagg_strbuf *out, const struct groups *groups)
{
	const char *last = NULL, *last_action = "";

	disagg_strbuf_puts(out, "\nWhat to do:\n\n");
	for (size_t i = 0; i < groups->count; i++) {
		const struct disagg_probe_record *worst = groups->group[i].worst;

		const char *action = disagg_judge_action(worst);

		if (worst->probe == last && strcmp(action, last_action) == 0)
			continue;
		last = worst->probe;
		last_action = action;
		disagg_strbuf_puts(out, "- ");
		put_plain(out, worst->probe);
		disagg_strbuf_puts(out, ": ");
		put_plain(out, action);
		disagg_strbuf_putc(out, '\n');
	}
}

static void put_section(struct disagg_strbuf *out, struct disagg_strbuf *cell,
	const struct report_problem *problem, const struct groups *groups)
{
	const struct report_node *node = problem->node;

	disagg_strbuf_puts(out, "\n### ");
	put_hosts(cell, problem);
	put_cell(out, cell);
	disagg_strbuf_printf(out, ": %s", disagg_probe_status_name(node->status));
	if (node->gpu_name)
		disagg_strbuf_printf(cell, " (%s)", node->gpu_name);
	put_cell(out, cell);
	disagg_strbuf_puts(out, "\n\n");
	if (problem->count > 1)
		disagg_strbuf_printf(out, "%zu nodes; of the first of them:\n\n", problem->count);
	disagg_strbuf_puts(out, "| probe | where | records | worst | expected | why |\n"
				"|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < groups->count; i++)
		put_group(out, cell, &groups->group[i]);
	if (groups->left_out)
		disagg_strbuf_printf(
			out, "\nand %zu records more: see report.json\n", groups->left_out);
	put_actions(out, groups);
}

static void put_rows(
	const struct disagg_report *report, struct disagg_strbuf *out, struct disagg_strbuf *cell)
{
	struct groups groups;

	disagg_strbuf_puts(out, "\n## Abnormal nodes\n\n| node | status | records | what |\n"
				"|---|---|---|---|\n");
	for (size_t i = 0; i < report->problem_count && i < MOST_ROWS; i++) {
		gather_groups(report->problem[i].node, &groups);
		put_node_row(out, cell, &report->problem[i], &groups);
	}
	if (report->problem_count > MOST_ROWS)
		disagg_strbuf_printf(out, "\nand %zu more: see report.json\n",
			report->problem_count - MOST_ROWS);
}

static void put_sections(
	const struct disagg_report *report, struct disagg_strbuf *out, struct disagg_strbuf *cell)
{
	struct groups groups;
	size_t shown = 0, i = 0;

	for (; i < report->problem_count && shown < MOST_SECTIONS; i++) {
		gather_groups(report->problem[i].node, &groups);
		if (groups.count == 0)
			continue;
		put_section(out, cell, &report->problem[i], &groups);
		shown++;
	}
	if (i < report->problem_count)
		disagg_strbuf_puts(out, "\nThe records of the others are in report.json.\n");
}

static void put_drains(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	size_t count = 0;

	for (size_t i = 0; i < report->node_count && i < MOST_DRAINS; i++) {
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
	struct disagg_strbuf cell;
	int rc = 0;

	disagg_strbuf_puts(out, "# ");
	report_put_verdict(out, report);
	disagg_strbuf_putc(out, '\n');
	disagg_strbuf_init(&cell, 0);
	if (report->problem_count > 0) {
		put_rows(report, out, &cell);
		put_drains(report, &arena, out);
		put_sections(report, out, &cell);
	}
	out->failed = out->failed || cell.failed;
	disagg_strbuf_release(&cell);
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
