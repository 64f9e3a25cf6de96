/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_JUDGE_H
#define DISAGG_PROBE_JUDGE_H

#include "lib/probe/record.h"
#include "lib/probe/reference.h"
#include "lib/probe/stats.h"
#include <stdint.h>

/*
 * What is said against a value.  Three tests that know nothing of each other;
 * each that fails names itself in the record's reason, with the value, what was
 * expected and why:
 *
 * 1 floor: below the absolute floor fails.
 * 2 reference: below 0.90 of it fails, below 0.95 warns; of a collective ("nccl.")
 *   0.80 up to 16 MiB, 0.85 up to 128 MiB, 0.90 above, and 0.05 more to warn.  A
 *   reference of low confidence can only warn.
 * 3 fleet: below median - max(rel * median, k * 1.4826 * MAD, k * noise) of 8 or more fails,
 *   with rel 7 % for gemm and kv, 5 % for nccl and rdma, 3 % for hbm, pcie and p2p,
 *   20 % for storage and whatever is better when less.  Where MAD is 0, rel alone decides.
 *   k is 3.5 * (1 + 2.33 / sqrt(members)): a MAD of few values is itself uncertain, by
 *   1.166 / sqrt(members) of it (its efficiency is 37 %: Rousseeuw and Croux, 1993), and
 *   two of these are allowed, of the noise of a value by its own samples (noise.h) too.
 *   A suite has many metrics, so some MAD is smaller still: up to 10 % of the median, where
 *   real faults begin, k of the MAD is 3.5 * (1 + 5.5 / sqrt(members)).  Of healthy fleets
 *   of 16 nodes with 8 GPUs and 58 metrics, normal noise of 2 % and no samples, 1 in 55 has
 *   a false flag then (test_judge_fleets), and 1 in 5 with 2.33 alone.
 *
 * Where less is better all three are mirrored (1/0.90 of the reference), and what is
 * as far on the good side of the fleet warns, for it cannot have measured the same.
 *
 * Where 1 or 2 fails but 3 does not, and the median of the cohort fails it too, the
 * cause is common: one finding of the cluster, and the records only warn.
 *
 * nccl.interop and storage can only warn, and pcie.shared (7 %), for what GPUs reach at
 * once depends on how they are wired; so can a record with a peer on another
 * node, since it cannot say which of the two is slow, and one of nccl.intra that comes
 * with a warning (NVLS inactive), which is the cause.  Probes that are not named here,
 * and values whose better side is not told, are left as the probe has them.
 *
 * 0.90, 0.95, 3.5 and the steps of rel: a simulated fleet of 8192 GPUs with sd 1.5 %
 * and 40 GPUs at -10 % has no false flag with them, and 98.9 % are found.
 */
#define DISAGG_JUDGE_MEMBERS 8u /* fewer have no statistics */

/* Records of the same probe, param, cohort, unit, GPU and number of GPUs. */
struct disagg_judge_cohort {
	struct disagg_probe_record **record; /* all of it, also those without a value */
	size_t count;
	const char *gpu_name; /* of the nodes; NULL: none */
	unsigned gpus;	      /* of a node; 0: not known */

	/* what came of it */
	struct disagg_stats stats; /* of the values; count 0: none */
	double noise;		   /* of one of them, by its samples; 0: not known */
	bool has_reference;
	struct disagg_reference_value reference;
};

/* Said of all of a cohort. */
struct disagg_finding {
	enum disagg_probe_status status; /* pass: there is none */
	const char *probe, *param, *cohort;
	const char *text;
	size_t members, of; /* so many records are meant */
};

/*
 * Fills reference, floor and fleet statistics of the records and makes their
 * statuses worse where a test fails; skip and unknown stay.  Texts are in the
 * arena.  reference NULL: by the fleet only.  -1: no memory.
 */
int disagg_judge_values(struct disagg_arena *arena, const struct disagg_reference *reference,
	struct disagg_judge_cohort *cohort, struct disagg_finding *ret_common,
	struct disagg_err *err);

/*
 * Digests.  gemm.sdc: one that less than half of the records have fails; where none has
 * more than half, the finding says so and the records warn.  hw.inventory: a node that
 * has another number of GPUs than the majority fails (one of another model warns: it is
 * another kind of node), and warns where it differs in anything else but nvlink_domain,
 * which is where the node is.  Other probes'
 * digests are not judged.  -1: no memory.
 */
int disagg_judge_digests(struct disagg_arena *arena, struct disagg_judge_cohort *cohort,
	struct disagg_finding *ret_common, struct disagg_err *err);

/* The worse of two statuses of one node: fail, unknown, warn, pass, skip. */
enum disagg_probe_status disagg_status_worse(
	enum disagg_probe_status a, enum disagg_probe_status b);

/* Whether the record is of two nodes: what warns of it is not the node's. */
bool disagg_record_is_pair(const struct disagg_probe_record *record);

/* The size in "all_reduce 8M in-place", in bytes, and where it is; -1: there is none. */
int64_t disagg_param_bytes(const char *param, size_t *ret_at, size_t *ret_len);

/* How far from the median is too far for the probe: rel above; 0: it has no rule. */
double disagg_judge_rel(const char *probe, enum disagg_probe_better better);

/* Whether it only warns because its whole cohort is as slow. */
bool disagg_judge_is_common(const struct disagg_probe_record *record);

/* What to do about a record that is not a pass: the hint of gpu.health, else the action
 * for the probe, or to measure again what is unknown. */
const char *disagg_judge_action(const struct disagg_probe_record *record);

#endif
