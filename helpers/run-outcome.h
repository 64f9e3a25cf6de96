/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_RUN_OUTCOME_H
#define DISAGG_HELPERS_RUN_OUTCOME_H

#include "lib/base/hostlist.h"
#include "lib/probe/record.h"
#include <stdint.h>

/*
 * What the records of a folder (schema disagg.probe/1) say of each host of a job: the
 * worst of its records.  They are those of its report.json, which are judged, or
 * where a run did not come so far those of its *.jsonl files.  A host without any is
 * unknown, for nobody knows what it is worth.
 */
struct run_outcome_host {
	enum disagg_probe_status status;
	unsigned records;
	uint64_t probes;	  /* a bit each; those behind the 64th are not counted */
	unsigned gpus_measured;	  /* records of GPUs */
	const char *gpus_skipped; /* what one of a GPU's probes gave as its reason; NULL */
	const char *why; /* of fail, unknown and warn: "gemm.bf16, GPU 3: 632 TFLOPS: ..." */
};

struct run_outcome {
	bool reported;		       /* there is a report.json: the run came to its end */
	struct run_outcome_host *host; /* in the order of the hosts */
	unsigned records;	       /* of all hosts */
	unsigned count[DISAGG_PROBE_UNKNOWN + 1];
	const char *probe[64]; /* names, as they first came */
	unsigned probe_count;
};

/* DISAGG_SYSTEM: the folder or a file of it cannot be read.  No folder: no records. */
int run_outcome_read(struct disagg_arena *arena, const char *dir,
	const struct disagg_hostlist *hosts, struct run_outcome *ret, struct disagg_err *err);

/* Where nothing was reported: a host that has no record of a probe that
 * others have was not done, and is unknown unless it has failed already. */
int run_outcome_cut(struct disagg_arena *arena, const struct disagg_hostlist *hosts,
	struct run_outcome *outcome);

/* Where the job's GPUs are to be measured: a host whose GPUs' probes were all skipped,
 * for want of a driver or as others use them, is unknown unless it has failed. */
int run_outcome_want_gpus(struct disagg_arena *arena, const struct disagg_hostlist *hosts,
	struct run_outcome *outcome);

/* The hosts of a status, those with the same reason together, of at most eight reasons:
 * "n2 (gemm.bf16, GPU 3: ...), n[7-9] (it has no record) and 5 more". */
const char *run_outcome_named(struct disagg_arena *arena, const struct disagg_hostlist *hosts,
	const struct run_outcome *outcome, enum disagg_probe_status status);

#endif
