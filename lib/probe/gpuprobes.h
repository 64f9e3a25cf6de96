/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_GPUPROBES_H
#define DISAGG_PROBE_GPUPROBES_H

#include "lib/probe/probe.h"

/*
 * The probes of single GPUs and of the paths between them (rows of
 * disagg_probes).  Sizes and times are the run's options.  DISAGG_SKIPPED: no
 * driver, no cuBLAS, no second GPU; other codes: it could not be measured.
 */

/*
 * gemm.bf16: C = A * B of N^3 by cublasGemmEx, BF16 in and out, sums in FP32, on
 * normally distributed numbers: what the operands hold changes the result by
 * more than a tenth through the power that they cost (zeros: 894, normals: 785
 * on an H200).  TFLOPS = 2 N^3 / t / 1e12.
 */
int disagg_probe_gemm_run(struct disagg_probe_run *run, struct disagg_err *err);

/*
 * gemm.sdc: the same product again and again: the checksum of C must not change,
 * 64 elements, one of each of 8 x 8 tiles, must agree with the host's in double
 * precision to 2^-7, and the checksum is the record's digest, which must be the
 * same on all GPUs of a model, driver and cuBLAS.
 */
int disagg_probe_sdc_run(struct disagg_probe_run *run, struct disagg_err *err);

/* hbm.copy: a copy within a GPU's memory; GB/s = 2 S / t, since it is read and written. */
int disagg_probe_hbm_run(struct disagg_probe_run *run, struct disagg_err *err);

/*
 * hbm.march: 00, 55, AA, FF and each word's address over 9/10 of the free memory,
 * written, read back over PCIe and compared.  The value is GiB tested.
 */
int disagg_probe_march_run(struct disagg_probe_run *run, struct disagg_err *err);

/*
 * pcie.alone: host to device (record pcie.h2d) and back (pcie.d2h), pinned memory
 * of the GPU's NUMA node, the rest of the node quiet.  pcie.shared: the same and
 * both at once, while the node's other GPUs do it too (kind GPU).  GB/s = S / t.
 */
int disagg_probe_pcie_run(struct disagg_probe_run *run, struct disagg_err *err);
int disagg_probe_pcie_shared_run(struct disagg_probe_run *run, struct disagg_err *err);

/*
 * p2p.matrix: copies from each GPU of the node to each other, in rounds of
 * disjoint pairs (circle method), data compared.  One record a GPU: the median of
 * its paths, raw the paths from it in the order of the GPUs.  A path below 0.9 of
 * the matrix' median is a fault: of the GPU where most of its paths are, else of
 * the path, which is a record with the peer.
 */
int disagg_probe_p2p_run(struct disagg_probe_run *run, struct disagg_err *err);

/*
 * latency.launch: the time on the device of a 4-byte fill, and of an 8-byte copy
 * to the host: what one operation costs that moves nothing.  us, the median of
 * 1000; raw holds p50, p99 and the most.
 */
int disagg_probe_latency_run(struct disagg_probe_run *run, struct disagg_err *err);

#endif
