/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_MESH_H
#define DISAGG_PROBE_MESH_H

#include "lib/probe/fleet.h"
#include <stdint.h>

/*
 * net.tcp_mesh: each node asks 8 others, drawn so that each is asked by 8: the
 * time to connect, of one byte there and back, the rate of 1 MiB; the path's
 * MTU; whether names lead to addresses and back.  A pair that does not connect
 * is named; a node that half of its peers cannot reach, or that reaches not
 * half of them, is named in their place.
 */
#define DISAGG_MESH_PEERS      8
#define DISAGG_MESH_CONNECT_MS 5.0 /* 99 of 100 connections take less; else warn */

/* The peers of node `at` of `nodes` (a permutation and distances drawn from the seed):
 * fills ret with up to DISAGG_MESH_PEERS nodes, returns how many.  order: room for all nodes. */
size_t disagg_mesh_peers(
	size_t nodes, size_t at, uint64_t seed, uint32_t *order, size_t ret[DISAGG_MESH_PEERS]);

/* Who is to blame where pairs failed: of each node, how many asked it and it asked. */
struct disagg_mesh_pair {
	uint32_t from, to;
	bool failed;
	bool blamed; /* set: one of the two is named in its place */
};
struct disagg_mesh_node {
	unsigned asked_by, failed_by, asks, fails;
	bool unreachable, isolated;
};
/* node: zeroed. */
void disagg_mesh_blame(
	struct disagg_mesh_pair *pair, size_t pairs, struct disagg_mesh_node *node, size_t nodes);

int disagg_mesh_run(struct disagg_probe_run *run, struct disagg_err *err);
int disagg_mesh_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err);

#endif
