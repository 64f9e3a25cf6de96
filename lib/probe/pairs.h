/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_PAIRS_H
#define DISAGG_PROBE_PAIRS_H

#include "lib/probe/fleet.h"

/*
 * nccl.pairs: localise.h over a fleet.  Each test is two tasks (pair.h): a rail
 * is a GPU's place among its node's, its value what the GPUs at that place send
 * each other.  Records: those of each pair and rail, by the nodes; then one a
 * node, param "verdict", with the best value of its worst rail, and more where
 * something is wrong:
 *
 *	fail	the node, or one rail of it, is slow with every partner
 *	warn	a path, a leaf or the whole fleet is slow; or one of two nodes,
 *		where no third was left; or fewer than 8 nodes and no reference
 *	unknown	no test with it came to an end; it cannot be tested
 *	pass	with a reason: it was slow once, and not when repeated
 *
 * A node's leaf is SLURM_TOPOLOGY_ADDR without its last part (sbatch(1), with
 * topology/tree or block).  The reference value of a rail is 0.9 of its share of
 * the node's InfiniBand and RoCE ports of the highest rate, whatever they are
 * connected to; only where more than half of the fleet is below it does it count.
 */
#define DISAGG_PAIRS_OF_LINE 0.9

/* Up to so many nodes all pairs are tested, not some: a round more a node, 1 to 3 s each where
 * NCCL starts.  More nodes than these have too many paths for that. */
#define DISAGG_PAIRS_ALL	  16
#define DISAGG_PAIRS_ALL_THOROUGH 128

/* All rounds together, of the probe's deadline: a test that hangs costs one of them, and the
 * search needs no more than eight or so in a row.  After it what is known is told, in a
 * record "search" with what it took, and the rest is unknown, or was not tested where only
 * paths are left. */
#define DISAGG_PAIRS_DEADLINES 10

/* A node's part: args {"place":true} asks for its place by a note,
 * {"leaf":"s0.s1","ports_gbs":400.0}, each where it is known; others are pair.h's. */
int disagg_pairs_run(struct disagg_probe_run *run, struct disagg_err *err);

int disagg_pairs_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err);

/* GB/s (1e9 bytes) of all active ports of the highest rate below sysroot; 0: none. */
double disagg_pairs_ports(struct disagg_arena *arena, const char *sysroot);

#endif
