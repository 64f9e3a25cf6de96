/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/serving.h"

#include "lib/base/limits.h"
#include <string.h>
#include <sys/random.h>

#define PEERS_MAX  4096
#define TIMEOUT_MS 3000

/* ---- in the lead ---- */

static int make_token(struct disagg_serving *serving, struct disagg_err *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char token[DISAGG_RESPONDER_TOKEN];

	if (getrandom(token, sizeof(token), 0) != (ssize_t)sizeof(token))
		return disagg_err_sys(err, "cannot make a token");
	for (size_t i = 0; i < sizeof(token); i++) {
		serving->token[2 * i] = digits[token[i] >> 4];
		serving->token[2 * i + 1] = digits[token[i] & 15];
	}
	serving->token[2 * sizeof(token)] = '\0';
	return 0;
}

static const char *serve_args(struct disagg_serving *serving)
{
	return disagg_arena_printf(disagg_fleet_arena(serving->fleet),
		"{\"serve\":true,\"token\":\"%s\"}", serving->token);
}

static uint16_t port_of(const struct disagg_fleet_task *task)
{
	struct disagg_json *json = NULL;
	int64_t port = 0;

	if (task->state != DISAGG_TASK_NOTED || !task->note ||
		disagg_json_parse(&json, task->note, strlen(task->note), NULL) < 0)
		return 0;
	if (disagg_json_int(disagg_json_at(json, "port"), &port) < 0 || port < 1 || port > 65535)
		port = 0;
	disagg_json_free(json);
	return (uint16_t)port;
}

int disagg_serving_start(struct disagg_serving *serving, bool first_only, struct disagg_err *err)
{
	struct disagg_arena *arena = disagg_fleet_arena(serving->fleet);
	const char *args;
	size_t tasks;

	serving->count = disagg_fleet_nodes(serving->fleet);
	tasks = first_only ? 1 : serving->count;
	serving->task = disagg_arena_array(arena, serving->count, sizeof(*serving->task));
	serving->port = disagg_arena_array(arena, serving->count, sizeof(*serving->port));
	if (make_token(serving, err) < 0)
		return -1;
	args = serve_args(serving);
	if (!serving->task || !serving->port || !args)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < tasks; i++)
		serving->task[i] = (struct disagg_fleet_task){
			.node = i, .probe = serving->probe, .args = args};
	if (disagg_fleet_start(serving->fleet, serving->task, tasks, err) < 0 ||
		disagg_fleet_await_notes(serving->fleet, serving->task, tasks, err) < 0)
		return -1;
	for (size_t i = 0; i < tasks; i++)
		serving->port[i] = port_of(&serving->task[i]);
	return 0;
}

bool disagg_serving_runs(const struct disagg_serving *serving, size_t node)
{
	return serving->task[node].state == DISAGG_TASK_NOTED &&
	       !disagg_fleet_lost(serving->fleet, node);
}

void disagg_serving_stop(struct disagg_serving *serving)
{
	size_t tasks = 0;

	while (tasks < serving->count && serving->task[tasks].id)
		tasks++;
	disagg_fleet_stop(serving->fleet, serving->task, tasks);
	disagg_fleet_await(serving->fleet, serving->task, tasks, NULL);
}

void disagg_serving_put(const struct disagg_serving *serving, struct disagg_json_writer *writer,
	const size_t *peer, size_t count)
{
	disagg_json_put_text(writer, "token", serving->token);
	disagg_json_begin(writer, "peers", '[');
	for (size_t i = 0; i < count; i++) {
		disagg_json_begin(writer, NULL, '{');
		disagg_json_put_text(writer, "name", disagg_fleet_name(serving->fleet, peer[i]));
		disagg_json_put_text(
			writer, "address", disagg_fleet_address(serving->fleet, peer[i]));
		disagg_json_put_int(writer, "port", serving->port[peer[i]]);
		disagg_json_end(writer, '}');
	}
	disagg_json_end(writer, ']');
}

/* ---- on a node ---- */

bool disagg_serving_asked(const struct disagg_probe_run *run)
{
	return disagg_json_is_true(disagg_json_at(run->args, "serve"));
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_token(
	const struct disagg_probe_run *run, unsigned char *token, struct disagg_err *err)
{
	const char *text = disagg_json_text(disagg_json_at(run->args, "token"));

	if (!text || strlen(text) != 2 * DISAGG_RESPONDER_TOKEN)
		return disagg_err_set(err, DISAGG_INVALID, "no token in the arguments");
	for (size_t i = 0; i < DISAGG_RESPONDER_TOKEN; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return disagg_err_set(err, DISAGG_INVALID, "a token that is no number");
		token[i] = (unsigned char)(high * 16 + low);
	}
	return 0;
}

static const unsigned char *make_pattern(struct disagg_arena *arena)
{
	unsigned char *pattern = disagg_arena_alloc(arena, DISAGG_RESPONDER_PATTERN);

	if (pattern)
		disagg_pattern_fill(pattern, DISAGG_RESPONDER_PATTERN);
	return pattern;
}

int disagg_serving_answer(
	struct disagg_probe_run *run, struct disagg_responder *responder, struct disagg_err *err)
{
	const char *note;

	if (read_token(run, responder->token, err) < 0)
		return -1;
	if (!responder->pattern)
		responder->pattern = make_pattern(run->arena);
	if (!responder->pattern)
		return disagg_err_nomem(err);
	if (disagg_responder_open(responder, err) < 0)
		return -1;
	note = disagg_arena_printf(run->arena, "{\"port\":%u}", (unsigned)responder->port);
	if (!note) {
		disagg_responder_close(responder);
		return disagg_err_nomem(err);
	}
	run->note(run, note);
	/* it is ended by the lead, or by its deadline */
	return disagg_responder_serve(responder, INT32_MAX, -1, err);
}

static int read_peer(
	const struct disagg_json *json, struct disagg_peer *peer, struct disagg_err *err)
{
	int64_t port;

	peer->name = disagg_json_text(disagg_json_at(json, "name"));
	peer->target.address = disagg_json_text(disagg_json_at(json, "address"));
	if (!peer->name || !peer->target.address ||
		disagg_json_int(disagg_json_at(json, "port"), &port) < 0 || port < 0 ||
		port > 65535)
		return disagg_err_set(err, DISAGG_INVALID, "a peer that has no name or address");
	peer->target.port = (uint16_t)port;
	return 0;
}

int disagg_serving_peers(struct disagg_probe_run *run, struct disagg_peer **ret, size_t *ret_count,
	struct disagg_err *err)
{
	const struct disagg_json *list = disagg_json_at(run->args, "peers");
	unsigned char *token = disagg_arena_alloc(run->arena, DISAGG_RESPONDER_TOKEN);
	const unsigned char *pattern = make_pattern(run->arena);
	size_t count = disagg_json_count(list);
	struct disagg_peer *peer;

	if (!token || !pattern)
		return disagg_err_nomem(err);
	if (read_token(run, token, err) < 0)
		return -1;
	if (count > PEERS_MAX)
		return disagg_err_set(
			err, DISAGG_INVALID, "%zu peers, expected %d at most", count, PEERS_MAX);
	peer = disagg_arena_array(run->arena, count + 1, sizeof(*peer));
	if (!peer)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		if (read_peer(disagg_json_item(list, i), &peer[i], err) < 0)
			return -1;
		peer[i].target.token = token;
		peer[i].target.pattern = pattern;
		peer[i].target.timeout_ms = TIMEOUT_MS;
		peer[i].target.mtu_discover = -1;
	}
	*ret = peer;
	*ret_count = count;
	return 0;
}
