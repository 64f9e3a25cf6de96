/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/proc.h"
#include "lib/base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_SIGNAL   32 /* those that have names */
#define KEPT_BYTES    (256u * 1024u)
#define LOOK_AGAIN_MS 20
#define CLOSE_ON_EXEC 4u   /* CLOSE_RANGE_CLOEXEC */
#define FILES_CLOSED  1024 /* where the kernel has no close_range */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- starting ---- */

/* In the child, from here to exec: only calls that are safe after fork. */
static void child_streams(const struct disagg_proc_spec *spec)
{
	const int wanted[] = {spec->in_fd, spec->out_fd, spec->err_fd};
	int high[3];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* above 2 first, so that no stream overwrites one that is yet to be moved */
	for (int i = 0; i < 3; i++)
		high[i] = fcntl(wanted[i] >= 0 ? wanted[i] : null, F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < 3; i++)
		dup2(high[i], i);
}

void disagg_proc_reset_signals(void)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < SIGRTMIN; i++)
		sigaction(i, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What the caller was started with is not for its children. */
static void child_files(void)
{
	if (syscall(SYS_close_range, 3u, ~0u, CLOSE_ON_EXEC) == 0)
		return;
	for (int fd = 3; fd < FILES_CLOSED; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void child_run(const struct disagg_proc_spec *spec, int tell_fd)
{
	int why;

	if (spec->own_group)
		setpgid(0, 0);
	disagg_proc_reset_signals();
	child_streams(spec);
	child_files();
	execve(spec->argv[0], (char *const *)(uintptr_t)spec->argv,
		(char *const *)(uintptr_t)spec->envp);
	why = errno;
	if (write(tell_fd, &why, sizeof(why)) < 0)
		_exit(126);
	_exit(127);
}

/* The errno of a failed exec, or 0: the pipe closes when the exec succeeds. */
static int exec_result(int fd)
{
	int why = 0;
	ssize_t got;

	do
		got = read(fd, &why, sizeof(why));
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof(why) ? why : 0;
}

static int exec_failed(const struct disagg_proc_spec *spec, int why, struct disagg_err *err)
{
	if (why == ENOENT || why == EACCES)
		return disagg_err_set(
			err, DISAGG_MISSING, "cannot run '%s': %s", spec->argv[0], strerror(why));
	errno = why;
	return disagg_err_sys(err, "cannot run '%s'", spec->argv[0]);
}

int disagg_proc_spawn(
	const struct disagg_proc_spec *spec, struct disagg_proc *ret, struct disagg_err *err)
{
	int tell[2];
	pid_t pid;
	int why;

	if (pipe2(tell, O_CLOEXEC))
		return disagg_err_sys(err, "cannot run '%s': no pipe", spec->argv[0]);
	pid = fork();
	if (pid == 0)
		child_run(spec, tell[1]);
	why = pid < 0 ? errno : 0;
	close(tell[1]);
	if (pid > 0)
		why = exec_result(tell[0]);
	close(tell[0]);
	if (pid > 0 && why)
		waitpid(pid, NULL, 0);
	if (why)
		return exec_failed(spec, why, err);
	ret->pid = pid;
	ret->status = 0;
	ret->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return 0;
}

/* ---- ending ---- */

int disagg_proc_reap(struct disagg_proc *proc)
{
	int status;
	pid_t got;

	if (!proc->pid)
		return 1;
	got = waitpid(proc->pid, &status, WNOHANG);
	if (got == 0 || (got < 0 && errno == EINTR))
		return 0;
	proc->status = got > 0 ? status : 0;
	proc->pid = 0;
	if (proc->pidfd >= 0)
		close(proc->pidfd);
	proc->pidfd = -1;
	return 1;
}

int disagg_proc_wait(struct disagg_proc *proc, int timeout_ms, int cancel_fd)
{
	int64_t end = now_ms() + timeout_ms;

	while (!disagg_proc_reap(proc)) {
		int64_t left = end - now_ms();
		struct pollfd fds[] = {
			{.fd = proc->pidfd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};

		if (left <= 0)
			return 1;
		if (proc->pidfd < 0 && left > LOOK_AGAIN_MS)
			left = LOOK_AGAIN_MS;
		if (poll(fds, 2, (int)left) > 0 && fds[1].revents)
			return disagg_proc_reap(proc) ? 0 : 1;
	}
	return 0;
}

void disagg_proc_kill(struct disagg_proc *proc)
{
	if (!proc->pid)
		return;
	kill(proc->pid, SIGKILL);
	disagg_proc_wait(proc, 5000, -1);
}

/* ---- a command and its output ---- */

/* Reads what there is; 0: the writing end is closed. */
static int take_output(int fd, struct disagg_strbuf *out, size_t limit)
{
	char bytes[4096];
	ssize_t got = read(fd, bytes, sizeof(bytes));

	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	if (out->len < limit)
		disagg_strbuf_add(out, bytes,
			(size_t)got < limit - out->len ? (size_t)got : limit - out->len);
	return got > 0;
}

/* 0 when the output has ended, 1 past the deadline or cancelled. */
static int gather(
	int fd, const struct disagg_proc_call *call, int64_t end, struct disagg_strbuf *out)
{
	size_t limit = call->limit ? call->limit : KEPT_BYTES;

	for (;;) {
		int64_t left = end - now_ms();
		struct pollfd fds[] = {
			{.fd = fd, .events = POLLIN}, {.fd = call->cancel_fd, .events = POLLIN}};

		if (left <= 0)
			return 1;
		if (poll(fds, 2, (int)left) <= 0)
			continue;
		if (fds[1].revents)
			return 1;
		if (fds[0].revents && !take_output(fd, out, limit))
			return 0;
	}
}

static int run_to_end(struct disagg_proc *proc, int fd, const struct disagg_proc_call *call,
	struct disagg_strbuf *out, struct disagg_err *err)
{
	int64_t end = now_ms() + call->timeout_ms;
	int64_t left;

	if (gather(fd, call, end, out) == 0) {
		left = end - now_ms();
		if (disagg_proc_wait(proc, left > 0 ? (int)left : 0, call->cancel_fd) == 0)
			return 0;
	}
	disagg_proc_kill(proc);
	return disagg_err_set(err, DISAGG_TIMEOUT, "'%s' has not ended after %d ms", call->argv[0],
		call->timeout_ms);
}

int disagg_proc_run(struct disagg_arena *arena, const struct disagg_proc_call *call,
	struct disagg_proc_result *ret, struct disagg_err *err)
{
	struct disagg_proc proc = DISAGG_PROC_INIT;
	struct disagg_strbuf out;
	const char *text = NULL;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC))
		return disagg_err_sys(err, "cannot run '%s': no pipe", call->argv[0]);
	rc = disagg_proc_spawn(&(struct disagg_proc_spec){.argv = call->argv,
				       .envp = call->envp,
				       .in_fd = -1,
				       .out_fd = ends[1],
				       .err_fd = ends[1],
				       .own_group = true},
		&proc, err);
	close(ends[1]);
	disagg_strbuf_init(&out, (call->limit ? call->limit : KEPT_BYTES) + 1);
	if (rc == 0)
		rc = run_to_end(&proc, ends[0], call, &out, err);
	close(ends[0]);
	if (rc == 0) {
		text = disagg_arena_strndup(arena, out.text, out.len);
		rc = text && !out.failed ? 0 : disagg_err_nomem(err);
	}
	if (rc == 0)
		*ret = (struct disagg_proc_result){text, out.len, proc.status};
	disagg_strbuf_release(&out);
	return rc;
}

/* ---- names and words ---- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

const char *disagg_proc_find(struct disagg_arena *arena, const char *name, const char *path)
{
	if (strchr(name, '/'))
		return is_program(name) ? disagg_arena_strdup(arena, name) : NULL;
	while (path && *path) {
		size_t len = strcspn(path, ":");
		const char *full = len ? disagg_arena_printf(arena, "%.*s/%s", (int)len, path, name)
				       : disagg_arena_printf(arena, "./%s", name);

		if (!full || is_program(full))
			return full;
		path += len;
		path += *path == ':';
	}
	return NULL;
}

const char *disagg_proc_tool(struct disagg_arena *arena, const char *name, const char *path)
{
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *beside;
	char *slash;

	self[len > 0 ? len : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash) {
		beside = disagg_arena_printf(arena, "%.*s/%s", (int)(slash - self), self, name);
		if (!beside || is_program(beside))
			return beside;
	}
	return disagg_proc_find(arena, name, path);
}

void disagg_proc_tell(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(
			buf, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(buf, size, "exit status %d", WEXITSTATUS(status));
}

int disagg_proc_tell_task(int status, char *buf, size_t size)
{
	int number = WIFEXITED(status) ? WEXITSTATUS(status) - 128 : 0;

	if (number < 1 || number >= MOST_SIGNAL) {
		disagg_proc_tell(status, buf, size);
		return 0;
	}
	snprintf(buf, size, "killed by signal %d (%s)", number, strsignal(number));
	return number;
}

int disagg_proc_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Whether "NAME=..." is the variable that a change ("NAME" or "NAME=...") is about. */
static bool same_name(const char *entry, const char *change)
{
	size_t len = strcspn(change, "=");

	return strncmp(entry, change, len) == 0 && entry[len] == '=';
}

static bool is_changed(const char *entry, const char *const *change)
{
	for (; *change; change++) {
		if (same_name(entry, *change))
			return true;
	}
	return false;
}

const char *const *disagg_proc_env(
	struct disagg_arena *arena, const char *const *base, const char *const *change)
{
	size_t count = 0, room = 1;
	const char **env;

	for (const char *const *p = base; *p; p++)
		room++;
	for (const char *const *p = change; *p; p++)
		room++;
	env = disagg_arena_array(arena, room, sizeof(*env));
	if (!env)
		return NULL;
	for (; *base; base++) {
		if (!is_changed(*base, change))
			env[count++] = *base;
	}
	for (; *change; change++) {
		/* of several the last counts */
		if (strchr(*change, '=') && !is_changed(*change, change + 1))
			env[count++] = *change;
	}
	return env;
}
