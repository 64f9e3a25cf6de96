/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run-outcome.c"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/disagg-outcome.XXXXXX";
static const char *names[] = {"n10", "n2", "n1", "n3"};
static const struct disagg_hostlist hosts = {names, 4};

static void put(const char *file, const char *text)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	out = fopen(path, "w");
	if (!out || fputs(text, out) < 0 || fclose(out))
		abort();
}

static void drop(const char *file)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	unlink(path);
}

#define RECORD(probe, node, status, more)                                                          \
	"{\"schema\":\"disagg.probe/1\",\"probe\":\"" probe "\",\"node\":\"" node                  \
	"\",\"status\":\"" status "\"" more "}\n"

static void test_worst(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct run_outcome got;

	put("a.jsonl", RECORD("gemm", "n10", "pass", "") RECORD("gemm", "n2", "skip", "")
			       RECORD("gemm", "n1", "unknown", ",\"reason\":\"no driver\""));
	put("b.jsonl", RECORD("copy", "n2", "warn", "") "no record\n" RECORD("copy", "n1", "fail",
			       ",\"gpu\":3,\"value\":632,\"unit\":\"GB/s\",\"reason\":\"slow\"")
			       RECORD("copy", "m9", "fail", "")
				       RECORD("copy", "n1", "pass", "") "{\"schema\":\"disagg.pro");
	put(".c.jsonl", RECORD("x", "n10", "fail", ""));
	is_int(run_outcome_read(&arena, dir, &hosts, &got, NULL), 0, "a folder of records");
	is_int(got.records, 6, "has six of the job's hosts");
	is_int(got.host[0].status, DISAGG_PROBE_PASS, "one passes");
	is_int(got.host[1].status, DISAGG_PROBE_WARN, "the worst counts");
	is_int(got.host[2].status, DISAGG_PROBE_FAIL, "of several files");
	is_str(got.host[2].why, "copy, GPU 3: 632 GB/s: slow", "with its words");
	is_int(got.host[3].status, DISAGG_PROBE_UNKNOWN, "without a record nobody knows");
	is_str(got.host[3].why, "it has no record", "and that is said");
	is_int(got.count[DISAGG_PROBE_FAIL], 1, "one failed");
	is_int(got.count[DISAGG_PROBE_UNKNOWN], 1, "one is unknown");
	drop("a.jsonl");
	drop("b.jsonl");
	drop(".c.jsonl");
	disagg_arena_release(&arena);
}

/* A run that came to its end has judged its records. */
static void test_report(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct run_outcome got;

	put("records.jsonl", RECORD("gemm", "n10", "pass", "") RECORD("gemm", "n2", "pass", ""));
	put("report.json", "{\"schema\":\"disagg.report/1\",\n\"records\":[\n"
			   "{\"schema\":\"disagg.probe/1\",\"probe\":\"gemm\",\"node\":\"n10\","
			   "\"status\":\"fail\"},\n" RECORD("gemm", "n2", "warn", "") "]}\n");
	is_int(run_outcome_read(&arena, dir, &hosts, &got, NULL), 0, "a report");
	ok(got.reported, "is told of");
	is_int(got.records, 2, "its records alone count");
	is_int(got.host[0].status, DISAGG_PROBE_FAIL, "with a comma behind");
	is_int(got.host[1].status, DISAGG_PROBE_WARN, "and without");
	drop("records.jsonl");
	drop("report.json");
	disagg_arena_release(&arena);
}

static void test_gpus(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct run_outcome got;

	put("a.jsonl", RECORD("gemm.bf16", "n10", "skip", ",\"reason\":\"no driver\"") RECORD(
			       "clock.skew", "n10", "pass", "") RECORD("p2p.matrix", "n2", "skip",
			       ",\"reason\":\"one GPU\"") RECORD("gemm.bf16", "n2", "pass",
			       ",\"gpu\":0") RECORD("clock.skew", "n1", "pass", "")
			       RECORD("gemm.bf16", "n3", "skip", "") RECORD("x", "n3", "fail", ""));
	is_int(run_outcome_read(&arena, dir, &hosts, &got, NULL), 0, "hosts with GPUs");
	is_int(got.host[0].status, DISAGG_PROBE_PASS, "where nobody asks for them all is well");
	is_int(run_outcome_want_gpus(&arena, &hosts, &got), 0, "but");
	is_int(got.host[0].status, DISAGG_PROBE_UNKNOWN, "none was measured on this one");
	is_str(got.host[0].why, "no GPU of it was measured: gemm.bf16: no driver", "for a reason");
	is_int(got.host[1].status, DISAGG_PROBE_PASS, "one that was measured is enough");
	is_int(got.host[2].status, DISAGG_PROBE_PASS, "where no GPU's probe ran none was to be");
	is_int(got.host[3].status, DISAGG_PROBE_FAIL, "a fail stays one");
	put("a.jsonl", RECORD("gpu.health", "n1", "pass", ",\"gpu\":0") RECORD("gemm.bf16", "n1",
			       "skip", ",\"gpu\":0,\"reason\":\"others use it\""));
	is_int(run_outcome_read(&arena, dir, &hosts, &got, NULL), 0, "a GPU that others use");
	is_int(run_outcome_want_gpus(&arena, &hosts, &got), 0, "and so");
	is_int(got.host[2].status, DISAGG_PROBE_UNKNOWN, "it is looked at, and not measured");
	drop("a.jsonl");
	disagg_arena_release(&arena);
}

static void test_cut(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct run_outcome got;

	put("a.jsonl", RECORD("gemm", "n10", "pass", "") RECORD("copy", "n10", "pass", "")
			       RECORD("gemm", "n2", "pass", "") RECORD("gemm", "n1", "fail", ""));
	is_int(run_outcome_read(&arena, dir, &hosts, &got, NULL), 0, "a run that was cut");
	is_int(got.host[1].status, DISAGG_PROBE_PASS, "what was measured passes");
	is_int(run_outcome_cut(&arena, &hosts, &got), 0, "but");
	is_int(got.host[0].status, DISAGG_PROBE_PASS, "a host that was done still passes");
	is_int(got.host[1].status, DISAGG_PROBE_UNKNOWN, "one that was not is unknown");
	is_str(got.host[1].why, "it was not done with copy", "and it is said what it lacks");
	is_int(got.host[2].status, DISAGG_PROBE_FAIL, "a fail stays one");
	is_str(got.host[3].why, "it has no record", "no record stays none");
	is_int(got.count[DISAGG_PROBE_UNKNOWN], 2, "they are counted anew");
	drop("a.jsonl");
	disagg_arena_release(&arena);
}

static void test_nothing(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct run_outcome got;
	struct disagg_err err = DISAGG_ERR_INIT;
	char path[256];

	is_int(run_outcome_read(&arena, "/nonexistent/probes", &hosts, &got, &err), 0,
		"a folder that is not there");
	is_int(got.records, 0, "has no records");
	is_int(got.count[DISAGG_PROBE_UNKNOWN], 4, "and all are unknown");
	snprintf(path, sizeof(path), "%s/d.jsonl", dir);
	mkdir(path, 0700);
	is_int(run_outcome_read(&arena, dir, &hosts, &got, &err), -1, "a file that cannot be read");
	has_str(err.text, "cannot read the records '", "is named");
	rmdir(path);
	disagg_arena_release(&arena);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_worst();
	test_report();
	test_gpus();
	test_cut();
	test_nothing();
	rmdir(dir);
	return tap_done();
}
