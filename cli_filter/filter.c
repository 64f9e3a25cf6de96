/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_filter/disagg: sizes the job where a site does not want a SPANK plugin
 * to do it, through the interface that Slurm has for this (cli_filter_p_*).
 * Slurm installs no header for it; what is declared here is the same in 22.05
 * and later.  The SPANK plugin is still what adds the options.
 */
#include <stdint.h>
#include <stdbool.h>
#include <slurm/slurm_version.h>
#include "spank/handoff.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct slurm_options slurm_opt_t;

EXPORT extern const char plugin_name[];
EXPORT extern const char plugin_type[];
EXPORT extern const uint32_t plugin_version;
EXPORT int cli_filter_p_setup_defaults(slurm_opt_t *opt, bool early);
EXPORT int cli_filter_p_pre_submit(slurm_opt_t *opt, int offset);
EXPORT void cli_filter_p_post_submit(int offset, uint32_t job_id, uint32_t step_id);

const char plugin_name[] = "sizes jobs from their --disagg-config";
const char plugin_type[] = "cli_filter/disagg";
const uint32_t plugin_version = SLURM_VERSION_NUMBER;

int cli_filter_p_setup_defaults(slurm_opt_t *opt, bool early)
{
	(void)opt;
	(void)early;
	return 0;
}

int cli_filter_p_pre_submit(slurm_opt_t *opt, int offset)
{
	(void)offset;
	return disagg_handoff_filter(opt);
}

void cli_filter_p_post_submit(int offset, uint32_t job_id, uint32_t step_id)
{
	(void)offset;
	(void)job_id;
	(void)step_id;
}
