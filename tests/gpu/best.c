/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the probes' values are held against on a GPU, measured there by other means, one
 * line of JSON:
 *
 *	gemm	the best that cuBLASLt reaches with the same operands: every
 *		algorithm that it proposes for each of the four layouts
 *	h2d, d2h  copies as nvbandwidth times them: 16 copies of a buffer behind one
 *		another, all on the stream before the first begins, median of 3 samples
 *
 *	gpu_best		GPU 0, 8192^3, 512 MiB
 *	gpu_best N MIB		others
 *
 * Exit status: 0; 77: no GPU, and the line says why; 5: it could not be measured.
 */
#include "lib/probe/collectives.h"
#include "lib/probe/devices.h"
#include "lib/probe/gemm.h"
#include "lib/base/num.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ALGOS  32
#define WORKSPACE   (UINT64_C(64) << 20)
#define TRIAL_TIMES 5u
#define COPIES	    16 /* nvbandwidth: loopCount */
#define SAMPLES	    3  /* nvbandwidth: testSamples */

/* ---- cuBLASLt ---- */

#define LT(field, symbol) __typeof__(symbol) *field;
#define LT_FUNCTIONS(X)                                                                            \
	X(create, cublasLtCreate)                                                                  \
	X(desc_create, cublasLtMatmulDescCreate)                                                   \
	X(desc_set, cublasLtMatmulDescSetAttribute)                                                \
	X(layout_create, cublasLtMatrixLayoutCreate)                                               \
	X(preference_create, cublasLtMatmulPreferenceCreate)                                       \
	X(preference_set, cublasLtMatmulPreferenceSetAttribute)                                    \
	X(heuristic, cublasLtMatmulAlgoGetHeuristic)                                               \
	X(matmul, cublasLtMatmul)

struct lt {
	LT_FUNCTIONS(LT)
	cublasLtHandle_t handle;
	cublasLtMatmulPreference_t preference;
	CUdeviceptr workspace;
};

/* one way to do the product */
struct way {
	struct disagg_gemm *gemm;
	struct lt *lt;
	cublasLtMatmulDesc_t desc;
	cublasLtMatrixLayout_t layout; /* square: of all three */
	const cublasLtMatmulAlgo_t *algo;
};

static int lt_check(cublasStatus_t status, const char *what, struct disagg_err *err)
{
	return disagg_cublas_check(status, what, err);
}

static int lt_open(struct lt *lt, const struct disagg_gemm *gemm, struct disagg_err *err)
{
	char name[32];
	void *library;
	uint64_t workspace = WORKSPACE;

	snprintf(name, sizeof(name), "libcublasLt.so.%d", gemm->blas.version / 10000);
	library = dlopen(name, RTLD_NOW);
	if (!library)
		return disagg_err_set(err, DISAGG_MISSING, "no '%s'", name);
#define LT_FIND(field, symbol)                                                                     \
	*(void **)&lt->field = dlsym(library, #symbol);                                            \
	if (!lt->field)                                                                            \
		return disagg_err_set(err, DISAGG_MISSING, "'%s' lacks '%s'", name, #symbol);
	LT_FUNCTIONS(LT_FIND)
	if (lt_check(lt->create(&lt->handle), "cublasLtCreate", err) != 0 ||
		lt_check(lt->preference_create(&lt->preference), "cublasLtMatmulPreferenceCreate",
			err) != 0 ||
		lt_check(
			lt->preference_set(lt->preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
				&workspace, sizeof(workspace)),
			"cublasLtMatmulPreferenceSetAttribute", err) != 0)
		return -1;
	return disagg_gpudev_alloc(&gemm->dev, WORKSPACE, &lt->workspace, err);
}

static int multiply(void *context, struct disagg_err *err)
{
	static const float one = 1, zero = 0;
	const struct way *way = context;
	struct disagg_gemm *gemm = way->gemm;

	return lt_check(
		way->lt->matmul(way->lt->handle, way->desc, &one, (const void *)(uintptr_t)gemm->a,
			way->layout, (const void *)(uintptr_t)gemm->b, way->layout, &zero,
			(void *)(uintptr_t)gemm->c, way->layout, (void *)(uintptr_t)gemm->c,
			way->layout, way->algo, (void *)(uintptr_t)way->lt->workspace, WORKSPACE,
			gemm->dev.stream),
		"cublasLtMatmul", err);
}

static int set_up(struct way *way, cublasOperation_t a, cublasOperation_t b, struct disagg_err *err)
{
	uint64_t n = (uint64_t)way->gemm->n;

	if (lt_check(way->lt->desc_create(&way->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F),
		    "cublasLtMatmulDescCreate", err) != 0 ||
		lt_check(way->lt->desc_set(way->desc, CUBLASLT_MATMUL_DESC_TRANSA, &a, sizeof(a)),
			"cublasLtMatmulDescSetAttribute", err) != 0 ||
		lt_check(way->lt->desc_set(way->desc, CUBLASLT_MATMUL_DESC_TRANSB, &b, sizeof(b)),
			"cublasLtMatmulDescSetAttribute", err) != 0)
		return -1;
	return lt_check(way->lt->layout_create(&way->layout, CUDA_R_16BF, n, n, (int64_t)n),
		"cublasLtMatrixLayoutCreate", err);
}

/* The best algorithm of a layout in a short trial; seconds of one product. */
static int try_layout(struct way *way, cublasOperation_t a, cublasOperation_t b, double *ret,
	struct disagg_err *err)
{
	static cublasLtMatmulHeuristicResult_t found[MOST_ALGOS];
	const cublasLtMatmulAlgo_t *best = NULL;
	int count = 0;

	*ret = 0;
	if (set_up(way, a, b, err) != 0 ||
		lt_check(way->lt->heuristic(way->lt->handle, way->desc, way->layout, way->layout,
				 way->layout, way->layout, way->lt->preference, MOST_ALGOS, found,
				 &count),
			"cublasLtMatmulAlgoGetHeuristic", err) != 0)
		return -1;
	for (int i = 0; i < count; i++) {
		double seconds;

		way->algo = &found[i].algo;
		if (found[i].state != CUBLAS_STATUS_SUCCESS || multiply(way, err) != 0 ||
			disagg_gpudev_time(
				&way->gemm->dev, multiply, way, TRIAL_TIMES, &seconds, err) != 0)
			continue;
		if (*ret <= 0 || seconds / TRIAL_TIMES < *ret) {
			*ret = seconds / TRIAL_TIMES;
			best = way->algo;
		}
	}
	way->algo = best;
	return best ? 0 : disagg_err_set(err, DISAGG_MISSING, "cuBLASLt proposes no algorithm");
}

static double tflops(const struct disagg_gemm *gemm, double seconds)
{
	double n = gemm->n;

	return 2 * n * n * n / seconds / 1e12;
}

static int measure_gemm(struct disagg_probe_run *run, struct disagg_err *err)
{
	static const struct disagg_gpudev_plan plan = {.batch_s = 0.5, .most = 1000};
	static const cublasOperation_t operations[] = {CUBLAS_OP_N, CUBLAS_OP_T};
	static const char letters[] = "NT";
	struct disagg_gpudev_timing timing;
	struct disagg_gemm gemm;
	struct lt lt = {.handle = NULL};

	if (disagg_gemm_open(&gemm, run, err) != 0 ||
		disagg_gpudev_measure(
			&gemm.dev, disagg_gemm_multiply, &gemm, &plan, &timing, err) != 0)
		return -1;
	printf(",\"gemm_n\":%d,\"gemm_cublas\":%.6g", gemm.n, tflops(&gemm, timing.median));
	if (lt_open(&lt, &gemm, err) != 0)
		return -1;
	for (int i = 0; i < 4; i++) {
		struct way way = {.gemm = &gemm, .lt = &lt};
		double trial;

		/* not every release has every layout */
		if (try_layout(&way, operations[i / 2], operations[i % 2], &trial, err) != 0)
			continue;
		if (disagg_gpudev_measure(&gemm.dev, multiply, &way, &plan, &timing, err) != 0)
			return -1;
		printf(",\"gemm_lt_%c%c\":%.6g", letters[i / 2], letters[i % 2],
			tflops(&gemm, timing.median));
	}
	disagg_gemm_close(&gemm);
	return 0;
}

/* ---- copies ---- */

typedef CUresult wait_value(CUstream, CUdeviceptr, uint32_t, unsigned);

struct copy {
	struct disagg_cuda cuda;
	struct disagg_gpudev dev;
	wait_value *wait; /* holds the stream until all is on it; NULL: the driver has none */
	uint32_t *gate;
	void *host;
	CUdeviceptr device;
	uint64_t bytes;
	bool to_device;
};

static int one_copy(struct copy *copy, struct disagg_err *err)
{
	const struct disagg_cuda *cuda = &copy->cuda;

	return disagg_cuda_check(cuda,
		copy->to_device ? cuda->copy_to_device(
					  copy->device, copy->host, copy->bytes, copy->dev.stream)
				: cuda->copy_to_host(
					  copy->host, copy->device, copy->bytes, copy->dev.stream),
		"a copy", err);
}

/* GB/s of one sample */
static int sample(struct copy *copy, double *ret, struct disagg_err *err)
{
	const struct disagg_cuda *cuda = &copy->cuda;
	float ms = 0;

	*(volatile uint32_t *)copy->gate = 0;
	if (copy->wait &&
		disagg_cuda_check(cuda,
			copy->wait(copy->dev.stream, (CUdeviceptr)(uintptr_t)copy->gate, 1, 0),
			"cuStreamWaitValue32", err) != 0)
		return -1;
	if (disagg_cuda_check(cuda, cuda->event_record(copy->dev.begin, copy->dev.stream),
		    "cuEventRecord", err) != 0)
		return -1;
	for (int i = 0; i < COPIES; i++)
		if (one_copy(copy, err) != 0)
			return -1;
	if (disagg_cuda_check(cuda, cuda->event_record(copy->dev.end, copy->dev.stream),
		    "cuEventRecord", err) != 0)
		return -1;
	*(volatile uint32_t *)copy->gate = 1;
	if (disagg_gpudev_sync(&copy->dev, err) != 0 ||
		disagg_cuda_check(cuda, cuda->event_elapsed(&ms, copy->dev.begin, copy->dev.end),
			"cuEventElapsedTime", err) != 0)
		return -1;
	*ret = disagg_collective_algbw(COPIES * copy->bytes, (double)ms / 1e3);
	return 0;
}

static int measure_way(struct copy *copy, const char *name, struct disagg_err *err)
{
	double values[SAMPLES];

	/* one to warm up */
	if (one_copy(copy, err) != 0 || disagg_gpudev_sync(&copy->dev, err) != 0)
		return -1;
	for (int i = 0; i < SAMPLES; i++)
		if (sample(copy, &values[i], err) != 0)
			return -1;
	printf(",\"%s\":%.6g", name, disagg_percentile(values, SAMPLES, 50));
	return 0;
}

static int measure_copies(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct copy copy = {.bytes = run->options->copy_bytes};
	void *gate = NULL;

	if (disagg_cuda_open(&copy.cuda, err) != 0 ||
		disagg_gpudev_open(&copy.dev, &copy.cuda, run->gpu, err) != 0 ||
		disagg_gpudev_alloc(&copy.dev, copy.bytes, &copy.device, err) != 0 ||
		disagg_cuda_check(&copy.cuda,
			copy.cuda.host_alloc(&copy.host, copy.bytes, CU_MEMHOSTALLOC_PORTABLE),
			"cuMemHostAlloc", err) != 0 ||
		disagg_cuda_check(&copy.cuda,
			copy.cuda.host_alloc(&gate, sizeof(*copy.gate), CU_MEMHOSTALLOC_PORTABLE),
			"cuMemHostAlloc", err) != 0)
		return -1;
	copy.gate = gate;
	*(void **)&copy.wait = dlsym(copy.cuda.library, "cuStreamWaitValue32_v2");
	memset(copy.host, 1, copy.bytes);
	printf(",\"copy_bytes\":%llu,\"copy_held\":%s", (unsigned long long)copy.bytes,
		copy.wait ? "true" : "false");
	copy.to_device = true;
	if (measure_way(&copy, "h2d", err) != 0)
		return -1;
	copy.to_device = false;
	return measure_way(&copy, "d2h", err);
}

static int number(const char *text, int64_t most, uint64_t *ret)
{
	int64_t value;

	if (disagg_num_int(text, 1, most, &value) != 0)
		return -1;
	*ret = (uint64_t)value;
	return 0;
}

int main(int argc, char **argv)
{
	struct disagg_probe_options options = {.sysroot = "",
		.device_root = "",
		.gemm_size = 8192,
		.copy_bytes = UINT64_C(512) << 20};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_probe_run run = {.options = &options, .arena = &arena};
	struct disagg_gpu *gpus;
	int rc = 0;

	if (argc > 1 && (argc != 3 || number(argv[1], 32768, &options.gemm_size) != 0 ||
				number(argv[2], 4096, &options.copy_bytes) != 0)) {
		fprintf(stderr, "usage: gpu_best [N MIB]\n");
		return 2;
	}
	if (argc > 1)
		options.copy_bytes <<= 20;
	if (disagg_devices_list(
		    &arena, getenv("CUDA_VISIBLE_DEVICES"), &gpus, &run.gpu_count, &err) != 0) {
		printf("%s\n", err.text);
		return 77;
	}
	run.gpus = run.gpu = gpus;
	printf("{\"gpu\":\"%s\"", gpus->name);
	if (measure_gemm(&run, &err) != 0) {
		fprintf(stderr, "gpu_best: %s\n", err.text);
		rc = 5;
	}
	if (measure_copies(&run, &err) != 0) {
		fprintf(stderr, "gpu_best: %s\n", err.text);
		rc = 5;
	}
	printf("}\n");
	return rc;
}
