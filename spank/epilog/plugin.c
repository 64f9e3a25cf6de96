/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second plugin: slurmd starts a process a job, some 20 ms, wherever a plugin has
 * this symbol, so it is apart from disagg.so.  It starts `disagg-pack --hook`, waits for
 * it no longer than the deadline, and returns 0 whatever happens: any other value drains
 * the node.
 */
#include <stdint.h>
#pragma GCC visibility push(default)
#include <slurm/spank.h>
SPANK_PLUGIN(disagg_epilog, 1)
#pragma GCC visibility pop
#include "lib/base/fd.h"
#include "lib/base/num.h"
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef DISAGG_PACK_PATH
#define DISAGG_PACK_PATH "/usr/local/bin/disagg-pack"
#endif
#define DEADLINE_S	30
#define MOST_DEADLINE_S 3600
#define GRACE_S		5
#define LOOK_NS		10000000L
#define MOST_PASS	8
#define MOST_WORD	4096 /* bytes of one */
#define MOST_ENV	16

struct call {
	const char *pack; /* absolute path */
	int64_t deadline_s;
	char deadline[32];
	const char *argv[MOST_PASS + 4];
	const char *envp[MOST_ENV + 1];
	char pass[MOST_PASS][MOST_WORD];
};

/* One for the packer: mode=, keep=, keep_days=, ...  A part of a path is another path, so it
 * is taken whole or not at all. */
static void pass_on(struct call *call, unsigned *count, const char *word)
{
	char *to = call->pass[*count];

	if (*count == MOST_PASS || snprintf(to, MOST_WORD, "--%s", word) >= MOST_WORD) {
		slurm_error("disagg_epilog: too many or too long: '%.64s' is left out", word);
		return;
	}
	for (char *c = to; *c && *c != '='; c++)
		*c = *c == '_' ? '-' : *c;
	++*count;
}

/* pack=PATH, deadline=TIME; all else is for the packer. */
static void read_arguments(struct call *call, int argc, char **argv)
{
	unsigned count = 0, at = 0;

	call->pack = DISAGG_PACK_PATH;
	call->deadline_s = DEADLINE_S;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "pack=/", 6) == 0)
			call->pack = argv[i] + 5;
		else if (strncmp(argv[i], "deadline=", 9) == 0)
			disagg_num_duration(argv[i] + 9, &call->deadline_s);
		else
			pass_on(call, &count, argv[i]);
	}
	if (call->deadline_s > MOST_DEADLINE_S)
		call->deadline_s = MOST_DEADLINE_S;
	snprintf(call->deadline, sizeof(call->deadline), "--deadline=%d", (int)call->deadline_s);
	call->argv[at++] = "disagg-pack";
	call->argv[at++] = "--hook";
	call->argv[at++] = call->deadline;
	for (unsigned i = 0; i < count; i++)
		call->argv[at++] = call->pass[i];
}

extern char **environ;

static void read_environment(struct call *call)
{
	static const char *const names[] = {"SLURM_JOB_ID", "SLURM_JOB_UID", "SLURM_JOB_NODELIST",
		"SLURM_NODELIST", "SLURMD_NODENAME", "SLURM_JOB_START_TIME", "SLURM_JOB_EXIT_CODE",
		"SLURM_JOB_RESTART_COUNT", "SLURM_JOB_WORK_DIR", "SLURM_JOB_GPUS",
		"SPANK_DISAGG_RUN_DIR"};
	size_t count = 0;

	for (char **at = environ; *at && count < MOST_ENV; at++)
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (strncmp(*at, names[i], strlen(names[i])) == 0 &&
				(*at)[strlen(names[i])] == '=')
				call->envp[count++] = *at;
}

static pid_t start(const struct call *call)
{
	pid_t pid = fork();
	int null_fd;

	if (pid != 0)
		return pid;
	setpgid(0, 0);
	null_fd = open("/dev/null", O_RDWR);
	dup2(null_fd, STDIN_FILENO);
	dup2(null_fd, STDOUT_FILENO);
	dup2(null_fd, STDERR_FILENO);
	disagg_fd_close_from(STDERR_FILENO + 1);
	execve(call->pack, (char *const *)(uintptr_t)call->argv,
		(char *const *)(uintptr_t)call->envp);
	_exit(127);
}

static void await(pid_t pid, int64_t deadline_s)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	struct timespec now;
	int64_t until;
	bool runs;

	clock_gettime(CLOCK_MONOTONIC, &now);
	until = now.tv_sec + deadline_s + GRACE_S;
	while ((runs = waitpid(pid, NULL, WNOHANG) == 0) && now.tv_sec < until) {
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	if (runs)
		kill(-pid, SIGKILL);
}

int slurm_spank_job_epilog(spank_t sp, int argc, char *argv[])
{
	struct call *call;
	pid_t pid;

	(void)sp;
	if (!getenv("SPANK_DISAGG_RUN_DIR"))
		return 0;
	call = calloc(1, sizeof(*call));
	if (!call)
		return 0;
	read_arguments(call, argc, argv);
	read_environment(call);
	pid = start(call);
	if (pid > 0)
		await(pid, call->deadline_s);
	else
		slurm_error("disagg_epilog: cannot start '%s'", call->pack);
	free(call);
	return 0;
}
