/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_WORK_H
#define DISAGG_PROBE_WORK_H

#include "lib/probe/agent.h"
#include "lib/probe/child.h"

/*
 * What a child of the agent does.  Its lines: 'r' and a record, 'n' and a
 * note, 'g' and a list of GPUs, and last 'd', the code and a text.
 */
struct disagg_work {
	const struct disagg_agent_spec *agent;
	const struct disagg_probe *probe; /* NULL: lists the GPUs */
	const struct disagg_gpu_list *gpus;
	const struct disagg_gpu *gpu;	/* NULL */
	const struct disagg_json *args; /* NULL */
};

/* context is a struct disagg_work. */
disagg_child_work disagg_work_run;

#endif
