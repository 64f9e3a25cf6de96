/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_WIRE_H
#define DISAGG_PLAN_WIRE_H

#include "lib/plan/plan.h"

#define DISAGG_WIRE_VERSION 2

/*
 * The plan as the text of SLURM_DISAGG_PLAN: printable ASCII, versioned, with
 * a length and a checksum, run-length coded, at most DISAGG_MAX_WIRE_BYTES
 * (docs/wire-format.md).  decode(encode(p)) equals p field by field.
 */
int disagg_wire_encode(struct disagg_arena *arena, const struct disagg_plan *plan,
	const char **ret_text, struct disagg_err *err);

/* Bounded whatever the bytes are.  Another version: an error that says which
 * side is older. */
int disagg_wire_decode(struct disagg_arena *arena, const char *text, struct disagg_plan **ret_plan,
	struct disagg_err *err);

#endif
