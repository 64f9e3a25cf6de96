/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/hosts.h"
#include "lib/base/strbuf.h"
#include "tests/unit/handplan.h"
#include "tests/unit/tap.h"
#include <time.h>

static const char *joined(const struct disagg_hostlist *hosts)
{
	static char text[256];

	text[0] = '\0';
	for (unsigned i = 0; i < hosts->count; i++) {
		strncat(text, i ? " " : "", sizeof(text) - strlen(text) - 1);
		strncat(text, hosts->name[i], sizeof(text) - strlen(text) - 1);
	}
	return text;
}

/* For a plan of three nodes. */
static void test_orders(void)
{
	static const struct {
		const char *nodes, *excluded;
		const char *order; /* or */
		const char *error;
	} rows[] = {
		{"n[0-2]", NULL, "n0 n1 n2", NULL},
		{"n[0-2]", "", "n0 n1 n2", NULL},
		{"n[0-3]", NULL, "n0 n1 n2 n3", NULL},
		{"n[0-3]", "n3", "n0 n1 n2 n3", NULL},
		{"n[0-3]", "n2", "n0 n1 n3 n2", NULL},
		{"n[0-3]", "n0", "n1 n2 n3 n0", NULL},
		{"n[0-5]", "n4,n[0,2]", "n1 n3 n5 n0 n2 n4", NULL},
		{"b2,a[10,9],c", "a10", "b2 a9 c a10", NULL},
		/* refused */
		{"n[0-1]", NULL, NULL, "the job's plan is for 3 nodes, but the job has 2"},
		{"n[0-2]", "n1", NULL, "the job has 2 that are not excluded"},
		{"n[0-3]", "n[0-3]", NULL, "the job has 0 that are not excluded"},
		{"n[0-3]", "n9", NULL, "'n9' is not a node of the job"},
		{"n[0-3]", "n", NULL, "'n' is not a node of the job"},
		{"n[0-9]", "n1,n[0-1]", NULL, "'n1' comes twice"},
		{"n[0-3]", ",", NULL, "the hosts to exclude: cannot read the host list"},
		{"n[0-3]", "n[0-99999999]", NULL, "it has more than 65536 names"},
		{"n[0-", "n1", NULL, "cannot read the host list 'n[0-'"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_plan *plan = hand_plan(&arena, DISAGG_NATIVE);
		struct disagg_hostlist hosts = {0};
		struct disagg_err err = DISAGG_ERR_INIT;
		int rc = disagg_plan_hosts(
			&arena, plan, rows[i].nodes, rows[i].excluded, &hosts, &err);

		is_int(rc, rows[i].error ? -1 : 0, rows[i].nodes);
		if (rows[i].error) {
			is_int(err.code, DISAGG_CONFIG, "is the configuration's fault");
			has_str(err.text, rows[i].error, "says what is wrong");
			is_int(hosts.count, 0, "and returns nothing");
		} else {
			is_str(joined(&hosts), rows[i].order, "in the plan's order");
			is_int(plan->nodes, 3, "the plan is as large as before");
		}
		disagg_arena_release(&arena);
	}
}

static void test_acceptance(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_plan plan = {.nodes = 4};
	struct disagg_hostlist hosts;

	is_int(disagg_plan_hosts(&arena, &plan, "n[0-15]", NULL, &hosts, NULL), 0,
		"a plan without roles in a larger job");
	is_int(plan.nodes, 16, "is as large as that");
	is_int(disagg_plan_hosts(&arena, &plan, "n[0-1]", "n0", &hosts, NULL), 0,
		"and in a smaller one");
	is_int(plan.nodes, 2, "as small");
	is_str(joined(&hosts), "n0 n1", "nothing is excluded from it");
	disagg_arena_release(&arena);
}

static void test_fits(void)
{
	struct disagg_plan plan = {.nodes = 3, .role_count = 1, .spare_nodes = 2};
	unsigned fit = 0;

	for (unsigned hosts = 0; hosts < 9; hosts++)
		fit |= (unsigned)disagg_plan_fits(&plan, hosts) << hosts;
	is_int(fit, 0x38, "3 nodes and 2 to spare fit a job of 3, 4 and 5");
	plan.role_count = 0;
	ok(disagg_plan_fits(&plan, 1) && disagg_plan_fits(&plan, 99),
		"without roles it fits any job");
}

/* Names that a user may set must cost a daemon no quadratic time. */
static void test_many(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_plan *plan = hand_plan(&arena, DISAGG_NATIVE);
	struct disagg_hostlist hosts;
	clock_t begin = clock();

	is_int(disagg_plan_hosts(&arena, plan, "a[0-65535]", "a[3-65535]", &hosts, NULL), 0,
		"65,533 of 65,536 hosts are excluded");
	is_int(hosts.count, 65536, "all are in the list");
	is_str(hosts.name[2], "a2", "the plan's first");
	is_str(hosts.name[3], "a3", "the excluded ones behind, in their order");
	is_str(hosts.name[65535], "a65535", "to the last");
	printf("# %.0f ms\n", (double)(clock() - begin) * 1000 / CLOCKS_PER_SEC);
	disagg_arena_release(&arena);
}

int main(void)
{
	test_orders();
	test_acceptance();
	test_fits();
	test_many();
	return tap_done();
}
