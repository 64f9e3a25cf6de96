/* SPDX-License-Identifier: Apache-2.0 */
/* How nodes find and know each other, and what strangers can do. */
#include "fleetcase.h"
#include "lib/host/http.h"
#include "lib/probe/nodelock.h"
#include "lib/probe/seat.h"
#include "lib/probe/siphash.h"
#include "tap.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>

static int measure(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	(void)err;
	run->emit(run, &record);
	return 0;
}

static const struct disagg_probe probes[] = {
	{.name = "measure", .deadline_ms = 20000, .run = measure}, {.name = NULL}};

static void test_siphash(void)
{
	/* the vectors of the paper's reference code: the first, and those of 8 and 15 bytes */
	static const struct {
		size_t len;
		uint64_t want;
	} cases[] = {{0, 0x726fdb47dd0e0e31u}, {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u}};
	unsigned char key[16], bytes[16];

	for (unsigned char i = 0; i < 16; i++)
		key[i] = bytes[i] = i;
	for (unsigned i = 0; i < 3; i++)
		ok(disagg_siphash(key, bytes, cases[i].len) == cases[i].want,
			"SipHash-2-4 gives the reference's value");
}

static void test_ports(void)
{
	struct disagg_meet a = {.job = "7", .step = "0"}, b = {.job = "7", .step = "1"};
	int port[DISAGG_MEET_PORTS], other[DISAGG_MEET_PORTS], same = 0, good = 0;

	disagg_meet_ports(&a, port);
	disagg_meet_ports(&b, other);
	for (unsigned i = 0; i < DISAGG_MEET_PORTS; i++) {
		same += port[i] == other[i];
		good += port[i] >= 1024 && port[i] < 32768;
	}
	is_int(good, DISAGG_MEET_PORTS, "ports are below those that the system gives out");
	ok(same < 2, "another step has others");
}

/* ---- strangers ---- */

static int dial(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return -1;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* Turns the fleet's loop until the peer has closed, and returns all that it said. */
static const char *until_closed(struct disagg_fleet *fleet, int fd, char *buf, size_t size)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	int64_t until = disagg_monotonic_ns() + 20000000000ll;
	size_t len = 0;
	ssize_t got = -1;

	while (got != 0 && disagg_monotonic_ns() < until) {
		struct disagg_fleet_task task = {.node = 0, .probe = &probes[0]};

		/* a task is a turn of the loop */
		disagg_fleet_start(fleet, &task, 1, &err);
		disagg_fleet_await(fleet, &task, 1, &err);
		got = read(fd, buf + len, size - 1 - len);
		if (got > 0)
			len += (size_t)got;
		else if (got < 0 && errno == ECONNRESET)
			break;
	}
	buf[len] = '\0';
	close(fd);
	return buf;
}

static void test_strangers(void)
{
	static const char junk[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	static char flood[20000];
	struct fleetcase fleetcase = {.probes = probes, .nodes = 2};
	struct disagg_err err = DISAGG_ERR_INIT;
	char said[4096];
	int fd;

	disagg_meet_set_token(&fleetcase.meet, "a secret");
	is_int(fleetcase_start(&fleetcase, &err), 0, "nodes that know the token join");
	fd = dial(fleetcase.port);
	is_int(write(fd, junk, sizeof(junk) - 1), sizeof(junk) - 1, "a stranger speaks HTTP");
	has_str(until_closed(fleetcase.fleet, fd, said, sizeof(said)), "lead 1 {", "it is greeted");
	fd = dial(fleetcase.port);
	memset(flood, 'x', sizeof(flood));
	ok(write(fd, flood, sizeof(flood)) > 0, "another never ends its line");
	until_closed(fleetcase.fleet, fd, said, sizeof(said));
	fd = dial(fleetcase.port);
	dprintf(fd,
		"hello 1 {\"node\":\"n2\",\"version\":\"%s\",\"nonce\":\"00\",\"proof\":\"00\"}\n",
		DISAGG_VERSION);
	has_str(until_closed(fleetcase.fleet, fd, said, sizeof(said)),
		"does not know the run's token", "one without the token is refused");
	fd = dial(fleetcase.port);
	dprintf(fd, "hello 1 {\"node\":\"n2\",\"version\":\"0.0\",\"nonce\":\"00\"}\n");
	has_str(until_closed(fleetcase.fleet, fd, said, sizeof(said)), "install one version",
		"one of another version is told so");
	fd = dial(fleetcase.port);
	dprintf(fd, "hello 9 {\"node\":\"n2\"}\n");
	has_str(until_closed(fleetcase.fleet, fd, said, sizeof(said)), "another protocol",
		"one of another protocol too");
	ok(!disagg_fleet_lost(fleetcase.fleet, 0) && !disagg_fleet_lost(fleetcase.fleet, 1),
		"no node is lost by them");
	is_int(fleetcase_end(&fleetcase), 0, "and the agents end orderly");
}

static void test_names(void)
{
	struct fleetcase fleetcase = {.probes = probes, .nodes = 2};
	struct disagg_err err = DISAGG_ERR_INIT;
	char said[4096];
	int fd;

	is_int(fleetcase_start(&fleetcase, &err), 0, "a run without a token");
	fd = dial(fleetcase.port);
	dprintf(fd, "hello 1 {\"node\":\"n2\",\"version\":\"%s\",\"nonce\":\"00\"}\n",
		DISAGG_VERSION);
	has_str(until_closed(fleetcase.fleet, fd, said, sizeof(said)), "takes part already",
		"a node joins once");
	fd = dial(fleetcase.port);
	dprintf(fd, "hello 1 {\"node\":\"n9\\u001b[31m\",\"version\":\"%s\",\"nonce\":\"00\"}\n",
		DISAGG_VERSION);
	has_str(until_closed(fleetcase.fleet, fd, said, sizeof(said)), "not a node of this step",
		"another's node does not");
	ok(!strchr(fleetcase.said, '\033'), "what it calls itself cannot reach a terminal");
	is_int(fleetcase_end(&fleetcase), 0, "the agents end");
}

/* ---- an agent's side ---- */

static void test_no_lead(void)
{
	struct disagg_meet meet = {.job = "1", .step = "2"};
	struct disagg_meet_self self = {.meet = &meet, .node = "n1"};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_link link;
	int pair[2];

	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
	dprintf(pair[1], "lead 1 {\"job\":\"1\",\"step\":\"3\",\"nonce\":\"00\"}\n");
	is_int(disagg_meet_join(&self, pair[0], &link, &err), -1,
		"another step's lead is not ours");
	has_str(err.text, "another step", "and that is told");
	close(pair[1]);
	disagg_meet_set_token(&meet, "a secret");
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
	dprintf(pair[1], "lead 1 {\"job\":\"1\",\"step\":\"2\",\"nonce\":\"00\"}\n"
			 "welcome 1 {\"proof\":\"0000000000000000\"}\n");
	is_int(disagg_meet_join(&self, pair[0], &link, &err), -1,
		"a lead that is false is found out");
	has_str(err.text, "the run's token", "by its proof");
	close(pair[1]);
}

/* ---- seats and the lock ---- */

static const char *const *variables;

static const char *get(const char *name)
{
	size_t len = strlen(name);

	for (const char *const *at = variables; *at; at++)
		if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
			return *at + len + 1;
	return NULL;
}

static int find_seat(struct disagg_arena *arena, const char *const *env, struct disagg_seat *ret,
	struct disagg_err *err)
{
	variables = env;
	return disagg_seat_find(arena, get, "host7", ret, err);
}

static void test_seats(void)
{
	static const char *const none[] = {NULL},
				 *const batch[] = {"SLURM_JOB_ID=7", "SLURM_JOB_NODELIST=n[1-3]",
					 "SLURMD_NODENAME=n1", NULL},
				 *const step[] = {"SLURM_JOB_ID=7", "SLURM_STEP_ID=2",
					 "SLURM_STEP_NODELIST=n[1-3]", "SLURMD_NODENAME=n3",
					 "SLURM_LOCALID=0", NULL},
				 *const second[] = {"SLURM_JOB_ID=7", "SLURM_STEP_ID=2",
					 "SLURM_STEP_NODELIST=n[1-3]", "SLURMD_NODENAME=n1",
					 "SLURM_LOCALID=1", NULL},
				 *const other[] = {"SLURM_STEP_ID=2", "SLURM_STEP_NODELIST=n[1-3]",
					 "SLURMD_NODENAME=n9", NULL},
				 *const twice[] = {"SLURM_STEP_ID=2",
					 "SLURM_STEP_NODELIST=n1,n2,n1", "SLURMD_NODENAME=n1",
					 NULL};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_seat seat;

	is_int(find_seat(&arena, none, &seat, &err), 0, "outside of Slurm there is one node");
	is_str(seat.name, "host7", "this host");
	is_int(find_seat(&arena, batch, &seat, &err), 0, "so there is in a batch script");
	ok(seat.nodes == 1 && strcmp(seat.name, "n1") == 0 && !seat.job[0], "the one it runs on");
	is_int(find_seat(&arena, step, &seat, &err), 0, "in a step there are the step's");
	ok(seat.nodes == 3 && seat.index == 2 && !seat.extra, "and this is the third");
	is_str(seat.step, "2", "of step 2");
	is_int(find_seat(&arena, second, &seat, &err), 0, "a second task of a node");
	ok(seat.extra, "is one too many");
	is_int(find_seat(&arena, other, &seat, &err), -1,
		"a node that is not the step's is refused");
	has_str(err.text, "'n9'", "by its name");
	is_int(find_seat(&arena, twice, &seat, &err), -1, "a step with a node twice too");
	has_str(err.text, "--ntasks-per-node=1", "with what to type");
	disagg_arena_release(&arena);
}

static void test_lock(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	char node[32], want[32];
	int first, second;

	snprintf(node, sizeof(node), "test-%d", (int)getpid());
	snprintf(want, sizeof(want), "process %d of user", (int)getpid());
	is_int(disagg_nodelock_take(node, &first, &err), 0, "a node can be locked");
	is_int(disagg_nodelock_take(node, &second, &err), -1, "once");
	has_str(err.text, want, "and who holds it is told");
	close(first);
	is_int(disagg_nodelock_take(node, &second, &err), 0, "and again when that has ended");
	close(second);
}

int main(void)
{
	test_siphash();
	test_ports();
	test_strangers();
	test_names();
	test_no_lead();
	test_seats();
	test_lock();
	return tap_done();
}
