/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disagg-exec's child and runs, told to end at the moments that a signal hits
 * rarely: fork and the look at a result are replaced by ones that tell first.
 */
#include "helpers/exec.h"
#include "tests/unit/tap.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static enum who { NOBODY, CHILD, PARENT } told;
static unsigned forks;

static pid_t fork_and_tell(void)
{
	pid_t pid = fork();

	forks++;
	if (pid == 0 && told == CHILD)
		raise(SIGTERM);
	if (pid > 0 && told == PARENT)
		raise(SIGTERM);
	return pid;
}

static int access_and_tell(const char *path, int mode)
{
	raise(SIGTERM);
	return access(path, mode);
}

#define fork   fork_and_tell
#define access access_and_tell
#include "helpers/exec-become.c"
#include "helpers/exec-runs.c"
#undef fork
#undef access

int exec_make_folder(struct task *task, const char *name, struct disagg_err *err)
{
	(void)task;
	(void)name;
	(void)err;
	return 0;
}

void exec_drop_scratch(const struct task *task)
{
	(void)task;
}

static const char *sleep_argv[] = {"/bin/sleep", "20", NULL};
static const char *true_argv[] = {"/bin/true", NULL};

static struct task a_task(struct disagg_arena *arena)
{
	return (struct task){.arena = arena,
		.in = {.arena = arena, .run_dir = "/nonexistent"},
		.name = "decode_0",
		.command = {.argv = sleep_argv, .argc = 2}};
}

static void test_child(enum who who, const char *what)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct task task = a_task(&arena);
	int status = 0;

	told = who;
	told_to_end = 0;
	is_int(exec_child(&task, true, &status, &err), 0, "a child is started");
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, what);
	told = NOBODY;
	disagg_arena_release(&arena);
}

static void test_runs(void)
{
	struct disagg_client_run list[] = {
		{.argv = true_argv, .argc = 1, .result = "none"}, {.argv = sleep_argv, .argc = 2}};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct task task = a_task(&arena);

	task.runs = (struct disagg_client_runs){.v = list, .count = 2, .size = 2};
	told_to_end = 0;
	forks = 0;
	is_int(exec_runs(&task, &err), DISAGG_CHECK, "told while a result is judged, it fails");
	is_int((int)forks, 1, "the next run is not started");
	disagg_arena_release(&arena);
}

/* Without the parent there is nobody to tell of the child's end. */
static void test_orphan(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct task task = a_task(&arena);
	sigset_t none;
	pid_t pid;
	int status = 0;

	sigemptyset(&none);
	pid = fork();
	if (pid == 0)
		_exit(become_child(&task, 1, false, &none, &err) == -1 && err.code == DISAGG_SYSTEM
				? 0
				: 1);
	waitpid(pid, &status, 0);
	is_int(status, 0, "a child whose parent is gone says so");
	disagg_arena_release(&arena);
}

int main(void)
{
	test_child(CHILD, "a child that is told before it has become the command ends");
	test_child(PARENT, "a parent that is told before it knows its child passes it on");
	test_runs();
	test_orphan();
	return tap_done();
}
