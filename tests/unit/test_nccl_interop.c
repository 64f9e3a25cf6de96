/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nccl.interop's lead over a fleet of agents, against the stubs: what is told of
 * whom where nodes die, hang or cannot begin.  With "hang" as its argument the
 * cases that take as long as a deadline.
 */
#include "lib/probe/interop.h"

#include "tests/unit/fleetcase.h"
#include "tests/unit/probe_child.h"

#define NODES 4

static int two_gpus(struct disagg_arena *arena, const struct disagg_probe_options *options,
	struct disagg_gpu_list *ret, struct disagg_err *err)
{
	struct disagg_gpu *gpus = disagg_arena_array(arena, 2, sizeof(*gpus));

	(void)options;
	if (!gpus)
		return disagg_err_nomem(err);
	for (int i = 0; i < 2; i++)
		gpus[i] = (struct disagg_gpu){
			.index = i, .uuid = i ? "GPU-1" : "GPU-0", .name = "NVIDIA H200"};
	ret->gpu = gpus;
	ret->count = 2;
	return 0;
}

/* All agents are of one host: the stubs are told which node this is. */
static int run_as_node(struct disagg_probe_run *run, struct disagg_err *err)
{
	setenv("STUB_NODE", run->node, 1);
	return disagg_probe_interop_run(run, err);
}

static const struct disagg_probe probes[] = {
	{.name = "nccl.interop",
		.suites = DISAGG_SUITE_STANDARD,
		.kind = DISAGG_PROBE_FLEET,
		.needs_gpu = true,
		/* a third of it is long enough for a busy machine */
		.deadline_ms = 24000,
		.about = "",
		.run = run_as_node,
		.lead = disagg_probe_interop_lead},
	{.name = NULL},
};

static struct fleetcase fleetcase;

static const struct disagg_probe_record *record_of(const char *node, const char *param)
{
	size_t count;
	const struct disagg_probe_record *const *record =
		disagg_fleet_records(fleetcase.fleet, &count);

	for (size_t i = count; i-- > 0;)
		if (strcmp(record[i]->node, node) == 0 &&
			(param ? record[i]->param && strcmp(record[i]->param, param) == 0
			       : !record[i]->param))
			return record[i];
	return NULL;
}

/* How many nodes have a measured record, or one of a status without a parameter. */
static unsigned count_nodes(const char *param, enum disagg_probe_status status)
{
	unsigned count = 0;

	for (size_t i = 0; i < NODES; i++) {
		const struct disagg_probe_record *record = record_of(fleetcase.name[i], param);

		count += record && record->status == status;
	}
	return count;
}

static void open_case(const char *faults)
{
	const struct disagg_probe *const list[] = {&probes[0]};
	struct disagg_suite suite = {.probe = list, .count = 1};
	struct disagg_err err = DISAGG_ERR_INIT;

	printf("# %s\n", faults);
	setenv("STUB_FAULTS", faults, 1);
	memset(&fleetcase, 0, sizeof(fleetcase));
	fleetcase.probes = probes;
	fleetcase.devices = two_gpus;
	fleetcase.nodes = NODES;
	fleetcase.options = (struct disagg_probe_options){
		.sysroot = "", .device_root = "", .nccl_max_bytes = 1 << 20, .nccl_iterations = 2};
	ok(fleetcase_start(&fleetcase, &err) == 0, "the fleet is there");
	ok(disagg_suite_run(fleetcase.fleet, &suite, &err) == 0, "the run comes to its end");
}

static void close_case(void)
{
	is_int(fleetcase_end(&fleetcase), 0, "every agent ends in an orderly way");
}

static double world_size(const char *node)
{
	const struct disagg_probe_record *record = record_of(node, "world size");

	return record && record->has_value ? record->value : 0;
}

static const char *hint_of(const char *node)
{
	const struct disagg_probe_record *record = record_of(node, NULL);

	return record ? record->hint : NULL;
}

static const char *reason_of(const char *node)
{
	const struct disagg_probe_record *record = record_of(node, NULL);

	return record ? record->reason : NULL;
}

static void test_healthy(void)
{
	open_case("");
	is_int(count_nodes("all_reduce 1M", DISAGG_PROBE_PASS), NODES, "all nodes measure");
	is_int(count_nodes("all_reduce 8 time", DISAGG_PROBE_PASS), NODES, "8 bytes too");
	is_int(count_nodes(NULL, DISAGG_PROBE_UNKNOWN), 0, "and nothing is missing");
	ok(world_size("n1") == 8, "the first node tells the world's size");
	close_case();
}

static void test_dead(void)
{
	open_case("nccl-dead node=n3 after=3");
	is_int(count_nodes(NULL, DISAGG_PROBE_UNKNOWN), 1, "one node is unknown");
	has_str(reason_of("n3"), "the others waited for it", "it is the one that died");
	has_str(reason_of("n3"), "9 (Killed)", "with what became of it");
	has_str(hint_of("n3"), "did not return: n3 (reached first)", "and where it was");
	is_int(count_nodes("all_reduce 1M", DISAGG_PROBE_PASS), NODES - 1,
		"the rest is measured without it");
	ok(world_size("n1") == 6, "as a smaller world");
	close_case();
}

/* one that makes the id, one that does not */
static void test_cannot_begin(void)
{
	static const char *const nodes[] = {"n1", "n3"};
	char faults[64];

	for (size_t i = 0; i < 2; i++) {
		snprintf(faults, sizeof(faults), "old-driver node=%s", nodes[i]);
		open_case(faults);
		is_int(count_nodes(NULL, DISAGG_PROBE_UNKNOWN), 1, "one node is unknown");
		has_str(reason_of(nodes[i]), "too old", "it is told why it cannot begin");
		is_int(count_nodes("all_reduce 1M", DISAGG_PROBE_PASS), NODES - 1,
			"the rest is measured without it");
		close_case();
	}
}

static void test_wrong(void)
{
	open_case("wrong-sum node=n2 gpu=1");
	is_int(count_nodes("all_reduce 1M", DISAGG_PROBE_PASS), NODES, "all are measured");
	ok(!record_of("n1", NULL) && !record_of("n2", NULL), "none is unknown");
	{
		size_t count, failures = 0;
		const struct disagg_probe_record *const *record =
			disagg_fleet_records(fleetcase.fleet, &count);

		for (size_t i = 0; i < count; i++)
			if (record[i]->status == DISAGG_PROBE_FAIL) {
				failures++;
				is_str(record[i]->node, "n2", "a wrong sum is its node's");
				is_int(record[i]->gpu, 1, "and its GPU's");
			}
		is_int((intmax_t)failures, 2, "at both sizes");
	}
	close_case();
}

static void test_hang_in_run(void)
{
	setenv("STUB_PATIENCE", "100", 1);
	open_case("nccl-hang node=n3 after=3");
	is_int(count_nodes(NULL, DISAGG_PROBE_UNKNOWN), 1, "one node is unknown");
	has_str(reason_of("n3"), "the others waited for it: no end within 24 s",
		"it is the one that hangs");
	has_str(hint_of("n3"), "3 waited, or saw an error", "and the others are told from it");
	is_int(count_nodes("all_reduce 1M", DISAGG_PROBE_PASS), NODES - 1,
		"the rest is measured without it");
	close_case();
	unsetenv("STUB_PATIENCE");
}

static void test_hang_at_start(void)
{
	open_case("nccl-hang node=n2 at=init");
	is_int(count_nodes(NULL, DISAGG_PROBE_UNKNOWN), NODES,
		"where all wait at the same place, all are unknown");
	has_str(hint_of("n1"), "4 did not return: n[1-4] (reached bootstrap)", "the place is told");
	has_str(hint_of("n1"), "nccl.pairs", "and what finds the one");
	close_case();
}

int main(int argc, char **argv)
{
	use_stubs(argv);
	if (argc > 1 && strcmp(argv[1], "hang") == 0) {
		test_hang_in_run();
		test_hang_at_start();
		return tap_done();
	}
	test_healthy();
	test_dead();
	test_cannot_begin();
	test_wrong();
	return tap_done();
}
