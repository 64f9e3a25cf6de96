/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/wire_text.h"

#include "lib/base/num.h"
#include <stdio.h>
#include <string.h>

#define NUMBER_SIZE 16u /* the longest number in a text that we write has 11 bytes */

uint32_t disagg_wire_crc32(const char *bytes, size_t len)
{
	static const uint32_t nibble[16] = {
		0x00000000,
		0x1db71064,
		0x3b6e20c8,
		0x26d930ac,
		0x76dc4190,
		0x6b6b51f4,
		0x4db26158,
		0x5005713c,
		0xedb88320,
		0xf00f9344,
		0xd6d6a3e8,
		0xcb61b38c,
		0x9b64c2b0,
		0x86d3d2d4,
		0xa00ae278,
		0xbdbdf21c,
	};
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= (unsigned char)bytes[i];
		crc = nibble[crc & 15] ^ (crc >> 4);
		crc = nibble[crc & 15] ^ (crc >> 4);
	}
	return ~crc;
}

static bool must_escape(unsigned char c)
{
	return c <= ' ' || c >= 0x7f || c == '%' || c == ';' || c == ',' || c == '~';
}

void disagg_wire_put_text(struct disagg_strbuf *out, const char *text)
{
	if (!text) {
		disagg_strbuf_putc(out, '~');
		return;
	}
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (must_escape(c))
			disagg_strbuf_printf(out, "%%%02X", c);
		else
			disagg_strbuf_putc(out, *text);
	}
}

int disagg_wire_damaged(struct disagg_wire_reader *reader, const char *expected)
{
	return disagg_err_set(reader->err, DISAGG_CONFIG,
		"plan is damaged at byte %zu: expected %s", (size_t)(reader->at - reader->begin),
		expected);
}

int disagg_wire_literal(struct disagg_wire_reader *reader, const char *literal)
{
	size_t len = strlen(literal);
	char expected[64];

	if (strncmp(reader->at, literal, len) == 0) {
		reader->at += len;
		return 0;
	}
	snprintf(expected, sizeof(expected), "'%s'", literal);
	return disagg_wire_damaged(reader, expected);
}

int disagg_wire_number(struct disagg_wire_reader *reader, const char *ends, int64_t empty,
	int64_t min, int64_t max, int64_t *ret)
{
	size_t len = strcspn(reader->at, ends);
	char digits[NUMBER_SIZE], expected[64];
	int64_t value = empty;
	bool good = len < sizeof(digits);

	if (good && len) {
		memcpy(digits, reader->at, len);
		digits[len] = '\0';
		good = disagg_num_int(digits, min, max, &value) == 0;
	}
	if (!good || value < min || value > max) {
		snprintf(expected, sizeof(expected), "a number from %lld to %lld", (long long)min,
			(long long)max);
		return disagg_wire_damaged(reader, expected);
	}
	reader->at += len;
	*ret = value;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of a text; -1 where the format would not have written it so. */
static int unescape(const char **at)
{
	const char *p = *at;
	int high, low, byte;

	if (*p != '%') {
		*at = p + 1;
		return must_escape((unsigned char)*p) ? -1 : *p;
	}
	high = hex_digit(p[1]);
	low = high < 0 ? -1 : hex_digit(p[2]);
	if (low < 0)
		return -1;
	byte = high * 16 + low;
	*at = p + 3;
	return byte && must_escape((unsigned char)byte) ? byte : -1;
}

int disagg_wire_text(struct disagg_wire_reader *reader, const char **ret)
{
	size_t len = strcspn(reader->at, ",;");
	const char *at = reader->at, *end = at + len;
	size_t used = 0;
	char *text;

	if (len == 1 && *at == '~') {
		reader->at = end;
		*ret = NULL;
		return 0;
	}
	text = disagg_arena_alloc(reader->arena, len + 1);
	if (!text)
		return disagg_err_nomem(reader->err);
	while (at < end) {
		int byte = unescape(&at);

		if (byte < 0 || at > end)
			return disagg_wire_damaged(reader, "a text with %XX escapes");
		text[used++] = (char)byte;
	}
	text[used] = '\0';
	reader->at = end;
	*ret = text;
	return 0;
}

int disagg_wire_u32(
	struct disagg_wire_reader *reader, const char *ends, uint32_t max, uint32_t *ret)
{
	int64_t value;

	if (disagg_wire_number(reader, ends, -1, 0, max, &value) < 0)
		return -1;
	*ret = (uint32_t)value;
	return 0;
}

int disagg_wire_name(struct disagg_wire_reader *reader, const char *const *names, unsigned count,
	const char *expected, unsigned *ret)
{
	size_t len = strcspn(reader->at, ",;");

	for (unsigned i = 0; i < count; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], reader->at, len) == 0) {
			reader->at += len;
			*ret = i;
			return 0;
		}
	}
	return disagg_wire_damaged(reader, expected);
}
