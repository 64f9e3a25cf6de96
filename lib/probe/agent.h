/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_AGENT_H
#define DISAGG_PROBE_AGENT_H

#include "lib/probe/gpulist.h"
#include "lib/probe/link.h"

/*
 * A node's part of a run: starts what the lead asks for, each in a child
 * (child.h), and sends back what they say.  Messages, the number a task's
 * unless said otherwise:
 *
 *	to the agent    start {"probe","gpu","deadline_ms","args"}   stop   alive 0   end 0
 *	to the lead     gpus 0 (gpulist.h)   record   note   done {"state","reason"}
 *	                alive 0   bye 0 {"reason"}
 */
#define DISAGG_AGENT_ALIVE_NS  5000000000ll  /* between two "alive" */
#define DISAGG_AGENT_SILENT_NS 60000000000ll /* of the lead, after which an agent ends */
#define DISAGG_AGENT_TASKS     1024u	     /* at once */

/* Fills the GPUs that this step may use, in the arena; in a child, so it may call CUDA.
 * -1: err says why there is none. */
typedef int disagg_agent_devices(struct disagg_arena *arena,
	const struct disagg_probe_options *options, struct disagg_gpu_list *ret,
	struct disagg_err *err);

struct disagg_agent_spec {
	const char *node;
	const struct disagg_probe *probes; /* ends with name NULL */
	const struct disagg_probe_options *options;
	disagg_agent_devices *devices; /* NULL: no GPUs */
	int signal_fd;		       /* a signalfd of what ends the run; -1 */
};

/* Until the lead has said "end" or is gone, or a signal came; then no child is left but
 * such as KILL does not end.  0, or -1: it was not the lead's "end". */
int disagg_agent_serve(
	const struct disagg_agent_spec *spec, struct disagg_link *link, struct disagg_err *err);

#endif
