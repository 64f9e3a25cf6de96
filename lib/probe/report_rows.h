/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_REPORT_ROWS_H
#define DISAGG_PROBE_REPORT_ROWS_H

#include "lib/probe/report_build.h"

/* How the rows of a table are made; for lib/probe/report_tables.c and report_rows_*.c. */
struct maker {
	struct disagg_arena *arena;
	const struct disagg_report *report;
	struct report_table *table;
	struct disagg_strbuf text;
	bool failed;
};

/* false: the table is full (which it counts), or there is no memory */
bool report_row(struct maker *maker);
/* What `text` holds becomes the cell. */
void report_end_cell(struct maker *maker, unsigned column);
void report_set_cell(struct maker *maker, unsigned column, const char *text);

void report_make_pairs(struct maker *maker);
void report_make_run(struct maker *maker);

#endif
