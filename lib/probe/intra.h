/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_INTRA_H
#define DISAGG_PROBE_INTRA_H

#include "lib/probe/probe.h"

/*
 * Collectives inside a node, its GPUs driven by one process; functions of the
 * probe table.  For each collective and size first one run whose result is checked
 * in every element on every GPU, then runs to warm up (ranks.h) and nccl_iterations timed ones.
 *
 *	param			value
 *	all_reduce 8M		busbw, out of place; raw: of single runs
 *	all_reduce 8M in-place	the same in place (all_reduce, all_gather, reduce_scatter)
 *	all_reduce 8M algbw	S / t, out of place; all there is of one GPU
 *	all_reduce 8M p99/min	of the times of single runs: 1 where they are equal
 *
 * Where NVLS is inactive (collectives.h) every all_reduce warns of that.  The last two are
 * not compared.  A GPU that received something wrong has a
 * record of its own with status fail.
 *
 * nccl.intra: all_reduce from nccl_min_bytes to nccl_max_bytes, doubling; in the
 * quick suite the two ends only; else also all_gather, reduce_scatter, alltoall
 * and sendrecv at the ends and one size between (thorough: at all).
 */
int disagg_probe_intra_run(struct disagg_probe_run *run, struct disagg_err *err);

/*
 * nccl.nic_loopback: all_reduce at the two ends with NCCL_P2P_DISABLE and
 * NCCL_SHM_DISABLE, so that all that the GPUs of one node exchange goes through
 * its NICs.  DISAGG_SKIPPED: one GPU, or no RDMA device, for then it would be TCP
 * that is measured.
 */
int disagg_probe_loopback_run(struct disagg_probe_run *run, struct disagg_err *err);

#endif
