/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_GEMM_H
#define DISAGG_PROBE_GEMM_H

#include "lib/probe/cublas.h"
#include "lib/probe/gpudev.h"

/*
 * A product of two N x N matrices of BF16 on one GPU, all column by column.
 * Each operand repeats a block of normally distributed numbers that the host
 * keeps; the blocks are the same everywhere, and so is what the product must be.
 */
struct disagg_gemm {
	struct disagg_gpudev dev;
	struct disagg_cublas blas;
	struct disagg_cuda cuda;
	struct disagg_gpustate state;
	int n;
	struct disagg_block block_a, block_b; /* of BF16 */
	CUdeviceptr a, b, c;		      /* n * n each */
};

/* The most that N may be: three matrices of 32768 are 6 GiB. */
#define DISAGG_GEMM_MOST 32768

/* DISAGG_SKIPPED: no driver or no cuBLAS.  DISAGG_MISSING, DISAGG_SYSTEM: cuda.h. */
int disagg_gemm_open(
	struct disagg_gemm *gemm, const struct disagg_probe_run *run, struct disagg_err *err);
void disagg_gemm_close(struct disagg_gemm *gemm);

/* A disagg_gpudev_work: puts one product on the stream. */
int disagg_gemm_multiply(void *gemm, struct disagg_err *err);

/* An element of C as the host has it: in double precision, from the same BF16. */
double disagg_gemm_expected(const struct disagg_gemm *gemm, int row, int column);

float disagg_bf16_widen(uint16_t value);
uint16_t disagg_bf16_narrow(float value); /* to the nearest, halves to even */

#endif
