/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/mesh.h"

#include "lib/host/latency.h"
#include "lib/probe/serving.h"
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* ---- who asks whom, and who is to blame: pure ---- */

static void shuffle(uint32_t *order, size_t nodes, uint64_t *state)
{
	for (size_t i = 0; i < nodes; i++)
		order[i] = (uint32_t)i;
	for (size_t i = nodes; i-- > 1;) {
		uint32_t j = disagg_random_between(state, 0, (uint32_t)i);
		uint32_t kept = order[i];

		order[i] = order[j];
		order[j] = kept;
	}
}

static bool has(const size_t *list, size_t count, size_t value)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == value)
			return true;
	return false;
}

size_t disagg_mesh_peers(
	size_t nodes, size_t at, uint64_t seed, uint32_t *order, size_t ret[DISAGG_MESH_PEERS])
{
	size_t peers = nodes - 1 < DISAGG_MESH_PEERS ? nodes - 1 : DISAGG_MESH_PEERS;
	size_t distance[DISAGG_MESH_PEERS], place = 0;

	if (nodes < 2)
		return 0;
	shuffle(order, nodes, &seed);
	for (size_t i = 0; i < peers;) {
		size_t drawn = disagg_random_between(&seed, 1, (uint32_t)nodes - 1);

		if (!has(distance, i, drawn))
			distance[i++] = drawn;
	}
	while (order[place] != at)
		place++;
	for (size_t i = 0; i < peers; i++)
		ret[i] = order[(place + distance[i]) % nodes];
	return peers;
}

void disagg_mesh_blame(
	struct disagg_mesh_pair *pair, size_t pairs, struct disagg_mesh_node *node, size_t nodes)
{
	for (size_t i = 0; i < pairs; i++) {
		node[pair[i].to].asked_by++;
		node[pair[i].to].failed_by += pair[i].failed;
		node[pair[i].from].asks++;
		node[pair[i].from].fails += pair[i].failed;
	}
	for (size_t i = 0; i < nodes; i++) {
		node[i].unreachable =
			node[i].failed_by >= 2 && node[i].failed_by * 2 >= node[i].asked_by;
		node[i].isolated = node[i].fails >= 2 && node[i].fails * 2 >= node[i].asks;
	}
	for (size_t i = 0; i < pairs; i++)
		pair[i].blamed = pair[i].failed &&
				 (node[pair[i].to].unreachable || node[pair[i].from].isolated);
}

/* ---- the lead ---- */

struct mesh_lead {
	struct disagg_fleet *fleet;
	const struct disagg_probe *probe;
	struct disagg_serving serving;
	size_t nodes;
	uint64_t seed;
	uint32_t *order;
	struct disagg_fleet_task *task;
	struct disagg_mesh_pair *pair;
	const char **why; /* of a pair */
	size_t pairs;
	struct disagg_mesh_node *node;
};

static const char *args_of(struct mesh_lead *lead, size_t node)
{
	size_t peer[DISAGG_MESH_PEERS], answering = 0;
	size_t count = disagg_mesh_peers(lead->nodes, node, lead->seed, lead->order, peer);
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};
	const char *args;

	for (size_t i = 0; i < count; i++) {
		if (!lead->serving.port[peer[i]])
			continue;
		lead->pair[lead->pairs].from = (uint32_t)node;
		lead->pair[lead->pairs++].to = (uint32_t)peer[i];
		peer[answering++] = peer[i];
	}
	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_serving_put(&lead->serving, &writer, peer, answering);
	disagg_json_end(&writer, '}');
	args = text.failed ? NULL : disagg_arena_strdup(disagg_fleet_arena(lead->fleet), text.text);
	disagg_strbuf_release(&text);
	return args;
}

/* What `node` said of its peers, in the order that it was told them in. */
static void take_note(
	struct mesh_lead *lead, const struct disagg_fleet_task *task, size_t first, size_t count)
{
	struct disagg_json *json = NULL;
	const struct disagg_json *why;

	if (!task->note || disagg_json_parse(&json, task->note, strlen(task->note), NULL) < 0)
		return;
	why = disagg_json_at(json, "why");
	for (size_t i = 0; i < count && i < disagg_json_count(why); i++) {
		const char *text = disagg_json_text(disagg_json_item(why, i));

		if (!text || !text[0])
			continue;
		lead->why[first + i] = disagg_arena_strdup(disagg_fleet_arena(lead->fleet), text);
		lead->pair[first + i].failed =
			disagg_serving_runs(&lead->serving, lead->pair[first + i].to);
	}
	disagg_json_free(json);
}

static void take_notes(struct mesh_lead *lead)
{
	size_t first = 0;

	for (size_t i = 0; i < lead->nodes; i++) {
		size_t count = 0;

		while (first + count < lead->pairs && lead->pair[first + count].from == i)
			count++;
		take_note(lead, &lead->task[i], first, count);
		first += count;
	}
}

static void tell(struct mesh_lead *lead, size_t node, enum disagg_probe_status status,
	const char *reason, const char *peer)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.probe = lead->probe->name;
	record.node = disagg_fleet_name(lead->fleet, node);
	record.param = "reach";
	record.peer = peer;
	record.status = status;
	record.reason = reason;
	disagg_fleet_emit(lead->fleet, &record);
}

static void tell_node(struct mesh_lead *lead, size_t node)
{
	struct disagg_strbuf reason;
	const char *first = NULL;
	size_t shown = 0;

	if (!lead->node[node].unreachable && !lead->node[node].isolated)
		return;
	disagg_strbuf_init(&reason, 1024);
	disagg_strbuf_puts(&reason,
		lead->node[node].unreachable ? "it cannot be reached from" : "it cannot reach");
	for (size_t i = 0; i < lead->pairs; i++) {
		const struct disagg_mesh_pair *pair = &lead->pair[i];
		uint32_t self = lead->node[node].unreachable ? pair->to : pair->from;
		uint32_t other = lead->node[node].unreachable ? pair->from : pair->to;

		if (!pair->failed || self != node || shown == DISAGG_MESH_PEERS)
			continue;
		disagg_strbuf_printf(
			&reason, "%s %s", shown ? "," : "", disagg_fleet_name(lead->fleet, other));
		first = first ? first : lead->why[i];
		shown++;
	}
	disagg_strbuf_printf(&reason, ": %s", first ? first : "no answer");
	tell(lead, node, DISAGG_PROBE_FAIL, reason.text, NULL);
	disagg_strbuf_release(&reason);
}

static void tell_pairs(struct mesh_lead *lead)
{
	char reason[512];

	for (size_t i = 0; i < lead->pairs; i++) {
		const struct disagg_mesh_pair *pair = &lead->pair[i];
		const char *to = disagg_fleet_name(lead->fleet, pair->to);

		if (!lead->why[i] || pair->blamed)
			continue;
		if (pair->failed)
			snprintf(reason, sizeof(reason), "it cannot reach '%s' (%s): %s", to,
				disagg_fleet_address(lead->fleet, pair->to), lead->why[i]);
		else
			snprintf(reason, sizeof(reason), "'%s' ended while it was asked: %s", to,
				lead->why[i]);
		tell(lead, pair->from, pair->failed ? DISAGG_PROBE_FAIL : DISAGG_PROBE_UNKNOWN,
			reason, to);
	}
}

/* A node that could not ask has said nothing at all. */
static void tell_silent(struct mesh_lead *lead)
{
	for (size_t i = 0; i < lead->nodes; i++) {
		const struct disagg_fleet_task *task = &lead->task[i];

		if (task->state == DISAGG_TASK_FAILED)
			tell(lead, i, DISAGG_PROBE_UNKNOWN,
				task->reason ? task->reason : "it did not end", NULL);
		else if (!lead->serving.port[i])
			tell(lead, i, DISAGG_PROBE_UNKNOWN,
				lead->serving.task[i].reason ? lead->serving.task[i].reason
							     : "it does not answer others",
				NULL);
	}
}

static int ask_all(struct mesh_lead *lead, struct disagg_err *err)
{
	for (size_t i = 0; i < lead->nodes; i++) {
		const char *args = args_of(lead, i);

		if (!args)
			return disagg_err_nomem(err);
		lead->task[i] =
			(struct disagg_fleet_task){.node = i, .probe = lead->probe, .args = args};
	}
	if (disagg_fleet_start(lead->fleet, lead->task, lead->nodes, err) < 0 ||
		disagg_fleet_await(lead->fleet, lead->task, lead->nodes, err) < 0)
		return -1;
	take_notes(lead);
	disagg_mesh_blame(lead->pair, lead->pairs, lead->node, lead->nodes);
	for (size_t i = 0; i < lead->nodes; i++)
		tell_node(lead, i);
	tell_pairs(lead);
	tell_silent(lead);
	return 0;
}

int disagg_mesh_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err)
{
	struct disagg_arena *arena = disagg_fleet_arena(fleet);
	struct mesh_lead lead = {
		.fleet = fleet, .probe = probe, .nodes = disagg_fleet_nodes(fleet)};
	size_t pairs = lead.nodes * DISAGG_MESH_PEERS;
	int rc;

	if (lead.nodes < 2)
		return disagg_err_set(err, DISAGG_SKIPPED, "one node has no peers");
	lead.serving.fleet = fleet;
	lead.serving.probe = probe;
	lead.order = disagg_arena_array(arena, lead.nodes, sizeof(*lead.order));
	lead.task = disagg_arena_array(arena, lead.nodes, sizeof(*lead.task));
	lead.pair = disagg_arena_array(arena, pairs, sizeof(*lead.pair));
	lead.why = disagg_arena_array(arena, pairs, sizeof(*lead.why));
	lead.node = disagg_arena_array(arena, lead.nodes, sizeof(*lead.node));
	if (!lead.order || !lead.task || !lead.pair || !lead.why || !lead.node)
		return disagg_err_nomem(err);
	if (getrandom(&lead.seed, sizeof(lead.seed), 0) != (ssize_t)sizeof(lead.seed))
		return disagg_err_sys(err, "cannot draw peers");
	rc = disagg_serving_start(&lead.serving, false, err);
	if (rc == 0)
		rc = ask_all(&lead, err);
	disagg_serving_stop(&lead.serving);
	return rc;
}
