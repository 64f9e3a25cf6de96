/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/interop.h"

#include "lib/base/hostlist.h"
#include "lib/probe/fleet.h"
#include "lib/probe/phase.h"
#include <string.h>
#include <time.h>

#define ATTEMPTS   3   /* each leaves out the nodes that could not begin */
#define MOST_NAMES 200 /* bytes of a list of nodes in a reason */

static const uint64_t wanted_sizes[] = {8, 1u << 20, 256u << 20};

struct world {
	struct disagg_fleet *fleet;
	const struct disagg_probe *probe;
	struct disagg_fleet_task *tasks; /* of the nodes that take part, in rank order */
	size_t count;
	unsigned ranks;
	bool was_late; /* it took as long as a deadline */
};

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- starting ---- */

static void put_sizes(struct disagg_json_writer *writer, const struct disagg_probe_options *options)
{
	size_t count = 0;

	disagg_json_begin(writer, "sizes", '[');
	for (size_t i = 0; i < sizeof(wanted_sizes) / sizeof(wanted_sizes[0]); i++)
		if (count == 0 || wanted_sizes[i] <= options->nccl_max_bytes) {
			disagg_json_put_int(writer, NULL, (int64_t)wanted_sizes[i]);
			count++;
		}
	disagg_json_end(writer, ']');
}

/* NULL: no memory */
static const char *args_of(const struct world *world, unsigned first, const char *id)
{
	const struct disagg_probe_options *options = disagg_fleet_options(world->fleet);
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};
	const char *args;

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_int(&writer, "first_rank", first);
	disagg_json_put_int(&writer, "ranks", world->ranks);
	disagg_json_put_int(&writer, "nodes", (int64_t)world->count);
	disagg_json_put_int(&writer, "iterations", options->nccl_iterations);
	/* well before the deadline, so that who hangs is told from who waits */
	disagg_json_put_int(&writer, "stall_ms", world->probe->deadline_ms / 3);
	put_sizes(&writer, options);
	if (id)
		disagg_json_put_text(&writer, "id", id);
	disagg_json_end(&writer, '}');
	args = text.failed ? NULL
			   : disagg_arena_strdup(disagg_fleet_arena(world->fleet), text.text);
	disagg_strbuf_release(&text);
	return args;
}

/* The nodes that take part; before that, those that are not lost and have GPUs. */
static int gather(struct world *world, struct disagg_err *err)
{
	size_t nodes = disagg_fleet_nodes(world->fleet);

	world->tasks = disagg_arena_array(
		disagg_fleet_arena(world->fleet), nodes + 1, sizeof(*world->tasks));
	if (!world->tasks)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < nodes; i++)
		if (!disagg_fleet_lost(world->fleet, i) &&
			disagg_fleet_gpus(world->fleet, i, NULL) > 0)
			world->tasks[world->count++].node = i;
	return world->count ? 0
			    : disagg_err_set(err, DISAGG_SKIPPED,
				      "no node has a GPU that this step may use");
}

/* Ready to be started: in rank order, nothing come of them yet. */
static int set_up(struct world *world, const char *id, struct disagg_err *err)
{
	unsigned first = 0;

	for (size_t i = 0; i < world->count; i++) {
		size_t node = world->tasks[i].node;

		if (id == NULL || i > 0) {
			world->tasks[i] = (struct disagg_fleet_task){.node = node,
				.probe = world->probe,
				.args = args_of(world, first, id)};
			if (!world->tasks[i].args)
				return disagg_err_nomem(err);
		}
		first += (unsigned)disagg_fleet_gpus(world->fleet, node, NULL);
	}
	return 0;
}

static void count_ranks(struct world *world)
{
	world->ranks = 0;
	for (size_t i = 0; i < world->count; i++)
		world->ranks +=
			(unsigned)disagg_fleet_gpus(world->fleet, world->tasks[i].node, NULL);
}

static bool has_begun(const struct disagg_fleet_task *task)
{
	return disagg_phase_read(task->note).phase > DISAGG_PHASE_NONE;
}

/* ---- what became of them ---- */

static void emit_absent(const struct world *world, const struct disagg_fleet_task *task,
	const char *reason, const char *hint)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.probe = world->probe->name;
	record.node = disagg_fleet_name(world->fleet, task->node);
	record.status =
		task->state == DISAGG_TASK_SKIPPED ? DISAGG_PROBE_SKIP : DISAGG_PROBE_UNKNOWN;
	record.reason = reason ? reason : "it ended without a record";
	record.hint = hint;
	record.start_s = seconds(CLOCK_REALTIME);
	disagg_fleet_emit(world->fleet, &record);
}

/* Those that could not begin are told and left out. */
static void leave_out(struct world *world)
{
	size_t kept = 0;

	for (size_t i = 0; i < world->count; i++) {
		if (has_begun(&world->tasks[i]))
			world->tasks[kept++] = world->tasks[i];
		else
			emit_absent(world, &world->tasks[i], world->tasks[i].reason,
				"it takes no part; the other nodes were measured without it");
	}
	world->count = kept;
}

/* Where a node stopped, and whether it said so itself. */
struct place {
	enum disagg_phase phase;
	bool innocent; /* it said itself that it waited, or saw an error */
	bool ended;
};

/*
 * Where the deadline has ended some, the errors that others saw then are of that:
 * who saw one may have been the cause itself.
 */
static struct place place_of(const struct world *world, const struct disagg_fleet_task *task)
{
	struct disagg_phase_seen seen = disagg_phase_read(task->note);

	return (struct place){.phase = seen.phase,
		.innocent = seen.stalled || (seen.gave_up && !world->was_late),
		.ended = task->state == DISAGG_TASK_DONE};
}

/* "2 nodes ended in init: n[3-4]; " */
static void put_group(const struct world *world, struct disagg_strbuf *out, struct place place,
	const char **names)
{
	struct disagg_strbuf list;
	size_t count = 0;

	for (size_t i = 0; i < world->count; i++) {
		struct place at = place_of(world, &world->tasks[i]);

		if (at.phase == place.phase && at.innocent == place.innocent &&
			at.ended == place.ended)
			names[count++] = disagg_fleet_name(world->fleet, world->tasks[i].node);
	}
	if (count == 0)
		return;
	disagg_strbuf_init(&list, 0);
	disagg_hostlist_fold(&list, names, count);
	disagg_strbuf_printf(out, "%s%zu %s: %.*s%s", out->len ? "; " : "", count,
		place.ended	 ? "done"
		: place.innocent ? "waited, or saw an error"
				 : "did not return",
		MOST_NAMES, list.text, list.len > MOST_NAMES ? "..." : "");
	if (!place.ended)
		disagg_strbuf_printf(out, " (reached %s)", disagg_phase_name(place.phase));
	disagg_strbuf_release(&list);
}

/* All nodes by what they reached, the least first: whom the others waited for. */
static const char *by_phase(const struct world *world)
{
	struct disagg_arena *arena = disagg_fleet_arena(world->fleet);
	const char **names = disagg_arena_array(arena, world->count, sizeof(*names));
	struct disagg_strbuf text;
	const char *copy;

	if (!names)
		return NULL;
	disagg_strbuf_init(&text, 0);
	for (int phase = DISAGG_PHASE_NONE; phase <= DISAGG_PHASE_FIRST; phase++)
		for (int innocent = 0; innocent <= 1; innocent++)
			put_group(world, &text,
				(struct place){
					.phase = (enum disagg_phase)phase, .innocent = innocent},
				names);
	for (int phase = DISAGG_PHASE_NONE; phase <= DISAGG_PHASE_FIRST; phase++)
		put_group(world, &text,
			(struct place){.phase = (enum disagg_phase)phase, .ended = true}, names);
	copy = text.failed ? NULL : disagg_arena_strdup(arena, text.text);
	disagg_strbuf_release(&text);
	return copy;
}

/*
 * The nodes that the others waited for: of those that said nothing of an error,
 * the ones that reached least.
 */
static bool is_suspect(const struct world *world, const struct disagg_fleet_task *task)
{
	struct place own = place_of(world, task);

	if (own.ended || own.innocent)
		return false;
	for (size_t i = 0; i < world->count; i++) {
		struct place at = place_of(world, &world->tasks[i]);

		if (!at.ended && !at.innocent && at.phase < own.phase)
			return false;
	}
	return true;
}

/* The names of the suspects where they are told from the rest; else NULL. */
static const char *suspects_of(const struct world *world)
{
	struct disagg_arena *arena = disagg_fleet_arena(world->fleet);
	const char **names = disagg_arena_array(arena, world->count, sizeof(*names));
	struct disagg_strbuf text;
	const char *copy = NULL;
	size_t count = 0;

	for (size_t i = 0; names && i < world->count; i++)
		if (is_suspect(world, &world->tasks[i]))
			names[count++] = disagg_fleet_name(world->fleet, world->tasks[i].node);
	if (count == 0 || count == world->count)
		return NULL;
	disagg_strbuf_init(&text, 0);
	disagg_hostlist_fold(&text, names, count);
	if (!text.failed)
		copy = disagg_arena_strndup(
			arena, text.text, text.len < MOST_NAMES ? text.len : MOST_NAMES);
	disagg_strbuf_release(&text);
	return copy;
}

static bool is_complete(const struct world *world)
{
	for (size_t i = 0; i < world->count; i++)
		if (!place_of(world, &world->tasks[i]).ended)
			return false;
	return true;
}

/* Of those that did not end; or of the suspects only, and the rest is left in the world. */
static void report(struct world *world, const char *suspects, bool only_suspects)
{
	struct disagg_arena *arena = disagg_fleet_arena(world->fleet);
	const char *phases = by_phase(world);
	struct world all = *world;

	all.tasks = disagg_arena_array(arena, world->count, sizeof(*all.tasks));
	if (!all.tasks)
		return;
	memcpy(all.tasks, world->tasks, world->count * sizeof(*all.tasks));
	world->count = 0;
	for (size_t i = 0; i < all.count; i++) {
		const struct disagg_fleet_task *task = &all.tasks[i];
		const char *reason = task->reason ? task->reason : "it ended without a record";
		bool suspect = suspects && is_suspect(&all, task);

		if (only_suspects && !suspect) {
			world->tasks[world->count++] = *task;
			continue;
		}
		if (place_of(&all, task).ended)
			continue;
		if (suspect)
			reason = disagg_arena_printf(arena, "the others waited for it: %s", reason);
		else if (suspects)
			reason = disagg_arena_printf(arena, "waited for %s: %s", suspects, reason);
		emit_absent(&all, task, reason,
			suspects ? phases
				 : disagg_arena_printf(
					   arena, "%s; nccl.pairs tells which of them", phases));
	}
}

/* ---- the run ---- */

/* The node that was to make the id; 0, or -1: cancelled. */
static int drop_first(struct world *world, struct disagg_err *err)
{
	disagg_fleet_stop(world->fleet, world->tasks, 1);
	if (disagg_fleet_await(world->fleet, world->tasks, 1, err) != 0)
		return -1;
	emit_absent(world, &world->tasks[0], world->tasks[0].reason,
		"it takes no part; the other nodes were measured without it");
	memmove(world->tasks, world->tasks + 1, --world->count * sizeof(*world->tasks));
	return 0;
}

/* 1: all have begun; 0: some were left out; -1: cancelled, no memory. */
static int begin(struct world *world, struct disagg_err *err)
{
	struct disagg_phase_seen first;
	const char *id;

	count_ranks(world);
	if (set_up(world, NULL, err) != 0 ||
		disagg_fleet_start(world->fleet, world->tasks, 1, err) != 0 ||
		disagg_fleet_await_notes(world->fleet, world->tasks, 1, err) != 0)
		return -1;
	first = disagg_phase_read(world->tasks[0].note);
	if (!first.id[0])
		return drop_first(world, err);
	id = disagg_arena_strdup(disagg_fleet_arena(world->fleet), first.id);
	if (!id)
		return disagg_err_nomem(err);
	if (set_up(world, id, err) != 0 ||
		disagg_fleet_start(world->fleet, world->tasks + 1, world->count - 1, err) != 0 ||
		disagg_fleet_await_notes(world->fleet, world->tasks + 1, world->count - 1, err) !=
			0)
		return -1;
	for (size_t i = 0; i < world->count; i++)
		if (!has_begun(&world->tasks[i]))
			return 0;
	return 1;
}

/* Ends what waits for those that could not begin. */
static int end_attempt(struct world *world, struct disagg_err *err)
{
	disagg_fleet_stop(world->fleet, world->tasks, world->count);
	if (disagg_fleet_await(world->fleet, world->tasks, world->count, err) != 0)
		return -1;
	leave_out(world);
	return 0;
}

/* 1: it is over; 0: again, without some; -1: cancelled. */
static int attempt(struct world *world, bool last, struct disagg_err *err)
{
	size_t count = world->count;
	double start = seconds(CLOCK_MONOTONIC);
	int begun = begin(world, err);
	const char *suspects;

	if (begun < 0)
		return -1;
	/* where the first was left out nothing else runs */
	if (begun == 0)
		return world->count == count ? end_attempt(world, err) : 0;
	if (disagg_fleet_await(world->fleet, world->tasks, world->count, err) != 0)
		return -1;
	if (is_complete(world))
		return 1;
	world->was_late = (seconds(CLOCK_MONOTONIC) - start) * 1e3 >= world->probe->deadline_ms;
	suspects = suspects_of(world);
	report(world, suspects, suspects && !last);
	return suspects && !last ? 0 : 1;
}

int disagg_probe_interop_lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err)
{
	struct world world = {.fleet = fleet, .probe = probe};

	if (gather(&world, err) != 0)
		return -1;
	for (int i = 1; i <= ATTEMPTS && world.count; i++) {
		int over = attempt(&world, i == ATTEMPTS, err);

		if (over != 0)
			return over < 0 ? -1 : 0;
	}
	for (size_t i = 0; i < world.count; i++)
		emit_absent(&world, &world.tasks[i], "too many other nodes could not begin", NULL);
	return 0;
}
