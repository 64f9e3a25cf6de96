/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/judge.h"

#include <stdlib.h>
#include <string.h>

/* Whose digests must be equal; those of other probes may differ. */
static const struct rule {
	const char *probe, *param;		 /* param NULL: any */
	enum disagg_probe_status minority, none; /* where there is no majority */
	bool by_model; /* "8 x NVIDIA H200": another model is another kind of node, and warns */
	bool is_place; /* racks differ: shown as variants, and no fault */
} rules[] = {
	{"gemm.sdc", NULL, .minority = DISAGG_PROBE_FAIL, .none = DISAGG_PROBE_FAIL},
	{"hw.inventory", "gpus", .minority = DISAGG_PROBE_FAIL, .none = DISAGG_PROBE_WARN,
		.by_model = true},
	{"hw.inventory", "nvlink_domain", .is_place = true},
	{"hw.inventory", NULL, .minority = DISAGG_PROBE_WARN, .none = DISAGG_PROBE_WARN},
};

static const struct rule *rule_of(const struct disagg_probe_record *record)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (strcmp(rules[i].probe, record->probe) == 0 &&
			(!rules[i].param ||
				(record->param && strcmp(rules[i].param, record->param) == 0)))
			return &rules[i];
	return NULL;
}

static bool is_counted(const struct disagg_probe_record *record)
{
	const struct rule *rule = record->digest ? rule_of(record) : NULL;

	return rule && !rule->is_place && record->status != DISAGG_PROBE_SKIP &&
	       record->status != DISAGG_PROBE_UNKNOWN;
}

/* "NVIDIA H200" of "8 x NVIDIA H200"; "" of a node that has none. */
static const char *model_of(const char *digest)
{
	const char *behind = strstr(digest, " x ");

	return behind ? behind + 3 : "";
}

/* What a record gets that differs from the majority. */
static enum disagg_probe_status minority_status(
	const struct disagg_probe_record *record, const struct disagg_probe_record *majority)
{
	const struct rule *rule = rule_of(record);
	const char *model = model_of(record->digest);

	if (rule->by_model && *model && strcmp(model, model_of(majority->digest)) != 0)
		return DISAGG_PROBE_WARN;
	return rule->minority;
}

static bool is_checksum(const struct disagg_probe_record *record)
{
	return strcmp(record->probe, "gemm.sdc") == 0;
}

static int compare(const void *a, const void *b)
{
	const struct disagg_probe_record *const *left = a, *const *right = b;

	return strcmp((*left)->digest, (*right)->digest);
}

/* The longest run of equal digests among the sorted; returns its first. */
static size_t longest_run(
	struct disagg_probe_record **sorted, size_t count, size_t *ret_len, size_t *ret_runs)
{
	size_t best = 0, first = 0;

	*ret_len = 0;
	*ret_runs = 0;
	for (size_t i = 1; i <= count; i++) {
		if (i < count && compare(&sorted[i], &sorted[first]) == 0)
			continue;
		++*ret_runs;
		if (i - first > *ret_len) {
			*ret_len = i - first;
			best = first;
		}
		first = i;
	}
	return best;
}

static int blame(struct disagg_arena *arena, struct disagg_probe_record *record,
	enum disagg_probe_status status, const char *text)
{
	record->status = disagg_status_worse(record->status, status);
	record->reason =
		record->reason ? disagg_arena_printf(arena, "%s; %s", record->reason, text) : text;
	return record->reason ? 0 : -1;
}

/* Those that differ from the majority. */
static int blame_minority(
	struct disagg_arena *arena, struct disagg_probe_record **sorted, size_t count, size_t most)
{
	size_t len, runs, best = longest_run(sorted, count, &len, &runs);

	for (size_t i = 0; i < count; i++) {
		const char *text;

		if (i >= best && i < best + most)
			continue;
		text = disagg_arena_printf(arena,
			is_checksum(sorted[i])
				? "the checksum %s of the result differs from %s, which %zu of %zu "
				  "have"
				: "it has %s in place of %s, which %zu of %zu nodes have",
			sorted[i]->digest, sorted[best]->digest, most, count);
		if (!text || blame(arena, sorted[i], minority_status(sorted[i], sorted[best]),
				     text) != 0)
			return -1;
		sorted[i]->ref_source = sorted[best]->digest;
	}
	return 0;
}

static int blame_all(struct disagg_arena *arena, struct disagg_probe_record **sorted, size_t count,
	size_t runs, struct disagg_finding *finding)
{
	const struct disagg_probe_record *first = sorted[0];

	*finding = (struct disagg_finding){.status = rule_of(first)->none,
		.probe = first->probe,
		.param = first->param,
		.cohort = first->cohort,
		.members = count,
		.of = count};
	finding->text = disagg_arena_printf(arena,
		is_checksum(first)
			? "%s%s%s: %zu different checksums of the same computation among %zu "
			  "results and no majority: at least one computes wrong; run it on more "
			  "GPUs of the kind"
			: "%s%s%s: %zu variants among %zu nodes and no majority",
		first->probe, first->param ? " " : "", first->param ? first->param : "", runs,
		count);
	if (!finding->text)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (blame(arena, sorted[i], DISAGG_PROBE_WARN,
			    is_checksum(first)
				    ? "checksums of the same result differ and none has the "
				      "majority"
				    : "the nodes differ, and no variant has the majority") != 0)
			return -1;
	return 0;
}

int disagg_judge_digests(struct disagg_arena *arena, struct disagg_judge_cohort *cohort,
	struct disagg_finding *ret_common, struct disagg_err *err)
{
	struct disagg_finding common = {.status = DISAGG_PROBE_PASS};
	struct disagg_probe_record **sorted;
	size_t count = 0, most, runs;
	int rc = 0;

	*ret_common = common;
	sorted = disagg_arena_array(arena, cohort->count, sizeof(*sorted));
	if (!sorted)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < cohort->count; i++)
		if (is_counted(cohort->record[i]))
			sorted[count++] = cohort->record[i];
	if (count < 2)
		return 0;
	qsort(sorted, count, sizeof(*sorted), compare);
	longest_run(sorted, count, &most, &runs);
	if (runs > 1 && 2 * most > count)
		rc = blame_minority(arena, sorted, count, most);
	else if (runs > 1)
		rc = blame_all(arena, sorted, count, runs, &common);
	if (rc != 0)
		return disagg_err_nomem(err);
	*ret_common = common;
	return 0;
}
