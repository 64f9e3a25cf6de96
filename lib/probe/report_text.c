/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"
#include "lib/probe/report_fold.h"

#include <string.h>

#define MOST_NODES   50u   /* shown with their reasons; the files have all */
#define MOST_RECORDS 4u	   /* of a node */
#define MOST_TEXT    1000u /* of a cell; the files have all */
#define MOST_HOSTS   40u
#define INDENT	     10u /* of a record's lines, behind its status */
#define BINS	     24u
#define MOST_METRICS 12u /* histograms */

static const char *paint(const struct disagg_report *report, enum disagg_probe_status status)
{
	static const char *const colours[] = {[DISAGG_PROBE_PASS] = "\033[32m",
		[DISAGG_PROBE_WARN] = "\033[33m",
		[DISAGG_PROBE_FAIL] = "\033[31m",
		[DISAGG_PROBE_SKIP] = "\033[2m",
		[DISAGG_PROBE_UNKNOWN] = "\033[35m"};

	return report->options.colour ? colours[status] : "";
}

static const char *plain(const struct disagg_report *report)
{
	return report->options.colour ? "\033[0m" : "";
}

static void put_title(
	const struct disagg_report *report, struct disagg_strbuf *out, const char *title)
{
	disagg_strbuf_printf(
		out, "\n%s%s%s\n", report->options.colour ? "\033[1m" : "", title, plain(report));
}

/* Below a record: "hint: ...", what does not fit further in. */
static void put_line(struct disagg_strbuf *out, const char *label, const char *text)
{
	unsigned at = INDENT + (unsigned)strlen(label);

	disagg_strbuf_printf(out, "%*s%s", (int)INDENT, "", label);
	report_put_folded(out, text, at, INDENT + 2);
	disagg_strbuf_putc(out, '\n');
}

/* A line for each test that it failed. */
static void put_reason(struct disagg_strbuf *out, const char *reason)
{
	const char *part;

	for (bool more = true; more; reason = part + 2) {
		struct disagg_strbuf line;

		part = strstr(reason, "; ");
		more = part != NULL;
		disagg_strbuf_init(&line, 0);
		disagg_strbuf_add(&line, reason, part ? (size_t)(part - reason) : strlen(reason));
		put_line(out, "", line.text);
		disagg_strbuf_release(&line);
	}
}

/* "  fail    TEXT" */
static void put_status(const struct disagg_report *report, struct disagg_strbuf *out,
	enum disagg_probe_status status, const char *text)
{
	disagg_strbuf_printf(out, "  %s%-7s%s ", paint(report, status),
		disagg_probe_status_name(status), plain(report));
	report_put_folded(out, text, INDENT, INDENT + 2);
	disagg_strbuf_putc(out, '\n');
}

static void put_record(const struct disagg_report *report, struct disagg_strbuf *out,
	const struct disagg_probe_record *record)
{
	struct disagg_strbuf line;

	disagg_strbuf_init(&line, 0);
	report_put_metric(&line, record->probe, record->param);
	disagg_strbuf_puts(&line, record->gpu >= 0 || record->peer || record->rail >= 0 ? " " : "");
	report_put_where(&line, record, false);
	if (record->has_value) {
		disagg_strbuf_puts(&line, ": ");
		report_put_value(&line, record);
		disagg_strbuf_puts(&line, ", expected ");
		report_put_expected(&line, record);
	}
	put_status(report, out, record->status, line.text);
	disagg_strbuf_release(&line);
	if (record->reason)
		put_reason(out, record->reason);
	if (record->hint)
		put_line(out, "hint: ", record->hint);
}

/* The records that are as bad as the node, and what to do. */
static void put_node(const struct disagg_report *report, struct disagg_arena *arena,
	struct disagg_strbuf *out, const struct report_problem *problem)
{
	const struct report_node *node = problem->node;
	const char *drain = report_drain(arena, node);
	/* of a common cause one example is enough */
	size_t most = node->worst && disagg_judge_is_common(node->worst) ? 1 : MOST_RECORDS;
	size_t shown = 0, hosts = report_short(problem->hosts, MOST_HOSTS);

	disagg_strbuf_printf(out, "%s%.*s%s%s", paint(report, node->status), (int)hosts,
		problem->hosts, problem->hosts[hosts] ? "..." : "", plain(report));
	if (problem->count > 1)
		disagg_strbuf_printf(out, "  %zu nodes", problem->count);
	disagg_strbuf_printf(
		out, "%s%s\n", node->gpu_name ? "  " : "", node->gpu_name ? node->gpu_name : "");
	for (size_t i = 0; i < node->count && shown < most; i++) {
		if (node->record[i]->status != node->status)
			continue;
		put_record(report, out, node->record[i]);
		shown++;
	}
	if (node->worst_count > shown)
		disagg_strbuf_printf(out, "          and %zu more\n", node->worst_count - shown);
	if (node->count == 0)
		disagg_strbuf_puts(out, "  unknown no record of it\n");
	if (node->worst && node->status != DISAGG_PROBE_UNKNOWN) {
		disagg_strbuf_puts(out, "  action: ");
		report_put_folded(out, disagg_judge_action(node->worst), INDENT, INDENT);
		disagg_strbuf_putc(out, '\n');
	}
	if (drain)
		disagg_strbuf_printf(out, "  %s\n", drain);
}

static void put_findings(const struct disagg_report *report, struct disagg_strbuf *out)
{
	if (report->finding_count > 0)
		put_title(report, out, "Cluster");
	for (size_t i = 0; i < report->finding_count; i++) {
		const struct disagg_finding *finding = &report->finding[i];

		put_status(report, out, finding->status, finding->text);
		if (finding->cohort)
			put_line(out, "cohort: ", finding->cohort);
	}
}

static void put_nodes(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	size_t count = report->problem_count;

	if (count == 0)
		return;
	put_title(report, out, "Abnormal nodes");
	for (size_t i = 0; i < count && i < MOST_NODES; i++)
		put_node(report, arena, out, &report->problem[i]);
	if (count > MOST_NODES)
		disagg_strbuf_printf(
			out, "and %zu more: see --out=DIR or --format=json\n", count - MOST_NODES);
}

/* ---- tables ---- */

static const char *cell_of(const struct report_table *table, size_t row, unsigned column)
{
	return row ? table->cell[(row - 1) * table->columns + column] : table->head[column];
}

/* What is left of each cell of a row. */
struct rest {
	const char *text[REPORT_COLUMNS];
	const size_t *width;
	unsigned columns;
};

/* One line of it; whether there is more. */
static bool put_row_line(struct disagg_strbuf *out, struct rest *rest)
{
	size_t due = 0; /* columns of space, before whatever comes next */
	bool more = false;

	for (unsigned c = 0; c < rest->columns; c++) {
		/* only the last may be wider than its column */
		size_t len = report_fold(rest->text[c], rest->width[c], c < rest->columns - 1);
		size_t used = 0;

		for (size_t i = 0; i < len; i++)
			used += (rest->text[c][i] & 0xc0) != 0x80;
		if (len > 0) {
			disagg_strbuf_printf(out, "%*s%.*s", (int)due, "", (int)len, rest->text[c]);
			due = 0;
		}
		due += 2 + (rest->width[c] > used ? rest->width[c] - used : 0);
		rest->text[c] += len;
		rest->text[c] += strspn(rest->text[c], " ");
		more |= *rest->text[c] != '\0';
	}
	disagg_strbuf_putc(out, '\n');
	return more;
}

static void put_table(const struct disagg_report *report, struct disagg_strbuf *out,
	const struct report_table *table)
{
	size_t width[REPORT_COLUMNS] = {0};

	for (unsigned c = 0; c < table->columns; c++)
		for (size_t r = 0; r <= table->rows; r++) {
			size_t cell = report_width(cell_of(table, r, c));

			width[c] = cell > width[c] ? cell : width[c];
		}
	report_fit(width, table->columns);
	put_title(report, out, table->title);
	for (size_t r = 0; r <= table->rows; r++) {
		struct rest rest = {.width = width, .columns = table->columns};

		for (unsigned c = 0; c < table->columns; c++)
			rest.text[c] = cell_of(table, r, c);
		while (put_row_line(out, &rest))
			;
	}
	if (table->left_out)
		disagg_strbuf_printf(out, "and %zu more\n", table->left_out);
}

/* ---- histograms ---- */

static int put_histogram(
	struct disagg_arena *arena, struct disagg_strbuf *out, const struct report_cohort *cohort)
{
	const struct disagg_stats *stats = &cohort->judged.stats;
	double *values = disagg_arena_array(arena, cohort->judged.count, sizeof(*values));
	size_t bin[BINS], most = 1, count = 0;

	if (!values)
		return -1;
	for (size_t i = 0; i < cohort->judged.count; i++)
		if (cohort->judged.record[i]->has_value)
			values[count++] = cohort->judged.record[i]->value;
	disagg_stats_sort(values, count);
	disagg_stats_histogram(values, count, bin, BINS);
	for (size_t i = 0; i < BINS; i++)
		most = bin[i] > most ? bin[i] : most;
	report_put_metric(out, cohort->probe, cohort->param);
	disagg_strbuf_printf(out, "\n  %9.4g |", stats->min);
	for (size_t i = 0; i < BINS; i++)
		disagg_strbuf_putc(out, " .:-=+*#"[bin[i] ? 1 + bin[i] * 6 / most : 0]);
	disagg_strbuf_printf(out, "| %.4g %s\n", stats->max, cohort->unit ? cohort->unit : "");
	return 0;
}

static bool is_shown(const struct disagg_report *report, const struct report_cohort *cohort)
{
	if (cohort->judged.stats.count < DISAGG_JUDGE_MEMBERS)
		return false;
	return report->options.distributions > 0 || cohort->count[DISAGG_PROBE_FAIL] > 0 ||
	       cohort->count[DISAGG_PROBE_WARN] > 0;
}

static int put_histograms(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	unsigned most =
		report->options.distributions ? report->options.distributions : MOST_METRICS;
	unsigned shown = 0;

	for (size_t i = 0; i < report->cohort_count && shown < most; i++) {
		if (!is_shown(report, &report->cohort[i]))
			continue;
		if (shown++ == 0)
			put_title(report, out, "Histograms (min to max)");
		if (put_histogram(arena, out, &report->cohort[i]) != 0)
			return -1;
	}
	return 0;
}

static int shorten(struct disagg_arena *arena, struct report_table *table)
{
	for (size_t i = 0; i < table->rows * table->columns; i++) {
		size_t shown = report_short(table->cell[i], MOST_TEXT);

		if (table->cell[i][shown] == '\0')
			continue;
		table->cell[i] = disagg_arena_printf(arena, "%.*s...", (int)shown, table->cell[i]);
		if (!table->cell[i])
			return -1;
	}
	return 0;
}

static int put_tables(const struct disagg_report *report, struct disagg_arena *arena,
	struct disagg_strbuf *out, const enum report_table_kind *kind)
{
	struct report_table table;

	for (; *kind != REPORT_TABLES; kind++) {
		if (report_table_make(arena, report, *kind, &table) != 0 ||
			shorten(arena, &table) != 0)
			return -1;
		if (table.rows > 0)
			put_table(report, out, &table);
	}
	return 0;
}

static void put_verdict(const struct disagg_report *report, struct disagg_strbuf *out)
{
	struct disagg_strbuf line;

	disagg_strbuf_init(&line, 0);
	report_put_verdict(&line, report);
	report_put_folded(out, line.text, 0, 2);
	disagg_strbuf_putc(out, '\n');
	disagg_strbuf_release(&line);
}

int report_put_text(const struct disagg_report *report, struct disagg_strbuf *out, int fd)
{
	static const enum report_table_kind first[] = {REPORT_REGRESSIONS, REPORT_VARIANTS,
		REPORT_NOT_TESTED, REPORT_PAIRS, REPORT_PROBES, REPORT_DISTRIBUTIONS,
		REPORT_TABLES};
	static const enum report_table_kind last[] = {REPORT_RUN, REPORT_TABLES};
	struct disagg_arena arena = {.limit = report->arena.limit};
	int rc;

	(void)fd;
	put_verdict(report, out);
	put_findings(report, out);
	put_nodes(report, &arena, out);
	rc = put_tables(report, &arena, out, first);
	if (rc == 0)
		rc = put_histograms(report, &arena, out);
	if (rc == 0)
		rc = put_tables(report, &arena, out, last);
	disagg_arena_release(&arena);
	return rc;
}
