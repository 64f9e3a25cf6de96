/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/findings.h"

#include <stdio.h>
#include <string.h>

void disagg_findings_init(struct disagg_findings *found, struct disagg_arena *arena)
{
	*found = (struct disagg_findings){.arena = arena};
}

static bool same_place(const struct disagg_origin *a, const struct disagg_origin *b)
{
	if (a->line != b->line || a->col != b->col)
		return false;
	if (!a->source || !b->source)
		return a->source == b->source;
	return strcmp(a->source, b->source) == 0;
}

static bool is_known(const struct disagg_findings *found, const struct disagg_finding *finding)
{
	for (unsigned i = 0; i < found->count; i++) {
		const struct disagg_finding *old = &found->item[i];

		if (old->is_error == finding->is_error && same_place(&old->at, &finding->at) &&
			strcmp(old->text, finding->text) == 0)
			return true;
	}
	return false;
}

static bool is_full(const struct disagg_findings *found, bool is_error)
{
	return is_error ? found->errors >= DISAGG_MAX_ERRORS
			: found->warnings >= DISAGG_MAX_WARNINGS;
}

static bool make_room(struct disagg_findings *found)
{
	unsigned size = found->size ? found->size * 2 : 8;
	struct disagg_finding *grown;

	if (found->count < found->size)
		return true;
	grown = disagg_arena_grow(found->arena, found->item, found->count, size, sizeof(*grown));
	if (!grown)
		return false;
	found->item = grown;
	found->size = size;
	return true;
}

/* Counted even where memory has run out, so that an error is never taken for
 * success. */
static void add(struct disagg_findings *found, bool is_error, const struct disagg_origin *at,
	const char *text)
{
	struct disagg_finding finding = {.is_error = is_error, .text = text};

	if (at)
		finding.at = *at;
	if (text && is_known(found, &finding))
		return;
	if (text && !is_full(found, is_error) && make_room(found))
		found->item[found->count++] = finding;
	if (is_error)
		found->errors++;
	else
		found->warnings++;
}

static const char *write_text(struct disagg_findings *found, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

static const char *write_text(struct disagg_findings *found, const char *fmt, va_list args)
{
	char *text = disagg_arena_vprintf(found->arena, fmt, args);

	if (text)
		disagg_text_tame(text);
	return text;
}

void disagg_findings_error(
	struct disagg_findings *found, const struct disagg_origin *at, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(found, true, at, write_text(found, fmt, args));
	va_end(args);
}

void disagg_findings_warn(
	struct disagg_findings *found, const struct disagg_origin *at, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(found, false, at, write_text(found, fmt, args));
	va_end(args);
}

void disagg_findings_take(struct disagg_findings *found, const struct disagg_err *err)
{
	struct disagg_origin at = {.line = err->line, .col = err->col};

	if (err->file[0])
		at.source = disagg_arena_strdup(found->arena, err->file);
	disagg_findings_error(found, &at, "%s", err->text);
}

/* The sources in the order in which they are first named. */
static unsigned source_rank(const struct disagg_findings *found, const struct disagg_finding *item)
{
	struct disagg_origin want = {.source = item->at.source};
	unsigned i = 0;

	while (i < found->count) {
		struct disagg_origin have = {.source = found->item[i].at.source};

		if (same_place(&have, &want))
			break;
		i++;
	}
	return i;
}

struct ranked {
	struct disagg_finding finding;
	unsigned rank;
};

static bool is_before(const struct ranked *a, const struct ranked *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->finding.at.line != b->finding.at.line)
		return a->finding.at.line < b->finding.at.line;
	return a->finding.at.col < b->finding.at.col;
}

/* They are few: add keeps no more than the two limits. */
void disagg_findings_sort(struct disagg_findings *found)
{
	struct ranked list[DISAGG_MAX_ERRORS + DISAGG_MAX_WARNINGS];
	unsigned count = 0;

	if (found->count > sizeof(list) / sizeof(list[0]))
		return;
	for (unsigned i = 0; i < found->count; i++) {
		struct ranked one = {found->item[i], source_rank(found, &found->item[i])};
		unsigned at = count++;

		for (; at && is_before(&one, &list[at - 1]); at--)
			list[at] = list[at - 1];
		list[at] = one;
	}
	for (unsigned i = 0; i < count; i++)
		found->item[i] = list[i].finding;
}

static int put_place(const struct disagg_finding *finding, char *buf, size_t size)
{
	const struct disagg_origin *at = &finding->at;

	if (at->source && at->line)
		return snprintf(buf, size, "%s:%u:%u: %s", at->source, (unsigned)at->line,
			(unsigned)at->col, finding->text);
	if (at->source)
		return snprintf(buf, size, "%s: %s", at->source, finding->text);
	return snprintf(buf, size, "%s", finding->text);
}

int disagg_finding_format(const struct disagg_finding *finding, char *buf, size_t size)
{
	int len = put_place(finding, buf, size);

	/* the name of a file is as its user has it */
	if (size)
		disagg_text_tame(buf);
	return len;
}
