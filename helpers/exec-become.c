/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec.h"
#include "lib/host/proc.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void words_add(struct words *words, const char *fmt, ...)
{
	va_list args;
	const char *word, **grown;

	if (words->count + 1 >= words->size) {
		unsigned size = words->size ? 2 * words->size : 16;

		grown = disagg_arena_grow(
			words->arena, words->v, words->count, size, sizeof(*words->v));
		words->failed |= !grown;
		if (!grown)
			return;
		words->v = grown;
		words->size = size;
	}
	va_start(args, fmt);
	word = disagg_arena_vprintf(words->arena, fmt, args);
	va_end(args);
	words->failed |= !word;
	if (word)
		words->v[words->count++] = word;
}

const char **words_take(struct words *words)
{
	return words->failed ? NULL : words->v;
}

int exec_become(struct task *task, struct disagg_err *err)
{
	const char **argv = task->command.argv;
	const char *program = disagg_inside_program(&task->in, argv[0], getenv("PATH"));

	if (!program)
		return disagg_err_set(err, DISAGG_MISSING, "cannot run '%s': it is not %s", argv[0],
			strchr(argv[0], '/') ? "there, or no program" : "in PATH");
	execv(program, (char *const *)(uintptr_t)argv);
	return disagg_err_sys(err, "cannot run '%s'", program);
}

static volatile sig_atomic_t told_to_end;
static volatile pid_t child_pid; /* negative: its group */

/* Slurm tells a task alone, not what the task has started. */
static void pass_signal(int number)
{
	told_to_end = number;
	if (child_pid)
		kill(child_pid, number);
}

static void listen_for_the_end(void)
{
	struct sigaction note = {.sa_handler = pass_signal, .sa_flags = SA_RESTART};

	sigemptyset(&note.sa_mask);
	sigaction(SIGTERM, &note, NULL);
	sigaction(SIGINT, &note, NULL);
}

static void forget_signals(void)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};

	sigemptyset(&plain.sa_mask);
	sigaction(SIGTERM, &plain, NULL);
	sigaction(SIGINT, &plain, NULL);
}

static int pass_on(const struct task *task, int status)
{
	if (WIFSIGNALED(status)) {
		forget_signals();
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
		return disagg_proc_code(status);
	}
	if (WEXITSTATUS(status) || told_to_end || !task->worker)
		return WEXITSTATUS(status);
	fprintf(stderr,
		"disagg-exec: rank %u of '%s' ended with exit status 0 though nobody told it to\n",
		(unsigned)task->rank, task->name);
	return DISAGG_DIED;
}

/* TERM and INT wait from before the fork until the parent knows its child, and
 * the child has forgotten how to note them. */
static void hold_signals(sigset_t *ret_before)
{
	sigset_t end;

	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGINT);
	sigprocmask(SIG_BLOCK, &end, ret_before);
}

/* In the child; returns with an error alone. */
static int become_child(struct task *task, pid_t parent, bool own_group, const sigset_t *mask,
	struct disagg_err *err)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (own_group)
		setpgid(0, 0);
	forget_signals();
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (getppid() == parent)
		return exec_become(task, err);
	return disagg_err_set(err, DISAGG_SYSTEM, "cannot run '%s': who started it has died",
		task->command.argv[0]);
}

int exec_child(struct task *task, bool own_group, int *ret_status, struct disagg_err *err)
{
	pid_t parent = getpid(), child;
	sigset_t before;

	listen_for_the_end();
	hold_signals(&before);
	child = fork();
	if (child == 0)
		return become_child(task, parent, own_group, &before, err);
	if (child > 0 && own_group)
		setpgid(child, child);
	if (child > 0)
		child_pid = own_group ? -child : child;
	if (child > 0 && told_to_end)
		kill(child_pid, told_to_end);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0)
		return disagg_err_sys(err, "cannot start '%s'", task->command.argv[0]);
	while (waitpid(child, ret_status, 0) < 0) {
		if (errno != EINTR)
			return disagg_err_sys(err, "cannot wait for '%s'", task->command.argv[0]);
	}
	child_pid = 0;
	return 0;
}

bool exec_was_told_to_end(void)
{
	return told_to_end != 0;
}

int exec_supervise(struct task *task, struct disagg_err *err)
{
	int status;

	if (exec_child(task, false, &status, err))
		return -1;
	exec_drop_scratch(task);
	return pass_on(task, status);
}
