/* SPDX-License-Identifier: Apache-2.0 */
/* nccl.intra and nccl.nic_loopback against the stubs: one process, up to 8 ranks. */
#include "lib/probe/intra.h"
#include "lib/probe/ranks.h"

#include "tests/unit/probe_child.h"
#include <math.h>
#include <sys/stat.h>

#define SILENT_MS 20000

static struct child *run_on(struct child *child)
{
	child_start(child);
	child_end(child, SILENT_MS);
	return child;
}

static double value_of(const struct child *child, const char *param)
{
	const struct disagg_probe_record *record = child_record(child, param, -1);

	return record && record->has_value ? record->value : -1;
}

static bool near(double got, double want)
{
	bool good = fabs(got - want) <= 0.02 * want;

	if (!good)
		printf("#   got %.6g, expected %.6g\n", got, want);
	return good;
}

static size_t count_status(const struct child *child, enum disagg_probe_status status)
{
	size_t count = 0;

	for (size_t i = 0; i < child->count; i++)
		count += child->record[i].status == status;
	return count;
}

static void test_standard(void)
{
	struct child *child = run_on(child_new("n1", 8, disagg_probe_intra_run));

	is_int(child->code, 0, "8 GPUs: it ends well");
	is_str(child->text, "", "and says nothing");
	is_int((intmax_t)count_status(child, DISAGG_PROBE_PASS), (intmax_t)child->count,
		"every record is a pass");
	/* 3 sizes: 2 busbw, algbw, p99/min of the first three collectives; 3 of the others */
	is_int((intmax_t)child->count, 3 * 3 * 4 + 2 * 3 * 3, "so many records");
	ok(near(value_of(child, "all_reduce 64K"), 2.93), "all_reduce 64K: the curve's busbw");
	ok(near(value_of(child, "all_reduce 256K"), 11.7), "all_reduce 256K too");
	ok(near(value_of(child, "all_reduce 256K in-place"), 11.7), "and in place");
	ok(near(value_of(child, "all_reduce 256K algbw"), 11.7 / 1.75), "algbw is busbw / 1.75");
	ok(near(value_of(child, "all_reduce 256K p99/min"), 1), "runs without noise are equal");
	ok(near(value_of(child, "all_gather 256K"), 11.7 * 367 / 473), "all_gather");
	ok(near(value_of(child, "reduce_scatter 256K"), 11.7 * 367 / 473), "reduce_scatter");
	ok(value_of(child, "alltoall 256K") > 0, "alltoall");
	ok(value_of(child, "sendrecv 256K") > 0, "sendrecv");
	ok(!child_record(child, "alltoall 256K in-place", -1), "alltoall has none in place");
	is_int(child_record(child, "all_reduce 64K", -1)->better, DISAGG_BETTER_MORE,
		"busbw is better when more");
	is_int(child_record(child, "all_reduce 64K algbw", -1)->better, DISAGG_BETTER_NONE,
		"algbw is not compared");
	is_int((intmax_t)child_record(child, "all_reduce 64K", -1)->raw_count, 4,
		"each run's busbw is kept");
	child_free(child);
}

static void test_quick(void)
{
	struct child *child = child_new("n1", 4, disagg_probe_intra_run);

	child->options.suite = DISAGG_SUITE_QUICK;
	run_on(child);
	ok(value_of(child, "all_reduce 64K") > 0, "quick: the smallest size");
	ok(value_of(child, "all_reduce 256K") > 0, "and the largest");
	ok(!child_record(child, "all_reduce 128K", -1), "none between");
	ok(!child_record(child, "all_gather 64K", -1), "no other collective");
	child_free(child);
}

static void test_one_gpu(void)
{
	struct child *child = run_on(child_new("n1", 1, disagg_probe_intra_run));

	is_int(child->code, 0, "one GPU: it ends well");
	ok(!child_record(child, "all_reduce 256K", -1), "it has no busbw");
	ok(value_of(child, "all_reduce 256K algbw") > 0, "but algbw");
	child_free(child);
}

static void test_wrong_sum(void)
{
	struct child *child = child_new("n1", 8, disagg_probe_intra_run);
	size_t others = 0;

	child->faults = "wrong-sum node=n1 gpu=5";
	child->options.suite = DISAGG_SUITE_QUICK;
	run_on(child);
	is_int(child->code, 0, "a wrong result does not end the probe");
	for (size_t i = 0; i < child->count; i++)
		others += child->record[i].status == DISAGG_PROBE_FAIL && child->record[i].gpu != 5;
	ok(count_status(child, DISAGG_PROBE_FAIL) >= 2, "it fails");
	is_int((intmax_t)others, 0, "for GPU 5 alone");
	for (size_t i = 0; i < child->count; i++)
		if (child->record[i].status == DISAGG_PROBE_FAIL) {
			is_str(child->record[i].gpu_uuid, "GPU-5", "which is named");
			has_str(child->record[i].reason, "1 elements of what GPU 5 received",
				"with what is wrong");
			break;
		}
	child_free(child);
	child = child_new("n2", 8, disagg_probe_intra_run);
	child->faults = "wrong-sum node=n1 gpu=5";
	child->options.suite = DISAGG_SUITE_QUICK;
	run_on(child);
	is_int((intmax_t)count_status(child, DISAGG_PROBE_FAIL), 0, "another node has no failure");
	child_free(child);
}

static void test_slow(void)
{
	static const struct {
		const char *faults;
		double share;
	} rows[] = {{"nvls-off", 367.0 / 473}, {"slow-nvlink node=n1 by=0.6", 0.6},
		{"slow-nvlink node=n2 by=0.6", 1}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct child *child = child_new("n1", 8, disagg_probe_intra_run);

		child->faults = rows[i].faults;
		child->options.suite = DISAGG_SUITE_QUICK;
		run_on(child);
		ok(near(value_of(child, "all_reduce 256K"), 11.7 * rows[i].share), rows[i].faults);
		child_free(child);
	}
}

static void test_ends(void)
{
	struct child *child = child_new("n1", 2, disagg_probe_intra_run);

	child->faults = "nccl-hang node=n1 after=2";
	child_start(child);
	child_end(child, 300);
	ok(child->late && WIFSIGNALED(child->status), "a hang is ended by who waits for it");
	is_int(child->code, -1, "having said nothing");
	child_free(child);

	child = child_new("n1", 2, disagg_probe_intra_run);
	child->faults = "nccl-dead node=n1 after=2";
	run_on(child);
	ok(!child->late && WIFSIGNALED(child->status), "a process that dies is seen at once");
	child_free(child);

	child = child_new("n1", 2, disagg_probe_intra_run);
	child->faults = "no-driver";
	run_on(child);
	is_int(child->code, DISAGG_SKIPPED, "without a driver it is skipped");
	child_free(child);

	child = child_new("n1", 2, disagg_probe_intra_run);
	child->faults = "old-driver";
	run_on(child);
	is_int(child->code, DISAGG_MISSING, "an old driver is told");
	has_str(child->text, "too old", "as such");
	child_free(child);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (file) {
		fputs(text, file);
		fclose(file);
	}
}

static void test_loopback(void)
{
	static const char *const parts[] = {"/sys", "/sys/class", "/sys/class/infiniband",
		"/sys/class/infiniband/mlx5_0", "/sys/class/infiniband/mlx5_0/ports",
		"/sys/class/infiniband/mlx5_0/ports/1"};
	char root[] = "/tmp/disagg-nccl.XXXXXX", path[256];
	struct child *child = child_new("n1", 4, disagg_probe_loopback_run);

	if (!mkdtemp(root))
		return;
	child->options.sysroot = root;
	run_on(child);
	is_int(child->code, DISAGG_SKIPPED, "no RDMA device: skipped");
	has_str(child->text, "no RDMA device", "with the reason");
	child_free(child);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, parts[i]);
		mkdir(path, 0700);
	}
	snprintf(path, sizeof(path), "%s%s/rate", root, parts[5]);
	write_text(path, "400 Gb/sec (4X NDR)\n");
	child = child_new("n1", 4, disagg_probe_loopback_run);
	child->options.sysroot = root;
	run_on(child);
	is_int(child->code, 0, "with one it runs");
	ok(near(value_of(child, "all_reduce 256K"), 50 * 0.97 * 0.2), "at the speed of the NICs");
	has_str(child_record(child, "all_reduce 256K", -1)->hint, "1 RDMA ports with 50 GB/s",
		"which the hint counts");
	child_free(child);
	child = child_new("n1", 1, disagg_probe_loopback_run);
	run_on(child);
	is_int(child->code, DISAGG_SKIPPED, "one GPU: skipped");
	child_free(child);
	unlink(path);
	for (size_t i = sizeof(parts) / sizeof(parts[0]); i-- > 0;) {
		snprintf(path, sizeof(path), "%s%s", root, parts[i]);
		rmdir(path);
	}
	rmdir(root);
}

/* Where NCCL wants the buffers of a call that is done in place (its user guide, "In-place
 * operations"). */
static void test_places(void)
{
	const struct disagg_ranks ranks = {.count = 8, .total = 8};
	const struct disagg_rank rank = {.number = 3, .send = 0x1000000, .recv = 0x2000000};
	static const struct {
		enum disagg_collective collective;
		bool in_place;
		CUdeviceptr send, recv;
	} rows[] = {{DISAGG_ALL_REDUCE, false, 0x1000000, 0x2000000},
		{DISAGG_ALL_REDUCE, true, 0x2000000, 0x2000000},
		{DISAGG_ALL_GATHER, true, 0x2000000 + 3 * 1024, 0x2000000},
		{DISAGG_REDUCE_SCATTER, true, 0x2000000, 0x2000000 + 3 * 1024},
		{DISAGG_REDUCE_SCATTER, false, 0x1000000, 0x2000000}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_ranks_job job = {.collective = rows[i].collective,
			.bytes = 8192,
			.in_place = rows[i].in_place};
		struct disagg_ranks_place place = disagg_ranks_place(&ranks, &rank, &job);

		ok(place.send == rows[i].send && place.recv == rows[i].recv,
			disagg_collective_name(rows[i].collective));
	}
}

/* 64M is the least that tells NVLS: much for a stub that copies it all. */
static void test_nvls(void)
{
	static const char *const faults[] = {"", "nvls-off node=n1"};

	for (size_t i = 0; i < 2; i++) {
		struct child *child = child_new("n1", 8, disagg_probe_intra_run);
		const struct disagg_probe_record *record;

		child->faults = faults[i];
		child->options.suite = DISAGG_SUITE_QUICK;
		child->options.nccl_min_bytes = child->options.nccl_max_bytes = 64 << 20;
		child->options.nccl_iterations = 1;
		child_start(child);
		child_end(child, 20 * SILENT_MS);
		record = child_record(child, "all_reduce 64M", -1);
		is_int(child->code, 0, "it ends well");
		ok(record && record->status == (i ? DISAGG_PROBE_WARN : DISAGG_PROBE_PASS),
			i ? "without NVLS all_reduce warns" : "with NVLS it passes");
		ok(record && (record->reason != NULL) == (i == 1), "and says why");
		if (i)
			has_str(record ? record->reason : NULL, "NVLS inactive", "as it is");
		child_free(child);
	}
}

int main(int argc, char **argv)
{
	use_stubs(argv);
	if (argc > 1 && strcmp(argv[1], "nvls") == 0) {
		test_nvls();
		return tap_done();
	}
	test_places();
	test_standard();
	test_quick();
	test_one_gpu();
	test_wrong_sum();
	test_slow();
	test_ends();
	test_loopback();
	return tap_done();
}
