/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/phase.h"

#include <stdio.h>
#include <string.h>

#define PHASES 4

static const char *const names[PHASES] = {"none", "bootstrap", "init", "first"};

const char *disagg_phase_name(enum disagg_phase phase)
{
	return names[phase];
}

void disagg_phase_note(
	struct disagg_probe_run *run, enum disagg_phase phase, const ncclUniqueId *id)
{
	char hex[DISAGG_NCCL_ID_HEX], text[DISAGG_NCCL_ID_HEX + 64];

	if (id)
		disagg_nccl_id_put(id, hex);
	snprintf(text, sizeof(text), "{\"phase\":\"%s\"%s%s%s}", names[phase],
		id ? ",\"id\":\"" : "", id ? hex : "", id ? "\"" : "");
	run->note(run, text);
}

void disagg_phase_give_up(
	struct disagg_probe_run *run, enum disagg_phase phase, const struct disagg_err *err)
{
	char text[64];

	snprintf(text, sizeof(text), "{\"phase\":\"%s\",\"%s\":true}", names[phase],
		err->code == DISAGG_TIMEOUT ? "stalled" : "gave_up");
	run->note(run, text);
}

struct disagg_phase_seen disagg_phase_read(const char *note)
{
	struct disagg_phase_seen seen = {.phase = DISAGG_PHASE_NONE};
	struct disagg_json *json = NULL;
	const char *id;

	if (!note || disagg_json_parse(&json, note, strlen(note), NULL) != 0)
		return seen;
	for (int i = 0; i < PHASES; i++)
		if (disagg_json_equals(disagg_json_at(json, "phase"), names[i]))
			seen.phase = (enum disagg_phase)i;
	seen.gave_up = disagg_json_is_true(disagg_json_at(json, "gave_up"));
	seen.stalled = disagg_json_is_true(disagg_json_at(json, "stalled"));
	id = disagg_json_text(disagg_json_at(json, "id"));
	if (id)
		snprintf(seen.id, sizeof(seen.id), "%s", id);
	disagg_json_free(json);
	return seen;
}
