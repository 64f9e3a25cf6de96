/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"

#include "lib/base/hostlist.h"
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

/* Whose it is, of whatever was measured: that of a failure has no record where all is well. */
static const struct disagg_name *place_of(
	struct disagg_names *places, const struct disagg_probe_record *record)
{
	struct disagg_strbuf text;
	const struct disagg_name *name = NULL;

	disagg_strbuf_init(&text, 2 * MOST_KEY);
	disagg_strbuf_printf(&text, "%s\x1f%s\x1f%d", record->probe, record->node, record->gpu);
	if (!text.failed)
		name = disagg_names_put(places, text.text, text.len);
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

	int order = (lost_left < lost_right) - (lost_left > lost_right);

	if (order == 0)
		order = disagg_hostlist_compare(left->now->node, right->now->node);
	return order != 0 ? order : left->now->gpu - right->now->gpu;
}

/* What the baseline has: the record of each key, and the worst of each place. */
struct earlier {
	struct disagg_names keys, places;
	const struct disagg_probe_record **then;  /* by the id of the key */
	const struct disagg_probe_record **worst; /* measured or failed, by that of the place */
	uint32_t key_count, place_count;
};

static int read_earlier(struct earlier *earlier, const struct disagg_report *before)
{
	for (size_t i = 0; i < before->count; i++) {
		const struct disagg_probe_record *record = before->record[i];
		const struct disagg_name *key = key_of(&earlier->keys, record);
		const struct disagg_name *place = place_of(&earlier->places, record);
		const struct disagg_probe_record *worst;

		if (!key || !place)
			return -1;
		earlier->then[key->id] = record;
		worst = earlier->worst[place->id];
		if (!is_measured(record->status) && record->status != DISAGG_PROBE_FAIL)
			continue;
		if (!worst || disagg_status_worse(worst->status, record->status) != worst->status)
			earlier->worst[place->id] = record;
	}
	earlier->key_count = earlier->keys.count;
	earlier->place_count = earlier->places.count;
	return 0;
}

/* What had no such record: it failed, where all that was measured was well. */
static int compare_place(struct disagg_report *report, struct earlier *earlier,
	const struct disagg_probe_record *now)
{
	const struct disagg_name *place;
	const struct disagg_probe_record *worst;
	const char *change;

	if (now->status != DISAGG_PROBE_FAIL)
		return 0;
	place = place_of(&earlier->places, now);
	if (!place)
		return -1;
	worst = place->id < earlier->place_count ? earlier->worst[place->id] : NULL;
	if (!worst || !is_measured(worst->status))
		return 0;
	change = disagg_arena_printf(
		&report->arena, "%s to fail", disagg_probe_status_name(worst->status));
	if (!change)
		return -1;
	report->compared++;
	report->regression[report->regression_count++] =
		(struct report_regression){.now = now, .change = change};
	return 0;
}

static int compare_record(struct disagg_report *report, struct earlier *earlier,
	const struct disagg_probe_record *now)
{
	const struct disagg_name *key = key_of(&earlier->keys, now);

	if (!key)
		return -1;
	if (key->id < earlier->key_count)
		return compare_one(report, now, earlier->then[key->id]);
	return compare_place(report, earlier, now);
}

int report_compare(struct disagg_report *report, struct disagg_err *err)
{
	const struct disagg_report *before = report->before;
	struct disagg_arena *arena = &report->arena;
	struct earlier earlier = {.keys = {.arena = arena},
		.places = {.arena = arena},
		.then = disagg_arena_array(arena, before->count + 1, sizeof(*earlier.then)),
		.worst = disagg_arena_array(arena, before->count + 1, sizeof(*earlier.worst))};

	report->regression =
		disagg_arena_array(arena, report->count + 1, sizeof(*report->regression));
	if (!earlier.then || !earlier.worst || !report->regression ||
		read_earlier(&earlier, before) != 0)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < report->count; i++)
		if (compare_record(report, &earlier, report->record[i]) != 0)
			return disagg_err_nomem(err);
	if (report->regression_count > 1)
		qsort(report->regression, report->regression_count, sizeof(*report->regression),
			compare_losses);
	return 0;
}
