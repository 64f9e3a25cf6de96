/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_STUBS_CUDA_STUB_H
#define DISAGG_TESTS_STUBS_CUDA_STUB_H

#include "lib/probe/cuda.h"
#include <stdint.h>

/*
 * A driver whose device memory is host memory: copies move bytes at once, in
 * the caller's order.  Time on a stream is modelled: each operation advances the
 * stream's clock, and events read it.
 *
 * For the stubs that link with it: how long their own work takes, and whose it is.
 */
/* NULL: the default stream of the current context. */
void stub_cuda_advance(CUstream stream, double seconds);
double stub_cuda_clock(CUstream stream);
/* To at least so far: what waited for others. */
void stub_cuda_wait_until(CUstream stream, double clock);

/* The position among all of the node's GPUs of the current context's; -1: no context. */
int stub_cuda_gpu(void);

/* Counts the writes to the allocation that a pointer is in; 0: in none. */
uint64_t stub_cuda_writes(CUdeviceptr at);
void stub_cuda_wrote(CUdeviceptr at);
/* The host memory behind it, or NULL where bytes from there on are not all in one allocation. */
void *stub_cuda_bytes(CUdeviceptr at, size_t bytes);

/* Does not return where the fault "hang" names the current GPU. */
void stub_cuda_hang(void);

#endif
