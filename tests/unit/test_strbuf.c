/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/strbuf.h"

#include "lib/base/arena.h"
#include "tests/unit/tap.h"

static void test_append(void)
{
	struct disagg_strbuf buf;
	bool same = true;

	disagg_strbuf_init(&buf, 0);
	is_str(buf.text, "", "empty at first");
	disagg_strbuf_add(&buf, "", 0);
	is_str(buf.text, "", "nothing added");
	disagg_strbuf_puts(&buf, "ab");
	disagg_strbuf_putc(&buf, 'c');
	disagg_strbuf_add(&buf, "defg", 1);
	disagg_strbuf_printf(&buf, "-%d%s", 42, "");
	disagg_strbuf_printf(&buf, "%s", "");
	is_str(buf.text, "abcd-42", "all ways to append");
	is_int((intmax_t)buf.len, 7, "length");
	disagg_strbuf_clear(&buf);
	is_str(buf.text, "", "clear");
	for (int i = 0; i < 10000; i++)
		disagg_strbuf_printf(&buf, "%04d", i);
	for (int i = 0; i < 10000 && same; i++)
		same = buf.text[4 * i + 3] == '0' + i % 10;
	ok(same && buf.len == 40000, "many appends");
	disagg_strbuf_release(&buf);
	is_str(buf.text, "", "released: empty");
	disagg_strbuf_release(&buf);
	disagg_strbuf_puts(&buf, "again");
	is_str(buf.text, "again", "usable after release");
	disagg_strbuf_release(&buf);
}

static void test_cap(void)
{
	struct disagg_strbuf buf;

	disagg_strbuf_init(&buf, 8);
	disagg_strbuf_puts(&buf, "1234567");
	ok(!buf.failed, "seven bytes and the NUL fit eight");
	disagg_strbuf_putc(&buf, '8');
	ok(buf.failed, "an eighth does not");
	is_str(buf.text, "1234567", "what was there stays");
	disagg_strbuf_clear(&buf);
	ok(!buf.failed, "clear mends");
	disagg_strbuf_puts(&buf, "12345678");
	ok(buf.failed && buf.len == 0, "nothing is added in part");
	disagg_strbuf_puts(&buf, "1");
	is_str(buf.text, "", "failure is sticky");
	disagg_strbuf_clear(&buf);
	disagg_strbuf_printf(&buf, "%d", 123456789);
	ok(buf.failed && buf.len == 0, "printf over the cap");
	disagg_strbuf_release(&buf);
}

static void test_no_memory(void)
{
	struct disagg_strbuf buf;

	disagg_strbuf_init(&buf, 0);
	disagg_alloc_fail_after(0);
	disagg_strbuf_puts(&buf, "a");
	ok(buf.failed, "no memory at first");
	is_str(buf.text, "", "still a text");
	disagg_strbuf_release(&buf);
	disagg_strbuf_puts(&buf, "kept");
	disagg_alloc_fail_after(0);
	for (int i = 0; i < 100; i++)
		disagg_strbuf_puts(&buf, "0123456789");
	disagg_alloc_fail_after(-1);
	ok(buf.failed && strncmp(buf.text, "kept", 4) == 0, "no memory when it grows");
	disagg_strbuf_release(&buf);
}

static const struct {
	const char *text, *want;
} jsons[] = {
	{"", "\"\""},
	{"plain", "\"plain\""},
	{"a\"b\\c", "\"a\\\"b\\\\c\""},
	{"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
	{"\x01\x1f", "\"\\u0001\\u001f\""},
	{"\x7f", "\"\\u007f\""},
	{"\xc2\x85", "\"\\u0085\""},
	{"\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\""},
	{"\xef\xbb\xbf", "\"\\ufeff\""},
	{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
	/* not UTF-8: stray, cut off, overlong, a surrogate, too large */
	{"a\x80z", "\"a\xef\xbf\xbdz\""},
	{"\xc3", "\"\xef\xbf\xbd\""},
	{"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
	{"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
	{"\xe0\x80\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	{"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	{"\xff", "\"\xef\xbf\xbd\""},
};

static void test_json(void)
{
	struct disagg_strbuf buf;

	disagg_strbuf_init(&buf, 0);
	for (size_t i = 0; i < sizeof(jsons) / sizeof(jsons[0]); i++) {
		disagg_strbuf_clear(&buf);
		disagg_strbuf_json(&buf, jsons[i].text);
		is_str(buf.text, jsons[i].want, jsons[i].want);
	}
	disagg_strbuf_release(&buf);
}

int main(void)
{
	test_append();
	test_cap();
	test_no_memory();
	test_json();
	return tap_done();
}
