/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/state.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <unistd.h>

static struct disagg_arena arena;

static const struct disagg_state_unit decode = {
	.name = "decode_1",
	.role = "decode",
	.engine = "sglang",
	.host = "n2",
	.ip = "10.0.0.2",
	.log = "/r/decode_1.log",
	.step = "12.3",
	.url = "http://n2:6100",
	.how = "signal 9 (Killed)",
	.container = "img#x:1",
	.index = 1,
	.node = 2,
	.state = DISAGG_UNIT_FAILED,
	.started = 1700000000.125,
	.up = 1700000001.5,
	.ended = 1700000003,
	.silent = 1700000002.75,
	.why = "timed out",
	.restarts = 2,
	.critical = true,
};
static const struct disagg_state_unit router = {.name = "router_0",
	.role = "router",
	.engine = "sglang_router",
	.host = "n0",
	.log = "/r/x"};
static const struct disagg_state_unit *const units[] = {&decode, &router};
static const char *warnings[] = {"one \"quoted\"", "two\nlines"};

static struct disagg_state example(void)
{
	struct disagg_state state = {
		.job_id = "12",
		.name = "a job",
		.run_dir = "/r",
		.host = "n0",
		.frontend = "http://n0:8000",
		.version = "1.2",
		.pid = 77,
		.port_offset = 3000,
		.rehearse = true,
		.phase = DISAGG_PHASE_ENDING,
		.updated = 1700000004,
		.ends_at = 1700009999,
		.waiting_for = "decode_0",
		.verdict = {true, 7, "'decode_1' has ended", "decode_1", 1700000003.25},
		.warning = warnings,
		.warning_count = 2,
		.unit = units,
		.unit_count = 2,
	};

	state.phase_at[DISAGG_PHASE_STARTING] = 1700000000;
	state.phase_at[DISAGG_PHASE_ENDING] = 1700000003.25;
	return state;
}

static void same_unit(const struct disagg_state_unit *got, const struct disagg_state_unit *want)
{
	is_str(got->name, want->name, "a unit's name");
	is_str(got->role, want->role, "  role");
	is_str(got->engine, want->engine, "  engine");
	is_str(got->host, want->host, "  host");
	is_str(got->ip, want->ip, "  address");
	is_str(got->log, want->log, "  log");
	is_str(got->step, want->step, "  step");
	is_str(got->url, want->url, "  URL");
	is_str(got->how, want->how, "  how it ended");
	is_str(got->container, want->container, "  container");
	is_int(got->index, want->index, "  index");
	is_int(got->node, want->node, "  node");
	is_int(got->state, want->state, "  state");
	ok(got->started == want->started && got->up == want->up && got->ready == want->ready &&
			got->ended == want->ended && got->silent == want->silent,
		"  times");
	is_str(got->why, want->why, "  why it is silent");
	is_int(got->restarts, want->restarts, "  restarts");
	is_int(got->critical, want->critical, "  whether it is critical");
}

static void test_round_trip(const char *dir)
{
	struct disagg_state state = example(), got = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	const char *path = disagg_arena_printf(&arena, "%s/state.json", dir);

	state.run_dir = dir;
	is_int(disagg_state_write(&state, &err), 0, "a state is written");
	is_int(disagg_state_write(&state, &err), 0, "and written again");
	is_int(disagg_state_read(&arena, path, &got, &err), 0, "and read");
	is_str(err.text, "", "without a word");
	is_str(got.job_id, "12", "job");
	is_str(got.name, "a job", "name");
	is_str(got.run_dir, dir, "run directory");
	is_str(got.host, "n0", "host");
	is_str(got.frontend, "http://n0:8000", "frontend");
	is_str(got.version, "1.2", "version");
	is_int(got.pid, 77, "pid");
	is_int(got.port_offset, 3000, "offset of the ports");
	ok(got.rehearse, "rehearsal");
	is_int(got.phase, DISAGG_PHASE_ENDING, "phase");
	for (unsigned i = 0; i < DISAGG_PHASE_COUNT; i++)
		ok(got.phase_at[i] == state.phase_at[i], disagg_phase_names[i]);
	ok(got.updated == state.updated && got.ends_at == state.ends_at, "times");
	is_str(got.waiting_for, "decode_0", "what is waited for");
	ok(got.verdict.set, "a verdict");
	is_int(got.verdict.code, 7, "  its code");
	is_str(got.verdict.text, "'decode_1' has ended", "  its text");
	is_str(got.verdict.worker, "decode_1", "  who it was");
	ok(got.verdict.at == 1700000003.25, "  when");
	is_int(got.warning_count, 2, "warnings");
	is_str(got.warning[0], warnings[0], "  the first");
	is_str(got.warning[1], warnings[1], "  the second");
	is_int(got.unit_count, 2, "workers");
	same_unit(got.unit[0], &decode);
	same_unit(got.unit[1], &router);
}

static void test_rendering(void)
{
	struct disagg_state state = example();
	struct disagg_strbuf out;

	disagg_strbuf_init(&out, 0);
	state.verdict.set = false;
	state.unit_count = 0;
	disagg_state_render(&state, &out);
	has_str(out.text, "{\"schema\":\"disagg.state/1\",\"job\":\"12\",",
		"the schema goes first");
	has_str(out.text, "\"verdict\":null,", "no verdict is null");
	has_str(out.text, "\"phases\":{\"starting\":1700000000.000,\"ending\":1700000003.250},",
		"phases that were");
	has_str(out.text, "\"workers\":[]}\n", "no workers is an empty list");
	disagg_strbuf_clear(&out);
	disagg_strbuf_release(&out);
}

/* ---- bad input ---- */

#define GOOD "{\"schema\": \"disagg.state/1\", \"phase\": \"done\", "

static const struct {
	const char *text, *says;
} bad_cases[] = {
	{"", "empty"},
	{"{", "state.json"},
	{"[1]", "expected the schema disagg.state/1"},
	{"{\"schema\": \"disagg.state/2\"}", "expected the schema disagg.state/1"},
	{"{\"schema\": \"disagg.plan/1\"}", "expected the schema disagg.state/1"},
	{"{\"schema\": \"disagg.state/1\", \"workers\": []}", "expected phase"},
	{"{\"schema\": \"disagg.state/1\", \"phase\": \"asleep\", \"workers\": []}",
		"expected phase"},
	{GOOD "\"x\": 1}", "expected a list of workers"},
	{GOOD "\"workers\": 3}", "expected a list of workers"},
	{GOOD "\"workers\": [3]}", "expected a worker with a name"},
	{GOOD "\"workers\": [{}]}", "expected a worker with a name"},
	{GOOD "\"workers\": [{\"name\": \"a\"}]}", "expected state"},
	{GOOD "\"workers\": [{\"name\": \"a\", \"state\": \"odd\"}]}", "expected state"},
};

static void test_bad(const char *dir)
{
	const char *path = disagg_arena_printf(&arena, "%s/state.json", dir);

	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_state state;
		char text[1024];
		FILE *file = fopen(path, "w");

		ok(file && fputs(bad_cases[i].text, file) >= 0 && fclose(file) == 0,
			bad_cases[i].text);
		is_int(disagg_state_read(&arena, path, &state, &err), -1, "  is refused");
		is_int(err.code, DISAGG_CONFIG, "  as damaged");
		disagg_err_format(&err, text, sizeof(text));
		has_str(text, bad_cases[i].says, "  with its reason");
	}
	unlink(path);
}

static void test_unwritable(void)
{
	struct disagg_state state = example();
	struct disagg_err err = DISAGG_ERR_INIT;

	state.run_dir = "/nonexistent";
	is_int(disagg_state_write(&state, &err), -1, "a folder that is not there");
	is_int(err.code, DISAGG_SYSTEM, "  is a failure of the system");
	has_str(err.text, "cannot write '/nonexistent/state.json'", "  and told");
}

/* Every allocation of a write and a read may fail. */
static void test_no_memory(const char *dir)
{
	const char *path = disagg_arena_printf(&arena, "%s/state.json", dir);
	struct disagg_state state = example(), got;
	struct disagg_err err = DISAGG_ERR_INIT;
	bool clean = true;
	int rc = -1;

	state.run_dir = dir;
	for (long n = 0; n < 500 && rc; n++) {
		struct disagg_arena own = DISAGG_ARENA_INIT;

		err = (struct disagg_err)DISAGG_ERR_INIT;
		disagg_alloc_fail_after(n);
		rc = disagg_state_write(&state, &err);
		if (rc == 0)
			rc = disagg_state_read(&own, path, &got, &err);
		disagg_alloc_fail_after(-1);
		clean = clean && (rc == 0 || err.code == DISAGG_SYSTEM);
		disagg_arena_release(&own);
	}
	ok(clean, "a lack of memory is told each time");
	is_int(rc, 0, "and in the end there is enough");
}

int main(void)
{
	char tmp[] = "/tmp/disagg-state.XXXXXX";
	char *dir = mkdtemp(tmp);

	test_rendering();
	test_unwritable();
	if (ok(dir != NULL, "a folder for tests")) {
		test_round_trip(dir);
		test_no_memory(dir);
		test_bad(dir);
		ok(rmdir(dir) == 0, "nothing else was left in it");
	}
	disagg_arena_release(&arena);
	return tap_done();
}
