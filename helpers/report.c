/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/report.h"

#include "helpers/helper.h"
#include "lib/base/hostlist.h"
#include "lib/base/num.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	O_FORMAT = 256,
	O_OUT,
	O_REFERENCE,
	O_BASELINE,
	O_NODES,
	O_HISTOGRAMS,
	O_COMMAND,
	O_SUITE,
	O_JOB,
	O_DRAIN
};

static const struct helper_option options[] = {
	{"format", O_FORMAT, HELPER_VALUE, "FORMAT",
		"text (default), json, markdown, html, junit, prometheus"},
	{"out", O_OUT, HELPER_VALUE, "DIR", "also report.json, .md, .html, .xml, .prom in DIR"},
	{"reference", O_REFERENCE, HELPER_VALUE, "FILE",
		"values of healthy GPUs, laid over those built in"},
	{"baseline", O_BASELINE, HELPER_VALUE, "FILE",
		"an earlier report.json: what is worse now fails"},
	{"nodes", O_NODES, HELPER_VALUE, "LIST", "n[1-64]: those without a record are unknown"},
	{"histograms", O_HISTOGRAMS, HELPER_VALUE, "N",
		"text: of so many metrics, not all good ones"},
	{"command", O_COMMAND, HELPER_VALUE, "TEXT", "how it was measured, for the report"},
	{"suite", O_SUITE, HELPER_VALUE, "NAME", "which probes, for the report"},
	{"job", O_JOB, HELPER_VALUE, "ID", "the job, for the report"},
	{"drain", O_DRAIN, HELPER_FLAG, NULL, "drain the nodes that failed: 2 % an hour at most"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const struct helper helper = {
	.name = "disagg-report",
	.synopsis = "[OPTION]... FILE|DIR...",
	.about =
		"Judges what disagg-probe has measured and tells it: the verdict, the abnormal nodes\n"
		"with what was expected, why and what to do, and the statistics of the fleet.  FILE\n"
		"is a file of records, a report.json, or - for stdin; of DIR all *.jsonl are read.\n",
	.option = options,
	.examples = "  disagg-report records.jsonl\n"
		    "  disagg-report --out=acceptance --nodes='n[1-64]' run/\n"
		    "  disagg-report --baseline=before/report.json --out=after run/\n"
		    "  disagg-report --format=json records.jsonl | jq .abnormal\n",
	.environment = "  NO_COLOR   no colour on a terminal\n"
		       "  PATH       where scontrol is, for --drain\n",
	.exits =
		"  0 pass, also with warnings; 1 a node, the cluster or the comparison failed,\n"
		"  2 usage, 3 bad reference file, 4 no such file, 5 a system call failed, 8 nothing\n"
		"  failed but a node could not be measured, or no record in a file, 77 all skipped\n",
	.features = "disagg.report/1 disagg.probe/1",
};

struct call {
	struct disagg_arena arena;
	struct disagg_report_options shown;
	int format;
	const char *out, *reference, *baseline, *nodes;
	bool drain;
};

static int take(void *context, int id, const char *value)
{
	struct call *call = context;
	const struct {
		int id;
		const char **to;
	} texts[] = {
		{O_OUT, &call->out},
		{O_REFERENCE, &call->reference},
		{O_BASELINE, &call->baseline},
		{O_NODES, &call->nodes},
		{O_COMMAND, &call->shown.command},
		{O_SUITE, &call->shown.suite},
		{O_JOB, &call->shown.job_id},
	};
	int64_t count;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (texts[i].id != id)
			continue;
		if (!*value)
			return helper_usage(&helper, "an option's value is empty");
		*texts[i].to = value;
		return 0;
	}
	if (id == O_DRAIN) {
		call->drain = true;
		return 0;
	}
	if (id == O_FORMAT) {
		call->format = helper_choice(&helper, "format", disagg_report_format_names, value);
		return call->format < 0 ? DISAGG_USAGE : 0;
	}
	if (disagg_num_int(value, 1, 10000, &count) != 0)
		return helper_usage(&helper, "--histograms: expected 1 to 10000, not '%s'", value);
	call->shown.distributions = (unsigned)count;
	return 0;
}

static int expect_nodes(struct call *call, struct disagg_report *report, struct disagg_err *err)
{
	struct disagg_hostlist list;

	if (!call->nodes)
		return 0;
	if (disagg_hostlist_parse(&call->arena, call->nodes, &list, err) != 0) {
		err->code = DISAGG_USAGE;
		return disagg_err_wrap(err, "--nodes");
	}
	for (unsigned i = 0; i < list.count; i++)
		if (disagg_report_expect(report, list.name[i], err) != 0)
			return -1;
	return 0;
}

static int gather(
	struct call *call, struct disagg_report *report, char **file, struct disagg_err *err)
{
	struct disagg_reference *reference;

	if (disagg_reference_load(&call->arena, call->reference, &reference, err) != 0)
		return -1;
	if (expect_nodes(call, report, err) != 0)
		return -1;
	for (; *file; file++)
		if (disagg_report_read(report, *file, err) != 0)
			return -1;
	if (call->baseline && disagg_report_baseline(report, call->baseline, err) != 0)
		return -1;
	return disagg_report_judge(report, reference, err);
}

static int tell(const struct call *call, const struct disagg_report *report)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (disagg_report_write(
		    report, (enum disagg_report_format)call->format, STDOUT_FILENO, &err) != 0)
		return helper_fail_err(&helper, &err);
	if (call->out && disagg_report_save(report, call->out, &err) != 0)
		return helper_fail_err(&helper, &err);
	/* the verdict stays: that a node is still in use does not make it better */
	if (call->drain)
		report_drain_failed(report);
	return (int)disagg_report_code(report);
}

int main(int argc, char **argv)
{
	struct call call = {.format = DISAGG_REPORT_TEXT};
	struct disagg_report *report = NULL;
	struct disagg_err err = DISAGG_ERR_INIT;
	int first, rc = helper_parse(&helper, argc, argv, take, &call, &first);

	if (rc >= 0)
		return rc;
	if (first >= argc)
		return helper_usage(&helper, "no file of records");
	call.shown.colour = call.format == DISAGG_REPORT_TEXT && helper_colour();
	if (disagg_report_new(&report, &call.shown, &err) != 0 ||
		gather(&call, report, argv + first, &err) != 0)
		rc = helper_fail_err(&helper, &err);
	else
		rc = tell(&call, report);
	disagg_report_free(report);
	disagg_arena_release(&call.arena);
	return rc;
}
