/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gemm.h"

#include "lib/probe/gpuprobes.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ELEMENTS (2u << 20)
#define SEED_A	       0x243f6a8885a308d3u
#define SEED_B	       0x13198a2e03707344u
#define BATCH_MOST     1000u
#define TAU	       6.283185307179586

/* ---- numbers ---- */

float disagg_bf16_widen(uint16_t value)
{
	uint32_t bits = (uint32_t)value << 16;
	float ret;

	memcpy(&ret, &bits, sizeof(ret));
	return ret;
}

uint16_t disagg_bf16_narrow(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* splitmix64 (Steele, Lea, Flood 2014), in (0, 1] */
static double uniform(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (double)(((z ^ (z >> 31)) >> 11) + 1) * 0x1p-53;
}

/* Normals by pairs (Box and Muller), as BF16. */
static uint16_t *normals(uint64_t seed, size_t count)
{
	uint16_t *ret = malloc(count * sizeof(*ret));
	uint64_t state = seed;

	for (size_t i = 0; ret && i < count; i += 2) {
		double radius = sqrt(-2 * log(uniform(&state)));
		double angle = TAU * uniform(&state);

		ret[i] = disagg_bf16_narrow((float)(radius * cos(angle)));
		if (i + 1 < count)
			ret[i + 1] = disagg_bf16_narrow((float)(radius * sin(angle)));
	}
	return ret;
}

static size_t block_elements(int n)
{
	size_t all = (size_t)n * (size_t)n;

	return all < BLOCK_ELEMENTS ? all : BLOCK_ELEMENTS;
}

static double element(const struct disagg_block *block, size_t at)
{
	const uint16_t *values = block->bytes;

	return (double)disagg_bf16_widen(values[at % (block->size / sizeof(*values))]);
}

double disagg_gemm_expected(const struct disagg_gemm *gemm, int row, int column)
{
	size_t n = (size_t)gemm->n;
	double sum = 0;

	for (size_t k = 0; k < n; k++)
		sum += element(&gemm->block_a, k * n + (size_t)row) *
		       element(&gemm->block_b, (size_t)column * n + k);
	return sum;
}

/* ---- the product ---- */

static int fill(struct disagg_gemm *gemm, struct disagg_err *err)
{
	size_t count = block_elements(gemm->n);
	uint64_t bytes = (uint64_t)gemm->n * (uint64_t)gemm->n * sizeof(uint16_t);

	gemm->block_a = (struct disagg_block){normals(SEED_A, count), count * sizeof(uint16_t)};
	gemm->block_b = (struct disagg_block){normals(SEED_B, count), count * sizeof(uint16_t)};
	if (!gemm->block_a.bytes || !gemm->block_b.bytes)
		return disagg_err_nomem(err);
	if (disagg_gpudev_alloc(&gemm->dev, bytes, &gemm->a, err) != 0 ||
		disagg_gpudev_alloc(&gemm->dev, bytes, &gemm->b, err) != 0 ||
		disagg_gpudev_alloc(&gemm->dev, bytes, &gemm->c, err) != 0 ||
		disagg_gpudev_tile(&gemm->dev, gemm->a, bytes, &gemm->block_a, err) != 0 ||
		disagg_gpudev_tile(&gemm->dev, gemm->b, bytes, &gemm->block_b, err) != 0)
		return -1;
	return 0;
}

int disagg_gemm_open(
	struct disagg_gemm *gemm, const struct disagg_probe_run *run, struct disagg_err *err)
{
	uint64_t n = run->options->gemm_size;

	*gemm = (struct disagg_gemm){.n = (int)n};
	if (n < 8 || n > DISAGG_GEMM_MOST)
		return disagg_err_set(err, DISAGG_INVALID,
			"a product of %llu^3 cannot be measured: 8 to %d is expected",
			(unsigned long long)n, DISAGG_GEMM_MOST);
	if (disagg_cuda_open(&gemm->cuda, err) != 0 ||
		disagg_gpudev_open(&gemm->dev, &gemm->cuda, run->gpu, err) != 0)
		return -1;
	disagg_gpustate_open(&gemm->state, run->gpu);
	gemm->dev.state = &gemm->state;
	if (disagg_cublas_open(&gemm->cuda, &gemm->blas, err) != 0 ||
		disagg_cublas_check(gemm->blas.set_stream(gemm->blas.handle, gemm->dev.stream),
			"cublasSetStream", err) != 0 ||
		fill(gemm, err) != 0) {
		disagg_gemm_close(gemm);
		return -1;
	}
	return 0;
}

void disagg_gemm_close(struct disagg_gemm *gemm)
{
	const CUdeviceptr all[] = {gemm->a, gemm->b, gemm->c};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i])
			gemm->cuda.free(all[i]);
	free((void *)gemm->block_a.bytes);
	free((void *)gemm->block_b.bytes);
	disagg_cublas_close(&gemm->blas);
	disagg_gpustate_close(&gemm->state);
	disagg_gpudev_close(&gemm->dev);
}

int disagg_gemm_multiply(void *context, struct disagg_err *err)
{
	static const float one = 1, zero = 0;
	struct disagg_gemm *gemm = context;
	int n = gemm->n;

	return disagg_cublas_check(gemm->blas.gemm_ex(gemm->blas.handle, CUBLAS_OP_N, CUBLAS_OP_N,
					   n, n, n, &one, (const void *)(uintptr_t)gemm->a,
					   CUDA_R_16BF, n, (const void *)(uintptr_t)gemm->b,
					   CUDA_R_16BF, n, &zero, (void *)(uintptr_t)gemm->c,
					   CUDA_R_16BF, n, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
		"cublasGemmEx", err);
}

/* ---- gemm.bf16 ---- */

int disagg_probe_gemm_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	double n = (double)run->options->gemm_size;
	struct disagg_gpudev_plan plan = {
		.batch_s = run->options->gemm_ms / 1e3 / DISAGG_BATCHES, .most = BATCH_MOST};
	struct disagg_gpudev_value value = {.amount = 2 * n * n * n, .unit = "TFLOPS"};
	struct disagg_gpudev_timing timing;
	struct disagg_probe_record record;
	struct disagg_gemm gemm;
	int rc;

	if (disagg_gemm_open(&gemm, run, err) != 0)
		return -1;
	value.param = disagg_arena_printf(run->arena, "%d", gemm.n);
	rc = value.param ? disagg_gpudev_measure(
				   &gemm.dev, disagg_gemm_multiply, &gemm, &plan, &timing, err)
			 : disagg_err_nomem(err);
	if (rc == 0) {
		record = disagg_gpudev_record(&value, &timing);
		record.hint = disagg_gpustate_hint(&gemm.state, run->arena);
		run->emit(run, &record);
	}
	disagg_gemm_close(&gemm);
	return rc;
}
