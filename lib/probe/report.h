/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_REPORT_H
#define DISAGG_PROBE_REPORT_H

#include "lib/probe/record.h"
#include "lib/probe/reference.h"

/*
 * Records of a fleet -> verdict, abnormal nodes, statistics, in six formats.
 * Records are added or read in any order, judged once, then written as often
 * as wanted:
 *
 *	disagg_report_new(&report, &options, &err)
 *	disagg_report_expect(report, "n7", &err)	every node that was asked
 *	disagg_report_add(report, &record, &err)	or disagg_report_read(report, path, ...)
 *	disagg_report_judge(report, reference, &err)
 *	disagg_report_put(report, DISAGG_REPORT_TEXT, &out, &err)
 *	disagg_report_save(report, dir, &err)
 *	exit(disagg_report_code(report))
 *	disagg_report_free(report)
 */
struct disagg_report;

/* What a report says of the run itself; every text may be NULL. */
struct disagg_report_options {
	const char *command; /* the command line that measured */
	const char *suite;   /* "quick" */
	const char *job_id;
	unsigned distributions; /* text: histograms of so many metrics; 0: those not all pass */
	bool colour;		/* text: with colour */
};

enum disagg_report_format {
	DISAGG_REPORT_TEXT,
	DISAGG_REPORT_JSON, /* disagg.report/1; its records, one a line, can be read again */
	DISAGG_REPORT_MARKDOWN,
	DISAGG_REPORT_HTML,	  /* one file, no script, nothing from elsewhere */
	DISAGG_REPORT_JUNIT,	  /* a test suite a probe, a test case a node */
	DISAGG_REPORT_PROMETHEUS, /* textfile collector */
	DISAGG_REPORT_FORMATS,
};

/* "text", "json", "markdown", "html", "junit", "prometheus"; ends with NULL */
extern const char *const disagg_report_format_names[];

int disagg_report_new(struct disagg_report **ret, const struct disagg_report_options *options,
	struct disagg_err *err);
void disagg_report_free(struct disagg_report *report);

/* A copy of the record.  DISAGG_SYSTEM: no memory, or more than 16 Mi records. */
int disagg_report_add(struct disagg_report *report, const struct disagg_probe_record *record,
	struct disagg_err *err);

/* A node that should have been tested: without records it is listed as not tested. */
int disagg_report_expect(struct disagg_report *report, const char *node, struct disagg_err *err);

/*
 * A file of records (JSON lines, or a report.json), or the *.jsonl files of a
 * folder.  A last line without its end, and lines that are no record, are
 * counted and told in the report; with a record that cannot be read it is no pass.  DISAGG_MISSING:
 * no such file; DISAGG_INVALID: not one record in it.
 */
int disagg_report_read(struct disagg_report *report, const char *path, struct disagg_err *err);

/* The records of an earlier report, to compare with; before the judging. */
int disagg_report_baseline(struct disagg_report *report, const char *path, struct disagg_err *err);

/* Once, after the last record (judge.h); a reference of NULL: by the fleet only. */
int disagg_report_judge(struct disagg_report *report, const struct disagg_reference *reference,
	struct disagg_err *err);

/*
 * The worst of all, as the report's first line has it:
 * DISAGG_OK (pass, also with warnings), DISAGG_CHECK (a node, the cluster or the
 * comparison with the baseline failed), DISAGG_INVALID (nothing failed, but a node
 * could not be measured, or a record not be read: unknown), DISAGG_SKIPPED (nothing was measured).
 */
enum disagg_code disagg_report_code(const struct disagg_report *report);

int disagg_report_put(const struct disagg_report *report, enum disagg_report_format format,
	struct disagg_strbuf *out, struct disagg_err *err);

/* The same to a file that is open; nothing is held of what is large. */
int disagg_report_write(const struct disagg_report *report, enum disagg_report_format format,
	int fd, struct disagg_err *err);

/* report.json, .md, .html, .xml and .prom in the folder, which is made; each appears
 * whole or not at all (rename). */
int disagg_report_save(const struct disagg_report *report, const char *dir, struct disagg_err *err);

/* The nodes that failed, worst first, each with what a drain's reason says of it
 * ("gemm.bf16 gpu 3: 632 TFLOPS, expected 700"); valid as long as the report. */
struct disagg_report_failed {
	const char *node;
	const char *why;
};
size_t disagg_report_failed(
	const struct disagg_report *report, const struct disagg_report_failed **ret);
/* A file among those that were read that another user than us and root may have written, so that
 * nothing is done to a node by its word; NULL: none. */
const char *disagg_report_foreign(const struct disagg_report *report);
size_t disagg_report_node_count(const struct disagg_report *report);

#endif
