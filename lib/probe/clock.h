/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_CLOCK_H
#define DISAGG_PROBE_CLOCK_H

#include "lib/probe/fleet.h"
#include <stdint.h>

/*
 * clock.skew: how far a node's clock is ahead of the fleet's, by exchanges with the
 * first node as NTP has them (RFC 5905, section 8: offset ((T2 - T1) + (T3 - T4)) / 2);
 * that of the shortest round trip counts, its half is what the offset may be off by.
 */
#define DISAGG_CLOCK_EXCHANGES 8
#define DISAGG_CLOCK_WARN_MS   50.0
#define DISAGG_CLOCK_FAIL_MS   500.0

struct disagg_clock_offset {
	double ahead_ms; /* of this node, before the other */
	double round_trip_ms;
};

/* t[0] asked here, t[1] came there, t[2] left there, t[3] came back here; Unix ns. */
struct disagg_clock_offset disagg_clock_offset_of(const int64_t (*t)[4], size_t count);

/* What the lead makes of the offsets: `median` of the fleet is where the time is, so that
 * a first node that is wrong is named, not all others.  With fewer than three it is 0. */
enum disagg_probe_status disagg_clock_judge(
	const struct disagg_clock_offset *offset, double median_ms);

int disagg_clock_run(struct disagg_probe_run *run, struct disagg_err *err);
int disagg_clock_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err);

#endif
