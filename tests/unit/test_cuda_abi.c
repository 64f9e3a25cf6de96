/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The project's own declarations of CUDA and cuBLAS against the toolkit's: where
 * they differ this file does not compile.  The lists are what both are made of.
 */
#include "lib/probe/cublas.h"

#include "tests/unit/tap.h"

#ifdef DISAGG_HAVE_CUDA
#define SAME_VALUE(name, value) _Static_assert((int)(name) == (value), #name);
#define SAME_HANDLE(name, tag)                                                                     \
	_Static_assert(__builtin_types_compatible_p(name, struct tag *), #name);
#define SAME_SCALAR(name, type) _Static_assert(__builtin_types_compatible_p(name, type), #name);
#define SAME_FUNCTION(result, symbol, params)                                                      \
	_Static_assert(__builtin_types_compatible_p(__typeof__(symbol), result params), #symbol);
#define SAME_CUDA(field, symbol, params)   SAME_FUNCTION(CUresult, symbol, params)
#define SAME_CUBLAS(field, symbol, params) SAME_FUNCTION(cublasStatus_t, symbol, params)

DISAGG_CUDA_RESULTS(SAME_VALUE)
DISAGG_CUDA_ATTRIBUTES(SAME_VALUE)
DISAGG_CUDA_HANDLES(SAME_HANDLE)
DISAGG_CUDA_SCALARS(SAME_SCALAR)
DISAGG_CUDA_FUNCTIONS(SAME_CUDA)
DISAGG_CUBLAS_STATUSES(SAME_VALUE)
DISAGG_CUBLAS_OPERATIONS(SAME_VALUE)
DISAGG_CUBLAS_TYPES(SAME_VALUE)
DISAGG_CUBLAS_COMPUTES(SAME_VALUE)
DISAGG_CUBLAS_ALGOS(SAME_VALUE)
DISAGG_CUBLAS_FUNCTIONS(SAME_CUBLAS)
SAME_HANDLE(cublasHandle_t, cublasContext)
SAME_HANDLE(cudaStream_t, CUstream_st)
_Static_assert(CU_STREAM_NON_BLOCKING == 1 && CU_EVENT_DEFAULT == 0, "flags");
_Static_assert(CU_MEMHOSTALLOC_PORTABLE == 1, "flags");
_Static_assert(sizeof(CUuuid) == 16 && sizeof(CUresult) == sizeof(int), "sizes");
_Static_assert(sizeof(CUdevice_attribute) == sizeof(int), "an enum is passed as an int");
_Static_assert(sizeof(cublasStatus_t) == sizeof(int) && sizeof(cudaDataType) == sizeof(int) &&
		       sizeof(cublasComputeType_t) == sizeof(int) &&
		       sizeof(cublasGemmAlgo_t) == sizeof(int),
	"an enum is passed as an int");

int main(void)
{
	ok(true, "the declarations are the toolkit's");
	return tap_done();
}
#else
int main(void)
{
	ok(sizeof(CUuuid) == 16 && sizeof(CUresult) == sizeof(int), "an enum is passed as an int");
	printf("ok 2 - the declarations are the toolkit's # SKIP no toolkit in CUDA_HOME\n1..2\n");
	return tap_failed ? 1 : 0;
}
#endif
