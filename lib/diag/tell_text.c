/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/tell.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define COLUMNS	    80
#define MOST_OTHER  6u /* signals; more with --all */
#define MOST_EXITS  6u
#define MOST_FILES  3u
#define MOST_PIECES 5u	 /* of evidence */
#define MOST_TEXT   320u /* bytes of one piece of evidence, but for --all */

#define RED   "\033[31;1m"
#define GREEN "\033[32;1m"
#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

struct page {
	struct disagg_strbuf *out;
	const struct disagg_tell *tell;
};

static void put_coloured(const struct page *page, const char *colour, const char *text)
{
	disagg_strbuf_printf(page->out, "%s%s%s", page->tell->colour ? colour : "", text,
		page->tell->colour ? PLAIN : "");
}

/* Bytes of text for at most so many columns, to the last blank of them. */
static size_t fold(const char *text, size_t columns)
{
	size_t at = 0, blank = 0, used = 0;

	while (text[at] && used < columns) {
		if (text[at] == ' ')
			blank = at;
		/* the bytes of UTF-8 behind the first take no column */
		used += ((unsigned char)text[at] & 0xc0) != 0x80;
		at++;
	}
	while (((unsigned char)text[at] & 0xc0) == 0x80)
		at++;
	return text[at] && text[at] != ' ' && blank > at / 3 ? blank : at;
}

/* "  name      text", with what does not fit on lines below. */
static void put_field(const struct page *page, const char *name, int width, const char *text)
{
	size_t room = (size_t)(COLUMNS - 3 - width);
	bool is_first = true;

	while (*text == ' ')
		text++;
	do {
		size_t len = fold(text, room);

		disagg_strbuf_printf(
			page->out, "  %-*s %.*s\n", width, is_first ? name : "", (int)len, text);
		is_first = false;
		text += len;
		text += strspn(text, " ");
	} while (*text);
}

static const char *clock_text(double at, char *buf, size_t size)
{
	time_t seconds = (time_t)at;
	struct tm tm;
	char text[32];

	if (at <= 0 || !gmtime_r(&seconds, &tm) ||
		!strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%s.%d UTC", text, (int)((at - (double)seconds) * 10));
	return buf;
}

static const char *short_clock(double at, char *buf, size_t size)
{
	time_t seconds = (time_t)at;
	struct tm tm;

	if (at <= 0 || !gmtime_r(&seconds, &tm) || !strftime(buf, size, "%H:%M:%S", &tm))
		snprintf(buf, size, "-");
	return buf;
}

/* ---- the verdict ---- */

/* What the run was doing then. */
static void put_when(const struct page *page)
{
	const struct disagg_runfiles *files = page->tell->files;
	double at = page->tell->diagnosis->at, since = 0;
	char when[64], text[160];
	int phase = -1;

	for (int i = 0; files->has_state && i < DISAGG_PHASE_COUNT; i++) {
		if (files->state.phase_at[i] > since && files->state.phase_at[i] <= at) {
			since = files->state.phase_at[i];
			phase = i;
		}
	}
	clock_text(at, when, sizeof(when));
	if (phase >= 0)
		snprintf(text, sizeof(text), "%s, %.1f s into the phase '%s'", when, at - since,
			disagg_phase_names[phase]);
	put_field(page, "when", 8, phase >= 0 ? text : when);
}

static void put_who(const struct page *page)
{
	const struct disagg_diagnosis *d = page->tell->diagnosis;
	char text[256];
	size_t at = 0;

	if (!d->worker && !d->node && !d->pci)
		return;
	if (d->worker)
		at += (size_t)snprintf(text, sizeof(text), "%.100s", d->worker);
	if (d->rank >= 0 && at < sizeof(text))
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%srank %d", at ? ", " : "", d->rank);
	if (d->node && at < sizeof(text))
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%snode %.64s", at ? ", " : "", d->node);
	if (d->pci && at < sizeof(text))
		snprintf(text + at, sizeof(text) - at, "%sGPU at PCI %s", at ? ", " : "", d->pci);
	else if (d->gpu >= 0 && at < sizeof(text))
		snprintf(text + at, sizeof(text) - at, "%sGPU %d", at ? ", " : "", d->gpu);
	put_field(page, "who", 8, text);
}

static void put_verdict(const struct page *page)
{
	const struct disagg_diagnosis *d = page->tell->diagnosis;

	if (d->outcome == DISAGG_OUTCOME_SUCCESS) {
		put_coloured(page, GREEN, "success");
		disagg_strbuf_puts(page->out, ": the run ended well\n");
		return;
	}
	if (d->outcome == DISAGG_OUTCOME_NONE) {
		disagg_strbuf_puts(
			page->out, "no failure found: nothing in the logs tells of one\n");
		return;
	}
	put_coloured(page, RED, "failure");
	disagg_strbuf_printf(page->out, ": %s (%s confidence)\n", disagg_fault_names[d->fault],
		disagg_confidence_names[d->confidence]);
	if (!d->title) {
		put_field(page, "what", 8, "the run failed, and no cause was found");
		return;
	}
	put_field(page, "what", 8, d->title);
	put_who(page);
	if (d->at > 0)
		put_when(page);
	if (d->hint)
		put_field(page, "do", 8, d->hint);
}

/* Pieces of one place stand under one heading. */
static void put_evidence(const struct page *page)
{
	const struct disagg_diagnosis *d = page->tell->diagnosis;
	const char *where = "";

	unsigned most = page->tell->all ? d->evidence_count : MOST_PIECES;

	if (!d->evidence_count)
		return;
	put_coloured(page, BOLD, "\nevidence");
	disagg_strbuf_putc(page->out, '\n');
	for (unsigned i = 0; i < d->evidence_count && i < most; i++) {
		char text[MOST_TEXT + 8];

		if (strcmp(where, d->evidence[i].where) != 0)
			disagg_strbuf_printf(page->out, "  %s\n", d->evidence[i].where);
		where = d->evidence[i].where;
		snprintf(text, sizeof(text), "%.*s%s", (int)MOST_TEXT, d->evidence[i].text,
			strlen(d->evidence[i].text) > MOST_TEXT ? " ..." : "");
		put_field(page, "", 2, page->tell->all ? d->evidence[i].text : text);
	}
}

/* ---- the rest ---- */

static void put_signal(const struct page *page, const struct disagg_signal *signal)
{
	char first[40], last[16], text[320];
	size_t at;

	at = (size_t)snprintf(text, sizeof(text), "%.140s:", signal->signature->title);
	for (unsigned i = 0; i < signal->file_count && i < MOST_FILES && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " %.40s",
			page->tell->scan->file[signal->file[i]].name);
	if (signal->file_count > MOST_FILES && at < sizeof(text))
		snprintf(text + at, sizeof(text) - at, " and %u more",
			signal->file_count - MOST_FILES);
	short_clock(signal->first_s, last, sizeof(last));
	snprintf(first, sizeof(first), "%-8s %5llu", last, (unsigned long long)signal->count);
	put_field(page, first, 15, text);
	if (!page->tell->all)
		return;
	short_clock(signal->last_s, last, sizeof(last));
	disagg_strbuf_printf(page->out, "%*s%s, %s, the last at %s\n", 18, "",
		signal->signature->id, disagg_rank_names[signal->signature->rank], last);
	for (unsigned i = 0; i < DISAGG_SAMPLES && signal->sample[i]; i++)
		put_field(page, "", 17, signal->sample[i]);
}

/* What follows from the cause, or says no more; the cause itself is in the evidence. */
static bool is_told(const struct page *page, const struct disagg_signal *signal)
{
	if (page->tell->all)
		return true;
	return !signal->is_cause && signal->signature->rank != DISAGG_RANK_TRACE &&
	       page->tell->diagnosis->outcome != DISAGG_OUTCOME_SUCCESS;
}

static void put_signals(const struct page *page)
{
	const struct disagg_diagnosis *d = page->tell->diagnosis;
	unsigned most = page->tell->all ? d->signal_count : MOST_OTHER, shown = 0, left = 0;

	for (unsigned i = 0; i < d->signal_count; i++) {
		if (!is_told(page, &d->signal[i]))
			continue;
		if (shown == most) {
			left++;
			continue;
		}
		if (!shown++) {
			put_coloured(page, BOLD, "\nalso in the logs");
			disagg_strbuf_puts(page->out, " (first time, lines, what, where)\n");
		}
		put_signal(page, &d->signal[i]);
	}
	if (left)
		disagg_strbuf_printf(page->out, "  and %u more: see --all\n", left);
}

/* ---- who ended, in order ---- */

static const char *name_of(const struct disagg_exit *exit)
{
	return exit->worker && *exit->worker ? exit->worker : NULL;
}

static bool has_workers(const struct disagg_diagnosis *d)
{
	for (unsigned i = 0; i < d->exit_count; i++) {
		if (name_of(&d->exit[i]))
			return true;
	}
	return false;
}

/* One that ended in order, once it was told to, is one of many. */
static bool is_plain(const struct page *page, const struct disagg_exit *exit)
{
	const struct disagg_diagnosis *d = page->tell->diagnosis;
	const char *name = name_of(exit);

	if (page->tell->all || disagg_exit_is_failure(exit))
		return false;
	return exit != &d->exit[0] || !d->worker || !name || strcmp(d->worker, name) != 0;
}

static void put_exit(const struct page *page, const struct disagg_exit *exit, double begin)
{
	char how[128], text[512], when[24] = "";
	const char *name = name_of(exit);

	if (exit->at > 0)
		snprintf(when, sizeof(when), "%+.1f s", exit->at - begin);
	disagg_exit_text(exit, how, sizeof(how));
	snprintf(text, sizeof(text), "%s%s%s: %s", name ? name : "a task", exit->node ? " on " : "",
		exit->node ? exit->node : "", how);
	put_field(page, when, 10, text);
}

static void put_plain(const struct page *page, double begin)
{
	const struct disagg_diagnosis *d = page->tell->diagnosis;
	char when[40] = "", names[256];
	unsigned count = 0, named = 0;
	size_t at = 0;

	names[0] = '\0';
	for (unsigned i = 0; i < d->exit_count; i++) {
		const struct disagg_exit *exit = &d->exit[i];

		if (!is_plain(page, exit) || !name_of(exit))
			continue;
		if (!count++ && exit->at > 0)
			snprintf(when, sizeof(when), "%+.1f s", exit->at - begin);
		if (at < sizeof(names) - 64) {
			at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%.48s",
				named++ ? ", " : "", name_of(exit));
		}
	}
	if (count > named)
		snprintf(names + at, sizeof(names) - at, " and %u more", count - named);
	if (count) {
		char text[320];

		snprintf(text, sizeof(text), "in order: %s", names);
		put_field(page, when, 10, text);
	}
}

static void put_exits(const struct page *page)
{
	const struct disagg_diagnosis *d = page->tell->diagnosis;
	unsigned most = page->tell->all ? d->exit_count : MOST_EXITS, shown = 0, left = 0;
	bool by_worker = has_workers(d);
	double begin = d->exit_count ? d->exit[0].at : 0;

	if (!d->exit_count || (d->outcome == DISAGG_OUTCOME_SUCCESS && !page->tell->all))
		return;
	put_coloured(page, BOLD, "\nhow tasks ended");
	disagg_strbuf_puts(page->out, ", the first one first\n");
	for (unsigned i = 0; i < d->exit_count; i++) {
		const struct disagg_exit *exit = &d->exit[i];

		if (is_plain(page, exit) || (by_worker && !name_of(exit) && !page->tell->all))
			continue;
		if (shown++ < most)
			put_exit(page, exit, begin);
		else
			left++;
	}
	if (left)
		disagg_strbuf_printf(page->out, "  and %u more: see --all\n", left);
	put_plain(page, begin);
}

static void put_notes(const struct page *page)
{
	const struct disagg_scan *scan = page->tell->scan;
	const struct disagg_runfiles *files = page->tell->files;
	unsigned skipped = 0;

	for (unsigned i = 0; i < scan->file_count; i++)
		skipped += scan->file[i].skipped != NULL;
	disagg_strbuf_printf(
		page->out, "\n%u logs, %.1f MB\n", scan->file_count, (double)scan->bytes / 1e6);
	if (skipped)
		disagg_strbuf_printf(page->out, "note: %u of them cannot be read\n", skipped);
	if (files->left_out)
		disagg_strbuf_printf(page->out, "note: %u more were left out\n", files->left_out);
	if (page->tell->diagnosis->clocks_differ)
		disagg_strbuf_puts(page->out,
			"note: some logs are in local time; the zone was taken from their ends\n");
	if (files->kernel.foreign)
		disagg_strbuf_printf(page->out,
			"note: %u records of the kernel's log were not the kernel's\n",
			files->kernel.foreign);
	if (files->note)
		disagg_strbuf_printf(page->out, "note: %s\n", files->note);
}

void disagg_tell_text(struct disagg_strbuf *out, const struct disagg_tell *tell)
{
	struct page page = {.out = out, .tell = tell};

	put_verdict(&page);
	put_evidence(&page);
	put_signals(&page);
	put_exits(&page);
	put_notes(&page);
}
