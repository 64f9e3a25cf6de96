/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cuBLAS that multiplies on the host: BF16 in and out, sums in float.  The
 * time is modelled (STUB_TFLOPS).  A product that is asked for again while its
 * operands and its result are as they were is not computed again.
 */
#include "lib/probe/cublas.h"

#include "tests/stubs/cuda_stub.h"
#include "tests/stubs/faults.h"
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PROTOTYPE(field, symbol, params) cublasStatus_t symbol params;
#pragma GCC visibility push(default)
DISAGG_CUBLAS_FUNCTIONS(PROTOTYPE)
#pragma GCC visibility pop

struct operand {
	CUdeviceptr at;
	bool is_transposed;
	int ld;
};

struct product {
	int m, n, k;
	struct operand a, b, c;
	float alpha, beta;
};

struct cublasContext {
	CUstream stream;
	unsigned long calls;
	struct product last;
	uint64_t writes_a, writes_b, writes_c; /* when it was computed; 0: never */
};

cublasStatus_t cublasCreate_v2(cublasHandle_t *ret)
{
	if (stub_cuda_gpu() < 0)
		return CUBLAS_STATUS_NOT_INITIALIZED;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
	free(handle);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version)
{
	(void)handle;
	*version = (int)stub_number("CUBLAS", 130100);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream)
{
	handle->stream = stream;
	return CUBLAS_STATUS_SUCCESS;
}

static float widen(uint16_t value)
{
	uint32_t bits = (uint32_t)value << 16;
	float ret;

	memcpy(&ret, &bits, sizeof(ret));
	return ret;
}

/* to the nearest, halves to even */
static uint16_t narrow(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Rows of a in a row each, or columns of b: `count` vectors of length k. */
static float *vectors(const struct operand *from, int count, int k, bool along_rows)
{
	size_t rows = (size_t)(along_rows ? count : k);
	size_t bytes =
		(size_t)from->ld * (from->is_transposed ? rows : (size_t)(along_rows ? k : count));
	const uint16_t *in = stub_cuda_bytes(from->at, bytes * 2);
	float *out = in ? malloc(sizeof(*out) * (size_t)count * (size_t)k) : NULL;

	for (int i = 0; out && i < count; i++)
		for (int j = 0; j < k; j++) {
			bool down = along_rows == from->is_transposed; /* j runs down a column */
			size_t at = down ? (size_t)i * (size_t)from->ld + (size_t)j
					 : (size_t)j * (size_t)from->ld + (size_t)i;

			out[(size_t)i * (size_t)k + (size_t)j] = widen(in[at]);
		}
	return out;
}

/* Eight sums, so that the compiler may use vectors; the order is always the same. */
static float dot(const float *a, const float *b, int k)
{
	float part[8] = {0}, sum = 0;
	int i;

	for (i = 0; i + 8 <= k; i += 8)
		for (int lane = 0; lane < 8; lane++)
			part[lane] += a[i + lane] * b[i + lane];
	for (; i < k; i++)
		part[0] += a[i] * b[i];
	for (int lane = 0; lane < 8; lane++)
		sum += part[lane];
	return sum;
}

static bool compute(const struct product *p)
{
	uint16_t *c = stub_cuda_bytes(p->c.at, (size_t)p->c.ld * (size_t)p->n * 2);
	float *a = vectors(&p->a, p->m, p->k, true), *b = vectors(&p->b, p->n, p->k, false);
	bool good = a && b && c;

	for (int j = 0; good && j < p->n; j++)
		for (int i = 0; i < p->m; i++) {
			uint16_t *at = &c[(size_t)j * (size_t)p->c.ld + (size_t)i];
			float sum = p->alpha * dot(a + (size_t)i * (size_t)p->k,
						       b + (size_t)j * (size_t)p->k, p->k);

			*at = narrow(p->beta != 0 ? sum + p->beta * widen(*at) : sum);
		}
	free(a);
	free(b);
	return good;
}

/* A tile of a sixteenth of the result, as a bad multiprocessor writes it. */
static void spoil(const struct product *p)
{
	uint16_t *c = stub_cuda_bytes(p->c.at, (size_t)p->c.ld * (size_t)p->n * 2);

	for (int j = p->n / 4; j < p->n / 2; j++)
		for (int i = p->m / 2; i < p->m / 4 * 3; i++)
			c[(size_t)j * (size_t)p->c.ld + (size_t)i] ^= 0x0040;
}

static bool is_same(struct cublasContext *handle, const struct product *p)
{
	return handle->writes_c && p->beta == 0 && memcmp(p, &handle->last, sizeof(*p)) == 0 &&
	       handle->writes_a == stub_cuda_writes(p->a.at) &&
	       handle->writes_b == stub_cuda_writes(p->b.at) &&
	       handle->writes_c == stub_cuda_writes(p->c.at);
}

static bool is_wrong(const struct cublasContext *handle)
{
	const struct stub_fault *fault = stub_fault("wrong-result", stub_cuda_gpu());

	return fault && handle->calls % (unsigned long)stub_fault_number(fault, "every", 1) == 0;
}

static bool multiply(struct cublasContext *handle, const struct product *p)
{
	bool wrong;

	handle->calls++;
	wrong = is_wrong(handle);
	if (is_same(handle, p) && !wrong)
		return true;
	if (!compute(p))
		return false;
	if (wrong)
		spoil(p);
	stub_cuda_wrote(p->c.at);
	handle->last = *p;
	handle->writes_a = stub_cuda_writes(p->a.at);
	handle->writes_b = stub_cuda_writes(p->b.at);
	handle->writes_c = wrong ? 0 : stub_cuda_writes(p->c.at);
	return true;
}

static double seconds(const struct product *p)
{
	int gpu = stub_cuda_gpu();
	double rate = stub_number("TFLOPS", 790) * 1e12 * stub_spread("gemm", gpu) *
		      stub_slower("slow-gemm", gpu) * stub_slower("throttle", gpu);

	return 2.0 * p->m * p->n * p->k / rate;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t trans_a,
	cublasOperation_t trans_b, int m, int n, int k, const void *alpha, const void *a,
	cudaDataType type_a, int lda, const void *b, cudaDataType type_b, int ldb, const void *beta,
	void *c, cudaDataType type_c, int ldc, cublasComputeType_t compute_type,
	cublasGemmAlgo_t algo)
{
	struct product p;

	(void)algo;
	memset(&p, 0, sizeof(p)); /* compared as bytes */
	p.m = m;
	p.n = n;
	p.k = k;
	p.a.at = (CUdeviceptr)(uintptr_t)a;
	p.a.is_transposed = trans_a == CUBLAS_OP_T;
	p.a.ld = lda;
	p.b.at = (CUdeviceptr)(uintptr_t)b;
	p.b.is_transposed = trans_b == CUBLAS_OP_T;
	p.b.ld = ldb;
	p.c.at = (CUdeviceptr)(uintptr_t)c;
	p.c.ld = ldc;
	p.alpha = *(const float *)alpha;
	p.beta = *(const float *)beta;
	if (type_a != CUDA_R_16BF || type_b != CUDA_R_16BF || type_c != CUDA_R_16BF ||
		compute_type != CUBLAS_COMPUTE_32F)
		return CUBLAS_STATUS_NOT_SUPPORTED;
	if (m < 1 || n < 1 || k < 1 || ldc < m)
		return CUBLAS_STATUS_INVALID_VALUE;
	if (stub_fault("crash", stub_cuda_gpu()))
		raise(SIGSEGV);
	if (!multiply(handle, &p))
		return CUBLAS_STATUS_INVALID_VALUE;
	stub_cuda_advance(handle->stream, seconds(&p));
	return CUBLAS_STATUS_SUCCESS;
}
