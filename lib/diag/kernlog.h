/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_KERNLOG_H
#define DISAGG_DIAG_KERNLOG_H

#include "lib/diag/kmsg.h"

/*
 * What the kernel log of one node tells over a time: one entry for what is the
 * same (class, code, device, verdict), since one failure may write a line for
 * each unit of a GPU.
 */
struct disagg_kernlog_entry {
	struct disagg_kmsg_finding finding; /* of the first of them */
	const char *line;		    /* the first, its control characters shown as '?' */
	const char *uuid;		    /* of the GPU, where the log has told it; NULL */
	bool has_time;
	double first_s, last_s; /* Unix time */
	size_t records;
	size_t events;	  /* records within 60 s of the one before count as one */
	size_t processes; /* distinct ids, up to 8 */
	int64_t pid[8];
	bool settled;
};

struct disagg_kernlog_window {
	double since_s, until_s; /* Unix time; 0: open */
};

struct disagg_kernlog {
	const struct disagg_kernlog_entry *entry; /* in the order of their first records */
	size_t count;
	size_t left_out; /* entries over DISAGG_KERNLOG_MOST */
	size_t foreign;	 /* records that user space wrote */
	size_t lost;	 /* times that records were overwritten before they were read */
};

#define DISAGG_KERNLOG_MOST 512u

/*
 * Reads an open log to its end.  A record without a time is in every window.
 * An Xid 154 that takes a GPU's recovery action back ("to 0x0 (None)", as after
 * a reset) settles what the GPU told before it: `settled`, and drain is never.
 * DISAGG_SYSTEM: the log cannot be read, or no memory.
 */
int disagg_kernlog_read(struct disagg_arena *arena, struct disagg_kmsg *log,
	const struct disagg_xid_table *table, unsigned driver_major,
	const struct disagg_kernlog_window *window, struct disagg_kernlog *ret,
	struct disagg_err *err);

/* The hardest verdict of the entries; NULL where there is none. */
const struct disagg_kernlog_entry *disagg_kernlog_worst(const struct disagg_kernlog *log);

#endif
