/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_GPULIST_H
#define DISAGG_PROBE_GPULIST_H

#include "lib/probe/probe.h"

/*
 * A node's GPUs on their way from the child that lists them to its agent and
 * to the lead: {"gpus":[{"index","uuid","name","pci","cohort",
 * "mem_bytes","mig","busy"}],"reason"}
 */
struct disagg_gpu_list {
	struct disagg_gpu *gpu;
	size_t count;
	const char **busy;  /* by GPU: who else uses it; NULL, or NULL for each that is free */
	const char *reason; /* why there is none; NULL */
};

void disagg_gpu_list_put(struct disagg_strbuf *out, const struct disagg_gpu_list *list);
/* Texts are copied and bounded; at most DISAGG_MAX_GPUS_PER_NODE.  DISAGG_INVALID. */
int disagg_gpu_list_read(struct disagg_arena *arena, const char *text, size_t len,
	struct disagg_gpu_list *ret, struct disagg_err *err);

#endif
