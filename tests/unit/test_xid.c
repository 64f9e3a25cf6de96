/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/xid.h"
#include "tap.h"
#include <stdlib.h>
#include <unistd.h>

static struct disagg_xid_event read_line(const char *line)
{
	struct disagg_xid_event event = {.kind = DISAGG_XID_NONE, .code = -1};

	disagg_xid_line(line, strlen(line), &event);
	return event;
}

/* ---- lines ---- */

static const struct {
	const char *line;
	enum disagg_xid_kind kind;
	int code;
	const char *pci;
	int64_t pid;
	const char *name;
} lines[] = {
	{"NVRM: Xid (PCI:0000:1B:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
		DISAGG_XID_GPU, 79, "0000:1b:00", -1, "<unknown>"},
	{"NVRM: Xid (PCI:0000:01:00): 31, pid=123, name=python3, Ch 00000008, intr 00000000.",
		DISAGG_XID_GPU, 31, "0000:01:00", 123, "python3"},
	{"NVRM: Xid (PCI:0000:01:00): 31, pid='77', name='python3', Ch 8", DISAGG_XID_GPU, 31,
		"0000:01:00", 77, "python3"},
	{"NVRM: Xid (PCI:0000:01:00): 63, Row remapping pending", DISAGG_XID_GPU, 63, "0000:01:00",
		-1, ""},
	{"NVRM: Xid (PCI:0000:01:00): 31, pid=XXX", DISAGG_XID_GPU, 31, "0000:01:00", -1, ""},
	{"NVRM: Xid (PCI:0000:01:00): 31", DISAGG_XID_GPU, 31, "0000:01:00", -1, ""},
	{"NVRM: Xid (0000:01:00): 62, 0000(0000)", DISAGG_XID_GPU, 62, "0000:01:00", -1, ""},
	{"nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 28006, Non-fatal, Link 46 MC TS crumbstore",
		DISAGG_XID_SWITCH, 28006, "0000:c1:00.0", -1, ""},
	{"NVRM: GPU 0000:1d:00.0: GPU has fallen off the bus.", DISAGG_XID_FALLEN, 79,
		"0000:1d:00.0", -1, ""},
	{"NVRM: The NVIDIA GPU 0000:07:00.0 (PCI ID: 10de:2330) has fallen off the bus",
		DISAGG_XID_FALLEN, 79, "0000:07:00.0", -1, ""},
	{"NVRM: fallen off the bus and is not responding to commands.", DISAGG_XID_FALLEN, 79, "",
		-1, ""},
	{"NVRM: GPU at PCI:0000:1b:00: GPU-5a1b6c3d-0000-1111-2222-333344445555", DISAGG_XID_MAP,
		-1, "0000:1b:00", -1, ""},
	/* what a user may have written, or named a process */
	{"NVRM: Xid (PCI:0000:01:00): 13, pid=9, name=a, Xid: 79, , x", DISAGG_XID_GPU, 13,
		"0000:01:00", 9, "a"},
	{"NVRM: Xid (PCI:0000:01:00): 13, pid=9, name=Xid (PCI): 79, , x", DISAGG_XID_GPU, 13,
		"0000:01:00", 9, "Xid (PCI): 79"},
	{"logger: NVRM: Xid (PCI:0000:01:00): 79, x", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	{"python[5]: segfault NVRM: Xid (PCI:0000:01:00): 79,", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	{" NVRM: Xid (PCI:0000:01:00): 79,", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	/* broken */
	{"NVRM: Xid : 32, pid=2280636", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	{"NVRM: Xid (PCI:0000:66:00): abc, pid=1", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	{"NVRM: Xid (PCI:0000:66:00): 79x", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	{"NVRM: Xid (PCI:0000:66:00): 99999999999999999999, a", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	{"NVRM: Xid (PCI:user chose): 79, a", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	{"NVRM: Xid (", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	{"NVRM: GPU at PCI:0000:1b:00", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	{"nvidia-nvswitch: SXid (PCI:0000:c1:00.0): 1, Fatal", DISAGG_XID_NONE, -1, NULL, 0, NULL},
	{"", DISAGG_XID_NONE, -1, NULL, 0, NULL},
};

static void test_lines(void)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct disagg_xid_event event = read_line(lines[i].line);

		is_int(event.kind, lines[i].kind, lines[i].line);
		is_int(event.code, lines[i].code, "its code");
		if (event.kind == DISAGG_XID_NONE)
			continue;
		is_str(event.pci, lines[i].pci, "its address");
		is_int(event.pid, lines[i].pid, "its process");
		is_str(event.name, lines[i].name, "its name");
	}
	is_str(read_line(lines[11].line).uuid, "GPU-5a1b6c3d-0000-1111-2222-333344445555",
		"the UUID of a map line");
	is_int(read_line(lines[7].line).link, 46, "the link of a switch's line");
	ok(read_line(lines[7].line).has_fatal && !read_line(lines[7].line).fatal,
		"it is not fatal");
}

/* A prefix of a line is read without a byte behind it (the sanitizer tells). */
static void test_prefixes(void)
{
	bool tame = true;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		for (size_t len = 0; len <= strlen(lines[i].line); len++) {
			char *copy = malloc(len + 1);
			struct disagg_xid_event event;

			if (!copy)
				return;
			memcpy(copy, lines[i].line, len);
			if (len && disagg_xid_line(copy, len, &event))
				tame = tame && strlen(event.pci) < sizeof(event.pci) &&
				       strlen(event.name) <= 15;
			free(copy);
		}
	ok(tame, "every prefix of every line");
}

static void test_nvlink5(void)
{
	struct disagg_xid_event event =
		read_line("NVRM: Xid (PCI:0000:04:00): 149, NETIR_LINK_EVT Fatal XC0 i0 Link 08 "
			  "(0x004505c6 0x00000000 0x00000000 0x00000000 0x00000000 0x00000000)");

	ok(event.has_nvlink5 && event.fatal, "the words of NVLink 5");
	is_str(event.unit, "NETIR_LINK_EVT", "the unit");
	is_int(event.link, 8, "the link");
	is_int(event.intrinfo, 0x004505c6, "the interrupt word");
	event = read_line("NVRM: Xid (PCI:0000:04:00): 145, pid=7, name=a, b, RLW_REMAP Nonfatal "
			  "XC0 i0 Link -1 (0x00000004 0x00000100 0x0)");
	ok(event.has_nvlink5 && !event.fatal, "behind a name with a comma");
	is_int(event.link, -1, "no link");
	event = read_line("NVRM: Xid (PCI:0000:04:00): 144, SAW_MVB Nonfatal XC0 i0 Link 0 (0x1");
	ok(!event.has_nvlink5 && event.code == 144, "cut short: the code alone");
}

/* ---- verdicts ---- */

static const struct {
	const char *line;
	unsigned driver;
	enum disagg_drain drain;
	const char *action, *by;
} verdicts[] = {
	{"NVRM: Xid (PCI:0:1:0): 79, x", 0, DISAGG_DRAIN_NOW, "reboot_node", "table"},
	{"NVRM: GPU 0000:1d:00.0: GPU has fallen off the bus.", 0, DISAGG_DRAIN_NOW, "reboot_node",
		"table"},
	{"NVRM: Xid (PCI:0:1:0): 31, x", 0, DISAGG_DRAIN_AFTER_REPEAT, "restart_app", "table"},
	{"NVRM: Xid (PCI:0:1:0): 45, x", 0, DISAGG_DRAIN_NEVER, "none", "table"},
	{"NVRM: Xid (PCI:0:1:0): 1, x", 0, DISAGG_DRAIN_NEVER, "none", "table"},
	{"NVRM: Xid (PCI:0:1:0): 999, x", 0, DISAGG_DRAIN_AFTER_REPEAT, "inspect", "unknown"},
	{"NVRM: Xid (PCI:0:1:0): 154, GPU recovery action changed from 0x0 (None) to 0x2 "
	 "(Node Reboot Required)",
		0, DISAGG_DRAIN_NOW, "reboot_node", "recovery action"},
	{"NVRM: Xid (PCI:0:1:0): 154, GPU recovery action changed from 0x0 (None) to 0x2 (OS "
	 "Reboot)",
		0, DISAGG_DRAIN_NOW, "reboot_node", "recovery action"},
	{"NVRM: Xid (PCI:0:1:0): 154, GPU recovery action changed from 0x2 (OS Reboot) to 0x0 "
	 "(None)",
		0, DISAGG_DRAIN_NEVER, "none", "recovery action"},
	{"NVRM: Xid (PCI:0:1:0): 154, GPU recovery action changed from 0x0 (None) to 0x5 (Bus "
	 "Reset)",
		0, DISAGG_DRAIN_NOW, "reset_bus", "recovery action"},
	{"NVRM: Xid (PCI:0:1:0): 154, GPU recovery action changed from 0x0 (None) to 0x9 (Pray)", 0,
		DISAGG_DRAIN_AFTER_JOB, "inspect", "recovery action"},
	{"NVRM: Xid (PCI:0:1:0): 154, of another shape", 0, DISAGG_DRAIN_AFTER_REPEAT, "inspect",
		"table"},
	{"NVRM: Xid (PCI:0:1:0): 149, NETIR_LINK_EVT Fatal XC0 i0 Link 08 (0x004505c6 0x00000000)",
		0, DISAGG_DRAIN_AFTER_JOB, "reset_gpu", "nvlink5"},
	{"NVRM: Xid (PCI:0:1:0): 149, NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x026001c6 0x00000000)",
		570, DISAGG_DRAIN_NEVER, "none", "nvlink5"},
	{"NVRM: Xid (PCI:0:1:0): 149, NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x026001c6 0x00000000)",
		580, DISAGG_DRAIN_AFTER_JOB, "inspect", "table"},
	{"NVRM: Xid (PCI:0:1:0): 145, RLW_REMAP Nonfatal XC0 i0 Link 00 (0x00000004 0x00000100)",
		580, DISAGG_DRAIN_NEVER, "none", "nvlink5"},
	{"NVRM: Xid (PCI:0:1:0): 145, RLW_REMAP Nonfatal XC0 i0 Link 00 (0x00000004 0x00000001)", 0,
		DISAGG_DRAIN_AFTER_REPEAT, "inspect", "nvlink5"},
	{"NVRM: Xid (PCI:0:1:0): 149, NETIR_LINK_DOWN Fatal XC0 i0 Link 00 (0x00000011 0x00000007)",
		580, DISAGG_DRAIN_AFTER_JOB, "reset_gpu", "nvlink5"},
	{"NVRM: Xid (PCI:0:1:0): 145, UNIT Fatal XC0 i0 Link 00 (0x00000004 0x00000001)", 0,
		DISAGG_DRAIN_AFTER_JOB, "inspect", "table"},
	{"nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 23001, Fatal, Link 4", 0, DISAGG_DRAIN_NOW,
		"reboot_node", "table"},
	{"nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 11001, Fatal, Link 4", 0,
		DISAGG_DRAIN_AFTER_JOB, "reset_gpu", "table"},
	{"nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 11001, Non-fatal, Link 4", 0,
		DISAGG_DRAIN_NEVER, "none", "table"},
	{"nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 99998, Fatal, Link 4", 0,
		DISAGG_DRAIN_AFTER_JOB, "reset_gpu", "unknown"},
	{"nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 99998, ?", 0, DISAGG_DRAIN_AFTER_REPEAT,
		"inspect", "unknown"},
	{"NVRM: GPU at PCI:0000:1b:00: GPU-5a", 0, DISAGG_DRAIN_NEVER, "none", "table"},
};

static void test_verdicts(struct disagg_xid_table *table)
{
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++) {
		struct disagg_xid_event event = read_line(verdicts[i].line);
		struct disagg_xid_verdict got = disagg_xid_judge(table, &event, verdicts[i].driver);

		is_str(disagg_drain_name(got.drain), disagg_drain_name(verdicts[i].drain),
			verdicts[i].line);
		is_str(got.action, verdicts[i].action, "its action");
		is_str(got.by, verdicts[i].by, "what decided");
		ok(got.cls && got.impact && got.text, "it says what it is");
	}
}

static void test_table(struct disagg_xid_table *table)
{
	unsigned rows = 0, complete = 0;

	for (int code = 1; code < 400; code++) {
		const struct disagg_xid_row *row = disagg_xid_find(table, code);

		rows += row != NULL;
		complete += row && row->code == code && row->mnemonic && row->text && row->cls &&
			    row->impact && row->action && !row->site;
	}
	is_int(rows, 173, "the codes of the table");
	is_int(complete, rows, "each is complete");
	ok(!disagg_xid_find(table, 0) && !disagg_xid_find(table, -1), "no such code");
	is_str(disagg_xid_find(table, 74)->mnemonic, "NVLINK_ERROR", "a row by its code");
	is_str(disagg_sxid_find(table, 22003)->text, "Minion Halt", "a switch's row");
	is_int(disagg_xid_repeat(table)->distinct_jobs, 2, "the rule of repeats");
	is_int(disagg_xid_recover(table, 2, NULL)->drain, DISAGG_DRAIN_NOW, "NVML says reboot");
	is_str(disagg_xid_recover(table, 5, NULL)->action, "inspect", "NVML's 5 is ambiguous");
	is_str(disagg_xid_recover(table, 5, "Recover IMEX Domain")->action, "recover_imex",
		"but not with its text");
}

/* ---- a site's file ---- */

static const char *write_site(char *path, const char *text)
{
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return NULL;
	close(fd);
	return path;
}

static void test_site(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_xid_table *table = NULL;
	struct disagg_xid_event event;
	struct disagg_xid_verdict got;
	char path[] = "/tmp/test_xid_XXXXXX";

	if (!ok(write_site(path, "repeat: {count: 3, distinct_jobs: 1, window_h: 6}\n"
				 "xids:\n- {code: 144, drain: after_job, action: call_us}\n"
				 "- {code: 31, note: our own}\n"
				 "- {code: 400, drain: now, action: inspect, text: new}\n"
				 "sxids:\n- {code: 11001, drain: never, action: none}\n") != NULL,
		    "a site's file"))
		return;
	is_int(disagg_xid_load(&arena, path, &table, &err), 0, "it is read");
	event = read_line("NVRM: Xid (PCI:0:1:0): 144, SAW_MVB Nonfatal XC0 i0 Link 0 "
			  "(0x00000001 0x00000004)");
	got = disagg_xid_judge(table, &event, 580);
	is_str(got.action, "call_us", "it comes before the NVLink 5 rules");
	is_str(got.by, "site", "and says so");
	event.code = 400;
	is_str(disagg_xid_judge(table, &event, 0).text, "new", "a code of its own");
	event.code = 31;
	is_str(disagg_xid_judge(table, &event, 0).by, "table", "a note alone decides nothing");
	is_str(disagg_xid_judge(table, &event, 0).note, "our own", "but is told");
	event = read_line("nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 11001, Fatal, Link 4");
	is_int(disagg_xid_judge(table, &event, 0).drain, DISAGG_DRAIN_NEVER, "a switch's row");
	is_int(disagg_xid_repeat(table)->count, 3, "its rule of repeats");
	unlink(path);
	disagg_arena_release(&arena);
}

static void test_bad_site(void)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"xids:\n- {code: 31, drain: perhaps}\n", "drain: expected never"},
		{"xids:\n- {drain: now}\n", "code: expected a number"},
		{"xids:\n- 31\n", "code: expected a number"},
		{"xid:\n- {code: 31}\n", "unknown key 'xid'"},
		{"[]\n", "expected a map"},
		{"xids:\n- {code: 31, note: [a]}\n", "note: expected a text"},
		{"xids:\n- {code: 31, impact: loud}\n", "impact: expected none"},
		{"repeat: {count: many}\n", "count: expected a number"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_xid_table *table = NULL;
		char path[] = "/tmp/test_xid_XXXXXX";

		if (!write_site(path, rows[i].text))
			return;
		is_int(disagg_xid_load(&arena, path, &table, &err), -1, rows[i].says);
		has_str(err.text, rows[i].says, "what is wrong");
		is_int(err.code, DISAGG_CONFIG, "its code");
		ok(table == NULL && (err.line > 0), "where it is wrong");
		unlink(path);
		disagg_arena_release(&arena);
	}
}

static void test_no_memory(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_xid_table *table = NULL;
	int failed = 0;

	for (long i = 0; i < 40; i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_xid_table *none = NULL;

		disagg_alloc_fail_after(i);
		if (disagg_xid_load(&arena, NULL, &none, &err))
			failed += none == NULL;
		else
			table = none;
		disagg_alloc_fail_after(-1);
		disagg_arena_release(&arena);
		if (table)
			break;
	}
	ok(failed > 0, "each allocation may fail");
}

int main(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_xid_table *table = NULL;

	test_lines();
	test_prefixes();
	test_nvlink5();
	if (ok(disagg_xid_load(&arena, NULL, &table, &err) == 0, "the table that is built in")) {
		is_str(disagg_xid_version(table), "2025-10 + 1", "its version");
		test_table(table);
		test_verdicts(table);
	} else {
		printf("# %s:%u %s\n", err.file, err.line, err.text);
	}
	disagg_arena_release(&arena);
	test_site();
	test_bad_site();
	test_no_memory();
	return tap_done();
}
