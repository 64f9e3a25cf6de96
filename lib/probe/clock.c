/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/clock.h"

#include "lib/probe/serving.h"
#include "lib/probe/stats.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Nodes that ask at once: more would measure how long they wait for each other. */
#define BATCH 64

/* What the other side says may be any number: the difference of two is one all the same. */
static double since(int64_t end, int64_t start)
{
	return (double)(int64_t)((uint64_t)end - (uint64_t)start);
}

struct disagg_clock_offset disagg_clock_offset_of(const int64_t (*t)[4], size_t count)
{
	struct disagg_clock_offset best = {0, INFINITY};

	for (size_t i = 0; i < count; i++) {
		double there = since(t[i][2], t[i][1]);
		double round_trip = (since(t[i][3], t[i][0]) - there) / 1e6;

		if (round_trip >= best.round_trip_ms)
			continue;
		best.round_trip_ms = round_trip;
		best.ahead_ms = (since(t[i][0], t[i][1]) + since(t[i][3], t[i][2])) / 2 / 1e6;
	}
	return best;
}

enum disagg_probe_status disagg_clock_judge(
	const struct disagg_clock_offset *offset, double median_ms)
{
	double sure = fabs(offset->ahead_ms - median_ms) - fmax(offset->round_trip_ms, 0) / 2;

	if (sure >= DISAGG_CLOCK_FAIL_MS)
		return DISAGG_PROBE_FAIL;
	return sure >= DISAGG_CLOCK_WARN_MS ? DISAGG_PROBE_WARN : DISAGG_PROBE_PASS;
}

/* ---- on a node ---- */

static int ask(struct disagg_probe_run *run, const struct disagg_peer *peer, struct disagg_err *err)
{
	int64_t t[DISAGG_CLOCK_EXCHANGES][4];
	struct disagg_clock_offset offset;
	struct disagg_caller caller;
	const char *note;

	if (disagg_caller_open(&caller, &peer->target, err) < 0)
		return -1;
	for (size_t i = 0; i < DISAGG_CLOCK_EXCHANGES; i++) {
		if (disagg_caller_time(&caller, NULL, t[i], err) < 0) {
			disagg_caller_close(&caller);
			return -1;
		}
	}
	disagg_caller_close(&caller);
	offset = disagg_clock_offset_of((const int64_t(*)[4])t, DISAGG_CLOCK_EXCHANGES);
	note = disagg_arena_printf(run->arena, "{\"ahead_ms\":%.6f,\"round_trip_ms\":%.6f}",
		offset.ahead_ms, offset.round_trip_ms);
	if (!note)
		return disagg_err_nomem(err);
	run->note(run, note);
	return 0;
}

int disagg_clock_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_responder responder = {.fd = -1};
	struct disagg_peer *peer;
	size_t count;

	if (disagg_serving_asked(run))
		return disagg_serving_answer(run, &responder, err);
	if (disagg_serving_peers(run, &peer, &count, err) < 0)
		return -1;
	if (count != 1)
		return disagg_err_set(err, DISAGG_INVALID, "%zu nodes to ask, expected 1", count);
	if (ask(run, &peer[0], err) < 0)
		return disagg_err_wrap(err, "cannot ask '%s' for its time", peer[0].name);
	return 0;
}

/* ---- in the lead ---- */

struct clocks {
	struct disagg_fleet *fleet;
	const struct disagg_probe *probe;
	struct disagg_serving serving;
	struct disagg_fleet_task *task;
	struct disagg_clock_offset *offset;
	bool *known;
	double *sorted;
	size_t count;
};

static bool read_note(const struct disagg_fleet_task *task, struct disagg_clock_offset *ret)
{
	struct disagg_json *json = NULL;
	bool good;

	if (task->state != DISAGG_TASK_DONE || !task->note ||
		disagg_json_parse(&json, task->note, strlen(task->note), NULL) < 0)
		return false;
	good = disagg_json_real(disagg_json_at(json, "ahead_ms"), &ret->ahead_ms) == 0 &&
	       disagg_json_real(disagg_json_at(json, "round_trip_ms"), &ret->round_trip_ms) == 0;
	disagg_json_free(json);
	return good;
}

static double median(struct clocks *clocks)
{
	size_t count = 0;

	for (size_t i = 0; i < clocks->count; i++)
		if (clocks->known[i])
			clocks->sorted[count++] = clocks->offset[i].ahead_ms;
	if (count < 3)
		return 0;
	disagg_stats_sort(clocks->sorted, count);
	return disagg_stats_percentile(clocks->sorted, count, 0.5);
}

static void tell(struct clocks *clocks, size_t node, double median_ms)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	const struct disagg_clock_offset *offset = &clocks->offset[node];
	double ahead = offset->ahead_ms - median_ms;
	char reason[160];

	record.probe = clocks->probe->name;
	record.node = disagg_fleet_name(clocks->fleet, node);
	if (!clocks->known[node]) {
		const char *why = clocks->task[node].reason;

		record.status = clocks->task[node].state == DISAGG_TASK_SKIPPED
					? DISAGG_PROBE_SKIP
					: DISAGG_PROBE_UNKNOWN;
		record.reason = why ? why : "it did not tell its clock's offset";
		disagg_fleet_emit(clocks->fleet, &record);
		return;
	}
	record.has_value = true;
	record.value = ahead;
	record.unit = "ms";
	record.status = disagg_clock_judge(offset, median_ms);
	if (record.status != DISAGG_PROBE_PASS) {
		snprintf(reason, sizeof(reason),
			"its clock is %.3f ms %s the fleet's (within %.3f ms), expected less than "
			"%.0f ms",
			fabs(ahead), ahead > 0 ? "ahead of" : "behind", offset->round_trip_ms / 2,
			record.status == DISAGG_PROBE_FAIL ? DISAGG_CLOCK_FAIL_MS
							   : DISAGG_CLOCK_WARN_MS);
		record.reason = reason;
		record.hint = "see whether chronyd or ntpd runs and is synchronised on the node";
	}
	disagg_fleet_emit(clocks->fleet, &record);
}

static int ask_all(struct clocks *clocks, struct disagg_err *err)
{
	const size_t first = 0;
	struct disagg_strbuf args;
	struct disagg_json_writer writer = {.out = &args};
	const char *text;

	disagg_strbuf_init(&args, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_serving_put(&clocks->serving, &writer, &first, 1);
	disagg_json_end(&writer, '}');
	text = args.failed ? NULL
			   : disagg_arena_strdup(disagg_fleet_arena(clocks->fleet), args.text);
	disagg_strbuf_release(&args);
	if (!text)
		return disagg_err_nomem(err);
	for (size_t at = 0; at < clocks->count; at += BATCH) {
		size_t batch = clocks->count - at < BATCH ? clocks->count - at : BATCH;
		struct disagg_fleet_task *task = clocks->task + at;

		for (size_t i = 0; i < batch; i++)
			task[i] = (struct disagg_fleet_task){
				.node = at + i, .probe = clocks->probe, .args = text};
		if (disagg_fleet_start(clocks->fleet, task, batch, err) < 0 ||
			disagg_fleet_await(clocks->fleet, task, batch, err) < 0)
			return -1;
	}
	return 0;
}

static int lead(struct clocks *clocks, struct disagg_err *err)
{
	double median_ms;

	if (disagg_serving_start(&clocks->serving, true, err) < 0)
		return -1;
	if (!clocks->serving.port[0]) {
		const char *why = clocks->serving.task[0].reason;

		return disagg_err_set(err, DISAGG_DIED, "'%s' cannot tell its time: %s",
			disagg_fleet_name(clocks->fleet, 0), why ? why : "it does not answer");
	}
	if (ask_all(clocks, err) < 0)
		return -1;
	for (size_t i = 0; i < clocks->count; i++)
		clocks->known[i] = read_note(&clocks->task[i], &clocks->offset[i]);
	median_ms = median(clocks);
	for (size_t i = 0; i < clocks->count; i++)
		tell(clocks, i, median_ms);
	return 0;
}

int disagg_clock_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err)
{
	struct disagg_arena *arena = disagg_fleet_arena(fleet);
	struct clocks clocks = {.fleet = fleet, .probe = probe, .count = disagg_fleet_nodes(fleet)};
	int rc;

	clocks.serving.fleet = fleet;
	clocks.serving.probe = probe;
	clocks.task = disagg_arena_array(arena, clocks.count, sizeof(*clocks.task));
	clocks.offset = disagg_arena_array(arena, clocks.count, sizeof(*clocks.offset));
	clocks.known = disagg_arena_array(arena, clocks.count, sizeof(*clocks.known));
	clocks.sorted = disagg_arena_array(arena, clocks.count, sizeof(*clocks.sorted));
	if (!clocks.task || !clocks.offset || !clocks.known || !clocks.sorted)
		return disagg_err_nomem(err);
	rc = lead(&clocks, err);
	disagg_serving_stop(&clocks.serving);
	return rc;
}
