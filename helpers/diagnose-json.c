/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/diagnose.h"

#include "lib/host/json.h"
#include <string.h>

#define SCHEMA "disagg.diagnosis/1"

static void put_time(struct disagg_json_writer *json, const char *name, double at)
{
	if (at > 0)
		disagg_json_put_fixed(json, name, at, 3);
	else
		disagg_json_put_text(json, name, NULL);
}

static void put_evidence(struct disagg_json_writer *json, const struct disagg_diagnosis *d)
{
	disagg_json_begin(json, "evidence", '[');
	for (unsigned i = 0; i < d->evidence_count; i++) {
		disagg_json_begin(json, NULL, '{');
		disagg_json_put_text(json, "where", d->evidence[i].where);
		disagg_json_put_text(json, "text", d->evidence[i].text);
		put_time(json, "at", d->evidence[i].at);
		disagg_json_end(json, '}');
	}
	disagg_json_end(json, ']');
}

static void put_signal(struct disagg_json_writer *json, const struct disagg_signal *signal,
	const struct disagg_scan *scan)
{
	disagg_json_begin(json, NULL, '{');
	disagg_json_put_text(json, "id", signal->signature->id);
	disagg_json_put_text(json, "class", disagg_fault_names[signal->signature->fault]);
	disagg_json_put_text(json, "rank", disagg_rank_names[signal->signature->rank]);
	disagg_json_put_bool(json, "cause", signal->is_cause);
	disagg_json_put_int(json, "count", (int64_t)signal->count);
	put_time(json, "first", signal->first_s);
	put_time(json, "last", signal->last_s);
	disagg_json_begin(json, "files", '[');
	for (unsigned i = 0; i < signal->file_count; i++)
		disagg_json_put_text(json, NULL, scan->file[signal->file[i]].name);
	disagg_json_end(json, ']');
	disagg_json_begin(json, "samples", '[');
	for (unsigned i = 0; i < DISAGG_SAMPLES && signal->sample[i]; i++) {
		disagg_json_begin(json, NULL, '{');
		disagg_json_put_text(json, "file", scan->file[signal->sample_file[i]].name);
		disagg_json_put_text(json, "text", signal->sample[i]);
		disagg_json_end(json, '}');
	}
	disagg_json_end(json, ']');
	disagg_json_end(json, '}');
}

static void put_exits(struct disagg_json_writer *json, const struct disagg_diagnosis *d)
{
	char how[128];

	disagg_json_begin(json, "exits", '[');
	for (unsigned i = 0; i < d->exit_count; i++) {
		const struct disagg_exit *exit = &d->exit[i];

		disagg_json_begin(json, NULL, '{');
		put_time(json, "at", exit->at);
		disagg_json_put_text(json, "worker", exit->worker);
		disagg_json_put_text(json, "node", exit->node);
		disagg_json_put_int(json, "rank", exit->rank);
		disagg_json_put_text(json, "how", disagg_exit_text(exit, how, sizeof(how)));
		disagg_json_end(json, '}');
	}
	disagg_json_end(json, ']');
}

static void put_blame(struct disagg_json_writer *json, const struct disagg_diagnosis *d)
{
	disagg_json_begin(json, "blame", '{');
	disagg_json_put_text(json, "worker", d->worker);
	disagg_json_put_text(json, "node", d->node);
	disagg_json_put_text(json, "pci", d->pci);
	if (d->rank >= 0)
		disagg_json_put_int(json, "rank", d->rank);
	if (d->gpu >= 0)
		disagg_json_put_int(json, "gpu", d->gpu);
	disagg_json_end(json, '}');
}

void diagnose_put_json(struct disagg_strbuf *out, const struct diagnose_shown *shown)
{
	struct disagg_json_writer json = {.out = out};
	const struct disagg_diagnosis *d = shown->diagnosis;

	disagg_json_begin(&json, NULL, '{');
	disagg_json_put_text(&json, "schema", SCHEMA);
	disagg_json_put_text(&json, "outcome", disagg_outcome_names[d->outcome]);
	if (d->outcome == DISAGG_OUTCOME_FAILURE) {
		disagg_json_put_text(&json, "class", disagg_fault_names[d->fault]);
		disagg_json_put_text(&json, "id", d->id);
		disagg_json_put_text(&json, "confidence", disagg_confidence_names[d->confidence]);
		disagg_json_put_text(&json, "title", d->title);
		disagg_json_put_text(&json, "hint", d->hint);
		put_time(&json, "at", d->at);
		put_blame(&json, d);
		put_evidence(&json, d);
	}
	disagg_json_begin(&json, "signals", '[');
	for (unsigned i = 0; i < d->signal_count; i++)
		put_signal(&json, &d->signal[i], shown->scan);
	disagg_json_end(&json, ']');
	put_exits(&json, d);
	disagg_json_put_int(&json, "logs", shown->scan->file_count);
	disagg_json_put_int(&json, "bytes", (int64_t)shown->scan->bytes);
	disagg_json_put_int(&json, "secrets_masked", (int64_t)shown->scan->secrets);
	disagg_json_put_bool(&json, "clocks_differ", d->clocks_differ);
	disagg_json_end(&json, '}');
	disagg_strbuf_putc(out, '\n');
}

/* ---- JUnit ---- */

static void put_xml(struct disagg_strbuf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (strchr("<>&\"'", *text))
			disagg_strbuf_printf(out, "&#%d;", c);
		else if (c >= 0x80)
			disagg_strbuf_putc(out, '?');
		else if (c >= ' ' || c == '\t' || c == '\n')
			disagg_strbuf_putc(out, *text);
	}
}

static void put_failure(struct disagg_strbuf *out, const struct disagg_diagnosis *d)
{
	disagg_strbuf_printf(
		out, "    <failure type=\"%s\" message=\"", disagg_fault_names[d->fault]);
	put_xml(out, d->title ? d->title : "no cause was found");
	disagg_strbuf_puts(out, "\">");
	for (unsigned i = 0; i < d->evidence_count; i++) {
		put_xml(out, d->evidence[i].where);
		disagg_strbuf_puts(out, ": ");
		put_xml(out, d->evidence[i].text);
		disagg_strbuf_putc(out, '\n');
	}
	if (d->hint)
		put_xml(out, d->hint);
	disagg_strbuf_puts(out, "</failure>\n");
}

void diagnose_put_junit(struct disagg_strbuf *out, const struct diagnose_shown *shown)
{
	const struct disagg_diagnosis *d = shown->diagnosis;
	bool failed = d->outcome == DISAGG_OUTCOME_FAILURE;

	disagg_strbuf_printf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuite name=\"disagg-diagnose\" tests=\"1\" failures=\"%d\">\n"
		"  <testcase classname=\"run\" name=\"",
		failed);
	put_xml(out, d->worker ? d->worker : "run");
	disagg_strbuf_puts(out, failed ? "\">\n" : "\"/>\n");
	if (failed) {
		put_failure(out, d);
		disagg_strbuf_puts(out, "  </testcase>\n");
	}
	disagg_strbuf_puts(out, "</testsuite>\n");
}
