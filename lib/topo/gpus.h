/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TOPO_GPUS_H
#define DISAGG_TOPO_GPUS_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>

/* A GPU of NVIDIA's driver. */
struct disagg_gpu {
	const char *pci;  /* "0000:19:00.0" */
	const char *uuid; /* "GPU-..."; "" where the driver does not say */
	bool allowed;	  /* this process may open it: Slurm confines a job to its own */
};

struct disagg_gpus {
	struct disagg_gpu *v; /* by PCI address */
	unsigned count;
};

/* From proc/driver/nvidia/gpus and dev/nvidia<N> below `root` ("" in
 * production).  DISAGG_MISSING: there is no driver. */
int disagg_gpus_read(struct disagg_arena *arena, const char *root, struct disagg_gpus *ret,
	struct disagg_err *err);

/*
 * The PCI addresses of the GPUs that CUDA_VISIBLE_DEVICES means, in its order.
 * A number counts among the GPUs that this process may open, as CUDA counts
 * GPUs of one model: by PCI address.  An error where one cannot be told: part
 * of a GPU (MIG), no such GPU, no text.
 */
int disagg_gpus_visible(struct disagg_arena *arena, const struct disagg_gpus *gpus,
	const char *visible, const char ***ret_pci, unsigned *ret_count, struct disagg_err *err);

#endif
