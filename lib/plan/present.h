/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_PRESENT_H
#define DISAGG_PLAN_PRESENT_H

#include "lib/plan/render.h"

/* A job in one of the forms that people and programs ask for. */
enum disagg_format {
	DISAGG_AS_TABLE,
	DISAGG_AS_JSON,
	DISAGG_AS_SBATCH,
	DISAGG_AS_ENV,
	DISAGG_AS_SVG,
	DISAGG_AS_EXPLANATION, /* every value with its origin; needs no plan */
	DISAGG_AS_VERDICT,     /* "LABEL: ok, 3 nodes, 12 GPUs" */
};

struct disagg_present {
	enum disagg_format format;
	const char *label;   /* what the user calls it: "x.yaml:base" */
	const char *heading; /* goes before it, with `label` behind; NULL: none */
	bool colour;
};

/*
 * Plans, sizes and appends to `out`, which ends with a newline.  What a
 * submission or a run still needs becomes a warning.  -1: the problems are in `found`.
 */
int disagg_present(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_present *how, struct disagg_strbuf *out, struct disagg_findings *found);

#endif
