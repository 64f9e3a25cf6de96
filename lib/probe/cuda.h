/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_CUDA_H
#define DISAGG_PROBE_CUDA_H

#include "lib/base/err.h"
#include "lib/probe/cuda_abi.h"
#include <stddef.h>

/*
 * The CUDA driver interface, loaded at run time: the same binary runs where no
 * driver is.  The driver's interface and not the runtime's, for it is stable
 * over CUDA 11, 12 and 13.  Types are the toolkit's where it is installed
 * (DISAGG_HAVE_CUDA), else the project's own; the two are the same (cuda_abi.h).
 */
#ifdef DISAGG_HAVE_CUDA
#include <cuda.h>
#else
#define DISAGG_CUDA_VALUE(name, value) name = (value),
#define DISAGG_CUDA_HANDLE(name, tag)  typedef struct tag *name;
#define DISAGG_CUDA_SCALAR(name, type) typedef type name;
#define CU_STREAM_NON_BLOCKING	       1
#define CU_EVENT_DEFAULT	       0
#define CU_MEMHOSTALLOC_PORTABLE       1
typedef enum { DISAGG_CUDA_RESULTS(DISAGG_CUDA_VALUE) } CUresult;
typedef enum { DISAGG_CUDA_ATTRIBUTES(DISAGG_CUDA_VALUE) } CUdevice_attribute;
typedef struct {
	char bytes[16];
} CUuuid;
DISAGG_CUDA_HANDLES(DISAGG_CUDA_HANDLE)
DISAGG_CUDA_SCALARS(DISAGG_CUDA_SCALAR)
#endif

#define DISAGG_CUDA_OLDEST 11000 /* BF16 in cuBLAS, and each function below */

#define DISAGG_CUDA_MEMBER(field, symbol, params) CUresult(*field) params;
struct disagg_cuda {
	void *library;
	int version; /* of the driver: 13000 is CUDA 13.0 */
	DISAGG_CUDA_FUNCTIONS(DISAGG_CUDA_MEMBER)
	/* since CUDA 11.4: a MIG instance's own UUID; NULL where the driver is older */
	CUresult (*device_uuid_v2)(CUuuid *, CUdevice);
};

/*
 * Loads libcuda.so.1 and initialises it; only in a process of its own, which
 * forks no more.
 * DISAGG_SKIPPED: no NVIDIA driver, or no GPU.  DISAGG_MISSING: the driver is
 * too old, or the library is the toolkit's stub, which has no driver behind it.
 * DISAGG_SYSTEM: the driver is there and does not start.
 */
int disagg_cuda_open(struct disagg_cuda *ret, struct disagg_err *err);

/* 0 for CUDA_SUCCESS.  Else -1, DISAGG_SYSTEM: "what: 214 CUDA_ERROR_ECC_UNCORRECTABLE". */
int disagg_cuda_check(
	const struct disagg_cuda *cuda, CUresult result, const char *what, struct disagg_err *err);

/* "GPU-8-4-4-4-12" of 16 bytes: 40 characters and the NUL; prefix "GPU" or "MIG". */
void disagg_cuda_uuid_text(const CUuuid *uuid, const char *prefix, char ret[41]);

#endif
