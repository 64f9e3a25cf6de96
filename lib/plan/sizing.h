/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_SIZING_H
#define DISAGG_PLAN_SIZING_H

#include "lib/plan/plan.h"

/* How a value of ours meets one that the user gave to sbatch, srun, salloc. */
enum disagg_strength {
	DISAGG_SIZE_PLAN,    /* follows from the plan: another value is refused */
	DISAGG_SIZE_DEFAULT, /* the user's value wins */
	DISAGG_SIZE_REFUSE,  /* the option has no place beside ours: any value is refused */
	DISAGG_SIZE_CHECK,   /* not set by us; a value that the user gives must agree */
};

struct disagg_size {
	const char *option; /* slurm_option_set's name: "nodes", "ntasks-per-node", ... */
	const char *value;  /* "" for a flag; NULL for DISAGG_SIZE_REFUSE */
	enum disagg_strength strength;
	struct disagg_origin at; /* the key of the file that it follows from */
	const char *why;	 /* "2 prefill and 4 decode workers on nodes of 4 GPUs" */
	const char *advice;	 /* DISAGG_SIZE_REFUSE: what to say instead; may be NULL */
};

/* An option whose value in the file is still a <placeholder>. */
struct disagg_size_missing {
	const char *option;
	const char *value; /* "<partition>" */
	struct disagg_origin at;
};

/* Whether it is put to Slurm, and not only held against what the user says. */
static inline bool disagg_size_is_asked(const struct disagg_size *size)
{
	return size->value &&
	       (size->strength == DISAGG_SIZE_PLAN || size->strength == DISAGG_SIZE_DEFAULT);
}

struct disagg_sizing {
	struct disagg_size *v;
	unsigned count;
	struct disagg_size_missing *missing;
	unsigned missing_count;
};

/* What to ask Slurm for (DESIGN: nodes, ntasks-per-node, gpus-per-node, ...).
 * With job->rehearse no GPUs.  A needed value that is still a <placeholder>
 * is an error; all that are missing are listed at once. */
int disagg_plan_sizing(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, struct disagg_sizing *ret, struct disagg_findings *found);

/* plan_sizing's halves, for those who plan on without the missing values, or
 * know that the user gives them: make lists them in ret->missing and is silent
 * about them; missing reports those that `given` (which may be NULL) denies. */
int disagg_sizing_make(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, struct disagg_sizing *ret, struct disagg_findings *found);
int disagg_sizing_missing(const struct disagg_sizing *sizing,
	bool (*given)(const char *option, void *context), void *context,
	struct disagg_findings *found);

/* Whether a value that the user gave says what ours says ("h100:4" and "4"
 * GPUs a node, "3-3" and "3" nodes); always for DEFAULT, never for REFUSE. */
bool disagg_size_agrees(const struct disagg_size *size, const char *given);

#endif
