/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/probe.h"
#include "lib/probe/report.h"
#include <stdio.h>
#include <string.h>

/* The reason that all records share where each is a skip; NULL. */
static const char *common_skip(const struct disagg_probe_record *const *record, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (record[i]->status != DISAGG_PROBE_SKIP || !record[i]->reason ||
			strcmp(record[i]->reason, record[0]->reason) != 0)
			return NULL;
	return count ? record[0]->reason : NULL;
}

static int fill(struct probe *probe, const struct disagg_fleet *fleet, struct disagg_report *report,
	struct disagg_err *err)
{
	struct disagg_reference *reference = NULL;
	size_t count;
	const struct disagg_probe_record *const *record = disagg_fleet_records(fleet, &count);

	for (size_t i = 0; i < probe->seat.nodes; i++)
		if (disagg_report_expect(report, probe->seat.node[i], err))
			return -1;
	for (size_t i = 0; i < count; i++)
		if (disagg_report_add(report, record[i], err))
			return -1;
	if (probe->baseline && disagg_report_baseline(report, probe->baseline, err))
		return -1;
	if (disagg_reference_load(&probe->arena, probe->reference, &reference, err))
		return -1;
	return disagg_report_judge(report, reference, err);
}

static int print(const struct probe *probe, const struct disagg_fleet *fleet,
	const struct disagg_report *report, struct disagg_err *err)
{
	size_t count;
	const struct disagg_probe_record *const *record = disagg_fleet_records(fleet, &count);
	const char *skip = common_skip(record, count);
	bool json = probe->format == PROBE_JSON;
	struct disagg_strbuf out;
	int rc = 0;

	disagg_strbuf_init(&out, (size_t)1 << 32);
	if (skip && !json)
		disagg_strbuf_printf(&out, "skip: %s\n", skip);
	else
		rc = disagg_report_put(
			report, json ? DISAGG_REPORT_JSON : DISAGG_REPORT_TEXT, &out, err);
	if (rc == 0 && helper_print(probe->helper, &out) != 0)
		rc = -1; /* said already: err is empty */
	disagg_strbuf_release(&out);
	return rc;
}

/* The table first: where the disk is full, it is all there is, and a node that has failed
 * is still what is to be told. */
static int finish(const struct probe *probe, const struct disagg_fleet *fleet,
	struct disagg_report *report, struct disagg_err *err)
{
	if (print(probe, fleet, report, err))
		return err->code ? helper_fail_err(probe->helper, err) : DISAGG_SYSTEM;
	if (probe->out && disagg_report_save(report, probe->out, err)) {
		helper_fail_err(probe->helper, err);
		return disagg_report_code(report) == DISAGG_CHECK ? DISAGG_CHECK : DISAGG_SYSTEM;
	}
	if (probe->out)
		fprintf(stderr, "%s: the report is in '%s'\n", probe->helper->name, probe->out);
	return (int)disagg_report_code(report);
}

int probe_report_check(struct probe *probe, struct disagg_err *err)
{
	const struct disagg_report_options options = {.command = ""};
	struct disagg_reference *reference = NULL;
	struct disagg_report *report;
	int rc;

	if (disagg_reference_load(&probe->arena, probe->reference, &reference, err))
		return -1;
	if (!probe->baseline)
		return 0;
	if (disagg_report_new(&report, &options, err))
		return -1;
	rc = disagg_report_baseline(report, probe->baseline, err);
	disagg_report_free(report);
	return rc;
}

int probe_report(struct probe *probe, struct probe_view *view, const struct disagg_fleet *fleet)
{
	const struct disagg_report_options options = {.command = probe->command,
		.suite = probe->suite,
		.job_id = probe->seat.job[0] ? probe->seat.job : NULL,
		.colour = helper_colour()};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_report *report;
	int result;

	probe_view_close(view);
	if (disagg_report_new(&report, &options, &err))
		return helper_fail_err(probe->helper, &err);
	if (fill(probe, fleet, report, &err) == 0)
		result = finish(probe, fleet, report, &err);
	else
		result = helper_fail_err(probe->helper, &err);
	disagg_report_free(report);
	return result;
}
