/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/inside.h"
#include "tests/unit/tap.h"

static const char *name_now;

static const char *get(const char *name)
{
	return strcmp(name, "SLURMD_NODENAME") == 0 ? name_now : NULL;
}

static void test_this_node(void)
{
	static const struct {
		const char *name;
		int node;
		const char *error;
	} rows[] = {
		{"na", 0, NULL},
		{"nb", 1, NULL},
		{"nc", -1, "SLURMD_NODENAME is 'nc': expected a node of the plan"},
		{"nd", -1, "SLURMD_NODENAME is 'nd': expected a node of the plan"},
		{"n", -1, "SLURMD_NODENAME is 'n'"},
		{NULL, -1, "SLURMD_NODENAME is 'not set'"},
	};
	static const char *names[] = {"na", "nb", "nc"};
	struct disagg_plan plan = {.nodes = 2};
	struct disagg_inside in = {.plan = &plan, .hosts = {names, 3}, .get = get};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_err err = DISAGG_ERR_INIT;
		uint32_t node = 77;

		name_now = rows[i].name;
		is_int(disagg_inside_this_node(&in, &node, &err), rows[i].error ? -1 : 0,
			rows[i].name ? rows[i].name : "no name");
		is_int(node, rows[i].error ? 77 : rows[i].node, "its place in the plan");
		if (rows[i].error)
			has_str(err.text, rows[i].error, "what was expected is said");
		is_int(err.code, rows[i].error ? DISAGG_USAGE : DISAGG_OK, "a usage error");
	}
}

int main(void)
{
	test_this_node();
	return tap_done();
}
