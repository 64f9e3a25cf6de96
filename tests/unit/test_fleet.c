/* SPDX-License-Identifier: Apache-2.0 */
/* Probes over a fleet of agents: what comes back, and what is said where nothing does. */
#include "fleetcase.h"
#include "tap.h"
#include <poll.h>

/* ---- probes ---- */

static int measure(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	(void)err;
	record.has_value = true;
	record.value = 42;
	record.unit = "us";
	run->emit(run, &record);
	printf("a library's chatter\n");
	return 0;
}

static int of_gpu(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");

	if (!visible || strcmp(visible, run->gpu->uuid) != 0)
		return disagg_err_set(err, DISAGG_SYSTEM, "CUDA would see another GPU");
	run->emit(run, &record);
	return 0;
}

static int skips(struct disagg_probe_run *run, struct disagg_err *err)
{
	(void)run;
	return disagg_err_set(err, DISAGG_SKIPPED, "no such thing here");
}

static int fails(struct disagg_probe_run *run, struct disagg_err *err)
{
	(void)run;
	return disagg_err_set(err, DISAGG_SYSTEM, "cannot open '/dev/x'");
}

static int is_silent(struct disagg_probe_run *run, struct disagg_err *err)
{
	(void)run;
	(void)err;
	return 0;
}

/* n2 alone is in trouble, after a record. */
static int crashes(struct disagg_probe_run *run, struct disagg_err *err)
{
	measure(run, err);
	if (strcmp(run->node, "n2") == 0) {
		fprintf(stderr, "about to fall\n");
		raise(SIGSEGV);
	}
	return 0;
}

static int hangs(struct disagg_probe_run *run, struct disagg_err *err)
{
	signal(SIGTERM, SIG_DFL);
	measure(run, err);
	while (strcmp(run->node, "n2") == 0)
		pause();
	return 0;
}

static int floods(struct disagg_probe_run *run, struct disagg_err *err)
{
	(void)err;
	while (strcmp(run->node, "n2") == 0)
		measure(run, err);
	return measure(run, err);
}

static int says_long(struct disagg_probe_run *run, struct disagg_err *err)
{
	static char text[80000];

	if (strcmp(run->node, "n2") == 0) {
		memset(text, 'x', sizeof(text) - 1);
		run->note(run, text);
		pause();
	}
	return measure(run, err);
}

/* The node's agent dies in mid-probe. */
static int kills_agent(struct disagg_probe_run *run, struct disagg_err *err)
{
	if (strcmp(run->node, "n2") == 0) {
		kill(getppid(), SIGKILL);
		pause();
	}
	return measure(run, err);
}

/* The node's agent is told to end in mid-probe. */
static int ends_agent(struct disagg_probe_run *run, struct disagg_err *err)
{
	measure(run, err);
	if (strcmp(run->node, "n2") == 0) {
		kill(getppid(), SIGTERM);
		while (true)
			pause();
	}
	return 0;
}

/* FLEET: each node is asked for its number and told another's. */
static int told(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	int64_t number;
	char text[64];

	if (disagg_json_int(disagg_json_at(run->args, "number"), &number))
		return disagg_err_set(err, DISAGG_INVALID, "no number");
	snprintf(text, sizeof(text), "{\"twice\":%d}", (int)number * 2);
	run->note(run, text);
	record.has_value = true;
	record.value = (double)number;
	run->emit(run, &record);
	return 0;
}

static int lead(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err)
{
	struct disagg_fleet_task task[FLEETCASE_MOST] = {0};
	size_t count = disagg_fleet_nodes(fleet);

	for (size_t i = 0; i < count; i++)
		task[i] = (struct disagg_fleet_task){
			.node = i, .probe = probe, .args = i ? "{\"number\":7}" : "{\"number\":3}"};
	if (disagg_fleet_start(fleet, task, count, err) ||
		disagg_fleet_await_notes(fleet, task, count, err))
		return -1;
	is_str(task[0].note, "{\"twice\":6}", "a note of the first node arrives in mid-run");
	is_str(task[1].note, "{\"twice\":14}", "and one of the second");
	if (disagg_fleet_await(fleet, task, count, err))
		return -1;
	is_int(task[1].state, DISAGG_TASK_DONE, "the task is done");
	ok(task[1].records == 1 && disagg_fleet_record(fleet, &task[1], 0)->value > 6.9,
		"its record is the task's");
	ok(!disagg_fleet_record(fleet, &task[1], 1), "and no other");
	return 0;
}

/* A record with nothing but a value. */
static int lead_terse(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	(void)probe;
	(void)err;
	record.has_value = true;
	record.value = 5;
	disagg_fleet_emit(fleet, &record);
	return 0;
}

static int lead_skips(
	struct disagg_fleet *fleet, const struct disagg_probe *probe, struct disagg_err *err)
{
	(void)fleet;
	(void)probe;
	return disagg_err_set(err, DISAGG_SKIPPED, "it needs 3 nodes");
}

#define LIMIT_MS 20000
static const struct disagg_probe probes[] = {
	{.name = "measure", .deadline_ms = LIMIT_MS, .run = measure},
	{.name = "of_gpu", .kind = DISAGG_PROBE_GPU, .deadline_ms = LIMIT_MS, .run = of_gpu},
	{.name = "alone", .kind = DISAGG_PROBE_GPU_ALONE, .deadline_ms = LIMIT_MS, .run = of_gpu},
	{.name = "skips", .deadline_ms = LIMIT_MS, .run = skips},
	{.name = "fails", .deadline_ms = LIMIT_MS, .run = fails},
	{.name = "silent", .deadline_ms = LIMIT_MS, .run = is_silent},
	{.name = "crashes", .deadline_ms = LIMIT_MS, .run = crashes},
	{.name = "hangs", .deadline_ms = 100, .run = hangs},
	{.name = "floods", .deadline_ms = LIMIT_MS, .run = floods},
	{.name = "says_long", .deadline_ms = LIMIT_MS, .run = says_long},
	{.name = "fleet",
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = LIMIT_MS,
		.run = told,
		.lead = lead},
	{.name = "fleet_skips", .kind = DISAGG_PROBE_FLEET, .lead = lead_skips},
	{.name = "terse", .kind = DISAGG_PROBE_FLEET, .lead = lead_terse},
	{.name = "kills_agent", .deadline_ms = LIMIT_MS, .run = kills_agent},
	{.name = "after", .deadline_ms = LIMIT_MS, .run = measure},
	{.name = NULL},
};

static int two_gpus(struct disagg_arena *arena, const struct disagg_probe_options *options,
	struct disagg_gpu_list *ret, struct disagg_err *err)
{
	struct disagg_gpu *gpu = disagg_arena_array(arena, 2, sizeof(*gpu));

	(void)options;
	(void)err;
	gpu[0] = (struct disagg_gpu){.index = 0, .uuid = "GPU-a", .name = "T1"};
	gpu[1] = (struct disagg_gpu){
		.index = 1, .uuid = "GPU-b", .name = "T1", .mem_bytes = 1 << 20};
	ret->gpu = gpu;
	ret->count = 2;
	return 0;
}

static int one_busy(struct disagg_arena *arena, const struct disagg_probe_options *options,
	struct disagg_gpu_list *ret, struct disagg_err *err)
{
	if (two_gpus(arena, options, ret, err))
		return -1;
	ret->busy = disagg_arena_array(arena, 2, sizeof(*ret->busy));
	ret->busy[1] = "GPU 1: process 7 (train)";
	return 0;
}

static int no_driver(struct disagg_arena *arena, const struct disagg_probe_options *options,
	struct disagg_gpu_list *ret, struct disagg_err *err)
{
	(void)arena;
	(void)options;
	(void)ret;
	return disagg_err_set(err, DISAGG_SKIPPED, "no NVIDIA driver");
}

/* ---- checks ---- */

/* The only record of that probe, node and GPU; NULL: none, or several. */
static const struct disagg_probe_record *find(
	const struct disagg_fleet *fleet, const char *probe, const char *node, int gpu)
{
	const struct disagg_probe_record *found = NULL;
	size_t count;
	const struct disagg_probe_record *const *record = disagg_fleet_records(fleet, &count);

	for (size_t i = 0; i < count; i++) {
		if (strcmp(record[i]->probe, probe) || strcmp(record[i]->node, node) ||
			record[i]->gpu != gpu)
			continue;
		if (found)
			return NULL;
		found = record[i];
	}
	return found;
}

/* The last record of the probe on the node. */
static const struct disagg_probe_record *last(
	const struct disagg_fleet *fleet, const char *probe, const char *node)
{
	size_t count;
	const struct disagg_probe_record *const *record = disagg_fleet_records(fleet, &count);

	while (count-- > 0)
		if (strcmp(record[count]->probe, probe) == 0 &&
			strcmp(record[count]->node, node) == 0)
			return record[count];
	return NULL;
}

static void is_status(const struct disagg_probe_record *record, enum disagg_probe_status status,
	const char *reason, const char *what)
{
	ok(record && record->status == status, what);
	if (reason)
		has_str(record ? record->reason : NULL, reason, "  and says why");
}

static void run_all(struct fleetcase *fleetcase)
{
	const struct disagg_probe *list[32];
	struct disagg_suite suite = {.probe = list};
	struct disagg_err err = DISAGG_ERR_INIT;

	for (; fleetcase->probes[suite.count].name; suite.count++)
		list[suite.count] = &fleetcase->probes[suite.count];
	is_int(disagg_suite_run(fleetcase->fleet, &suite, &err), 0, "the probes run to the end");
}

static void test_all(void)
{
	struct fleetcase fleetcase = {.probes = probes, .nodes = 3, .devices = two_gpus};
	struct disagg_err err = DISAGG_ERR_INIT;
	const struct disagg_probe_record *record;
	const struct disagg_gpu *gpu;
	const struct disagg_fleet *fleet;

	is_int(fleetcase_start(&fleetcase, &err), 0, "three nodes join");
	fleet = fleetcase.fleet;
	is_int((intmax_t)disagg_fleet_gpus(fleet, 1, &gpu), 2, "a node tells its GPUs");
	is_str(gpu[1].uuid, "GPU-b", "with their UUIDs");
	is_str(disagg_fleet_address(fleet, 2), "127.0.0.1", "and has an address");
	run_all(&fleetcase);
	record = find(fleet, "measure", "n3", -1);
	ok(record && record->has_value && record->value > 41.9, "a record comes back");
	ok(record && record->start_s > 1e9, "with its time");
	record = find(fleet, "of_gpu", "n2", 1);
	is_str(record ? record->gpu_uuid : NULL, "GPU-b", "a GPU's record has its UUID");
	is_str(record ? record->cohort : NULL, "T1", "and a cohort");
	ok(find(fleet, "of_gpu", "n1", 0) && find(fleet, "alone", "n1", 0) &&
			find(fleet, "alone", "n3", 1),
		"each GPU is measured, alone too");
	is_status(find(fleet, "skips", "n1", -1), DISAGG_PROBE_SKIP, "no such thing", "a skip");
	is_status(find(fleet, "fails", "n1", -1), DISAGG_PROBE_UNKNOWN, "'/dev/x'",
		"what could not be measured is unknown");
	is_status(find(fleet, "silent", "n2", -1), DISAGG_PROBE_UNKNOWN, "without a record",
		"and so is a probe that says nothing");
	is_status(last(fleet, "crashes", "n2"), DISAGG_PROBE_UNKNOWN, "Segmentation fault",
		"a crash is unknown");
	has_str(last(fleet, "crashes", "n2")->reason, "about to fall", "  with the last words");
	ok(find(fleet, "crashes", "n3", -1), "what others measured then counts");
	is_status(last(fleet, "hangs", "n2"), DISAGG_PROBE_UNKNOWN, "no end within 0.1 s",
		"a hang is unknown");
	is_status(last(fleet, "floods", "n2"), DISAGG_PROBE_UNKNOWN, "more than is read",
		"a flood is ended");
	is_status(last(fleet, "says_long", "n2"), DISAGG_PROBE_UNKNOWN, "more than is read",
		"a line without end is ended");
	is_status(find(fleet, "fleet_skips", "n2", -1), DISAGG_PROBE_SKIP, "3 nodes",
		"a probe over the fleet can skip");
	record = find(fleet, "terse", "n1", -1);
	ok(record && record->value > 4.9 && record->start_s > 1e9 && record->duration_ms >= 0,
		"what the lead leaves out is filled in: probe, node and time");
	is_status(find(fleet, "kills_agent", "n2", -1), DISAGG_PROBE_UNKNOWN, "connection",
		"a node whose agent dies is unknown");
	ok(find(fleet, "kills_agent", "n1", -1) && find(fleet, "kills_agent", "n3", -1),
		"the others are complete");
	is_status(find(fleet, "after", "n2", -1), DISAGG_PROBE_UNKNOWN, "connection",
		"so it is in what follows");
	is_status(find(fleet, "after", "n3", -1), DISAGG_PROBE_PASS, NULL, "which goes on");
	has_str(fleetcase.said, "n2 is lost", "the loss is said");
	is_int(fleetcase_end(&fleetcase), 1, "all agents but the one that was killed end orderly");
}

static const struct disagg_probe ending[] = {
	{.name = "ends_agent", .deadline_ms = LIMIT_MS, .run = ends_agent},
	{.name = "after", .deadline_ms = LIMIT_MS, .run = measure},
	{.name = NULL},
};

static void test_ended(void)
{
	struct fleetcase fleetcase = {.probes = ending, .nodes = 3};
	struct disagg_err err = DISAGG_ERR_INIT;

	is_int(fleetcase_start(&fleetcase, &err), 0, "three nodes, one of which is told to end");
	run_all(&fleetcase);
	is_status(last(fleetcase.fleet, "ends_agent", "n2"), DISAGG_PROBE_UNKNOWN,
		"its agent was ended by signal 15 (Terminated)", "what it was at is unknown");
	is_status(find(fleetcase.fleet, "after", "n2", -1), DISAGG_PROBE_UNKNOWN,
		"its agent was ended by signal 15 (Terminated)", "and what follows");
	is_int(fleetcase_end(&fleetcase), 1, "the other agents end orderly");
}

static void test_no_gpu(void)
{
	static const struct disagg_probe few[] = {{.name = "of_gpu",
							  .kind = DISAGG_PROBE_GPU,
							  .deadline_ms = LIMIT_MS,
							  .run = of_gpu},
		{.name = "wants", .needs_gpu = true, .deadline_ms = LIMIT_MS, .run = measure},
		{.name = NULL}};
	struct fleetcase fleetcase = {.probes = few, .nodes = 2, .devices = no_driver};
	struct disagg_err err = DISAGG_ERR_INIT;

	is_int(fleetcase_start(&fleetcase, &err), 0, "nodes without a driver join");
	run_all(&fleetcase);
	is_status(find(fleetcase.fleet, "of_gpu", "n2", -1), DISAGG_PROBE_SKIP, "no NVIDIA driver",
		"a probe of GPUs is skipped there");
	is_status(find(fleetcase.fleet, "wants", "n1", -1), DISAGG_PROBE_SKIP, "no NVIDIA driver",
		"and so is one of the node that needs a GPU");
	is_int(fleetcase_end(&fleetcase), 0, "the agents end");
}

static void test_busy(void)
{
	static const struct disagg_probe few[] = {{.name = "of_gpu",
							  .kind = DISAGG_PROBE_GPU,
							  .deadline_ms = LIMIT_MS,
							  .run = of_gpu},
		{.name = "node", .needs_gpu = true, .deadline_ms = LIMIT_MS, .run = measure},
		{.name = "looks",
			.needs_gpu = true,
			.only_looks = true,
			.deadline_ms = LIMIT_MS,
			.run = measure},
		{.name = NULL}};
	struct fleetcase fleetcase = {.probes = few, .nodes = 1, .devices = one_busy};
	struct disagg_err err = DISAGG_ERR_INIT;

	is_int(fleetcase_start(&fleetcase, &err), 0, "a node with a GPU in use joins");
	run_all(&fleetcase);
	is_status(find(fleetcase.fleet, "of_gpu", "n1", 0), DISAGG_PROBE_PASS, NULL,
		"the GPU that is free is measured");
	is_status(find(fleetcase.fleet, "of_gpu", "n1", 1), DISAGG_PROBE_SKIP, "process 7 (train)",
		"the one in use is skipped");
	is_status(find(fleetcase.fleet, "node", "n1", -1), DISAGG_PROBE_SKIP, "--force",
		"so is what needs all of them");
	is_status(find(fleetcase.fleet, "looks", "n1", -1), DISAGG_PROBE_PASS, NULL,
		"and what only looks is not");
	fleetcase_end(&fleetcase);
	fleetcase.options.force = true;
	is_int(fleetcase_start(&fleetcase, &err), 0, "with --force");
	run_all(&fleetcase);
	is_status(find(fleetcase.fleet, "of_gpu", "n1", 1), DISAGG_PROBE_PASS, NULL,
		"it is measured");
	fleetcase_end(&fleetcase);
}

/* n1's GPU 1 does not return. */
static int hangs_on_one(struct disagg_probe_run *run, struct disagg_err *err)
{
	while (run->gpu && run->gpu->index == 1)
		pause();
	return measure(run, err);
}

static int hangs_always(struct disagg_probe_run *run, struct disagg_err *err)
{
	(void)run;
	(void)err;
	return pause();
}

static void test_hung(void)
{
	static const struct disagg_probe few[] = {
		{.name = "all_hang", .needs_gpu = true, .deadline_ms = 100, .run = hangs_always},
		{.name = "all", .needs_gpu = true, .deadline_ms = LIMIT_MS, .run = measure},
		{.name = "hangs",
			.kind = DISAGG_PROBE_GPU,
			.needs_gpu = true,
			.deadline_ms = 100,
			.run = hangs_on_one},
		{.name = "next",
			.kind = DISAGG_PROBE_GPU_ALONE,
			.needs_gpu = true,
			.deadline_ms = LIMIT_MS,
			.run = hangs_on_one},
		{.name = "all_again", .needs_gpu = true, .deadline_ms = LIMIT_MS, .run = measure},
		{.name = "looks",
			.needs_gpu = true,
			.only_looks = true,
			.deadline_ms = LIMIT_MS,
			.run = measure},
		{.name = "host", .deadline_ms = LIMIT_MS, .run = measure}, {.name = NULL}};
	struct fleetcase fleetcase = {.probes = few, .nodes = 1, .devices = two_gpus};
	struct disagg_err err = DISAGG_ERR_INIT;
	const struct disagg_fleet *fleet;

	is_int(fleetcase_start(&fleetcase, &err), 0, "a node with a GPU that hangs joins");
	fleet = fleetcase.fleet;
	run_all(&fleetcase);
	is_status(find(fleet, "all_hang", "n1", -1), DISAGG_PROBE_UNKNOWN, "no end within",
		"what hangs on all GPUs is unknown");
	is_status(find(fleet, "all", "n1", -1), DISAGG_PROBE_UNKNOWN,
		"all_hang did not return on this node's GPUs",
		"the next on all of them is not begun");
	is_status(find(fleet, "hangs", "n1", 0), DISAGG_PROBE_PASS, NULL,
		"each GPU alone is measured");
	is_status(find(fleet, "hangs", "n1", 1), DISAGG_PROBE_UNKNOWN, "no end within",
		"one that hangs is unknown");
	is_status(find(fleet, "next", "n1", 1), DISAGG_PROBE_UNKNOWN,
		"hangs did not return on this GPU", "the next probe does not wait for it");
	is_status(find(fleet, "next", "n1", 0), DISAGG_PROBE_PASS, NULL,
		"and measures the other one");
	is_status(find(fleet, "all_again", "n1", -1), DISAGG_PROBE_UNKNOWN,
		"hangs did not return on GPU 1 of this node", "nor does one of all GPUs");
	is_status(find(fleet, "looks", "n1", -1), DISAGG_PROBE_PASS, NULL,
		"what only looks is asked");
	is_status(find(fleet, "host", "n1", -1), DISAGG_PROBE_PASS, NULL,
		"and so is what needs no GPU");
	fleetcase_end(&fleetcase);
}

static void test_absent(void)
{
	static const struct disagg_probe one[] = {
		{.name = "measure", .deadline_ms = LIMIT_MS, .run = measure}, {.name = NULL}};
	struct fleetcase fleetcase = {.probes = one, .nodes = 3, .absent = 1, .join_ms = 300};
	struct disagg_err err = DISAGG_ERR_INIT;

	is_int(fleetcase_start(&fleetcase, &err), 0, "a node that does not come is not waited for");
	run_all(&fleetcase);
	is_status(find(fleetcase.fleet, "measure", "n3", -1), DISAGG_PROBE_UNKNOWN, "did not join",
		"it is unknown");
	ok(find(fleetcase.fleet, "measure", "n2", -1), "and the others are measured");
	is_int(fleetcase_end(&fleetcase), 0, "the agents end");
}

/* n2 in place of an agent: says notes without end of the first task. */
static void chatter(struct fleetcase *fleetcase)
{
	struct disagg_meet_self self = {.meet = &fleetcase->meet, .node = "n2"};
	struct disagg_meet_where where = {.host = {"127.0.0.1"},
		.port = &fleetcase->port,
		.ports = 1,
		.wait_ms = 20000,
		.cancel_fd = -1};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct pollfd wait = {.events = POLLOUT};
	struct disagg_link link;

	if (disagg_meet_find(&self, &where, &link, &err) ||
		disagg_link_send(&link, "gpus", 0, "{\"gpus\":[]}", 11))
		_exit(1);
	wait.fd = link.fd;
	for (;;) { /* until the lead has had enough */
		if (poll(&wait, 1, 20000) <= 0 || disagg_link_send(&link, "note", 1, "{}", 2))
			_exit(0);
		while (disagg_link_queued(&link))
			if (poll(&wait, 1, 20000) <= 0 || disagg_link_flush(&link))
				_exit(0);
	}
}

static void test_chatter(void)
{
	static const struct disagg_probe one[] = {
		{.name = "measure", .deadline_ms = LIMIT_MS, .run = measure}, {.name = NULL}};
	struct fleetcase fleetcase = {.probes = one, .nodes = 2, .absent = 1};
	struct disagg_fleet_task task = {.node = 1, .probe = one};
	struct disagg_err err = DISAGG_ERR_INIT;
	pid_t pid;

	is_int(fleetcase_open(&fleetcase, &err), 0, "a fleet");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		chatter(&fleetcase);
	disagg_fleet_gather(fleetcase.fleet, &err);
	disagg_fleet_start(fleetcase.fleet, &task, 1, &err);
	disagg_fleet_await(fleetcase.fleet, &task, 1, &err);
	is_int(task.state, DISAGG_TASK_FAILED, "a node that talks without end is ended");
	has_str(task.reason, "more of a task than an agent does", "and why is told");
	ok(disagg_fleet_lost(fleetcase.fleet, 1), "and it takes no more part");
	waitpid(pid, NULL, 0);
	is_int(fleetcase_end(&fleetcase), 0, "the agent of the other ends");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_all();
	test_ended();
	test_no_gpu();
	test_busy();
	test_hung();
	test_absent();
	test_chatter();
	return tap_done();
}
