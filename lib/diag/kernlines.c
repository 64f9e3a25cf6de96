/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/kernlines.h"

#include "lib/diag/line.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HEADING "==== "

struct reader {
	struct disagg_arena *arena;
	const struct disagg_xid_table *table;
	const char *node;
	struct disagg_kernlines *lines;
	struct disagg_err *err;
};

bool disagg_kernlines_named(const char *name)
{
	static const char *const words[] = {"kernel", "kmsg", "dmesg", "xid"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);

		if (strncasecmp(name, words[i], len) == 0 && !isalpha((unsigned char)name[len]))
			return true;
	}
	return false;
}

/* ---- the message of a line ---- */

/* "<4>" or "4,123,456,-;": behind it, or NULL where user space wrote the record. */
static const char *skip_priority(const char *text)
{
	const char *at = text + (*text == '<');
	unsigned number = 0, digits = 0;

	for (; isdigit((unsigned char)at[digits]) && digits < 4; digits++)
		number = number * 10 + (unsigned)(at[digits] - '0');
	if (!digits)
		return text;
	if (*text == '<' && at[digits] == '>')
		return number >> 3 ? NULL : at + digits + 1;
	if (*text != '<' && at[digits] == ',') {
		const char *flags = at + strspn(at, "0123456789,");
		const char *message = strchr(flags, ';');

		if (message && message - flags < 32 && strchr("-c+", *flags))
			return number >> 3 ? NULL : message + 1;
	}
	return text;
}

/* "[   12.345678] ", "[Sat Aug 22 10:00:00 2026] ", "2026-08-22T10:00:00+02:00 " */
static const char *skip_time(const char *text)
{
	const char *at = text;

	if (*at == '[') {
		at = strchr(at, ']');
		return at && at - text < 40 ? at + 1 + strspn(at + 1, " ") : text;
	}
	if (isdigit((unsigned char)*at)) {
		at += strspn(at, "0123456789-T:.,+Z");
		return *at == ' ' ? at + strspn(at, " ") : text;
	}
	if (strlen(text) > 16 && text[3] == ' ' && text[6] == ' ' && text[9] == ':' &&
		text[15] == ' ')
		return text + 16;
	return *at == '-' && at[1] == ' ' ? at + 2 : text;
}

/* "HOST kernel: " of syslog; the host may say which node */
static const char *skip_host(struct reader *reader, const char *text, const char **ret_node)
{
	const char *blank = strchr(text, ' ');

	if (strncmp(text, "kernel: ", 8) == 0)
		return text + 8;
	if (!blank || blank == text || blank - text > 64 || strncmp(blank + 1, "kernel:", 7) != 0)
		return text;
	if (!*ret_node)
		*ret_node = disagg_arena_strndup(reader->arena, text, (size_t)(blank - text));
	return blank + 8 + strspn(blank + 8, " ");
}

static const char *skip_class(const char *text)
{
	for (int i = DISAGG_KMSG_OTHER; i <= DISAGG_KMSG_HUNG; i++) {
		const char *name = disagg_kmsg_class_name((enum disagg_kmsg_class)i);
		size_t len = strlen(name);

		if (strncmp(text, name, len) == 0 && text[len] == ' ')
			return text + len + strspn(text + len, " ");
	}
	return text;
}

/* ---- lines ---- */

static int keep(struct reader *reader, const struct disagg_kernline *line)
{
	struct disagg_kernlines *lines = reader->lines;
	unsigned room = lines->room ? lines->room * 2 : 64;
	struct disagg_kernline *grown;

	if (lines->count == DISAGG_KERNLINES_MOST)
		return 0;
	if (lines->count == lines->room) {
		grown = disagg_arena_grow(
			reader->arena, lines->v, lines->count, room, sizeof(*grown));
		if (!grown)
			return disagg_err_nomem(reader->err);
		lines->v = grown;
		lines->room = room;
	}
	lines->v[lines->count++] = *line;
	return 0;
}

static int read_line(struct reader *reader, char *text)
{
	struct disagg_kernline line = {.node = reader->node};
	struct disagg_kmsg_record record = {.priority = -1};
	enum disagg_stamp stamp = DISAGG_STAMP_NONE;
	char *shown;

	record.text = skip_priority(text);
	if (!record.text) {
		reader->lines->foreign++;
		return 0;
	}
	record.text = skip_time(record.text);
	record.text = skip_host(reader, record.text, &line.node);
	record.text = skip_class(skip_time(record.text));
	record.len = strlen(record.text);
	if (!disagg_kmsg_classify(reader->table, &record, 0, &line.finding))
		return 0;
	line.has_time =
		disagg_line_time(text, (size_t)(record.text - text), 0, &stamp, &line.time_s);
	line.local = stamp == DISAGG_STAMP_LOCAL;
	shown = disagg_arena_strdup(reader->arena, record.text);
	if (!shown)
		return disagg_err_nomem(reader->err);
	disagg_text_tame(shown);
	line.text = shown;
	return keep(reader, &line);
}

/* "==== n1, after the job" */
static const char *heading_node(struct disagg_arena *arena, const char *text)
{
	size_t len = strcspn(text + sizeof(HEADING) - 1, ", \r\n");

	return disagg_arena_strndup(arena, text + sizeof(HEADING) - 1, len);
}

int disagg_kernlines_parse(struct disagg_arena *arena, const struct disagg_xid_table *table,
	const struct disagg_kernlines_text *text, struct disagg_kernlines *lines,
	struct disagg_err *err)
{
	struct reader reader = {
		.arena = arena, .table = table, .node = text->node, .lines = lines, .err = err};
	char *bytes_end = text->bytes + text->len;

	for (char *line = text->bytes; line < bytes_end;) {
		char *end = memchr(line, '\n', (size_t)(bytes_end - line));

		end = end ? end : bytes_end;
		*end = '\0';
		if (strncmp(line, HEADING, sizeof(HEADING) - 1) == 0)
			reader.node = heading_node(arena, line);
		else if (read_line(&reader, line))
			return -1;
		line = end + 1;
	}
	return 0;
}
