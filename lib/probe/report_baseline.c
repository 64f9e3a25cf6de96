/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_KEY 1024u

int disagg_report_baseline(struct disagg_report *report, const char *path, struct disagg_err *err)
{
	disagg_report_free(report->before);
	report->before = NULL;
	report->before_path = disagg_arena_strdup(&report->arena, path);
	if (!report->before_path)
		return disagg_err_nomem(err);
	if (disagg_report_new(&report->before, NULL, err) != 0)
		return -1;
	if (disagg_report_read(report->before, path, err) != 0)
		return disagg_err_wrap(err, "reading the baseline");
	return 0;
}

/* Where and what: the same in both reports. */
static const struct disagg_name *key_of(
	struct disagg_names *keys, const struct disagg_probe_record *record)
{
	struct disagg_strbuf text;
	const struct disagg_name *name = NULL;

	disagg_strbuf_init(&text, 2 * MOST_KEY);
	disagg_strbuf_printf(&text, "%s\x1f%s\x1f%d\x1f%d\x1f%s\x1f%s\x1f%s", record->probe,
		record->node, record->gpu, record->rail, record->peer ? record->peer : "",
		record->param ? record->param : "", record->unit ? record->unit : "");
	if (!text.failed)
		name = disagg_names_put(keys, text.text, text.len);
	disagg_strbuf_release(&text);
	return name;
}

/* The part of the earlier value that was lost; negative: it is better now. */
static double loss_of(const struct disagg_probe_record *now, const struct disagg_probe_record *then)
{
	double part;

	if (!now->has_value || !then->has_value || then->value <= 0 || now->value <= 0)
		return 0;
	part = now->value / then->value;
	if (now->better == DISAGG_BETTER_LESS)
		return part - 1;
	return now->better == DISAGG_BETTER_MORE ? 1 - part : 0;
}

static bool is_measured(enum disagg_probe_status status)
{
	return status == DISAGG_PROBE_PASS || status == DISAGG_PROBE_WARN;
}

static const char *change_of(struct disagg_arena *arena, const struct disagg_probe_record *now,
	const struct disagg_probe_record *then)
{
	double rel = disagg_judge_rel(now->probe, now->better);
	bool compared = is_measured(then->status) &&
			(is_measured(now->status) || now->status == DISAGG_PROBE_FAIL);

	if (compared && rel > 0 && loss_of(now, then) > rel)
		return disagg_arena_printf(arena, "%.5g to %.5g %s (%+.1f %%)", then->value,
			now->value, now->unit ? now->unit : "",
			100 * (now->value / then->value - 1));
	if (is_measured(then->status) && now->status == DISAGG_PROBE_FAIL)
		return disagg_arena_printf(
			arena, "%s to fail", disagg_probe_status_name(then->status));
	return "";
}

static int compare_one(struct disagg_report *report, const struct disagg_probe_record *now,
	const struct disagg_probe_record *then)
{
	const char *change = change_of(&report->arena, now, then);

	report->compared++;
	if (!change)
		return -1;
	if (*change)
		report->regression[report->regression_count++] = (struct report_regression){
			.now = now, .before = then->value, .change = change};
	return 0;
}

static int compare_losses(const void *a, const void *b)
{
	const struct report_regression *left = a, *right = b;
	double lost_left = left->before > 0 ? fabs(left->now->value / left->before - 1) : 0;
	double lost_right = right->before > 0 ? fabs(right->now->value / right->before - 1) : 0;

	return (lost_left < lost_right) - (lost_left > lost_right);
}

int report_compare(struct disagg_report *report, struct disagg_err *err)
{
	const struct disagg_report *before = report->before;
	struct disagg_names keys = {.arena = &report->arena};
	const struct disagg_probe_record **then =
		disagg_arena_array(&report->arena, before->count + 1, sizeof(*then));

	report->regression =
		disagg_arena_array(&report->arena, report->count + 1, sizeof(*report->regression));
	if (!then || !report->regression)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < before->count; i++) {
		const struct disagg_name *key = key_of(&keys, before->record[i]);

		if (!key)
			return disagg_err_nomem(err);
		then[key->id] = before->record[i];
	}
	for (size_t i = 0; i < report->count; i++) {
		uint32_t known = keys.count;
		const struct disagg_name *key = key_of(&keys, report->record[i]);

		if (!key)
			return disagg_err_nomem(err);
		if (key->id < known && key->id < before->count && then[key->id] &&
			compare_one(report, report->record[i], then[key->id]) != 0)
			return disagg_err_nomem(err);
	}
	if (report->regression_count > 1)
		qsort(report->regression, report->regression_count, sizeof(*report->regression),
			compare_losses);
	return 0;
}
