/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gpuprobes.h"

#include "tests/unit/stubrun.h"
#include "tests/unit/tap.h"
#include <math.h>

static char what[256];

#define say(...) (snprintf(what, sizeof(what), __VA_ARGS__), what)

static bool near(double value, double want)
{
	return fabs(value - want) < 0.001 * want;
}

static void show(const struct stub_outcome *outcome)
{
	printf("# code %d '%s', status %d, %zu records\n", outcome->code, outcome->text,
		outcome->status, outcome->count);
	for (size_t i = 0; i < outcome->count; i++)
		printf("#   %s %s gpu %d value %g %s %s\n", outcome->record[i].probe,
			outcome->record[i].param, outcome->record[i].gpu, outcome->record[i].value,
			disagg_probe_status_name(outcome->record[i].status),
			outcome->record[i].reason ? outcome->record[i].reason : "");
}

/* ---- a value each ---- */

static const struct {
	const char *probe;
	size_t records, at; /* how many, and the one that is looked at */
	const char *name, *param, *unit;
	double value;
	const char *faults; /* that halve it */
	double faulty;
} values[] = {
	{"gemm.bf16", 1, 0, "gemm.bf16", "128", "TFLOPS", 790, "slow-gemm gpu=2 by=0.8", 632},
	{"hbm.copy", 1, 0, "hbm.copy", "512K", "GB/s", 4350, "slow-hbm gpu=2 by=0.5", 2175},
	{"pcie.alone", 2, 0, "pcie.h2d", "256K", "GB/s", 56, "slow-copy gpu=2 by=0.5", 28},
	{"pcie.alone", 2, 1, "pcie.d2h", "256K", "GB/s", 55.6, "slow-copy gpu=2 by=0.5", 27.8},
	{"pcie.shared", 3, 2, "pcie.shared", "both 256K", "GB/s", 111.2, "slow-copy gpu=2 by=0.5",
		55.6},
	{"latency.launch", 2, 0, "latency.launch", "fill 4", "us", 4, "slow-launch gpu=2 by=3", 12},
	{"latency.launch", 2, 1, "latency.launch", "d2h 8", "us", 4, "slow-launch gpu=2 by=3", 12},
};

static void one_value(size_t row, const char *faults, double value)
{
	struct stub_outcome *got =
		stub_run((struct stub_run){values[row].probe, .gpu = 2, .faults = faults});
	const struct disagg_probe_record *record = &got->record[values[row].at];
	bool good = got->code == 0 && got->count == values[row].records;

	ok(good, say("%s runs%s%s", values[row].probe, faults ? " with " : "",
			 faults ? faults : ""));
	if (good) {
		is_str(record->probe, values[row].name, "the record's probe");
		is_str(record->param, values[row].param, "its size");
		is_str(record->unit, values[row].unit, "its unit");
		ok(record->gpu == 2 && record->status == DISAGG_PROBE_PASS, "it judges nothing");
		good = ok(near(record->value, value), say("its value is %g", value));
	}
	if (!good)
		show(got);
	stub_outcome_release(got);
}

/* Settings move the value by as much: 2 % of noise, and no more than 2.45 times that. */
static void noise(void)
{
	double least = 1e9, most = 0;

	for (int seed = 1; seed <= 6; seed++) {
		char set[64];
		struct stub_outcome *got;

		snprintf(set, sizeof(set), "STUB_NOISE=2 STUB_SEED=%d", seed);
		got = stub_run((struct stub_run){"gemm.bf16", .gpu = 0, .set = set});
		if (!ok(got->count == 1 && got->record[0].raw_count == 5, "five batches"))
			show(got);
		least = fmin(least, got->record[0].value);
		most = fmax(most, got->record[0].value);
		stub_outcome_release(got);
	}
	ok(least > 790 * 0.949 && most < 790 * 1.051, "noise stays within 5 %");
	ok(most - least > 790 * 0.01, "and is there");
}

/* ---- wrong results ---- */

static const struct disagg_probe_record *only(const struct stub_outcome *got)
{
	static const struct disagg_probe_record none = DISAGG_PROBE_RECORD_INIT;

	if (!ok(got->code == 0 && got->count == 1, "one record"))
		show(got);
	return got->count == 1 ? &got->record[0] : &none;
}

static void wrong_results(void)
{
	struct stub_outcome *good = stub_run((struct stub_run){"gemm.sdc", .gpu = 0});
	struct stub_outcome *other = stub_run((struct stub_run){"gemm.sdc", .gpu = 3});
	struct stub_outcome *bad =
		stub_run((struct stub_run){"gemm.sdc", .gpu = 3, .faults = "wrong-result gpu=3"});
	struct stub_outcome *rare = stub_run(
		(struct stub_run){"gemm.sdc", .gpu = 3, .faults = "wrong-result gpu=3 every=7"});
	struct stub_outcome *memory =
		stub_run((struct stub_run){"gemm.sdc", .gpu = 3, .faults = "wrong-memory gpu=3"});

	ok(only(good)->status == DISAGG_PROBE_PASS, "a good GPU passes");
	is_str(only(good)->param, "128 cublas 130100", "cuBLAS is part of what is compared");
	is_str(only(other)->digest, good->record[0].digest, "all GPUs have the same digest");
	ok(only(bad)->status == DISAGG_PROBE_FAIL, "wrong elements fail");
	has_str(bad->record[0].reason, "on the host: off by", "and are told from the host's");
	ok(bad->record[0].digest && strcmp(bad->record[0].digest, good->record[0].digest) != 0,
		"the digest differs");
	ok(only(rare)->status == DISAGG_PROBE_FAIL, "one wrong product of seven fails");
	has_str(rare->record[0].reason, "product 7 of the same operands has checksum",
		"and is the seventh");
	ok(memory->count == 1 && strcmp(memory->record[0].digest, good->record[0].digest) != 0,
		"a bad memory changes the digest");
	stub_outcome_release(good);
	stub_outcome_release(other);
	stub_outcome_release(bad);
	stub_outcome_release(rare);
	stub_outcome_release(memory);
}

static void bad_memory(void)
{
	struct stub_outcome *good = stub_run((struct stub_run){"hbm.march", .gpu = 1});
	struct stub_outcome *bad =
		stub_run((struct stub_run){"hbm.march", .gpu = 1, .faults = "wrong-memory gpu=1"});
	struct stub_outcome *full =
		stub_run((struct stub_run){"hbm.march", .gpu = 1, .set = "STUB_FREE=8"});
	struct stub_outcome *copy =
		stub_run((struct stub_run){"pcie.alone", .gpu = 1, .faults = "wrong-memory gpu=1"});

	ok(only(good)->status == DISAGG_PROBE_PASS && near(good->record[0].value, 48 / 1024.0),
		"48 of 64 MiB are tested, in whole windows");
	ok(only(bad)->status == DISAGG_PROBE_FAIL, "a bit that stays 0 is found");
	has_str(bad->record[0].reason, "words of the memory are wrong, the first at 0x2000000",
		"and where it is");
	is_int(full->code, DISAGG_MISSING, "a GPU without free memory is not tested");
	ok(copy->count == 3 && copy->record[2].status == DISAGG_PROBE_FAIL,
		"a copy there and back shows it too");
	stub_outcome_release(good);
	stub_outcome_release(bad);
	stub_outcome_release(full);
	stub_outcome_release(copy);
}

/* ---- paths ---- */

/* Counts records that are no pass; *ret is the last of them. */
static size_t bad_ones(const struct stub_outcome *got, const struct disagg_probe_record **ret)
{
	size_t count = 0;

	for (size_t i = 0; i < got->count; i++)
		if (got->record[i].status != DISAGG_PROBE_PASS) {
			*ret = &got->record[i];
			count++;
		}
	return count;
}

static void paths(void)
{
	const struct disagg_probe_record *bad = NULL;
	struct stub_outcome *got = stub_run((struct stub_run){"p2p.matrix", .gpu = -1});

	ok(got->code == 0 && got->count == 8 && bad_ones(got, &bad) == 0, "eight GPUs, all good");
	ok(near(got->record[5].value, 400) && got->record[5].raw_count == 7 &&
			got->record[5].gpu == 5,
		"the value is the median of its paths, and raw are those from it");
	stub_outcome_release(got);

	got = stub_run(
		(struct stub_run){"p2p.matrix", .gpu = -1, .faults = "slow-p2p gpu=5 by=0.5"});
	if (!ok(got->count == 8 && bad_ones(got, &bad) == 1 && bad->gpu == 5 && !bad->peer &&
			    near(bad->value, 200),
		    "a GPU whose paths are all slow is to blame, and no other"))
		show(got);
	has_str(bad->reason, "14 of its 14 paths are below", "it says how many");
	stub_outcome_release(got);

	got = stub_run((struct stub_run){
		"p2p.matrix", .gpu = -1, .faults = "slow-p2p gpu=5 peer=2 by=0.5"});
	if (!ok(got->count == 10 && bad_ones(got, &bad) == 2, "a slow path is one of the path"))
		show(got);
	ok(bad->gpu == 5, "with its GPU");
	is_str(bad->peer, "n1:2", "and the other's");
	has_str(bad->reason, "the other paths of both are good", "and why it is not the GPU");
	stub_outcome_release(got);

	got = stub_run(
		(struct stub_run){"p2p.matrix", .gpu = -1, .faults = "wrong-p2p gpu=1 peer=3"});
	ok(bad_ones(got, &bad) == 2, "wrong data fails");
	has_str(bad->reason, "GPU 1 received is not what was sent", "and the path is named");
	stub_outcome_release(got);

	got = stub_run((struct stub_run){"p2p.matrix", .gpu = -1, .faults = "wrong-p2p gpu=6"});
	if (!ok(got->count == 8 && bad_ones(got, &bad) == 1 && bad->gpu == 6,
		    "wrong data of all paths of a GPU is the GPU's"))
		show(got);
	has_str(bad->reason, "what went over 14 of its 14 paths has changed", "and it says so");
	stub_outcome_release(got);

	got = stub_run((struct stub_run){"p2p.matrix", .gpu = -1, .set = "STUB_GPUS=1"});
	is_int(got->code, DISAGG_SKIPPED, "one GPU has no paths");
	stub_outcome_release(got);

	got = stub_run((struct stub_run){"p2p.matrix", .gpu = -1, .faults = "mig gpu=4"});
	is_int(got->code, DISAGG_SKIPPED, "nor has a MIG instance");
	stub_outcome_release(got);

	got = stub_run((struct stub_run){"p2p.matrix", .gpu = -1, .set = "STUB_GPUS=3"});
	ok(got->code == 0 && got->count == 3 && bad_ones(got, &bad) == 0 &&
			got->record[0].raw_count == 2,
		"an odd number works, each pair once");
	stub_outcome_release(got);
}

/* ---- what explains, what ends ---- */

static const struct {
	struct stub_run run;
	int code;
	const char *text, *name;
} refusals[] = {
	{{"gemm.bf16", .libs = ""}, DISAGG_SKIPPED, "no NVIDIA driver", "no driver"},
	{{"gemm.bf16", .faults = "no-driver"}, DISAGG_SKIPPED, "kernel module is not loaded",
		"a driver that is not loaded"},
	{{"gemm.bf16", .libs = "stubs/old:stubs"}, DISAGG_MISSING,
		"the NVIDIA driver is too old for CUDA 11.0: the library lacks 'cuMemcpyPeerAsync'",
		"a driver that lacks a function"},
	{{"gemm.bf16", .faults = "old-driver"}, DISAGG_MISSING, "it has CUDA 10.2, and 11.0",
		"a driver of CUDA 10"},
	{{"gemm.bf16", .set = "STUB_CUDA=12080"}, DISAGG_SKIPPED,
		"no cuBLAS for CUDA 12: no 'libcublas.so.12'",
		"a cuBLAS that is newer than the driver is not used"},
	{{"gemm.bf16", .faults = "cuinit=34"}, DISAGG_MISSING, "toolkit's stub library",
		"the toolkit's stub library"},
	{{"gemm.bf16", .faults = "cuinit=802"}, DISAGG_SYSTEM, "see nvidia-fabricmanager",
		"switches that are not set up"},
	{{"gemm.bf16", .faults = "cuinit=803"}, DISAGG_MISSING, "differ in version",
		"what CUDA says of a library and a module that differ"},
	{{"gemm.bf16", .faults = "cuinit=100"}, DISAGG_SKIPPED, "cuInit finds none",
		"no GPU for CUDA"},
	{{"gemm.bf16", .faults = "cuinit=999"}, DISAGG_SYSTEM, "cuInit: 999 CUDA_ERROR_UNKNOWN",
		"a driver that does not start"},
	{{"gemm.bf16", .faults = "mismatch"}, DISAGG_MISSING, "differ in version",
		"a library and a module that differ"},
	{{"gemm.bf16", .faults = "lost gpu=0"}, DISAGG_SYSTEM, "cuDevicePrimaryCtxRetain: 999",
		"a GPU that fell off the bus"},
	{{"gemm.bf16", .gpu = 7, .faults = "missing-gpu node=n1"}, DISAGG_MISSING, "no GPU 7",
		"a GPU that is missing"},
	{{"gemm.bf16", .gpu = 0, .set = "STUB_GPUS=0"}, DISAGG_SKIPPED, "no NVIDIA GPU",
		"no GPU at all"},
	{{"hbm.copy", .set = "STUB_MEMORY=0.4"}, DISAGG_SYSTEM,
		"1 MiB on the GPU: cuMemAlloc: 2 CUDA_ERROR_OUT_OF_MEMORY", "no memory"},
};

static void refused(void)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		struct stub_outcome *got = stub_run(refusals[i].run);

		ok(got->code == refusals[i].code && got->count == 0, refusals[i].name);
		has_str(got->text, refusals[i].text, "and it says so");
		stub_outcome_release(got);
	}
}

static void ends(void)
{
	struct stub_outcome *got = stub_run(
		(struct stub_run){"gemm.bf16", .gpu = 2, .faults = "throttle gpu=2 by=0.6"});

	ok(near(only(got)->value, 474), "a throttled GPU is slow");
	has_str(got->record[0].hint, "HW slowdown, HW thermal slowdown; SM 1200 of 1980 MHz",
		"and says why");
	stub_outcome_release(got);
	got = stub_run((struct stub_run){"gemm.bf16", .gpu = 1, .faults = "hang gpu=1"});
	ok(got->code == -1 && WIFSIGNALED(got->status) && WTERMSIG(got->status) == SIGALRM,
		"a GPU that hangs does not come back");
	stub_outcome_release(got);
	got = stub_run((struct stub_run){"gemm.bf16", .gpu = 0, .faults = "hang gpu=1"});
	is_int(got->code, 0, "another one does");
	stub_outcome_release(got);
	got = stub_run((struct stub_run){"gemm.bf16", .gpu = 1, .faults = "crash gpu=1"});
	ok(got->code == -1 && !(WIFEXITED(got->status) && WEXITSTATUS(got->status) == 0),
		"a library that crashes ends the process");
	stub_outcome_release(got);
}

static void instances(void)
{
	struct stub_outcome *got =
		stub_run((struct stub_run){"gemm.bf16", .gpu = 2, .faults = "mig gpu=1 count=3"});

	ok(near(only(got)->value, 790) && got->record[0].gpu == 2,
		"the second MIG instance of GPU 1 is measured by itself");
	stub_outcome_release(got);
}

int main(int argc, char **argv)
{
	stub_run_main(argc, argv);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		one_value(i, NULL, values[i].value);
		one_value(i, values[i].faults, values[i].faulty);
	}
	noise();
	wrong_results();
	bad_memory();
	paths();
	refused();
	ends();
	instances();
	return tap_done();
}
