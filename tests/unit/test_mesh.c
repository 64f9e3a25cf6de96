/* SPDX-License-Identifier: Apache-2.0 */
/* net.tcp_mesh and clock.skew: who is blamed, and both over a fleet of agents. */
#include "lib/probe/clock.h"
#include "lib/probe/mesh.h"
#include "lib/probe/responder.h"

#include "tests/unit/fleetcase.h"
#include "tests/unit/tap.h"
#include <nss.h>

/* ---- pure ---- */

static void peers(void)
{
	uint32_t order[100];
	size_t peer[DISAGG_MESH_PEERS];
	unsigned asked[100] = {0};
	int wrong = 0;

	for (size_t i = 0; i < 100; i++) {
		size_t count = disagg_mesh_peers(100, i, 77, order, peer);

		wrong += count != DISAGG_MESH_PEERS;
		for (size_t k = 0; k < count; k++) {
			asked[peer[k]]++;
			wrong += peer[k] == i;
			for (size_t j = 0; j < k; j++)
				wrong += peer[j] == peer[k];
		}
	}
	for (size_t i = 0; i < 100; i++)
		wrong += asked[i] != DISAGG_MESH_PEERS;
	is_int(wrong, 0, "each of 100 nodes asks 8 others and is asked by 8");
	is_int((intmax_t)disagg_mesh_peers(3, 1, 5, order, peer), 2, "of three, two others");
	is_int((intmax_t)disagg_mesh_peers(1, 0, 5, order, peer), 0, "of one, none");
}

static void blame(void)
{
	struct disagg_mesh_pair pair[64 * DISAGG_MESH_PEERS];
	struct disagg_mesh_node node[64] = {{0}};
	uint32_t order[64];
	size_t pairs = 0, left = 0;
	int wrong = 0;

	for (size_t i = 0; i < 64; i++) {
		size_t peer[DISAGG_MESH_PEERS];
		size_t count = disagg_mesh_peers(64, i, 3, order, peer);

		for (size_t k = 0; k < count; k++) {
			struct disagg_mesh_pair one = {
				.from = (uint32_t)i, .to = (uint32_t)peer[k]};

			/* 9 is shut to all, 20 is cut off, and one pair apart is broken */
			one.failed = one.to == 9 || one.from == 20 || one.to == 20 ||
				     (one.from == 40 && k == 0 && peer[k] != 9);
			pair[pairs++] = one;
		}
	}
	disagg_mesh_blame(pair, pairs, node, 64);
	for (size_t i = 0; i < 64; i++)
		wrong +=
			node[i].unreachable != (i == 9 || i == 20) || node[i].isolated != (i == 20);
	is_int(wrong, 0, "a node that nobody reaches and one that is cut off are named");
	for (size_t i = 0; i < pairs; i++)
		left += pair[i].failed && !pair[i].blamed;
	is_int((intmax_t)left, 1, "and what is left is the one broken pair");
}

/* ---- over agents ---- */

/* Answers, and ends at once where it is n3. */
static int dies(struct disagg_probe_run *run, struct disagg_err *err)
{
	if (strcmp(run->node, "n3") == 0)
		raise(SIGKILL);
	return disagg_mesh_run(run, err);
}

static const struct disagg_probe probes[] = {
	{.name = "net.tcp_mesh",
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 20000,
		.run = disagg_mesh_run,
		.lead = disagg_mesh_lead},
	{.name = "clock.skew",
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 20000,
		.run = disagg_clock_run,
		.lead = disagg_clock_lead},
	{.name = "dies",
		.kind = DISAGG_PROBE_FLEET,
		.deadline_ms = 20000,
		.run = dies,
		.lead = disagg_mesh_lead},
	{.name = NULL},
};

struct found {
	size_t count, bad;
	double value; /* of the last */
	const char *reason;
};

static struct found find(struct disagg_fleet *fleet, const char *probe, const char *param)
{
	struct found found = {0};
	size_t count;
	const struct disagg_probe_record *const *record = disagg_fleet_records(fleet, &count);

	for (size_t i = 0; i < count; i++) {
		if (strcmp(record[i]->probe, probe) != 0 ||
			(param && (!record[i]->param || strcmp(record[i]->param, param) != 0)))
			continue;
		found.count++;
		found.value = record[i]->value;
		if (record[i]->status == DISAGG_PROBE_PASS)
			continue;
		found.bad++;
		found.reason = record[i]->reason;
	}
	return found;
}

static void real(void)
{
	struct fleetcase fleetcase = {.probes = probes, .nodes = 6};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_fleet *fleet;
	struct found found;

	if (!ok(fleetcase_start(&fleetcase, &err) == 0, "six agents"))
		return;
	fleet = fleetcase.fleet;
	ok(disagg_mesh_lead(fleet, &probes[0], &err) == 0, "the mesh of six nodes");
	found = find(fleet, "net.tcp_mesh", "connect");
	is_int((intmax_t)found.count, 6, "each tells how long it takes to connect");
	found = find(fleet, "net.tcp_mesh", "1 byte");
	ok(found.count == 6 && found.value > 0 && found.value < 1e6, "and one byte");
	found = find(fleet, "net.tcp_mesh", "1M");
	ok(found.count == 6 && found.value > 0, "and 1 MiB");
	found = find(fleet, "net.tcp_mesh", "mtu");
	ok(found.count == 6 && found.value > 500 && found.bad == 0, "and the MTU, equal to all");
	found = find(fleet, "net.tcp_mesh", "names");
	is_int((intmax_t)found.count, 0, "names of a rehearsal are not looked up");
	found = find(fleet, "net.tcp_mesh", "reach");
	is_int((intmax_t)found.count, 0, "all are reached");

	ok(disagg_clock_lead(fleet, &probes[1], &err) == 0, "the clocks of six nodes");
	found = find(fleet, "clock.skew", NULL);
	is_int((intmax_t)found.count, 6, "each has an offset");
	is_int((intmax_t)found.bad, 0, "and it is small, for all have one clock");

	ok(disagg_mesh_lead(fleet, &probes[2], &err) == 0, "a mesh in which one node's part dies");
	found = find(fleet, "dies", "connect");
	is_int((intmax_t)found.count, 5, "the others measure");
	found = find(fleet, "dies", "reach");
	ok(found.count == 1 && found.bad == 1, "and it is unknown, once");
	has_str(found.reason, "signal 9", "with the reason");
	is_int(fleetcase_end(&fleetcase), 0, "all agents end");
}

/* ---- names: one peer, that is called localhost ---- */

static struct disagg_probe_record names;
static char names_reason[512];

static void keep_names(struct disagg_probe_run *run, const struct disagg_probe_record *record)
{
	(void)run;
	if (!record->param || strcmp(record->param, "names") != 0)
		return;
	names = *record;
	snprintf(names_reason, sizeof(names_reason), "%s", record->reason ? record->reason : "");
}

static void no_note(struct disagg_probe_run *run, const char *json)
{
	(void)run;
	(void)json;
}

static void ask_names(const char *address, uint16_t port)
{
	struct disagg_probe_options options = {.sysroot = ""};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_probe_run run = {.node = "n1",
		.options = &options,
		.arena = &arena,
		.emit = keep_names,
		.note = no_note};
	struct disagg_json *args = NULL;
	char text[256];

	names = (struct disagg_probe_record)DISAGG_PROBE_RECORD_INIT;
	snprintf(text, sizeof(text),
		"{\"token\":\"00000000000000000000000000000000\",\"peers\":[{\"name\":"
		"\"localhost\",\"address\":\"%s\",\"port\":%u}]}",
		address, port);
	if (!ok(disagg_json_parse(&args, text, strlen(text), &err) == 0, "arguments"))
		return;
	run.args = args;
	ok(disagg_mesh_run(&run, &err) == 0, "one peer is asked");
	disagg_json_free(args);
	disagg_arena_release(&arena);
}

static void look_up_names(void)
{
	static unsigned char pattern[DISAGG_RESPONDER_PATTERN];
	struct disagg_responder responder = {.fd = -1, .pattern = pattern};
	struct disagg_err err = DISAGG_ERR_INIT;
	pid_t pid;

	disagg_pattern_fill(pattern, sizeof(pattern));
	if (!ok(disagg_responder_open(&responder, &err) == 0, "a peer"))
		return;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(disagg_responder_serve(&responder, 30000, -1, &err) < 0);
	ask_names("127.0.0.1", responder.port);
	ok(names.has_value && names.value > 0 && names.status == DISAGG_PROBE_PASS,
		"a name that leads to its address");
	ask_names("127.0.0.2", responder.port);
	ok(names.value < 1 && names.status == DISAGG_PROBE_WARN, "one that leads to another: warn");
	has_str(names_reason, "'localhost' not", "with the name");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	disagg_responder_close(&responder);
}

int main(void)
{
	/* names are looked up in /etc/hosts alone: no traffic leaves this machine */
	__nss_configure_lookup("hosts", "files");
	peers();
	blame();
	look_up_names();
	real();
	return tap_done();
}
