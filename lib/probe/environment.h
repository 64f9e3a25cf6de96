/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_ENVIRONMENT_H
#define DISAGG_PROBE_ENVIRONMENT_H

#include "lib/probe/fleet.h"

/*
 * env.fingerprint: each node tells digests of what has to be equal, the lead
 * asks for what differs (gather.h) and says it: one record a node and key, one
 * of the fleet, with the number of keys that differ.
 */
int disagg_environment_run(struct disagg_probe_run *run, struct disagg_err *err);
int disagg_environment_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err);

#endif
