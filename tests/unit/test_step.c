/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/taskenv.h"
#include "tests/unit/handplan.h"
#include "tests/unit/tap.h"

static void test_split(void)
{
	static const struct {
		const char *text, *role;
		int index;
	} good[] = {
		{"decode", "decode", -1},
		{"decode:0", "decode", 0},
		{"a-b:17", "a-b", 17},
	};
	static const struct {
		const char *text, *error;
	} bad[] = {
		{"", "invalid role '': expected ROLE or ROLE:INDEX"},
		{":1", "invalid role ':1': expected ROLE or ROLE:INDEX"},
		{"decode:", "invalid index '' in role 'decode:': expected a number from 0"},
		{"decode:x", "invalid index 'x' in role 'decode:x'"},
		{"decode:-1", "invalid index '-1' in role 'decode:-1'"},
		{"decode:1:2", "invalid index '1:2' in role 'decode:1:2'"},
		{"decode:99999999999", "invalid index '99999999999'"},
		{"averyveryverylongname", "role name 'averyveryverylongname...' is longer than 15"},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char role[16] = "";
		int index = 77;

		is_int(disagg_role_split(good[i].text, role, sizeof(role), &index, NULL), 0,
			good[i].text);
		is_str(role, good[i].role, "its role");
		is_int(index, good[i].index, "its index");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct disagg_err err = DISAGG_ERR_INIT;
		char role[16] = "untouched";
		int index = 77;

		is_int(disagg_role_split(bad[i].text, role, sizeof(role), &index, &err), -1,
			bad[i].text);
		has_str(err.text, bad[i].error, "says so");
		is_int(err.code, DISAGG_USAGE, "is a usage error");
		ok(index == 77 && strcmp(role, "untouched") == 0, "and returns nothing");
	}
}

static void test_pick(const struct disagg_plan *plan)
{
	static const struct {
		const char *role;
		int index;
		const char *error;
	} bad[] = {
		{"decod", -1, "unknown role 'decod': the plan has prefill, decode-big, etcd"},
		{"prefill", -1,
			"role 'prefill' has 2 workers: say which one, 'prefill:0' to "
			"'prefill:1'"},
		{"prefill", 2, "role 'prefill' has no worker 2: it has 2, counted from 0"},
		{"etcd", 1, "role 'etcd' has no worker 1: it has 1, counted from 0"},
	};
	const struct disagg_worker *worker = NULL;
	const struct disagg_service *service = NULL;

	is_int(disagg_plan_pick(plan, "decode-big", 1, &worker, &service, NULL), 0, "a worker");
	ok(worker == &plan->worker[3] && !service, "is that worker and no service");
	is_int(disagg_plan_pick(plan, "etcd", -1, &worker, &service, NULL), 0, "the only service");
	ok(!worker && service == &plan->service[0], "is that service and no worker");
	is_int(disagg_plan_pick(plan, "frontend", 1, &worker, &service, NULL), 0,
		"a service of two");
	ok(service == &plan->service[2], "is the second");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct disagg_err err = DISAGG_ERR_INIT;

		service = NULL;
		is_int(disagg_plan_pick(plan, bad[i].role, bad[i].index, &worker, &service, &err),
			-1, bad[i].role);
		has_str(err.text, bad[i].error, "says what there is");
		ok(!service, "and picks nothing");
	}
}

static void test_process(const struct disagg_plan *plan)
{
	static const struct {
		uint32_t worker, rank, process, local;
	} rows[] = {{0, 0, 0, 0}, {2, 0, 2, 0}, {2, 1, 2, 1}, {2, 2, 3, 0}, {3, 0, 4, 0}};
	struct disagg_err err = DISAGG_ERR_INIT;
	uint32_t process = 77, local = 77;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		is_int(disagg_plan_process_of(plan, &plan->worker[rows[i].worker], rows[i].rank,
			       &process, &local, NULL),
			0, "a rank");
		is_int(process, rows[i].process, "is in its process");
		is_int(local, rows[i].local, "with its number there");
	}
	process = local = 77;
	is_int(disagg_plan_process_of(plan, &plan->worker[2], 3, &process, &local, &err), -1,
		"one rank too many");
	is_str(err.text, "'decode-big_0' has no rank 3: it has 3, counted from 0", "is named");
	is_int(err.code, DISAGG_USAGE, "is a usage error");
	ok(process == 77 && local == 77, "and nothing is returned");
}

static void test_run_dir(struct disagg_plan *plan, struct disagg_arena *arena)
{
	static const struct {
		const char *log_dir, *restart, *want;
	} rows[] = {
		{NULL, NULL, "/home/u/disagg-42"},
		{NULL, "0", "/home/u/disagg-42"},
		{NULL, "3", "/home/u/disagg-42.3"},
		{"logs", NULL, "/home/u/logs/42"},
		{"logs/", "1", "/home/u/logs/42.1"},
		{"/scratch/x", "", "/scratch/x/42"},
		{"/scratch/%j-{job_id}/l", NULL, "/scratch/42-42/l/42"},
		{"/scratch/%u/{job}", NULL, "/scratch/%u/{job}/42"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		plan->log_dir = rows[i].log_dir;
		is_str(disagg_run_dir(arena, plan, "42", rows[i].restart, "/home/u"), rows[i].want,
			rows[i].want);
	}
	plan->log_dir = NULL;
	disagg_alloc_fail_after(0);
	ok(!disagg_run_dir(arena, plan, "42", NULL, "/home/u"), "no memory, no name");
	disagg_alloc_fail_after(-1);
}

static void test_nodelist(const struct disagg_plan *plan, struct disagg_arena *arena)
{
	static const char *names[] = {"na", "nb", "nc"};
	struct disagg_hostlist hosts = {names, 3};
	struct disagg_err err = DISAGG_ERR_INIT;
	const char *list = NULL;
	uint32_t tasks = 0;

	is_int(disagg_step_nodelist(
		       arena, plan, &plan->worker[2], NULL, &hosts, &list, &tasks, &err),
		0, "a worker over two nodes");
	is_str(list, "nb,nb,nc", "one name a task, in rank order");
	is_int(tasks, 3, "three tasks");
	is_int(disagg_step_nodelist(
		       arena, plan, NULL, &plan->service[2], &hosts, &list, &tasks, &err),
		0, "a service");
	is_str(list, "nc", "is on its node");
	is_int(tasks, 1, "one task");
	hosts.count = 2;
	list = NULL;
	is_int(disagg_step_nodelist(
		       arena, plan, &plan->worker[2], NULL, &hosts, &list, &tasks, &err),
		-1, "a job that is too small");
	is_str(err.text, "plan uses node 2 but the job has 2 nodes, counted from 0", "says so");
	ok(!list, "and returns nothing");
}

int main(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_plan *plan = hand_plan(&arena, DISAGG_NATIVE);

	test_split();
	test_pick(plan);
	test_process(plan);
	test_run_dir(plan, &arena);
	test_nodelist(plan, &arena);
	disagg_arena_release(&arena);
	return tap_done();
}
