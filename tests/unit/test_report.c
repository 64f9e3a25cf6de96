/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report.h"

#include "lib/probe/report_fold.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <unistd.h>

static struct disagg_report *report;
static struct disagg_arena arena;
static struct disagg_reference *reference;
static struct disagg_err err;

static void begin(void)
{
	err = (struct disagg_err)DISAGG_ERR_INIT;
	disagg_report_free(report);
	report = NULL;
	if (disagg_report_new(&report, NULL, &err) != 0)
		exit(5);
}

static struct disagg_probe_record *plain(const char *node, enum disagg_probe_status status)
{
	static struct disagg_probe_record record;

	record = (struct disagg_probe_record)DISAGG_PROBE_RECORD_INIT;
	record.probe = "host.x";
	record.node = node;
	record.status = status;
	return &record;
}

static void add(const struct disagg_probe_record *record)
{
	if (disagg_report_add(report, record, &err) != 0)
		ok(false, "a record is added");
}

static void add_gemm(const char *node, int gpu, double value)
{
	struct disagg_probe_record *record = plain(node, DISAGG_PROBE_PASS);

	record->probe = "gemm.bf16";
	record->param = "8192";
	record->cohort = "c";
	record->gpu = gpu;
	record->gpu_name = "NVIDIA H200";
	record->has_value = true;
	record->value = value;
	record->unit = "TFLOPS";
	record->better = DISAGG_BETTER_MORE;
	add(record);
}

static const char *put(enum disagg_report_format format)
{
	static struct disagg_strbuf out;

	disagg_strbuf_release(&out);
	disagg_strbuf_init(&out, 0);
	if (disagg_report_put(report, format, &out, &err) != 0)
		return "cannot write";
	return out.text;
}

static const char *judged(void)
{
	if (disagg_report_judge(report, reference, &err) != 0)
		return err.text;
	return put(DISAGG_REPORT_TEXT);
}

static bool begins(const char *text, const char *with)
{
	bool good = strncmp(text, with, strlen(with)) == 0;

	if (!good)
		printf("# got      %.100s\n# expected %s\n", text, with);
	return good;
}

static void verdicts(void)
{
	begin();
	ok(begins(judged(), "SKIPPED: 0 nodes") && disagg_report_code(report) == DISAGG_SKIPPED,
		"no records");
	begin();
	add(plain("n1", DISAGG_PROBE_PASS));
	ok(begins(judged(), "PASS: 1 node: 1 passed\n") && disagg_report_code(report) == DISAGG_OK,
		"a pass");
	begin();
	add(plain("n1", DISAGG_PROBE_PASS));
	add(plain("n2", DISAGG_PROBE_WARN));
	ok(begins(judged(), "PASS: 2 nodes: 1 with warnings, 1 passed\n") &&
			disagg_report_code(report) == DISAGG_OK,
		"a warning is a pass");
	begin();
	add(plain("n1", DISAGG_PROBE_PASS));
	add(plain("n1", DISAGG_PROBE_UNKNOWN));
	add(plain("n2", DISAGG_PROBE_WARN));
	ok(begins(judged(), "UNKNOWN: 2 nodes: 1 unknown, 1 with warnings\n") &&
			disagg_report_code(report) == DISAGG_INVALID,
		"unknown is neither a pass nor a fail");
	begin();
	add(plain("n1", DISAGG_PROBE_UNKNOWN));
	add(plain("n2", DISAGG_PROBE_FAIL));
	add(plain("n2", DISAGG_PROBE_UNKNOWN));
	ok(begins(judged(), "FAIL: 2 nodes: 1 failed, 1 unknown\n") &&
			disagg_report_code(report) == DISAGG_CHECK,
		"a fail is the worst");
	begin();
	add(plain("n1", DISAGG_PROBE_SKIP));
	add(plain("n1", DISAGG_PROBE_PASS));
	add(plain("n2", DISAGG_PROBE_SKIP));
	ok(begins(judged(), "PASS: 2 nodes: 1 passed, 1 skipped\n"), "a skip beside a pass");
	begin();
	add(plain("n1", DISAGG_PROBE_SKIP));
	ok(begins(judged(), "SKIPPED: 1 node: 1 skipped\n") &&
			disagg_report_code(report) == DISAGG_SKIPPED,
		"all skipped");
	begin();
	add(plain("n1", DISAGG_PROBE_PASS));
	disagg_report_expect(report, "n1", &err);
	disagg_report_expect(report, "n2", &err);
	ok(begins(judged(), "UNKNOWN: 2 nodes: 1 unknown, 1 passed\n"), "a node that did not come");
	has_str(put(DISAGG_REPORT_TEXT), "no record of it", "is told");
	ok(disagg_report_node_count(report) == 2, "and counted");
}

/* Nodes with the same warning are told of once, also where they are very many. */
static void many_nodes(void)
{
	const char *page;
	char name[16];

	begin();
	for (int i = 0; i < 400; i++) {
		struct disagg_probe_record *record =
			plain(name, i % 2 ? DISAGG_PROBE_PASS : DISAGG_PROBE_WARN);

		snprintf(name, sizeof(name), "n%03d", i);
		record->reason = i % 2 ? NULL : "the clock is off";
		add(record);
	}
	page = judged();
	has_str(page, "n[000,002,004,", "their names");
	has_str(page, "...  200 nodes", "cut short, with how many");
	is_int(strstr(strstr(page, "the clock is off") + 1, "the clock is off") != NULL, 0,
		"told once");
	page = put(DISAGG_REPORT_HTML);
	has_str(page, ",396,398]</pre></details>", "all of them in HTML, folded");
}

static size_t failed_count(void)
{
	const struct disagg_report_failed *failed;

	return disagg_report_failed(report, &failed);
}

static void nodes(void)
{
	const struct disagg_report_failed *failed;
	struct disagg_probe_record *record;
	const char *text;

	begin();
	for (int node = 0; node < 4; node++)
		for (int gpu = 0; gpu < 8; gpu++)
			add_gemm(node == 0   ? "n1"
				 : node == 1 ? "n2"
				 : node == 2 ? "n10"
					     : "n3",
				gpu, node == 2 && gpu == 3 ? 632 : 780);
	text = judged();
	ok(begins(text, "FAIL: 4 nodes: 1 failed, 3 passed"), "the worst GPU is the node's score");
	is_int((intmax_t)disagg_report_failed(report, &failed), 1, "one failed");
	is_str(failed[0].node, "n10", "which");
	is_str(failed[0].why, "gemm.bf16 8192 gpu 3: 632 TFLOPS, expected 785 (reference)", "why");
	has_str(text,
		"scontrol update nodename=n10 state=drain reason='disagg-probe: gemm.bf16 8192 gpu "
		"3: 632 TFLOPS, expected 785 (reference)'",
		"the line to drain it");
	begin();
	record = plain("n1", DISAGG_PROBE_WARN);
	record->peer = "n2:0";
	add(record);
	ok(begins(judged(), "PASS: 1 node: 1 passed"), "the warning of a pair is not the node's");
	begin();
	record = plain("n1", DISAGG_PROBE_FAIL);
	record->probe = "gpu.health";
	record->hint = "replace the GPU";
	add(record);
	record->hint = "reset the GPU";
	record->reason = "too many errors";
	add(record);
	has_str(judged(), "action: replace the GPU\n", "of a GPU's health its own hint");
	text = put(DISAGG_REPORT_MARKDOWN);
	has_str(text, "- gpu.health: replace the GPU\n- gpu.health: reset the GPU\n",
		"each of them in Markdown");
	begin();
	record = plain("n1", DISAGG_PROBE_FAIL);
	record->has_value = record->has_ref = true;
	record->value = 10;
	record->ref = 20;
	record->ref_source = "the pairs of this run";
	add(record);
	has_str(judged(), "host.x: 10, expected 20 (the pairs of this run)",
		"a reference of the probe's own is told by its source");
	begin();
	for (int i = 0; i < 12; i++) {
		record = plain(i % 2 ? "n1" : "n2", DISAGG_PROBE_WARN);
		record->peer = "n3";
		record->param = "verdict";
		record->reason = "the path is slow";
		add(record);
	}
	text = judged();
	ok(begins(text, "PASS: 2 nodes: 2 passed; 9 warnings of the cluster"),
		"slow paths are the cluster's");
	has_str(text, "4 more paths are slow", "of many, some");
	begin();
	for (int node = 0; node < 2; node++)
		for (int gpu = 0; gpu < 8; gpu++)
			add_gemm(node ? "n1" : "n2", gpu, 680);
	text = judged();
	ok(begins(text, "FAIL: 2 nodes: 2 with warnings; 1 finding of the cluster"),
		"a whole cohort that is slow is one finding");
	is_int((intmax_t)failed_count(), 0, "and no node to drain");
	begin();
	record = plain("n3;rm -rf /", DISAGG_PROBE_FAIL);
	record->reason = "it's `broken` $(rm) \\ \"x\" a=b";
	add(record);
	text = judged();
	ok(!strstr(text, "scontrol"), "an odd name has no line to drain it");
	disagg_report_failed(report, &failed);
	is_str(failed[0].why, "host.x: it?s ?broken? ?(rm) ? ?x? a:b",
		"nothing in a reason that a shell or scontrol takes for more");
}

/* ---- a terminal's width ---- */

static void folds(void)
{
	is_int((intmax_t)report_fold("one two", 7, false), 7, "what fits stays");
	is_int((intmax_t)report_fold("one two", 6, false), 3, "else up to a space");
	is_int((intmax_t)report_fold("one two", 3, false), 3, "which need not fit");
	is_int((intmax_t)report_fold("n[1,3,5]", 6, false), 6, "or behind a comma");
	is_int((intmax_t)report_fold("/a/long/path on", 4, false), 12, "a long word stays whole");
	is_int((intmax_t)report_fold("/a/long/path on", 4, true), 4, "or is cut");
	is_int((intmax_t)report_fold("\xc3\xa9\xc3\xa9\xc3\xa9", 2, true), 4, "between characters");
	is_int((intmax_t)report_fold("", 0, true), 0, "nothing of nothing");
	is_int((intmax_t)report_fold("ab", 0, true), 1, "always something of something");
}

/* The lines that are wider, but for those to paste. */
static unsigned wide_lines(const char *text)
{
	unsigned wide = 0;

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t len = strcspn(line, "\n");
		const char *paste = strstr(line, "scontrol");

		if (len <= REPORT_WIDTH || (paste && paste < line + len))
			continue;
		printf("# %.*s\n", (int)len, line);
		wide++;
	}
	return wide;
}

static void widths(void)
{
	static const char words[] =
		"a reason of many words, which a terminal of eighty columns does not show "
		"on one line; and another one, as long as the first, for the second test that "
		"it has failed";
	struct disagg_probe_record *record;
	char name[32];

	begin();
	for (int node = 0; node < 30; node++) {
		snprintf(name, sizeof(name), "rack%d-node%d", node % 3, node * 3);
		record = plain(name, node % 3 == 0   ? DISAGG_PROBE_FAIL
				     : node % 3 == 1 ? DISAGG_PROBE_SKIP
						     : DISAGG_PROBE_UNKNOWN);
		record->reason = record->hint = words;
		record->param = "a parameter of quite some length, all_reduce in-place 1152K";
		record->gpu_name = "NVIDIA H200";
		record->has_value = true;
		record->value = 123.456 + node;
		record->unit = "GB/s";
		add(record);
		add_gemm(name, node % 8, 640 + node);
	}
	judged();
	is_int(wide_lines(put(DISAGG_REPORT_TEXT)), 0, "no line is wider than a terminal");
	has_str(put(DISAGG_REPORT_TEXT), "Not tested", "with what was not tested");
	has_str(put(DISAGG_REPORT_TEXT), "Distributions", "and the distributions");
}

/* ---- what nodes may write ---- */

static void hostile(void)
{
	static const char evil[] = "<script>alert(1)</script>\"'&\n|`*_\xe2\x80\xae"
				   "evil\xff\xc0\xaf";
	struct disagg_probe_record *record = plain(evil, DISAGG_PROBE_FAIL);
	const char *page;

	begin();
	record->probe = record->param = record->unit = record->gpu_name = record->cohort =
		record->digest = record->reason = record->hint = record->peer = evil;
	record->has_value = true;
	record->value = 1;
	add(record);
	judged();
	for (int i = 0; i < DISAGG_REPORT_FORMATS; i++) {
		page = put((enum disagg_report_format)i);
		ok(strstr(page, "script") && !strstr(page, "\xe2\x80\xae") &&
				!strchr(page, '\xff') && !strchr(page, '\xc0'),
			disagg_report_format_names[i]);
	}
	page = put(DISAGG_REPORT_HTML);
	ok(!strstr(page, "<script") && strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt;"),
		"no tag of theirs in HTML");
	ok(!strstr(page, "\"'&"), "nor an end of an attribute");
	page = put(DISAGG_REPORT_JUNIT);
	ok(!strstr(page, "<script"), "nor in XML");
	page = put(DISAGG_REPORT_MARKDOWN);
	ok(!strstr(page, "<script") && strstr(page, "\\|\\`\\*\\_"), "nor markup in Markdown");
}

/* ---- files ---- */

static const char *file_of(const char *text)
{
	static char path[64];
	int fd;

	strcpy(path, "/tmp/disagg-report.XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		exit(5);
	close(fd);
	return path;
}

#define LINE(node, status)                                                                         \
	"{\"schema\":\"disagg.probe/1\",\"probe\":\"p\",\"node\":\"" node                          \
	"\",\"status\":\"" status "\",\"t_start\":0,\"dur_ms\":0}"

static int read_text(const char *text)
{
	const char *path = file_of(text);
	int rc = disagg_report_read(report, path, &err);

	unlink(path);
	return rc;
}

static void files(void)
{
	begin();
	is_int(read_text(LINE("n1", "pass") "\n" LINE("n2", "fail") "\n"), 0, "two lines");
	ok(begins(judged(), "FAIL: 2 nodes"), "two nodes");
	begin();
	is_int(read_text(LINE("n1", "pass") "\n" LINE("n2", "fail")), 0, "no newline at the end");
	ok(begins(judged(), "FAIL: 2 nodes") && !strstr(put(DISAGG_REPORT_TEXT), "cut off"),
		"the last line counts where it is whole");
	begin();
	is_int(read_text(LINE("n1", "pass") "\n{\"schema\":\"disagg.probe/1\",\"pro"), 0,
		"cut off");
	ok(begins(judged(), "PASS: 1 node"), "what is whole counts");
	has_str(put(DISAGG_REPORT_TEXT), "1 records, the last line is cut off", "and it is told");
	begin();
	is_int(read_text("junk\n" LINE("n1", "pass") "\n[]\n\n"), 0, "other lines");
	judged();
	has_str(put(DISAGG_REPORT_TEXT), "1 records, 2 lines are no record", "are counted");
	begin();
	is_int(read_text("junk\n"), -1, "no record at all");
	is_int(err.code, DISAGG_INVALID, "is an error");
	begin();
	is_int(disagg_report_read(report, "/nonexistent/x", &err), -1, "no file");
	is_int(err.code, DISAGG_MISSING, "is another one");
}

/* A line of so many bytes between two records. */
static void long_lines(void)
{
	static const size_t sizes[] = {1000, 65536, 70000, (1 << 20) - 1, 1 << 20, 3 << 20};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *text = calloc(1, sizes[i] + 4096);
		size_t len;

		if (!text)
			exit(5);
		strcpy(text, LINE("n1", "pass") "\n");
		len = strlen(text);
		memset(text + len, 'x', sizes[i]);
		strcat(text + len, "\n" LINE("n2", "pass") "\n");
		begin();
		is_int(read_text(text), 0, "a long line");
		ok(begins(judged(), "PASS: 2 nodes"), "the lines around it count");
		has_str(put(DISAGG_REPORT_TEXT), "2 records, 1 lines are no record", "it does not");
		free(text);
	}
}

/* ---- an earlier report ---- */

static void baselines(void)
{
	const char *path;

	begin();
	add_gemm("n1", 0, 780);
	add_gemm("n1", 1, 780);
	add_gemm("n2", 0, 770);
	judged();
	path = file_of(put(DISAGG_REPORT_JSON));
	begin();
	add_gemm("n1", 0, 780 * 0.935);
	add_gemm("n1", 1, 780 * 0.925);
	add_gemm("n2", 0, 779);
	add_gemm("n3", 0, 779);
	is_int(disagg_report_baseline(report, path, &err), 0, "a report is read as a baseline");
	ok(begins(judged(), "FAIL: 3 nodes: 1 with warnings, 2 passed; 1 worse than the baseline"),
		"7 % less is a regression, 6.5 % is none");
	has_str(put(DISAGG_REPORT_TEXT), "780 to 721.5 TFLOPS (-7.5 %)", "it is told");
	is_int(disagg_report_code(report), DISAGG_CHECK, "and in the exit status");
	begin();
	add_gemm("n1", 0, 790);
	disagg_report_baseline(report, path, &err);
	ok(begins(judged(), "PASS: 1 node: 1 passed"), "what is better is no regression");
	begin();
	is_int(read_text("{\"schema\":\"disagg.report/1\",\"a\":1,\n\"records\":[\n" LINE(
		       "n1", "fail") ",\n" LINE("n2", "pass") "\n]}\n"),
		0, "a report is read as records");
	ok(begins(judged(), "FAIL: 2 nodes") && !strstr(put(DISAGG_REPORT_TEXT), "no record"),
		"its other lines are not counted");
	unlink(path);
}

/* Each allocation fails once: an error, never a crash. */
static void no_memory(void)
{
	bool told = true;
	long n;

	for (n = 0; n < 3000; n++) {
		struct disagg_report *one = NULL;
		struct disagg_strbuf out;
		int rc;

		disagg_alloc_fail_after(n);
		err = (struct disagg_err)DISAGG_ERR_INIT;
		disagg_strbuf_init(&out, 0);
		rc = disagg_report_new(&one, NULL, &err);
		if (rc == 0)
			rc = disagg_report_add(one, plain("n1", DISAGG_PROBE_FAIL), &err);
		if (rc == 0)
			rc = disagg_report_judge(one, NULL, &err);
		if (rc == 0)
			rc = disagg_report_put(one, DISAGG_REPORT_HTML, &out, &err);
		disagg_alloc_fail_after(-1);
		told = told && (rc == 0 || err.code == DISAGG_SYSTEM);
		disagg_strbuf_release(&out);
		disagg_report_free(one);
		if (rc == 0)
			break;
	}
	ok(told, "a failed allocation is an error");
	printf("# %ld allocations\n", n);
	ok(n > 10 && n < 3000, "with memory enough it is written");
}

int main(void)
{
	if (disagg_reference_load(&arena, NULL, &reference, &err) != 0)
		return 5;
	verdicts();
	nodes();
	many_nodes();
	folds();
	widths();
	hostile();
	files();
	long_lines();
	baselines();
	no_memory();
	put(DISAGG_REPORT_TEXT);
	disagg_report_free(report);
	disagg_arena_release(&arena);
	return tap_done();
}
