/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"

#include "lib/base/hostlist.h"
#include <stdlib.h>
#include <string.h>

#define MOST_ROWS 200u
#define MOST_CELL ((size_t)64 << 10) /* a host list of a large fleet */

struct maker {
	struct disagg_arena *arena;
	const struct disagg_report *report;
	struct report_table *table;
	struct disagg_strbuf text;
	bool failed;
};

/* ---- rows ---- */

static bool new_row(struct maker *maker)
{
	struct report_table *table = maker->table;

	if (table->rows >= MOST_ROWS) {
		table->left_out++;
		return false;
	}
	if (table->rows >= table->room) {
		size_t more = table->room ? table->room * 2 : 16;

		table->cell = disagg_arena_grow(maker->arena, table->cell,
			table->room * table->columns, more * table->columns, sizeof(*table->cell));
		if (!table->cell) {
			maker->failed = true;
			table->rows = table->room = 0;
			return false;
		}
		table->room = more;
	}
	table->rows++;
	return true;
}

/* What the strbuf holds becomes the cell. */
static void end_cell(struct maker *maker, unsigned column)
{
	struct report_table *table = maker->table;
	const char *text = disagg_arena_strndup(maker->arena, maker->text.text, maker->text.len);

	if (!text || maker->text.failed)
		maker->failed = true;
	table->cell[(table->rows - 1) * table->columns + column] = text ? text : "";
	disagg_strbuf_clear(&maker->text);
}

static void set_cell(struct maker *maker, unsigned column, const char *text)
{
	struct report_table *table = maker->table;

	table->cell[(table->rows - 1) * table->columns + column] = text ? text : "-";
}

static void put_hosts(struct maker *maker, const char **name, size_t count)
{
	disagg_hostlist_fold(&maker->text, name, count);
}

/* ---- cluster, regressions ---- */

static void make_cluster(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	for (size_t i = 0; i < report->finding_count; i++) {
		const struct disagg_finding *finding = &report->finding[i];

		if (!new_row(maker))
			continue;
		set_cell(maker, 0, disagg_probe_status_name(finding->status));
		set_cell(maker, 1, finding->text);
		set_cell(maker, 2, finding->cohort);
	}
}

static void make_regressions(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	for (size_t i = 0; i < report->regression_count; i++) {
		const struct report_regression *regression = &report->regression[i];

		if (!new_row(maker))
			continue;
		report_put_where(&maker->text, regression->now, true);
		end_cell(maker, 0);
		report_put_metric(&maker->text, regression->now->probe, regression->now->param);
		end_cell(maker, 1);
		set_cell(maker, 2, regression->change);
		set_cell(maker, 3, regression->now->reason);
	}
}

/* ---- variants: digests of a cohort, the largest group first ---- */

static int compare_digests(const void *a, const void *b)
{
	const struct disagg_probe_record *const *left = a, *const *right = b;

	return strcmp((*left)->digest, (*right)->digest);
}

struct variant {
	struct disagg_probe_record **first;
	size_t count;
};

static int compare_variants(const void *a, const void *b)
{
	const struct variant *left = a, *right = b;

	if (left->count != right->count)
		return left->count > right->count ? -1 : 1;
	return strcmp(left->first[0]->digest, right->first[0]->digest);
}

static void put_variant(struct maker *maker, const struct report_cohort *cohort,
	const struct variant *variant, bool major)
{
	const char **name = disagg_arena_array(maker->arena, variant->count, sizeof(*name));

	if (!name) {
		maker->failed = true;
		return;
	}
	if (!new_row(maker))
		return;
	report_put_metric(&maker->text, cohort->probe, cohort->param);
	end_cell(maker, 0);
	disagg_strbuf_printf(
		&maker->text, "%s %s", major ? "majority" : "minority", variant->first[0]->digest);
	end_cell(maker, 1);
	disagg_strbuf_printf(&maker->text, "%zu", variant->count);
	end_cell(maker, 2);
	for (size_t i = 0; i < variant->count; i++)
		name[i] = variant->first[i]->node;
	put_hosts(maker, name, variant->count);
	end_cell(maker, 4);
	set_cell(maker, 3, variant->first[0]->hint);
}

/* Only where there is more than one. */
static void put_variants(struct maker *maker, const struct report_cohort *cohort)
{
	size_t most = cohort->judged.count, count = 0, variants = 0;
	struct disagg_probe_record **sorted =
		disagg_arena_array(maker->arena, most, sizeof(*sorted));
	struct variant *variant = disagg_arena_array(maker->arena, most, sizeof(*variant));

	if (!sorted || !variant) {
		maker->failed = true;
		return;
	}
	for (size_t i = 0; i < most; i++)
		if (cohort->judged.record[i]->digest)
			sorted[count++] = cohort->judged.record[i];
	if (count > 1)
		qsort(sorted, count, sizeof(struct disagg_probe_record *), compare_digests);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || compare_digests(&sorted[i - 1], &sorted[i]) != 0)
			variant[variants++].first = &sorted[i];
		variant[variants - 1].count++;
	}
	if (variants < 2)
		return;
	qsort(variant, variants, sizeof(*variant), compare_variants);
	for (size_t i = 0; i < variants; i++)
		put_variant(maker, cohort, &variant[i], i == 0 && 2 * variant[0].count > count);
}

/* ---- what several nodes have in common: records with equal texts ---- */

struct said {
	const char *probe, *text, *node, *hint;
};

static int compare_said(const void *a, const void *b)
{
	const struct said *left = a, *right = b;
	int order = strcmp(left->probe, right->probe);

	return order != 0 ? order : strcmp(left->text, right->text);
}

/* A row for each probe and text: the probe, the text, how many, which nodes. */
static void put_said(struct maker *maker, struct said *said, size_t count)
{
	const char **name = disagg_arena_array(maker->arena, count + 1, sizeof(*name));

	if (!name) {
		maker->failed = true;
		return;
	}
	if (count > 1)
		qsort(said, count, sizeof(*said), compare_said);
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i; end < count && compare_said(&said[i], &said[end]) == 0; end++)
			name[end - i] = said[end].node;
		if (!new_row(maker))
			continue;
		set_cell(maker, 0, said[i].probe);
		set_cell(maker, 1, said[i].text);
		disagg_strbuf_printf(&maker->text, "%zu", end - i);
		end_cell(maker, 2);
		put_hosts(maker, name, end - i);
		end_cell(maker, maker->table->columns - 1);
		if (maker->table->columns > 4)
			set_cell(maker, 3, said[i].hint);
	}
}

/* The environment: digests that differ, and what the probe itself found. */
static void make_variants(struct maker *maker)
{
	const struct disagg_report *report = maker->report;
	struct said *said = disagg_arena_array(maker->arena, report->count + 1, sizeof(*said));
	size_t count = 0;

	if (!said) {
		maker->failed = true;
		return;
	}
	for (size_t i = 0; i < report->cohort_count; i++)
		put_variants(maker, &report->cohort[i]);
	for (size_t i = 0; i < report->count; i++) {
		const struct disagg_probe_record *record = report->record[i];

		if (strncmp(record->probe, "env.", 4) == 0 && record->reason &&
			(record->status == DISAGG_PROBE_FAIL ||
				record->status == DISAGG_PROBE_WARN))
			said[count++] = (struct said){
				record->probe, record->reason, record->node, record->hint};
	}
	put_said(maker, said, count);
}

static void make_not_tested(struct maker *maker)
{
	const struct disagg_report *report = maker->report;
	struct said *said = disagg_arena_array(
		maker->arena, report->count + report->node_count + 1, sizeof(*said));
	size_t count = 0;

	if (!said) {
		maker->failed = true;
		return;
	}
	for (size_t i = 0; i < report->node_count; i++) {
		const struct report_node *node = report->node[i];

		if (node->count == 0)
			said[count++] = (struct said){"all", "no record of it", node->name, NULL};
		for (size_t k = 0; k < node->count; k++) {
			const struct disagg_probe_record *record = node->record[k];

			if (record->status == DISAGG_PROBE_UNKNOWN ||
				record->status == DISAGG_PROBE_SKIP)
				said[count++] = (struct said){record->probe,
					record->reason ? record->reason : "no reason given",
					node->name, NULL};
		}
	}
	put_said(maker, said, count);
}

/* ---- probes, distributions, run ---- */

static void put_counts(struct maker *maker, unsigned column, const size_t *count)
{
	static const enum disagg_probe_status order[] = {DISAGG_PROBE_PASS, DISAGG_PROBE_WARN,
		DISAGG_PROBE_FAIL, DISAGG_PROBE_UNKNOWN, DISAGG_PROBE_SKIP};

	for (unsigned i = 0; i < REPORT_STATUSES; i++) {
		disagg_strbuf_printf(&maker->text, "%zu", count[order[i]]);
		end_cell(maker, column + i);
	}
}

static void make_probes(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	for (size_t i = 0; i < report->probe_count; i++) {
		if (!new_row(maker))
			continue;
		set_cell(maker, 0, report->probe[i].name);
		put_counts(maker, 1, report->probe[i].count);
	}
}

static void put_distribution(struct maker *maker, const struct report_cohort *cohort)
{
	const struct disagg_stats *stats = &cohort->judged.stats;
	const double values[] = {stats->min, stats->p1, stats->median, stats->p99, stats->mad};

	report_put_metric(&maker->text, cohort->probe, cohort->param);
	if (cohort->unit)
		disagg_strbuf_printf(&maker->text, " %s", cohort->unit);
	end_cell(maker, 0);
	disagg_strbuf_printf(&maker->text, "%zu", stats->count);
	end_cell(maker, 1);
	for (unsigned i = 0; i < 5; i++) {
		disagg_strbuf_printf(&maker->text, "%.*g", i == 4 ? 2 : 4, values[i]);
		end_cell(maker, 2 + i);
	}
	if (cohort->judged.has_reference && cohort->judged.reference.has_ref)
		disagg_strbuf_printf(&maker->text, "%.4g", cohort->judged.reference.ref);
	else if (cohort->judged.has_reference)
		disagg_strbuf_printf(&maker->text, "> %.4g", cohort->judged.reference.floor);
	else
		disagg_strbuf_puts(&maker->text, "-");
	end_cell(maker, 7);
}

static void make_distributions(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	for (size_t i = 0; i < report->cohort_count; i++)
		if (report->cohort[i].judged.stats.count > 0 && new_row(maker))
			put_distribution(maker, &report->cohort[i]);
}

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

static void make_pairs(struct maker *maker)
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
	for (size_t i = 0; i < count && i < MOST_PAIRS && new_row(maker); i++) {
		report_put_where(&maker->text, pair[i], true);
		end_cell(maker, 0);
		report_put_metric(&maker->text, pair[i]->probe, pair[i]->param);
		end_cell(maker, 1);
		report_put_value(&maker->text, pair[i]);
		end_cell(maker, 2);
		disagg_strbuf_printf(&maker->text, "%.1f", 100 * part_of(pair[i]));
		end_cell(maker, 3);
		set_cell(maker, 4, disagg_probe_status_name(pair[i]->status));
	}
}

static void put_run(struct maker *maker, const char *name, const char *value)
{
	if (!value || !new_row(maker))
		return;
	set_cell(maker, 0, name);
	set_cell(maker, 1, value);
}

static void put_sources(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	for (size_t i = 0; i < report->source_count; i++) {
		const struct report_source *source = &report->source[i];

		if (!new_row(maker))
			continue;
		set_cell(maker, 0, "file");
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
		end_cell(maker, 1);
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

static void make_run(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	put_run(maker, "version", "disagg " DISAGG_VERSION);
	put_run(maker, "command", report->options.command);
	put_run(maker, "suite", report->options.suite);
	put_run(maker, "job", report->options.job_id);
	if (report->start_s > 0 && new_row(maker)) {
		set_cell(maker, 0, "measured");
		report_put_time(&maker->text, report->start_s);
		disagg_strbuf_printf(&maker->text, ", for %.1f s", report->end_s - report->start_s);
		end_cell(maker, 1);
	}
	if (new_row(maker)) {
		set_cell(maker, 0, "reference values");
		if (report->reference_version)
			disagg_strbuf_printf(
				&maker->text, "table version %s", report->reference_version);
		else
			disagg_strbuf_puts(&maker->text, "none");
		end_cell(maker, 1);
	}
	if (report->before_path && new_row(maker)) {
		set_cell(maker, 0, "baseline");
		disagg_strbuf_printf(&maker->text, "%s: %zu records compared", report->before_path,
			report->compared);
		end_cell(maker, 1);
	}
	put_cohorts(maker);
	put_sources(maker);
}

static const struct {
	const char *title, *note, *head[REPORT_COLUMNS];
	void (*make)(struct maker *maker);
} kinds[] = {
	[REPORT_CLUSTER] = {"Cluster", "One cause for many: no node is to blame.",
		{"status", "finding", "cohort"}, make_cluster},
	[REPORT_REGRESSIONS] = {"Worse than the baseline", NULL,
		{"where", "metric", "change", "why"}, make_regressions},
	[REPORT_VARIANTS] = {"Variants", "What should be equal on all nodes, and is not.",
		{"what", "variant", "count", "detail", "nodes"}, make_variants},
	[REPORT_NOT_TESTED] = {"Not tested", "Neither passed nor failed.",
		{"probe", "cause", "count", "nodes"}, make_not_tested},
	[REPORT_PROBES] = {"Probes", "Records of each status.",
		{"probe", "pass", "warn", "fail", "unknown", "skip"}, make_probes},
	[REPORT_DISTRIBUTIONS] = {"Distributions", NULL,
		{"metric", "n", "min", "p1", "median", "p99", "MAD", "ref"}, make_distributions},
	[REPORT_PAIRS] = {"Lowest pairs", "In % of the fleet's median.",
		{"pair", "metric", "value", "%", "status"}, make_pairs},
	[REPORT_RUN] = {"Run", NULL, {"what", "value"}, make_run},
};

int report_table_make(struct disagg_arena *arena, const struct disagg_report *report,
	enum report_table_kind kind, struct report_table *ret)
{
	struct maker maker = {.arena = arena, .report = report, .table = ret};

	*ret = (struct report_table){.title = kinds[kind].title, .note = kinds[kind].note};
	for (; ret->columns < REPORT_COLUMNS && kinds[kind].head[ret->columns]; ret->columns++)
		ret->head[ret->columns] = kinds[kind].head[ret->columns];
	disagg_strbuf_init(&maker.text, MOST_CELL);
	kinds[kind].make(&maker);
	disagg_strbuf_release(&maker.text);
	return maker.failed ? -1 : 0;
}
