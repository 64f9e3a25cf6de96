/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/yamltree.h"

#include "lib/conf/scalar.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct disagg_node *parse(struct disagg_arena *arena, const char *yaml)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root = NULL;
	char text[800];

	if (disagg_yaml_parse(arena, yaml, strlen(yaml), "x.yaml", &root, &err) == 0)
		return root;
	disagg_err_format(&err, text, sizeof(text));
	printf("# %s\n", text);
	return NULL;
}

static void is_tree(const struct disagg_node *node, const char *want, const char *what)
{
	struct disagg_strbuf json;

	disagg_strbuf_init(&json, 0);
	if (node)
		disagg_node_json(node, &json);
	is_str(json.text, want, what);
	disagg_strbuf_release(&json);
}

/* ---- what is read ---- */

static const struct {
	const char *what, *yaml, *json;
} good[] = {
	{"items at the indent of the key", "a:\n- 1\n- 2\nb: 3\n", "{\"a\":[1,2],\"b\":3}"},
	{"a plain scalar over two lines", "a: A=1\n    B=2\nb: 1\n", "{\"a\":\"A=1 B=2\",\"b\":1}"},
	{"a folded block", "a: >-\n  x\n  y\n", "{\"a\":\"x y\"}"},
	{"a literal block of a number", "a: |-\n  1\n", "{\"a\":\"1\"}"},
	{"an anchor and its alias", "a: &i {x: 1}\nb: *i\nc: *i\n",
		"{\"a\":{\"x\":1},\"b\":{\"x\":1},\"c\":{\"x\":1}}"},
	{"an alias of a scalar", "a: &i 5\nb: [*i, *i]\n", "{\"a\":5,\"b\":[5,5]}"},
	{"an alias as a key", "a: &i k\n*i : 1\n", "{\"a\":\"k\",\"k\":1}"},
	{"the latest anchor counts", "a: &i 1\nb: &i 2\nc: *i\n", "{\"a\":1,\"b\":2,\"c\":2}"},
	{"colons and commas in plain scalars", "a: --gres=gpu:4\nb: /a:/a,/b:/b\n",
		"{\"a\":\"--gres=gpu:4\",\"b\":\"/a:/a,/b:/b\"}"},
	{"an empty value", "a:\nb: ''\n", "{\"a\":null,\"b\":\"\"}"},
	{"a mark, comments, a document start", "\xef\xbb\xbf# licence\n---\na: 1 # one\n# end\n",
		"{\"a\":1}"},
	{"a document end", "a: 1\n...\n", "{\"a\":1}"},
	{"CRLF", "a: 1\r\nb: x\r\n", "{\"a\":1,\"b\":\"x\"}"},
	{"JSON", "{\"a\":[1,2.5,\"x\\n\\u00e4\",null,true,{}],\"b\":{\"c\":\"\"}}",
		"{\"a\":[1,2.5,\"x\\n\xc3\xa4\",null,true,{}],\"b\":{\"c\":\"\"}}"},
	{"a merge key", "b: &b {x: 1, y: 2}\na:\n  y: 3\n  <<: *b\n  z: 4\n",
		"{\"b\":{\"x\":1,\"y\":2},\"a\":{\"x\":1,\"y\":3,\"z\":4}}"},
	{"a list of merges: the first is the strongest",
		"b: &b {x: 1}\nc: &c {x: 2, y: 3}\na: {<<: [*b, *c]}\n",
		"{\"b\":{\"x\":1},\"c\":{\"x\":2,\"y\":3},\"a\":{\"x\":1,\"y\":3}}"},
	{"a merge of a merge", "a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\n",
		"{\"a\":{\"x\":1},\"b\":{\"x\":1,\"y\":2},\"c\":{\"x\":1,\"y\":2}}"},
	{"a merge key in quotes is a key", "a: {'<<': 1}\n", "{\"a\":{\"<<\":1}}"},
	{"core tags", "a: !!str 1\nb: !!int '2'\nc: ! 3\nd: !!map {e: !!seq [1]}\n",
		"{\"a\":\"1\",\"b\":2,\"c\":\"3\",\"d\":{\"e\":[1]}}"},
	{"32 levels", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"},
	{"a scalar alone", "hello\n", "\"hello\""},
};

static void test_good(void)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;

		is_tree(parse(&arena, good[i].yaml), good[i].json, good[i].what);
		disagg_arena_release(&arena);
	}
}

/* ---- what is refused, and where ---- */

static const struct {
	const char *yaml, *want;
} bad[] = {
	{"", "x.yaml:1:1: the document is empty"},
	{"# only a comment\n\n", "x.yaml:3:1: the document is empty"},
	{"---\n", "x.yaml:2:1: the document is empty"},
	{"~\n", "x.yaml:1:1: the document is empty"},
	{"a: 1\n---\nb: 2\n", "x.yaml:2:1: a second document begins here, expected one"},
	{"a: 1\nb: 2\na: 3\n", "x.yaml:3:1: duplicate key 'a', first at line 1"},
	{"{a: 1, 'a': 2}", "x.yaml:1:8: duplicate key 'a', first at line 1"},
	{"a: &a {x: 1}\nb: {<<: *a, <<: *a}", "x.yaml:2:13: duplicate key '<<'"},
	{"? [a]\n: 1\n", "x.yaml:1:3: a key must be a single word or string"},
	{"? {a: 1}\n: 1\n", "x.yaml:1:3: a key must be a single word or string"},
	{"?\n: 1\n", "x.yaml:1:2: a key is missing before ':'"},
	{"a: &a [*a]\n", "x.yaml:1:8: alias '*a' is part of what it stands for"},
	{"&a x: *a\ny: {z: &b {c: *b}}\n", "x.yaml:2:15: alias '*b' is part of what"},
	{"a: *b\n", "x.yaml:1:4: alias '*b' has no anchor '&b' before it"},
	{"a: {<<: 1}\n", "x.yaml:1:5: '<<' wants a map or a list of maps"},
	{"a: {<<: [{b: 1}, 2]}\n", "x.yaml:1:5: '<<' wants a map or a list of maps"},
	{"a: !foo 1\n", "x.yaml:1:4: the tag '!foo' is not supported, or does not fit"},
	{"a: !!int x\n", "x.yaml:1:4: the tag 'tag:yaml.org,2002:int' is not supported, or"},
	{"a: !!map [1]\n", "x.yaml:1:4: the tag 'tag:yaml.org,2002:map'"},
	{"a: !!python/object:os.system x\n", "the tag 'tag:yaml.org,2002:python/object:os.system'"},
	{"a: \"x\\0y\"\n", "x.yaml:1:4: a NUL inside a value"},
	{"a: b: c\n", "x.yaml:1:5: invalid YAML: mapping values are not allowed in this context"},
	{"a: [1, 2\nb: 3\n", "x.yaml:2:2: invalid YAML: did not find expected ',' or ']' while "
			     "parsing a flow sequence that began at line 1"},
	{"a:\n\tb: 1\n",
		"x.yaml:2:1: invalid YAML: found character that cannot start any token "
		"while scanning for the next token that began at line 2 (a tab: indent with blanks)"},
	{"a: 'x\n", "x.yaml:2:1: invalid YAML: found unexpected end of stream while scanning a "
		    "quoted scalar that began at line 1"},
	{"a: @x\n", "x.yaml:1:4: invalid YAML: found character that cannot start any token"},
	{"a: 1\n b: 2\n", "x.yaml:2:3: invalid YAML: mapping values are not allowed"},
	{"a: 1\nb: x\xc3\xa4\xff\n", "x.yaml:2:6: invalid UTF-8: byte 0xff"},
	{"a: \x01\n", "x.yaml:1:4: invalid YAML: a control character, byte 0x01"},
	{"\xff\xfe"
	 "a",
		"x.yaml:1:1: invalid UTF-8: byte 0xff"},
	{"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
		"x.yaml:1:33: nested deeper than 32 levels"},
	{"{} x", "x.yaml:1:4: invalid YAML: did not find expected <document start>"},
};

static void is_refused(const char *yaml, size_t len, const char *want, const char *what)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root = NULL;
	char text[800];
	int rc = disagg_yaml_parse(&arena, yaml, len, "x.yaml", &root, &err);

	ok(rc == -1 && !root && err.code == DISAGG_CONFIG, what);
	disagg_err_format(&err, text, sizeof(text));
	has_str(text, want, want);
	disagg_arena_release(&arena);
}

static void test_bad(void)
{
	char key[1010];

	for (size_t i = 0; i < COUNT(bad); i++)
		is_refused(bad[i].yaml, strlen(bad[i].yaml), bad[i].want, bad[i].yaml);
	memset(key, 'k', sizeof(key) - 1);
	memcpy(key, "? ", 2);
	memcpy(key + 1002, "\n: 1", 5);
	is_refused(key, 1006, "x.yaml:1:3: a key is too long, expected at most 1000 characters",
		"a key of 1000 characters");
	is_refused("a: x\0y\n", 7, "x.yaml:1:5: invalid YAML: a control character, byte 0x00",
		"a NUL in the file");
}

/* ---- limits ---- */

static void test_bomb(void)
{
	struct disagg_arena arena = {.limit = 1024 * 1024};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_strbuf yaml;
	struct disagg_node *root = NULL;

	disagg_strbuf_init(&yaml, 0);
	disagg_strbuf_puts(&yaml, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 20; i++)
		disagg_strbuf_printf(&yaml, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i,
			i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	is_int(disagg_yaml_parse(&arena, yaml.text, yaml.len, "x", &root, &err), -1, "a bomb");
	is_str(err.text, "more than 50000 values, aliases counted where they are used", "says so");
	ok(arena.used < 100000, "no memory is spent on it");
	disagg_strbuf_release(&yaml);
	disagg_arena_release(&arena);
}

static void test_alias_depth(void)
{
	struct disagg_strbuf yaml;

	disagg_strbuf_init(&yaml, 0);
	disagg_strbuf_puts(&yaml, "a: &a [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n"
				  "b: [[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]\n");
	for (int i = 0; i < 2; i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;

		if (i == 0)
			ok(parse(&arena, yaml.text) != NULL, "an alias at 32 levels");
		else
			is_refused(yaml.text, yaml.len, "x.yaml:2:20: nested deeper than 32 levels",
				"an alias at 33 levels");
		disagg_arena_release(&arena);
		disagg_strbuf_clear(&yaml);
		disagg_strbuf_puts(&yaml, "a: &a [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n"
					  "b: [[[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]]\n");
	}
	disagg_strbuf_release(&yaml);
}

static void test_sizes(void)
{
	struct disagg_strbuf yaml;
	char *large = malloc(DISAGG_MAX_YAML_BYTES + 1);

	memset(large, ' ', DISAGG_MAX_YAML_BYTES + 1);
	is_refused(large, DISAGG_MAX_YAML_BYTES + 1,
		"x.yaml: 1048577 bytes of YAML, expected at "
		"most 1048576",
		"too many bytes");
	memset(large, '[', 20000);
	is_refused(large, 20000, "x.yaml:1:33: nested deeper than 32 levels", "20,000 levels");
	free(large);
	disagg_strbuf_init(&yaml, 0);
	for (int i = 0; i < 60000; i++)
		disagg_strbuf_puts(&yaml, "- 1\n");
	is_refused(yaml.text, yaml.len, "x.yaml:50000:3: more than 50000 values", "60,000 items");
	disagg_strbuf_clear(&yaml);
	for (int i = 0; i < 1025; i++)
		disagg_strbuf_printf(&yaml, "- &a%d 1\n", i);
	is_refused(yaml.text, yaml.len, "x.yaml:1025:3: more than 1024 anchors", "1,025 anchors");
	disagg_strbuf_clear(&yaml);
	for (int i = 0; i < 24000; i++)
		disagg_strbuf_printf(&yaml, "k%d: 1\n", i);
	disagg_strbuf_puts(&yaml, "k7: 1\n");
	is_refused(yaml.text, yaml.len, "x.yaml:24001:1: duplicate key 'k7', first at line 8",
		"a duplicate among 24,000 keys");
	disagg_strbuf_release(&yaml);
}

static void test_arena_limit(void)
{
	struct disagg_arena arena = {.limit = 2048};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root = NULL;
	struct disagg_strbuf yaml;

	disagg_strbuf_init(&yaml, 0);
	for (int i = 0; i < 1000; i++)
		disagg_strbuf_puts(&yaml, "- some text\n");
	is_int(disagg_yaml_parse(&arena, yaml.text, yaml.len, "x", &root, &err), -1,
		"over the arena");
	is_int(err.code, DISAGG_SYSTEM, "the system's code");
	ok(arena.used <= 2048, "the arena's limit holds");
	disagg_strbuf_release(&yaml);
	disagg_arena_release(&arena);
}

/* ---- positions and lookup ---- */

static void test_positions(struct disagg_arena *arena)
{
	struct disagg_node *root = parse(arena, "a: 1\nb:\n  - x\n  -  {\xc3\xa4: 'y', c: z}\n");
	struct disagg_node *c = disagg_node_find(root, "b[1].c");

	ok(root && root->at.line == 1 && root->at.col == 1, "the root");
	ok(c && c->at.line == 4 && c->at.col == 18, "columns are characters, from 1");
	is_str(c ? c->at.source : NULL, "x.yaml", "the source");
	ok(root && root->pair[1].at.line == 2 && root->pair[1].at.col == 1, "of a key");
	ok(c && !c->quoted, "plain");
	ok(disagg_node_find(root, "b[1].\xc3\xa4")->quoted, "quoted");
}

static void test_find(struct disagg_arena *arena)
{
	static const char *const none[] = {"", "x", "a.x", "a[0]", "l[2]", "l.x", "l[0", "l[x]",
		"l[-1]", "l[+1]", "l[]", "a..b", ".a", "a.", "l[0]x", "l[99999999999]", "l[0].x"};
	struct disagg_node *root = parse(arena, "a: {b: {c: 1}}\nl: [[5, 6], 7]\n");

	is_tree(disagg_node_find(root, "a.b.c"), "1", "a.b.c");
	is_tree(disagg_node_find(root, "l[0][1]"), "6", "l[0][1]");
	is_tree(disagg_node_find(root, "l[1]"), "7", "l[1]");
	is_tree(disagg_node_find(root, "a"), "{\"b\":{\"c\":1}}", "a");
	for (size_t i = 0; i < COUNT(none); i++)
		ok(!disagg_node_find(root, none[i]), none[i]);
	ok(!disagg_node_find(NULL, "a") && !disagg_node_get(NULL, "a"), "no tree");
	ok(!disagg_node_get(disagg_node_get(root, "l"), "a"), "get from a list");
}

/* ---- building ---- */

static void test_build(struct disagg_arena *arena)
{
	struct disagg_origin at = {.source = "test"};
	struct disagg_node *map = disagg_node_map(arena, at), *seq = disagg_node_seq(arena, at);
	char key[8];

	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "k%d", i % 20);
		disagg_node_put(arena, map, key, at, disagg_node_scalar(arena, "v", false, at));
		disagg_node_append(arena, seq, map);
	}
	is_int(map->count, 20, "put replaces");
	is_int(seq->count, 40, "append");
	is_str(map->pair[19].key, "k19", "in order");
}

/* A map that was parsed has no room; putting to it must not write past it. */
static void test_put_to_parsed(struct disagg_arena *arena)
{
	struct disagg_origin at = {.source = "test"};
	struct disagg_node *root = parse(arena, "a: 1\nb: 2\nc: [1]\n");

	disagg_node_put(arena, root, "d", at, disagg_node_scalar(arena, "x", true, at));
	disagg_node_append(arena, disagg_node_get(root, "c"), disagg_node_get(root, "a"));
	is_tree(root, "{\"a\":1,\"b\":2,\"c\":[1,1],\"d\":\"x\"}",
		"put and append to a parsed tree");
}

static const struct {
	const char *base, *over, *want;
} merges[] = {
	{"{a: 1}", "{b: 2}", "{\"a\":1,\"b\":2}"},
	{"{a: 1, b: 2}", "{a: 3}", "{\"a\":3,\"b\":2}"},
	{"{a: {x: 1, y: 2}}", "{a: {y: 3, z: 4}}", "{\"a\":{\"x\":1,\"y\":3,\"z\":4}}"},
	{"{a: [1, 2]}", "{a: [3]}", "{\"a\":[3]}"},
	{"{a: {x: 1}}", "{a: 5}", "{\"a\":5}"},
	{"{a: 5}", "{a: {x: 1}}", "{\"a\":{\"x\":1}}"},
	{"{a: 1, b: 2, c: 3}", "{b: null}", "{\"a\":1,\"c\":3}"},
	{"{a: 1}", "{b: ~, a: ''}", "{\"a\":\"\"}"},
	{"{a: {b: {c: 1, d: 2}}}", "{a: {b: {c: null}}}", "{\"a\":{\"b\":{\"d\":2}}}"},
	{"{a: 1}", "[1]", "[1]"},
	{"{a: 1}", "{}", "{\"a\":1}"},
};

static void test_merge(struct disagg_arena *arena)
{
	for (size_t i = 0; i < COUNT(merges); i++) {
		struct disagg_node *base = parse(arena, merges[i].base);
		struct disagg_node *over = parse(arena, merges[i].over);
		struct disagg_strbuf before, after;

		disagg_strbuf_init(&before, 0);
		disagg_strbuf_init(&after, 0);
		disagg_node_json(base, &before);
		disagg_node_json(over, &before);
		is_tree(disagg_node_merge(arena, base, over), merges[i].want, merges[i].over);
		disagg_node_json(base, &after);
		disagg_node_json(over, &after);
		is_str(after.text, before.text, "neither input is changed");
		disagg_strbuf_release(&before);
		disagg_strbuf_release(&after);
	}
}

static const struct {
	const char *path, *want; /* a tree, or an error */
} sets[] = {
	{"a", "{\"a\":9,\"l\":[{\"c\":2},3],\"n\":null}"},
	{"a.b", "{\"a\":{\"b\":9},\"l\":[{\"c\":2},3],\"n\":null}"},
	{"a.x.y", "{\"a\":{\"b\":1,\"x\":{\"y\":9}},\"l\":[{\"c\":2},3],\"n\":null}"},
	{"new", "{\"a\":{\"b\":1},\"l\":[{\"c\":2},3],\"n\":null,\"new\":9}"},
	{"l[0].c", "{\"a\":{\"b\":1},\"l\":[{\"c\":9},3],\"n\":null}"},
	{"l[0].d", "{\"a\":{\"b\":1},\"l\":[{\"c\":2,\"d\":9},3],\"n\":null}"},
	{"l[1]", "{\"a\":{\"b\":1},\"l\":[{\"c\":2},9],\"n\":null}"},
	{"n.x", "{\"a\":{\"b\":1},\"l\":[{\"c\":2},3],\"n\":{\"x\":9}}"},
	{"", "--set: cannot set '': expected a path such as a.b[1].c"},
	{"a.", "--set: cannot set 'a.': expected a path such as a.b[1].c"},
	{"a..b", "--set: cannot set 'a..b': expected a path such as a.b[1].c"},
	{"l[x]", "--set: cannot set 'l[x]': expected a path such as a.b[1].c"},
	{"l[2]", "--set: cannot set 'l[2]': 'l[2]' is behind the end of the list"},
	{"l.c", "--set: cannot set 'l.c': 'l.c' goes into a list by a key: write [N]"},
	{"a[0]", "--set: cannot set 'a[0]': 'a[0]' goes by [N] into what is no list"},
	{"q[0]", "--set: cannot set 'q[0]': 'q[0]' goes by [N] into what is no list"},
	{"a.b.c", "--set: cannot set 'a.b.c': 'a.b.c' goes into a value that is no map"},
	{"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", "is nested too deep"},
};

static void test_set(struct disagg_arena *arena)
{
	struct disagg_origin at = {.source = "--set"};
	struct disagg_node *nine = disagg_node_scalar(arena, "9", false, at);
	struct disagg_node *root = parse(arena, "a: {b: 1}\nl: [{c: 2}, 3]\nn:\n");

	for (size_t i = 0; i < COUNT(sets); i++) {
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_node *changed = NULL;
		char text[800];

		if (disagg_node_set(arena, root, sets[i].path, nine, &changed, &err) == 0) {
			is_tree(changed, sets[i].want, sets[i].path);
			continue;
		}
		disagg_err_format(&err, text, sizeof(text));
		ok(!changed, sets[i].path);
		has_str(text, sets[i].want, sets[i].want);
	}
	is_tree(root, "{\"a\":{\"b\":1},\"l\":[{\"c\":2},3],\"n\":null}", "the root is as it was");
}

/* ---- files, memory ---- */

static void test_load(struct disagg_arena *arena)
{
	char path[] = "/tmp/disagg-test-yaml-XXXXXX";
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root = NULL;
	char text[800], want[100];
	int fd = mkstemp(path);

	ok(fd >= 0 && write(fd, "a: [\n", 5) == 5, "a file");
	is_int(disagg_yaml_load(arena, path, &root, &err), -1, "that is broken");
	disagg_err_format(&err, text, sizeof(text));
	snprintf(want, sizeof(want), "%s:2:1: invalid YAML:", path);
	has_str(text, want, "its path and position");
	ok(ftruncate(fd, 0) == 0 && pwrite(fd, "a: 1\n", 5, 0) == 5, "mended");
	is_int(disagg_yaml_load(arena, path, &root, &err), 0, "it loads");
	is_tree(root, "{\"a\":1}", "the tree");
	is_str(root ? root->at.source : NULL, path, "the source is the path");
	close(fd);
	unlink(path);
	is_int(disagg_yaml_load(arena, path, &root, &err), -1, "missing");
	has_str(err.text, "cannot open", "says so");
}

static const char rich[] = "b: &b {x: 1, y: [1, 2, 3]}\n"
			   "a: {<<: *b, z: !!str 4, k: 'v'}\n"
			   "l: [*b, \"text\", 10:00:00, 1.5, ~]\n";

/* Parse, merge, set, JSON: every allocation fails once. */
static int all_of_it(struct disagg_err *err)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_node *root = NULL, *merged = NULL;
	struct disagg_strbuf json;
	int rc = disagg_yaml_parse(&arena, rich, sizeof(rich) - 1, "x", &root, err);

	disagg_strbuf_init(&json, 0);
	if (rc == 0) {
		merged = disagg_node_merge(&arena, root, root);
		rc = merged ? disagg_node_set(&arena, merged, "a.q.r", root, &merged, err)
			    : disagg_err_nomem(err);
	}
	if (rc == 0) {
		disagg_node_json(merged, &json);
		rc = json.failed ? disagg_err_nomem(err) : 0;
	}
	disagg_strbuf_release(&json);
	disagg_arena_release(&arena);
	return rc;
}

static void test_no_memory(void)
{
	bool right = true;
	long n = 0;

	for (;; n++) {
		struct disagg_err err = DISAGG_ERR_INIT;
		int rc;

		disagg_alloc_fail_after(n);
		rc = all_of_it(&err);
		disagg_alloc_fail_after(-1);
		if (rc == 0)
			break;
		right = right && err.code == DISAGG_SYSTEM &&
			strcmp(err.text, "out of memory") == 0;
	}
	ok(right && n > 4, "every allocation failed in turn, and was told");
}

/* The same with an arena of every size up to what is needed. */
static void test_every_limit(void)
{
	bool right = true;
	size_t limit = 16;

	for (;; limit += 16) {
		struct disagg_arena arena = {.limit = limit};
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_node *root = NULL;
		int rc = disagg_yaml_parse(&arena, rich, sizeof(rich) - 1, "x", &root, &err);

		right = right && arena.used <= limit && (rc == 0 || err.code == DISAGG_SYSTEM);
		disagg_arena_release(&arena);
		if (rc == 0)
			break;
	}
	ok(right && limit > 1000, "every arena too small was told");
}

int main(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;

	test_good();
	test_bad();
	test_bomb();
	test_alias_depth();
	test_sizes();
	test_arena_limit();
	test_positions(&arena);
	test_find(&arena);
	test_build(&arena);
	test_put_to_parsed(&arena);
	test_merge(&arena);
	test_set(&arena);
	test_load(&arena);
	test_no_memory();
	test_every_limit();
	disagg_arena_release(&arena);
	return tap_done();
}
