/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/record.h"

#include "lib/host/json.h"
#include <string.h>

#define MOST_NAME 256u
#define MOST_TEXT 1024u
#define SCHEMA	  "disagg.probe/1"

static const char *const status_names[] = {"pass", "warn", "fail", "skip", "unknown", NULL};
static const char *const better_names[] = {"none", "more", "less", NULL};

const char *disagg_probe_status_name(enum disagg_probe_status status)
{
	return status_names[status];
}

/* ---- writing ---- */

static void put_text(struct disagg_json_writer *writer, const char *name, const char *value)
{
	if (value)
		disagg_json_put_text(writer, name, value);
}

static void put_index(struct disagg_json_writer *writer, const char *name, int value)
{
	if (value >= 0)
		disagg_json_put_int(writer, name, value);
}

static void put_value(struct disagg_json_writer *writer, const struct disagg_probe_record *record)
{
	if (record->has_value) {
		disagg_json_put_real(writer, "value", record->value);
		put_text(writer, "unit", record->unit);
	}
	if (record->better != DISAGG_BETTER_NONE)
		disagg_json_put_text(writer, "better", better_names[record->better]);
	if (record->raw_count == 0)
		return;
	disagg_json_begin(writer, "raw", '[');
	for (size_t i = 0; i < record->raw_count; i++)
		disagg_json_put_real(writer, NULL, record->raw[i]);
	disagg_json_end(writer, ']');
}

static void put_limits(struct disagg_json_writer *writer, const struct disagg_probe_record *record)
{
	if (record->has_ref) {
		disagg_json_put_real(writer, "ref", record->ref);
		put_text(writer, "ref_source", record->ref_source);
	}
	if (record->has_floor)
		disagg_json_put_real(writer, "floor", record->floor);
	if (!record->has_fleet)
		return;
	disagg_json_put_real(writer, "fleet_median", record->fleet_median);
	disagg_json_put_real(writer, "mad", record->fleet_mad);
	disagg_json_put_real(writer, "z", record->z);
}

void disagg_probe_record_put(struct disagg_strbuf *out, const struct disagg_probe_record *record)
{
	struct disagg_json_writer writer = {.out = out};

	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_text(&writer, "schema", SCHEMA);
	put_text(&writer, "probe", record->probe);
	put_text(&writer, "node", record->node);
	put_index(&writer, "gpu", record->gpu);
	put_text(&writer, "gpu_uuid", record->gpu_uuid);
	put_text(&writer, "gpu_name", record->gpu_name);
	put_text(&writer, "peer", record->peer);
	put_index(&writer, "rail", record->rail);
	put_text(&writer, "param", record->param);
	put_text(&writer, "cohort", record->cohort);
	put_text(&writer, "digest", record->digest);
	put_value(&writer, record);
	put_limits(&writer, record);
	disagg_json_put_text(&writer, "status", disagg_probe_status_name(record->status));
	put_text(&writer, "reason", record->reason);
	put_text(&writer, "hint", record->hint);
	disagg_json_put_fixed(&writer, "t_start", record->start_s, 3);
	disagg_json_put_fixed(&writer, "dur_ms", record->duration_ms, 3);
	disagg_json_end(&writer, '}');
	disagg_strbuf_putc(out, '\n');
}

/* ---- reading ---- */

/* -1: no memory */
static int read_text(struct disagg_arena *arena, const struct disagg_json *json, const char *name,
	size_t most, const char **ret)
{
	const char *text = disagg_json_text(disagg_json_at(json, name));
	char *copy;

	if (!text)
		return 0;
	copy = disagg_arena_strndup(arena, text, strnlen(text, most));
	if (!copy)
		return -1;
	disagg_text_tame(copy);
	*ret = copy;
	return 0;
}

static bool read_real(const struct disagg_json *json, const char *name, double *ret)
{
	return disagg_json_real(disagg_json_at(json, name), ret) == 0;
}

static void read_index(const struct disagg_json *json, const char *name, int *ret)
{
	int64_t value;

	if (disagg_json_int(disagg_json_at(json, name), &value) == 0 && value >= 0 && value < 65536)
		*ret = (int)value;
}

/* The index of the text in names, or -1. */
static int read_choice(const struct disagg_json *json, const char *name, const char *const *names)
{
	const char *text = disagg_json_text(disagg_json_at(json, name));

	for (int i = 0; text && names[i]; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return -1;
}

static int read_texts(struct disagg_arena *arena, const struct disagg_json *json,
	struct disagg_probe_record *record)
{
	const struct {
		const char *name;
		size_t most;
		const char **ret;
	} texts[] = {
		{"probe", MOST_NAME, &record->probe},
		{"node", MOST_NAME, &record->node},
		{"gpu_uuid", MOST_NAME, &record->gpu_uuid},
		{"gpu_name", MOST_NAME, &record->gpu_name},
		{"peer", MOST_NAME, &record->peer},
		{"param", MOST_NAME, &record->param},
		{"cohort", MOST_NAME, &record->cohort},
		{"unit", MOST_NAME, &record->unit},
		{"digest", MOST_NAME, &record->digest},
		{"ref_source", MOST_TEXT, &record->ref_source},
		{"reason", MOST_TEXT, &record->reason},
		{"hint", MOST_TEXT, &record->hint},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (read_text(arena, json, texts[i].name, texts[i].most, texts[i].ret) != 0)
			return -1;
	return 0;
}

static void read_numbers(const struct disagg_json *json, struct disagg_probe_record *record)
{
	const struct disagg_json *raw = disagg_json_at(json, "raw");
	size_t count = disagg_json_count(raw);

	read_index(json, "gpu", &record->gpu);
	read_index(json, "rail", &record->rail);
	record->has_value = read_real(json, "value", &record->value);
	record->has_ref = read_real(json, "ref", &record->ref);
	record->has_floor = read_real(json, "floor", &record->floor);
	record->has_fleet = read_real(json, "fleet_median", &record->fleet_median);
	read_real(json, "mad", &record->fleet_mad);
	read_real(json, "z", &record->z);
	read_real(json, "t_start", &record->start_s);
	read_real(json, "dur_ms", &record->duration_ms);
	for (size_t i = 0; i < count && record->raw_count < DISAGG_PROBE_RAW_MAX; i++)
		if (disagg_json_real(disagg_json_item(raw, i), &record->raw[record->raw_count]) ==
			0)
			record->raw_count++;
}

static int read_members(struct disagg_arena *arena, const struct disagg_json *json,
	struct disagg_probe_record *record, struct disagg_err *err)
{
	int status = read_choice(json, "status", status_names);
	int better = read_choice(json, "better", better_names);

	if (!disagg_json_equals(disagg_json_at(json, "schema"), SCHEMA))
		return disagg_err_set(err, DISAGG_INVALID, "no record of schema '%s'", SCHEMA);
	if (read_texts(arena, json, record) != 0)
		return disagg_err_nomem(err);
	if (!record->probe || !record->node || status < 0)
		return disagg_err_set(err, DISAGG_INVALID, "a record needs probe, node and status");
	read_numbers(json, record);
	record->status = (enum disagg_probe_status)status;
	record->better = better < 0 ? DISAGG_BETTER_NONE : (enum disagg_probe_better)better;
	return 0;
}

int disagg_probe_record_read(struct disagg_arena *arena, const char *line, size_t len,
	struct disagg_probe_record *ret, struct disagg_err *err)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	struct disagg_json *json = NULL;
	int rc;

	if (disagg_json_parse(&json, line, len, err) != 0)
		return -1;
	rc = read_members(arena, json, &record, err);
	disagg_json_free(json);
	if (rc == 0)
		*ret = record;
	return rc;
}
