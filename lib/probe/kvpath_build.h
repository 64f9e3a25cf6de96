/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_KVPATH_BUILD_H
#define DISAGG_PROBE_KVPATH_BUILD_H

#include "lib/probe/kvpath.h"
#include "lib/probe/serving.h"

/* For lib/probe/kvpath*.c only. */
struct kvpath_result {
	double get_gbs, together_gbs; /* 0: not measured */
	bool representative;
	const char *label;  /* NULL: nothing came */
	const char *reason; /* why not; NULL */
};

struct kvpath {
	struct disagg_fleet *fleet;
	const struct disagg_probe *probe;
	size_t nodes;
	unsigned measure_ms, window_ms; /* of a size alone; of what is measured all at once */
	const struct disagg_plan *plan; /* NULL: none that fits */
	struct disagg_kv_model model;
	bool has_model;
	struct disagg_serving serving;
	struct disagg_kvpath_flow *flow;
	struct kvpath_result *result; /* of a flow */
	size_t flows;
	double *scratch; /* room for all flows */
};

/* kvpath_verdict.c: records over pairs, nodes and roles. */
int kvpath_tell(struct kvpath *path, struct disagg_err *err);

#endif
