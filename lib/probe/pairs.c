/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/pairs_build.h"

#include "lib/host/http.h"
#include "lib/probe/phase.h"
#include <math.h>
#include <string.h>
#include <sys/random.h>

#define BYTES	   (256ull << 20)
#define ITERATIONS 20
#define PLACE_MS   30000u
#define LEAST_MS   1000 /* a test is not begun with less */

/* ---- who takes part ---- */

/* The count of GPUs that most nodes have. */
static size_t usual_gpus(const struct disagg_fleet *fleet)
{
	size_t nodes = disagg_fleet_nodes(fleet), usual = 0, most = 0;
	size_t with[DISAGG_LOCALISE_RAILS_MAX + 1] = {0};

	for (size_t i = 0; i < nodes; i++) {
		size_t gpus = disagg_fleet_gpus(fleet, i, NULL);

		if (gpus > DISAGG_LOCALISE_RAILS_MAX)
			gpus = DISAGG_LOCALISE_RAILS_MAX;
		if (gpus)
			with[gpus]++;
	}
	for (size_t gpus = 1; gpus <= DISAGG_LOCALISE_RAILS_MAX; gpus++) {
		if (with[gpus] < most || !with[gpus])
			continue;
		most = with[gpus];
		usual = gpus;
	}
	return usual;
}

static void take_part(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->nodes; i++) {
		size_t gpus = disagg_fleet_gpus(pairs->fleet, i, NULL);

		pairs->takes_part[i] = !disagg_fleet_lost(pairs->fleet, i) && gpus >= pairs->rails;
		if (!pairs->takes_part[i] && gpus)
			pairs->why[i] = disagg_arena_printf(disagg_fleet_arena(pairs->fleet),
				"it has %zu GPUs, most nodes have %zu", gpus, pairs->rails);
		else if (!pairs->takes_part[i])
			pairs->why[i] = "no GPU, or lost";
	}
}

/* ---- where they are ---- */

static void read_place(struct pairs *pairs, const struct disagg_fleet_task *task)
{
	struct disagg_json *json = NULL;
	const char *leaf;
	double ports;

	if (!task->note || disagg_json_parse(&json, task->note, strlen(task->note), NULL) < 0)
		return;
	leaf = disagg_json_text(disagg_json_at(json, "leaf"));
	if (leaf)
		pairs->leaf_name[task->node] =
			disagg_arena_strdup(disagg_fleet_arena(pairs->fleet), leaf);
	if (disagg_json_real(disagg_json_at(json, "ports_gbs"), &ports) == 0 && ports > 0) {
		double rail = DISAGG_PAIRS_OF_LINE * ports / (double)pairs->rails;

		/* the slowest node's: what the fleet was built for is not known */
		pairs->reference = pairs->reference > 0 ? fmin(pairs->reference, rail) : rail;
	}
	disagg_json_free(json);
}

/* Leaves are numbered by the first node of each; nodes without one share none. */
static void number_leaves(struct pairs *pairs)
{
	unsigned known = 0, distinct = 0;

	for (size_t i = 0; i < pairs->nodes; i++) {
		size_t k = 0;

		pairs->leaf[i] = (unsigned)i;
		if (!pairs->leaf_name[i])
			continue;
		known++;
		while (!pairs->leaf_name[k] ||
			strcmp(pairs->leaf_name[k], pairs->leaf_name[i]) != 0)
			k++;
		pairs->leaf[i] = (unsigned)k;
		distinct += k == i;
	}
	pairs->has_leaves = distinct > 1 && distinct < known;
}

static int ask_places(struct pairs *pairs, struct disagg_err *err)
{
	struct disagg_arena *arena = disagg_fleet_arena(pairs->fleet);
	struct disagg_fleet_task *task = disagg_arena_array(arena, pairs->nodes, sizeof(*task));
	size_t count = 0;

	if (!task)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < pairs->nodes; i++)
		if (pairs->takes_part[i])
			task[count++] = (struct disagg_fleet_task){.node = i,
				.probe = pairs->probe,
				.args = "{\"place\":true}",
				.deadline_ms = PLACE_MS};
	if (disagg_fleet_start(pairs->fleet, task, count, err) < 0 ||
		disagg_fleet_await(pairs->fleet, task, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		read_place(pairs, &task[i]);
		/* it is cheap: where it fails, a test would too, and cost its partner's time */
		if (task[i].state != DISAGG_TASK_FAILED)
			continue;
		pairs->takes_part[task[i].node] = false;
		pairs->why[task[i].node] = task[i].reason;
	}
	number_leaves(pairs);
	return 0;
}

/* ---- a round ---- */

/* One test: the tasks of both nodes. */
struct test {
	struct disagg_fleet_task *first, *second; /* second's id 0: not started */
};

static const char *args_of(const struct pairs *pairs, const struct disagg_localise_pair *pair,
	int node, const char *id)
{
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};
	const char *args;

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_begin(&writer, "nodes", '[');
	disagg_json_put_text(&writer, NULL, disagg_fleet_name(pairs->fleet, pair->a));
	disagg_json_put_text(&writer, NULL, disagg_fleet_name(pairs->fleet, pair->b));
	disagg_json_end(&writer, ']');
	disagg_json_put_int(&writer, "node", node);
	disagg_json_put_int(&writer, "ranks_per_node", (int64_t)pairs->rails);
	disagg_json_put_int(&writer, "bytes", (int64_t)pairs->bytes);
	disagg_json_put_int(&writer, "iterations", ITERATIONS);
	disagg_json_put_bool(&writer, "rails", true);
	if (id)
		disagg_json_put_text(&writer, "id", id);
	disagg_json_end(&writer, '}');
	args = text.failed ? NULL
			   : disagg_arena_strdup(disagg_fleet_arena(pairs->fleet), text.text);
	disagg_strbuf_release(&text);
	return args;
}

static int start_seconds(struct pairs *pairs, const struct disagg_localise_pair *pair, size_t count,
	struct disagg_fleet_task *task, struct disagg_err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct disagg_fleet_task *second = &task[count + i];
		struct disagg_phase_seen seen = disagg_phase_read(task[i].note);

		*second = (struct disagg_fleet_task){
			.node = pair[i].b, .probe = pairs->probe, .state = DISAGG_TASK_FAILED};
		if (task[i].state != DISAGG_TASK_NOTED || !seen.id[0])
			continue;
		second->args = args_of(pairs, &pair[i], 1, seen.id);
		second->deadline_ms = task[i].deadline_ms;
		if (!second->args)
			return disagg_err_nomem(err);
		if (disagg_fleet_start(pairs->fleet, second, 1, err) < 0)
			return -1;
	}
	return 0;
}

/* GB/s of each rail, as the first node's task has told; whether there is any. */
static bool values_of(
	const struct pairs *pairs, const struct disagg_fleet_task *task, double *value)
{
	bool any = false;

	for (size_t rail = 0; rail < pairs->rails; rail++)
		value[rail] = -1;
	for (size_t i = 0; i < task->records; i++) {
		const struct disagg_probe_record *record =
			disagg_fleet_record(pairs->fleet, task, i);

		if (!record->has_value || record->rail < 0 || (size_t)record->rail >= pairs->rails)
			continue;
		value[record->rail] = record->value;
		any = true;
	}
	return any;
}

static void note_best(struct pairs *pairs, size_t node, const double *value)
{
	double worst = INFINITY;

	for (size_t rail = 0; rail < pairs->rails; rail++)
		if (value[rail] >= 0)
			worst = fmin(worst, value[rail]);
	pairs->best[node] = fmax(pairs->best[node], worst);
	pairs->tests[node]++;
}

/* Whether the task says that its node cannot be tested, not that a test failed. */
static bool is_out(struct pairs *pairs, const struct disagg_fleet_task *task)
{
	if (task->id && task->state == DISAGG_TASK_FAILED && task->reason)
		pairs->why[task->node] = task->reason;
	if (task->id && task->state == DISAGG_TASK_SKIPPED)
		pairs->why[task->node] = task->reason ? task->reason : "it has nothing to test";
	return disagg_fleet_lost(pairs->fleet, task->node) ||
	       (task->id && task->state == DISAGG_TASK_SKIPPED);
}

static void take_result(struct pairs *pairs, size_t at, const struct disagg_fleet_task *first,
	const struct disagg_fleet_task *second)
{
	double value[DISAGG_LOCALISE_RAILS_MAX];

	if (values_of(pairs, first, value)) {
		disagg_localise_result(pairs->search, at, value);
		note_best(pairs, first->node, value);
		note_best(pairs, second->node, value);
	} else if (!is_out(pairs, first) && !is_out(pairs, second)) {
		disagg_localise_result(pairs->search, at, NULL);
	}
	if (is_out(pairs, first))
		disagg_localise_drop(pairs->search, (uint32_t)first->node);
	if (is_out(pairs, second))
		disagg_localise_drop(pairs->search, (uint32_t)second->node);
}

static int64_t left_ms(const struct pairs *pairs)
{
	return (pairs->until_ns - disagg_monotonic_ns()) / 1000000;
}

/* Of a test that begins now. */
static unsigned deadline_ms(const struct pairs *pairs)
{
	int64_t left = left_ms(pairs) > LEAST_MS ? left_ms(pairs) : LEAST_MS;

	return left < pairs->probe->deadline_ms ? (unsigned)left : pairs->probe->deadline_ms;
}

static int measure(struct pairs *pairs, const struct disagg_localise_pair *pair, size_t count,
	struct disagg_err *err)
{
	struct disagg_fleet_task *task =
		disagg_arena_array(disagg_fleet_arena(pairs->fleet), 2 * count, sizeof(*task));

	if (!task)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		task[i] = (struct disagg_fleet_task){.node = pair[i].a,
			.probe = pairs->probe,
			.deadline_ms = deadline_ms(pairs),
			.args = args_of(pairs, &pair[i], 0, NULL)};
		if (!task[i].args)
			return disagg_err_nomem(err);
	}
	if (disagg_fleet_start(pairs->fleet, task, count, err) < 0 ||
		disagg_fleet_await_notes(pairs->fleet, task, count, err) < 0 ||
		start_seconds(pairs, pair, count, task, err) < 0 ||
		disagg_fleet_await(pairs->fleet, task, 2 * count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		take_result(pairs, i, &task[i], &task[count + i]);
	return 0;
}

/* ---- all of it ---- */

static bool all_pairs(const struct pairs *pairs)
{
	bool thorough = disagg_fleet_options(pairs->fleet)->suite == DISAGG_SUITE_THOROUGH;

	return pairs->nodes <= (thorough ? DISAGG_PAIRS_ALL_THOROUGH : DISAGG_PAIRS_ALL);
}

static int open_search(struct pairs *pairs, struct disagg_err *err)
{
	struct disagg_localise_setup setup = {.nodes = pairs->nodes,
		.rails = pairs->rails,
		.leaf = pairs->has_leaves ? pairs->leaf : NULL,
		.reference = pairs->reference,
		.all_pairs = all_pairs(pairs)};

	if (getrandom(&setup.seed, sizeof(setup.seed), 0) != (ssize_t)sizeof(setup.seed))
		return disagg_err_sys(err, "cannot draw pairs");
	if (disagg_localise_new(disagg_fleet_arena(pairs->fleet), &setup, &pairs->search, err) < 0)
		return -1;
	for (size_t i = 0; i < pairs->nodes; i++)
		if (!pairs->takes_part[i])
			disagg_localise_drop(pairs->search, (uint32_t)i);
	return 0;
}

static int search(struct pairs *pairs, struct disagg_err *err)
{
	const struct disagg_localise_pair *pair;
	size_t count;

	if (ask_places(pairs, err) < 0 || open_search(pairs, err) < 0)
		return -1;
	pairs->start_ns = disagg_monotonic_ns();
	pairs->until_ns = pairs->start_ns +
			  (int64_t)DISAGG_PAIRS_DEADLINES * pairs->probe->deadline_ms * 1000000;
	do {
		pairs->cut = disagg_localise_rounds(pairs->search) && left_ms(pairs) < LEAST_MS;
		if (pairs->cut) {
			disagg_localise_stop(pairs->search);
			break;
		}
		if (disagg_localise_next(pairs->search, &pair, &count, err) < 0 ||
			(count && measure(pairs, pair, count, err) < 0))
			return -1;
	} while (count);
	return pairs_tell(pairs, err);
}

static int make_room(struct pairs *pairs, struct disagg_err *err)
{
	struct disagg_arena *arena = disagg_fleet_arena(pairs->fleet);

	pairs->takes_part = disagg_arena_array(arena, pairs->nodes, sizeof(bool));
	pairs->leaf_name = disagg_arena_array(arena, pairs->nodes, sizeof(*pairs->leaf_name));
	pairs->leaf = disagg_arena_array(arena, pairs->nodes, sizeof(*pairs->leaf));
	pairs->why = disagg_arena_array(arena, pairs->nodes, sizeof(*pairs->why));
	pairs->best = disagg_arena_array(arena, pairs->nodes, sizeof(*pairs->best));
	pairs->tests = disagg_arena_array(arena, pairs->nodes, sizeof(*pairs->tests));
	if (!pairs->takes_part || !pairs->leaf_name || !pairs->leaf || !pairs->why ||
		!pairs->best || !pairs->tests)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < pairs->nodes; i++)
		pairs->best[i] = -1;
	return 0;
}

int disagg_pairs_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err)
{
	const struct disagg_probe_options *options = disagg_fleet_options(fleet);
	struct pairs pairs = {.fleet = fleet,
		.probe = probe,
		.nodes = disagg_fleet_nodes(fleet),
		.rails = usual_gpus(fleet),
		.bytes = BYTES};

	if (pairs.nodes < 2)
		return disagg_err_set(err, DISAGG_SKIPPED, "one node makes no pair");
	if (!pairs.rails)
		return disagg_err_set(err, DISAGG_SKIPPED, "no node has a GPU");
	if (options->nccl_max_bytes && options->nccl_max_bytes < pairs.bytes)
		pairs.bytes = options->nccl_max_bytes;
	if (make_room(&pairs, err) < 0)
		return -1;
	take_part(&pairs);
	return search(&pairs, err);
}
