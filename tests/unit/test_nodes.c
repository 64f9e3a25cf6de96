/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/nodes.h"

#include "tests/unit/tap.h"

static void test_argv(struct disagg_arena *arena)
{
	const char *const *argv = disagg_nodes_argv(arena, "/usr/bin/sinfo", "n[0-3]");
	struct disagg_arena empty = DISAGG_ARENA_INIT;

	is_str(argv[0], "/usr/bin/sinfo", "sinfo");
	is_str(argv[4], "--nodes=n[0-3]", "is asked for the job's nodes");
	is_str(argv[5], "--format=%N %T", "name and state");
	ok(!argv[6], "and nothing more");
	disagg_alloc_fail_after(0);
	ok(!disagg_nodes_argv(&empty, "sinfo", "n0"), "no memory, no command");
	disagg_alloc_fail_after(-1);
	disagg_arena_release(&empty);
}

static void test_lines(void)
{
	static const struct {
		const char *what, *text, *name;
		bool answers;
		const char *rest;
	} rows[] = {
		{"a node that works", "n0 mixed\nn1 idle\n", "n0", true, "n1 idle\n"},
		{"one that does not answer", "n1 mixed*\n", "n1", false, ""},
		{"one that is drained and does not answer", "n1 draining*\n", "n1", false, ""},
		{"one that powers up", "n1 idle#\n", "n1", true, ""},
		{"blanks between", "n1   allocated*", "n1", false, ""},
		{"lines that are none", "\n \nn2\nn3 idle\n", "n3", true, ""},
		{"nothing", "", NULL, false, NULL},
		{"words of an error", "sinfo:\n", NULL, false, NULL},
		{"a name that is too long", "nnnnnnnnnnnnnnnn idle*\n", NULL, false, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[16] = "";
		bool answers = !rows[i].answers;
		const char *rest = disagg_nodes_next(rows[i].text, name, sizeof(name), &answers);

		if (!rows[i].name) {
			ok(!rest, rows[i].what);
			continue;
		}
		is_str(name, rows[i].name, rows[i].what);
		is_int(answers, rows[i].answers, "answers or not");
		is_str(rest, rows[i].rest, "and what is left");
	}
}

int main(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;

	test_argv(&arena);
	test_lines();
	disagg_arena_release(&arena);
	return tap_done();
}
