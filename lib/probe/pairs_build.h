/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_PAIRS_BUILD_H
#define DISAGG_PROBE_PAIRS_BUILD_H

#include "lib/probe/localise.h"
#include "lib/probe/pairs.h"

/* For lib/probe/pairs*.c only. */
struct pairs {
	struct disagg_fleet *fleet;
	const struct disagg_probe *probe;
	size_t nodes;
	size_t rails; /* GPUs of a node that take part */
	uint64_t bytes;
	struct disagg_localise *search;
	bool *takes_part;
	const char **leaf_name; /* of a node; NULL: not known */
	unsigned *leaf;
	bool has_leaves;
	double reference; /* GB/s of a rail; 0: none */
	const char **why; /* of a node: how its last task failed; NULL */
	double *best;	  /* of a node: of its tests, the worst rail; -1 */
	unsigned *tests;
	int64_t start_ns, until_ns; /* of the search */
	bool cut;		    /* it had no time to come to its end */
};

/* pairs_verdict.c: records of the findings, and of the nodes that passed. */
int pairs_tell(struct pairs *pairs, struct disagg_err *err);

#endif
