/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/literals.h"

#include "lib/diag/signatures.h"
#include "tests/unit/tap.h"

static const struct {
	const char *pattern, *words; /* "": none */
} rows[] = {
	{"Connection refused", "connection refused"},
	{"bind\\(\\).{0,80}(fail|denied)", "bind()"},
	{"[A-Za-z](Error|Exception)(: |$)", "error|exception"},
	{"\\[Errno 5\\]", "[errno 5]"},
	{"colou?r of things", "r of things"},
	{"abc+def", "abc"},
	{"abc{2,3}xyz", "abc"},
	{"(one|two|three)s?,", "one|two|three"},
	{"a|longer word", ""},
	{"(?=ahead)word", ""},
	{"ab", ""},
	{"[abc", ""},
	{"(unclosed", ""},
	{"word{2", ""},
	{"transfer.{0,9}(broken|lost it)", "broken|lost it"},
	{"NVRM: Xid", "nvrm: xid"},
	{"\\bSIGSEGV\\b", "sigsegv"},
};

static const char *joined(const struct disagg_literals *set, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < set->count && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? "|" : "", set->word[i]);
	return buf;
}

int main(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_signatures signatures;
	struct disagg_literals set;
	char buf[4096], deep[128];
	unsigned without = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set.count = 0;
		if (!disagg_literals_of(rows[i].pattern, &set))
			set.count = 0;
		is_str(joined(&set, buf, sizeof(buf)), rows[i].words, rows[i].pattern);
	}
	memset(deep, '(', 60);
	memcpy(deep + 60, "word", 5);
	ok(!disagg_literals_of(deep, &set), "nesting is bounded");

	ok(!disagg_signatures_load(&arena, NULL, &signatures, NULL),
		"the built-in signatures load");
	for (unsigned i = 0; i < signatures.count; i++)
		for (unsigned j = 0; j < signatures.v[i].pattern_count; j++)
			without += !disagg_literals_of(signatures.v[i].pattern[j], &set);
	is_int(without, 0, "each of their expressions has words");
	disagg_arena_release(&arena);
	return tap_done();
}
