/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/envlist.h"

#include "tests/unit/tap.h"

static void test_set(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_envlist list;
	char name[16] = "A", value[16] = "1";
	bool all = true;

	disagg_envlist_init(&list, &arena);
	ok(!disagg_envlist_get(&list, "A"), "empty at first");
	is_int(disagg_envlist_set(&list, name, value), 0, "set");
	name[0] = 'X';
	value[0] = 'X';
	is_str(disagg_envlist_get(&list, "A"), "1", "both are copied");
	disagg_envlist_setf(&list, "B", "%d:%s", 80, "x");
	is_str(disagg_envlist_get(&list, "B"), "80:x", "setf");
	disagg_envlist_set(&list, "A", "2");
	is_int(list.count, 2, "a later set replaces");
	is_str(list.entry[0].name, "A", "in place");
	is_str(list.entry[0].value, "2", "with its value");
	disagg_envlist_set(&list, "A", NULL);
	ok(!list.entry[0].value && list.count == 2, "NULL is an unset that stays in the list");
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "V%d", i);
		disagg_envlist_set(&list, name, name);
	}
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "V%d", i);
		all = all && strcmp(disagg_envlist_get(&list, name), name) == 0;
	}
	ok(all && list.count == 102, "many");
	disagg_arena_release(&arena);
}

static void test_no_memory(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_envlist list;

	disagg_envlist_init(&list, &arena);
	disagg_alloc_fail_after(0);
	is_int(disagg_envlist_set(&list, "A", "1"), -1, "no memory to set");
	is_int(list.count, 0, "nothing half set");
	disagg_alloc_fail_after(0);
	is_int(disagg_envlist_setf(&list, "A", "%d", 1), -1, "no memory to format");
	disagg_alloc_fail_after(-1);
	is_int(disagg_envlist_set(&list, "A", "1"), 0, "then it goes on");
	disagg_arena_release(&arena);
}

static void test_names(void)
{
	static const char *const good[] = {"A", "_", "a1_B", "_9"};
	static const char *const bad[] = {"", "1A", "A-B", "A B", "A=", "A.B", "\xc3\x84"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(disagg_env_name_valid(good[i]), good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!disagg_env_name_valid(bad[i]), bad[i]);
}

int main(void)
{
	test_set();
	test_no_memory();
	test_names();
	return tap_done();
}
