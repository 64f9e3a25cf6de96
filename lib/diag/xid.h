/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_XID_H
#define DISAGG_DIAG_XID_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What NVIDIA's driver writes to the kernel log about a GPU (Xid) or an
 * NVSwitch (SXid), and what to do about it.  The table is lib/diag/xid.yaml,
 * which says where its rows come from; it is part of the program.
 */

/* ---- a line ---- */

enum disagg_xid_kind {
	DISAGG_XID_NONE,
	DISAGG_XID_GPU,	   /* "NVRM: Xid (PCI:0000:1b:00): 79, pid=..., name=..., ..." */
	DISAGG_XID_SWITCH, /* "nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 28006, Non-fatal, ..." */
	DISAGG_XID_FALLEN, /* "NVRM: GPU 0000:1b:00.0: GPU has fallen off the bus."; code is 79 */
	DISAGG_XID_MAP,	   /* "NVRM: GPU at PCI:0000:1b:00: GPU-..." */
};

#define DISAGG_XID_FALLEN_CODE	 79
#define DISAGG_XID_RECOVERY_CODE 154

struct disagg_xid_event {
	enum disagg_xid_kind kind;
	char pci[24];  /* "0000:1b:00": lower case, as far as the line has it; "" */
	char uuid[48]; /* DISAGG_XID_MAP */
	int code;
	int64_t pid;	       /* -1: none, or unknown to the driver */
	char name[20];	       /* of the process: chosen by its user, nothing to decide by */
	bool has_fatal, fatal; /* a switch's line, or NVLink 5: Fatal or Nonfatal */
	int link;	       /* -1: none */
	bool has_nvlink5;      /* unit, intrinfo and status are set */
	char unit[32];
	uint32_t intrinfo, status;
	int recovery;		/* Xid 154: the number of the action it changed to; -1 */
	char recovery_text[32]; /* "GPU Reset Required" */
};

/*
 * Reads one message of the kernel (no time, no priority before it).  True where
 * it is one of the above: it begins so, and the code stands right behind the
 * bus address; nothing that a user chooses is before it.
 */
bool disagg_xid_line(const char *text, size_t len, struct disagg_xid_event *ret);

/* ---- the table ---- */

enum disagg_drain { /* each is harder than the one before */
	DISAGG_DRAIN_NEVER,
	DISAGG_DRAIN_AFTER_REPEAT,
	DISAGG_DRAIN_AFTER_JOB,
	DISAGG_DRAIN_NOW,
	DISAGG_DRAIN_DECODE, /* these two stand in the table only */
	DISAGG_DRAIN_FOLLOW,
};

/* "never", "after_repeat", ... */
const char *disagg_drain_name(enum disagg_drain drain);

enum disagg_attribution {
	DISAGG_BLAME_NONE,
	DISAGG_BLAME_USER,
	DISAGG_BLAME_AMBIGUOUS,
	DISAGG_BLAME_INFRA,
};

struct disagg_xid_row {
	int code;
	const char *mnemonic; /* "NVLINK_ERROR"; of a switch: NULL */
	const char *text;     /* "NVLINK Error" */
	const char *catalog;  /* NVIDIA's resolutions; NULL */
	const char *cls;      /* "app", "memory", "nvlink", ... */
	const char *impact;   /* "none", "maybe", "kills" */
	enum disagg_attribution attribution;
	enum disagg_drain drain;
	const char *action; /* "none", "restart_app", "reset_gpu", "reboot_node", "inspect", ... */
	const char *note;   /* NULL */
	bool site;	    /* a site's file set drain or action */
};

struct disagg_xid_recovery {
	int nvml; /* -1: known by its text only */
	const char *text;
	enum disagg_drain drain;
	const char *action;
};

struct disagg_xid_table;

/*
 * The built-in table, with the rows of a site's file laid over it (NULL: none):
 * `xids:` and `sxids:`, each row a code and the keys to change (drain, action,
 * class, attribution, impact, note, text).  A new code is a new row.
 * DISAGG_CONFIG with the position of what is wrong in the file.  The table
 * lives in the arena.
 */
int disagg_xid_load(struct disagg_arena *arena, const char *site_path,
	struct disagg_xid_table **ret, struct disagg_err *err);

/* "2025-10 + 1": for reports */
const char *disagg_xid_version(const struct disagg_xid_table *table);

/* NULL where the code is unknown. */
const struct disagg_xid_row *disagg_xid_find(const struct disagg_xid_table *table, int code);
const struct disagg_xid_row *disagg_sxid_find(const struct disagg_xid_table *table, int code);

/*
 * NVML's recovery action, or Xid 154's: by number up to 4, above by text.  One
 * that is not known is after_job and inspect.  Never NULL.
 */
const struct disagg_xid_recovery *disagg_xid_recover(
	const struct disagg_xid_table *table, int nvml, const char *text);

/* Events of one GPU that count as a repeat, and the hours they may lie apart. */
struct disagg_xid_repeat {
	unsigned count, distinct_jobs, window_h;
};
const struct disagg_xid_repeat *disagg_xid_repeat(const struct disagg_xid_table *table);

/* ---- a verdict ---- */

struct disagg_xid_verdict {
	enum disagg_drain drain; /* never DECODE nor FOLLOW */
	enum disagg_attribution attribution;
	const char *cls, *impact, *action;
	const char *text; /* what happened, for a reader */
	const char *note; /* NULL */
	const char *by;	  /* "recovery action", "site", "nvlink5", "table", "unknown" */
};

/*
 * Of one event, in this order: the recovery action that an Xid 154 tells, the
 * site's row, the NVLink 5 rules, the table; an unknown code is after_repeat and
 * inspect.  driver_major chooses the NVLink 5 patterns (575: the newer ones);
 * 0: either.  DISAGG_XID_MAP and NONE give never.
 */
struct disagg_xid_verdict disagg_xid_judge(const struct disagg_xid_table *table,
	const struct disagg_xid_event *event, unsigned driver_major);

#endif
