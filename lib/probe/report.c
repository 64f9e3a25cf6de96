/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MOST_MEMORY  ((size_t)16 << 30)
#define MOST_RECORDS ((size_t)16 << 20)
#define MOST_NAME    256u
#define MOST_TEXT    1024u

const char *const disagg_report_format_names[] = {
	"text", "json", "markdown", "html", "junit", "prometheus", NULL};

int disagg_report_new(struct disagg_report **ret, const struct disagg_report_options *options,
	struct disagg_err *err)
{
	struct disagg_report *report = disagg_raw_realloc(NULL, sizeof(*report));

	if (!report)
		return disagg_err_nomem(err);
	*report = (struct disagg_report){.arena = {.limit = MOST_MEMORY}};
	if (options)
		report->options = *options;
	report->names.arena = &report->arena;
	*ret = report;
	return 0;
}

void disagg_report_free(struct disagg_report *report)
{
	if (!report)
		return;
	disagg_report_free(report->before);
	disagg_arena_release(&report->arena);
	free(report);
}

/* ---- texts that another machine wrote ---- */

static bool is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

/* The length of the UTF-8 sequence at `text` and its code point; 0: it is none. */
static size_t decode(const unsigned char *text, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	uint32_t code = len == 1 ? text[0] : text[0] & (0xffu >> (len + 1));

	if (text[0] >= 0xf8 || (text[0] >= 0x80 && text[0] < 0xc0))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret = code;
	return len;
}

/* What is not shown, or turns the direction of what follows. */
static bool is_odd(uint32_t code)
{
	return code < ' ' || (code >= 0x7f && code < 0xa0) || code == 0x061c ||
	       (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || (code & 0xfffe) == 0xfffe;
}

/* '?' for each byte or character that is not to be shown; in place. */
static void clean(char *text)
{
	unsigned char *from = (unsigned char *)text, *to = from;

	while (*from) {
		uint32_t code = 0;
		size_t len = decode(from, &code);

		if (len == 0 || is_odd(code)) {
			*to++ = '?';
			from += len ? len : 1;
			continue;
		}
		memmove(to, from, len);
		to += len;
		from += len;
	}
	*to = '\0';
}

/* The one copy of a name; `last` (or NULL) is that of the record before, mostly the
 * same.  -1: no memory. */
static int keep_name(struct disagg_report *report, const char **text, const char *last)
{
	const struct disagg_name *name;
	char copy[MOST_NAME + 1];
	size_t len;

	if (!*text)
		return 0;
	if (last && strcmp(*text, last) == 0) {
		*text = last;
		return 0;
	}
	len = strnlen(*text, MOST_NAME);
	if (!is_plain(*text, len)) {
		memcpy(copy, *text, len);
		copy[len] = '\0';
		clean(copy);
		*text = copy;
		len = strlen(copy);
	}
	name = disagg_names_put(&report->names, *text, len);
	if (!name)
		return -1;
	*text = name->text;
	return 0;
}

static int keep_text(struct disagg_report *report, const char **text)
{
	char *copy;

	if (!*text)
		return 0;
	copy = disagg_arena_strndup(&report->arena, *text, strnlen(*text, MOST_TEXT));
	if (!copy)
		return -1;
	clean(copy);
	*text = copy;
	return 0;
}

static int keep_texts(struct disagg_report *report, struct disagg_probe_record *record)
{
	static const size_t names[] = {offsetof(struct disagg_probe_record, probe),
		offsetof(struct disagg_probe_record, node),
		offsetof(struct disagg_probe_record, gpu_uuid),
		offsetof(struct disagg_probe_record, gpu_name),
		offsetof(struct disagg_probe_record, peer),
		offsetof(struct disagg_probe_record, param),
		offsetof(struct disagg_probe_record, cohort),
		offsetof(struct disagg_probe_record, unit),
		offsetof(struct disagg_probe_record, digest),
		offsetof(struct disagg_probe_record, ref_source)};
	const char *last = report->count ? (const char *)report->record[report->count - 1] : NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char **name = (const char **)(void *)((char *)record + names[i]);

		if (keep_name(report, name,
			    last ? *(const char *const *)(const void *)(last + names[i]) : NULL) !=
			0)
			return -1;
	}
	if (keep_text(report, &record->reason) != 0 || keep_text(report, &record->hint) != 0)
		return -1;
	return 0;
}

/* ---- nodes and records ---- */

/* A list of pointers that doubles. */
static int make_room(struct disagg_arena *arena, void *list, size_t count, size_t *size)
{
	size_t more = *size ? *size * 2 : 64;
	void **old, **grown;

	if (count < *size)
		return 0;
	memcpy(&old, list, sizeof(old));
	grown = disagg_arena_grow(arena, old, *size, more, sizeof(*grown));
	if (!grown)
		return -1;
	memcpy(list, &grown, sizeof(grown));
	*size = more;
	return 0;
}

static struct report_node *add_node(struct disagg_report *report, const struct disagg_name *name)
{
	struct report_node *node = disagg_arena_alloc(&report->arena, sizeof(*node));

	if (name->id >= report->node_of_size) {
		size_t more = (size_t)name->id * 2 + 256;
		uint32_t *grown = disagg_arena_grow(&report->arena, report->node_of,
			report->node_of_size, more, sizeof(*grown));

		if (!grown)
			return NULL;
		report->node_of = grown;
		report->node_of_size = more;
	}
	if (!node || make_room(&report->arena, &report->node, report->node_count,
			     &report->node_size) != 0)
		return NULL;
	node->name = name->text;
	node->status = DISAGG_PROBE_SKIP;
	report->node[report->node_count++] = node;
	report->node_of[name->id] = (uint32_t)report->node_count;
	return node;
}

struct report_node *report_node(struct disagg_report *report, const char *text)
{
	const struct disagg_name *name;

	/* the records of a node mostly follow each other */
	if (report->last_node && report->last_node->name == text)
		return report->last_node;
	name = disagg_names_put(&report->names, text, strlen(text));
	if (!name)
		return NULL;
	if (name->id < report->node_of_size && report->node_of[name->id])
		report->last_node = report->node[report->node_of[name->id] - 1];
	else
		report->last_node = add_node(report, name);
	return report->last_node;
}

int disagg_report_expect(struct disagg_report *report, const char *node, struct disagg_err *err)
{
	if (keep_name(report, &node, NULL) != 0 || !report_node(report, node))
		return disagg_err_nomem(err);
	return 0;
}

int disagg_report_add(struct disagg_report *report, const struct disagg_probe_record *record,
	struct disagg_err *err)
{
	size_t size = offsetof(struct disagg_probe_record, raw) +
		      record->raw_count * sizeof(*record->raw);
	struct disagg_probe_record *copy;
	struct report_node *node;

	if (report->count >= MOST_RECORDS)
		return disagg_err_set(err, DISAGG_SYSTEM, "more than %zu records", MOST_RECORDS);
	copy = disagg_arena_alloc(&report->arena, size);
	if (!copy || make_room(&report->arena, &report->record, report->count, &report->size) != 0)
		return disagg_err_nomem(err);
	memcpy(copy, record, size);
	if (keep_texts(report, copy) != 0)
		return disagg_err_nomem(err);
	node = report_node(report, copy->node);
	if (!node)
		return disagg_err_nomem(err);
	if (copy->gpu >= 0 && (unsigned)copy->gpu >= node->gpus)
		node->gpus = (unsigned)copy->gpu + 1;
	if (!node->gpu_name)
		node->gpu_name = copy->gpu_name;
	node->count++;
	if (copy->start_s > 0) {
		double end = copy->start_s + copy->duration_ms / 1000;

		if (report->start_s <= 0 || copy->start_s < report->start_s)
			report->start_s = copy->start_s;
		if (end > report->end_s)
			report->end_s = end;
	}
	report->record[report->count++] = copy;
	return 0;
}

/* ---- the verdict ---- */

size_t report_lost(const struct disagg_report *report)
{
	size_t count = 0;

	for (size_t i = 0; i < report->source_count; i++)
		count += report->source[i].lost;
	return count;
}

enum disagg_code disagg_report_code(const struct disagg_report *report)
{
	for (size_t i = 0; i < report->finding_count; i++)
		if (report->finding[i].status == DISAGG_PROBE_FAIL)
			return DISAGG_CHECK;
	if (report->nodes[DISAGG_PROBE_FAIL] || report->regression_count)
		return DISAGG_CHECK;
	if (report->nodes[DISAGG_PROBE_UNKNOWN] || report_lost(report))
		return DISAGG_INVALID;
	if (report->nodes[DISAGG_PROBE_PASS] + report->nodes[DISAGG_PROBE_WARN] == 0)
		return DISAGG_SKIPPED;
	return DISAGG_OK;
}

const char *disagg_report_foreign(const struct disagg_report *report)
{
	for (size_t i = 0; i < report->source_count; i++)
		if (report->source[i].foreign)
			return report->source[i].path;
	return NULL;
}

size_t disagg_report_failed(
	const struct disagg_report *report, const struct disagg_report_failed **ret)
{
	*ret = report->failed;
	return report->failed_count;
}

size_t disagg_report_node_count(const struct disagg_report *report)
{
	return report->node_count;
}
