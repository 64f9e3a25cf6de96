/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_GPUSTATE_H
#define DISAGG_PROBE_GPUSTATE_H

#include "lib/probe/devices.h"

/*
 * What a GPU says of itself while it is measured, so that a slow value carries
 * its explanation: clocks, power, temperature, and why clocks are low.
 */
struct disagg_gpustate {
	struct disagg_nvml nvml;
	nvmlDevice_t device;
	bool is_open;

	/* of the last look; 0: not known */
	unsigned sm_mhz, sm_most_mhz, power_w, limit_w, degrees;
	unsigned long long reasons; /* of all looks: nvmlClocksEventReason... */
};

/* Without NVML, or a GPU that does not answer, every look sees nothing: no error. */
void disagg_gpustate_open(struct disagg_gpustate *state, const struct disagg_gpu *gpu);
void disagg_gpustate_look(struct disagg_gpustate *state);
void disagg_gpustate_close(struct disagg_gpustate *state);

/*
 * "HW slowdown, HW thermal slowdown; SM 1200 of 1980 MHz, 690 of 700 W, 91 C", or NULL
 * where nothing held the clocks back.  The software power cap counts: it explains a
 * value that is a few percent low, and is usual under full load.
 */
const char *disagg_gpustate_hint(const struct disagg_gpustate *state, struct disagg_arena *arena);

#endif
