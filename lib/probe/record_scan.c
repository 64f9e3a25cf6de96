/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/record.h"

#include "lib/base/num.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HEAD	   "{\"schema\":\"disagg.probe/1\""
#define MOST_TEXTS 16u

enum kind { TEXT, INDEX, REAL, RAW, STATUS, BETTER };

struct member {
	const char *name; /* with its quotes and the colon */
	size_t len;
	enum kind kind;
	size_t at, flag; /* in the record; flag 0: none */
};

#define AT(field)  offsetof(struct disagg_probe_record, field)
#define NAME(name) "\"" name "\":", sizeof(name) + 2

/* In the order of disagg_probe_record_put, so that the next is mostly the right one. */
static const struct member members[] = {
	{NAME("probe"), TEXT, AT(probe), 0},
	{NAME("node"), TEXT, AT(node), 0},
	{NAME("gpu"), INDEX, AT(gpu), 0},
	{NAME("gpu_uuid"), TEXT, AT(gpu_uuid), 0},
	{NAME("gpu_name"), TEXT, AT(gpu_name), 0},
	{NAME("peer"), TEXT, AT(peer), 0},
	{NAME("rail"), INDEX, AT(rail), 0},
	{NAME("param"), TEXT, AT(param), 0},
	{NAME("cohort"), TEXT, AT(cohort), 0},
	{NAME("digest"), TEXT, AT(digest), 0},
	{NAME("value"), REAL, AT(value), AT(has_value)},
	{NAME("unit"), TEXT, AT(unit), 0},
	{NAME("better"), BETTER, AT(better), 0},
	{NAME("raw"), RAW, AT(raw), 0},
	{NAME("ref"), REAL, AT(ref), AT(has_ref)},
	{NAME("ref_source"), TEXT, AT(ref_source), 0},
	{NAME("floor"), REAL, AT(floor), AT(has_floor)},
	{NAME("fleet_median"), REAL, AT(fleet_median), AT(has_fleet)},
	{NAME("mad"), REAL, AT(fleet_mad), 0},
	{NAME("z"), REAL, AT(z), 0},
	{NAME("status"), STATUS, AT(status), 0},
	{NAME("reason"), TEXT, AT(reason), 0},
	{NAME("hint"), TEXT, AT(hint), 0},
	{NAME("t_start"), REAL, AT(start_s), 0},
	{NAME("dur_ms"), REAL, AT(duration_ms), 0},
};

#define MEMBERS (sizeof(members) / sizeof(*members))

struct scan {
	const char *at;
	struct disagg_probe_record *record;
	char *end_of_text[MOST_TEXTS]; /* where a NUL goes once all is well */
	unsigned texts;
};

/* Plain ASCII without escapes; *ret_len bytes. */
static const char *scan_text(struct scan *scan, size_t *ret_len)
{
	static const bool plain[256] = {
		[' '] = true, ['!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};
	const char *text = scan->at + 1, *end = text;

	if (*scan->at != '"')
		return NULL;
	while (plain[(unsigned char)*end])
		end++;
	if (*end != '"')
		return NULL;
	scan->at = end + 1;
	*ret_len = (size_t)(end - text);
	return text;
}

static bool scan_name(struct scan *scan, void *to)
{
	size_t len;
	const char *text = scan_text(scan, &len);

	if (!text || scan->texts == MOST_TEXTS)
		return false;
	scan->end_of_text[scan->texts++] = (char *)(uintptr_t)(text + len);
	memcpy(to, &text, sizeof(text));
	return true;
}

/* One of the words; what it stands for is its position. */
static int scan_word(struct scan *scan, const char *const *words)
{
	size_t len;
	const char *text = scan_text(scan, &len);

	for (int i = 0; text && words[i]; i++)
		if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
			return i;
	return -1;
}

static bool scan_index(struct scan *scan, int *to)
{
	double value;

	if (disagg_num_next(&scan->at, &value) != 0 || value < 0 || value > 65535 ||
		value != (double)(int)value)
		return false;
	*to = (int)value;
	return true;
}

static bool scan_raw(struct scan *scan)
{
	struct disagg_probe_record *record = scan->record;

	if (*scan->at++ != '[')
		return false;
	for (;; scan->at++) {
		if (record->raw_count == DISAGG_PROBE_RAW_MAX ||
			disagg_num_next(&scan->at, &record->raw[record->raw_count]) != 0)
			return false;
		record->raw_count++;
		if (*scan->at != ',')
			break;
	}
	return *scan->at++ == ']';
}

static bool scan_value(struct scan *scan, const struct member *member)
{
	static const char *const statuses[] = {"pass", "warn", "fail", "skip", "unknown", NULL};
	static const char *const betters[] = {"none", "more", "less", NULL};
	char *record = (char *)scan->record;
	int word;

	switch (member->kind) {
	case TEXT:
		return scan_name(scan, record + member->at);
	case INDEX:
		return scan_index(scan, (int *)(void *)(record + member->at));
	case REAL:
		if (member->flag)
			*(bool *)(record + member->flag) = true;
		return disagg_num_next(&scan->at, (double *)(void *)(record + member->at)) == 0;
	case RAW:
		return scan_raw(scan);
	case STATUS:
		word = scan_word(scan, statuses);
		scan->record->status = (enum disagg_probe_status)word;
		return word >= 0;
	case BETTER:
		word = scan_word(scan, betters);
		scan->record->better = (enum disagg_probe_better)word;
		return word >= 0;
	}
	return false;
}

static bool begins(const char *text, const struct member *member)
{
	size_t i = 0;

	while (i < member->len && text[i] == member->name[i])
		i++;
	return i == member->len;
}

/* The member that begins here, looked for from `from` on; each may come once, in the
 * order of the table.  MEMBERS: it is another one. */
static size_t scan_member(struct scan *scan, size_t from)
{
	for (size_t i = from; i < MEMBERS; i++) {
		/* no strncmp: most differ in the first bytes */
		if (!begins(scan->at, &members[i]))
			continue;
		scan->at += members[i].len;
		return scan_value(scan, &members[i]) ? i : MEMBERS;
	}
	return MEMBERS;
}

bool disagg_probe_record_scan(char *line, struct disagg_probe_record *ret)
{
	struct scan scan = {.at = line, .record = ret};
	bool has_status = false;

	if (strncmp(line, HEAD, strlen(HEAD)) != 0)
		return false;
	scan.at += strlen(HEAD);
	memset(ret, 0, AT(raw));
	ret->gpu = ret->rail = -1;
	for (size_t next = 0; *scan.at == ','; next++) {
		scan.at++;
		next = scan_member(&scan, next);
		if (next == MEMBERS)
			return false;
		has_status = has_status || members[next].kind == STATUS;
	}
	if (scan.at[0] != '}' || scan.at[1] != '\0' || !ret->probe || !ret->node || !has_status)
		return false;
	for (unsigned i = 0; i < scan.texts; i++)
		*scan.end_of_text[i] = '\0';
	return true;
}
