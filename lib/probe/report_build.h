/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_REPORT_BUILD_H
#define DISAGG_PROBE_REPORT_BUILD_H

#include "lib/probe/judge.h"
#include "lib/probe/names.h"
#include "lib/probe/report.h"

/* What a report is made of; for lib/probe/report*.c only. */

#define REPORT_STATUSES 5 /* of enum disagg_probe_status */

struct report_node {
	const char *name;
	const char *gpu_name; /* NULL: none */
	unsigned gpus;	      /* that it has told of */
	const struct disagg_probe_record **record;
	size_t count, worst_count; /* records; those as bad as the node */
	enum disagg_probe_status status;
	const struct disagg_probe_record *worst; /* the first that is as bad; NULL: no record */
	size_t problem;				 /* that tells of it */
};

/* What is told of one node, or of several that have the same warning or did not answer
 * for the same reason; worst first. */
struct report_problem {
	const struct report_node *node; /* the first of them */
	const char *hosts;		/* "n[3-5]" */
	size_t count;
};

/* What is compared with each other. */
struct report_cohort {
	struct disagg_judge_cohort judged;
	const char *probe, *param, *cohort, *unit; /* probe alone is never NULL */
	enum disagg_probe_better better;
	size_t count[REPORT_STATUSES];
};

struct report_source {
	const char *path;
	size_t records;
	size_t bad;   /* lines that are no record */
	size_t lost;  /* records that cannot be read */
	bool cut;     /* the last line has no end */
	bool foreign; /* another user than us or root may have written it */
};

struct report_regression {
	const struct disagg_probe_record *now;
	double before;	    /* value */
	const char *change; /* "785 to 690 TFLOPS (-12.1 %)" */
};

struct report_probe { /* all records of a probe */
	const char *name;
	size_t count[REPORT_STATUSES];
};

struct disagg_report {
	struct disagg_arena arena;
	struct disagg_report_options options;
	struct disagg_names names;
	struct disagg_probe_record **record;
	size_t count, size;
	struct report_node **node; /* worst first once judged */
	size_t node_count, node_size;
	uint32_t *node_of; /* index + 1 by the id of the name */
	size_t node_of_size;
	struct report_node *last_node; /* that was asked for; NULL: none */
	struct report_source *source;
	size_t source_count;
	struct disagg_report *before; /* the baseline; NULL */
	const char *before_path;
	double start_s, end_s;

	/* of the judging */
	bool judged;
	const char *reference_version; /* NULL: none was used */
	struct report_cohort *cohort;
	size_t cohort_count;
	struct disagg_finding *finding;
	size_t finding_count;
	struct report_regression *regression;
	size_t regression_count, compared;
	struct report_probe *probe;
	size_t probe_count;
	struct report_problem *problem;
	size_t problem_count;
	size_t nodes[REPORT_STATUSES], records[REPORT_STATUSES];
	struct disagg_report_failed *failed;
	size_t failed_count;
};

/* Records that cannot be read: what they said may be a fail. */
size_t report_lost(const struct disagg_report *report);

/* The node of that name, which is made; NULL: no memory. */
struct report_node *report_node(struct disagg_report *report, const char *name);

/* report_baseline.c: fills regression; -1: no memory */
int report_compare(struct disagg_report *report, struct disagg_err *err);

/* ---- texts ---- */

/* "n3 gpu 2" / "n3 to n5 rail 1": where a record was measured, without the node where
 * `node` is false; "" where that says nothing */
void report_put_where(
	struct disagg_strbuf *out, const struct disagg_probe_record *record, bool node);
/* "gemm.bf16 8192" */
void report_put_metric(struct disagg_strbuf *out, const char *probe, const char *param);
/* "632 TFLOPS", "-" */
void report_put_value(struct disagg_strbuf *out, const struct disagg_probe_record *record);
/* "785 (reference)", "20 (the pairs of this run)", "786 (fleet)", "700 (floor)",
 * "8 x NVIDIA H200 (majority)", "-" */
void report_put_expected(struct disagg_strbuf *out, const struct disagg_probe_record *record);
/* "gemm.bf16 8192 gpu 3: 632 TFLOPS, expected 785": printable ASCII without quotes, at most 160 */
const char *report_why(struct disagg_arena *arena, const struct disagg_probe_record *record);
/* How many bytes of a text to show where `most` are too many: behind a comma, or between
 * two characters; all of one that is short enough. */
size_t report_short(const char *text, size_t most);
/* Whether scontrol takes it for one node and a shell for one word. */
bool report_is_node_name(const char *name);
/* The line to paste; NULL where the node has not failed or its name is odd, or no memory */
const char *report_drain(struct disagg_arena *arena, const struct report_node *node);
/* "2026-11-26 22:03:15 UTC" */
void report_put_time(struct disagg_strbuf *out, double unix_s);
/* "FAIL: 2 of 64 nodes failed, 1 warned" : the first line of every format */
void report_put_verdict(struct disagg_strbuf *out, const struct disagg_report *report);
const char *report_verdict_word(const struct disagg_report *report);

/* ---- tables that text, Markdown and HTML share ---- */

#define REPORT_COLUMNS 8

struct report_table {
	const char *title, *note; /* note may be NULL */
	const char *head[REPORT_COLUMNS];
	unsigned columns;
	const char **cell; /* rows x columns */
	size_t rows, room, left_out;
};

enum report_table_kind {
	REPORT_CLUSTER,
	REPORT_REGRESSIONS,
	REPORT_VARIANTS,
	REPORT_NOT_TESTED,
	REPORT_PROBES,
	REPORT_DISTRIBUTIONS,
	REPORT_PAIRS, /* the lowest ones */
	REPORT_RUN,
	REPORT_TABLES, /* none: the end of a list */
};

/* -1: no memory.  A table without rows is left out by the writers. */
int report_table_make(struct disagg_arena *arena, const struct disagg_report *report,
	enum report_table_kind kind, struct report_table *ret);

/* ---- the writers; fd: where a large one is sent on the way, -1: nowhere ---- */
int report_put_text(const struct disagg_report *report, struct disagg_strbuf *out, int fd);
int report_put_json(const struct disagg_report *report, struct disagg_strbuf *out, int fd);
int report_put_markdown(const struct disagg_report *report, struct disagg_strbuf *out, int fd);
int report_put_html(const struct disagg_report *report, struct disagg_strbuf *out, int fd);
int report_put_junit(const struct disagg_report *report, struct disagg_strbuf *out, int fd);
int report_put_prometheus(const struct disagg_report *report, struct disagg_strbuf *out, int fd);
/* Empties a buffer of more than 1 MiB to fd, if there is one; -1 with errno. */
int report_flush(struct disagg_strbuf *out, int fd);

/* HTML and XML: & < > " and ' as entities. */
void report_put_escaped(struct disagg_strbuf *out, const char *text);

#endif
