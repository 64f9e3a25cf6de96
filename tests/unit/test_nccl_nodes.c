/* SPDX-License-Identifier: Apache-2.0 */
/* Collectives over several processes, a node each, over loopback TCP: the nodes' parts of
 * nccl.pairs and nccl.interop against the stubs. */
#include "lib/probe/interop.h"
#include "lib/probe/pair.h"
#include "lib/probe/phase.h"

#include "tests/unit/probe_child.h"
#include <math.h>

#define SILENT_MS  20000
#define MOST_NODES 4

struct set {
	struct child *child[MOST_NODES];
	char args[MOST_NODES][1024];
	unsigned count;
};

typedef void write_args(char *out, size_t size, unsigned node, unsigned count, const char *id);

static void pair_args(char *out, size_t size, unsigned node, unsigned count, const char *id)
{
	snprintf(out, size,
		"{\"nodes\":[\"n1\",\"n2\"%s],\"node\":%u,\"ranks_per_node\":2,\"bytes\":262144,"
		"\"iterations\":4%s%s%s}",
		count == 3 ? ",\"n3\"" : "", node, *id ? ",\"id\":\"" : "", id, *id ? "\"" : "");
}

static void interop_args(char *out, size_t size, unsigned node, unsigned count, const char *id)
{
	snprintf(out, size,
		"{\"first_rank\":%u,\"ranks\":%u,\"nodes\":%u,\"sizes\":[8,65536],"
		"\"iterations\":4,\"stall_ms\":300%s%s%s}",
		2 * node, 2 * count, count, *id ? ",\"id\":\"" : "", id, *id ? "\"" : "");
}

/* The first makes the id, the others get it, as a lead does it. */
static struct set start(unsigned count, probe_function *run, write_args *args, const char *faults)
{
	static const char *const names[MOST_NODES] = {"n1", "n2", "n3", "n4"};
	struct disagg_phase_seen first = {.phase = DISAGG_PHASE_NONE};
	struct set set = {.count = count};

	for (unsigned i = 0; i < count; i++) {
		set.child[i] = child_new(names[i], 2, run);
		set.child[i]->faults = faults;
		args(set.args[i], sizeof(set.args[i]), i, count, first.id);
		set.child[i]->args = set.args[i];
		child_start(set.child[i]);
		while (i == 0 && !set.child[0]->first_note[0] &&
			child_read(set.child[0], SILENT_MS))
			;
		if (i == 0)
			first = disagg_phase_read(set.child[0]->first_note);
	}
	return set;
}

static struct set run_set(unsigned count, probe_function *run, write_args *args, const char *faults)
{
	struct set set = start(count, run, args, faults);

	for (unsigned i = 0; i < count; i++)
		child_end(set.child[i], SILENT_MS);
	return set;
}

static void free_set(struct set *set)
{
	for (unsigned i = 0; i < set->count; i++)
		child_free(set->child[i]);
}

static double value_of(const struct child *child, const char *param, int rail)
{
	const struct disagg_probe_record *record = child_record(child, param, rail);

	return record && record->has_value ? record->value : -1;
}

static bool near(double got, double want)
{
	bool good = fabs(got - want) <= 0.03 * want;

	if (!good)
		printf("#   got %.6g, expected %.6g\n", got, want);
	return good;
}

static size_t failures(const struct set *set, const char *node)
{
	size_t count = 0;

	for (unsigned i = 0; i < set->count; i++)
		for (size_t j = 0; j < set->child[i]->count; j++)
			count += set->child[i]->record[j].status == DISAGG_PROBE_FAIL &&
				 (!node || strcmp(set->child[i]->node, node) == 0);
	return count;
}

/* GB/s of 256K each way with what each operation costs, from a NIC of that speed */
static double rail_speed(double nic)
{
	return 262144 / (262144 / (nic * 0.97) + 15e-6 * 1e9);
}

static void test_pair(void)
{
	struct set set = run_set(2, disagg_probe_pair_run, pair_args, NULL);
	const struct disagg_probe_record *record = child_record(set.child[0], "rail 256K", 1);

	is_int(set.child[0]->code, 0, "a pair: the first ends well");
	is_int(set.child[1]->code, 0, "and the second");
	ok(near(value_of(set.child[0], "rail 256K", 0), rail_speed(50)), "rail 0 is a NIC's");
	ok(near(value_of(set.child[0], "rail 256K", 1), rail_speed(50)), "so is rail 1");
	is_str(record ? record->peer : NULL, "n2", "the other node is its peer");
	ok(value_of(set.child[0], "all_reduce 256K", -1) > 0, "and an all-reduce");
	is_int((intmax_t)set.child[1]->count, 0, "the second leaves it to the first to tell");
	is_int(disagg_phase_read(set.child[1]->note).phase, DISAGG_PHASE_FIRST,
		"it has noted its last phase");
	free_set(&set);
}

static void test_triple(void)
{
	struct set set = run_set(3, disagg_probe_pair_run, pair_args, "slow-pair a=n2 b=n3 by=0.5");

	ok(near(value_of(set.child[0], "rail 256K", 0), rail_speed(50)), "of three, n1 with n2");
	is_int((intmax_t)set.child[0]->count, 5, "n1 tells two pairs of rails and the all-reduce");
	ok(near(value_of(set.child[1], "rail 256K", 1), rail_speed(25)), "n2 with n3 is slow");
	is_str(set.child[1]->record[0].peer, "n3", "and is told by n2");
	free_set(&set);
}

static void test_pair_faults(void)
{
	static const struct {
		const char *faults;
		double rail[2];
	} rows[] = {{"slow-rail node=n2 rail=1 by=0.5", {50, 25}},
		{"slow-rail node=n1 rail=0 by=0.8", {40, 50}},
		{"slow-node node=n2 by=0.85", {42.5, 42.5}},
		{"slow-pair a=n1 b=n2 by=0.6", {30, 30}}, {"slow-pair a=n1 b=n9 by=0.6", {50, 50}},
		{"slow-node node=n7 by=0.5", {50, 50}}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct set set = run_set(2, disagg_probe_pair_run, pair_args, rows[i].faults);

		for (int rail = 0; rail < 2; rail++)
			ok(near(value_of(set.child[0], "rail 256K", rail),
				   rail_speed(rows[i].rail[rail])),
				rows[i].faults);
		free_set(&set);
	}
}

static void test_pair_args(void)
{
	static const char *const rows[] = {"{}", "{\"nodes\":[\"n1\"],\"node\":0}",
		"{\"nodes\":[\"n1\",\"n2\"],\"node\":2,\"ranks_per_node\":2,\"bytes\":1024}",
		"{\"nodes\":[\"n1\",\"n2\"],\"node\":0,\"ranks_per_node\":3,\"bytes\":1024}",
		"{\"nodes\":[\"n1\",\"n2\"],\"node\":0,\"ranks_per_node\":2,\"bytes\":0}",
		"{\"nodes\":[\"n1\",7],\"node\":0,\"ranks_per_node\":2,\"bytes\":1024}",
		"{\"nodes\":[\"n1\",\"n2\"],\"node\":0,\"ranks_per_node\":2,\"bytes\":1024,"
		"\"id\":\"00\"}"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct child *child = child_new("n1", 2, disagg_probe_pair_run);

		child->args = rows[i];
		child_start(child);
		child_end(child, SILENT_MS);
		is_int(child->code, DISAGG_INVALID, rows[i]);
		child_free(child);
	}
}

static void test_interop(void)
{
	struct set set = run_set(4, disagg_probe_interop_run, interop_args, NULL);
	const struct disagg_probe_record *record = child_record(set.child[3], "all_reduce 64K", -1);

	for (unsigned i = 0; i < set.count; i++)
		is_int(set.child[i]->code, 0, "4 nodes of 2 ranks: each ends well");
	is_int((intmax_t)failures(&set, NULL), 0, "every rank has the right sums");
	ok(record && record->value > 0, "the last node tells its busbw too");
	has_str(record ? record->hint : NULL, "8 ranks on 4 nodes", "and what the world was");
	ok(value_of(set.child[0], "all_reduce 8 time", -1) > 0, "8 bytes have a time");
	free_set(&set);
	set = run_set(4, disagg_probe_interop_run, interop_args, "wrong-sum node=n3 gpu=1");
	is_int((intmax_t)failures(&set, "n3"), 2, "a wrong sum fails on its node, at each size");
	is_int((intmax_t)failures(&set, NULL), 2, "and nowhere else");
	is_int(set.child[2]->record[0].gpu, 1, "the GPU is named");
	free_set(&set);
}

static void test_dead(void)
{
	struct set set =
		run_set(4, disagg_probe_interop_run, interop_args, "nccl-dead node=n3 after=3");
	struct disagg_phase_seen seen = disagg_phase_read(set.child[1]->note);

	ok(WIFSIGNALED(set.child[2]->status), "a process that dies in mid-run");
	is_int(set.child[1]->code, DISAGG_SYSTEM, "the others do not hang");
	has_str(set.child[1]->text, "ncclRemoteError", "they see that a peer is gone");
	ok(seen.gave_up, "note that they give up");
	is_int(seen.phase, DISAGG_PHASE_FIRST, "and where");
	ok(!disagg_phase_read(set.child[2]->note).gave_up, "which the dead one did not");
	free_set(&set);
}

static void test_hang(void)
{
	struct set set =
		start(4, disagg_probe_interop_run, interop_args, "nccl-hang node=n3 at=init");

	for (unsigned i = 0; i < set.count; i++)
		while (!set.child[i]->first_note[0] && child_read(set.child[i], SILENT_MS))
			;
	for (unsigned i = 0; i < set.count; i++)
		while (child_read(set.child[i], 200))
			;
	for (unsigned i = 0; i < set.count; i++) {
		ok(set.child[i]->late, "all wait for the one that hangs, until they are ended");
		is_int(disagg_phase_read(set.child[i]->note).phase, DISAGG_PHASE_BOOTSTRAP,
			"and none has got further than that");
	}
	for (unsigned i = 0; i < set.count; i++)
		child_end(set.child[i], 0);
	free_set(&set);
}

static void test_stall(void)
{
	struct set set;

	setenv("STUB_PATIENCE", "50", 1);
	set = start(4, disagg_probe_interop_run, interop_args, "nccl-hang node=n3 after=3");
	for (unsigned i = 0; i < set.count; i++) {
		if (i != 2)
			child_end(set.child[i], SILENT_MS);
		else
			while (!set.child[i]->first_note[0] && child_read(set.child[i], SILENT_MS))
				;
	}
	child_end(set.child[2], 0);
	for (unsigned i = 0; i < set.count; i++)
		is_int(disagg_phase_read(set.child[i]->note).stalled, i != 2,
			"who waits in vain tells so, who hangs does not");
	is_int(set.child[0]->code, DISAGG_TIMEOUT, "it ends with a timeout");
	unsetenv("STUB_PATIENCE");
	free_set(&set);
}

static void test_phases(void)
{
	struct disagg_phase_seen seen = disagg_phase_read("{\"phase\":\"init\",\"gave_up\":true}");

	is_int(seen.phase, DISAGG_PHASE_INIT, "a phase is read");
	ok(seen.gave_up && !seen.id[0], "with what it says");
	is_int(disagg_phase_read(NULL).phase, DISAGG_PHASE_NONE, "no note: no phase");
	is_int(disagg_phase_read("{\"port\":7}").phase, DISAGG_PHASE_NONE, "another's note: none");
	is_int(disagg_phase_read("nonsense").phase, DISAGG_PHASE_NONE, "no JSON: none");
}

int main(int argc, char **argv)
{
	(void)argc;
	use_stubs(argv);
	test_phases();
	test_pair();
	test_triple();
	test_pair_faults();
	test_pair_args();
	test_interop();
	test_dead();
	test_hang();
	test_stall();
	return tap_done();
}
