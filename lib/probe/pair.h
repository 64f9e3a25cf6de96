/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_PAIR_H
#define DISAGG_PROBE_PAIR_H

#include "lib/probe/probe.h"

/*
 * What two nodes have between them (or three, where their number is odd), each
 * node's part: the function of nccl.pairs in the probe table.  Args:
 *
 *	{"nodes":["n1","n5"], "node":0, "ranks_per_node":8, "bytes":268435456,
 *	 "iterations":20, "rails":true, "stall_ms":10000, "id":"<256 hex digits>"}
 *
 *	nodes		their names, in the order of their ranks: 2 or 3
 *	node		which of them this is
 *	ranks_per_node	its first so many GPUs take part; the same on each
 *	bytes		what a rail carries each way, and the all-reduce's size
 *	iterations	timed runs of each (20), after 5, or as many, to warm up
 *	rails		also rail by rail (true)
 *	stall_ms	of waiting in vain for the other, after which it gives up (0: never)
 *	id		of NCCL; without one this node makes it and notes it
 *
 * Notes: phase.h; the id is in the first.  Each two of the nodes after another:
 * GPU r sends to GPU r and receives from it, all rails at once (with
 * NCCL_PXN_DISABLE=1 and NCCL_CROSS_NIC=0, so that a rail is a NIC).  Then an
 * all-reduce of all.
 *
 *	of			param		rail	peer		value
 *	the first of two	rail 256M	r	the other	GB/s each way
 *	nodes[0]		all_reduce 256M	-	nodes[1]	busbw, GB/s
 *
 * The values' better side is not told: they are the lead's to compare.  A GPU that received
 * something wrong has a record with status fail, of its own node.
 */
int disagg_probe_pair_run(struct disagg_probe_run *run, struct disagg_err *err);

#endif
