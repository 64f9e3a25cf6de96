/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/record.h"

#include "tests/unit/tap.h"
#include <string.h>

static void round_trip(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_probe_record in = DISAGG_PROBE_RECORD_INIT, out;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_strbuf once, again;

	in.probe = "gemm.bf16";
	in.node = "n3";
	in.gpu = 5;
	in.gpu_uuid = "GPU-1";
	in.param = "8192";
	in.has_value = true;
	in.value = 632.5;
	in.unit = "TFLOPS";
	in.better = DISAGG_BETTER_MORE;
	in.status = DISAGG_PROBE_FAIL;
	in.reason = "20 % below \"the fleet\"";
	in.start_s = 1764194000.125;
	in.duration_ms = 12.5;
	in.raw_count = 2;
	in.raw[0] = 630;
	in.raw[1] = 635;
	in.has_fleet = true;
	in.fleet_median = 790;
	in.fleet_mad = 4;
	in.z = -26.5;
	disagg_strbuf_init(&once, 0);
	disagg_strbuf_init(&again, 0);
	disagg_probe_record_put(&once, &in);
	ok(disagg_probe_record_read(&arena, once.text, once.len, &out, &err) == 0,
		"a record that was written is read");
	disagg_probe_record_put(&again, &out);
	is_str(again.text, once.text, "and written the same");
	ok(strchr(once.text, '\n') == once.text + once.len - 1, "it is one line");
	ok(out.rail == -1 && !out.peer && !out.has_ref, "what was not set stays unset");
	disagg_strbuf_release(&once);
	disagg_strbuf_release(&again);
	disagg_arena_release(&arena);
}

static void refused(const char *line, const char *what)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_probe_record out = {.gpu = 42};
	struct disagg_err err = DISAGG_ERR_INIT;

	ok(disagg_probe_record_read(&arena, line, strlen(line), &out, &err) == -1 &&
			err.code == DISAGG_INVALID && out.gpu == 42,
		what);
	disagg_arena_release(&arena);
}

static void hostile(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_probe_record out;
	struct disagg_err err = DISAGG_ERR_INIT;
	static const char line[] = "{\"schema\":\"disagg.probe/1\",\"probe\":\"env\",\"node\":"
				   "\"n\\u001b[2J\\n1\",\"status\":\"pass\",\"gpu\":-7,"
				   "\"raw\":[1,\"x\",null,2],\"surprise\":{}}";

	ok(disagg_probe_record_read(&arena, line, strlen(line), &out, &err) == 0,
		"unknown members are passed over");
	is_str(out.node, "n?[2J?1", "control characters are shown as '?'");
	ok(out.gpu == -1 && out.raw_count == 2 && out.raw[1] == 2, "what is no number is left out");
	disagg_arena_release(&arena);
}

int main(void)
{
	round_trip();
	refused("", "no bytes are no record");
	refused("[]", "an array is no record");
	refused("{\"schema\":\"disagg.probe/2\",\"probe\":\"a\",\"node\":\"b\",\"status\":\"pass\"}",
		"another schema is refused");
	refused("{\"schema\":\"disagg.probe/1\",\"probe\":\"a\",\"node\":\"b\",\"status\":\"good\"}",
		"an unknown status is refused");
	hostile();
	return tap_done();
}
