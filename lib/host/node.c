/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/node.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_BYTES 512

struct checks {
	const struct disagg_node_facts *facts;
	const char *host;
	disagg_node_tell *tell;
	void *context;
};

static void say(const struct checks *checks, enum disagg_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(const struct checks *checks, enum disagg_code code, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	checks->tell(checks->context, code, text);
}

static void check_run_dir(const struct checks *checks)
{
	const char *dir = checks->facts->in->run_dir;
	struct stat st;

	if (stat(dir, &st))
		say(checks, DISAGG_SYSTEM,
			"the run directory '%s' is not there on '%s' (%s): expected a file system "
			"that all nodes share; log_dir: names another place",
			dir, checks->host, strerror(errno));
	else if (access(dir, W_OK | X_OK))
		say(checks, DISAGG_SYSTEM, "the run directory '%s' cannot be written on '%s': %s",
			dir, checks->host, strerror(errno));
}

static void check_names(const struct checks *checks)
{
	const struct disagg_inside *in = checks->facts->in;
	uint32_t nodes = in->plan->nodes;
	uint32_t count = nodes < DISAGG_NODE_NAMES_MOST ? nodes : DISAGG_NODE_NAMES_MOST;

	for (uint32_t i = 0; i < count; i++) {
		const char *name = disagg_inside_host(in, (checks->facts->node + i) % nodes);

		if (disagg_inside_resolve(in->arena, name))
			continue;
		say(checks, DISAGG_SYSTEM,
			"the host name '%s' has no address on '%s': expected it in DNS or "
			"/etc/hosts, for workers are found by name",
			name, checks->host);
		return;
	}
}

static void check_interface(const struct checks *checks)
{
	const char *interface = checks->facts->in->job->network_interface;

	if (interface && !disagg_inside_interface(checks->facts->in->arena, interface))
		say(checks, DISAGG_CONFIG,
			"network_interface: '%s' has no address on '%s'; 'ip address' there lists "
			"what it has",
			interface, checks->host);
}

static void check_files(const struct checks *checks)
{
	if (checks->facts->files < DISAGG_NODE_FILES && !checks->facts->in->plan->rehearse)
		say(checks, DISAGG_OK,
			"'%s' allows %lu open files, and a server takes one a request: expected "
			"%lu; set LimitNOFILE= of slurmd there",
			checks->host, checks->facts->files, DISAGG_NODE_FILES);
}

static bool has_rdma(const struct checks *checks)
{
	const char *path = disagg_arena_printf(
		checks->facts->in->arena, "%s/class/infiniband", checks->facts->sys);
	DIR *dir = path ? opendir(path) : NULL;
	const struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.';
	closedir(dir);
	return found;
}

static void check_locked(const struct checks *checks)
{
	if (checks->facts->locked == ULONG_MAX || checks->facts->in->plan->rehearse ||
		!has_rdma(checks))
		return;
	say(checks, DISAGG_OK,
		"'%s' has RDMA devices but lets %lu KiB of memory be locked, so that KV transfers "
		"fail: expected unlimited; set LimitMEMLOCK=infinity of slurmd there",
		checks->host, checks->facts->locked / 1024);
}

void disagg_node_check(const struct disagg_node_facts *facts, disagg_node_tell *tell, void *context)
{
	const struct checks checks = {
		facts, disagg_inside_host(facts->in, facts->node), tell, context};

	check_run_dir(&checks);
	check_names(&checks);
	check_interface(&checks);
	check_files(&checks);
	check_locked(&checks);
}

static unsigned long limit_of(int resource)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) || limit.rlim_max == RLIM_INFINITY)
		return ULONG_MAX;
	return (unsigned long)limit.rlim_max;
}

void disagg_node_limits(struct disagg_node_facts *facts)
{
	facts->files = limit_of(RLIMIT_NOFILE);
	facts->locked = limit_of(RLIMIT_MEMLOCK);
}

static void raise_limit(int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) || limit.rlim_cur >= most)
		return;
	limit.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
	setrlimit((__rlimit_resource_t)resource, &limit);
}

void disagg_node_raise_limits(unsigned long files)
{
	raise_limit(RLIMIT_NOFILE, files);
	raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
}

const char *disagg_node_address(const struct disagg_inside *in)
{
	const char *interface = in->job->network_interface;
	const char *address = interface ? disagg_inside_interface(in->arena, interface) : NULL;

	return address ? address : "";
}
