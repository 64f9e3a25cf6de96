/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_rows.h"

#include <stdlib.h>

/* ---- pairs, the lowest first ---- */

#define MOST_PAIRS 30u
#define LOW_PAIR   0.95 /* of the median; what is better is not worth a line */

static double part_of(const struct disagg_probe_record *record)
{
	double part = record->value / record->fleet_median;

	return record->better == DISAGG_BETTER_LESS ? 1 / part : part;
}

static int compare_parts(const void *a, const void *b)
{
	double left = part_of(*(const struct disagg_probe_record *const *)a);
	double right = part_of(*(const struct disagg_probe_record *const *)b);

	return (left > right) - (left < right);
}

void report_make_pairs(struct maker *maker)
{
	const struct disagg_report *report = maker->report;
	const struct disagg_probe_record **pair =
		disagg_arena_array(maker->arena, report->count + 1, sizeof(*pair));
	size_t count = 0;

	if (!pair) {
		maker->failed = true;
		return;
	}
	for (size_t i = 0; i < report->count; i++) {
		const struct disagg_probe_record *record = report->record[i];

		if (record->has_fleet && record->fleet_median > 0 && record->value > 0 &&
			disagg_record_is_pair(record) &&
			(record->status != DISAGG_PROBE_PASS || part_of(record) < LOW_PAIR))
			pair[count++] = record;
	}
	if (count > 1)
		qsort(pair, count, sizeof(*pair), compare_parts);
	for (size_t i = 0; i < count && i < MOST_PAIRS && report_row(maker); i++) {
		report_put_where(&maker->text, pair[i], true);
		report_end_cell(maker, 0);
		report_put_metric(&maker->text, pair[i]->probe, pair[i]->param);
		report_end_cell(maker, 1);
		report_put_value(&maker->text, pair[i]);
		report_end_cell(maker, 2);
		disagg_strbuf_printf(&maker->text, "%.1f", 100 * part_of(pair[i]));
		report_end_cell(maker, 3);
		report_set_cell(maker, 4, disagg_probe_status_name(pair[i]->status));
	}
}

static void put_run(struct maker *maker, const char *name, const char *value)
{
	if (!value || !report_row(maker))
		return;
	report_set_cell(maker, 0, name);
	report_set_cell(maker, 1, value);
}

static void put_sources(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	for (size_t i = 0; i < report->source_count; i++) {
		const struct report_source *source = &report->source[i];

		if (!report_row(maker))
			continue;
		report_set_cell(maker, 0, "file");
		disagg_strbuf_printf(
			&maker->text, "%s: %zu records", source->path, source->records);
		if (source->bad)
			disagg_strbuf_printf(
				&maker->text, ", %zu lines are no record", source->bad);
		if (source->lost)
			disagg_strbuf_printf(
				&maker->text, ", %zu records that cannot be read", source->lost);
		if (source->cut)
			disagg_strbuf_puts(&maker->text, ", the last line is cut off");
		report_end_cell(maker, 1);
	}
}

/* The cohorts that there are, with the nodes of each. */
static void put_cohorts(struct maker *maker)
{
	const struct disagg_report *report = maker->report;
	const char *last = NULL;

	for (size_t i = 0; i < report->cohort_count; i++) {
		const char *cohort = report->cohort[i].cohort;

		if (!cohort || cohort == last)
			continue;
		last = cohort;
		for (size_t k = 0; k < i && last; k++)
			if (report->cohort[k].cohort == cohort)
				last = NULL;
		if (last)
			put_run(maker, "cohort", cohort);
		last = cohort;
	}
}

void report_make_run(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	put_run(maker, "version", "disagg " DISAGG_VERSION);
	put_run(maker, "command", report->options.command);
	put_run(maker, "suite", report->options.suite);
	put_run(maker, "job", report->options.job_id);
	if (report->start_s > 0 && report_row(maker)) {
		report_set_cell(maker, 0, "measured");
		report_put_time(&maker->text, report->start_s);
		disagg_strbuf_printf(&maker->text, ", for %.1f s", report->end_s - report->start_s);
		report_end_cell(maker, 1);
	}
	if (report_row(maker)) {
		report_set_cell(maker, 0, "reference values");
		if (report->reference_version)
			disagg_strbuf_printf(
				&maker->text, "table version %s", report->reference_version);
		else
			disagg_strbuf_puts(&maker->text, "none");
		report_end_cell(maker, 1);
	}
	if (report->before_path && report_row(maker)) {
		report_set_cell(maker, 0, "baseline");
		disagg_strbuf_printf(&maker->text, "%s: %zu records compared", report->before_path,
			report->compared);
		report_end_cell(maker, 1);
	}
	put_cohorts(maker);
	put_sources(maker);
}
