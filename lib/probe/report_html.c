/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_html.h"

#include "lib/base/hostlist.h"
#include <stdlib.h>
#include <string.h>

#define MOST_CARDS  200u
#define MOST_LINES  6u /* of a card */
#define MOST_PLOTS  120u
#define MOST_SHORT  90u	 /* of a list of nodes that is a heading */
#define MOST_CELL   400u /* of a table, before it is folded */
#define MANY_NODES  600u
#define MOST_MAPPED 20000u

static void put_tile(struct disagg_strbuf *out, const char *class, size_t count, const char *label)
{
	disagg_strbuf_printf(out, "<div class=\"tile %s%s\"><b>%zu</b><span>%s</span></div>", class,
		count ? "" : " none", count, label);
}

static const char *tone_of(const struct disagg_report *report)
{
	switch (disagg_report_code(report)) {
	case DISAGG_OK:
		return report->nodes[DISAGG_PROBE_WARN] || report->finding_count ? "warn" : "pass";
	case DISAGG_CHECK:
		return "fail";
	case DISAGG_SKIPPED:
		return "skip";
	default:
		return "unknown";
	}
}

static void put_header(const struct disagg_report *report, struct disagg_strbuf *out)
{
	struct disagg_strbuf verdict;
	size_t word = strlen(report_verdict_word(report));

	disagg_strbuf_init(&verdict, 0);
	report_put_verdict(&verdict, report);
	disagg_strbuf_printf(out, "<header class=\"card %s\"><h1>%s</h1><p>", tone_of(report),
		report_verdict_word(report));
	report_put_escaped(out, verdict.text + (verdict.len > word + 2 ? word + 2 : 0));
	disagg_strbuf_puts(out, "</p><p class=\"soft\">");
	report_put_time(out, report->start_s);
	if (report->end_s > report->start_s)
		disagg_strbuf_printf(out, " &middot; %.0f s", report->end_s - report->start_s);
	if (report->options.suite) {
		disagg_strbuf_puts(out, " &middot; suite ");
		report_put_escaped(out, report->options.suite);
	}
	if (report->options.job_id) {
		disagg_strbuf_puts(out, " &middot; job ");
		report_put_escaped(out, report->options.job_id);
	}
	disagg_strbuf_printf(out, " &middot; %zu records</p></header>\n", report->count);
	disagg_strbuf_puts(out, "<div class=\"tiles\">");
	put_tile(out, "", report->node_count, "nodes");
	put_tile(out, "fail", report->nodes[DISAGG_PROBE_FAIL], "failed");
	put_tile(out, "unknown", report->nodes[DISAGG_PROBE_UNKNOWN], "unknown");
	put_tile(out, "warn", report->nodes[DISAGG_PROBE_WARN], "with warnings");
	put_tile(out, "pass", report->nodes[DISAGG_PROBE_PASS], "passed");
	put_tile(out, "skip", report->nodes[DISAGG_PROBE_SKIP], "skipped");
	disagg_strbuf_puts(out, "</div>\n");
	out->failed = out->failed || verdict.failed;
	disagg_strbuf_release(&verdict);
}

/* ---- the map of all nodes ---- */

static bool is_abnormal(const struct report_node *node)
{
	return node->status != DISAGG_PROBE_PASS && node->status != DISAGG_PROBE_SKIP;
}

struct place {
	const struct report_node *node;
	size_t card; /* that tells of it */
};

static int compare_places(const void *a, const void *b)
{
	const struct place *left = a, *right = b;

	return disagg_hostlist_compare(left->node->name, right->node->name);
}

static void put_place(struct disagg_strbuf *out, const struct place *place)
{
	const struct report_node *node = place->node;

	if (!is_abnormal(node)) {
		disagg_strbuf_puts(out,
			node->status == DISAGG_PROBE_SKIP ? "<i class=\"skip\"></i>" : "<i></i>");
		return;
	}
	disagg_strbuf_printf(out, "<a class=\"%s\"", disagg_probe_status_name(node->status));
	if (place->card < MOST_CARDS)
		disagg_strbuf_printf(out, " href=\"#node-%zu\"", place->card);
	disagg_strbuf_puts(out, " title=\"");
	report_put_escaped(out, node->name);
	disagg_strbuf_printf(out, ": %s\"></a>", disagg_probe_status_name(node->status));
}

static int put_map(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	size_t count = report->node_count;
	struct place *place = disagg_arena_array(arena, count + 1, sizeof(*place));

	if (!place)
		return -1;
	if (count < 2 || count > MOST_MAPPED)
		return 0;
	for (size_t i = 0; i < count; i++)
		place[i] = (struct place){report->node[i], report->node[i]->problem};
	qsort(place, count, sizeof(*place), compare_places);
	disagg_strbuf_puts(out,
		"<h2>All nodes <small>in the order of their names</small></h2>"
		"<div class=\"card\"><div class=\"key\"><span class=\"fail\">failed</span>"
		"<span class=\"unknown\">unknown</span><span class=\"warn\">warning</span>"
		"<span class=\"pass\">passed</span></div>");
	disagg_strbuf_printf(out, "<div class=\"map%s\">", count > MANY_NODES ? " many" : "");
	for (size_t i = 0; i < count; i++)
		put_place(out, &place[i]);
	disagg_strbuf_puts(out, "</div></div>\n");
	return 0;
}

/* ---- a card for each abnormal node ---- */

static void put_gauge(struct disagg_strbuf *out, const struct disagg_probe_record *record)
{
	double part;

	if (!report_part(record, &part))
		return;
	disagg_strbuf_printf(out, "<span class=\"gauge\"><i style=\"width:%.0f%%\"></i></span>",
		part > 1 ? 100 : 100 * part);
}

/* A line for each test that it failed. */
static void put_reason(struct disagg_strbuf *out, struct disagg_strbuf *text, const char *reason)
{
	const char *part;

	for (; reason; reason = part ? part + 2 : NULL) {
		part = strstr(reason, "; ");
		disagg_strbuf_clear(text);
		disagg_strbuf_add(text, reason, part ? (size_t)(part - reason) : strlen(reason));
		disagg_strbuf_puts(out, "<dd>");
		report_put_escaped(out, text->text);
		disagg_strbuf_puts(out, "</dd>");
	}
}

static void put_line(struct disagg_strbuf *out, const struct disagg_probe_record *record)
{
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	report_put_metric(&text, record->probe, record->param);
	if (record->gpu >= 0 || record->peer || record->rail >= 0)
		disagg_strbuf_puts(&text, " \xc2\xb7 ");
	report_put_where(&text, record, false);
	disagg_strbuf_puts(out, "<dt>");
	report_put_escaped(out, text.text);
	disagg_strbuf_puts(out, "</dt>");
	if (record->has_value) {
		disagg_strbuf_clear(&text);
		report_put_value(&text, record);
		disagg_strbuf_puts(out, "<dd><span class=\"value\"><b>");
		report_put_escaped(out, text.text);
		disagg_strbuf_puts(out, "</b><span>expected ");
		disagg_strbuf_clear(&text);
		report_put_expected(&text, record);
		report_put_escaped(out, text.text);
		disagg_strbuf_puts(out, "</span></span>");
		put_gauge(out, record);
		disagg_strbuf_puts(out, "</dd>");
	}
	if (record->reason)
		put_reason(out, &text, record->reason);
	if (record->hint) {
		disagg_strbuf_puts(out, "<dd>Hint: ");
		report_put_escaped(out, record->hint);
		disagg_strbuf_puts(out, "</dd>");
	}
	out->failed = out->failed || text.failed;
	disagg_strbuf_release(&text);
}

/* The first names of a long list, in front of how many they are. */
static void put_hosts(struct disagg_strbuf *out, const struct report_problem *problem)
{
	size_t len = report_short(problem->hosts, MOST_SHORT);
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	disagg_strbuf_add(&text, problem->hosts, len);
	disagg_strbuf_puts(&text, problem->hosts[len] ? " \xe2\x80\xa6" : "");
	report_put_escaped(out, text.text);
	if (problem->count > 1)
		disagg_strbuf_printf(
			out, " <small class=\"soft\">%zu nodes</small>", problem->count);
	out->failed = out->failed || text.failed;
	disagg_strbuf_release(&text);
}

/* The whole of a long list, to be unfolded. */
static void put_folded(struct disagg_strbuf *out, const char *text, const char *summary)
{
	disagg_strbuf_printf(out, "<details><summary>%s</summary><pre>", summary);
	report_put_escaped(out, text);
	disagg_strbuf_puts(out, "</pre></details>");
}

static void put_card(struct disagg_arena *arena, struct disagg_strbuf *out,
	const struct report_problem *problem, size_t number)
{
	const struct report_node *node = problem->node;
	const char *status = disagg_probe_status_name(node->status);
	const char *drain = report_drain(arena, node);
	/* of a common cause one example is enough */
	size_t most = node->worst && disagg_judge_is_common(node->worst) ? 1 : MOST_LINES;
	size_t shown = 0;

	disagg_strbuf_printf(out,
		"<section class=\"card node %s\" id=\"node-%zu\"><div class=\"top\"><h3>", status,
		number);
	put_hosts(out, problem);
	disagg_strbuf_printf(
		out, "</h3><span class=\"pill\">%s</span><span class=\"soft\">", status);
	report_put_escaped(out, node->gpu_name ? node->gpu_name : "");
	disagg_strbuf_puts(out, "</span></div><dl>");
	for (size_t i = 0; i < node->count && shown < most; i++) {
		if (node->record[i]->status != node->status)
			continue;
		put_line(out, node->record[i]);
		shown++;
	}
	if (node->count == 0)
		disagg_strbuf_puts(out, "<dt>no record of it</dt>");
	disagg_strbuf_puts(out, "</dl>");
	if (node->worst_count > shown)
		disagg_strbuf_printf(
			out, "<p class=\"soft\">and %zu more</p>", node->worst_count - shown);
	if (node->worst && node->status != DISAGG_PROBE_UNKNOWN) {
		disagg_strbuf_puts(out, "<div class=\"action\"><b>Next:</b> ");
		report_put_escaped(out, disagg_judge_action(node->worst));
		disagg_strbuf_puts(out, "</div>");
	}
	if (strlen(problem->hosts) > MOST_SHORT)
		put_folded(out, problem->hosts, "all of these nodes");
	if (drain) {
		disagg_strbuf_puts(out, "<pre>");
		report_put_escaped(out, drain);
		disagg_strbuf_puts(out, "</pre>");
	}
	disagg_strbuf_puts(out, "</section>\n");
}

static void put_cards(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	size_t count = report->problem_count;

	if (count == 0)
		return;
	disagg_strbuf_puts(out, "<h2>Abnormal nodes <small>worst first</small></h2>"
				"<div class=\"nodes\">\n");
	for (size_t i = 0; i < count && i < MOST_CARDS; i++)
		put_card(arena, out, &report->problem[i], i);
	disagg_strbuf_puts(out, "</div>\n");
	if (count > MOST_CARDS)
		disagg_strbuf_printf(out, "<p class=\"soft\">and %zu more: see report.json</p>\n",
			count - MOST_CARDS);
}

/* ---- tables and plots ---- */

static bool is_number(const char *cell)
{
	return strspn(cell, "0123456789.-+e>< ") == strlen(cell);
}

/* All of its cells are numbers, or tell that there is none. */
static bool is_numeric(const struct report_table *table, unsigned column)
{
	bool has_any = false;

	for (size_t r = 0; r < table->rows; r++) {
		const char *cell = table->cell[r * table->columns + column];

		if (!is_number(cell))
			return false;
		has_any = has_any || strcmp(cell, "-") != 0;
	}
	return has_any;
}

static bool is_status(const char *cell)
{
	for (int i = 0; i < REPORT_STATUSES; i++)
		if (strcmp(cell, disagg_probe_status_name((enum disagg_probe_status)i)) == 0)
			return true;
	return false;
}

static void put_cell(struct disagg_strbuf *out, const char *head, const char *cell, bool numeric)
{
	if (numeric && strcmp(cell, "0") == 0)
		disagg_strbuf_puts(out, "<td class=\"n soft\">");
	else if (numeric)
		disagg_strbuf_printf(out, "<td class=\"n%s%s\">", is_status(head) ? " is " : "",
			is_status(head) ? head : "");
	else
		disagg_strbuf_puts(out, strlen(cell) > 40 ? "<td class=\"wide\">" : "<td>");
	if (strlen(cell) > MOST_CELL)
		put_folded(out, cell, "a long text");
	else if (is_status(cell))
		disagg_strbuf_printf(out, "<span class=\"pill %s\">%s</span>", cell, cell);
	else
		report_put_escaped(out, cell);
	disagg_strbuf_puts(out, "</td>");
}

static void put_table(struct disagg_strbuf *out, const struct report_table *table)
{
	bool numeric[REPORT_COLUMNS];

	disagg_strbuf_printf(out, "<h2>%s", table->title);
	if (table->note)
		disagg_strbuf_printf(out, " <small>%s</small>", table->note);
	disagg_strbuf_puts(out, "</h2><div class=\"scroll\"><table><tr>");
	for (unsigned c = 0; c < table->columns; c++) {
		numeric[c] = is_numeric(table, c);
		disagg_strbuf_printf(
			out, "<th%s>%s</th>", numeric[c] ? " class=\"n\"" : "", table->head[c]);
	}
	disagg_strbuf_puts(out, "</tr>\n");
	for (size_t r = 0; r < table->rows; r++) {
		disagg_strbuf_puts(out, "<tr>");
		for (unsigned c = 0; c < table->columns; c++)
			put_cell(out, table->head[c], table->cell[r * table->columns + c],
				numeric[c]);
		disagg_strbuf_puts(out, "</tr>\n");
	}
	disagg_strbuf_puts(out, "</table></div>\n");
	if (table->left_out)
		disagg_strbuf_printf(out, "<p class=\"soft\">and %zu more</p>\n", table->left_out);
}

static int put_tables(const struct disagg_report *report, struct disagg_arena *arena,
	struct disagg_strbuf *out, const enum report_table_kind *kind)
{
	struct report_table table;

	for (; *kind != REPORT_TABLES; kind++) {
		if (report_table_make(arena, report, *kind, &table) != 0)
			return -1;
		if (table.rows > 0)
			put_table(out, &table);
	}
	return 0;
}

/* A size of a curve that is good needs no card of its own. */
static bool is_plotted(const struct report_cohort *cohort, bool in_curve)
{
	return cohort->judged.stats.count > 0 &&
	       (!in_curve || cohort->count[DISAGG_PROBE_FAIL] || cohort->count[DISAGG_PROBE_WARN]);
}

static int put_plots(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	size_t shown = 0, of_curve = 0;

	for (size_t i = 0; i < report->cohort_count && shown < MOST_PLOTS; i++) {
		size_t points = of_curve ? 0
					 : report_curve_points(
						   &report->cohort[i], report->cohort_count - i);
		bool plotted;

		of_curve = points ? points : of_curve;
		plotted = is_plotted(&report->cohort[i], of_curve > 0);
		if ((points || plotted) && shown++ == 0)
			disagg_strbuf_puts(out, "<h2>Distributions <small>red failed, amber "
						"warned</small></h2><div class=\"plots\">\n");
		if (points)
			report_put_curve(out, &report->cohort[i], points);
		if (plotted && report_put_plot(out, arena, &report->cohort[i]) != 0)
			return -1;
		of_curve -= of_curve > 0;
	}
	if (shown > 0)
		disagg_strbuf_puts(out, "</div>\n");
	return 0;
}

static int put_body(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out)
{
	static const enum report_table_kind first[] = {
		REPORT_CLUSTER, REPORT_REGRESSIONS, REPORT_TABLES};
	static const enum report_table_kind second[] = {
		REPORT_VARIANTS, REPORT_NOT_TESTED, REPORT_TABLES};
	static const enum report_table_kind last[] = {
		REPORT_PAIRS, REPORT_PROBES, REPORT_RUN, REPORT_TABLES};

	put_header(report, out);
	if (put_tables(report, arena, out, first) != 0)
		return -1;
	put_cards(report, arena, out);
	if (put_map(report, arena, out) != 0 || put_tables(report, arena, out, second) != 0)
		return -1;
	disagg_strbuf_puts(out, "<div class=\"heats\">");
	if (report_put_gpu_matrix(report, arena, out) != 0 ||
		report_put_rail_matrix(report, arena, out) != 0 ||
		report_put_pair_matrix(report, arena, out) != 0)
		return -1;
	disagg_strbuf_puts(out, "</div>\n");
	if (put_plots(report, arena, out) != 0)
		return -1;
	return put_tables(report, arena, out, last);
}

int report_put_html(const struct disagg_report *report, struct disagg_strbuf *out, int fd)
{
	struct disagg_arena arena = {.limit = report->arena.limit};
	int rc;

	(void)fd;
	disagg_strbuf_puts(out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src 'unsafe-inline'\">\n<title>");
	report_put_verdict(out, report);
	disagg_strbuf_puts(out, "</title>\n<style>\n");
	disagg_strbuf_puts(out, report_style);
	disagg_strbuf_puts(out, "</style>\n</head>\n<body>\n");
	rc = put_body(report, &arena, out);
	disagg_strbuf_printf(
		out, "<footer>disagg-report %s</footer>\n</body>\n</html>\n", DISAGG_VERSION);
	disagg_arena_release(&arena);
	return rc;
}
