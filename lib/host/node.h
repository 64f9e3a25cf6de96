/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_NODE_H
#define DISAGG_HOST_NODE_H

#include "lib/host/inside.h"

/*
 * What a node must have before workers start on it, and what is better to have.
 * Each thing that is wrong is told once, with the node's name and the fix.
 */
#define DISAGG_NODE_FILES      8192ul /* open files below which there is a warning */
#define DISAGG_NODE_NAMES_MOST 64u    /* host names that one node looks up */

struct disagg_node_facts {
	const struct disagg_inside *in;
	uint32_t node;	      /* this one's position in the job */
	const char *sys;      /* "/sys" */
	unsigned long files;  /* limit of open files */
	unsigned long locked; /* limit of locked memory, bytes; ULONG_MAX: none */
};

/* `code` is DISAGG_OK for a warning, else the exit code of the run. */
typedef void disagg_node_tell(void *context, enum disagg_code code, const char *text);

/*
 * The run directory can be written here, the job's host names have addresses
 * (all of up to 64; of more this node's and those after it), the interface of the
 * file has one; the limits of open files, and of locked memory where there are
 * RDMA devices (registering memory for KV transfers needs it; a rehearsal
 * transfers over TCP).
 */
void disagg_node_check(
	const struct disagg_node_facts *facts, disagg_node_tell *tell, void *context);

/* The hard limits of this process: a worker's are raised to them. */
void disagg_node_limits(struct disagg_node_facts *facts);

/* What the hard limits allow this process: open files, at most `files`, and all of
 * the memory that may be locked. */
void disagg_node_raise_limits(unsigned long files);

/* The address that other nodes are to use: that of network_interface where the
 * configuration has one, else ""; in the arena. */
const char *disagg_node_address(const struct disagg_inside *in);

#endif
