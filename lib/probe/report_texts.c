/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"

#include "lib/base/fd.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_REASON 160u
#define MOST_HOST   64u /* of a node's name that scontrol is given */
#define FLUSH_BYTES ((size_t)1 << 20)

void report_put_where(
	struct disagg_strbuf *out, const struct disagg_probe_record *record, bool node)
{
	const char *space = "";

	if (node) {
		disagg_strbuf_puts(out, record->node);
		space = " ";
	}
	if (record->gpu >= 0) {
		disagg_strbuf_printf(out, "%sgpu %d", space, record->gpu);
		space = " ";
	}
	if (record->peer) {
		disagg_strbuf_printf(out, "%sto %s", space, record->peer);
		space = " ";
	}
	if (record->rail >= 0)
		disagg_strbuf_printf(out, "%srail %d", space, record->rail);
}

void report_put_metric(struct disagg_strbuf *out, const char *probe, const char *param)
{
	disagg_strbuf_puts(out, probe);
	if (param)
		disagg_strbuf_printf(out, " %s", param);
}

void report_put_value(struct disagg_strbuf *out, const struct disagg_probe_record *record)
{
	if (!record->has_value) {
		disagg_strbuf_puts(out, "-");
		return;
	}
	disagg_strbuf_printf(out, "%.5g", record->value);
	if (record->unit)
		disagg_strbuf_printf(out, " %s", record->unit);
}

static bool is_past(const struct disagg_probe_record *record, double limit)
{
	return record->better == DISAGG_BETTER_LESS ? record->value > limit : record->value < limit;
}

/* What no table is asked for has a reference of the probe's own: its source is short, and
 * nothing else tells it. */
void report_put_expected(struct disagg_strbuf *out, const struct disagg_probe_record *record)
{
	if (record->digest && !record->has_ref && record->ref_source)
		disagg_strbuf_printf(out, "%s (majority)", record->ref_source);
	else if (!record->has_value)
		disagg_strbuf_puts(out, "-");
	else if (record->has_ref)
		disagg_strbuf_printf(out, "%.5g (%s)", record->ref,
			record->better == DISAGG_BETTER_NONE && record->ref_source
				? record->ref_source
				: "reference");
	else if (record->has_floor && is_past(record, record->floor))
		disagg_strbuf_printf(out, "%.5g (floor)", record->floor);
	else if (record->has_fleet)
		disagg_strbuf_printf(out, "%.5g (fleet)", record->fleet_median);
	else
		disagg_strbuf_puts(out, "-");
}

/* What neither a shell in single quotes nor scontrol takes for more than text. */
static void make_safe(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || strchr("'\"\\`$=", *text))
			*text = *text == '=' ? ':' : '?';
}

const char *report_why(struct disagg_arena *arena, const struct disagg_probe_record *record)
{
	struct disagg_strbuf out;
	char *why;

	disagg_strbuf_init(&out, 0);
	report_put_metric(&out, record->probe, record->param);
	disagg_strbuf_puts(&out, record->gpu >= 0 || record->peer || record->rail >= 0 ? " " : "");
	report_put_where(&out, record, false);
	disagg_strbuf_puts(&out, ": ");
	if (record->has_value && (record->has_ref || record->has_fleet || record->has_floor)) {
		report_put_value(&out, record);
		disagg_strbuf_puts(&out, ", expected ");
		report_put_expected(&out, record);
	} else {
		disagg_strbuf_puts(&out, record->reason ? record->reason : "failed");
	}
	why = out.failed ? NULL
			 : disagg_arena_strndup(
				   arena, out.text, out.len < MOST_REASON ? out.len : MOST_REASON);
	if (why)
		make_safe(why);
	disagg_strbuf_release(&out);
	return why;
}

size_t report_short(const char *text, size_t most)
{
	size_t len = strnlen(text, most + 1), comma;

	if (len <= most)
		return len;
	for (comma = most; comma > most / 2; comma--)
		if (text[comma - 1] == ',')
			return comma;
	for (len = most; len > 0 && (text[len] & 0xc0) == 0x80; len--)
		;
	return len;
}

bool report_is_node_name(const char *name)
{
	size_t len =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return len > 0 && len <= MOST_HOST && name[len] == '\0' && *name != '-' && *name != '.';
}

const char *report_drain(struct disagg_arena *arena, const struct report_node *node)
{
	const char *why;

	if (node->status != DISAGG_PROBE_FAIL || !report_is_node_name(node->name))
		return NULL;
	why = report_why(arena, node->worst);
	return why ? disagg_arena_printf(arena,
			     "scontrol update nodename=%s state=drain reason='disagg-probe: %s'",
			     node->name, why)
		   : NULL;
}

void report_put_time(struct disagg_strbuf *out, double unix_s)
{
	time_t seconds = unix_s > 0 && unix_s < 1e11 ? (time_t)unix_s : 0;
	struct tm tm;
	char text[32];

	if (seconds > 0 && gmtime_r(&seconds, &tm) &&
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		disagg_strbuf_puts(out, text);
	else
		disagg_strbuf_puts(out, "-");
}

const char *report_verdict_word(const struct disagg_report *report)
{
	switch (disagg_report_code(report)) {
	case DISAGG_OK:
		return "PASS";
	case DISAGG_CHECK:
		return "FAIL";
	case DISAGG_SKIPPED:
		return "SKIPPED";
	default:
		return "UNKNOWN";
	}
}

static size_t findings_of(const struct disagg_report *report, enum disagg_probe_status status)
{
	size_t count = 0;

	for (size_t i = 0; i < report->finding_count; i++)
		count += report->finding[i].status == status;
	return count;
}

void report_put_verdict(struct disagg_strbuf *out, const struct disagg_report *report)
{
	static const struct {
		enum disagg_probe_status status;
		const char *text;
	} parts[] = {
		{DISAGG_PROBE_FAIL, "failed"},
		{DISAGG_PROBE_UNKNOWN, "unknown"},
		{DISAGG_PROBE_WARN, "with warnings"},
		{DISAGG_PROBE_PASS, "passed"},
		{DISAGG_PROBE_SKIP, "skipped"},
	};
	const char *comma = "";
	size_t findings = findings_of(report, DISAGG_PROBE_FAIL);
	size_t warnings = findings_of(report, DISAGG_PROBE_WARN);

	disagg_strbuf_printf(out, "%s: %zu node%s: ", report_verdict_word(report),
		report->node_count, report->node_count == 1 ? "" : "s");
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		size_t count = report->nodes[parts[i].status];

		if (count == 0)
			continue;
		disagg_strbuf_printf(out, "%s%zu %s", comma, count, parts[i].text);
		comma = ", ";
	}
	if (findings)
		disagg_strbuf_printf(
			out, "; %zu finding%s of the cluster", findings, findings == 1 ? "" : "s");
	if (warnings)
		disagg_strbuf_printf(
			out, "; %zu warning%s of the cluster", warnings, warnings == 1 ? "" : "s");
	if (report->regression_count)
		disagg_strbuf_printf(
			out, "; %zu worse than the baseline", report->regression_count);
}

void report_put_escaped(struct disagg_strbuf *out, const char *text)
{
	for (; *text; text++) {
		size_t plain = strcspn(text, "&<>\"'");

		disagg_strbuf_add(out, text, plain);
		text += plain;
		switch (*text) {
		case '&':
			disagg_strbuf_puts(out, "&amp;");
			break;
		case '<':
			disagg_strbuf_puts(out, "&lt;");
			break;
		case '>':
			disagg_strbuf_puts(out, "&gt;");
			break;
		case '"':
			disagg_strbuf_puts(out, "&quot;");
			break;
		case '\'':
			disagg_strbuf_puts(out, "&#39;");
			break;
		default:
			return;
		}
	}
}

int report_flush(struct disagg_strbuf *out, int fd)
{
	if (fd < 0 || out->len < FLUSH_BYTES || out->failed)
		return 0;
	if (disagg_fd_write_all(fd, out->text, out->len) != 0)
		return -1;
	disagg_strbuf_clear(out);
	return 0;
}
