/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_KERNLINES_H
#define DISAGG_DIAG_KERNLINES_H

#include "lib/base/arena.h"
#include "lib/diag/kmsg.h"

/*
 * A kernel log that was saved as text, of one node or of several: what an
 * archive's kernel.txt holds ("==== n1, ..." above each node's lines), what
 * dmesg and journalctl print, and records of /dev/kmsg.  A record of another
 * facility than the kernel's is passed over.  Uptimes are no times here: the
 * boot is another machine's.
 */
#define DISAGG_KERNLINES_MOST 4096u

struct disagg_kernline {
	const char *node; /* NULL: not known */
	const char *text; /* the line, tame */
	bool has_time;
	double time_s; /* Unix time, where the line tells it */
	bool local;    /* without a zone */
	struct disagg_kmsg_finding finding;
};

struct disagg_kernlines {
	struct disagg_kernline *v;
	unsigned count, room;
	unsigned foreign; /* that user space wrote */
};

struct disagg_kernlines_text {
	char *bytes; /* are written to */
	size_t len;
	const char *node; /* of the file, NULL where its headings tell */
};

/* Appends; what is about no class of kmsg.h is left out, as is what is over the
 * limit. */
int disagg_kernlines_parse(struct disagg_arena *arena, const struct disagg_xid_table *table,
	const struct disagg_kernlines_text *text, struct disagg_kernlines *lines,
	struct disagg_err *err);

/* Whether a file of this name holds a kernel's log: kernel.txt, kmsg.n1, dmesg-n1.log. */
bool disagg_kernlines_named(const char *name);

#endif
