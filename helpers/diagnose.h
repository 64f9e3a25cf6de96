/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_DIAGNOSE_H
#define DISAGG_HELPERS_DIAGNOSE_H

#include "lib/base/strbuf.h"
#include "lib/diag/diagnose.h"

/* The parts of disagg-diagnose: how a diagnosis is shown. */
struct diagnose_shown {
	const struct disagg_diagnosis *diagnosis;
	const struct disagg_runfiles *files;
	const struct disagg_scan *scan;
	bool colour;
	bool all; /* signals of every rank, and all tasks' ends */
};

/* For people, in 80 columns. */
void diagnose_put_text(struct disagg_strbuf *out, const struct diagnose_shown *shown);

/* One object (schema disagg.diagnosis/1). */
void diagnose_put_json(struct disagg_strbuf *out, const struct diagnose_shown *shown);

/* One test case, which failed or passed. */
void diagnose_put_junit(struct disagg_strbuf *out, const struct diagnose_shown *shown);

#endif
