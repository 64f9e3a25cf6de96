/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_DEVICES_H
#define DISAGG_PROBE_DEVICES_H

#include "lib/base/arena.h"
#include "lib/probe/nvml.h"
#include "lib/probe/probe.h"

/*
 * The GPUs that this step may use, read through NVML: no CUDA context is made,
 * so a GPU that hangs in CUDA is listed all the same.  In a process of its own.
 *
 * `visible` is the step's CUDA_VISIBLE_DEVICES, NULL where it is unset, and is
 * read as CUDA reads it: positions or the beginnings of UUIDs, and what stands
 * behind one that names no GPU does not count.  Positions are those in the order
 * of the PCI bus, among the GPUs that this process may open.
 *
 * A GPU in MIG mode is listed by its instances ("MIG-..."), one each.  CUDA
 * itself shows a process one instance only; with the UUID of one in
 * CUDA_VISIBLE_DEVICES it is that one.
 *
 * DISAGG_SKIPPED: no driver, or no GPU is left.  Other codes: nvml.h.
 */
int disagg_devices_list(struct disagg_arena *arena, const char *visible, struct disagg_gpu **ret,
	size_t *ret_count, struct disagg_err *err);

/* The GPU of a listed one in an NVML that is open; of a MIG instance the GPU it is part of,
 * which is what has clocks, links and a PCI slot.  DISAGG_SYSTEM. */
int disagg_devices_handle(const struct disagg_nvml *nvml, const struct disagg_gpu *gpu,
	nvmlDevice_t *ret, struct disagg_err *err);

/*
 * The NVLink domain of a GPU (GB200 racks, IMEX): GPUs of equal cluster and
 * clique reach each other by NVLink across nodes.
 */
struct disagg_fabric {
	bool supported;	     /* else nothing below counts */
	const char *state;   /* "not started", "in progress", "completed" */
	bool completed;	     /* the fabric manager has taken it in */
	nvmlReturn_t status; /* of that; NVML_SUCCESS is good */
	char cluster[37];    /* "8-4-4-4-12"; all zeros: not known */
	unsigned clique;
};

void disagg_devices_fabric(
	const struct disagg_nvml *nvml, nvmlDevice_t device, struct disagg_fabric *ret);

#endif
