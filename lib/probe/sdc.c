/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gpuprobes.h"

#include "lib/probe/gemm.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TILES	    8 /* a side; one element of each is compared with the host's */
#define TOLERANCE   0x1p-7
#define REPEATS	    10
#define REPEATS_ALL 400 /* thorough: some 30 s at N = 8192 with the copies to the host */

struct sdc {
	struct disagg_probe_run *run;
	struct disagg_gemm gemm;
	uint16_t *host; /* C, pinned */
	size_t bytes;
	uint64_t first; /* the checksum of the first product */
	unsigned repeats;
};

/* FNV-1a's step over words of 64 bits, not bytes: C is 128 MiB. */
static uint64_t checksum(const void *bytes, size_t size)
{
	const char *at = bytes;
	uint64_t hash = 0xcbf29ce484222325u, word = 0;

	for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * 0x100000001b3u;
		hash ^= hash >> 29; /* else no bit reaches a lower one */
	}
	word = 0;
	memcpy(&word, at, size);
	return (hash ^ word) * 0x100000001b3u;
}

/* C anew: what was there is overwritten, so that a product that was not done shows. */
static int multiply(struct sdc *sdc, struct disagg_err *err)
{
	struct disagg_gemm *gemm = &sdc->gemm;
	const struct disagg_cuda *cuda = &gemm->cuda;
	CUstream stream = gemm->dev.stream;

	if (disagg_cuda_check(
		    cuda, cuda->fill8(gemm->c, 0xff, sdc->bytes, stream), "cuMemsetD8", err) != 0 ||
		disagg_gemm_multiply(gemm, err) != 0 ||
		disagg_cuda_check(cuda, cuda->copy_to_host(sdc->host, gemm->c, sdc->bytes, stream),
			"cuMemcpyDtoH", err) != 0)
		return -1;
	return disagg_gpudev_sync(&gemm->dev, err);
}

static void fail(struct sdc *sdc, struct disagg_probe_record *record, const char *reason)
{
	record->status = DISAGG_PROBE_FAIL;
	record->reason = reason ? reason : "a product differs from what it must be";
	record->hint = "the GPU computes wrong results without an error: take it out and have it "
		       "replaced";
	sdc->run->emit(sdc->run, record);
}

/* ---- against the host ---- */

struct worst {
	double error; /* relative to the size that an element has: the root of N */
	int row, column;
	double got, want;
};

/* Relative to the element, or, where that is small by chance, to the root of its variance. */
static double error_of(double got, double want, int n)
{
	double scale = fabs(want), usual = sqrt((double)n);

	return fabs(got - want) / (scale > usual ? scale : usual);
}

static struct worst compare_host(const struct sdc *sdc)
{
	int n = sdc->gemm.n, side = n / TILES;
	struct worst worst = {.error = -1};

	for (int tile = 0; tile < TILES * TILES; tile++) {
		/* not the same place in each tile */
		int row = tile % TILES * side + (tile * 37 + 11) % side;
		int column = tile / TILES * side + (tile * 53 + 7) % side;
		double got = (double)disagg_bf16_widen(
			sdc->host[(size_t)column * (size_t)n + (size_t)row]);
		double want = disagg_gemm_expected(&sdc->gemm, row, column);
		double error = error_of(got, want, n);

		if (!(error <= worst.error)) /* NaN is the worst */
			worst = (struct worst){error, row, column, got, want};
	}
	return worst;
}

/* ---- again and again ---- */

/* false: one differed, and is reported. */
static int repeat(
	struct sdc *sdc, struct disagg_probe_record *record, bool *ret_same, struct disagg_err *err)
{
	*ret_same = true;
	for (unsigned i = 1; i < sdc->repeats && *ret_same; i++) {
		uint64_t sum;

		if (multiply(sdc, err) != 0)
			return -1;
		sum = checksum(sdc->host, sdc->bytes);
		if (sum == sdc->first)
			continue;
		*ret_same = false;
		fail(sdc, record,
			disagg_arena_printf(sdc->run->arena,
				"product %u of the same operands has checksum %016llx, the first "
				"had %016llx",
				i + 1, (unsigned long long)sum, (unsigned long long)sdc->first));
	}
	return 0;
}

static int examine(struct sdc *sdc, struct disagg_probe_record *record, struct disagg_err *err)
{
	struct disagg_arena *arena = sdc->run->arena;
	struct worst worst;
	bool same;

	if (multiply(sdc, err) != 0)
		return -1;
	sdc->first = checksum(sdc->host, sdc->bytes);
	record->digest = disagg_arena_printf(arena, "%016llx", (unsigned long long)sdc->first);
	worst = compare_host(sdc);
	if (!(worst.error < TOLERANCE)) {
		fail(sdc, record,
			disagg_arena_printf(arena,
				"element (%d, %d) of the product is %g, and %g on the host: off by "
				"%.3g, less than %.3g is expected",
				worst.row, worst.column, worst.got, worst.want, worst.error,
				TOLERANCE));
		return 0;
	}
	if (repeat(sdc, record, &same, err) != 0)
		return -1;
	if (same)
		sdc->run->emit(sdc->run, record);
	return 0;
}

int disagg_probe_sdc_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	bool is_long = run->options->suite == DISAGG_SUITE_THOROUGH;
	struct sdc sdc = {.run = run, .repeats = is_long ? REPEATS_ALL : REPEATS};
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	struct disagg_gemm *gemm = &sdc.gemm;
	void *host = NULL;
	int rc;

	if (disagg_gemm_open(gemm, run, err) != 0)
		return -1;
	sdc.bytes = (size_t)gemm->n * (size_t)gemm->n * sizeof(*sdc.host);
	/* another cuBLAS may add in another order */
	record.param = disagg_arena_printf(run->arena, "%d cublas %d", gemm->n, gemm->blas.version);
	rc = disagg_cuda_check(&gemm->cuda,
		gemm->cuda.host_alloc(&host, sdc.bytes, CU_MEMHOSTALLOC_PORTABLE), "cuMemHostAlloc",
		err);
	sdc.host = host;
	if (rc == 0)
		rc = examine(&sdc, &record, err);
	if (host)
		gemm->cuda.host_free(host);
	disagg_gemm_close(gemm);
	return rc;
}
