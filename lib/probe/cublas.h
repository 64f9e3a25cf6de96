/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_CUBLAS_H
#define DISAGG_PROBE_CUBLAS_H

#include "lib/probe/cuda.h"

/*
 * cuBLAS, loaded at run time beside the driver: libcublas.so.13, .12 or .11.
 * Types are the toolkit's where it is installed, else the project's own, made
 * from the lists below; a test holds the two against each other.
 */

/* X(name, value) of <cublas_api.h> and <library_types.h> */
#define DISAGG_CUBLAS_STATUSES(X)                                                                  \
	X(CUBLAS_STATUS_SUCCESS, 0)                                                                \
	X(CUBLAS_STATUS_NOT_INITIALIZED, 1)                                                        \
	X(CUBLAS_STATUS_ALLOC_FAILED, 3)                                                           \
	X(CUBLAS_STATUS_INVALID_VALUE, 7)                                                          \
	X(CUBLAS_STATUS_ARCH_MISMATCH, 8)                                                          \
	X(CUBLAS_STATUS_EXECUTION_FAILED, 13)                                                      \
	X(CUBLAS_STATUS_INTERNAL_ERROR, 14)                                                        \
	X(CUBLAS_STATUS_NOT_SUPPORTED, 15)
#define DISAGG_CUBLAS_OPERATIONS(X)                                                                \
	X(CUBLAS_OP_N, 0)                                                                          \
	X(CUBLAS_OP_T, 1)
#define DISAGG_CUBLAS_TYPES(X)                                                                     \
	X(CUDA_R_32F, 0)                                                                           \
	X(CUDA_R_16BF, 14)
#define DISAGG_CUBLAS_COMPUTES(X) X(CUBLAS_COMPUTE_32F, 68)
#define DISAGG_CUBLAS_ALGOS(X)	  X(CUBLAS_GEMM_DEFAULT, -1)

#ifdef DISAGG_HAVE_CUDA
#include <cublas_v2.h>
#else
typedef struct cublasContext *cublasHandle_t;
typedef struct CUstream_st *cudaStream_t;
typedef enum { DISAGG_CUBLAS_STATUSES(DISAGG_CUDA_VALUE) } cublasStatus_t;
typedef enum { DISAGG_CUBLAS_OPERATIONS(DISAGG_CUDA_VALUE) } cublasOperation_t;
typedef enum { DISAGG_CUBLAS_TYPES(DISAGG_CUDA_VALUE) } cudaDataType;
typedef enum { DISAGG_CUBLAS_COMPUTES(DISAGG_CUDA_VALUE) } cublasComputeType_t;
typedef enum { DISAGG_CUBLAS_ALGOS(DISAGG_CUDA_VALUE) } cublasGemmAlgo_t;
#endif

/* X(field, symbol, parameters): each returns cublasStatus_t */
#define DISAGG_CUBLAS_FUNCTIONS(X)                                                                 \
	X(create, cublasCreate_v2, (cublasHandle_t *))                                             \
	X(destroy, cublasDestroy_v2, (cublasHandle_t))                                             \
	X(get_version, cublasGetVersion_v2, (cublasHandle_t, int *))                               \
	X(set_stream, cublasSetStream_v2, (cublasHandle_t, cudaStream_t))                          \
	X(gemm_ex, cublasGemmEx,                                                                   \
		(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int,              \
			const void *, const void *, cudaDataType, int, const void *, cudaDataType, \
			int, const void *, void *, cudaDataType, int, cublasComputeType_t,         \
			cublasGemmAlgo_t))

#define DISAGG_CUBLAS_MEMBER(field, symbol, params) cublasStatus_t(*field) params;
struct disagg_cublas {
	void *library;
	cublasHandle_t handle; /* of the context that was current */
	int version;	       /* 130100 is 13.1.0 */
	DISAGG_CUBLAS_FUNCTIONS(DISAGG_CUBLAS_MEMBER)
};

/*
 * The newest cuBLAS that the driver can run (its major version at most), with a
 * handle for the current context.
 * DISAGG_SKIPPED: none on this node.  DISAGG_MISSING: it lacks a function.
 * DISAGG_SYSTEM: it does not start.
 */
int disagg_cublas_open(
	const struct disagg_cuda *cuda, struct disagg_cublas *ret, struct disagg_err *err);
void disagg_cublas_close(struct disagg_cublas *blas);

/* 0 for CUBLAS_STATUS_SUCCESS; else -1, DISAGG_SYSTEM: "what: 13 EXECUTION_FAILED". */
int disagg_cublas_check(cublasStatus_t status, const char *what, struct disagg_err *err);

#endif
