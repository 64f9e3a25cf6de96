/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/measured.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <unistd.h>

struct measured_case {
	const char *name, *text;
	bool good;
	double completed, output_tokens, prompts;
	const char *problem; /* NULL: valid */
};

static const struct measured_case cases[] = {
	{"a result", "{\"completed\": 10, \"num_prompts\": 10, \"total_output_tokens\": 99}", true,
		10, 99, 10, NULL},
	{"lists and objects are passed over",
		"{\"itls\": [[1, 2], {\"completed\": 0}], \"completed\":4,\n\t\"x\": {\"completed\": "
		"0, \"num_prompts\": 9}, \"num_prompts\": 4.0}",
		true, 4, -1, 4, NULL},
	{"what stands in text is text",
		"{\"texts\": [\"\\\"completed\\\": 0, }]\"], \"a\\\"b\": \"{\", \"completed\": 3}",
		true, 3, -1, -1, NULL},
	{"a number may be text", "{\"completed\": \"0\", \"num_prompts\": null}", true, 0, -1, -1,
		"no request completed"},
	{"the older name", "{\"completed\": 1, \"total_output\": 0}", true, 1, 0, -1,
		"no token came"},
	{"of JSON lines the last counts",
		"{\"completed\": 0, \"num_prompts\": 3}\n{\"completed\": 3}\n", true, 3, -1, -1,
		NULL},
	{"nothing completed", "{\"completed\":0,\"total_output_tokens\":5}", true, 0, 5, -1,
		"no request completed"},
	{"one of a hundred may be missing", "{\"completed\":99,\"num_prompts\":100}", true, 99, -1,
		100, NULL},
	{"two may not", "{\"completed\":98,\"num_prompts\":100}", true, 98, -1, 100,
		"98 of 100 requests completed"},
	{"it says nothing", "{}", true, -1, -1, -1, NULL},
	{"an empty file", "", false, 0, 0, 0, NULL},
	{"cut off", "{\"completed\": 10, \"itls\": [1, 2", false, 0, 0, 0, NULL},
	{"cut off in a text", "{\"completed\": 10, \"a", false, 0, 0, 0, NULL},
	{"a list", "[1]", false, 0, 0, 0, NULL},
	{"no JSON", "Traceback (most recent call last)", false, 0, 0, 0, NULL},
	{"closed too often", "{\"completed\": 1}}", false, 0, 0, 0, NULL},
};

/* In pieces of every size: nothing depends on where a block ends. */
static void check(const struct measured_case *one, size_t step)
{
	struct disagg_measured_scan scan;
	struct disagg_measured measured = {7, 7, 7};
	const char *problem;
	char text[64];
	size_t len = strlen(one->text);
	bool good;

	disagg_measured_begin(&scan);
	for (size_t at = 0; at < len; at += step)
		disagg_measured_feed(&scan, one->text + at, len - at < step ? len - at : step);
	good = disagg_measured_end(&scan, &measured);
	ok(good == one->good, one->name);
	if (!good) {
		ok(measured.completed == 7, "a failure returns nothing");
		return;
	}
	ok(measured.completed == one->completed, "completed");
	ok(measured.output_tokens == one->output_tokens, "tokens");
	ok(measured.prompts == one->prompts, "prompts");
	problem = disagg_measured_problem(&measured, text, sizeof(text));
	is_str(problem, one->problem, "the problem");
}

static void test_file(void)
{
	char path[] = "/tmp/disagg-measured-XXXXXX";
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_measured measured;
	int fd = mkstemp(path);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (!ok(file != NULL, "a file"))
		return;
	fprintf(file, "{\"itls\": [");
	for (int i = 0; i < 50000; i++)
		fprintf(file, "%s0.0%d", i ? ", " : "", i);
	fprintf(file, "], \"completed\": 12}\n");
	fclose(file);
	is_int(disagg_measured_read(path, &measured, &err), 0, "a file of several blocks");
	ok(measured.completed == 12, "what stands behind them");
	unlink(path);
	is_int(disagg_measured_read(path, &measured, &err), -1, "no file");
	is_int(err.code, DISAGG_SYSTEM, "is a fault of the system");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t step = 1; step < 8; step += 3)
			check(&cases[i], step);
		check(&cases[i], 4096);
	}
	test_file();
	return tap_done();
}
