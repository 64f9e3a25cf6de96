/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/record.h"

#include "lib/host/latency.h"
#include "tests/unit/tap.h"
#include <stdio.h>
#include <stdlib.h>
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
	in.digest = "5ca1ab1e";
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

/* Both readers make the same of a line, or the fast one leaves it alone. */
static void scan(const char *line, bool want, const char *what)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_probe_record fast, slow = DISAGG_PROBE_RECORD_INIT;
	struct disagg_strbuf one, two;
	struct disagg_err err = DISAGG_ERR_INIT;
	char *copy = strdup(line); /* no byte behind it */

	ok(disagg_probe_record_scan(copy, &fast) == want, what);
	if (!want) {
		is_str(copy, line, "the line is as it was");
		free(copy);
		return;
	}
	disagg_strbuf_init(&one, 0);
	disagg_strbuf_init(&two, 0);
	ok(disagg_probe_record_read(&arena, line, strlen(line), &slow, &err) == 0, "is read too");
	disagg_probe_record_put(&one, &fast);
	disagg_probe_record_put(&two, &slow);
	is_str(one.text, two.text, "as the same");
	disagg_strbuf_release(&one);
	disagg_strbuf_release(&two);
	disagg_arena_release(&arena);
	free(copy);
}

#define HEAD		       "{\"schema\":\"disagg.probe/1\",\"probe\":\"a\",\"node\":\"n1\""
#define SCAN_AS(members, want) scan(HEAD members ",\"status\":\"pass\"}", want, members)

static void scans(void)
{
	SCAN_AS("", true);
	SCAN_AS(",\"gpu\":3,\"gpu_uuid\":\"GPU-1\",\"gpu_name\":\"NVIDIA H200\",\"peer\":\"n2:1\","
		"\"rail\":7,\"param\":\"8192\",\"cohort\":\"c\",\"digest\":\"00ff\",\"value\":7.5e2,"
		"\"unit\":\"us\",\"better\":\"less\",\"raw\":[1,-2.5,3e-4],\"ref\":1,\"ref_source\":"
		"\"s\",\"floor\":0.5,\"fleet_median\":2,\"mad\":0.25,\"z\":-1.5",
		true);
	scan(HEAD ",\"status\":\"unknown\",\"reason\":\"no 'x' <b>\",\"hint\":\"h\","
		  "\"t_start\":1764194400.125,\"dur_ms\":3.000}",
		true, "all behind the status");
	SCAN_AS(",\"gpu\":3.5", false);
	SCAN_AS(",\"gpu\":-1", false);
	SCAN_AS(",\"value\":null", false);
	SCAN_AS(",\"value\":1,\"value\":2", false);
	SCAN_AS(",\"param\":\"a\\\"b\"", false);
	SCAN_AS(",\"param\":\"a\\u0041\"", false);
	SCAN_AS(",\"param\":\"\xc3\xa9\"", false);
	SCAN_AS(",\"param\":\"a\tb\"", false);
	SCAN_AS(",\"other\":1", false);
	SCAN_AS(", \"gpu\":1", false);
	SCAN_AS(",\"raw\":[]", false);
	SCAN_AS(",\"raw\":[1,[2]]", false);
	SCAN_AS(",\"better\":\"best\"", false);
	scan(HEAD ",\"status\":\"good\"}", false, "an unknown status");
	scan(HEAD "}", false, "no status");
	scan("{\"schema\":\"disagg.probe/1\",", false, "no member");
	scan(HEAD ",\"status\":\"pass\"} ", false, "something behind it");
	scan(HEAD ",\"status\":\"pass\"", false, "no end");
	scan(HEAD ",\"status\":\"pa", false, "cut off in a word");
	scan("{\"schema\":\"disagg.probe/1\"", false, "cut off behind the schema");
	scan("", false, "nothing");
}

/* A line with bytes changed at random: what the fast reader takes, the other one reads
 * as the same. */
static void mutations(void)
{
	static const char line[] =
		HEAD ",\"gpu\":3,\"param\":\"8192\",\"value\":782.5,\"unit\":"
		     "\"us\",\"better\":\"less\",\"raw\":[1,2e3],\"status\":"
		     "\"pass\",\"reason\":\"x\",\"t_start\":17.125,\"dur_ms\":3}";
	static const char bytes[] = "\"\\{}[],:.-+eE019u\t\x7f\xff nx";
	uint64_t seed = 5;
	unsigned taken = 0;
	bool same = true;

	for (unsigned i = 0; i < 20000; i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_probe_record fast, slow = DISAGG_PROBE_RECORD_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_strbuf one, two;
		char text[sizeof(line)], copy[sizeof(line)];

		memcpy(text, line, sizeof(line));
		for (uint32_t n = disagg_random_between(&seed, 0, 2); n > 0; n--)
			text[disagg_random_between(&seed, 0, sizeof(line) - 2)] =
				bytes[disagg_random_between(&seed, 0, sizeof(bytes) - 2)];
		memcpy(copy, text, sizeof(copy));
		disagg_strbuf_init(&one, 0);
		disagg_strbuf_init(&two, 0);
		if (disagg_probe_record_scan(copy, &fast)) {
			taken++;
			same = same && disagg_probe_record_read(
					       &arena, text, strlen(text), &slow, &err) == 0;
			disagg_probe_record_put(&one, &fast);
			disagg_probe_record_put(&two, &slow);
			if (!same || strcmp(one.text, two.text) != 0) {
				printf("# %s\n", text);
				same = false;
				i = 20000;
			}
		}
		disagg_strbuf_release(&one);
		disagg_strbuf_release(&two);
		disagg_arena_release(&arena);
	}
	ok(same, "a line that was changed is read as the same");
	ok(taken > 1000, "or not by the fast reader");
}

int main(void)
{
	mutations();
	scans();
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
