/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/child.h"

#include "lib/base/fd.h"
#include "lib/host/http.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND_NS  1000000000ll
#define GRACE_NS   (2 * SECOND_NS)  /* from TERM to KILL */
#define STUCK_NS   (3 * SECOND_NS)  /* from KILL to giving up */
#define LOOK_NS	   (SECOND_NS / 20) /* where the kernel has no pidfd */
#define SAID_BYTES 4096
#define READS_MOST 64 /* in one step, so that one child cannot hold up the rest */
#define KEPT_FD	   3  /* of the lines, in the child */

/* ---- in the child ---- */

/* Lines go to descriptor 3, all else that was open is closed. */
static void child_files(int lines_fd, int said_fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	/* above 3 first, so that none overwrites one that is yet to be moved */
	int lines = fcntl(lines_fd, F_DUPFD, KEPT_FD + 1);
	int said = fcntl(said_fd, F_DUPFD, KEPT_FD + 1);

	dup2(null, STDIN_FILENO);
	dup2(said, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	dup2(lines, KEPT_FD);
	fcntl(KEPT_FD, F_SETFD, FD_CLOEXEC);
	disagg_fd_close_from(KEPT_FD + 1);
}

static void child_main(const int *pipes, pid_t parent, disagg_child_work *work, void *context)
{
	const struct rlimit no_core = {0, 0};

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it has ended already */
		_exit(DISAGG_SYSTEM);
	disagg_proc_reset_signals();
	child_files(pipes[1], pipes[3]);
	setrlimit(RLIMIT_CORE, &no_core);
	_exit(work(context, KEPT_FD));
}

/* ---- starting ---- */

/* Two pipes, read and write ends in turn; only ours do not block. */
static int open_pipes(int *pipes)
{
	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	if (pipe2(pipes + 2, O_CLOEXEC)) {
		close(pipes[0]);
		close(pipes[1]);
		return -1;
	}
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	fcntl(pipes[2], F_SETFL, O_NONBLOCK);
	return 0;
}

int disagg_child_start(struct disagg_child *child, disagg_child_work *work, void *context,
	unsigned deadline_ms, struct disagg_err *err)
{
	int pipes[4];
	pid_t self = getpid(), pid;

	if (open_pipes(pipes))
		return disagg_err_sys(err, "cannot start a child: no pipe");
	pid = fork();
	if (pid == 0)
		child_main(pipes, self, work, context);
	if (pid < 0) {
		disagg_err_sys(err, "cannot start a child");
		for (int i = 0; i < 4; i++)
			close(pipes[i]);
		return -1;
	}
	setpgid(pid, pid); /* here too: it may be signalled before it has run */
	close(pipes[1]);
	close(pipes[3]);
	*child = (struct disagg_child){
		.proc = {.pid = pid, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)},
		.fd = pipes[0],
		.said_fd = pipes[2],
		.lines = {.limit = DISAGG_CHILD_LINE},
		.deadline_ms = deadline_ms,
		.next_ns = disagg_monotonic_ns() + (int64_t)deadline_ms * 1000000,
	};
	return 0;
}

/* ---- ending ---- */

/* The group, by the leader that is not reaped yet, so that no other process has its number. */
static void signal_group(const struct disagg_child *child, int number)
{
	if (!child->gone)
		kill(-child->proc.pid, number);
}

static void end_by_force(struct disagg_child *child, enum disagg_child_end why, int64_t now_ns)
{
	if (child->why == DISAGG_CHILD_RUNS)
		child->why = why;
	signal_group(child, SIGKILL);
	child->killed = true;
	child->next_ns = now_ns + STUCK_NS;
}

/* The text of a file of /proc/PID, or "". */
static void read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t got = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		got = read(fd, buf, size - 1);
		close(fd);
	}
	buf[got > 0 ? got : 0] = '\0';
}

static void give_up(struct disagg_child *child)
{
	char stat[512];
	const char *after;

	read_proc(child->proc.pid, "stat", stat, sizeof(stat));
	after = strrchr(stat, ')'); /* a name may hold anything */
	child->state = after && after[1] == ' ' ? after[2] : '?';
	read_proc(child->proc.pid, "wchan", child->wchan, sizeof(child->wchan));
	disagg_text_tame(child->wchan);
	if (strcmp(child->wchan, "0") == 0)
		child->wchan[0] = '\0';
	child->end = DISAGG_CHILD_STUCK;
}

static void deadline(struct disagg_child *child, int64_t now_ns)
{
	int64_t limit_ns = (int64_t)child->deadline_ms * 1000000;

	if (child->killed) {
		give_up(child);
	} else if (child->why == DISAGG_CHILD_LATE) {
		end_by_force(child, DISAGG_CHILD_LATE, now_ns);
	} else {
		child->why = DISAGG_CHILD_LATE;
		signal_group(child, SIGTERM);
		child->next_ns = now_ns + (limit_ns < GRACE_NS ? limit_ns : GRACE_NS);
	}
}

void disagg_child_stop(struct disagg_child *child)
{
	if (child->end == DISAGG_CHILD_RUNS && !child->killed)
		end_by_force(child, DISAGG_CHILD_STOPPED, disagg_monotonic_ns());
}

/* ---- reading ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Keeps the end of what is printed. */
static void read_said(struct disagg_child *child)
{
	char bytes[SAID_BYTES];
	size_t most = sizeof(child->said) - 1, have, keep, len;
	ssize_t got = 0;

	for (int i = 0; child->said_fd >= 0 && i < READS_MOST; i++) {
		got = read(child->said_fd, bytes, sizeof(bytes));
		if (got <= 0)
			break;
		len = (size_t)got < most ? (size_t)got : most;
		have = strlen(child->said);
		keep = have < most - len ? have : most - len;
		memmove(child->said, child->said + have - keep, keep);
		memcpy(child->said + keep, bytes + (size_t)got - len, len);
		child->said[keep + len] = '\0';
		for (size_t j = keep; j < keep + len; j++)
			if (child->said[j] == '\0')
				child->said[j] = '?';
	}
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		close_fd(&child->said_fd);
}

static void read_lines(struct disagg_child *child, int64_t now_ns)
{
	enum disagg_lines_got got;
	size_t before;

	if (child->fd < 0 || child->paused)
		return;
	before = child->lines.len - child->lines.start;
	got = disagg_lines_fill(&child->lines, child->fd);
	if (got == DISAGG_LINES_SOME)
		child->bytes += child->lines.len - child->lines.start - before;
	if (got == DISAGG_LINES_END)
		close_fd(&child->fd);
	if (got == DISAGG_LINES_FULL || child->bytes > DISAGG_CHILD_BYTES ||
		child->count > DISAGG_CHILD_LINES) {
		close_fd(&child->fd);
		end_by_force(child, DISAGG_CHILD_FLOODED, now_ns);
	}
	/* a process of its group may hold the pipe open without end */
	if (got == DISAGG_LINES_LATER && child->gone)
		close_fd(&child->fd);
}

static void reap(struct disagg_child *child)
{
	pid_t pid = child->proc.pid;
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != pid)
		return;
	signal_group(child, SIGKILL); /* what it has started */
	disagg_proc_reap(&child->proc);
	child->proc.pid = pid;
	child->gone = true;
	child->next_ns = INT64_MAX;
}

void disagg_child_step(struct disagg_child *child, int64_t now_ns)
{
	if (child->end != DISAGG_CHILD_RUNS)
		return;
	if (!child->gone)
		reap(child);
	read_said(child);
	read_lines(child, now_ns);
	if (child->gone && child->fd < 0)
		child->end = child->why == DISAGG_CHILD_RUNS ? DISAGG_CHILD_EXITED : child->why;
	else if (now_ns >= child->next_ns)
		deadline(child, now_ns);
}

char *disagg_child_line(struct disagg_child *child, size_t *ret_len)
{
	char *line = child->count > DISAGG_CHILD_LINES ? NULL
						       : disagg_lines_next(&child->lines, ret_len);

	child->count += line != NULL;
	return line;
}

bool disagg_child_ended(const struct disagg_child *child)
{
	return child->end != DISAGG_CHILD_RUNS;
}

/* ---- waiting ---- */

unsigned disagg_child_poll(const struct disagg_child *child, struct pollfd *ret)
{
	const int fds[] = {child->paused ? -1 : child->fd, child->said_fd,
		child->gone ? -1 : child->proc.pidfd};
	unsigned count = 0;

	for (unsigned i = 0; i < 3; i++)
		if (fds[i] >= 0)
			ret[count++] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	return count;
}

int64_t disagg_child_due(const struct disagg_child *child)
{
	int64_t look = disagg_monotonic_ns() + LOOK_NS;

	if (child->end != DISAGG_CHILD_RUNS)
		return INT64_MAX;
	if (child->gone)
		return child->paused ? INT64_MAX : 0;
	if (child->proc.pidfd < 0 && look < child->next_ns)
		return look;
	return child->next_ns;
}

/* ---- telling ---- */

/* The last line that is not empty. */
static void last_line(const struct disagg_child *child, char *buf, size_t size)
{
	size_t end = strlen(child->said), start;

	while (end > 0 && (child->said[end - 1] == '\n' || child->said[end - 1] == ' '))
		end--;
	for (start = end; start > 0 && child->said[start - 1] != '\n'; start--)
		continue;
	snprintf(buf, size, "%.*s", (int)(end - start), child->said + start);
	disagg_text_tame(buf);
}

void disagg_child_tell(const struct disagg_child *child, char *buf, size_t size)
{
	char how[160], said[256];

	switch (child->end) {
	case DISAGG_CHILD_LATE:
		snprintf(how, sizeof(how), "no end within %.3g s", child->deadline_ms / 1e3);
		break;
	case DISAGG_CHILD_STUCK:
		snprintf(how, sizeof(how), "stuck in %c state%s%s%s, KILL does not end it",
			child->state, child->wchan[0] ? " in '" : "", child->wchan,
			child->wchan[0] ? "'" : "");
		break;
	case DISAGG_CHILD_FLOODED:
		snprintf(how, sizeof(how), "said more than is read (%u lines of at most %u bytes)",
			DISAGG_CHILD_LINES, DISAGG_CHILD_LINE);
		break;
	case DISAGG_CHILD_STOPPED:
		snprintf(how, sizeof(how), "stopped");
		break;
	default:
		disagg_proc_tell(child->proc.status, how, sizeof(how));
		break;
	}
	last_line(child, said, sizeof(said));
	if (said[0] && child->end != DISAGG_CHILD_STOPPED)
		snprintf(buf, size, "%s; last it said '%s'", how, said);
	else
		snprintf(buf, size, "%s", how);
}

void disagg_child_release(struct disagg_child *child)
{
	close_fd(&child->fd);
	close_fd(&child->said_fd);
	if (child->proc.pidfd >= 0)
		close(child->proc.pidfd);
	child->proc.pidfd = -1;
	disagg_lines_release(&child->lines);
}
