/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_SIGNATURES_H
#define DISAGG_DIAG_SIGNATURES_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * What lines of logs mean: lib/diag/signatures.yaml, which is part of the
 * program, with a site's own file before it.
 */

/* Whose failure it is (facts: a verdict has exactly one). */
enum disagg_fault {
	DISAGG_FAULT_UNKNOWN,
	DISAGG_FAULT_USER_APP,
	DISAGG_FAULT_OOM_HOST,
	DISAGG_FAULT_OOM_GPU,
	DISAGG_FAULT_GPU_HW,
	DISAGG_FAULT_GPU_MEM,
	DISAGG_FAULT_NVLINK,
	DISAGG_FAULT_FABRIC,
	DISAGG_FAULT_PCIE,
	DISAGG_FAULT_STORAGE,
	DISAGG_FAULT_SERVICE_TIMEOUT,
	DISAGG_FAULT_SCHEDULER,
	DISAGG_FAULT_CANCELLED,
	DISAGG_FAULT_CONFIG,
	DISAGG_FAULT_COUNT,
};
/* "unknown", "user_app", ... ; ends with NULL */
extern const char *const disagg_fault_names[DISAGG_FAULT_COUNT + 1];

enum disagg_rank {	   /* each is weaker than the one before */
	DISAGG_RANK_CAUSE, /* others follow from it */
	DISAGG_RANK_CRASH, /* a cause, unless the process told a reason shortly before */
	DISAGG_RANK_SYMPTOM,
	DISAGG_RANK_CONSEQUENCE,
	DISAGG_RANK_TRACE, /* an error of which nothing is known */
	DISAGG_RANK_COUNT,
};
extern const char *const disagg_rank_names[DISAGG_RANK_COUNT + 1];

#define DISAGG_SIGNATURES_MOST 512u
#define DISAGG_PATTERNS_MOST   4096u

struct disagg_signature {
	const char *id;
	enum disagg_fault fault;
	enum disagg_rank rank;
	const char *title; /* what has happened */
	const char *hint;  /* what to do */
	bool case_matters;
	const char *const *pattern;
	unsigned pattern_count;
};

struct disagg_signatures {
	const struct disagg_signature *v; /* a line is of the first that matches */
	unsigned count;
	unsigned pattern_count; /* of all */
};

/* site_path NULL: the built-in ones alone.  DISAGG_CONFIG with a position. */
int disagg_signatures_load(struct disagg_arena *arena, const char *site_path,
	struct disagg_signatures *ret, struct disagg_err *err);

#endif
