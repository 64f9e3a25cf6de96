/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_rows.h"

#include "lib/base/hostlist.h"
#include <stdlib.h>
#include <string.h>

#define MOST_ROWS    200u
#define MOST_NUMBERS 16u		/* of GPUs or processes, of one cause */
#define MOST_CELL    ((size_t)64 << 10) /* a host list of a large fleet */

/* ---- rows ---- */

bool report_row(struct maker *maker)
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
void report_end_cell(struct maker *maker, unsigned column)
{
	struct report_table *table = maker->table;
	const char *text = disagg_arena_strndup(maker->arena, maker->text.text, maker->text.len);

	if (!text || maker->text.failed)
		maker->failed = true;
	table->cell[(table->rows - 1) * table->columns + column] = text ? text : "";
	disagg_strbuf_clear(&maker->text);
}

void report_set_cell(struct maker *maker, unsigned column, const char *text)
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

		if (!report_row(maker))
			continue;
		report_set_cell(maker, 0, disagg_probe_status_name(finding->status));
		report_set_cell(maker, 1, finding->text);
		report_set_cell(maker, 2, finding->cohort);
	}
}

static void make_regressions(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	for (size_t i = 0; i < report->regression_count; i++) {
		const struct report_regression *regression = &report->regression[i];

		if (!report_row(maker))
			continue;
		report_put_where(&maker->text, regression->now, true);
		report_end_cell(maker, 0);
		report_put_metric(&maker->text, regression->now->probe, regression->now->param);
		report_end_cell(maker, 1);
		report_set_cell(maker, 2, regression->change);
		report_set_cell(maker, 3, regression->now->reason);
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
	if (!report_row(maker))
		return;
	report_put_metric(&maker->text, cohort->probe, cohort->param);
	report_end_cell(maker, 0);
	disagg_strbuf_printf(
		&maker->text, "%s %s", major ? "majority" : "minority", variant->first[0]->digest);
	report_end_cell(maker, 1);
	disagg_strbuf_printf(&maker->text, "%zu", variant->count);
	report_end_cell(maker, 2);
	for (size_t i = 0; i < variant->count; i++)
		name[i] = variant->first[i]->node;
	put_hosts(maker, name, variant->count);
	report_end_cell(maker, 4);
	report_set_cell(maker, 3, variant->first[0]->hint);
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

/* The length of a number that starts there and says which GPU or process; 0: none does. */
static size_t which_len(const char *text, const char *at)
{
	static const char *const before[] = {"GPU ", "process "};
	size_t len = strspn(at, "0123456789");

	for (size_t i = 0; len > 0 && i < sizeof(before) / sizeof(*before); i++) {
		size_t word = strlen(before[i]);

		if ((size_t)(at - text) >= word && memcmp(at - word, before[i], word) == 0)
			return len;
	}
	return 0;
}

/* As strcmp, whichever GPU or process is meant. */
static int compare_causes(const char *a, const char *b)
{
	const char *left = a, *right = b;

	for (;;) {
		size_t skip_left = which_len(a, left), skip_right = which_len(b, right);

		if (skip_left && skip_right) {
			left += skip_left;
			right += skip_right;
		} else if (*left != *right || !*left) {
			return (unsigned char)*left - (unsigned char)*right;
		} else {
			left++;
			right++;
		}
	}
}

static bool is_same(const struct said *a, const struct said *b)
{
	return compare_said(a, b) == 0;
}

static bool is_same_cause(const struct said *a, const struct said *b)
{
	return strcmp(a->probe, b->probe) == 0 && compare_causes(a->text, b->text) == 0;
}

static int compare_not_tested(const void *a, const void *b)
{
	const struct said *left = a, *right = b;
	int order = strcmp(left->probe, right->probe);

	if (order == 0)
		order = compare_causes(left->text, right->text);
	return order != 0 ? order : disagg_hostlist_compare(left->text, right->text);
}

/* The nth of these numbers; NULL: there are fewer. */
static const char *which_number(const char *text, size_t nth, size_t *ret_len)
{
	for (const char *at = text; *at; at++) {
		*ret_len = which_len(text, at);
		if (*ret_len == 0)
			continue;
		if (nth-- == 0)
			return at;
		at += *ret_len - 1;
	}
	return NULL;
}

/* "3,5": the nth number of all of them, each once. */
static void put_numbers(struct maker *maker, const struct said *said, size_t count, size_t nth)
{
	const char *seen[MOST_NUMBERS];
	size_t seen_len[MOST_NUMBERS], shown = 0;

	for (size_t i = 0; i < count; i++) {
		size_t len, k = 0;
		const char *number = which_number(said[i].text, nth, &len);

		while (number && k < shown &&
			(seen_len[k] != len || memcmp(seen[k], number, len) != 0))
			k++;
		if (!number || k < shown)
			continue;
		if (shown == MOST_NUMBERS) {
			disagg_strbuf_puts(&maker->text, ",...");
			return;
		}
		disagg_strbuf_printf(&maker->text, "%s%.*s", k ? "," : "", (int)len, number);
		seen[shown] = number;
		seen_len[shown++] = len;
	}
}

/* "GPU 3,5: process 1234": what is said of each of them. */
static void put_cause(struct maker *maker, const struct said *said, size_t count)
{
	size_t nth = 0, len;

	for (const char *at = said->text; *at; at += len ? len : 1) {
		len = which_len(said->text, at);
		if (len)
			put_numbers(maker, said, count, nth++);
		else
			disagg_strbuf_putc(&maker->text, *at);
	}
}

/* A row for those that are the same, of the sorted: the probe, the text, how many, which
 * nodes. */
static void put_said(struct maker *maker, struct said *said, size_t count,
	bool (*same)(const struct said *a, const struct said *b))
{
	const char **name = disagg_arena_array(maker->arena, count + 1, sizeof(*name));

	if (!name) {
		maker->failed = true;
		return;
	}
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i; end < count && same(&said[i], &said[end]); end++)
			name[end - i] = said[end].node;
		if (!report_row(maker))
			continue;
		report_set_cell(maker, 0, said[i].probe);
		put_cause(maker, &said[i], end - i);
		report_end_cell(maker, 1);
		disagg_strbuf_printf(&maker->text, "%zu", end - i);
		report_end_cell(maker, 2);
		put_hosts(maker, name, end - i);
		report_end_cell(maker, maker->table->columns - 1);
		if (maker->table->columns > 4)
			report_set_cell(maker, 3, said[i].hint);
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
	if (count > 1)
		qsort(said, count, sizeof(*said), compare_said);
	put_said(maker, said, count, is_same);
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
	if (count > 1)
		qsort(said, count, sizeof(*said), compare_not_tested);
	put_said(maker, said, count, is_same_cause);
}

/* ---- probes, distributions, run ---- */

static void put_counts(struct maker *maker, unsigned column, const size_t *count)
{
	static const enum disagg_probe_status order[] = {DISAGG_PROBE_PASS, DISAGG_PROBE_WARN,
		DISAGG_PROBE_FAIL, DISAGG_PROBE_UNKNOWN, DISAGG_PROBE_SKIP};

	for (unsigned i = 0; i < REPORT_STATUSES; i++) {
		disagg_strbuf_printf(&maker->text, "%zu", count[order[i]]);
		report_end_cell(maker, column + i);
	}
}

static void make_probes(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	for (size_t i = 0; i < report->probe_count; i++) {
		if (!report_row(maker))
			continue;
		report_set_cell(maker, 0, report->probe[i].name);
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
	report_end_cell(maker, 0);
	disagg_strbuf_printf(&maker->text, "%zu", stats->count);
	report_end_cell(maker, 1);
	for (unsigned i = 0; i < 5; i++) {
		disagg_strbuf_printf(&maker->text, "%.*g", i == 4 ? 2 : 4, values[i]);
		report_end_cell(maker, 2 + i);
	}
	if (cohort->judged.has_reference && cohort->judged.reference.has_ref)
		disagg_strbuf_printf(&maker->text, "%.4g", cohort->judged.reference.ref);
	else if (cohort->judged.has_reference)
		disagg_strbuf_printf(&maker->text, "> %.4g", cohort->judged.reference.floor);
	else
		disagg_strbuf_puts(&maker->text, "-");
	report_end_cell(maker, 7);
}

static void make_distributions(struct maker *maker)
{
	const struct disagg_report *report = maker->report;

	for (size_t i = 0; i < report->cohort_count; i++)
		if (report->cohort[i].judged.stats.count > 0 && report_row(maker))
			put_distribution(maker, &report->cohort[i]);
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
		{"pair", "metric", "value", "%", "status"}, report_make_pairs},
	[REPORT_RUN] = {"Run", NULL, {"what", "value"}, report_make_run},
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
