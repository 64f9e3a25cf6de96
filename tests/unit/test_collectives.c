/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/collectives.h"
#include "tests/unit/tap.h"

#include <math.h>

#define GIB (UINT64_C(1) << 30)

static bool near(double got, double want, double relative)
{
	bool good = fabs(got - want) <= relative * fabs(want);

	if (!good)
		printf("#   got %.9g, expected %.9g\n", got, want);
	return good;
}

static void test_factors(void)
{
	static const struct {
		enum disagg_collective collective;
		unsigned ranks;
		double factor;
	} rows[] = {
		{DISAGG_ALL_REDUCE, 1, 0},
		{DISAGG_ALL_REDUCE, 2, 1.0},
		{DISAGG_ALL_REDUCE, 8, 1.75},
		{DISAGG_ALL_REDUCE, 16, 1.875},
		{DISAGG_ALL_GATHER, 8, 0.875},
		{DISAGG_ALL_GATHER, 1, 0},
		{DISAGG_REDUCE_SCATTER, 4, 0.75},
		{DISAGG_ALLTOALL, 8, 0.875},
		{DISAGG_SENDRECV, 8, 1.0},
		{DISAGG_SENDRECV, 1, 1.0},
		{DISAGG_BROADCAST, 8, 1.0},
		{DISAGG_ALL_REDUCE, 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ok(near(disagg_collective_factor(rows[i].collective, rows[i].ranks), rows[i].factor,
			   1e-12),
			disagg_collective_name(rows[i].collective));
}

/* Lines that all_reduce_perf printed: two decimals. */
static void test_published(void)
{
	static const struct {
		unsigned ranks;
		uint64_t bytes;
		double us, algbw, busbw;
	} rows[] = {
		/* github.com/NVIDIA/nccl/issues/1453 */
		{24, 16777216, 1334.9, 12.57, 24.09},
		{24, 33554432, 2180.1, 15.39, 29.50},
		{24, 536870912, 193909, 2.77, 5.31},
		/* two GB10: github.com/NVIDIA/dgx-spark-playbooks/pull/103 */
		{2, 65536, 67.93, 0.96, 0.96},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double seconds = rows[i].us / 1e6;

		ok(fabs(disagg_collective_algbw(rows[i].bytes, seconds) - rows[i].algbw) <= 0.006,
			"algbw as all_reduce_perf prints it");
		ok(fabs(disagg_collective_busbw(
				DISAGG_ALL_REDUCE, rows[i].ranks, rows[i].bytes, seconds) -
			   rows[i].busbw) <= 0.006,
			"busbw as all_reduce_perf prints it");
	}
	ok(disagg_collective_algbw(8, 0) == 0, "no time, no bandwidth");
}

static void test_shape(void)
{
	struct disagg_collective_shape shape =
		disagg_collective_shape(DISAGG_ALL_GATHER, 8, 8 << 20, 4);

	is_int((intmax_t)shape.send_bytes, 1 << 20, "all_gather: a rank sends S / n");
	is_int((intmax_t)shape.recv_bytes, 8 << 20, "all_gather: a rank receives S");
	shape = disagg_collective_shape(DISAGG_REDUCE_SCATTER, 8, 8 << 20, 4);
	is_int((intmax_t)shape.send_bytes, 8 << 20, "reduce_scatter: a rank sends S");
	is_int((intmax_t)shape.recv_bytes, 1 << 20, "reduce_scatter: a rank receives S / n");
	shape = disagg_collective_shape(DISAGG_ALLTOALL, 3, 100, 4);
	is_int((intmax_t)shape.bytes, 96, "S is cut to whole parts of whole elements");
	is_int((intmax_t)shape.part_bytes, 32, "the part of 3 ranks");
	shape = disagg_collective_shape(DISAGG_ALL_REDUCE, 1000, 8, 4);
	is_int((intmax_t)shape.bytes, 8, "all_reduce takes 8 bytes of any number of ranks");
	shape = disagg_collective_shape(DISAGG_ALL_GATHER, 1000, 8, 4);
	is_int((intmax_t)shape.bytes, 0, "too small for all_gather");
	shape = disagg_collective_shape(DISAGG_ALL_GATHER, 0, 8, 4);
	is_int((intmax_t)shape.bytes, 0, "no ranks");
}

static void test_wire(void)
{
	/* 4 nodes of 8 B200, 50 GB/s a GPU: busbw 382 is 36.97 on the wire, 74 % */
	ok(near(disagg_collective_wire(382, 4, 32), 36.9677, 1e-4), "wire of busbw 382, 4 x 8");
	ok(near(disagg_collective_from_wire(36.9677, 4, 32), 382, 1e-4), "and back");
	ok(near(disagg_collective_wire(50, 2, 2), 50, 1e-9), "2 nodes of 1 GPU: the wire is busbw");
	ok(disagg_collective_wire(400, 1, 8) == 0, "one node has no wire");
	ok(disagg_collective_from_wire(400, 2, 1) == 0, "one rank has none");
}

static void test_names(void)
{
	static const struct {
		uint64_t bytes;
		const char *name;
	} rows[] = {{0, "0"}, {8, "8"}, {1000, "1000"}, {1024, "1K"}, {65536, "64K"},
		{8 << 20, "8M"}, {1536, "1536"}, {GIB, "1G"}, {16 * GIB, "16G"},
		{GIB << 20, "1024T"}, {UINT64_MAX, "18446744073709551615"}};
	char buf[DISAGG_SIZE_NAME];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		is_str(disagg_size_name(rows[i].bytes, buf), rows[i].name, rows[i].name);
}

static void test_nvls(void)
{
	ok(disagg_nvls_inactive("NVIDIA H200", 8, 4 * GIB, 367), "H200 at 4G with 367: no NVLS");
	ok(disagg_nvls_inactive("NVIDIA H100 80GB HBM3", 8, 16 * GIB, 370), "H100 at 16G with 370");
	ok(!disagg_nvls_inactive("NVIDIA H200", 8, 4 * GIB, 473), "473 has it");
	ok(!disagg_nvls_inactive("NVIDIA H200", 8, 4 * GIB, 320), "320 is another fault");
	ok(disagg_nvls_inactive("NVIDIA H200", 8, 4 * GIB, 360), "360 is in");
	ok(!disagg_nvls_inactive("NVIDIA H200", 8, 4 * GIB, 359.9), "359.9 is not");
	ok(disagg_nvls_inactive("NVIDIA H200", 8, 4 * GIB, 375), "375 is in");
	ok(!disagg_nvls_inactive("NVIDIA H200", 8, 4 * GIB, 375.1), "375.1 is not");
	ok(!disagg_nvls_inactive("NVIDIA H200", 8, 128 << 20, 365), "128M says nothing");
	ok(!disagg_nvls_inactive("NVIDIA H200", 4, 4 * GIB, 363), "4 GPUs have 363 either way");
	ok(!disagg_nvls_inactive("NVIDIA B200", 8, 4 * GIB, 367), "NVLink 5 is another matter");
	ok(!disagg_nvls_inactive("NVIDIA GH200 480GB", 8, 4 * GIB, 367), "GH200 is not H200");
	ok(!disagg_nvls_inactive("NVIDIA H100 PCIe", 8, 4 * GIB, 367), "PCIe has no NVSwitch");
	ok(!disagg_nvls_inactive(NULL, 8, 4 * GIB, 367), "no name");
}

static void test_percentile(void)
{
	double values[] = {5, 1, 4, 2, 3};

	ok(disagg_percentile(values, 5, 50) == 3, "the median of 5");
	ok(disagg_percentile(values, 5, 99) == 5, "p99 of 5 is the largest");
	ok(disagg_percentile(values, 5, 0) == 1, "p0 is the smallest");
	ok(disagg_percentile(values, 0, 50) == 0, "of none: 0");
}

int main(void)
{
	test_factors();
	test_published();
	test_shape();
	test_wire();
	test_names();
	test_nvls();
	test_percentile();
	return tap_done();
}
