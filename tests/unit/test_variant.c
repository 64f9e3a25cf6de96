/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/variant.h"
#include "lib/conf/scalar.h"
#include "tests/unit/tap.h"
#include <stdlib.h>

struct expanded {
	struct disagg_arena arena;
	struct disagg_findings found;
	struct disagg_variants list;
	int result;
};

static bool expand(struct expanded *ex, const char *text)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root;

	*ex = (struct expanded){0};
	disagg_findings_init(&ex->found, &ex->arena);
	if (disagg_yaml_parse(&ex->arena, text, strlen(text), "r.yaml", &root, &err)) {
		ex->result = -2;
		return false;
	}
	ex->result = disagg_variants_expand(&ex->arena, root, &ex->list, &ex->found);
	return ex->result == 0;
}

static const char *first_text(const struct expanded *ex)
{
	static char text[1024];

	text[0] = '\0';
	if (ex->found.count)
		disagg_finding_format(&ex->found.item[0], text, sizeof(text));
	return text;
}

/* The scalar at path of the variant, or NULL. */
static const char *value(const struct expanded *ex, unsigned index, const char *path)
{
	const struct disagg_node *node;

	if (index >= ex->list.count)
		return NULL;
	node = disagg_node_find(ex->list.v[index].tree, path);
	return node && node->kind == DISAGG_SCALAR ? node->text : NULL;
}

static const char plain[] = "name: x\nresources: {gpu_type: a}\n";

static const char overrides[] = "base:\n"
				"  name: job\n"
				"  a: {b: 1, c: 2, l: [1, 2]}\n"
				"  d: 3\n"
				"override_one:\n"
				"  a: {b: 9, l: [7]}\n"
				"  d: null\n"
				"override_named:\n"
				"  name: other\n"
				"zip_override_z:\n"
				"  a: {b: [10, 20], c: [5], l: [[3, 4], [5]]}\n"
				"  d: 6\n"
				"zip_override_n:\n"
				"  name: [first, second]\n"
				"  a: {c: [null, 8]}\n";

static void test_plain(void)
{
	struct expanded ex;

	ok(expand(&ex, plain) && !ex.found.count, "a plain file expands without findings");
	is_int(ex.list.count, 0, "a plain file has no variants");
	disagg_arena_release(&ex.arena);
}

static void test_overrides(void)
{
	static const struct {
		const char *suffix, *selector;
	} want[] = {
		{"base", "base"},
		{"one", "override_one"},
		{"named", "override_named"},
		{"z_0", "zip_override_z[0]"},
		{"z_1", "zip_override_z[1]"},
		{"n_0", "zip_override_n[0]"},
		{"n_1", "zip_override_n[1]"},
	};
	static const struct {
		unsigned variant;
		const char *path, *text;
	} values[] = {
		{0, "name", "job"},
		{0, "d", "3"},
		{1, "name", "job_one"},
		{1, "a.b", "9"},
		{1, "a.c", "2"},
		{1, "a.l[0]", "7"},
		{1, "a.l[1]", NULL},
		{1, "d", NULL},
		{2, "name", "other"},
		{2, "a.b", "1"},
		{3, "name", "job_z_0"},
		{3, "a.b", "10"},
		{3, "a.c", "5"},
		{3, "a.l[1]", "4"},
		{3, "d", "6"},
		{4, "a.b", "20"},
		{4, "a.c", "5"},
		{4, "a.l[0]", "5"},
		{4, "a.l[1]", NULL},
		{5, "name", "first"},
		{5, "a.c", NULL},
		{5, "a.b", "1"},
		{6, "name", "second"},
		{6, "a.c", "8"},
	};
	struct expanded ex;
	char what[128];

	ok(expand(&ex, overrides) && !ex.found.count, "overrides expand without findings");
	is_int(ex.list.count, 7, "base, two overrides and two groups of two");
	for (unsigned i = 0; i < 7 && i < ex.list.count; i++) {
		is_str(ex.list.v[i].suffix, want[i].suffix, "the suffix is the group and number");
		is_str(ex.list.v[i].selector, want[i].selector, "the selector names the section");
	}
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		snprintf(what, sizeof(what), "variant %u: %s is %s", values[i].variant,
			values[i].path, values[i].text ? values[i].text : "not there");
		is_str(value(&ex, values[i].variant, values[i].path), values[i].text, what);
	}
	disagg_arena_release(&ex.arena);
}

static void test_positions(void)
{
	struct expanded ex;
	const struct disagg_node *node;

	expand(&ex, overrides);
	node = ex.list.count > 4 ? disagg_node_find(ex.list.v[4].tree, "a.b") : NULL;
	ok(node && node->at.line == 11, "a zipped value keeps the line of its list");
	node = ex.list.count > 1 ? disagg_node_find(ex.list.v[1].tree, "a.c") : NULL;
	ok(node && node->at.line == 3, "a value of base keeps its line");
	disagg_arena_release(&ex.arena);
}

static void test_sweep(void)
{
	static const char text[] =
		"name: s\n"
		"resources: {gpu_type: x}\n"
		"backend:\n"
		"  cfg: {mem: \"{m}\", both: \"a{m}-{l}\", list: \"{l}\", n: 4}\n"
		"sweep:\n"
		"  m: [1, 2]\n"
		"  l: [[8, 9], [7]]\n";
	struct expanded ex;

	ok(expand(&ex, text) && !ex.found.count, "a sweep expands without findings");
	is_int(ex.list.count, 4, "a sweep is the product of its lists");
	is_str(ex.list.count ? ex.list.v[0].suffix : NULL, "m1_l8,9", "the suffix says the values");
	is_str(ex.list.count > 1 ? ex.list.v[1].selector : NULL, "sweep[1]", "sweep[i] selects");
	is_str(value(&ex, 1, "name"), "s_m1_l7", "the name has the values");
	is_str(value(&ex, 2, "backend.cfg.mem"), "2", "the first parameter runs slowest");
	is_str(value(&ex, 0, "backend.cfg.both"), "a1-8,9", "a list in a string is joined");
	is_str(value(&ex, 0, "backend.cfg.list[1]"), "9", "a list alone stays a list");
	is_str(value(&ex, 0, "backend.cfg.n"), "4", "other values stay");
	ok(!value(&ex, 0, "sweep.m"), "the sweep section is gone");
	disagg_arena_release(&ex.arena);
}

static void test_bad(void)
{
	static const struct {
		const char *text, *message, *what;
	} bad[] = {
		{"base: {name: x}\nzip_override_a: {k: [1, 2], l: [1, 2, 3]}\n",
			"r.yaml:2:32: 'l' has 3 values, but the list in line 2 has 2",
			"lists of two lengths"},
		{"base: {name: x}\nzip_override_a: {k: [], l: [1]}\n",
			"'k': an empty list cannot be zipped", "an empty list"},
		{"base: {name: x}\nzip_override_a: {k: 1}\n",
			"'zip_override_a' has no list: expected at least one to zip, or the name "
			"'override_a'",
			"a zip without lists"},
		{"base: {name: x}\noverride_a: 3\n",
			"r.yaml:2:13: 'override_a': expected a map of what differs from 'base'",
			"an override that is no map"},
		{"base: {name: x}\noverride_: {a: 1}\n", "'override_' has no name behind the '_'",
			"an override without a name"},
		{"base: {name: x}\noverrides_a: {a: 1}\n",
			"r.yaml:2:1: unknown key 'overrides_a' beside 'base'",
			"a misspelt section"},
		{"base: {name: x}\nsweep: {a: [1]}\n", "unknown key 'sweep' beside 'base'",
			"a sweep beside base"},
		{"base: [1]\n", "'base': expected a map, got", "a base that is no map"},
		{"base: {name: x}\noverride_a_0: {k: 1}\nzip_override_a: {k: [1]}\n",
			"two variants are called 'a_0'", "one suffix twice"},
		{"name: x\nsweep: {mode: grid, parameters: {a: [1]}}\n",
			"sweep.mode: expected a list of values (sweep: {NAME: [a, b]})",
			"the form with mode and parameters"},
		{"name: x\nsweep: {a: []}\n", "sweep.a: expected a list of values",
			"an empty parameter"},
		{"name: x\nsweep: 3\n", "'sweep': expected a map of lists", "a scalar sweep"},
		{"name: x\nk: { a }\nsweep: {a: [1]}\n",
			"sweep parameter 'a' is used nowhere: expected \"{a}\" (in quotes)",
			"a placeholder without quotes"},
		{"name: x\nk: '{a}{b}{c}'\nsweep:\n"
		 "  a: [1,2,3,4,5,6,7,8,9,10,11,12]\n"
		 "  b: [1,2,3,4,5,6,7,8,9,10,11,12]\n"
		 "  c: [1,2,3,4,5,6,7,8,9,10,11,12]\n",
			"too many variants: at most 1024", "a sweep of 1728"},
	};
	char what[128];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct expanded ex;

		expand(&ex, bad[i].text);
		snprintf(what, sizeof(what), "%s is an error", bad[i].what);
		is_int(ex.found.errors, 1, what);
		snprintf(what, sizeof(what), "%s: the message", bad[i].what);
		has_str(first_text(&ex), bad[i].message, what);
		disagg_arena_release(&ex.arena);
	}
}

static void test_pick(void)
{
	static const struct {
		const char *name, *suffix, *message;
	} picks[] = {
		{"base", "base", NULL},
		{"one", "one", NULL},
		{"override_one", "one", NULL},
		{"z_1", "z_1", NULL},
		{"zip_override_z[1]", "z_1", NULL},
		{"zip_override_z[2]", NULL, "there is no variant 'zip_override_z[2]'"},
		{"zip_override_z", NULL, "'zip_override_z' is a group of 2 variants: say which"},
		{"on", NULL, "there is no variant 'on'; did you mean 'one'?"},
		{"nothing_like_it", NULL, "expected one of base, one, named, z_0, z_1, n_0, n_1"},
		{"", NULL, "there is no variant ''"},
	};
	struct expanded ex;

	expand(&ex, overrides);
	for (unsigned i = 0; i < sizeof(picks) / sizeof(picks[0]); i++) {
		struct disagg_err err = DISAGG_ERR_INIT;
		const struct disagg_variant *v =
			disagg_variants_pick(&ex.list, picks[i].name, &err);

		is_str(v ? v->suffix : NULL, picks[i].suffix, picks[i].name);
		if (picks[i].message)
			has_str(err.text, picks[i].message, "and says why");
		else
			is_int(err.code, DISAGG_OK, "and leaves err alone");
	}
	disagg_arena_release(&ex.arena);
}

/* Every allocation fails once: the call says so and nothing leaks. */
static void test_no_memory(const char *text, const char *what)
{
	struct expanded ex;
	long count = 0;
	bool good = true;

	for (; count < 5000; count++) {
		disagg_alloc_fail_after(count);
		expand(&ex, text);
		disagg_alloc_fail_after(-1);
		if (ex.result == 0 && !ex.found.errors && ex.list.count)
			break;
		good = good && ex.result < 0;
		disagg_arena_release(&ex.arena);
	}
	disagg_arena_release(&ex.arena);
	ok(good && count > 0 && count < 5000, what);
}

int main(void)
{
	test_plain();
	test_overrides();
	test_positions();
	test_sweep();
	test_bad();
	test_pick();
	test_no_memory(overrides, "overrides: each failing allocation is reported");
	test_no_memory("name: s\nk: '{a}'\nl: ['x{a}']\nsweep: {a: [1, 2]}\n",
		"a sweep: each failing allocation is reported");
	return tap_done();
}
