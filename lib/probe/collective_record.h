/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_COLLECTIVE_RECORD_H
#define DISAGG_PROBE_COLLECTIVE_RECORD_H

#include "lib/probe/probe.h"
#include "lib/probe/ranks.h"

/* The records that the collective probes have in common. */

/* "all_reduce 8M" with what follows, in the run's arena; NULL: no memory. */
const char *disagg_collective_param(
	struct disagg_probe_run *run, const struct disagg_ranks_job *job, const char *more);

/*
 * Fills, runs once, and emits a failure for each GPU that received something
 * wrong; *ret_wrong is how many did.
 */
int disagg_collective_verify(struct disagg_probe_run *run, struct disagg_ranks *ranks,
	const struct disagg_ranks_job *job, unsigned *ret_wrong, struct disagg_err *err);

/* busbw of a timing, with that of single runs as raw. */
struct disagg_probe_record disagg_collective_record(const struct disagg_ranks *ranks,
	const struct disagg_ranks_job *job, const struct disagg_ranks_timing *timing);

/* Seconds of a clock that only goes forward, for durations. */
double disagg_collective_now(void);

/* The GPUs that a run may drive with NCCL.  DISAGG_SKIPPED: MIG instances, which NCCL
 * does not connect (NCCL user guide, "MIG"). */
int disagg_collective_gpus(
	const struct disagg_probe_run *run, unsigned *ret, struct disagg_err *err);

#endif
