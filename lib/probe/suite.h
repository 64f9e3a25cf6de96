/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_SUITE_H
#define DISAGG_PROBE_SUITE_H

#include "lib/probe/lead.h"

/*
 * Probes one after another, each over all nodes at once; GPU_ALONE measures
 * one GPU of each node at a time.  Whatever does not come is a record too:
 * `skip` where the probe says that it does not apply, or the node has no GPU,
 * else `unknown` with the reason.
 */
struct disagg_suite_step {
	const struct disagg_probe *probe;
	size_t index, count; /* of the probes */
};

struct disagg_suite {
	const struct disagg_probe *const *probe;
	size_t count;
	/* before each probe, and after the last with probe NULL; may be NULL */
	void (*begin)(void *context, const struct disagg_suite_step *step);
	void *context;
};

/* -1: cancelled (DISAGG_TIMEOUT; what is missing is `unknown` then too) or no memory. */
int disagg_suite_run(
	struct disagg_fleet *fleet, const struct disagg_suite *suite, struct disagg_err *err);

#endif
