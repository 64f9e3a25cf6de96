/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/line.h"

#include "tests/unit/tap.h"

#define TEN   1787392800.0 /* 2026-08-22 10:00:00 UTC */
#define ABOUT 1787396400.0 /* an hour later */

static const struct {
	const char *text;
	enum disagg_stamp stamp;
	double at;
} times[] = {
	{"2026-08-22T10:00:00.500000Z  INFO x", DISAGG_STAMP_ZONED, TEN + .5},
	{"2026-08-22T12:00:00+02:00 x", DISAGG_STAMP_ZONED, TEN},
	{"2026-08-22 05:30:00-0430 x", DISAGG_STAMP_ZONED, TEN},
	{"[2026-08-22 10:00:00 DP0 TP1] Decode", DISAGG_STAMP_LOCAL, TEN},
	{"2026-08-22 10:00:00,250 - router - ERROR - x", DISAGG_STAMP_LOCAL, TEN + .25},
	{"[77] 2026/08/22 10:00:00.100000 [FTL] x", DISAGG_STAMP_LOCAL, TEN + .1},
	{"[08/22/2026-10:00:00] [TRT-LLM] [E] x", DISAGG_STAMP_LOCAL, TEN},
	{"(EngineCore_DP0 pid=1) ERROR 08-22 10:00:00 [core.py:1] x", DISAGG_STAMP_LOCAL, TEN},
	{"E0822 10:00:00.000000 1192408 tcp_transport.cpp:136] x", DISAGG_STAMP_LOCAL, TEN},
	{"[rank2]:[E822 10:00:00.394775308 ProcessGroupNCCL.cpp:1595] x", DISAGG_STAMP_LOCAL,
		TEN + .394775308},
	{"[Sat Aug 22 10:00:00 2026] x", DISAGG_STAMP_LOCAL, TEN},
	{"Aug 22 10:00:00 n1 kernel: x", DISAGG_STAMP_LOCAL, TEN},
	{"10:00:00 INFO x", DISAGG_STAMP_LOCAL, TEN},
	{"p0\033[2m2026-08-22T10:00:00.000000Z\033[0m x", DISAGG_STAMP_ZONED, TEN},
	{"{\"ts\":\"2026-08-22T10:00:00.000Z\"}", DISAGG_STAMP_ZONED, TEN},
	{"JOB 1 ON n1 CANCELLED AT 2026-08-22T10:00:00 ***", DISAGG_STAMP_LOCAL, TEN},
	{"RuntimeError: no time here", DISAGG_STAMP_NONE, 0},
	{"at 10:00:00 o'clock", DISAGG_STAMP_NONE, 0},
	{"2026-13-22 10:00:00 no such month", DISAGG_STAMP_NONE, 0},
	{"2026-08-22 25:00:00 no such hour", DISAGG_STAMP_NONE, 0},
	{"", DISAGG_STAMP_NONE, 0},
};

static const struct {
	const char *text;
	enum disagg_level level;
} levels[] = {
	{"2026-08-22 10:00:00,1 - x - ERROR - y", DISAGG_LEVEL_ERROR},
	{"[08/22/2026-10:00:00] [TRT-LLM] [W] y", DISAGG_LEVEL_WARN},
	{"E0822 10:00:00.1 1 x.cpp:1] y", DISAGG_LEVEL_ERROR},
	{"I822 10:00:00.1 1 x.cpp:1] y", DISAGG_LEVEL_INFO},
	{"\033[32mINFO\033[0m:     y", DISAGG_LEVEL_INFO},
	{"n1:1:2 [0] NCCL WARN y", DISAGG_LEVEL_WARN},
	{"time=x level=fatal msg=y", DISAGG_LEVEL_FATAL},
	{"{\"level\":\"warn\",\"msg\":\"y\"}", DISAGG_LEVEL_WARN},
	{"INFORMATION about ERRORS", DISAGG_LEVEL_NONE},
	{"NCCL_DEBUG_INFO=1", DISAGG_LEVEL_NONE},
};

static void check_who(void)
{
	struct disagg_line line;
	const char *text = "12: [2026-08-22 10:00:00 TP3] GPU 5 has a total capacity";

	disagg_line_read(text, strlen(text), ABOUT, &line);
	is_int(line.rank, 12, "the label of srun is the rank");
	is_int(line.gpu, 5, "the GPU that the line names");
	text = "[2026-08-22 10:00:00 TP3] x";
	disagg_line_read(text, strlen(text), ABOUT, &line);
	is_int(line.rank, 3, "SGLang's rank");
	text = "srun: error: n3: task 2: Segmentation fault (core dumped)";
	disagg_line_read(text, strlen(text), ABOUT, &line);
	is_str(line.node, "n3", "the node that srun names");
	is_int(line.rank, 2, "and the task");
	text = "srun: error: Node failure on n9";
	disagg_line_read(text, strlen(text), ABOUT, &line);
	is_str(line.node, "n9", "the node that failed, at the line's end");
	text = "n8:4121:4460 [2] NCCL WARN NET/IB : Got completion from peer 10.1.0.7<43712>";
	disagg_line_read(text, strlen(text), ABOUT, &line);
	is_str(line.node, "n8", "NCCL's host");
	is_int(line.gpu, 2, "and its GPU");
	text = "NVRM: Xid (PCI:0000:9a:00): 79, GPU has fallen off the bus";
	disagg_line_read(text, strlen(text), ABOUT, &line);
	is_str(line.pci, "0000:9a:00", "a bus address");
	text = "nothing of the sort";
	disagg_line_read(text, strlen(text), ABOUT, &line);
	ok(line.rank == -1 && line.gpu == -1 && !line.node[0] && !line.pci[0], "nobody");
}

static void check_source(void)
{
	const char *frame = "[TP3]   File \"/x.py\", line 3, in f";
	const char *code = "[TP3]     raise RuntimeError(\"CUDA out of memory\")";
	const char *error = "[TP3] RuntimeError: CUDA out of memory";

	ok(disagg_line_is_source(frame, strlen(frame), code, strlen(code)), "a trace's code");
	ok(!disagg_line_is_source(frame, strlen(frame), error, strlen(error)), "its last line");
	ok(!disagg_line_is_source(error, strlen(error), code, strlen(code)), "code with no frame");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		enum disagg_stamp stamp = DISAGG_STAMP_NONE;
		double at = 0;

		disagg_line_time(times[i].text, strlen(times[i].text), ABOUT, &stamp, &at);
		ok(stamp == times[i].stamp && at - times[i].at < 1e-3 && times[i].at - at < 1e-3,
			times[i].text);
	}
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		is_int(disagg_line_level(levels[i].text, strlen(levels[i].text)), levels[i].level,
			levels[i].text);
	check_who();
	check_source();
	return tap_done();
}
