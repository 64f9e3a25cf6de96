/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/base/fd.h"
#include "lib/base/num.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_ARGS 24
#define LOOK_NS	  20000000L
#define GRACE_S	  2 /* for a packer to end by its own deadline */
#define KERNEL_FD 3
#define WINDOW_S  3600 /* of the kernel log, where Slurm does not tell when a job began */

struct hook {
	struct disagg_arena arena;
	const char *self, *job, *node, *nodes, *dir, *user;
	uid_t uid;
	gid_t gid;
	const char *argv[MOST_ARGS + 1];
	const char *envp[4];
	pid_t packer, reader;
};

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* ---- what the job was ---- */

/* Slurm's %j, which the submit host could not fill in. */
static const char *fill_job(struct hook *hook, const char *dir)
{
	const char *at = strstr(dir, "%j");

	if (!at)
		return disagg_arena_strdup(&hook->arena, dir);
	return disagg_arena_printf(
		&hook->arena, "%.*s%s%s", (int)(at - dir), dir, hook->job, at + 2);
}

/* 1: not a job of ours. */
static int read_job(struct hook *hook, struct disagg_err *err)
{
	const char *dir = getenv("SPANK_DISAGG_RUN_DIR"), *uid = getenv("SLURM_JOB_UID");
	struct passwd *entry;
	int64_t number;

	hook->job = getenv("SLURM_JOB_ID");
	hook->node = getenv("SLURMD_NODENAME");
	hook->nodes = getenv("SLURM_JOB_NODELIST");
	if (!hook->nodes)
		hook->nodes = getenv("SLURM_NODELIST"); /* 22.05 */
	if (!dir || dir[0] != '/' || !hook->job || !uid)
		return 1;
	if (disagg_num_int(uid, 1, UINT32_MAX - 1, &number) != 0)
		return 1;
	hook->uid = (uid_t)number;
	entry = getpwuid(hook->uid);
	if (!entry)
		return disagg_err_set(
			err, DISAGG_SYSTEM, "there is no user with the number %s", uid);
	hook->user = disagg_arena_strdup(&hook->arena, entry->pw_name);
	hook->gid = entry->pw_gid;
	hook->dir = fill_job(hook, dir);
	return hook->user && hook->dir ? 0 : disagg_err_nomem(err);
}

static int build_command(struct hook *hook, const struct pack_hook *how, struct disagg_err *err)
{
	const struct {
		const char *option, *value;
	} told[] = {{"--job-exit", getenv("SLURM_JOB_EXIT_CODE")},
		{"--restarts", getenv("SLURM_JOB_RESTART_COUNT")},
		{"--spare", getenv("SLURM_JOB_WORK_DIR")}};
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t count = 0;
	const char *fixed[] = {"disagg-pack", "--epilog", "--kernel-log",
		disagg_arena_printf(&hook->arena, "--deadline=%d", how->deadline_s),
		disagg_arena_printf(&hook->arena, "--job=%s", hook->job),
		disagg_arena_printf(&hook->arena, "--node=%s", or_empty(hook->node)),
		disagg_arena_printf(&hook->arena, "--nodes=%s", or_empty(hook->nodes))};

	if (len <= 0)
		return disagg_err_sys(err, "cannot find the program itself");
	hook->self = disagg_arena_strndup(&hook->arena, self, (size_t)len);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
		if (!fixed[i])
			return disagg_err_nomem(err);
		hook->argv[count++] = fixed[i];
	}
	for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++) {
		if (!told[i].value || !*told[i].value)
			continue;
		hook->argv[count] =
			disagg_arena_printf(&hook->arena, "%s=%s", told[i].option, told[i].value);
		if (!hook->argv[count++])
			return disagg_err_nomem(err);
	}
	for (size_t i = 0; how->pass && how->pass[i] && count < MOST_ARGS - 2; i++)
		hook->argv[count++] = how->pass[i];
	hook->argv[count++] = "--";
	hook->argv[count] = hook->dir;
	hook->envp[0] = "PATH=/usr/local/bin:/usr/bin:/bin";
	hook->envp[1] = "LC_ALL=C.UTF-8";
	return hook->self ? 0 : disagg_err_nomem(err);
}

/* ---- the two children ---- */

static void become(const struct hook *hook)
{
	if (setgid(hook->gid) != 0 || setuid(hook->uid) != 0 || setuid(0) == 0)
		_exit(127);
}

static void quiet_fds(int kernel_fd, int target)
{
	int null_fd = open("/dev/null", O_RDWR);

	dup2(null_fd, STDIN_FILENO);
	dup2(null_fd, STDERR_FILENO);
	if (target == STDOUT_FILENO)
		dup2(kernel_fd, STDOUT_FILENO);
	else
		dup2(null_fd, STDOUT_FILENO);
	/* dup2 to itself would leave it closed on exec */
	if (target == KERNEL_FD && (kernel_fd == KERNEL_FD ? fcntl(KERNEL_FD, F_SETFD, 0)
							   : dup2(kernel_fd, KERNEL_FD)) < 0)
		_exit(127);
	disagg_fd_close_from(KERNEL_FD + 1);
}

/* A child does not outlive the hook, which may be killed; becoming a user undoes it. */
static void follow(pid_t hook)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != hook)
		_exit(127);
}

/* The user's groups are read here, before the fork: the child does nothing but calls to
 * the kernel. */
static int start_packer(struct hook *hook, int kernel_fd, struct disagg_err *err)
{
	pid_t parent;

	if (initgroups(hook->user, hook->gid) != 0)
		return disagg_err_sys(err, "cannot take the groups of '%s'", hook->user);
	parent = getpid();
	hook->packer = fork();
	if (hook->packer == 0) {
		setpgid(0, 0);
		quiet_fds(kernel_fd, KERNEL_FD);
		become(hook);
		follow(parent);
		if (chdir("/") == 0)
			execve(hook->self, (char *const *)(uintptr_t)hook->argv,
				(char *const *)(uintptr_t)hook->envp);
		_exit(127);
	}
	return hook->packer < 0 ? disagg_err_sys(err, "cannot start the packer") : 0;
}

static int start_reader(struct hook *hook, int kernel_fd, struct disagg_err *err)
{
	const char *start = getenv("SLURM_JOB_START_TIME"), *gpus = getenv("SLURM_JOB_GPUS");
	int64_t since;
	bool begun = start && disagg_num_int(start, 1, INT64_MAX, &since) == 0;

	if (!begun)
		since = (int64_t)time(NULL) - WINDOW_S;
	/* of GPUs that were another's before the job, a process that is gone is not the job's */
	const char *argv[] = {"disagg-pack", "--kernel-lines",
		disagg_arena_printf(&hook->arena, "--since=%lld", (long long)since),
		disagg_arena_printf(&hook->arena, "--uid=%u", (unsigned)hook->uid),
		disagg_arena_printf(&hook->arena, "--job=%s", hook->job),
		disagg_arena_printf(&hook->arena, "--gpus=%s", begun ? or_empty(gpus) : ""), NULL};
	pid_t parent;

	if (!argv[2] || !argv[3] || !argv[4] || !argv[5])
		return disagg_err_nomem(err);
	parent = getpid();
	hook->reader = fork();
	if (hook->reader == 0) {
		setpgid(0, 0);
		quiet_fds(kernel_fd, STDOUT_FILENO);
		close(KERNEL_FD);
		follow(parent);
		if (chdir("/") == 0)
			execve(hook->self, (char *const *)(uintptr_t)argv,
				(char *const *)(uintptr_t)hook->envp);
		_exit(127);
	}
	return hook->reader < 0 ? disagg_err_sys(err, "cannot start the kernel log's reader") : 0;
}

static bool is_over(pid_t *pid)
{
	if (*pid > 0 && waitpid(*pid, NULL, WNOHANG) == *pid)
		*pid = 0;
	return *pid <= 0;
}

/* A child that the kernel does not let go is left to init. */
static void await(struct hook *hook, int deadline_s)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	int64_t until = pack_now_ns() + (int64_t)(deadline_s + GRACE_S) * 1000000000;

	while (!(is_over(&hook->packer) & is_over(&hook->reader)) && pack_now_ns() < until)
		nanosleep(&pause, NULL);
	if (hook->packer > 0)
		kill(-hook->packer, SIGKILL);
	if (hook->reader > 0)
		kill(-hook->reader, SIGKILL);
	nanosleep(&pause, NULL);
	is_over(&hook->packer);
	is_over(&hook->reader);
}

static int run_both(struct hook *hook, const struct pack_hook *how, struct disagg_err *err)
{
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return disagg_err_sys(err, "cannot make a pipe");
	rc = start_reader(hook, ends[1], err);
	if (rc == 0)
		rc = start_packer(hook, ends[0], err);
	close(ends[0]);
	close(ends[1]);
	await(hook, how->deadline_s);
	return rc;
}

int pack_hook(const struct pack_hook *how, struct disagg_err *err)
{
	struct hook hook = {.packer = 0};
	int rc = read_job(&hook, err);

	if (rc == 0)
		rc = build_command(&hook, how, err);
	if (rc == 0)
		rc = run_both(&hook, how, err);
	disagg_arena_release(&hook.arena);
	return rc < 0 ? -1 : 0;
}
