/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/state.h"
#include "lib/host/rundir.h"
#include <stdio.h>
#include <string.h>

#define SCHEMA	    "disagg.state/1"
#define STATE_BYTES (32u * 1024u * 1024u)

const char *const disagg_phase_names[DISAGG_PHASE_COUNT + 1] = {
	"probe", "starting", "waiting", "benchmark", "serving", "ending", "done", NULL};

const char *const disagg_unit_state_names[DISAGG_UNIT_STATE_COUNT + 1] = {
	"planned", "launching", "running", "ready", "ending", "ended", "failed", NULL};

/* Comma and key; the value follows. */
static void key(struct disagg_strbuf *out, const char *name)
{
	if (out->len && out->text[out->len - 1] != '{')
		disagg_strbuf_putc(out, ',');
	disagg_strbuf_printf(out, "\"%s\":", name);
}

static void put_text(struct disagg_strbuf *out, const char *name, const char *text)
{
	key(out, name);
	if (text)
		disagg_strbuf_json(out, text);
	else
		disagg_strbuf_puts(out, "null");
}

static void put_number(struct disagg_strbuf *out, const char *name, long long number)
{
	key(out, name);
	disagg_strbuf_printf(out, "%lld", number);
}

static void put_bool(struct disagg_strbuf *out, const char *name, bool value)
{
	key(out, name);
	disagg_strbuf_puts(out, value ? "true" : "false");
}

static void put_time(struct disagg_strbuf *out, const char *name, double at)
{
	key(out, name);
	if (at > 0)
		disagg_strbuf_printf(out, "%.3f", at);
	else
		disagg_strbuf_puts(out, "null");
}

static void put_phases(struct disagg_strbuf *out, const struct disagg_state *state)
{
	key(out, "phases");
	disagg_strbuf_putc(out, '{');
	for (unsigned i = 0; i < DISAGG_PHASE_COUNT; i++) {
		if (state->phase_at[i] > 0)
			put_time(out, disagg_phase_names[i], state->phase_at[i]);
	}
	disagg_strbuf_putc(out, '}');
}

static void put_verdict(struct disagg_strbuf *out, const struct disagg_state_verdict *verdict)
{
	key(out, "verdict");
	if (!verdict->set) {
		disagg_strbuf_puts(out, "null");
		return;
	}
	disagg_strbuf_putc(out, '{');
	put_number(out, "code", verdict->code);
	put_text(out, "text", verdict->text);
	put_text(out, "worker", verdict->worker);
	put_time(out, "at", verdict->at);
	disagg_strbuf_putc(out, '}');
}

static void put_warnings(struct disagg_strbuf *out, const struct disagg_state *state)
{
	key(out, "warnings");
	disagg_strbuf_putc(out, '[');
	for (unsigned i = 0; i < state->warning_count; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		disagg_strbuf_json(out, state->warning[i]);
	}
	disagg_strbuf_putc(out, ']');
}

static void put_unit(struct disagg_strbuf *out, const struct disagg_state_unit *unit)
{
	disagg_strbuf_putc(out, '{');
	put_text(out, "name", unit->name);
	put_text(out, "role", unit->role);
	put_number(out, "index", unit->index);
	put_text(out, "engine", unit->engine);
	put_text(out, "state", disagg_unit_state_names[unit->state]);
	put_number(out, "node", unit->node);
	put_text(out, "host", unit->host);
	put_text(out, "ip", unit->ip);
	put_text(out, "url", unit->url);
	put_text(out, "step", unit->step);
	put_text(out, "container", unit->container);
	put_text(out, "log", unit->log);
	put_time(out, "started", unit->started);
	put_time(out, "up", unit->up);
	put_time(out, "ready", unit->ready);
	put_time(out, "ended", unit->ended);
	put_text(out, "how", unit->how);
	put_time(out, "silent", unit->silent);
	put_text(out, "why", unit->why);
	put_number(out, "restarts", unit->restarts);
	put_bool(out, "critical", unit->critical);
	disagg_strbuf_putc(out, '}');
}

void disagg_state_render(const struct disagg_state *state, struct disagg_strbuf *out)
{
	disagg_strbuf_putc(out, '{');
	put_text(out, "schema", SCHEMA);
	put_text(out, "job", state->job_id);
	put_text(out, "name", state->name);
	put_text(out, "version", state->version);
	put_text(out, "run_dir", state->run_dir);
	put_text(out, "host", state->host);
	put_number(out, "pid", state->pid);
	put_bool(out, "rehearse", state->rehearse);
	put_text(out, "phase", disagg_phase_names[state->phase]);
	put_phases(out, state);
	put_time(out, "updated", state->updated);
	put_time(out, "ends_at", state->ends_at);
	put_text(out, "frontend", state->frontend);
	put_number(out, "port_offset", state->port_offset);
	put_text(out, "waiting_for", state->waiting_for);
	put_verdict(out, &state->verdict);
	put_warnings(out, state);
	key(out, "workers");
	disagg_strbuf_putc(out, '[');
	for (unsigned i = 0; i < state->unit_count; i++) {
		disagg_strbuf_puts(out, i ? ",\n" : "\n");
		put_unit(out, state->unit[i]);
	}
	disagg_strbuf_puts(out, "]}\n");
}

int disagg_state_write(const struct disagg_state *state, struct disagg_err *err)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_strbuf out;
	char tag[32];
	int rc;

	disagg_strbuf_init(&out, STATE_BYTES);
	disagg_state_render(state, &out);
	snprintf(tag, sizeof(tag), "%d", state->pid);
	if (out.failed)
		rc = disagg_err_nomem(err);
	else
		rc = disagg_rundir_write(
			&arena, state->run_dir, DISAGG_RUNDIR_STATE, tag, out.text, out.len, err);
	disagg_strbuf_release(&out);
	disagg_arena_release(&arena);
	return rc;
}
