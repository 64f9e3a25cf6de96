/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/lease.h"
#include "tests/unit/loopback.h"
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <sys/resource.h>

/* Ports that nobody uses now: bound once by the kernel's choice, and let go. */
static void free_ports(int *ret, unsigned count)
{
	int fds[8];

	for (unsigned i = 0; i < count; i++)
		fds[i] = loopback_bind(&ret[i]);
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

static struct disagg_portset set_of(const int *ports, unsigned count)
{
	struct disagg_portset set = {0};

	for (unsigned i = 0; i < count; i++)
		disagg_portset_add(&set, ports[i], 1);
	return set;
}

static void test_two(void)
{
	int ports[3];
	struct disagg_lease mine = {0}, other = {0};
	struct disagg_lease_conflict taken = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_portset all, last;

	free_ports(ports, 3);
	all = set_of(ports, 3);
	last = set_of(&ports[2], 1);
	is_int(disagg_lease_take(&mine, &all, &taken, &err), 0, "free ports are given");
	is_int(mine.count, 3, "all of them");
	is_int(disagg_lease_take(&other, &last, &taken, &err), 1, "not twice");
	is_int(taken.port, ports[2], "the port is named");
	is_int(taken.why, DISAGG_LEASE_HELD, "another lease holds it");
	is_int(other.count, 0, "and nothing is held");
	disagg_lease_release(&mine);
	is_int(disagg_lease_take(&other, &last, &taken, &err), 0, "given back, it is free");
	is_int(disagg_lease_take(&mine, &all, &taken, &err), 1, "one of three is taken");
	is_int(mine.count, 0, "then none of them is held");
	disagg_lease_release(&other);
	disagg_lease_release(&other);
	is_int(err.code, 0, "a port that is taken is no error");
}

/* The engine itself listens on a port that is held for it. */
static void test_engine(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct disagg_lease lease = {0};
	struct disagg_lease_conflict taken;
	struct disagg_portset set;
	int port, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	free_ports(&port, 1);
	set = set_of(&port, 1);
	address.sin_port = htons((uint16_t)port);
	is_int(disagg_lease_take(&lease, &set, &taken, NULL), 0, "a lease is taken");
	ok(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0,
		"a server can listen on the port that is held");
	disagg_lease_release(&lease);
	is_int(disagg_lease_take(&lease, &set, &taken, NULL), 1,
		"where a program listens there is no lease");
	is_int(taken.why, DISAGG_LEASE_OPEN, "and that is said");
	is_int(lease.count, 0, "and the name is free again");
	close(fd);
	is_int(disagg_lease_take(&lease, &set, &taken, NULL), 0, "until the program has gone");
	disagg_lease_release(&lease);
}

/* On 127.0.0.1 alone, and only bound: a server for all addresses meets it too. */
static void test_loopback_only(void)
{
	struct disagg_lease lease = {0};
	struct disagg_lease_conflict taken = {0};
	struct disagg_portset set;
	int port, fd = loopback_bind(&port);

	set = set_of(&port, 1);
	is_int(disagg_lease_take(&lease, &set, &taken, NULL), 1, "a port of one address is taken");
	is_int(taken.why, DISAGG_LEASE_OPEN, "by a program");
	close(fd);
}

/* The holder dies: the kernel gives its ports back. */
static void test_killed(void)
{
	struct disagg_lease lease = {0};
	struct disagg_lease_conflict taken;
	struct disagg_portset set;
	int port, told[2];
	pid_t pid;
	char byte;

	free_ports(&port, 1);
	set = set_of(&port, 1);
	if (pipe2(told, O_CLOEXEC))
		return;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		byte = disagg_lease_take(&lease, &set, &taken, NULL) == 0;
		(void)!write(told[1], &byte, 1);
		pause();
		_exit(0);
	}
	ok(read(told[0], &byte, 1) == 1 && byte, "another process holds the port");
	is_int(disagg_lease_take(&lease, &set, &taken, NULL), 1, "it is taken");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	is_int(disagg_lease_take(&lease, &set, &taken, NULL), 0, "when that is killed it is free");
	disagg_lease_release(&lease);
	close(told[0]);
	close(told[1]);
}

static void test_no_files(void)
{
	struct rlimit before, few;
	struct disagg_lease lease = {0};
	struct disagg_lease_conflict taken;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_portset set = {0};
	int port;

	free_ports(&port, 1);
	disagg_portset_add(&set, port, 1);
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &few);
	is_int(disagg_lease_take(&lease, &set, &taken, &err), -1, "without a file left");
	setrlimit(RLIMIT_NOFILE, &before);
	is_int(err.code, DISAGG_SYSTEM, "that is an error of the system");
	has_str(err.text, "cannot hold port", "which names the port");
	is_int(lease.count, 0, "and nothing is held");
}

int main(void)
{
	test_two();
	test_engine();
	test_loopback_only();
	test_killed();
	test_no_files();
	return tap_done();
}
