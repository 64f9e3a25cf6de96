/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/render.h"

#include <string.h>

#define COLUMN_MAX 60u /* longer assignments push their origin to the right */
#define MASK	   "***"
#define NAME_BYTES 128u

/* Whether `path`'s last component, an index aside, names a secret. */
static bool path_is_secret(const char *path)
{
	const char *dot = strrchr(path, '.');
	char name[NAME_BYTES];
	size_t len;

	path = dot ? dot + 1 : path;
	len = strcspn(path, "[");
	if (len >= sizeof(name))
		len = sizeof(name) - 1;
	memcpy(name, path, len);
	name[len] = '\0';
	return disagg_key_is_secret(name);
}

/* A reference tells where the secret is, not what it is. */
static bool is_reference(const char *text)
{
	return strncmp(text, "${env:", 6) == 0;
}

/* The length of the JSON string at text, with both quotes. */
static size_t string_length(const char *text)
{
	size_t i = 1;

	while (text[i] && text[i] != '"')
		i += text[i] == '\\' && text[i + 1] ? 2 : 1;
	return text[i] ? i + 1 : i;
}

static bool key_is_secret(const char *string, size_t len)
{
	char name[NAME_BYTES];

	if (len < 2 || len - 2 >= sizeof(name))
		return len >= 2; /* nothing is known of a name that long */
	memcpy(name, string + 1, len - 2);
	name[len - 2] = '\0';
	return disagg_key_is_secret(name);
}

/* A map as JSON with the secrets in it masked. */
static void put_json(struct disagg_strbuf *out, const char *text)
{
	bool secret = false;

	while (*text) {
		size_t len = *text == '"' ? string_length(text) : 1;
		bool is_key = *text == '"' && text[len] == ':';

		if (*text == '"' && !is_key && secret && !is_reference(text + 1))
			disagg_strbuf_puts(out, "\"" MASK "\"");
		else
			disagg_strbuf_add(out, text, len);
		if (is_key)
			secret = key_is_secret(text, len);
		else if (*text != ':' && *text != ' ')
			secret = false;
		text += len;
	}
}

static void put_value(struct disagg_strbuf *out, const struct disagg_value *value)
{
	if (!value->text)
		disagg_strbuf_puts(out, "null");
	else if (path_is_secret(value->path) && !is_reference(value->text))
		disagg_strbuf_puts(out, MASK);
	else if (*value->text == '{' || *value->text == '[')
		put_json(out, value->text);
	else
		for (const char *c = value->text; *c; c++)
			disagg_strbuf_putc(out, (unsigned char)*c < ' ' ? ' ' : *c);
}

static void put_origin(struct disagg_strbuf *out, const struct disagg_origin *at)
{
	disagg_strbuf_puts(out, at->source ? at->source : "default");
	if (at->line)
		disagg_strbuf_printf(out, ":%u", (unsigned)at->line);
}

/* "path = value", in `line`. */
static void put_assignment(struct disagg_strbuf *line, const struct disagg_value *value)
{
	disagg_strbuf_clear(line);
	disagg_strbuf_printf(line, "%s = ", value->path);
	put_value(line, value);
}

/* A section that two stages read has left its values twice. */
static bool is_told(const struct disagg_trace *trace, unsigned index)
{
	const struct disagg_value *value = &trace->item[index];

	for (unsigned i = 0; i < index; i++) {
		const struct disagg_value *old = &trace->item[i];

		if (strcmp(old->path, value->path) == 0 && old->at.line == value->at.line &&
			(old->text ? value->text && strcmp(old->text, value->text) == 0
				   : !value->text))
			return true;
	}
	return false;
}

void disagg_render_explain(const struct disagg_job *job, struct disagg_strbuf *out)
{
	struct disagg_strbuf line;
	size_t width = 0;

	disagg_strbuf_init(&line, DISAGG_MAX_YAML_BYTES * 2u);
	for (unsigned i = 0; i < job->trace.count; i++) {
		put_assignment(&line, &job->trace.item[i]);
		if (line.len <= COLUMN_MAX && line.len > width)
			width = line.len;
	}
	for (unsigned i = 0; i < job->trace.count; i++) {
		if (is_told(&job->trace, i))
			continue;
		put_assignment(&line, &job->trace.item[i]);
		disagg_strbuf_printf(out, "%-*s   # ", (int)width, line.text);
		put_origin(out, &job->trace.item[i].at);
		disagg_strbuf_putc(out, '\n');
	}
	if (line.failed)
		out->failed = true;
	disagg_strbuf_release(&line);
}
