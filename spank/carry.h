/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_CARRY_H
#define DISAGG_SPANK_CARRY_H

#include "spank/submit.h"

/* The variables that a job carries; a name in SLURM_ passes every --export. */
#define DISAGG_ENV_PLAN	     "SLURM_DISAGG_PLAN"
#define DISAGG_ENV_CONFIG    "SLURM_DISAGG_CONFIG"
#define DISAGG_ENV_OFFSET    "SLURM_DISAGG_PORT_OFFSET"
#define DISAGG_ENV_EXCLUDED  "SLURM_DISAGG_EXCLUDED"
#define DISAGG_ENV_ADDRESSES "SLURM_DISAGG_ADDRESSES"
/* "none": tasks of a step that names no role have none, though the step has the
 * plan's shape */
#define DISAGG_ENV_ROLES "SLURM_DISAGG_ROLES"

/* Plan and configuration into the environment of the job that is submitted,
 * and what its epilog needs. */
int disagg_carry_plan(const struct disagg_submit *submit, struct disagg_arena *arena,
	struct spank_handle *sp, struct disagg_err *err);

/* A job asked for from inside another must not take the other's plan, nor its
 * options. */
void disagg_carry_nothing(const struct disagg_said *said, struct spank_handle *sp);

#endif
