/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_INTEROP_H
#define DISAGG_PROBE_INTEROP_H

#include "lib/probe/probe.h"

/*
 * nccl.interop: all GPUs of all nodes as one communicator, without MPI: an
 * all-reduce of 8 bytes, 1 MiB and 256 MiB (none above nccl_max_bytes), whose result
 * each GPU checks in every element.
 *
 * The lead lets the first node make the unique id and gives it to the others.  A
 * node that cannot begin (no NCCL, a CUDA error) is left out, and the rest is
 * tried again; so is one that the others turn out to have waited for: of those that told
 * no error of their own, the ones that reached least.  Each of them has a record with
 * status unknown, whose hint names all nodes by the phase they reached.  Where all have
 * reached the same, all have such a record.
 *
 *	param			value
 *	all_reduce 256M		busbw, GB/s, of each node, from 64K on; raw: of single runs
 *	all_reduce 256M time	us of a run; what the world was is in the hint
 *	world size		ranks; of the first node
 */
int disagg_probe_interop_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err);

/*
 * A node's part.  Args: {"first_rank":8, "ranks":16, "nodes":2,
 * "sizes":[8,1048576,268435456], "iterations":20, "stall_ms":30000,
 * "id":"<256 hex digits>"}; stall_ms: of waiting in vain, after which it gives up (0: never);
 * without an id this node makes it.  Notes: phase.h.
 */
int disagg_probe_interop_run(struct disagg_probe_run *run, struct disagg_err *err);

#endif
