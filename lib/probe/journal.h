/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_JOURNAL_H
#define DISAGG_PROBE_JOURNAL_H

#include "lib/probe/record.h"

/* records.jsonl: each record is written as it comes, whole lines only.  Where the disk is
 * full nothing more is written, and the run goes on. */
struct disagg_journal {
	int fd;	     /* -1: none */
	long length; /* bytes of whole lines */
	bool failed;
	char path[4096];
};

/* Creates or empties the file.  DISAGG_SYSTEM. */
int disagg_journal_open(struct disagg_journal *journal, const char *path, struct disagg_err *err);
/* -1 once: err says what failed, and that nothing more is written. */
int disagg_journal_add(struct disagg_journal *journal, const struct disagg_probe_record *record,
	struct disagg_err *err);
void disagg_journal_close(struct disagg_journal *journal);

#endif
