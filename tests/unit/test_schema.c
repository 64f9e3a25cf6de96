/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/schema.h"

#include "tests/unit/tap.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct inner {
	struct disagg_int nodes;
	struct disagg_int gpus;
	const char *name;
};

struct outer {
	enum disagg_tristate flag;
	struct disagg_int count;
	struct disagg_int any;
	struct disagg_int many;
	struct disagg_real ratio;
	const char *text;
	const char *strict;
	const char *needed;
	struct disagg_int time;
	int mode;
	struct disagg_strs list;
	struct disagg_map env;
	struct disagg_map loose;
	const struct disagg_node *tree;
	struct inner inner, open;
	const char *token;
	struct disagg_strs dflt_list;
};

static const char *const modes[] = {"pack", "fresh", "spread", NULL};

#define AT(field) offsetof(struct outer, field)

static const struct disagg_row inner_rows[] = {
	{.key = "prefill_nodes",
		.kind = DISAGG_K_INT,
		.offset = offsetof(struct inner, nodes),
		.min = 1,
		.max = 64},
	{.key = "gpus_per_node",
		.kind = DISAGG_K_INT,
		.offset = offsetof(struct inner, gpus),
		.min = 1,
		.max = 64,
		.dflt = "4"},
	{.key = "name",
		.kind = DISAGG_K_STR,
		.offset = offsetof(struct inner, name),
		.flags = DISAGG_F_REQUIRED},
	{.key = NULL},
};
static const struct disagg_table inner_table = {.name = "inner", .row = inner_rows};

static const struct disagg_row outer_rows[] = {
	{.key = "flag", .kind = DISAGG_K_TRI, .offset = AT(flag)},
	{.key = "count", .kind = DISAGG_K_INT, .offset = AT(count), .min = 1, .max = 64},
	{.key = "any", .kind = DISAGG_K_INT, .offset = AT(any), .dflt = "7"},
	{.key = "many", .kind = DISAGG_K_INT, .offset = AT(many), .min = 1, .max = INT64_MAX},
	{.key = "ratio", .kind = DISAGG_K_REAL, .offset = AT(ratio), .min = 0, .max = 1},
	{.key = "text", .kind = DISAGG_K_STR, .offset = AT(text), .flags = DISAGG_F_NOEMPTY},
	{.key = "strict", .kind = DISAGG_K_TEXT, .offset = AT(strict), .dflt = "8"},
	{.key = "needed", .kind = DISAGG_K_STR, .offset = AT(needed), .flags = DISAGG_F_REQUIRED},
	{.key = "time", .kind = DISAGG_K_DURATION, .offset = AT(time), .min = 1, .max = 7200},
	{.key = "mode", .kind = DISAGG_K_ENUM, .offset = AT(mode), .names = modes},
	{.key = "list", .kind = DISAGG_K_STRS, .offset = AT(list), .flags = DISAGG_F_NOEMPTY},
	{.key = "dflt_list", .kind = DISAGG_K_STRS, .offset = AT(dflt_list), .dflt = "[a, b]"},
	{.key = "environment", .kind = DISAGG_K_MAP, .offset = AT(env), .flags = DISAGG_F_SECRET},
	{.key = "loose", .kind = DISAGG_K_LOOSEMAP, .offset = AT(loose)},
	{.key = "tree", .kind = DISAGG_K_NODE, .offset = AT(tree)},
	{.key = "resources", .kind = DISAGG_K_STRUCT, .offset = AT(inner), .sub = &inner_table},
	{.key = "open",
		.kind = DISAGG_K_STRUCT,
		.offset = AT(open),
		.sub = &inner_table,
		.flags = DISAGG_F_FREE},
	{.key = "token", .kind = DISAGG_K_STR, .offset = AT(token), .flags = DISAGG_F_SECRET},
	{.key = "old", .kind = DISAGG_K_IGNORE, .flags = DISAGG_F_WARN},
	{.key = "silent", .kind = DISAGG_K_IGNORE},
	{.key = NULL},
};
static const struct disagg_table outer_table = {.name = "outer", .row = outer_rows};

struct reading {
	struct disagg_arena arena;
	struct disagg_findings found;
	struct disagg_trace trace;
	struct outer value;
	int rc;
};

/* "needed: x" is added to what does not say it. */
static void read_more(
	struct reading *rd, const char *yaml, bool unknown_is_warning, const char *prefix)
{
	struct disagg_schema_walk walk = {.arena = &rd->arena,
		.found = &rd->found,
		.trace = &rd->trace,
		.unknown_is_warning = unknown_is_warning,
		.prefix = prefix};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root = NULL;
	const char *text = disagg_arena_printf(
		&rd->arena, "%s%s", yaml, strstr(yaml, "needed") ? "" : "\nneeded: x\n");

	disagg_findings_init(&rd->found, &rd->arena);
	rd->trace.arena = &rd->arena;
	rd->value.mode = -7;
	rd->rc = -2;
	if (!text || disagg_yaml_parse(&rd->arena, text, strlen(text), "job.yaml", &root, &err))
		return;
	rd->rc = disagg_schema_read(&walk, &outer_table, root, &rd->value);
}

static void read_yaml(struct reading *rd, const char *yaml)
{
	read_more(rd, yaml, false, "");
}

static const char *first(const struct reading *rd, char *buf, size_t size)
{
	buf[0] = '\0';
	if (rd->found.count)
		disagg_finding_format(&rd->found.item[0], buf, size);
	return buf;
}

/* ---- good values ---- */

static const char whole[] =
	"flag: on\n"
	"count: '12'\n"
	"any: -5\n"
	"many: 193273528320\n"
	"ratio: 1e-5\n"
	"text: 010\n"
	"strict: abc\n"
	"needed: true\n"
	"time: 1h\n"
	"mode: spread\n"
	"list: [a, 1, true]\n"
	"environment: {A: '1', N_TOKEN_X: '1', HF_TOKEN: '${env:HF_TOKEN}', B: <b>}\n"
	"loose: {x: 1, y: null, z: 1.50}\n"
	"tree: {p: [1], q: {r: s}}\n"
	"resources: {prefill_nodes: 2, name: n}\n"
	"open: {name: m, whatever: 1}\n"
	"token: ${env:TOKEN}\n"
	"silent: 1\n"
	"x-mine: {a: 1}\n";

static void test_good(void)
{
	struct reading rd = {0};
	const struct outer *v = &rd.value;
	char text[600];

	read_yaml(&rd, whole);
	is_int(rd.rc, 0, "read");
	is_str(first(&rd, text, sizeof(text)), "", "no findings");
	is_int(v->flag, DISAGG_YES, "a tristate");
	ok(v->count.set && v->count.v == 12, "an integer in quotes");
	ok(v->any.set && v->any.v == -5, "an integer without bounds");
	is_int(v->many.v, INT64_C(193273528320), "a large integer");
	ok(v->ratio.set && v->ratio.v > 0.9e-5 && v->ratio.v < 1.1e-5,
		"a real that YAML 1.1 lacks");
	is_str(v->text, "010", "a text as written");
	is_str(v->strict, "abc", "a string");
	is_str(v->needed, "true", "a boolean as a text");
	is_int(v->time.v, 3600, "a duration");
	is_int(v->mode, 2, "an enum");
	ok(v->list.count == 3 && strcmp(v->list.v[1], "1") == 0, "a list");
	ok(v->env.count == 4 && strcmp(v->env.v[3].value, "<b>") == 0, "a map keeps placeholders");
	ok(v->loose.count == 3 && strcmp(v->loose.v[0].value, "1") == 0 &&
			strcmp(v->loose.v[1].value, "") == 0 &&
			strcmp(v->loose.v[2].value, "1.50") == 0,
		"a loose map");
	is_int(v->env.v[0].at.line, 12, "a map's values have origins");
	ok(v->tree && v->tree->kind == DISAGG_MAP, "a tree");
	ok(v->inner.nodes.v == 2 && v->inner.gpus.v == 4, "a struct with a default");
	is_str(v->open.name, "m", "a struct with free keys");
	is_str(v->token, "${env:TOKEN}", "a reference to a secret");
	disagg_arena_release(&rd.arena);
}

static void test_defaults(void)
{
	struct reading rd = {0};
	const struct outer *v = &rd.value;

	read_yaml(&rd, "any: null\n");
	is_int(rd.found.count, 0, "nothing to say");
	ok(v->any.set && v->any.v == 7, "a null takes the default");
	is_str(v->strict, "8", "a default of a string is a string");
	ok(v->inner.gpus.v == 4 && !v->inner.nodes.set, "defaults of a struct that is not given");
	ok(v->dflt_list.count == 2 && strcmp(v->dflt_list.v[1], "b") == 0, "a default list");
	ok(v->mode == -7 && v->flag == DISAGG_UNSET && !v->count.set && !v->text && !v->tree,
		"the rest is left alone");
	disagg_arena_release(&rd.arena);
}

static void test_one_is_a_list(void)
{
	struct reading rd = {0};

	read_yaml(&rd, "list: 4 8 16\n");
	ok(rd.value.list.count == 1 && strcmp(rd.value.list.v[0], "4 8 16") == 0,
		"one scalar is a list of one");
	disagg_arena_release(&rd.arena);
}

/* ---- bad values ---- */

static const struct {
	const char *yaml, *want;
} bad[] = {
	{"flag: 'yes'", "job.yaml:1:7: flag: expected true or false, got 'yes'"},
	{"flag: 1", "job.yaml:1:7: flag: expected true or false, got '1'"},
	{"flag: [true]", "job.yaml:1:7: flag: expected true or false, got a list"},
	{"count: all", "job.yaml:1:8: count: expected an integer from 1 to 64, got 'all'"},
	{"count: 0", "job.yaml:1:8: count: expected an integer from 1 to 64, got '0'"},
	{"count: 65", "expected an integer from 1 to 64, got '65'"},
	{"count: 1.0", "expected an integer from 1 to 64, got '1.0'"},
	{"count: 10:00", "expected an integer from 1 to 64, got '10:00'"},
	{"count: true", "expected an integer from 1 to 64, got 'true'"},
	{"count: ''", "expected an integer from 1 to 64, got ''"},
	{"count: {}", "expected an integer from 1 to 64, got a map"},
	{"any: 9223372036854775808", "any: expected an integer, got '9223372036854775808'"},
	{"many: 0", "many: expected an integer of at least 1, got '0'"},
	{"ratio: 1.5", "job.yaml:1:8: ratio: expected a number from 0 to 1, got '1.5'"},
	{"ratio: .nan", "ratio: expected a number from 0 to 1, got '.nan'"},
	{"ratio: 1:30", "ratio: expected a number from 0 to 1, got '1:30'"},
	{"ratio: []", "ratio: expected a number from 0 to 1, got a list"},
	{"text: [a]", "text: expected a text, got a list"},
	{"text: ''", "text: expected a text, got \"\""},
	{"strict: 1", "strict: expected a string, got the integer 1: write \"1\""},
	{"strict: yes", "strict: expected a string, got the boolean yes: write \"yes\""},
	{"strict: 1.5", "strict: expected a string, got the number 1.5: write \"1.5\""},
	{"strict: {a: 1}", "strict: expected a string, got a map"},
	{"time: soon",
		"time: expected a duration such as 90, 90s, 15m, 2h or 01:30:00, got 'soon'"},
	{"time: 3h", "time: expected seconds from 1 to 7200, got '3h'"},
	{"time: [1]", "time: expected a duration such as"},
	{"mode: spraed",
		"mode: expected one of pack, fresh, spread, got 'spraed': did you mean 'spread'?"},
	{"mode: other", "mode: expected one of pack, fresh, spread, got 'other'"},
	{"mode: [pack]", "mode: expected one of pack, fresh, spread, got a list"},
	{"list: {a: 1}", "list: expected a list of texts, got a map"},
	{"list: [a, [b]]", "job.yaml:1:11: list: expected a list of texts, got a list"},
	{"list: [a, ~]", "job.yaml:1:11: list: expected a list of texts, got nothing"},
	{"list: []", "list: expected a list that is not empty, got a list"},
	{"environment: x", "environment: expected a map, got a string"},
	{"environment: {A: 1}",
		"job.yaml:1:18: environment.A: expected a string, got the integer 1: write \"1\""},
	{"environment: {A: }", "environment.A: expected a string, got nothing: write \"\""},
	{"environment: {A: [x]}", "environment.A: expected a string, got a list"},
	{"environment: {HF_TOKEN: hunter2}",
		"environment.HF_TOKEN: a secret must not be written here: write ${env:NAME} and"},
	{"environment: {HF_TOKEN: 12345}",
		"environment.HF_TOKEN: expected a string, got an integer"},
	{"token: hunter2", "token: a secret must not be written here: write ${env:NAME} and set"},
	{"token: '${env:}'", "token: a secret must not be written here"},
	{"loose: {a: [1]}", "loose.a: expected a string, got a list"},
	{"resources: 1", "job.yaml:1:12: resources: expected a map, got '1'"},
	{"resources: {gpus_per_node: all, name: x}",
		"job.yaml:1:28: resources.gpus_per_node: expected an integer from 1 to 64, got 'all'"},
	{"resources: {prefil_nodes: 1, name: x}",
		"job.yaml:1:13: resources: unknown key 'prefil_nodes', did you mean 'prefill_nodes'?"},
	{"resources: {prefill-nodes: 1, name: x}",
		"'prefill-nodes', did you mean 'prefill_nodes'?"},
	{"resources: {}", "job.yaml:1:12: resources.name: expected a value, got none"},
	{"needed:\nflag: on", "job.yaml:1:1: needed: expected a value, got none"},
	{"cuont: 1", "job.yaml:1:1: unknown key 'cuont', did you mean 'count'?"},
	{"nothing_like_it: 1", "job.yaml:1:1: unknown key 'nothing_like_it'"},
	{"count: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"got 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'"},
	{"count: |-\n  a\n  b", "expected an integer from 1 to 64, got 'a b'"},
};

static void test_bad(void)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct reading rd = {0};
		char text[600];

		read_yaml(&rd, bad[i].yaml);
		ok(rd.rc == 0 && rd.found.errors == 1 && rd.found.warnings == 0, bad[i].yaml);
		has_str(first(&rd, text, sizeof(text)), bad[i].want, bad[i].want);
		ok(!strstr(text, "hunter2") && !strstr(text, "12345"), "no secret is told");
		disagg_arena_release(&rd.arena);
	}
}

static void test_goes_on(void)
{
	struct reading rd = {0};
	char text[600];

	read_yaml(&rd, "count: x\nany: y\nresources: {name: z, gpus_per_node: q}\nmode: fresh\n");
	is_int(rd.found.errors, 3, "all errors in one go");
	ok(rd.value.mode == 1 && strcmp(rd.value.inner.name, "z") == 0, "the rest is read");
	ok(!rd.value.count.set, "what is bad stays unset");
	disagg_finding_format(&rd.found.item[2], text, sizeof(text));
	has_str(text, "job.yaml:3:37: resources.gpus_per_node", "in the table's order");
	disagg_arena_release(&rd.arena);
}

static void test_not_a_map(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_findings found;
	struct disagg_schema_walk walk = {.arena = &arena, .found = &found};
	struct disagg_node *root = NULL;
	struct outer value = {0};
	char text[200] = "";

	disagg_findings_init(&found, &arena);
	disagg_yaml_parse(&arena, "[1]", 3, "job.yaml", &root, NULL);
	is_int(disagg_schema_read(&walk, &outer_table, root, &value), 0,
		"a list in place of a map");
	if (found.count)
		disagg_finding_format(&found.item[0], text, sizeof(text));
	is_str(text, "job.yaml:1:1: expected a map, got a list", "is told");
	disagg_arena_release(&arena);
}

/* ---- warnings ---- */

static const struct {
	const char *yaml, *want;
} warned[] = {
	{"count: <count>", "job.yaml:1:8: count: the placeholder '<count>' counts as not given"},
	{"any: <x>", "any: the placeholder '<x>' counts as not given"},
	{"flag: '<x>'", "flag: the placeholder '<x>' counts as not given"},
	{"mode: <mode>", "mode: the placeholder '<mode>' counts as not given"},
	{"time: <t>", "time: the placeholder '<t>' counts as not given"},
	{"environment: <env>", "environment: the placeholder '<env>' counts as not given"},
	{"resources: <r>", "resources: the placeholder '<r>' counts as not given"},
	{"old: 1", "job.yaml:1:6: old has no effect"},
};

static void test_warnings(void)
{
	struct reading rd = {0};

	for (size_t i = 0; i < COUNT(warned); i++) {
		struct reading one = {0};
		char text[600];

		read_yaml(&one, warned[i].yaml);
		ok(one.found.errors == 0 && one.found.warnings == 1, warned[i].yaml);
		is_str(strstr(first(&one, text, sizeof(text)), warned[i].want), warned[i].want,
			warned[i].want);
		disagg_arena_release(&one.arena);
	}
	read_yaml(&rd, "any: <x>\ntext: <text>\n");
	ok(rd.value.any.v == 7, "the default fills a placeholder's place");
	is_str(rd.value.text, "<text>", "a text keeps it");
	disagg_arena_release(&rd.arena);
}

static void test_unknown_is_warning(void)
{
	struct reading rd = {0};
	char text[600];

	read_more(&rd, "cuont: 1\n", true, "roles.decode");
	ok(rd.found.errors == 0 && rd.found.warnings == 1, "a warning");
	is_str(first(&rd, text, sizeof(text)),
		"job.yaml:1:1: roles.decode: unknown key 'cuont', did you mean 'count'?",
		"below a prefix");
	disagg_arena_release(&rd.arena);
}

/* ---- origins ---- */

static void is_traced(const struct reading *rd, const char *path, const char *text, unsigned line,
	const char *source)
{
	const struct disagg_origin *at = disagg_trace_origin(&rd->trace, path);
	const char *got = NULL;

	for (unsigned i = 0; i < rd->trace.count; i++) {
		if (strcmp(rd->trace.item[i].path, path) == 0)
			got = rd->trace.item[i].text;
	}
	is_str(got, text, path);
	is_int(at ? (intmax_t)at->line : -1, line, "its line");
	is_str(at ? at->source : NULL, source, "its source");
}

static void test_trace(void)
{
	struct reading rd = {0};

	read_yaml(&rd, whole);
	is_traced(&rd, "count", "12", 2, "job.yaml");
	is_traced(&rd, "resources.prefill_nodes", "2", 15, "job.yaml");
	is_traced(&rd, "resources.gpus_per_node", "4", 0, "default");
	is_traced(&rd, "dflt_list", "[\"a\",\"b\"]", 0, "default");
	is_traced(&rd, "list", "[\"a\",1,true]", 11, "job.yaml");
	is_traced(&rd, "environment.A", "1", 12, "job.yaml");
	is_traced(&rd, "tree.p", "[1]", 14, "job.yaml");
	is_traced(&rd, "tree.q.r", "s", 14, "job.yaml");
	ok(!disagg_trace_origin(&rd.trace, "nothing"), "what was not read has no origin");
	disagg_trace_add(
		&rd.trace, "count", "13", (struct disagg_origin){.source = "--disagg-set"});
	is_str(disagg_trace_origin(&rd.trace, "count")->source, "--disagg-set",
		"the latest counts");
	disagg_arena_release(&rd.arena);
}

/* ---- findings ---- */

static void test_findings(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_origin at = {.source = "a.yaml", .line = 2, .col = 3};
	struct disagg_origin set = {.source = "--disagg-set"};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_findings found;
	char text[200];

	disagg_findings_init(&found, &arena);
	for (int i = 0; i < 3; i++)
		disagg_findings_error(&found, &at, "bad %d", i / 2);
	ok(found.errors == 2 && found.count == 2, "the same at the same place is kept once");
	disagg_findings_error(&found, &set, "bad %d", 0);
	disagg_findings_error(&found, NULL, "bad %d", 0);
	is_int(found.errors, 4, "elsewhere it is another");
	disagg_finding_format(&found.item[0], text, sizeof(text));
	is_str(text, "a.yaml:2:3: bad 0", "with a position");
	disagg_finding_format(&found.item[2], text, sizeof(text));
	is_str(text, "--disagg-set: bad 0", "with a source");
	disagg_finding_format(&found.item[3], text, sizeof(text));
	is_str(text, "bad 0", "with nothing");
	disagg_err_at(&err, DISAGG_CONFIG, "b.yaml", 4, 5, "worse");
	disagg_findings_take(&found, &err);
	memset(&err, 'x', sizeof(err) - 1);
	disagg_finding_format(&found.item[4], text, sizeof(text));
	is_str(text, "b.yaml:4:5: worse", "a taken error is copied");
	for (int i = 0; i < 300; i++) {
		disagg_findings_error(&found, &at, "error %d", i);
		disagg_findings_warn(&found, &at, "warning %d", i);
	}
	ok(found.errors == 305 && found.warnings == 300, "all are counted");
	is_int(found.count, DISAGG_MAX_ERRORS + DISAGG_MAX_WARNINGS, "some are kept");
	disagg_arena_release(&arena);
}

static void test_findings_sort(void)
{
	static const char *const want[] = {"c", "d", "b", "a", "f", "e"};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_findings found;
	static const struct {
		struct disagg_origin at;
		const char *text;
	} rows[] = {
		{{"a.yaml", 9, 1}, "a"},
		{{"a.yaml", 2, 7}, "b"},
		{{"a.yaml", 0, 0}, "c"},
		{{"a.yaml", 2, 3}, "d"},
		{{"b.yaml", 1, 1}, "e"},
		{{"b.yaml", 0, 0}, "f"},
	};

	disagg_findings_init(&found, &arena);
	disagg_findings_sort(&found);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		disagg_findings_error(&found, &rows[i].at, "%s", rows[i].text);
	disagg_findings_sort(&found);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		is_str(found.item[i].text, want[i], "findings are in the order of the file");
	disagg_arena_release(&arena);
}

static void test_findings_no_memory(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_findings found;

	disagg_findings_init(&found, &arena);
	disagg_alloc_fail_after(0);
	disagg_findings_error(&found, NULL, "lost");
	disagg_alloc_fail_after(-1);
	ok(found.errors == 1 && found.count == 0, "an error is counted when its text is lost");
	disagg_arena_release(&arena);
}

/* ---- names ---- */

static void test_nearest(void)
{
	static const char *const names[] = {"max_num_tokens", "tensor_parallel_size", "tp", "port",
		"enable_attention_dp", NULL};
	static const struct {
		const char *word, *want;
	} rows[] = {
		{"max-num-tokens", "max_num_tokens"},
		{"Max_Num_Tokens", "max_num_tokens"},
		{"max_num_tokns", "max_num_tokens"},
		{"tensor_paralel_siz", "tensor_parallel_size"},
		{"tensor_parallell_sizes_", "tensor_parallel_size"},
		{"tensor_parallell_sizes__", NULL},
		{"pt", "tp"},
		{"top", "tp"},
		{"topp", "tp"},
		{"prot", "port"},
		{"q", NULL},
		{"xyz", NULL},
		{"part", "port"},
		{"", NULL},
		{"something_else", NULL},
	};
	char longer[200];

	for (size_t i = 0; i < COUNT(rows); i++)
		is_str(disagg_nearest_name(names, rows[i].word), rows[i].want, rows[i].word);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ok(!disagg_nearest_name(names, longer), "a word of 199 letters");
	is_str(disagg_nearest_key(&inner_table, "prefil_nods"), "prefill_nodes", "of a table");
}

static void test_secrets(void)
{
	static const char *const yes[] = {"HF_TOKEN", "TOKEN", "token", "MY_SECRET",
		"DB_PASSWORD_2", "OPENAI_API_KEY", "api-key", "AWS_SECRET_ACCESS_KEY",
		"SSH_PRIVATE_KEY", "X_CREDENTIAL", "SECRETS", "_TOKEN", "TOKEN_", "A__TOKEN",
		"ACCESS_KEY_ID"};
	static const char *const no[] = {"TOKENIZERS_PARALLELISM", "MAX_TOKENS", "MYTOKEN", "KEY",
		"API", "API_KEYS", "ACCESS_LOG", "", "_", "SECRETIVE", "PRIVATE_KEYBOARD"};
	struct disagg_arena arena = DISAGG_ARENA_INIT;

	for (size_t i = 0; i < COUNT(yes); i++)
		ok(disagg_key_is_secret(yes[i]), yes[i]);
	for (size_t i = 0; i < COUNT(no); i++)
		ok(!disagg_key_is_secret(no[i]), no[i]);
	ok(disagg_value_is_secret("HF_TOKEN", "hf_abc") &&
			disagg_value_is_secret("DB_PASSWORD", "1234"),
		"a secret's value");
	ok(!disagg_value_is_secret("PER_TOKEN_QUANT", "1") &&
			!disagg_value_is_secret("PER_TOKEN_QUANT", "True") &&
			!disagg_value_is_secret("HF_TOKEN", "") &&
			!disagg_value_is_secret("A", "hf_abc"),
		"a switch, a number, nothing");
	is_str(disagg_env_reference(&arena, "${env:HF_TOKEN}"), "HF_TOKEN", "a reference");
	ok(!disagg_env_reference(&arena, "${env:}") &&
			!disagg_env_reference(&arena, "${env:A B}") &&
			!disagg_env_reference(&arena, "x${env:A}") &&
			!disagg_env_reference(&arena, "${env:A}x") &&
			!disagg_env_reference(&arena, "") &&
			!disagg_env_reference(&arena, "${env:A") &&
			!disagg_env_reference(&arena, "$A"),
		"what is none");
	disagg_arena_release(&arena);
}

/* ---- memory ---- */

static void test_no_memory(void)
{
	static const char yaml[] = "count: 5\nenvironment: {A: 'x'}\nlist: [1, 2]\n"
				   "tree: {a: {b: [1]}}\nresources: {name: x, bad: 1}\nneeded: y\n";
	bool right = true;
	long n = 0;

	for (;; n++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_findings found;
		struct disagg_trace trace = {.arena = &arena};
		struct disagg_schema_walk walk = {
			.arena = &arena, .found = &found, .trace = &trace};
		struct disagg_node *root = NULL;
		struct outer value = {0};
		int rc = -1;

		arena.limit = 16 * (size_t)(n + 1);
		disagg_findings_init(&found, &arena);
		if (disagg_yaml_parse(&arena, yaml, sizeof(yaml) - 1, "x", &root, NULL) == 0)
			rc = disagg_schema_read(&walk, &outer_table, root, &value);
		right = right && (rc == 0 || rc == -1) && (rc == -1 || found.errors == 1);
		disagg_arena_release(&arena);
		if (rc == 0)
			break;
	}
	ok(right && n > 100, "every arena too small is told");
}

static void test_failing_allocations(void)
{
	bool right = true;
	long n = 0;

	for (;; n++) {
		struct reading rd = {0};
		char text[600];

		disagg_alloc_fail_after(n);
		read_yaml(&rd, whole);
		disagg_alloc_fail_after(-1);
		right = right && rd.rc <= 0;
		if (rd.rc == 0)
			right = right && !*first(&rd, text, sizeof(text));
		disagg_arena_release(&rd.arena);
		if (rd.rc == 0)
			break;
	}
	ok(right && n > 3, "every allocation failed in turn");
}

int main(void)
{
	test_good();
	test_defaults();
	test_one_is_a_list();
	test_bad();
	test_goes_on();
	test_not_a_map();
	test_warnings();
	test_unknown_is_warning();
	test_trace();
	test_findings();
	test_findings_sort();
	test_findings_no_memory();
	test_nearest();
	test_secrets();
	test_no_memory();
	test_failing_allocations();
	return tap_done();
}
