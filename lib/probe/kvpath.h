/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_KVPATH_H
#define DISAGG_PROBE_KVPATH_H

#include "lib/plan/plan.h"
#include "lib/probe/fleet.h"
#include "lib/probe/kv.h"

/*
 * kv.path: the way that KV caches take from prefill to decode nodes.  The pairs are
 * those of the plan, else of all nodes.  The decode node gets blocks from the
 * prefill node's host memory, 16 at once, as NIXL reads them: by UCX where both
 * nodes have it, else over TCP.  What goes over no fabric (TCP, shared memory) is
 * marked so, and no node is judged by its bandwidth.  Then all pairs at once, many to one, and one
 *to many.
 *
 *	of			param			value
 *	decode node, peer	get 64K x16		GB/s (1e9 bytes)
 *	the same		get 64K x16 p99		us until all 16 are there; raw: samples
 *	the same		put 1M x16		GB/s, the other way; checked there
 *	the same		together 1M x16		GB/s with all other pairs
 *	a node			incast N, outcast N	GB/s of N pairs together
 *	a node			verdict			GB/s, median of its pairs alone
 *	a role			t_kv 8192		ms for a request of so many tokens
 *
 * Every block is compared once: a byte that differs is a failure of the pair.
 * Sizes: kv_block_bytes, the model's block (kv.h), 64K, 256K, 1M.
 */
#define DISAGG_KVPATH_BATCH	16
#define DISAGG_KVPATH_PAGE	16   /* tokens: vLLM's default block_size */
#define DISAGG_KVPATH_CONGESTED 1.15 /* times what sharing the nodes' NICs explains */

struct disagg_kvpath_flow {
	uint32_t prefill, decode; /* nodes */
	unsigned round;		  /* a node is in one flow of a round */
};

/*
 * At most `rounds` rounds.  plan NULL, or of another number of nodes: pairs of all nodes
 * (circle method).  Not NULL: each prefill node with decode nodes in turn; *ret_count 0
 * where it has not both.
 */
int disagg_kvpath_flows(struct disagg_arena *arena, const struct disagg_plan *plan, size_t nodes,
	unsigned rounds, struct disagg_kvpath_flow **ret, size_t *ret_count,
	struct disagg_err *err);

int disagg_kvpath_run(struct disagg_probe_run *run, struct disagg_err *err);
int disagg_kvpath_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err);

#endif
