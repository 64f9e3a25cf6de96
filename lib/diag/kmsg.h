/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_KMSG_H
#define DISAGG_DIAG_KMSG_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/diag/xid.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The kernel's log, record by record.  Whoever may write to /dev/kmsg or run
 * logger(1) can put any text there, but not as the kernel: such a record comes
 * back with another facility than 0 (Documentation/ABI/testing/dev-kmsg) and is
 * passed over here.
 */

#define DISAGG_KMSG_RECORD_MAX 16384u
#define DISAGG_KMSG_FILE_MAX   (32u * 1024u * 1024u)

struct disagg_kmsg_record {
	int priority;	  /* 0 emergency to 7 debug; -1: not told */
	bool from_kernel; /* false: a file that does not tell */
	uint64_t seq;
	bool has_time;
	double time_s;	  /* Unix time */
	const char *text; /* terminated; until the next call */
	size_t len;
};

/* Where a reader has come to; only of this boot. */
struct disagg_kmsg_cursor {
	char boot_id[40];
	uint64_t seq; /* of the next record */
};

struct disagg_kmsg {
	int fd; /* -1: a file, which is in memory */
	const char *at, *end;
	double offset_s; /* Unix time less the log's */
	char boot_id[40];
	uint64_t from_seq;
	uint64_t next_seq;
	size_t foreign; /* records of user space that were passed over */
	size_t lost;	/* times that records were overwritten before they were read */
	char record[DISAGG_KMSG_RECORD_MAX + 1];
};

/*
 * path NULL: /dev/kmsg, from its oldest record; never blocks.  Else a file with
 * records of /dev/kmsg ("6,12,345678,-;text"), of dmesg --raw ("<6>[  0.345] text")
 * or of dmesg ("[  0.345678] text" or "text": these do not tell who wrote them).
 * The times of a file count from this boot.  DISAGG_MISSING: no such log, or it
 * may not be read (root, or CAP_SYSLOG where kernel.dmesg_restrict is 1).
 */
int disagg_kmsg_open(struct disagg_kmsg *log, struct disagg_arena *arena, const char *path,
	struct disagg_err *err);
void disagg_kmsg_close(struct disagg_kmsg *log);

/* Leaves out what is before the cursor, where that is of this boot. */
void disagg_kmsg_seek(struct disagg_kmsg *log, const struct disagg_kmsg_cursor *cursor);
void disagg_kmsg_tell(const struct disagg_kmsg *log, struct disagg_kmsg_cursor *ret);

/* 1: a record of the kernel's; 0: there are no more; -1: DISAGG_SYSTEM. */
int disagg_kmsg_next(
	struct disagg_kmsg *log, struct disagg_kmsg_record *ret, struct disagg_err *err);

/* ---- what a record is about ---- */

enum disagg_kmsg_class {
	DISAGG_KMSG_OTHER,
	DISAGG_KMSG_XID, /* disagg_xid_line reads it: a GPU, a switch, fallen off the bus */
	DISAGG_KMSG_MAP, /* a GPU's UUID and address */
	DISAGG_KMSG_NVLINK,
	DISAGG_KMSG_AER, /* PCIe error */
	DISAGG_KMSG_OOM, /* the kernel killed a process for memory */
	DISAGG_KMSG_MCE, /* the CPU's or the memory's error */
	DISAGG_KMSG_NIC,
	DISAGG_KMSG_DISK,
	DISAGG_KMSG_HUNG, /* a task or CPU that does not get on */
};

/* "xid", "aer", ... */
const char *disagg_kmsg_class_name(enum disagg_kmsg_class cls);

struct disagg_kmsg_finding {
	enum disagg_kmsg_class cls;
	struct disagg_xid_event event; /* XID and MAP; pci also of AER and NIC */
	struct disagg_xid_verdict verdict;
};

/* False where a record is about none of it. table NULL: no verdict of an Xid. */
bool disagg_kmsg_classify(const struct disagg_xid_table *table,
	const struct disagg_kmsg_record *record, unsigned driver_major,
	struct disagg_kmsg_finding *ret);

#endif
