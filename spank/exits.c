/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/exits.h"
#include "lib/base/fd.h"
#include "lib/base/strbuf.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_NS INT64_C(2000000000)
#define LOOK_NS	    1000000L
#define LINE_BYTES  1024u

static void put_line(struct disagg_strbuf *out, const struct disagg_step_exits *exits,
	const struct disagg_step_exit *task)
{
	disagg_strbuf_puts(out, "{\"schema\":\"disagg.exit/1\",\"node\":");
	disagg_strbuf_json(out, exits->node);
	disagg_strbuf_puts(out, ",\"worker\":");
	disagg_strbuf_json(out, exits->worker);
	disagg_strbuf_printf(out,
		",\"step\":%" PRIu32 ",\"rank\":%" PRIu32 ",\"pid\":%d,\"status\":%d,"
		"\"at\":%" PRId64 ".%06" PRId64 "}\n",
		exits->step_id, task->rank, task->pid, task->status, task->at_ns / 1000000000,
		task->at_ns % 1000000000 / 1000);
}

/* By the kernel's calls: libc's wait for all threads of a process, and slurmstepd has some
 * that are not here. */
static bool become_user(const struct disagg_step_exits *exits)
{
	const gid_t *groups = exits->groups ? exits->group : &exits->gid;
	size_t count = exits->groups ? exits->groups : 1;

	return syscall(SYS_setgroups, count, groups) == 0 &&
	       syscall(SYS_setresgid, exits->gid, exits->gid, exits->gid) == 0 &&
	       syscall(SYS_setresuid, exits->uid, exits->uid, exits->uid) == 0;
}

/* Between fork and the end there are calls to the kernel only. */
static void write_as_user(const struct disagg_step_exits *exits, const char *path,
	const char *folder, const struct disagg_strbuf *text)
{
	int fd;

	/* slurmstepd's would keep srun's connections and the tasks' pipes open as long as a
	 * file system keeps this child */
	disagg_fd_close_from(0);
	if (!become_user(exits))
		_exit(1);
	mkdir(exits->dir, 0755);
	mkdir(folder, 0755);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text->text, text->len) < 0)
		_exit(1);
	_exit(0);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* False: it had to be killed, or cannot be. */
static bool await(pid_t pid)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	int64_t until = now_ns() + DEADLINE_NS;

	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (now_ns() > until) {
			kill(pid, SIGKILL);
			nanosleep(&pause, NULL);
			waitpid(pid, NULL, WNOHANG);
			return false;
		}
		nanosleep(&pause, NULL);
	}
	return true;
}

static void write_out(struct disagg_step_exits *exits)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_strbuf text;
	char *folder = disagg_arena_printf(&arena, "%s/exits", exits->dir);
	char *path = disagg_arena_printf(&arena, "%s/exits/%s.jsonl", exits->dir, exits->node);
	pid_t pid = -1;

	disagg_strbuf_init(&text, DISAGG_STEP_EXITS_KEPT * LINE_BYTES);
	for (unsigned i = exits->written; i < exits->count; i++)
		put_line(&text, exits, &exits->task[i]);
	exits->written = exits->count;
	if (folder && path && !text.failed && text.len > 0) {
		pid = fork();
		if (pid == 0)
			write_as_user(exits, path, folder, &text);
	}
	/* a file system that does not answer costs the step the deadline, once */
	if (pid > 0 && !await(pid))
		exits->dir = NULL;
	disagg_strbuf_release(&text);
	disagg_arena_release(&arena);
}

void disagg_step_exits_add(struct disagg_step_exits *exits, const struct disagg_step_exit *task)
{
	if (!exits->dir)
		return;
	if (exits->count == DISAGG_STEP_EXITS_KEPT) {
		write_out(exits);
		exits->count = exits->written = 0;
	}
	exits->task[exits->count++] = *task;
	if (!exits->dir || exits->failed || task->status == 0)
		return;
	exits->failed = true;
	write_out(exits);
}

void disagg_step_exits_finish(struct disagg_step_exits *exits)
{
	if (exits->dir && exits->written < exits->count)
		write_out(exits);
}
