/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_HEALTH_H
#define DISAGG_PROBE_HEALTH_H

#include "lib/diag/xid.h"
#include "lib/probe/devices.h"

/*
 * What NVML says is wrong with GPUs, without a CUDA context: errors of memory
 * and links, what the driver wants done, what slows a GPU down.
 */
struct disagg_health_finding {
	const struct disagg_gpu *gpu; /* NULL: the node */
	const char *check;	      /* "ecc", "remap", "nvlink", ... */
	enum disagg_probe_status status;
	bool hard; /* the hardware of this node, beyond doubt: no job is to start */
	const char *reason;
	const char *hint;
};

struct disagg_health {
	struct disagg_health_finding *finding;
	size_t count, room;
	size_t gpus; /* that were looked at */
};

/* In a process of its own.  `nvml` is open.  DISAGG_SYSTEM: no memory. */
int disagg_health_read(struct disagg_arena *arena, const struct disagg_nvml *nvml,
	const struct disagg_gpu *gpus, size_t count, struct disagg_health *ret,
	struct disagg_err *err);

/* Opens NVML, and lists the GPUs that `visible` names (devices.h); for who has no list. */
int disagg_health_look(struct disagg_arena *arena, const char *visible, struct disagg_health *ret,
	struct disagg_err *err);

/*
 * The processes that use these GPUs, of this node and not of the caller's
 * session: "GPU 3: process 4711 (python3)", a few of them; NULL: none.  Probes that
 * measure are skipped with this reason unless options->force.
 */
const char *disagg_health_busy(struct disagg_arena *arena, const struct disagg_nvml *nvml,
	const struct disagg_gpu *gpus, size_t count);

/* gpu.health */
int disagg_health_run(struct disagg_probe_run *run, struct disagg_err *err);

#endif
