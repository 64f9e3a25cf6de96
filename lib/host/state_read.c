/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/num.h"
#include "lib/conf/scalar.h"
#include "lib/host/state.h"
#include <string.h>

#define SCHEMA "disagg.state/1"

/* JSON is YAML: the reader of configurations has the positions and the limits. */
struct reader {
	struct disagg_arena *arena;
	const char *path;
	struct disagg_err *err;
};

static int damaged(struct reader *reader, const struct disagg_node *at, const char *what)
{
	return disagg_err_at(reader->err, DISAGG_CONFIG, reader->path, at ? at->at.line : 0,
		at ? at->at.col : 0, "expected %s", what);
}

static const char *text_of(const struct disagg_node *map, const char *key)
{
	const struct disagg_node *node = disagg_node_get(map, key);

	return node && node->kind == DISAGG_SCALAR && !disagg_node_is_null(node) ? node->text
										 : NULL;
}

static double time_of(const struct disagg_node *map, const char *key)
{
	const char *text = text_of(map, key);
	double at = 0;

	if (text)
		(void)disagg_num_real(text, &at);
	return at;
}

static int64_t number_of(const struct disagg_node *map, const char *key)
{
	const char *text = text_of(map, key);
	int64_t number = 0;

	if (text)
		(void)disagg_num_int(text, INT32_MIN, INT32_MAX, &number);
	return number;
}

static bool bool_of(const struct disagg_node *map, const char *key)
{
	const char *text = text_of(map, key);

	return text && strcmp(text, "true") == 0;
}

static int name_of(struct reader *reader, const struct disagg_node *map, const char *key,
	const char *const *names, int *ret)
{
	const char *text = text_of(map, key);

	for (int i = 0; text && names[i]; i++) {
		if (strcmp(names[i], text) == 0) {
			*ret = i;
			return 0;
		}
	}
	return damaged(reader, map, key);
}

static int read_unit(
	struct reader *reader, const struct disagg_node *map, struct disagg_state_unit *ret)
{
	int state;

	if (map->kind != DISAGG_MAP || !text_of(map, "name"))
		return damaged(reader, map, "a worker with a name");
	if (name_of(reader, map, "state", disagg_unit_state_names, &state))
		return -1;
	*ret = (struct disagg_state_unit){
		.name = text_of(map, "name"),
		.role = text_of(map, "role"),
		.engine = text_of(map, "engine"),
		.host = text_of(map, "host"),
		.ip = text_of(map, "ip"),
		.log = text_of(map, "log"),
		.step = text_of(map, "step"),
		.url = text_of(map, "url"),
		.how = text_of(map, "how"),
		.container = text_of(map, "container"),
		.index = (uint32_t)number_of(map, "index"),
		.node = (uint32_t)number_of(map, "node"),
		.state = (enum disagg_unit_state)state,
		.started = time_of(map, "started"),
		.up = time_of(map, "up"),
		.ready = time_of(map, "ready"),
		.ended = time_of(map, "ended"),
		.silent = time_of(map, "silent"),
		.why = text_of(map, "why"),
		.restarts = (unsigned)number_of(map, "restarts"),
		.critical = bool_of(map, "critical"),
	};
	return 0;
}

static int read_units(
	struct reader *reader, const struct disagg_node *root, struct disagg_state *state)
{
	const struct disagg_node *list = disagg_node_get(root, "workers");
	const struct disagg_state_unit **units;

	if (!list || list->kind != DISAGG_SEQ)
		return damaged(reader, root, "a list of workers");
	units = disagg_arena_array(reader->arena, list->count + 1u, sizeof(*units));
	if (!units)
		return disagg_err_nomem(reader->err);
	for (uint32_t i = 0; i < list->count; i++) {
		struct disagg_state_unit *unit = disagg_arena_alloc(reader->arena, sizeof(*unit));

		if (!unit)
			return disagg_err_nomem(reader->err);
		if (read_unit(reader, list->item[i], unit))
			return -1;
		units[i] = unit;
	}
	state->unit = units;
	state->unit_count = list->count;
	return 0;
}

static void read_verdict(const struct disagg_node *map, struct disagg_state_verdict *ret)
{
	if (!map || map->kind != DISAGG_MAP)
		return;
	*ret = (struct disagg_state_verdict){
		.set = true,
		.code = (int)number_of(map, "code"),
		.text = text_of(map, "text"),
		.worker = text_of(map, "worker"),
		.at = time_of(map, "at"),
	};
}

static int read_warnings(
	struct reader *reader, const struct disagg_node *list, struct disagg_state *state)
{
	if (!list || list->kind != DISAGG_SEQ)
		return 0;
	state->warning = disagg_arena_array(reader->arena, list->count + 1u, sizeof(char *));
	if (!state->warning)
		return disagg_err_nomem(reader->err);
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->item[i]->kind == DISAGG_SCALAR)
			state->warning[state->warning_count++] = list->item[i]->text;
	}
	return 0;
}

static int read_root(
	struct reader *reader, const struct disagg_node *root, struct disagg_state *ret)
{
	const char *schema = text_of(root, "schema");
	const struct disagg_node *phases = disagg_node_get(root, "phases");
	struct disagg_state state = {
		.job_id = text_of(root, "job"),
		.name = text_of(root, "name"),
		.version = text_of(root, "version"),
		.run_dir = text_of(root, "run_dir"),
		.host = text_of(root, "host"),
		.frontend = text_of(root, "frontend"),
		.pid = (int)number_of(root, "pid"),
		.port_offset = (int)number_of(root, "port_offset"),
		.rehearse = bool_of(root, "rehearse"),
		.updated = time_of(root, "updated"),
		.ends_at = time_of(root, "ends_at"),
		.waiting_for = text_of(root, "waiting_for"),
	};
	int phase;

	if (!schema || strcmp(schema, SCHEMA) != 0)
		return damaged(reader, root, "the schema " SCHEMA);
	if (name_of(reader, root, "phase", disagg_phase_names, &phase))
		return -1;
	state.phase = (enum disagg_phase)phase;
	for (unsigned i = 0; i < DISAGG_PHASE_COUNT; i++)
		state.phase_at[i] = time_of(phases, disagg_phase_names[i]);
	read_verdict(disagg_node_get(root, "verdict"), &state.verdict);
	if (read_warnings(reader, disagg_node_get(root, "warnings"), &state) ||
		read_units(reader, root, &state))
		return -1;
	*ret = state;
	return 0;
}

int disagg_state_read(struct disagg_arena *arena, const char *path, struct disagg_state *ret,
	struct disagg_err *err)
{
	struct reader reader = {.arena = arena, .path = path, .err = err};
	struct disagg_node *root;

	if (disagg_yaml_load(arena, path, &root, err))
		return -1;
	return read_root(&reader, root, ret);
}

int disagg_state_parse(struct disagg_arena *arena, const char *bytes, size_t len,
	const char *source, struct disagg_state *ret, struct disagg_err *err)
{
	struct reader reader = {.arena = arena, .path = source, .err = err};
	struct disagg_node *root;

	if (disagg_yaml_parse(arena, bytes, len, source, &root, err))
		return -1;
	return read_root(&reader, root, ret);
}
