/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/suite.h"

#include <stdlib.h>
#include <string.h>

/* ---- what did not come ---- */

struct absence {
	const struct disagg_probe *probe;
	size_t node;
	const struct disagg_gpu *gpu; /* NULL */
	enum disagg_probe_status status;
	const char *reason;
};

static void emit_absence(struct disagg_fleet *fleet, const struct absence *absence)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.probe = absence->probe->name;
	record.node = disagg_fleet_name(fleet, absence->node);
	if (absence->gpu) {
		record.gpu = absence->gpu->index;
		record.gpu_uuid = absence->gpu->uuid;
		record.gpu_name = absence->gpu->name;
		record.cohort = absence->gpu->cohort;
	}
	record.status = absence->status;
	record.reason = absence->reason;
	disagg_fleet_emit(fleet, &record);
}

/* A task that has ended without the record that it was for. */
static void account(struct disagg_fleet *fleet, const struct disagg_fleet_task *task)
{
	struct absence absence = {.probe = task->probe,
		.node = task->node,
		.gpu = task->gpu,
		.status = DISAGG_PROBE_UNKNOWN,
		.reason = task->reason ? task->reason : "it ended without a record"};

	if (task->state == DISAGG_TASK_DONE && task->records)
		return;
	if (task->state == DISAGG_TASK_SKIPPED)
		absence.status = DISAGG_PROBE_SKIP;
	emit_absence(fleet, &absence);
}

static void emit_no_gpu(struct disagg_fleet *fleet, const struct disagg_probe *probe, size_t node)
{
	struct absence absence = {.probe = probe, .node = node, .status = DISAGG_PROBE_SKIP};

	absence.reason = disagg_fleet_reason(fleet, node);
	if (absence.reason)
		absence.status = DISAGG_PROBE_UNKNOWN;
	else
		absence.reason = disagg_fleet_no_gpu(fleet, node);
	if (!absence.reason)
		absence.reason = "no GPU that this step may use";
	emit_absence(fleet, &absence);
}

/* ---- one kind of probe each ---- */

/* Tasks of one round over the nodes. */
struct round {
	struct disagg_fleet *fleet;
	const struct disagg_probe *probe;
	struct disagg_fleet_task *task;
	size_t count;
};

static void add_task(struct round *round, size_t node, const struct disagg_gpu *gpu)
{
	round->task[round->count++] =
		(struct disagg_fleet_task){.node = node, .probe = round->probe, .gpu = gpu};
}

static int run_round(struct round *round, struct disagg_err *err)
{
	int rc = disagg_fleet_start(round->fleet, round->task, round->count, err);

	if (rc == 0)
		rc = disagg_fleet_await(round->fleet, round->task, round->count, err);
	for (size_t i = 0; i < round->count; i++)
		account(round->fleet, &round->task[i]);
	round->count = 0;
	return rc;
}

static bool lacks_gpu(struct disagg_fleet *fleet, const struct disagg_probe *probe, size_t node)
{
	bool wants = probe->needs_gpu || probe->kind == DISAGG_PROBE_GPU ||
		     probe->kind == DISAGG_PROBE_GPU_ALONE;

	return wants && disagg_fleet_gpus(fleet, node, NULL) == 0;
}

static int run_nodes(struct round *round, struct disagg_err *err)
{
	for (size_t i = 0; i < disagg_fleet_nodes(round->fleet); i++) {
		if (lacks_gpu(round->fleet, round->probe, i))
			emit_no_gpu(round->fleet, round->probe, i);
		else
			add_task(round, i, NULL);
	}
	return run_round(round, err);
}

static size_t most_gpus(const struct disagg_fleet *fleet)
{
	size_t most = 0;

	for (size_t i = 0; i < disagg_fleet_nodes(fleet); i++)
		if (disagg_fleet_gpus(fleet, i, NULL) > most)
			most = disagg_fleet_gpus(fleet, i, NULL);
	return most;
}

static int run_gpus(struct round *round, struct disagg_err *err)
{
	bool alone = round->probe->kind == DISAGG_PROBE_GPU_ALONE;
	size_t nodes = disagg_fleet_nodes(round->fleet), most = most_gpus(round->fleet);
	const struct disagg_gpu *gpu;
	int rc = 0;

	for (size_t i = 0; i < nodes; i++)
		if (lacks_gpu(round->fleet, round->probe, i))
			emit_no_gpu(round->fleet, round->probe, i);
	for (size_t j = 0; j < most; j++) {
		for (size_t i = 0; i < nodes; i++)
			if (j < disagg_fleet_gpus(round->fleet, i, &gpu))
				add_task(round, i, &gpu[j]);
		if (alone && run_round(round, err) != 0)
			rc = -1;
	}
	return alone ? rc : run_round(round, err);
}

/* Which nodes a FLEET probe has said something of, from this record on. */
static void mark_told(struct disagg_fleet *fleet, size_t from, bool *told)
{
	size_t count, node;
	const struct disagg_probe_record *const *record = disagg_fleet_records(fleet, &count);

	for (size_t i = from; i < count; i++)
		if (disagg_fleet_find(fleet, record[i]->node, &node) == 0)
			told[node] = true;
}

static int run_fleet(struct round *round, struct disagg_err *err)
{
	struct disagg_fleet *fleet = round->fleet;
	struct disagg_err why = DISAGG_ERR_INIT;
	size_t nodes = disagg_fleet_nodes(fleet), before;
	bool *told = calloc(nodes, sizeof(*told));
	const char *cancelled;
	int rc;

	if (!told)
		return disagg_err_nomem(err);
	disagg_fleet_records(fleet, &before);
	rc = round->probe->needs_gpu && most_gpus(fleet) == 0
		     ? 0
		     : round->probe->lead(fleet, round->probe, &why);
	mark_told(fleet, before, told);
	cancelled = disagg_fleet_cancelled(fleet);
	for (size_t i = 0; i < nodes; i++) {
		struct absence absence = {.probe = round->probe,
			.node = i,
			.status = DISAGG_PROBE_UNKNOWN,
			.reason = disagg_fleet_reason(fleet, i)};

		if (told[i])
			continue;
		if (lacks_gpu(fleet, round->probe, i)) {
			emit_no_gpu(fleet, round->probe, i);
			continue;
		}
		if (!absence.reason && rc != 0)
			absence.reason = why.text;
		if (!absence.reason)
			absence.reason = "the probe says nothing of this node";
		if (rc != 0 && why.code == DISAGG_SKIPPED && !disagg_fleet_lost(fleet, i))
			absence.status = DISAGG_PROBE_SKIP;
		emit_absence(fleet, &absence);
	}
	free(told);
	return cancelled ? disagg_err_set(err, DISAGG_TIMEOUT, "%s", cancelled) : 0;
}

/* ---- all ---- */

static int run_probe(struct round *round, struct disagg_err *err)
{
	disagg_fleet_leads(round->fleet, round->probe);
	switch (round->probe->kind) {
	case DISAGG_PROBE_NODE:
		return run_nodes(round, err);
	case DISAGG_PROBE_FLEET:
		return run_fleet(round, err);
	default:
		return run_gpus(round, err);
	}
}

static size_t most_tasks(const struct disagg_fleet *fleet)
{
	size_t gpus = 0, nodes = disagg_fleet_nodes(fleet);

	for (size_t i = 0; i < nodes; i++)
		gpus += disagg_fleet_gpus(fleet, i, NULL);
	return gpus > nodes ? gpus : nodes;
}

int disagg_suite_run(
	struct disagg_fleet *fleet, const struct disagg_suite *suite, struct disagg_err *err)
{
	struct round round = {.fleet = fleet};
	struct disagg_suite_step step = {.count = suite->count};
	int rc = 0;

	round.task = calloc(most_tasks(fleet) + 1, sizeof(*round.task));
	if (!round.task)
		return disagg_err_nomem(err);
	for (; step.index < suite->count; step.index++) {
		round.probe = step.probe = suite->probe[step.index];
		if (suite->begin)
			suite->begin(suite->context, &step);
		if (run_probe(&round, err) != 0)
			rc = -1;
	}
	step.probe = NULL;
	if (suite->begin)
		suite->begin(suite->context, &step);
	free(round.task);
	return rc;
}
