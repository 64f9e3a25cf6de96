/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/fleet_build.h"

#include "lib/host/http.h"
#include "lib/probe/child.h"
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define ARENA_BYTES ((size_t)16 << 30) /* 10,000 nodes' records are a few of these */
#define MOST_REASON 1024u

/* ---- opening, closing ---- */

static int watch_all(struct disagg_fleet *fleet, struct disagg_err *err)
{
	fleet->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (fleet->epoll_fd < 0)
		return disagg_err_sys(err, "cannot watch the nodes");
	if (fleet->spec.listen_fd >= 0 &&
		fleet_watch_fd(fleet, fleet->spec.listen_fd, &fleet->spec.listen_fd, EPOLLIN))
		return disagg_err_sys(err, "cannot watch the nodes");
	if (fleet->spec.signal_fd >= 0 &&
		fleet_watch_fd(fleet, fleet->spec.signal_fd, &fleet->spec.signal_fd, EPOLLIN))
		return disagg_err_sys(err, "cannot watch for signals");
	return fleet->spec.local_fd < 0 ? 0 : fleet_add_local(fleet, fleet->spec.local_fd, err);
}

static int compare_names(const void *a, const void *b)
{
	const struct fleet_node *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int open_nodes(struct disagg_fleet *fleet, struct disagg_err *err)
{
	fleet->node = disagg_arena_array(&fleet->arena, fleet->spec.count, sizeof(*fleet->node));
	fleet->by_name =
		disagg_arena_array(&fleet->arena, fleet->spec.count, sizeof(*fleet->by_name));
	if (!fleet->node || !fleet->by_name)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < fleet->spec.count; i++) {
		fleet->node[i].name = fleet->spec.name[i];
		fleet->by_name[i] = &fleet->node[i];
	}
	qsort(fleet->by_name, fleet->spec.count, sizeof(*fleet->by_name), compare_names);
	return watch_all(fleet, err);
}

int disagg_fleet_open(
	const struct disagg_fleet_spec *spec, struct disagg_fleet **ret, struct disagg_err *err)
{
	struct disagg_fleet *fleet = calloc(1, sizeof(*fleet));

	if (!fleet)
		return disagg_err_nomem(err);
	fleet->spec = *spec;
	fleet->epoll_fd = -1;
	fleet->arena.limit = ARENA_BYTES;
	fleet->alive_ns = disagg_monotonic_ns();
	if (open_nodes(fleet, err) != 0) {
		disagg_fleet_close(fleet);
		return -1;
	}
	*ret = fleet;
	return 0;
}

void disagg_fleet_close(struct disagg_fleet *fleet)
{
	for (struct fleet_peer *peer = fleet->peer; peer; peer = peer->next) {
		if (peer->closed)
			continue;
		if (peer->node)
			disagg_link_send(&peer->link, "end", 0, "", 0);
		fleet_drop(fleet, peer);
	}
	fleet_free_closed(fleet);
	for (size_t i = 0; i < fleet->slots; i++)
		free(fleet->slot[i].record);
	free(fleet->slot);
	free(fleet->record);
	if (fleet->epoll_fd >= 0)
		close(fleet->epoll_fd);
	if (fleet->spec.listen_fd >= 0)
		close(fleet->spec.listen_fd);
	disagg_arena_release(&fleet->arena);
	free(fleet);
}

/* ---- what it knows ---- */

size_t disagg_fleet_nodes(const struct disagg_fleet *fleet)
{
	return fleet->spec.count;
}

const char *disagg_fleet_name(const struct disagg_fleet *fleet, size_t node)
{
	return fleet->node[node].name;
}

int disagg_fleet_find(const struct disagg_fleet *fleet, const char *name, size_t *ret_node)
{
	struct fleet_node key = {.name = name}, *const pointer = &key;
	struct fleet_node *const *found = bsearch(&pointer, fleet->by_name, fleet->spec.count,
		sizeof(*fleet->by_name), compare_names);

	if (!found)
		return -1;
	*ret_node = (size_t)(*found - fleet->node);
	return 0;
}

bool disagg_fleet_lost(const struct disagg_fleet *fleet, size_t node)
{
	return fleet->node[node].state == FLEET_NODE_LOST;
}

const char *disagg_fleet_reason(const struct disagg_fleet *fleet, size_t node)
{
	return disagg_fleet_lost(fleet, node) ? fleet->node[node].reason : NULL;
}

size_t disagg_fleet_gpus(
	const struct disagg_fleet *fleet, size_t node, const struct disagg_gpu **ret)
{
	if (ret)
		*ret = fleet->node[node].gpus.gpu;
	return fleet->node[node].gpus.count;
}

const char *disagg_fleet_no_gpu(const struct disagg_fleet *fleet, size_t node)
{
	return fleet->node[node].gpus.reason;
}

const char *disagg_fleet_address(const struct disagg_fleet *fleet, size_t node)
{
	if (fleet->node[node].address)
		return fleet->node[node].address;
	return fleet->own_address ? fleet->own_address : "127.0.0.1";
}

const struct disagg_probe_options *disagg_fleet_options(const struct disagg_fleet *fleet)
{
	return fleet->spec.options;
}

struct disagg_arena *disagg_fleet_arena(struct disagg_fleet *fleet)
{
	return &fleet->arena;
}

const char *disagg_fleet_cancelled(const struct disagg_fleet *fleet)
{
	return fleet->cancelled;
}

struct disagg_fleet_count disagg_fleet_tasks(const struct disagg_fleet *fleet)
{
	return (struct disagg_fleet_count){.started = fleet->slots, .ended = fleet->ended};
}

/* ---- records ---- */

/* One more pointer behind an array that doubles; -1: no memory. */
static int push(const struct disagg_probe_record ***array, size_t *count, size_t *size,
	const struct disagg_probe_record *record)
{
	size_t grown_size = *size ? 2 * *size : 8;
	const struct disagg_probe_record **grown;

	if (*count == *size) {
		grown = reallocarray(*array, grown_size, sizeof(**array));
		if (!grown)
			return -1;
		*array = grown;
		*size = grown_size;
	}
	(*array)[(*count)++] = record;
	return 0;
}

static void keep(struct disagg_fleet *fleet, const struct disagg_probe_record *record)
{
	if (push(&fleet->record, &fleet->records, &fleet->record_size, record))
		fleet->out_of_memory = true;
	if (fleet->spec.record)
		fleet->spec.record(fleet->spec.context, record);
}

const struct disagg_probe_record *const *disagg_fleet_records(
	const struct disagg_fleet *fleet, size_t *ret_count)
{
	*ret_count = fleet->records;
	return fleet->record;
}

const struct disagg_probe_record *disagg_fleet_record(
	const struct disagg_fleet *fleet, const struct disagg_fleet_task *task, size_t index)
{
	const struct fleet_slot *slot;

	if (task->id == 0 || task->id > fleet->slots)
		return NULL;
	slot = &fleet->slot[task->id - 1];
	return index < slot->records ? slot->record[index] : NULL;
}

static double wall_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void disagg_fleet_leads(struct disagg_fleet *fleet, const struct disagg_probe *probe)
{
	fleet->leading = probe;
	fleet->leading_s = wall_s();
}

static struct disagg_probe_record filled(
	const struct disagg_fleet *fleet, const struct disagg_probe_record *given)
{
	struct disagg_probe_record record = *given;
	double now_s = wall_s();

	if (!record.probe && fleet->leading)
		record.probe = fleet->leading->name;
	if (!record.node)
		record.node = fleet->node[0].name;
	if (record.start_s > 0)
		return record;
	record.start_s = fleet->leading ? fleet->leading_s : now_s;
	if (record.duration_ms <= 0 && now_s > record.start_s)
		record.duration_ms = (now_s - record.start_s) * 1e3;
	return record;
}

/* A copy that lives as long as the run, made by the way that a node's own takes. */
void disagg_fleet_emit(struct disagg_fleet *fleet, const struct disagg_probe_record *given)
{
	const struct disagg_probe_record record = filled(fleet, given);
	struct disagg_probe_record *copy = disagg_arena_alloc(&fleet->arena, sizeof(*copy));
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	disagg_probe_record_put(&text, &record);
	if (copy && !text.failed &&
		disagg_probe_record_read(&fleet->arena, text.text, text.len, copy, NULL) == 0)
		keep(fleet, copy);
	disagg_strbuf_release(&text);
}

/* ---- tasks ---- */

void fleet_end_task(struct disagg_fleet *fleet, struct fleet_slot *slot,
	enum disagg_task_state state, const char *reason)
{
	char *copy = NULL;

	if (!slot->task)
		return;
	if (reason && reason[0]) {
		copy = disagg_arena_strndup(&fleet->arena, reason, strnlen(reason, MOST_REASON));
		if (copy)
			disagg_text_tame(copy);
	}
	slot->task->state = state;
	slot->task->reason = copy;
	slot->task = NULL;
	fleet->ended++;
}

void fleet_send(struct disagg_fleet *fleet, struct fleet_node *node, const char *verb,
	uint64_t number, const struct disagg_strbuf *body)
{
	if (!node->peer)
		return;
	if (disagg_link_send(
		    &node->peer->link, verb, number, body ? body->text : "", body ? body->len : 0))
		fleet_lose(fleet, node, "the connection has ended");
}

static struct fleet_slot *add_slot(struct disagg_fleet *fleet, struct disagg_fleet_task *task)
{
	size_t size = fleet->slot_size ? 2 * fleet->slot_size : 64;
	unsigned deadline_ms = task->deadline_ms ? task->deadline_ms : task->probe->deadline_ms;
	struct fleet_slot *slot;

	if (fleet->slots == fleet->slot_size) {
		slot = reallocarray(fleet->slot, size, sizeof(*slot));
		if (!slot)
			return NULL;
		fleet->slot = slot;
		fleet->slot_size = size;
	}
	slot = &fleet->slot[fleet->slots++];
	*slot = (struct fleet_slot){
		.task = task,
		.node = &fleet->node[task->node],
		.until_ns = disagg_monotonic_ns() + (int64_t)deadline_ms * 1000000 +
			    FLEET_TASK_SLACK_NS,
	};
	task->state = DISAGG_TASK_RUNNING;
	task->note = task->reason = NULL;
	task->records = 0;
	task->deadline_ms = deadline_ms;
	task->id = fleet->slots;
	return slot;
}

static void put_start(struct disagg_strbuf *text, const struct disagg_fleet_task *task)
{
	struct disagg_json_writer writer = {.out = text};

	disagg_strbuf_init(text, DISAGG_LINK_LINE);
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_text(&writer, "probe", task->probe->name);
	disagg_json_put_int(&writer, "deadline_ms", task->deadline_ms);
	if (task->gpu)
		disagg_json_put_int(&writer, "gpu", task->gpu->index);
	if (task->args) {
		disagg_strbuf_puts(text, ",\"args\":");
		disagg_strbuf_puts(text, task->args);
	}
	disagg_json_end(&writer, '}');
}

static int start_task(
	struct disagg_fleet *fleet, struct disagg_fleet_task *task, struct disagg_err *err)
{
	struct fleet_slot *slot = add_slot(fleet, task);
	struct disagg_strbuf text;

	if (!slot)
		return disagg_err_nomem(err);
	if (slot->node->state == FLEET_NODE_LOST)
		fleet_end_task(fleet, slot, DISAGG_TASK_FAILED, slot->node->reason);
	else if (fleet->cancelled)
		fleet_end_task(fleet, slot, DISAGG_TASK_FAILED, fleet->cancelled);
	if (!slot->task)
		return 0;
	put_start(&text, task);
	if (text.failed || (task->args && strchr(task->args, '\n')))
		fleet_end_task(
			fleet, slot, DISAGG_TASK_FAILED, "its arguments are no line of 64 KiB");
	else
		fleet_send(fleet, slot->node, "start", task->id, &text);
	disagg_strbuf_release(&text);
	return 0;
}

int disagg_fleet_start(struct disagg_fleet *fleet, struct disagg_fleet_task *tasks, size_t count,
	struct disagg_err *err)
{
	for (size_t i = 0; i < count; i++)
		if (start_task(fleet, &tasks[i], err) != 0)
			return -1;
	return 0;
}

static bool has_ended(const struct disagg_fleet_task *task)
{
	return task->state != DISAGG_TASK_RUNNING && task->state != DISAGG_TASK_NOTED;
}

static void cancel_all(struct disagg_fleet *fleet)
{
	for (size_t i = 0; i < fleet->slots; i++) {
		struct fleet_slot *slot = &fleet->slot[i];

		if (!slot->task)
			continue;
		fleet_send(fleet, slot->node, "stop", slot->task->id, NULL);
		fleet_end_task(fleet, slot, DISAGG_TASK_FAILED, fleet->cancelled);
	}
}

static int await(struct disagg_fleet *fleet, const struct disagg_fleet_task *tasks, size_t count,
	bool notes, struct disagg_err *err)
{
	size_t next = 0;

	while (!fleet->cancelled) {
		while (next < count && (has_ended(&tasks[next]) ||
					       (notes && tasks[next].state == DISAGG_TASK_NOTED)))
			next++;
		if (next == count)
			return fleet->out_of_memory ? disagg_err_nomem(err) : 0;
		fleet_turn(fleet, INT64_MAX);
	}
	cancel_all(fleet);
	return disagg_err_set(err, DISAGG_TIMEOUT, "%s", fleet->cancelled);
}

int disagg_fleet_await_notes(struct disagg_fleet *fleet, struct disagg_fleet_task *tasks,
	size_t count, struct disagg_err *err)
{
	return await(fleet, tasks, count, true, err);
}

int disagg_fleet_await(struct disagg_fleet *fleet, struct disagg_fleet_task *tasks, size_t count,
	struct disagg_err *err)
{
	return await(fleet, tasks, count, false, err);
}

void disagg_fleet_stop(struct disagg_fleet *fleet, struct disagg_fleet_task *tasks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!has_ended(&tasks[i]) && tasks[i].id)
			fleet_send(fleet, &fleet->node[tasks[i].node], "stop", tasks[i].id, NULL);
}

/* ---- what agents say ---- */

static void take_record(
	struct disagg_fleet *fleet, struct fleet_slot *slot, const struct disagg_message *message)
{
	struct disagg_probe_record *record = disagg_arena_alloc(&fleet->arena, sizeof(*record));

	if (!record || disagg_probe_record_read(
			       &fleet->arena, message->body, message->len, record, NULL) != 0) {
		fleet_say(fleet, "%s sent a record that is none", slot->node->name);
		return;
	}
	record->node = slot->node->name; /* a node speaks for itself alone */
	if (push(&slot->record, &slot->records, &slot->size, record))
		fleet->out_of_memory = true;
	slot->task->records = slot->records;
	keep(fleet, record);
}

static void take_note(
	struct disagg_fleet *fleet, struct fleet_slot *slot, const struct disagg_message *message)
{
	char *note = disagg_arena_strndup(&fleet->arena, message->body, message->len);

	if (!note) {
		fleet->out_of_memory = true;
		return;
	}
	slot->task->note = note;
	slot->task->state = DISAGG_TASK_NOTED;
}

static void take_done(
	struct disagg_fleet *fleet, struct fleet_slot *slot, const struct disagg_message *message)
{
	struct disagg_json *json = NULL;
	enum disagg_task_state state = DISAGG_TASK_FAILED;
	const char *reason = "its agent's answer is no JSON";

	if (disagg_json_parse(&json, message->body, message->len, NULL) == 0) {
		reason = disagg_json_text(disagg_json_at(json, "reason"));
		if (disagg_json_equals(disagg_json_at(json, "state"), "done"))
			state = DISAGG_TASK_DONE;
		else if (disagg_json_equals(disagg_json_at(json, "state"), "skipped"))
			state = DISAGG_TASK_SKIPPED;
	}
	fleet_end_task(fleet, slot, state, reason);
	disagg_json_free(json);
}

static void take_gpus(
	struct disagg_fleet *fleet, struct fleet_node *node, const struct disagg_message *message)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (node->state != FLEET_NODE_JOINED)
		return;
	node->state = FLEET_NODE_READY;
	if (disagg_gpu_list_read(&fleet->arena, message->body, message->len, &node->gpus, &err))
		node->gpus.reason = disagg_arena_strdup(&fleet->arena, err.text);
}

static void take_bye(
	struct disagg_fleet *fleet, struct fleet_node *node, const struct disagg_message *message)
{
	struct disagg_json *json = NULL;
	const char *reason = NULL;

	if (disagg_json_parse(&json, message->body, message->len, NULL) == 0)
		reason = disagg_json_text(disagg_json_at(json, "reason"));
	fleet_lose(fleet, node, reason ? reason : "its agent has ended");
	disagg_json_free(json);
}

void fleet_take(
	struct disagg_fleet *fleet, struct fleet_node *node, const struct disagg_message *message)
{
	struct fleet_slot *slot = NULL;

	if (message->number > 0 && message->number <= fleet->slots)
		slot = &fleet->slot[message->number - 1];
	if (strcmp(message->verb, "gpus") == 0)
		take_gpus(fleet, node, message);
	else if (strcmp(message->verb, "bye") == 0)
		take_bye(fleet, node, message);
	if (!slot || !slot->task || slot->node != node)
		return; /* ended before, or another node's */
	/* an agent's child is stopped before; each is kept as long as the run */
	if (++slot->messages > 2 * DISAGG_CHILD_LINES) {
		fleet_lose(fleet, node, "it says more of a task than an agent does");
		return;
	}
	if (strcmp(message->verb, "record") == 0)
		take_record(fleet, slot, message);
	else if (strcmp(message->verb, "note") == 0)
		take_note(fleet, slot, message);
	else if (strcmp(message->verb, "done") == 0)
		take_done(fleet, slot, message);
}
