/* SPDX-License-Identifier: Apache-2.0 */
/* Children with a deadline: how each end is told, and that nothing is left of them. */
#include "lib/probe/child.h"
#include "lib/host/http.h"
#include "tap.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 20000

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		_exit(99);
}

static int talks(void *context, int fd)
{
	say(fd, context);
	return 3;
}

static int falls(void *context, int fd)
{
	(void)context;
	say(fd, "first\n");
	fprintf(stderr, "one\n\033[31mtwo\n");
	fflush(stderr);
	abort();
}

static int hangs(void *context, int fd)
{
	(void)context;
	signal(SIGTERM, SIG_IGN);
	say(fd, "here\n");
	while (pause() < 0)
		continue;
	return 0;
}

static int heeds(void *context, int fd)
{
	(void)context;
	say(fd, "here\n");
	while (pause() < 0)
		continue;
	return 0;
}

static int floods(void *context, int fd)
{
	static char bytes[100000];

	(void)context;
	memset(bytes, 'x', sizeof(bytes));
	for (;;)
		if (write(fd, bytes, sizeof(bytes)) < 0)
			return 1;
}

static int chatters(void *context, int fd)
{
	(void)context;
	while (fd >= 0)
		say(fd, "word\n");
	return 0;
}

/* Its own child outlives it, with the pipe. */
static int leaves_one(void *context, int fd)
{
	char text[32];
	pid_t pid = fork();

	(void)context;
	if (pid == 0)
		for (;;)
			pause();
	snprintf(text, sizeof(text), "%d\n", (int)pid);
	say(fd, text);
	return 0;
}

static int looks(void *context, int fd)
{
	struct rlimit core;
	struct stat null;
	char text[128];
	int open_fds = 0;

	for (int i = 4; i < 256; i++)
		open_fds += fcntl(i, F_GETFD) >= 0;
	getrlimit(RLIMIT_CORE, &core);
	fstat(STDIN_FILENO, &null);
	snprintf(text, sizeof(text), "files %d core %d group %d null %d fd %d\n", open_fds,
		(int)core.rlim_cur, getpgrp() == getpid(), S_ISCHR(null.st_mode), fd == 3);
	say(fd, text);
	return *(int *)context ? 0 : 1;
}

static void wait_any(struct disagg_child *child)
{
	struct pollfd fds[3];
	unsigned count = disagg_child_poll(child, fds);
	int64_t due = disagg_child_due(child), left = due - disagg_monotonic_ns();

	if (due == INT64_MAX || left > 1000000000)
		left = 1000000000;
	poll(fds, count, left > 0 ? (int)(left / 1000000) + 1 : 0);
	disagg_child_step(child, disagg_monotonic_ns());
}

/* To its end; the last line is kept. */
static void finish(struct disagg_child *child, char *last, size_t size, unsigned *ret_lines)
{
	char *line;
	size_t len;

	last[0] = '\0';
	*ret_lines = 0;
	while (!disagg_child_ended(child)) {
		wait_any(child);
		while ((line = disagg_child_line(child, &len))) {
			snprintf(last, size, "%s", line);
			++*ret_lines;
		}
	}
}

struct result {
	enum disagg_child_end end;
	unsigned lines;
	char last[256], told[512];
};

static struct result run(disagg_child_work *work, void *context, unsigned deadline_ms)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_child child;
	struct result result = {0};

	if (disagg_child_start(&child, work, context, deadline_ms, &err) != 0) {
		ok(false, "a child starts");
		return result;
	}
	finish(&child, result.last, sizeof(result.last), &result.lines);
	result.end = child.end;
	disagg_child_tell(&child, result.told, sizeof(result.told));
	disagg_child_release(&child);
	return result;
}

static void test_ends(void)
{
	char text[] = "a\nb\nno end";
	struct result result = run(talks, text, LIMIT_MS);

	is_int(result.end, DISAGG_CHILD_EXITED, "a child that ends has exited");
	is_int(result.lines, 2, "its whole lines come");
	is_str(result.told, "exit status 3", "and its status");
	result = run(falls, NULL, LIMIT_MS);
	is_int(result.end, DISAGG_CHILD_EXITED, "so has one that falls");
	is_str(result.last, "first", "what it said before counts");
	is_str(result.told, "signal 6 (Aborted); last it said '?[31mtwo'",
		"the signal and its last words");
	result = run(hangs, NULL, 50);
	is_int(result.end, DISAGG_CHILD_LATE, "one that hangs and ignores TERM is killed");
	is_str(result.told, "no end within 0.05 s", "and that is told");
	result = run(heeds, NULL, 50);
	is_int(result.end, DISAGG_CHILD_LATE, "one that heeds TERM is late too");
	result = run(floods, NULL, LIMIT_MS);
	is_int(result.end, DISAGG_CHILD_FLOODED, "a line without end is ended");
	result = run(chatters, NULL, LIMIT_MS);
	is_int(result.end, DISAGG_CHILD_FLOODED, "too many lines are ended");
	is_int(result.lines, DISAGG_CHILD_LINES + 1, "after as many as are read");
}

static void test_leftover(void)
{
	struct result result = run(leaves_one, NULL, LIMIT_MS);
	pid_t pid = (pid_t)strtol(result.last, NULL, 10);
	bool gone = false;

	is_int(result.end, DISAGG_CHILD_EXITED, "a child that leaves one of its own ends");
	/* it was killed; whoever inherits it reaps it */
	for (int i = 0; i < 2000 && !gone; i++) {
		char path[64], state[256] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		file = fopen(path, "r");
		gone = !file || !fgets(state, sizeof(state), file) || strstr(state, ") Z ");
		if (file)
			fclose(file);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	ok(pid > 0 && gone, "and what it left was killed with it");
}

static void test_stop(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_child child;
	char last[64];
	unsigned lines;

	is_int(disagg_child_start(&child, hangs, NULL, LIMIT_MS, &err), 0, "a child starts");
	disagg_child_stop(&child);
	finish(&child, last, sizeof(last), &lines);
	is_int(child.end, DISAGG_CHILD_STOPPED, "a child can be stopped");
	disagg_child_release(&child);
}

static void test_paused(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_child child;
	char text[] = "a\nb\n", last[64];
	unsigned lines;
	size_t len;

	disagg_child_start(&child, talks, text, LIMIT_MS, &err);
	child.paused = true;
	while (!child.gone)
		wait_any(&child);
	ok(!disagg_child_line(&child, &len) && !disagg_child_ended(&child),
		"nothing is read of a child that is paused");
	is_int(disagg_child_due(&child) == INT64_MAX, 1, "and nothing is due");
	child.paused = false;
	finish(&child, last, sizeof(last), &lines);
	is_int(lines, 2, "all of it afterwards");
	disagg_child_release(&child);
}

static void test_surroundings(void)
{
	int yes = 1, kept = dup(STDOUT_FILENO);
	struct result result = run(looks, &yes, LIMIT_MS);

	is_str(result.last, "files 0 core 0 group 1 null 1 fd 1",
		"no descriptor of ours, no core file, a group of its own, no input");
	close(kept);
}

/* What KILL does not end: as a stopped clock would show it, by a child that was never reaped. */
static void test_stuck(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_child child;
	char told[256];

	disagg_child_start(&child, heeds, NULL, LIMIT_MS, &err);
	child.killed = true;
	child.why = DISAGG_CHILD_LATE;
	child.next_ns = 0; /* the time for KILL to work has passed */
	disagg_child_step(&child, disagg_monotonic_ns());
	is_int(child.end, DISAGG_CHILD_STUCK, "a child that outlives KILL is left behind");
	disagg_child_tell(&child, told, sizeof(told));
	has_str(told, "stuck in ", "with its state");
	has_str(told, "KILL does not end it", "and why");
	kill(child.proc.pid, SIGKILL);
	waitpid(child.proc.pid, NULL, 0);
	disagg_child_release(&child);
}

int main(void)
{
	test_ends();
	test_leftover();
	test_stop();
	test_paused();
	test_surroundings();
	test_stuck();
	return tap_done();
}
