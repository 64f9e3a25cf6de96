/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_STUBS_CUDA_DRIVER_H
#define DISAGG_TESTS_STUBS_CUDA_DRIVER_H

/* What the parts of the driver's stub share. */
#include "tests/stubs/cuda_stub.h"
#include "tests/stubs/gpus.h"
#include <stdbool.h>

/* each symbol's prototype, as the product's table has it */
#define STUB_CUDA_PROTOTYPE(field, symbol, params) CUresult symbol params;
#pragma GCC visibility push(default)
DISAGG_CUDA_FUNCTIONS(STUB_CUDA_PROTOTYPE)
CUresult cuDeviceGetUuid_v2(CUuuid *, CUdevice);
void stub_cuda_advance(CUstream stream, double seconds);
double stub_cuda_clock(CUstream stream);
void stub_cuda_wait_until(CUstream stream, double clock);
int stub_cuda_gpu(void);
uint64_t stub_cuda_writes(CUdeviceptr at);
void stub_cuda_wrote(CUdeviceptr at);
void *stub_cuda_bytes(CUdeviceptr at, size_t bytes);
void stub_cuda_hang(void);
#pragma GCC visibility pop

enum { STUB_MOST_ALLOCATIONS = 1024, STUB_SMALL_COPY = 4096 };

struct CUstream_st {
	struct CUctx_st *context;
	double clock; /* seconds */
	uint64_t jitter;
};

struct CUctx_st {
	struct stub_gpu gpu;
	struct CUstream_st stream; /* the default one */
};

struct CUevent_st {
	double clock;
};

struct stub_allocation {
	char *bytes;
	size_t size;
	uint64_t writes;
	int gpu;
};

struct stub_driver {
	bool is_ready;
	int count;
	struct stub_gpu gpu[STUB_MOST_GPUS];
	struct CUctx_st *context[STUB_MOST_GPUS], *current;
	unsigned allocations;
	struct stub_allocation allocation[STUB_MOST_ALLOCATIONS];
};

struct stub_driver *stub_driver(void);

#endif
