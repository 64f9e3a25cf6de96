/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_TELL_H
#define DISAGG_DIAG_TELL_H

#include "lib/base/strbuf.h"
#include "lib/diag/diagnose.h"

/* How a diagnosis is shown. */
struct disagg_tell {
	const struct disagg_diagnosis *diagnosis;
	const struct disagg_runfiles *files;
	const struct disagg_scan *scan;
	bool colour; /* text only */
	bool all;    /* text only: every signal with samples, and all tasks' ends */
};

/* For people, in 80 columns; the first line is the verdict. */
void disagg_tell_text(struct disagg_strbuf *out, const struct disagg_tell *tell);

/* One object (schema disagg.diagnosis/1) with a newline. */
void disagg_tell_json(struct disagg_strbuf *out, const struct disagg_tell *tell);

/* One test case, which failed or passed. */
void disagg_tell_junit(struct disagg_strbuf *out, const struct disagg_tell *tell);

#endif
