/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/diagnose.h"

#include "lib/diag/clocks.h"
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEN 1787392800.0 /* 2026-08-22 10:00:00 UTC */

static struct disagg_arena arena;
static struct disagg_signatures signatures;
static char folder[] = "/tmp/disagg-diagnose.XXXXXX";
static const char *written[32];
static unsigned written_count;

static void put(const char *name, const char *text)
{
	char *path = disagg_arena_printf(&arena, "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		printf("Bail out! cannot write %s\n", path);
	close(fd);
	written[written_count++] = path;
}

static struct disagg_diagnosis diagnose(void)
{
	struct disagg_diagnose_options options = {0};
	struct disagg_diagnosis diagnosis = {0};
	struct disagg_runfiles files;
	struct disagg_scan scan = {0};
	struct disagg_err err = DISAGG_ERR_INIT;

	ok(!disagg_runfiles_init(&arena, &files, &err) &&
			!disagg_runfiles_add(&arena, &files, folder, &err),
		"the files are found");
	scan.file = files.log;
	scan.file_count = files.log_count;
	ok(!disagg_scan_logs(&arena, &signatures, &scan, &err) &&
			!disagg_diagnose(
				&arena, &signatures, &files, &scan, &options, &diagnosis, &err),
		"and diagnosed");
	while (written_count)
		unlink(written[--written_count]);
	return diagnosis;
}

static void check_clocks(void)
{
	struct disagg_clock_file file[] = {
		{.stamp = DISAGG_STAMP_ZONED, .last_s = TEN},
		{.stamp = DISAGG_STAMP_LOCAL, .last_s = TEN + 8 * 3600 - 20},
		{.stamp = DISAGG_STAMP_LOCAL, .last_s = TEN - 19800 + 5},
		{.stamp = DISAGG_STAMP_LOCAL, .last_s = TEN - 600},
		{.stamp = DISAGG_STAMP_LOCAL, .last_s = TEN + 7200, .ended_s = TEN + 3},
	};
	double told = 3600;

	disagg_clocks_estimate(file, 5, NULL);
	ok(file[0].offset_s == 0, "a time with a zone needs nothing");
	ok(file[1].offset_s == -8 * 3600, "eight hours east");
	ok(file[2].offset_s == 19800, "five and a half west");
	ok(file[3].offset_s == 0, "one that ended ten minutes before is of no zone");
	ok(file[4].offset_s == -7200, "a worker's end tells its log's zone");
	file[0].stamp = DISAGG_STAMP_NONE;
	file[2] = file[1];
	file[1].ended_s = TEN;
	disagg_clocks_estimate(file, 4, NULL);
	ok(file[1].offset_s == -8 * 3600 && file[2].offset_s == -8 * 3600,
		"one worker's end tells the zone of those that end with it");
	ok(file[3].offset_s == 0, "and that another log is of none");
	file[0].stamp = DISAGG_STAMP_ZONED;
	disagg_clocks_estimate(file, 5, &told);
	ok(file[0].offset_s == 0 && file[1].offset_s == -3600, "a zone that is told counts");
}

static void check_exits(void)
{
	static const char text[] =
		"{\"schema\":\"disagg.exit/1\",\"node\":\"n1\",\"worker\":\"decode_0\",\"step\":3,"
		"\"rank\":2,\"pid\":9,\"status\":139,\"at\":1787392800.5}\n"
		"no json\n{\"schema\":\"other/1\",\"status\":0}\n"
		"{\"schema\":\"disagg.exit/1\",\"node\":\"n1\",\"worker\":\"\",\"rank\":0,"
		"\"status\":35072,\"at\":1}";
	struct disagg_exits exits = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	char how[64];

	ok(!disagg_exits_parse(&arena, text, sizeof(text) - 1, &exits, &err) && exits.count == 2 &&
			exits.damaged == 2,
		"two lines of four are exits");
	is_int(exits.v[0].signal, SIGSEGV, "with a core dump");
	is_str(exits.v[0].worker, "decode_0", "whose it was");
	is_int(exits.v[1].signal, SIGKILL, "137 of a shell is SIGKILL");
	ok(!exits.v[1].worker, "a step that was no worker");
	ok(disagg_exit_is_crash(&exits.v[0]) && !disagg_exit_is_crash(&exits.v[1]), "a crash");
	is_str(disagg_exit_text(&exits.v[1], how, sizeof(how)), "signal 9 (Killed)", "in words");
}

static void check_kernel(void)
{
	struct disagg_diagnosis d;

	put("kernel.txt",
		"\n==== n7, after the job\n"
		"2026-08-22T10:01:00Z xid    NVRM: Xid (PCI:0000:4e:00): 48, pid=1, name=x, DBE\n");
	put("decode_0.log", "2026-08-22T10:01:01Z ERROR CUDA error: unspecified launch failure\n");
	d = diagnose();
	is_int(d.fault, DISAGG_FAULT_GPU_MEM, "the kernel tells of the GPU's memory");
	is_str(d.node, "n7", "on the node of the heading");
	is_str(d.pci, "0000:4e:00", "the GPU by its address");
	is_str(d.id, "xid.48", "the code");
	is_int(d.confidence, DISAGG_CONFIDENCE_HIGH, "which is certain");

	put("kmsg.n1", "12,5,99,-;NVRM: Xid (PCI:0000:4e:00): 79, GPU has fallen off the bus\n");
	put("decode_0.log", "2026-08-22T10:01:01Z ERROR Permission denied: '/x'\n"
			    "NVRM: Xid (PCI:0000:4e:00): 79, GPU has fallen off the bus\n");
	d = diagnose();
	is_int(d.fault, DISAGG_FAULT_CONFIG, "a record that user space forged counts for nothing");

	put("kmsg.n1", "2026-08-21T10:00:00Z NVRM: Xid (PCI:0000:4e:00): 79, GPU has fallen off\n");
	put("decode_0.log", "2026-08-22T10:01:01Z ERROR Permission denied: '/x'\n");
	is_int(diagnose().fault, DISAGG_FAULT_CONFIG,
		"what the kernel told a day before is not it");
}

static void check_order(void)
{
	struct disagg_diagnosis d;

	put("decode_0.log",
		"2026-08-22T10:00:10Z ERROR OSError: [Errno 28] No space left on device\n");
	put("prefill_0.log", "2026-08-22T10:00:20Z ERROR CUDA out of memory\n");
	d = diagnose();
	is_int(d.fault, DISAGG_FAULT_STORAGE, "the earlier cause");
	is_str(d.worker, "decode_0", "and its worker");
	is_int(d.signal_count, 2, "the other is listed");
	ok(d.signal[0].is_cause && !d.signal[1].is_cause, "behind the cause");

	put("decode_0.log", "2026-08-22T10:00:10Z ERROR ncclSystemError: x\n"
			    "2026-08-22T10:00:11Z ERROR Segmentation fault\n");
	d = diagnose();
	is_int(d.fault, DISAGG_FAULT_FABRIC, "what was told before a crash is why");

	put("decode_0.log", "2026-08-22T10:00:10Z ERROR ncclSystemError: x\n"
			    "2026-08-22T10:05:11Z ERROR Segmentation fault\n");
	is_int(diagnose().fault, DISAGG_FAULT_USER_APP, "but not five minutes before");

	put("decode_0.log", "2026-08-22T10:00:10Z INFO No space left on device: trying another\n"
			    "2026-08-22T10:30:00Z INFO fine\n");
	is_int(diagnose().outcome, DISAGG_OUTCOME_NONE, "a line of level INFO is no failure");

	put("router.log", "2026-08-22T10:00:10Z ERROR Connection refused\n");
	is_int(diagnose().outcome, DISAGG_OUTCOME_NONE, "nor is a peer that is not there");
	put("scontrol.txt", "JobId=1\n   JobState=FAILED Reason=NonZeroExitCode\n");
	put("router.log", "2026-08-22T10:00:10Z ERROR Connection refused\n");
	d = diagnose();
	ok(d.outcome == DISAGG_OUTCOME_FAILURE && d.confidence == DISAGG_CONFIDENCE_LOW,
		"where Slurm says FAILED it is all there is");
	put("scontrol.txt", "JobId=1\n   JobState=COMPLETED Reason=None\n");
	put("decode_0.log", "2026-08-22T10:00:10Z ERROR CUDA out of memory\n");
	is_int(diagnose().outcome, DISAGG_OUTCOME_SUCCESS, "where Slurm says COMPLETED, it was");
	put("state.json", "{ \"schema\": \"disagg.state/1\", broken");
	put("decode_0.log", "2026-08-22T10:00:10Z ERROR CUDA out of memory\n");
	is_int(diagnose().fault, DISAGG_FAULT_OOM_GPU, "a damaged state.json hinders nothing");
}

int main(void)
{
	if (!mkdtemp(folder) ||
		!ok(!disagg_signatures_load(&arena, NULL, &signatures, NULL), "signatures"))
		return 1;
	check_clocks();
	check_exits();
	check_kernel();
	check_order();
	rmdir(folder);
	disagg_arena_release(&arena);
	return tap_done();
}
