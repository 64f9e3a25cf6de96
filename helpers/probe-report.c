/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/probe.h"
#include <stdio.h>
#include <string.h>

static const char *value_text(const struct disagg_probe_record *record, char *buf, size_t size)
{
	if (!record->has_value)
		return "";
	snprintf(buf, size, "%.4g %s", record->value, record->unit ? record->unit : "");
	return buf;
}

static void put_row(struct disagg_strbuf *out, const struct disagg_probe_record *record)
{
	char value[48], gpu[12] = "";

	if (record->gpu >= 0)
		snprintf(gpu, sizeof(gpu), "%d", record->gpu);
	disagg_strbuf_printf(out, "%-16.16s %-10.10s %3s %-7s %-12.12s %s\n", record->probe,
		record->node, gpu, disagg_probe_status_name(record->status),
		value_text(record, value, sizeof(value)), record->reason ? record->reason : "");
}

/* The reason that all records share where each is a skip; NULL. */
static const char *common_skip(const struct disagg_probe_record *const *record, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (record[i]->status != DISAGG_PROBE_SKIP || !record[i]->reason ||
			strcmp(record[i]->reason, record[0]->reason) != 0)
			return NULL;
	return count ? record[0]->reason : NULL;
}

static int exit_code(const struct disagg_probe_record *const *record, size_t count)
{
	bool seen[5] = {false};

	for (size_t i = 0; i < count; i++)
		seen[record[i]->status] = true;
	if (seen[DISAGG_PROBE_FAIL])
		return DISAGG_CHECK;
	if (seen[DISAGG_PROBE_UNKNOWN])
		return DISAGG_INVALID;
	return seen[DISAGG_PROBE_PASS] || seen[DISAGG_PROBE_WARN] ? DISAGG_OK : DISAGG_SKIPPED;
}

int probe_report(struct probe *probe, struct probe_view *view, const struct disagg_fleet *fleet)
{
	size_t count;
	const struct disagg_probe_record *const *record = disagg_fleet_records(fleet, &count);
	const char *skip = common_skip(record, count);
	struct disagg_strbuf out;
	int result;

	probe_view_close(view);
	disagg_strbuf_init(&out, 0);
	if (probe->format == PROBE_JSON)
		for (size_t i = 0; i < count; i++)
			disagg_probe_record_put(&out, record[i]);
	else if (skip)
		disagg_strbuf_printf(&out, "skip: %s\n", skip);
	else
		for (size_t i = 0; i < count; i++)
			put_row(&out, record[i]);
	result = helper_print(probe->helper, &out);
	disagg_strbuf_release(&out);
	return result ? result : exit_code(record, count);
}
