/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/diagnose.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define COLUMNS	   80
#define MOST_OTHER 12u /* signals; more with --all */
#define MOST_EXITS 8u
#define MOST_FILES 3u

#define RED   "\033[31;1m"
#define GREEN "\033[32;1m"
#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

struct page {
	struct disagg_strbuf *out;
	const struct diagnose_shown *shown;
};

static void put_coloured(const struct page *page, const char *colour, const char *text)
{
	disagg_strbuf_printf(page->out, "%s%s%s", page->shown->colour ? colour : "", text,
		page->shown->colour ? PLAIN : "");
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

static void put_who(const struct page *page)
{
	const struct disagg_diagnosis *d = page->shown->diagnosis;
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
	const struct disagg_diagnosis *d = page->shown->diagnosis;
	char text[64];

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
		put_field(page, "when", 8, clock_text(d->at, text, sizeof(text)));
	if (d->hint)
		put_field(page, "do", 8, d->hint);
}

static void put_evidence(const struct page *page)
{
	const struct disagg_diagnosis *d = page->shown->diagnosis;

	if (!d->evidence_count)
		return;
	put_coloured(page, BOLD, "\nevidence");
	disagg_strbuf_putc(page->out, '\n');
	for (unsigned i = 0; i < d->evidence_count; i++) {
		disagg_strbuf_printf(page->out, "  %s\n", d->evidence[i].where);
		put_field(page, "", 2, d->evidence[i].text);
	}
}

/* ---- the rest ---- */

static void put_signal(const struct page *page, const struct disagg_signal *signal)
{
	char first[16], last[16], files[128];
	size_t at = 0;

	files[0] = '\0';
	for (unsigned i = 0; i < signal->file_count && i < MOST_FILES && at < sizeof(files); i++)
		at += (size_t)snprintf(files + at, sizeof(files) - at, "%s%.40s", i ? " " : "",
			page->shown->scan->file[signal->file[i]].name);
	if (signal->file_count > MOST_FILES && at < sizeof(files))
		snprintf(files + at, sizeof(files) - at, " and %u more",
			signal->file_count - MOST_FILES);
	short_clock(signal->first_s, first, sizeof(first));
	short_clock(signal->last_s, last, sizeof(last));
	disagg_strbuf_printf(page->out, "  %6llu  %-8s  %-8s  %-20s %-11s\n",
		(unsigned long long)signal->count, first, last, signal->signature->id,
		disagg_rank_names[signal->signature->rank]);
	put_field(page, "", 8, files);
	if (page->shown->all) {
		for (unsigned i = 0; i < DISAGG_SAMPLES && signal->sample[i]; i++)
			put_field(page, "", 10, signal->sample[i]);
	}
}

static void put_signals(const struct page *page)
{
	const struct disagg_diagnosis *d = page->shown->diagnosis;
	unsigned most = page->shown->all ? d->signal_count : MOST_OTHER, shown = 0, left = 0;

	for (unsigned i = 0; i < d->signal_count; i++) {
		if (!page->shown->all && d->signal[i].signature->rank == DISAGG_RANK_TRACE)
			continue;
		if (shown == most) {
			left++;
			continue;
		}
		if (!shown++) {
			put_coloured(page, BOLD, "\nsignals in the logs");
			disagg_strbuf_printf(page->out, "\n  %6s  %-8s  %-8s  %s\n", "lines",
				"first", "last", "what");
		}
		put_signal(page, &d->signal[i]);
	}
	if (left)
		disagg_strbuf_printf(page->out, "  and %u more: see --all\n", left);
}

static void put_exit(const struct page *page, const struct disagg_exit *exit, double begin)
{
	char how[128], text[512], when[24] = "";

	if (exit->at > 0)
		snprintf(when, sizeof(when), "%+.1f s", exit->at - begin);
	disagg_exit_text(exit, how, sizeof(how));
	snprintf(text, sizeof(text), "%s%s%s%s: %s", exit->worker ? exit->worker : "a task",
		exit->node ? " on " : "", exit->node ? exit->node : "", "", how);
	put_field(page, when, 10, text);
}

static void put_exits(const struct page *page)
{
	const struct disagg_diagnosis *d = page->shown->diagnosis;
	unsigned most = page->shown->all ? d->exit_count : MOST_EXITS;

	if (!d->exit_count)
		return;
	put_coloured(page, BOLD, "\nhow tasks ended");
	disagg_strbuf_putc(page->out, '\n');
	for (unsigned i = 0; i < d->exit_count && i < most; i++)
		put_exit(page, &d->exit[i], d->exit[0].at);
	if (d->exit_count > most)
		disagg_strbuf_printf(page->out, "  and %u more: see --all\n", d->exit_count - most);
}

static void put_notes(const struct page *page)
{
	const struct disagg_scan *scan = page->shown->scan;
	const struct disagg_runfiles *files = page->shown->files;
	unsigned skipped = 0;

	for (unsigned i = 0; i < scan->file_count; i++)
		skipped += scan->file[i].skipped != NULL;
	disagg_strbuf_printf(
		page->out, "\n%u logs, %.1f MB\n", scan->file_count, (double)scan->bytes / 1e6);
	if (skipped)
		disagg_strbuf_printf(page->out, "note: %u of them cannot be read\n", skipped);
	if (files->left_out)
		disagg_strbuf_printf(page->out, "note: %u more were left out\n", files->left_out);
	if (page->shown->diagnosis->clocks_differ)
		disagg_strbuf_puts(page->out,
			"note: some logs are in local time; the zone was taken from their ends\n");
	if (files->kernel.foreign)
		disagg_strbuf_printf(page->out,
			"note: %u records of the kernel's log were not the kernel's\n",
			files->kernel.foreign);
	if (files->note)
		disagg_strbuf_printf(page->out, "note: %s\n", files->note);
}

void diagnose_put_text(struct disagg_strbuf *out, const struct diagnose_shown *shown)
{
	struct page page = {.out = out, .shown = shown};

	put_verdict(&page);
	put_evidence(&page);
	put_signals(&page);
	put_exits(&page);
	put_notes(&page);
}
