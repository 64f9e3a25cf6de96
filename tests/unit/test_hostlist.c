/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/hostlist.h"

#include "lib/base/limits.h"
#include "tests/unit/tap.h"

static const struct {
	const char *text, *want;
} good[] = {
	{"n0", "n0"},
	{"n0,n1,n0", "n0 n1 n0"},
	{"n[0-3,07-08],m1,r[0-1]c[0-2]", "n0 n1 n2 n3 n07 n08 m1 r0c0 r0c1 r0c2 r1c0 r1c1 r1c2"},
	{"n[8-11]", "n8 n9 n10 n11"},
	{"n[08-11]", "n08 n09 n10 n11"},
	{"n[098-101]", "n098 n099 n100 n101"},
	{"n[3]", "n3"},
	{"n[3,1,2]", "n3 n1 n2"},
	{"n[0-1]-ib.site", "n0-ib.site n1-ib.site"},
	{"[1-2]", "1 2"},
	{"a-b_c.d", "a-b_c.d"},
	{"n[999999999999999999]", "n999999999999999999"},
};

static const struct {
	const char *text, *want;
} bad[] = {
	{"", "expected a host name at character 1"},
	{"a,", "expected a host name at character 3"},
	{",a", "expected a host name at character 1"},
	{"a,,b", "expected a host name at character 3"},
	{"n[", "expected ']' at character 3"},
	{"n[1", "expected ']' at character 4"},
	{"n[1-", "expected ']' at character 5"},
	{"n[]", "expected a digit at character 3"},
	{"n[1-]", "expected a digit at character 5"},
	{"n[-1]", "expected a digit at character 3"},
	{"n[1,]", "expected a digit at character 5"},
	{"n[a]", "expected a digit at character 3"},
	{"n[1-2-3]", "expected a range, ',' or ']' at character 6"},
	{"n[3-1]", "expected a range that goes up at character 3"},
	{"n[1[2]]", "expected ']' at character 4"},
	{"n]", "expected a host name at character 2"},
	{"n 1", "expected a host name at character 2"},
	{"n[0-1]]", "expected a host name at character 7"},
	{"n[1000000000000000000]", "expected a number of at most 18 digits at character 3"},
	{"n[0-65536]", "it has more than 65536 names"},
	{"n[0-999][0-999]", "it has more than 65536 names"},
	{"[1][1][1][1][1][1][1][1][1]", "expected at most 8 brackets in one name"},
	{"caf\xc3\xa9", "expected a host name at character 4"},
};

static void join(const struct disagg_hostlist *list, struct disagg_strbuf *ret)
{
	disagg_strbuf_clear(ret);
	for (unsigned i = 0; i < list->count; i++)
		disagg_strbuf_printf(ret, "%s%s", i ? " " : "", list->name[i]);
}

static void test_good(struct disagg_arena *arena, struct disagg_strbuf *buf)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct disagg_hostlist list = {0};
		struct disagg_err err = DISAGG_ERR_INIT;

		if (disagg_hostlist_parse(arena, good[i].text, &list, &err))
			printf("# %s\n", err.text);
		join(&list, buf);
		is_str(buf->text, good[i].want, good[i].text);
		is_int(err.code, DISAGG_OK, "no error");
	}
}

static void test_bad(struct disagg_arena *arena)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct disagg_hostlist list = {.count = 77};
		struct disagg_err err = DISAGG_ERR_INIT;

		ok(disagg_hostlist_parse(arena, bad[i].text, &list, &err) == -1 &&
				list.count == 77 && err.code == DISAGG_CONFIG,
			bad[i].text);
		has_str(err.text, bad[i].want, bad[i].want);
	}
}

static void test_limits(struct disagg_arena *arena)
{
	struct disagg_hostlist list = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	char name[301];

	ok(!disagg_hostlist_parse(arena, "n[0-65535]", &list, &err), "as many as there may be");
	is_int(list.count, DISAGG_MAX_HOSTLIST, "all of them");
	is_str(list.name[65535], "n65535", "the last one");
	memset(name, 'a', 255);
	name[255] = '\0';
	ok(!disagg_hostlist_parse(arena, name, &list, &err), "a name of 255 characters");
	name[255] = 'a';
	name[256] = '\0';
	ok(disagg_hostlist_parse(arena, name, &list, &err) == -1, "a name of 256");
	has_str(err.text, "a name of at most 255 characters", "says so");
	memcpy(name + 250, "[10000000-10000001]", 20);
	ok(disagg_hostlist_parse(arena, name, &list, &err) == -1, "a name that grows to 258");
	has_str(err.text, "a name of at most 255 characters", "says so");
}

static void test_no_memory(void)
{
	for (long n = 0;; n++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_hostlist list = {0};
		struct disagg_err err = DISAGG_ERR_INIT;
		int rc;

		disagg_alloc_fail_after(n);
		rc = disagg_hostlist_parse(&arena, "n[0-4999]", &list, &err);
		disagg_alloc_fail_after(-1);
		disagg_arena_release(&arena);
		if (rc == 0) {
			ok(n > 2, "every allocation failed in turn");
			return;
		}
		if (err.code != DISAGG_SYSTEM)
			is_str(err.text, "out of memory", "a failed allocation");
	}
}

static void test_fold(void)
{
	static const struct {
		const char *in[8];
		const char *want;
	} cases[] = {
		{{"n1"}, "n1"},
		{{"n10", "n9", "n1"}, "n[1,9,10]"},
		{{"n10", "n9", "n8", "n1"}, "n[1,8-10]"},
		{{"n003", "n001", "n002", "n512"}, "n[001-003,512]"},
		{{"n1", "n1", "n2"}, "n[1,2]"},
		{{"b2", "a1", "b3", "b4", "login"}, "a1,b[2-4],login"},
		{{"n08", "n09", "n10", "n11"}, "n[08-11]"},
		{{"n8", "n9", "n10", "n11"}, "n[8-11]"},
		{{"n0", "n1", "n2"}, "n[0-2]"},
		{{"n09", "n10", "n99", "n100", "n101"}, "n[09,10,99-101]"},
		{{"n9", "n010", "n11"}, "n[9,010,11]"},
		{{"r1c2", "r1c1", "r2c1"}, "r1c[1,2],r2c1"},
		{{"7", "8", "9"}, "[7-9]"},
		{{"n01", "n1", "n2"}, "n[01,1,2]"},
	};
	struct disagg_strbuf out;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *name[8];
		size_t count = 0;

		while (count < 8 && cases[i].in[count]) {
			name[count] = cases[i].in[count];
			count++;
		}
		disagg_strbuf_init(&out, 0);
		disagg_hostlist_fold(&out, name, count);
		is_str(out.text, cases[i].want, "folded");
		disagg_strbuf_release(&out);
	}
	ok(disagg_hostlist_compare("n9", "n10") < 0 && disagg_hostlist_compare("a10", "b9") < 0,
		"n9 before n10, a before b");
}

/* What is folded reads as the same names. */
static void test_fold_back(struct disagg_arena *arena)
{
	const char *name[900];
	struct disagg_hostlist list = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_strbuf out;
	size_t count = 0;
	bool same = true;

	for (unsigned i = 1; i < 900; i += i % 7 ? 1 : 9)
		name[count++] = disagg_arena_printf(arena, "rack%u-n%03u", i / 100, i);
	disagg_strbuf_init(&out, 0);
	disagg_hostlist_fold(&out, name, count);
	ok(disagg_hostlist_parse(arena, out.text, &list, &err) == 0 && list.count == count,
		"a folded list is read");
	for (size_t i = 0; i < count && list.count == count; i++)
		same = same && strcmp(list.name[i], name[i]) == 0;
	ok(same, "as the same names");
	disagg_strbuf_release(&out);
}

int main(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_strbuf buf;

	disagg_strbuf_init(&buf, 0);
	test_good(&arena, &buf);
	test_bad(&arena);
	test_limits(&arena);
	test_no_memory();
	test_fold();
	test_fold_back(&arena);
	disagg_strbuf_release(&buf);
	disagg_arena_release(&arena);
	return tap_done();
}
