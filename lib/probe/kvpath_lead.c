/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/kvpath_build.h"

#include "lib/base/fd.h"
#include "lib/plan/wire.h"
#include <string.h>

#define CONFIG_BYTES (4u << 20)
#define BLOCK_MAX    (1u << 20)
#define MANY	     8 /* pairs of one node at once */

/* How much of it a suite measures. */
struct effort {
	unsigned rounds, measure_ms, window_ms;
};

static struct effort effort_of(unsigned suite)
{
	struct effort quick = {2, 15, 100}, standard = {4, 60, 1500}, thorough = {8, 200, 3000};

	if (suite == DISAGG_SUITE_QUICK)
		return quick;
	return suite == DISAGG_SUITE_THOROUGH ? thorough : standard;
}

static const uint64_t usual_blocks[] = {64 << 10, 256 << 10, 1 << 20};

/* ---- what is asked ---- */

static int read_model(struct kvpath *path, struct disagg_err *err)
{
	const char *file = disagg_fleet_options(path->fleet)->model_config;
	struct disagg_arena *arena = disagg_fleet_arena(path->fleet);
	struct disagg_json *json;
	char *bytes;
	size_t len;
	int rc;

	if (!file)
		return 0;
	if (disagg_fd_read_file(arena, file, CONFIG_BYTES, &bytes, &len, err) < 0 ||
		disagg_json_parse(&json, bytes, len, err) < 0)
		return -1;
	rc = disagg_kv_model_read(json, &path->model, err);
	disagg_json_free(json);
	if (rc < 0)
		return disagg_err_wrap(err, "'%s'", file);
	path->has_model = true;
	return 0;
}

static int read_plan(struct kvpath *path, struct disagg_err *err)
{
	const char *text = disagg_fleet_options(path->fleet)->plan;
	struct disagg_plan *plan;

	if (!text || !text[0])
		return 0;
	if (disagg_wire_decode(disagg_fleet_arena(path->fleet), text, &plan, err) < 0)
		return -1;
	if (plan->nodes == path->nodes)
		path->plan = plan;
	return 0;
}

static uint64_t block_of_model(const struct kvpath *path)
{
	struct disagg_kv_side side = {1, 1};

	for (uint32_t i = 0; path->plan && i < path->plan->role_count; i++)
		if (path->plan->role[i].kind == DISAGG_DECODE && path->plan->role[i].gpus)
			side.tp = path->plan->role[i].gpus;
	return disagg_kv_block_bytes(&path->model, DISAGG_KVPATH_PAGE, side);
}

static void put_blocks(const struct kvpath *path, struct disagg_json_writer *writer)
{
	uint64_t own = disagg_fleet_options(path->fleet)->kv_block_bytes;
	bool usual = false;

	if (!own && path->has_model)
		own = block_of_model(path);
	if (own > BLOCK_MAX)
		own = BLOCK_MAX;
	disagg_json_begin(writer, "blocks", '[');
	for (size_t i = 0; i < sizeof(usual_blocks) / sizeof(*usual_blocks); i++) {
		usual |= usual_blocks[i] == own;
		disagg_json_put_int(writer, NULL, (int64_t)usual_blocks[i]);
	}
	if (own && !usual)
		disagg_json_put_int(writer, NULL, (int64_t)own);
	disagg_json_end(writer, ']');
}

/* name: of what is measured all at once, NULL: each alone */
static const char *args_of(const struct kvpath *path, size_t prefill, const char *name)
{
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};
	const char *args;

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_serving_put(&path->serving, &writer, &prefill, 1);
	disagg_json_put_int(&writer, "measure_ms", path->measure_ms);
	if (name) {
		disagg_json_put_text(&writer, "name", name);
		disagg_json_put_int(&writer, "window_ms", path->window_ms);
	} else {
		put_blocks(path, &writer);
	}
	disagg_json_end(&writer, '}');
	args = text.failed ? NULL : disagg_arena_strdup(disagg_fleet_arena(path->fleet), text.text);
	disagg_strbuf_release(&text);
	return args;
}

/* ---- what came ---- */

static void take(
	struct kvpath *path, const struct disagg_fleet_task *task, struct kvpath_result *result)
{
	struct disagg_json *json = NULL;
	const char *label;

	result->reason = task->state == DISAGG_TASK_DONE ? result->reason : task->reason;
	if (!task->note || disagg_json_parse(&json, task->note, strlen(task->note), NULL) < 0)
		return;
	label = disagg_json_text(disagg_json_at(json, "label"));
	if (label)
		result->label = disagg_arena_strdup(disagg_fleet_arena(path->fleet), label);
	result->representative = disagg_json_is_true(disagg_json_at(json, "representative"));
	disagg_json_real(disagg_json_at(json, "get_gbs"), &result->get_gbs);
	disagg_json_real(disagg_json_at(json, "together_gbs"), &result->together_gbs);
	disagg_json_free(json);
}

/* These flows at once. */
static int run_flows(
	struct kvpath *path, size_t first, size_t count, const char *name, struct disagg_err *err)
{
	struct disagg_fleet_task *task =
		disagg_arena_array(disagg_fleet_arena(path->fleet), count, sizeof(*task));

	if (!task)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		const struct disagg_kvpath_flow *flow = &path->flow[first + i];

		task[i] = (struct disagg_fleet_task){.node = flow->decode,
			.probe = path->probe,
			.args = args_of(path, flow->prefill, name)};
		if (!task[i].args)
			return disagg_err_nomem(err);
	}
	if (disagg_fleet_start(path->fleet, task, count, err) < 0 ||
		disagg_fleet_await(path->fleet, task, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		take(path, &task[i], &path->result[first + i]);
	return 0;
}

static int run_rounds(struct kvpath *path, struct disagg_err *err)
{
	for (size_t first = 0; first < path->flows;) {
		size_t count = 1;

		while (first + count < path->flows &&
			path->flow[first + count].round == path->flow[first].round)
			count++;
		if (run_flows(path, first, count, NULL, err) < 0)
			return -1;
		first += count;
	}
	return 0;
}

/* ---- many to one, one to many ---- */

/* Flows of the node that has most of them on that side, at most MANY. */
static size_t flows_of_one(const struct kvpath *path, bool into, size_t ret[MANY])
{
	size_t best = 0, count = 0;
	unsigned most = 0;

	for (size_t node = 0; node < path->nodes; node++) {
		unsigned has = 0;

		for (size_t i = 0; i < path->flows; i++)
			has += (into ? path->flow[i].decode : path->flow[i].prefill) == node;
		if (has > most) {
			most = has;
			best = node;
		}
	}
	for (size_t i = 0; i < path->flows && count < MANY; i++)
		if ((into ? path->flow[i].decode : path->flow[i].prefill) == best)
			ret[count++] = i;
	return count;
}

static void tell_many(struct kvpath *path, bool into, const size_t *at,
	const struct kvpath_result *result, size_t count)
{
	const struct disagg_kvpath_flow *first = &path->flow[at[0]];
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	struct disagg_arena *arena = disagg_fleet_arena(path->fleet);
	bool representative = true;
	double best = 0;

	for (size_t i = 0; i < count; i++) {
		record.value += result[i].together_gbs;
		best = best > path->result[at[i]].get_gbs ? best : path->result[at[i]].get_gbs;
		representative &= result[i].representative;
		record.hint = result[i].label ? result[i].label : record.hint;
	}
	record.probe = path->probe->name;
	record.node = disagg_fleet_name(path->fleet, into ? first->decode : first->prefill);
	record.param = disagg_arena_printf(arena, "%s %zu", into ? "incast" : "outcast", count);
	record.unit = "GB/s";
	record.has_value = record.value > 0;
	if (!record.has_value) {
		record.status = DISAGG_PROBE_UNKNOWN;
		record.reason = "none of its pairs has told a rate";
	} else if (representative && record.value * DISAGG_KVPATH_CONGESTED < best) {
		record.status = DISAGG_PROBE_WARN;
		record.reason = disagg_arena_printf(arena,
			"%zu pairs together reach %.4g GB/s, one of them alone %.4g", count,
			record.value, best);
	}
	disagg_fleet_emit(path->fleet, &record);
}

/* Its flows alone are laid over the path's for the time of it. */
static int run_many(struct kvpath *path, bool into, struct disagg_err *err)
{
	struct kvpath some = *path;
	struct disagg_kvpath_flow flow[MANY];
	struct kvpath_result result[MANY] = {{0}};
	size_t at[MANY], count = flows_of_one(path, into, at);

	if (count < 2)
		return 0;
	for (size_t i = 0; i < count; i++)
		flow[i] = path->flow[at[i]];
	some.flow = flow;
	some.result = result;
	if (run_flows(&some, 0, count, into ? "incast" : "outcast", err) < 0)
		return -1;
	tell_many(path, into, at, result, count);
	return 0;
}

/* ---- all of it ---- */

static int measure(struct kvpath *path, struct disagg_err *err)
{
	if (disagg_serving_start(&path->serving, false, err) < 0 || run_rounds(path, err) < 0 ||
		run_flows(path, 0, path->flows, "together", err) < 0 ||
		run_many(path, true, err) < 0 || run_many(path, false, err) < 0)
		return -1;
	return kvpath_tell(path, err);
}

static int make_room(struct kvpath *path, struct disagg_err *err)
{
	struct disagg_arena *arena = disagg_fleet_arena(path->fleet);

	path->result = disagg_arena_array(arena, path->flows, sizeof(*path->result));
	path->scratch = disagg_arena_array(arena, path->flows, sizeof(*path->scratch));
	return path->result && path->scratch ? 0 : disagg_err_nomem(err);
}

int disagg_kvpath_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err)
{
	struct effort effort = effort_of(disagg_fleet_options(fleet)->suite);
	struct kvpath path = {.fleet = fleet, .probe = probe, .nodes = disagg_fleet_nodes(fleet)};
	int rc;

	path.window_ms = effort.window_ms;
	path.measure_ms = effort.measure_ms;
	path.serving.fleet = fleet;
	path.serving.probe = probe;
	if (read_model(&path, err) < 0 || read_plan(&path, err) < 0 ||
		disagg_kvpath_flows(disagg_fleet_arena(fleet), path.plan, path.nodes, effort.rounds,
			&path.flow, &path.flows, err) < 0)
		return -1;
	if (disagg_fleet_options(fleet)->kv_block_bytes > BLOCK_MAX)
		return disagg_err_set(err, DISAGG_CONFIG,
			"blocks of %llu bytes are too large: expected %u at most",
			(unsigned long long)disagg_fleet_options(fleet)->kv_block_bytes, BLOCK_MAX);
	if (!path.flows)
		return disagg_err_set(err, DISAGG_SKIPPED, "%s",
			path.plan ? "the plan has no prefill and decode workers on different nodes"
				  : "one node has no path to another");
	if (make_room(&path, err) < 0)
		return -1;
	rc = measure(&path, err);
	disagg_serving_stop(&path.serving);
	return rc;
}
