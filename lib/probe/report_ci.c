/* SPDX-License-Identifier: Apache-2.0 */
/* What other programs read: JUnit's XML and the text format of Prometheus. */
#include "lib/probe/report_build.h"

#include <stdio.h>
#include <string.h>

/* ---- JUnit: a suite a probe, a case a node, with its worst record ---- */

struct suite_case {
	const struct disagg_probe_record *worst;
	double ms;
};

static void put_why(
	struct disagg_strbuf *out, const char *tag, const struct disagg_probe_record *record)
{
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	report_put_where(&text, record, true);
	disagg_strbuf_puts(&text, ": ");
	report_put_value(&text, record);
	disagg_strbuf_printf(&text, ": %s", record->reason ? record->reason : "no reason given");
	disagg_strbuf_printf(out, "<%s message=\"", tag);
	report_put_escaped(out, text.text);
	disagg_strbuf_puts(out, "\"/>");
	out->failed = out->failed || text.failed;
	disagg_strbuf_release(&text);
}

static void put_case(struct disagg_strbuf *out, const char *node, const struct suite_case *of)
{
	static const char *const tags[] = {[DISAGG_PROBE_FAIL] = "failure",
		[DISAGG_PROBE_UNKNOWN] = "error",
		[DISAGG_PROBE_SKIP] = "skipped",
		[DISAGG_PROBE_PASS] = NULL,
		[DISAGG_PROBE_WARN] = NULL};
	const char *tag = tags[of->worst->status];

	disagg_strbuf_puts(out, "    <testcase classname=\"");
	report_put_escaped(out, of->worst->probe);
	disagg_strbuf_puts(out, "\" name=\"");
	report_put_escaped(out, node);
	disagg_strbuf_printf(out, "\" time=\"%.3f\">", of->ms / 1000);
	if (tag)
		put_why(out, tag, of->worst);
	if (of->worst->status == DISAGG_PROBE_WARN) {
		disagg_strbuf_puts(out, "<system-out>warning: ");
		report_put_escaped(out, of->worst->reason ? of->worst->reason : "");
		disagg_strbuf_puts(out, "</system-out>");
	}
	disagg_strbuf_puts(out, "</testcase>\n");
}

/* The worst record of the probe on the node; NULL: it has none. */
static struct suite_case case_of(const struct report_node *node, const char *probe)
{
	struct suite_case of = {NULL, 0};

	for (size_t i = 0; i < node->count; i++) {
		const struct disagg_probe_record *record = node->record[i];

		if (record->probe != probe)
			continue;
		of.ms = record->duration_ms > of.ms ? record->duration_ms : of.ms;
		if (!of.worst ||
			disagg_status_worse(of.worst->status, record->status) != of.worst->status)
			of.worst = record;
	}
	return of;
}

/* room: for a case of each node */
static int put_suite(const struct disagg_report *report, struct disagg_strbuf *out, int fd,
	const struct report_probe *probe, struct suite_case *room)
{
	size_t tests = 0, count[REPORT_STATUSES] = {0};

	for (size_t i = 0; i < report->node_count; i++) {
		room[i] = case_of(report->node[i], probe->name);
		if (!room[i].worst)
			continue;
		tests++;
		count[room[i].worst->status]++;
	}
	disagg_strbuf_puts(out, "  <testsuite name=\"");
	report_put_escaped(out, probe->name);
	disagg_strbuf_printf(out,
		"\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\">\n", tests,
		count[DISAGG_PROBE_FAIL], count[DISAGG_PROBE_UNKNOWN], count[DISAGG_PROBE_SKIP]);
	for (size_t i = 0; i < report->node_count; i++) {
		if (room[i].worst)
			put_case(out, report->node[i]->name, &room[i]);
		if (report_flush(out, fd) != 0)
			return -1;
	}
	disagg_strbuf_puts(out, "  </testsuite>\n");
	return 0;
}

/* A case for what is not of one node. */
static void put_other(
	struct disagg_strbuf *out, const char *name, const char *tag, const char *message)
{
	disagg_strbuf_puts(out, "    <testcase classname=\"cluster\" name=\"");
	report_put_escaped(out, name);
	disagg_strbuf_puts(out, "\">");
	if (tag) {
		disagg_strbuf_printf(out, "<%s message=\"", tag);
		report_put_escaped(out, message);
		disagg_strbuf_puts(out, "\"/>");
	}
	disagg_strbuf_puts(out, "</testcase>\n");
}

static void put_cluster(const struct disagg_report *report, struct disagg_strbuf *out)
{
	size_t failed = report->regression_count, unknown = 0, tests = failed;

	for (size_t i = 0; i < report->finding_count; i++, tests++)
		failed += report->finding[i].status == DISAGG_PROBE_FAIL;
	for (size_t i = 0; i < report->node_count; i++)
		unknown += report->node[i]->count == 0;
	tests += unknown;
	if (tests == 0)
		return;
	disagg_strbuf_printf(out,
		"  <testsuite name=\"cluster\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n",
		tests, failed, unknown);
	for (size_t i = 0; i < report->finding_count; i++)
		put_other(out, report->finding[i].probe,
			report->finding[i].status == DISAGG_PROBE_FAIL ? "failure" : NULL,
			report->finding[i].text);
	for (size_t i = 0; i < report->regression_count; i++)
		put_other(out, report->regression[i].now->node, "failure",
			report->regression[i].change);
	for (size_t i = 0; i < report->node_count; i++)
		if (report->node[i]->count == 0)
			put_other(out, report->node[i]->name, "error", "no record of it");
	disagg_strbuf_puts(out, "  </testsuite>\n");
}

int report_put_junit(const struct disagg_report *report, struct disagg_strbuf *out, int fd)
{
	struct disagg_arena arena = {.limit = report->arena.limit};
	struct suite_case *room = disagg_arena_array(&arena, report->node_count, sizeof(*room));
	int rc = 0;

	disagg_strbuf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- ");
	report_put_verdict(out, report);
	disagg_strbuf_puts(out, " -->\n<testsuites name=\"disagg-probe\">\n");
	for (size_t i = 0; i < report->probe_count && rc == 0; i++)
		rc = room ? put_suite(report, out, fd, &report->probe[i], room) : -1;
	disagg_arena_release(&arena);
	put_cluster(report, out);
	disagg_strbuf_puts(out, "</testsuites>\n");
	return rc;
}

/* ---- Prometheus ---- */

static void put_label(struct disagg_strbuf *out, const char *name, const char *value)
{
	if (!value)
		return;
	if (out->text[out->len - 1] != '{')
		disagg_strbuf_putc(out, ',');
	disagg_strbuf_printf(out, "%s=\"", name);
	for (; *value; value++) {
		if (strchr("\\\"", *value))
			disagg_strbuf_putc(out, '\\');
		disagg_strbuf_putc(out, *value);
	}
	disagg_strbuf_putc(out, '"');
}

static void put_family(struct disagg_strbuf *out, const char *name, const char *help)
{
	disagg_strbuf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void put_by_status(
	struct disagg_strbuf *out, const char *name, const char *help, const size_t *count)
{
	put_family(out, name, help);
	for (int i = 0; i < REPORT_STATUSES; i++)
		disagg_strbuf_printf(out, "%s{status=\"%s\"} %zu\n", name,
			disagg_probe_status_name((enum disagg_probe_status)i), count[i]);
}

static void put_stat(struct disagg_strbuf *out, const struct report_cohort *cohort,
	const char *stat, double value)
{
	disagg_strbuf_puts(out, "disagg_report_metric{");
	put_label(out, "probe", cohort->probe);
	put_label(out, "param", cohort->param);
	put_label(out, "cohort", cohort->cohort);
	put_label(out, "gpu_name", cohort->judged.gpu_name);
	put_label(out, "unit", cohort->unit);
	put_label(out, "stat", stat);
	disagg_strbuf_printf(out, "} %.6g\n", value);
}

static void put_metrics(const struct disagg_report *report, struct disagg_strbuf *out)
{
	put_family(out, "disagg_report_metric", "Statistics of a probe's values over the fleet.");
	for (size_t i = 0; i < report->cohort_count; i++) {
		const struct report_cohort *cohort = &report->cohort[i];
		const struct disagg_stats *stats = &cohort->judged.stats;

		if (stats->count == 0)
			continue;
		put_stat(out, cohort, "count", (double)stats->count);
		put_stat(out, cohort, "min", stats->min);
		put_stat(out, cohort, "p1", stats->p1);
		put_stat(out, cohort, "median", stats->median);
		put_stat(out, cohort, "p99", stats->p99);
		put_stat(out, cohort, "max", stats->max);
		put_stat(out, cohort, "mad", stats->mad);
	}
}

static void put_bad_value(struct disagg_strbuf *out, const struct disagg_probe_record *record)
{
	char number[16];

	disagg_strbuf_puts(out, "disagg_report_bad_value{");
	put_label(out, "node", record->node);
	if (record->gpu >= 0) {
		snprintf(number, sizeof(number), "%d", record->gpu);
		put_label(out, "gpu", number);
	}
	put_label(out, "peer", record->peer);
	if (record->rail >= 0) {
		snprintf(number, sizeof(number), "%d", record->rail);
		put_label(out, "rail", number);
	}
	put_label(out, "probe", record->probe);
	put_label(out, "param", record->param);
	put_label(out, "unit", record->unit);
	put_label(out, "status", disagg_probe_status_name(record->status));
	disagg_strbuf_printf(out, "} %.6g\n", record->value);
}

int report_put_prometheus(const struct disagg_report *report, struct disagg_strbuf *out, int fd)
{
	disagg_strbuf_puts(out, "# ");
	report_put_verdict(out, report);
	disagg_strbuf_putc(out, '\n');
	put_family(out, "disagg_report_exit_code", "Exit status of the report; 0 is a pass.");
	disagg_strbuf_printf(out, "disagg_report_exit_code %d\n", (int)disagg_report_code(report));
	put_family(out, "disagg_report_start_seconds", "When the first probe began.");
	disagg_strbuf_printf(out, "disagg_report_start_seconds %.3f\n", report->start_s);
	put_by_status(out, "disagg_report_nodes", "Nodes of each status.", report->nodes);
	put_by_status(out, "disagg_report_records", "Records of each status.", report->records);
	put_family(out, "disagg_report_regressions", "Values worse than the baseline.");
	disagg_strbuf_printf(out, "disagg_report_regressions %zu\n", report->regression_count);
	put_family(out, "disagg_report_node", "1 for the status of each node.");
	for (size_t i = 0; i < report->node_count; i++) {
		disagg_strbuf_puts(out, "disagg_report_node{");
		put_label(out, "node", report->node[i]->name);
		put_label(out, "status", disagg_probe_status_name(report->node[i]->status));
		disagg_strbuf_puts(out, "} 1\n");
	}
	put_metrics(report, out);
	put_family(out, "disagg_report_bad_value", "Values of the records that are not a pass.");
	for (size_t i = 0; i < report->count; i++) {
		const struct disagg_probe_record *record = report->record[i];

		if (record->has_value && (record->status == DISAGG_PROBE_FAIL ||
						 record->status == DISAGG_PROBE_WARN))
			put_bad_value(out, record);
		if (report_flush(out, fd) != 0)
			return -1;
	}
	return 0;
}
