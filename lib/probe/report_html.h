/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_REPORT_HTML_H
#define DISAGG_PROBE_REPORT_HTML_H

#include "lib/probe/report_build.h"

/* The parts of the page; for lib/probe/report_*.c only. */

extern const char report_style[]; /* lib/probe/report.css */

/* A card a cohort: its distribution as dots or bars.  -1: no memory */
int report_put_plot(
	struct disagg_strbuf *out, struct disagg_arena *arena, const struct report_cohort *cohort);

/* How many of the cohorts, from the first on, differ in the size alone; 0: too few. */
size_t report_curve_points(const struct report_cohort *cohort, size_t count);
/* A card for them together: median, least and largest by size, and the reference. */
void report_put_curve(struct disagg_strbuf *out, const struct report_cohort *cohort, size_t count);

/* Nodes x GPUs, nodes x rails, nodes x nodes; nothing where there is none.  -1: no memory */
int report_put_gpu_matrix(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out);
int report_put_rail_matrix(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out);
int report_put_pair_matrix(
	const struct disagg_report *report, struct disagg_arena *arena, struct disagg_strbuf *out);

/*
 * The part of what was expected that a record reached, 1 where it is as good: of the
 * reference, else of the fleet's median.  False: nothing was expected.
 */
bool report_part(const struct disagg_probe_record *record, double *ret);

#endif
