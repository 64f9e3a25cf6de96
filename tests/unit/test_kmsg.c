/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/kernlog.h"
#include "tap.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double uptime_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double unix_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool open_text(
	struct disagg_kmsg *log, struct disagg_arena *arena, const char *text, size_t len)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	char path[] = "/tmp/test_kmsg_XXXXXX";
	int fd = mkstemp(path), rc;

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		return false;
	close(fd);
	rc = disagg_kmsg_open(log, arena, path, &err);
	unlink(path);
	return rc == 0;
}

/* ---- forms ---- */

static const char forms[] = "6,10,1000000,-;first of the kernel\n"
			    " SUBSYSTEM=pci\n"
			    " DEVICE=+pci:0000:01:00.0\n"
			    "11,11,2000000,-;NVRM: Xid (PCI:0000:01:00): 79, from user space\n"
			    "3,12,3000000,-,caller=T7;with a caller\n"
			    "<6>[    4.500000] of dmesg --raw\n"
			    "<14>[    5.000000] of user space in dmesg --raw\n"
			    "[    6.250000] of dmesg\n"
			    "bare\n";

static void test_forms(void)
{
	static const struct {
		const char *text;
		int priority;
		bool from_kernel, has_time;
		double at;
	} want[] = {
		{"first of the kernel", 6, true, true, 1},
		{"with a caller", 3, true, true, 3},
		{"of dmesg --raw", 6, true, true, 4.5},
		{"of dmesg", -1, false, true, 6.25},
		{"bare", -1, false, false, 0},
	};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_kmsg log;
	struct disagg_kmsg_record record;
	double boot = unix_s() - uptime_s();

	if (!ok(open_text(&log, &arena, forms, strlen(forms)), "a file is a log"))
		return;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		is_int(disagg_kmsg_next(&log, &record, &err), 1, "a record");
		is_str(record.text, want[i].text, "its text");
		is_int(record.priority, want[i].priority, "its priority");
		is_int(record.from_kernel, want[i].from_kernel, "who wrote it");
		is_int(record.has_time, want[i].has_time, "whether it has a time");
		ok(!record.has_time || (record.time_s - boot - want[i].at < 1 &&
					       record.time_s - boot - want[i].at > -1),
			"its time");
	}
	is_int(disagg_kmsg_next(&log, &record, &err), 0, "the end");
	is_int((intmax_t)log.foreign, 2, "what user space wrote is counted");
	disagg_kmsg_close(&log);
	disagg_arena_release(&arena);
}

static void test_broken(void)
{
	static const char bytes[] = "\n\n;\n,;\n6,;x\n999999999999999999999,1,1,-;x\n"
				    "<>[ ] a\n<99999999999999999999999>b\n[1.0\n\0\n6,1,1,-;";
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_kmsg log;
	struct disagg_kmsg_record record;
	int got, count = 0;

	if (!ok(open_text(&log, &arena, bytes, sizeof(bytes) - 1), "broken bytes are a log"))
		return;
	while ((got = disagg_kmsg_next(&log, &record, &err)) > 0 && count < 100)
		count++;
	is_int(got, 0, "it ends");
	ok(count > 0 && count < 20, "each line is at most one record");
	disagg_arena_release(&arena);
}

static void test_cursor(void)
{
	static const char text[] = "6,10,1,-;a\n6,11,2,-;b\n6,12,3,-;c\n";
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_kmsg log;
	struct disagg_kmsg_record record;
	struct disagg_kmsg_cursor cursor, other = {"another boot", 99};

	if (!ok(open_text(&log, &arena, text, strlen(text)), "a log to go on in"))
		return;
	disagg_kmsg_next(&log, &record, &err);
	disagg_kmsg_tell(&log, &cursor);
	is_int((intmax_t)cursor.seq, 11, "the cursor is behind what was read");
	disagg_kmsg_close(&log);
	ok(open_text(&log, &arena, text, strlen(text)), "it is opened again");
	disagg_kmsg_seek(&log, &cursor);
	disagg_kmsg_next(&log, &record, &err);
	is_str(record.text, "b", "it goes on there");
	disagg_kmsg_close(&log);
	ok(open_text(&log, &arena, text, strlen(text)), "it is opened again");
	disagg_kmsg_seek(&log, &other);
	disagg_kmsg_next(&log, &record, &err);
	is_str(record.text, "a", "another boot's cursor does not count");
	disagg_kmsg_close(&log);
	disagg_arena_release(&arena);
}

/* ---- classes ---- */

static const struct {
	const char *text;
	int priority;
	enum disagg_kmsg_class cls;
	enum disagg_drain drain;
	const char *pci;
} classes[] = {
	{"NVRM: Xid (PCI:0000:01:00): 79, x", 3, DISAGG_KMSG_XID, DISAGG_DRAIN_NOW, "0000:01:00"},
	{"NVRM: GPU at PCI:0000:01:00: GPU-5a", 6, DISAGG_KMSG_MAP, DISAGG_DRAIN_NEVER,
		"0000:01:00"},
	{"Out of memory: Killed process 7 (python3) total-vm:1kB", 3, DISAGG_KMSG_OOM,
		DISAGG_DRAIN_NEVER, ""},
	{"Memory cgroup out of memory: Killed process 7 (a) total-vm:1kB", 3, DISAGG_KMSG_OOM,
		DISAGG_DRAIN_NEVER, ""},
	{"pcieport 0000:00:01.0: PCIe Bus Error: severity=Corrected, type=Physical Layer", 4,
		DISAGG_KMSG_AER, DISAGG_DRAIN_NEVER, "0000:00:01.0"},
	{"nvidia 0000:1b:00.0: AER: PCIe Bus Error: severity=Correctable, type=Data Link", 4,
		DISAGG_KMSG_AER, DISAGG_DRAIN_NEVER, "0000:1b:00.0"},
	{"nvidia 0000:1b:00.0: PCIe Bus Error: severity=Uncorrectable (Fatal), type=T", 3,
		DISAGG_KMSG_AER, DISAGG_DRAIN_AFTER_JOB, "0000:1b:00.0"},
	{"nvidia 0000:1b:00.0: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=T", 3,
		DISAGG_KMSG_AER, DISAGG_DRAIN_AFTER_REPEAT, "0000:1b:00.0"},
	{"mce: [Hardware Error]: CPU 3: Machine Check: 0 Bank 7: 8c00", 2, DISAGG_KMSG_MCE,
		DISAGG_DRAIN_AFTER_REPEAT, ""},
	{"EDAC MC0: 1 UE memory read error on CPU_SrcID#0", 2, DISAGG_KMSG_MCE,
		DISAGG_DRAIN_AFTER_JOB, ""},
	{"nvidia-nvlink: link 3 down", 3, DISAGG_KMSG_NVLINK, DISAGG_DRAIN_AFTER_REPEAT, ""},
	{"mlx5_core 0000:9a:00.0: device's health compromised - reached miss count", 3,
		DISAGG_KMSG_NIC, DISAGG_DRAIN_AFTER_REPEAT, "0000:9a:00.0"},
	{"nvme nvme0: I/O 7 QID 4 timeout, aborting", 4, DISAGG_KMSG_DISK,
		DISAGG_DRAIN_AFTER_REPEAT, ""},
	{"INFO: task python3:55 blocked for more than 120 seconds.", 3, DISAGG_KMSG_HUNG,
		DISAGG_DRAIN_AFTER_REPEAT, ""},
	/* about nothing */
	{"nvidia-nvlink: Nvlink Core is being initialized", 6, DISAGG_KMSG_OTHER, 0, NULL},
	{"EDAC MC: Ver: 3.0.0", 6, DISAGG_KMSG_OTHER, 0, NULL},
	{"a[5]: Out of memory: Killed process 1 (x)", 6, DISAGG_KMSG_OTHER, 0, NULL},
	{"x 1: PCIe Bus Error: severity=Uncorrected (Fatal)", 6, DISAGG_KMSG_OTHER, 0, NULL},
	{"", 6, DISAGG_KMSG_OTHER, 0, NULL},
};

static void test_classes(const struct disagg_xid_table *table)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		struct disagg_kmsg_record record = {.priority = classes[i].priority,
			.text = classes[i].text,
			.len = strlen(classes[i].text)};
		struct disagg_kmsg_finding got = {.cls = DISAGG_KMSG_OTHER};
		bool found = disagg_kmsg_classify(table, &record, 0, &got);

		is_str(disagg_kmsg_class_name(got.cls), disagg_kmsg_class_name(classes[i].cls),
			classes[i].text);
		is_int(found, classes[i].cls != DISAGG_KMSG_OTHER, "whether it is about anything");
		if (!found)
			continue;
		is_int(got.verdict.drain, classes[i].drain, "its verdict");
		is_str(got.event.pci, classes[i].pci, "its device");
	}
}

/* ---- entries ---- */

/* Seconds before now as the microseconds of a record. */
static unsigned long long ago_us(double seconds)
{
	return (unsigned long long)((uptime_s() - seconds) * 1e6);
}

static void test_entries(const struct disagg_xid_table *table)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_kmsg log;
	struct disagg_kernlog found = {0};
	struct disagg_kernlog_window all = {0}, late = {.since_s = unix_s() - 5};
	char text[2048];
	int len = snprintf(text, sizeof(text),
		"6,1,1,-;NVRM: GPU at PCI:0000:01:00: GPU-5a\n"
		"3,2,%llu,-;NVRM: Xid (PCI:0000:01:00): 31, pid=5, name=a, one SM\n"
		"3,3,%llu,-;NVRM: Xid (PCI:0000:01:00): 31, pid=5, name=a, another SM\n"
		"11,4,%llu,-;NVRM: Xid (PCI:0000:01:00): 79, spoof\n"
		"3,5,%llu,-;NVRM: Xid (PCI:0000:01:00): 31, pid=9, name=b, later\n"
		"3,6,%llu,-;NVRM: Xid (PCI:0000:02:00): 48, pid=9, name=b, DBE\n"
		"3,7,%llu,-;NVRM: Xid (PCI:0000:02:00): 154, GPU recovery action changed from "
		"0x1 (GPU Reset Required) to 0x0 (None)\n",
		ago_us(200), ago_us(199), ago_us(150), ago_us(100), ago_us(80), ago_us(1));

	if (!ok(open_text(&log, &arena, text, (size_t)len), "a log of a day"))
		return;
	is_int(disagg_kernlog_read(&arena, &log, table, 0, &all, &found, &err), 0, "it is read");
	disagg_kmsg_close(&log);
	if (!is_int((intmax_t)found.count, 3, "what is the same is one entry"))
		return;
	is_int((intmax_t)found.entry[0].records, 3, "its records");
	is_int((intmax_t)found.entry[0].events, 2, "within 60 s is one event");
	is_int((intmax_t)found.entry[0].processes, 2, "its processes");
	is_str(found.entry[0].uuid, "GPU-5a", "the GPU by its UUID");
	ok(!found.entry[1].uuid, "a GPU that the log does not map");
	is_int((intmax_t)found.foreign, 1, "the spoof is counted, and nothing else");
	ok(found.entry[1].settled && found.entry[1].finding.verdict.drain == DISAGG_DRAIN_NEVER,
		"a recovery settles what was before it");
	is_int(disagg_kernlog_worst(&found)->finding.event.code, 31, "the worst that is left");

	ok(open_text(&log, &arena, text, (size_t)len), "it is opened again");
	is_int(disagg_kernlog_read(&arena, &log, table, 0, &late, &found, &err), 0, "since then");
	is_int((intmax_t)found.count, 1, "what was before is left out");
	disagg_arena_release(&arena);
}

/* ---- the device ---- */

/* Records that user space writes, one as if it were the kernel.  Their text is no
 * driver's: other readers of this machine's log may believe what they read. */
static void test_device(void)
{
	static const char mark[] = "disagg test of who writes a record";
	static const char plain[] = "<3>disagg test of who writes a record\n";
	static const char urgent[] = "<2>disagg test of who writes a record\n";
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_kmsg log;
	struct disagg_kmsg_record record;
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	size_t before;
	int got, seen = 0;

	if (fd < 0 || disagg_kmsg_open(&log, &arena, NULL, &err)) {
		printf("ok %u - user space cannot write as the kernel # SKIP /dev/kmsg: %s\n",
			++tap_count, fd < 0 ? strerror(errno) : err.text);
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((got = disagg_kmsg_next(&log, &record, &err)) > 0)
		;
	is_int(got, 0, "/dev/kmsg is read to its end without blocking");
	before = log.foreign;
	if (write(fd, plain, strlen(plain)) < 0 || write(fd, urgent, strlen(urgent)) < 0) {
		printf("ok %u - user space cannot write as the kernel # SKIP write: %s\n",
			++tap_count, strerror(errno));
	} else {
		while (disagg_kmsg_next(&log, &record, &err) > 0)
			seen += strstr(record.text, mark) != NULL;
		is_int(seen, 0, "user space cannot write as the kernel");
		ok(log.foreign >= before + 2 || log.lost, "its records are passed over");
	}
	close(fd);
	disagg_kmsg_close(&log);
	disagg_arena_release(&arena);
}

static void test_missing(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_kmsg log;

	is_int(disagg_kmsg_open(&log, &arena, "/no/such/log", &err), -1, "no such file");
	is_int(err.code, DISAGG_MISSING, "is missing");
	has_str(err.text, "/no/such/log", "by its name");
	disagg_arena_release(&arena);
}

int main(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_xid_table *table = NULL;

	test_forms();
	test_broken();
	test_cursor();
	test_missing();
	test_device();
	if (ok(disagg_xid_load(&arena, NULL, &table, &err) == 0, "the table of Xids")) {
		test_classes(table);
		test_entries(table);
	}
	disagg_arena_release(&arena);
	return tap_done();
}
