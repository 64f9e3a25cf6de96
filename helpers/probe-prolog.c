/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/probe.h"
#include "lib/host/json.h"
#include "lib/probe/prolog.h"
#include <stdio.h>

#define FOLDER "/run/disagg"

static void print_json(const struct disagg_prolog_verdict *verdict)
{
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_bool(&writer, "bad", verdict->bad);
	disagg_json_put_bool(&writer, "cached", verdict->cached);
	disagg_json_put_text(&writer, "text", verdict->text);
	disagg_json_put_text(&writer, "unknown", verdict->unknown);
	disagg_json_end(&writer, '}');
	puts(text.text);
	disagg_strbuf_release(&text);
}

int probe_prolog(const struct probe *probe)
{
	struct disagg_prolog_spec spec = {
		.folder = probe->out && probe->out[0] ? probe->out : FOLDER,
		.kernel_log = probe->options.kernel_log,
		.xid_table = probe->options.xid_table,
	};
	struct disagg_prolog_verdict verdict;

	disagg_prolog_check(&spec, &verdict);
	if (probe->format == PROBE_JSON)
		print_json(&verdict);
	if (verdict.unknown[0])
		fprintf(stderr, "%s: not checked: %s\n", probe->helper->name, verdict.unknown);
	if (verdict.bad)
		fprintf(stderr, "%s: %s\n", probe->helper->name, verdict.text);
	return verdict.bad ? DISAGG_CHECK : DISAGG_OK;
}
