/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/environment.h"

#include "lib/probe/gather.h"
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST_QUESTIONS	   (DISAGG_ENV_PARTS * DISAGG_GATHER_VARIANTS)
#define MOST_VALUE_RECORDS 64u /* nodes of one value that get a record of their own */
#define MOST_RECORDS	   4096u

/* ---- on a node ---- */

static int send(struct disagg_probe_run *run, struct disagg_strbuf *text, struct disagg_err *err)
{
	if (text->failed)
		return disagg_err_nomem(err);
	run->note(run, text->text);
	return 0;
}

static int part_of(const char *name, enum disagg_fingerprint_part *ret)
{
	for (size_t i = 0; name && i < DISAGG_ENV_PARTS; i++)
		if (strcmp(disagg_fingerprint_name((enum disagg_fingerprint_part)i), name) == 0) {
			*ret = (enum disagg_fingerprint_part)i;
			return 0;
		}
	return -1;
}

static int answer(struct disagg_probe_run *run, const struct disagg_fingerprint *print,
	struct disagg_strbuf *text, struct disagg_err *err)
{
	enum disagg_fingerprint_part part;
	int64_t from;

	if (part_of(disagg_json_text(disagg_json_at(run->args, "section")), &part) ||
		disagg_json_int(disagg_json_at(run->args, "from"), &from) || from < 0)
		return disagg_err_set(err, DISAGG_INVALID, "asked for no section");
	disagg_gather_put_pairs(text, print, part, (size_t)from);
	return send(run, text, err);
}

static int tell(struct disagg_probe_run *run, const struct disagg_fingerprint *print,
	struct disagg_strbuf *text, struct disagg_err *err)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	for (size_t i = 0; i < DISAGG_ENV_PARTS; i++)
		record.value += (double)print->section[i].count;
	record.has_value = true;
	record.unit = "keys";
	record.param = "gathered";
	disagg_gather_put_digests(text, print);
	if (send(run, text, err))
		return -1;
	run->emit(run, &record);
	return 0;
}

int disagg_environment_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_fingerprint_source source = {
		run->options->sysroot, (const char *const *)environ};
	struct disagg_fingerprint print;
	struct disagg_strbuf text;
	int rc;

	if (disagg_fingerprint_take(run->arena, &source, &print, err))
		return -1;
	disagg_strbuf_init(&text, 0);
	rc = run->args ? answer(run, &print, &text, err) : tell(run, &print, &text, err);
	disagg_strbuf_release(&text);
	return rc;
}

/* ---- in the lead ---- */

struct gathering {
	struct disagg_fleet *fleet;
	const struct disagg_probe *probe;
	struct disagg_arena *arena;
	struct disagg_gather *gather;
	size_t nodes, emitted;
};

static struct disagg_json *read_note(const struct disagg_fleet_task *task)
{
	struct disagg_json *json = NULL;

	if (task->state != DISAGG_TASK_DONE || !task->note ||
		disagg_json_parse(&json, task->note, strlen(task->note), NULL))
		return NULL;
	return json;
}

static void emit(struct gathering *all, struct disagg_probe_record *record)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	record->probe = all->probe->name;
	record->start_s = (double)now.tv_sec;
	disagg_fleet_emit(all->fleet, record);
}

static void emit_unknown(
	struct gathering *all, size_t node, const struct disagg_fleet_task *task, const char *why)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.node = disagg_fleet_name(all->fleet, node);
	record.status = DISAGG_PROBE_UNKNOWN;
	record.param = "gathered";
	record.reason = task->reason ? task->reason : why;
	emit(all, &record);
}

/* Every node's digests. */
static int ask_all(struct gathering *all, struct disagg_err *err)
{
	struct disagg_fleet_task *task = disagg_arena_array(all->arena, all->nodes, sizeof(*task));

	if (!task)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < all->nodes; i++)
		task[i] = (struct disagg_fleet_task){.node = i, .probe = all->probe};
	if (disagg_fleet_start(all->fleet, task, all->nodes, err) ||
		disagg_fleet_await(all->fleet, task, all->nodes, err))
		return -1;
	for (size_t i = 0; i < all->nodes; i++) {
		struct disagg_json *json = read_note(&task[i]);
		struct disagg_err wrong = DISAGG_ERR_INIT;

		if (!json)
			emit_unknown(all, i, &task[i], "it has told nothing");
		else if (disagg_gather_take_digests(all->gather, i, json, &wrong))
			emit_unknown(all, i, &task[i], disagg_arena_strdup(all->arena, wrong.text));
		disagg_json_free(json);
	}
	return 0;
}

/* One round of questions; 0: there was none left. */
static int ask_some(struct gathering *all, struct disagg_err *err)
{
	struct disagg_gather_question question[MOST_QUESTIONS];
	size_t count = disagg_gather_questions(all->gather, question, MOST_QUESTIONS);
	struct disagg_fleet_task *task =
		disagg_arena_array(all->arena, count ? count : 1, sizeof(*task));

	if (!task)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		const char *args =
			disagg_arena_printf(all->arena, "{\"section\":\"%s\",\"from\":%zu}",
				disagg_fingerprint_name(question[i].part), question[i].from);

		if (!args)
			return disagg_err_nomem(err);
		task[i] = (struct disagg_fleet_task){
			.node = question[i].node, .probe = all->probe, .args = args};
	}
	if (count && (disagg_fleet_start(all->fleet, task, count, err) ||
			     disagg_fleet_await(all->fleet, task, count, err)))
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct disagg_json *json = read_note(&task[i]);

		if (!json || disagg_gather_take_pairs(all->gather, &question[i], json, NULL))
			disagg_gather_give_up(all->gather, &question[i]);
		disagg_json_free(json);
	}
	return count > 0;
}

static int emit_difference(struct gathering *all, const struct disagg_gather_difference *difference,
	struct disagg_err *err)
{
	for (size_t i = difference->majority ? 1 : 0; i < difference->count; i++) {
		const struct disagg_gather_value *value = &difference->value[i];

		for (size_t k = 0;
			k < value->nodes && k < MOST_VALUE_RECORDS && all->emitted < MOST_RECORDS;
			k++) {
			struct disagg_probe_record record;

			if (disagg_gather_record(
				    all->gather, difference, i, value->node[k], &record))
				return disagg_err_nomem(err);
			emit(all, &record);
			all->emitted++;
		}
	}
	return 0;
}

static int conclude(struct gathering *all, struct disagg_err *err)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	const char *allow = disagg_fleet_options(all->fleet)->allow;
	struct disagg_gather_result result;
	size_t differ = 0;

	if (disagg_gather_compare(all->gather, allow, &result, err))
		return -1;
	for (size_t i = 0; i < result.count; i++) {
		if (result.difference[i].allowed)
			continue;
		differ++;
		if (emit_difference(all, &result.difference[i], err))
			return -1;
	}
	record.node = disagg_fleet_name(all->fleet, 0);
	record.param = "differ";
	record.has_value = true;
	record.value = (double)differ;
	record.unit = "keys";
	if (result.unread) {
		record.status = DISAGG_PROBE_WARN;
		record.reason = disagg_arena_printf(
			all->arena, "%zu more variants of a section were not read", result.unread);
	}
	emit(all, &record);
	return 0;
}

int disagg_environment_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err)
{
	struct gathering all = {.fleet = fleet,
		.probe = probe,
		.arena = disagg_fleet_arena(fleet),
		.nodes = disagg_fleet_nodes(fleet)};
	const char **name = disagg_arena_array(all.arena, all.nodes, sizeof(*name));
	int more;

	if (!name)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < all.nodes; i++)
		name[i] = disagg_fleet_name(fleet, i);
	all.gather = disagg_gather_new(all.arena, name, all.nodes);
	if (!all.gather)
		return disagg_err_nomem(err);
	if (ask_all(&all, err))
		return -1;
	while ((more = ask_some(&all, err)) > 0)
		;
	return more < 0 ? -1 : conclude(&all, err);
}
