/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/render_client.h"

static void put_text(struct disagg_strbuf *out, const char *key, const char *text)
{
	disagg_strbuf_printf(out, ",\"%s\":", key);
	if (text)
		disagg_strbuf_json(out, text);
	else
		disagg_strbuf_puts(out, "null");
}

static void put_runs(
	struct disagg_strbuf *out, const char *key, const struct disagg_client_runs *runs)
{
	disagg_strbuf_printf(out, ",\"%s\":[", key);
	for (unsigned i = 0; i < runs->count; i++) {
		const struct disagg_client_run *run = &runs->v[i];

		disagg_strbuf_puts(out, i ? ",{\"argv\":[" : "{\"argv\":[");
		for (unsigned k = 0; k < run->argc; k++) {
			disagg_strbuf_puts(out, k ? "," : "");
			disagg_strbuf_json(out, run->argv[k]);
		}
		disagg_strbuf_putc(out, ']');
		put_text(out, "label", run->label);
		put_text(out, "result", run->result);
		disagg_strbuf_putc(out, '}');
	}
	disagg_strbuf_putc(out, ']');
}

void disagg_render_client(const struct disagg_client *client, struct disagg_strbuf *out)
{
	disagg_strbuf_puts(out, ",\"client\":{\"name\":");
	disagg_strbuf_json(out, client->name);
	put_text(out, "script", client->script);
	put_text(out, "module", client->module);
	put_runs(out, "own", &client->own);
	put_runs(out, "disagg_bench", &client->load);
	put_text(out, "note", client->no_load ? client->no_load : client->note);
	put_runs(out, "accuracy", &client->after);
	disagg_strbuf_putc(out, '}');
}
