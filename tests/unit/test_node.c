/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/node.h"
#include "lib/plan/wire.h"
#include "tests/unit/jobtext.h"
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a node is told to lack; "CODE text" a line. */
static char told[4096], folder[] = "/tmp/disagg-node.XXXXXX";

static void tell(void *context, enum disagg_code code, const char *text)
{
	size_t len = strlen(told);

	(void)context;
	snprintf(told + len, sizeof(told) - len, "%d %s\n", (int)code, text);
}

struct node_case {
	const char *name;
	const char *hosts; /* SLURM_JOB_NODELIST */
	const char *more;  /* lines of the file */
	bool rehearse, rdma, lost_dir;
	unsigned long files, locked;
	const char *told; /* a part of what is said; "": nothing is */
};

static const struct node_case cases[] = {
	{"all is well", "localhost", "", false, true, false, 65536, ULONG_MAX, ""},
	{"a name without an address", "no-such-host.invalid", "", false, false, false, 65536,
		ULONG_MAX,
		"5 the host name 'no-such-host.invalid' has no address on 'no-such-host.invalid': "
		"expected it in DNS or /etc/hosts"},
	{"the run directory is not on the node", "localhost", "", false, false, true, 65536,
		ULONG_MAX,
		"is not there on 'localhost' (No such file or directory): expected a "
		"file system that all nodes share"},
	{"an interface with an address", "localhost", "network_interface: lo\n", false, false,
		false, 65536, ULONG_MAX, ""},
	{"an interface that is not there", "localhost", "network_interface: ib7\n", false, false,
		false, 65536, ULONG_MAX,
		"3 network_interface: 'ib7' has no address on 'localhost'"},
	{"few files", "localhost", "", false, false, false, 1024, ULONG_MAX,
		"0 'localhost' allows 1024 open files"},
	{"few files matter to no rehearsal", "localhost", "", true, false, false, 1024, ULONG_MAX,
		""},
	{"little locked memory where there is RDMA", "localhost", "", false, true, false, 65536,
		8 * 1024 * 1024,
		"0 'localhost' has RDMA devices but lets 8192 KiB of memory be locked"},
	{"and where there is none", "localhost", "", false, false, false, 65536, 8 * 1024 * 1024,
		""},
};

static const struct node_case *now;
static const char *wire, *config;

static const char *environment(const char *name)
{
	static char dir[256];

	snprintf(dir, sizeof(dir), "%s/%s", folder, now->lost_dir ? "lost" : "run");
	return strcmp(name, DISAGG_INSIDE_PLAN) == 0	 ? wire
	       : strcmp(name, DISAGG_INSIDE_CONFIG) == 0 ? config
	       : strcmp(name, "SLURM_JOB_ID") == 0	 ? "7"
	       : strcmp(name, "SLURM_JOB_NODELIST") == 0 ? now->hosts
	       : strcmp(name, "DISAGG_RUN_DIR") == 0	 ? dir
							 : NULL;
}

static bool enter(struct jobtext *jt, struct disagg_inside *in)
{
	char yaml[512];
	struct disagg_plan *plan;
	struct disagg_err err = DISAGG_ERR_INIT;

	snprintf(yaml, sizeof(yaml),
		"disagg: 1\nname: t\ngpus_per_node: 4\n%sroles:\n"
		"  decode: {engine: command, command: [x], gpus: 4}\n",
		now->more);
	jobtext_load(jt, yaml, NULL);
	if (!ok(jt->job && disagg_plan_make(&jt->arena, jt->job, &plan, &jt->found) == 0,
		    now->name))
		return false;
	plan->rehearse = now->rehearse;
	return ok(disagg_wire_encode(&jt->arena, plan, &wire, &err) == 0 &&
			  disagg_job_config(&jt->arena, jt->job, &config, &err) == 0 &&
			  disagg_inside_load(in, &jt->arena, environment, &err) == 0,
		"the job is there");
}

static void test_check(const struct node_case *c)
{
	struct jobtext jt;
	struct disagg_inside in;
	char sys[300];

	now = c;
	snprintf(sys, sizeof(sys), "%s/%s", folder, c->rdma ? "rdma" : "none");
	told[0] = '\0';
	if (enter(&jt, &in)) {
		const struct disagg_node_facts facts = {
			.in = &in, .sys = sys, .files = c->files, .locked = c->locked};

		disagg_node_check(&facts, tell, NULL);
		if (*c->told)
			has_str(told, c->told, c->name);
		else
			is_str(told, "", c->name);
		is_str(disagg_node_address(&in), strstr(c->more, ": lo") ? "127.0.0.1" : "",
			"its address");
	}
	jobtext_release(&jt);
}

static void test_addresses(void)
{
	static const char *const given[] = {
		"10.0.0.1,10.0.0.2", "10.0.0.1", ",::1", "x,y", "", NULL};
	static const char *const first[] = {"10.0.0.1", "10.0.0.1", "", "", "", ""};
	static const char *const second[] = {"10.0.0.2", "", "::1", "", "", ""};

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		const char *ip[2] = {NULL, NULL};
		struct disagg_inside in = {.arena = &arena, .ip = ip, .hosts = {.count = 2}};

		is_int(disagg_inside_set_addresses(&in, given[i], NULL), 0, "addresses are read");
		is_str(ip[0] ? ip[0] : "", first[i], "of the first node");
		is_str(ip[1] ? ip[1] : "", second[i], "and of the second");
		disagg_arena_release(&arena);
	}
}

static void test_limits(void)
{
	struct disagg_node_facts facts = {.files = 0};
	struct rlimit before, limit;
	rlim_t locked;

	disagg_node_limits(&facts);
	getrlimit(RLIMIT_NOFILE, &before);
	ok(facts.files == ULONG_MAX || facts.files == before.rlim_max, "the hard limit counts");
	limit = before;
	limit.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &limit);
	disagg_node_raise_limits(128);
	getrlimit(RLIMIT_NOFILE, &limit);
	is_int((intmax_t)limit.rlim_cur, 128, "the soft limit is raised to what is asked");
	disagg_node_raise_limits(100);
	getrlimit(RLIMIT_NOFILE, &limit);
	is_int((intmax_t)limit.rlim_cur, 128, "and never lowered");
	getrlimit(RLIMIT_MEMLOCK, &limit);
	locked = limit.rlim_max;
	limit.rlim_cur = 4096;
	setrlimit(RLIMIT_MEMLOCK, &limit);
	disagg_node_raise_limits(100);
	getrlimit(RLIMIT_MEMLOCK, &limit);
	ok(limit.rlim_cur == locked, "as much memory may be locked as the hard limit allows");
	setrlimit(RLIMIT_NOFILE, &before);
}

static void make(const char *below)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", folder, below);
	if (mkdir(path, 0700))
		perror(path);
}

static void drop(const char *below)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", folder, below);
	rmdir(path);
}

int main(void)
{
	static const char *const made[] = {"run", "none", "none/class", "none/class/infiniband",
		"rdma", "rdma/class", "rdma/class/infiniband", "rdma/class/infiniband/mlx5_0"};
	size_t count = sizeof(made) / sizeof(made[0]);

	if (!mkdtemp(folder))
		return 5;
	for (size_t i = 0; i < count; i++)
		make(made[i]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		test_check(&cases[i]);
	test_addresses();
	test_limits();
	while (count--)
		drop(made[count]);
	rmdir(folder);
	return tap_done();
}
