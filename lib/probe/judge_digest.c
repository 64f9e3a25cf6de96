/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/judge.h"

#include <stdlib.h>
#include <string.h>

#define PROBE "gemm.sdc" /* its digests must be equal; others' may differ */

static bool is_counted(const struct disagg_probe_record *record)
{
	return record->digest && strcmp(record->probe, PROBE) == 0 &&
	       record->status != DISAGG_PROBE_SKIP && record->status != DISAGG_PROBE_UNKNOWN;
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
			"the checksum %s of the result differs from %s, which %zu of %zu have",
			sorted[i]->digest, sorted[best]->digest, most, count);
		if (!text || blame(arena, sorted[i], DISAGG_PROBE_FAIL, text) != 0)
			return -1;
	}
	return 0;
}

static int blame_all(struct disagg_arena *arena, struct disagg_probe_record **sorted, size_t count,
	size_t runs, struct disagg_finding *finding)
{
	const struct disagg_probe_record *first = sorted[0];

	*finding = (struct disagg_finding){.status = DISAGG_PROBE_FAIL,
		.probe = first->probe,
		.param = first->param,
		.cohort = first->cohort,
		.members = count,
		.of = count};
	finding->text = disagg_arena_printf(arena,
		"%s%s%s: %zu different checksums of the same computation among %zu results and no "
		"majority: at least one computes wrong; run it on more GPUs of the kind",
		first->probe, first->param ? " " : "", first->param ? first->param : "", runs,
		count);
	if (!finding->text)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (blame(arena, sorted[i], DISAGG_PROBE_WARN,
			    "checksums of the same result differ and none has the majority") != 0)
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
