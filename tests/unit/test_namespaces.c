/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/namespaces.h"
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that lives until it is killed, and says "x" when it is where it is to be,
 * "-" where it may not. */
static pid_t start(bool apart, char *ret_word)
{
	int pipes[2];
	pid_t pid;

	*ret_word = '?';
	if (pipe(pipes))
		return -1;
	pid = fork();
	if (pid == 0) {
		bool is_there = !apart ||
				(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && chdir("/proc") == 0);

		if (write(pipes[1], is_there ? "x" : "-", 1) == 1)
			pause();
		_exit(0);
	}
	close(pipes[1]);
	if (read(pipes[0], ret_word, 1) != 1)
		*ret_word = '?';
	close(pipes[0]);
	return pid;
}

static int open_process(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static ino_t mounts(void)
{
	struct stat st = {0};

	stat("/proc/self/ns/mnt", &st);
	return st.st_ino;
}

static void test_none(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	char word, before[256] = "", after[256] = "-";
	pid_t pid = start(false, &word);
	int process = open_process(pid);
	ino_t own = mounts();

	is_int(word, 'x', "a process without a container");
	ok(getcwd(before, sizeof(before)) != NULL, "we are somewhere");
	is_int(disagg_namespaces_enter(process, &err), 0, "there is nothing to enter");
	ok(mounts() == own, "we stay in ours");
	ok(getcwd(after, sizeof(after)) && strcmp(before, after) == 0, "and in our folder");
	end(pid);
	close(process);
}

/* It was found, and is not there any more when it is to be entered. */
static void test_ended(void)
{
	for (int apart = 0; apart < 2; apart++) {
		struct disagg_err err = DISAGG_ERR_INIT;
		char word;
		pid_t pid = start(apart, &word);
		int process = open_process(pid);

		kill(pid, SIGKILL);
		waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
		is_int(disagg_namespaces_enter(process, &err), -1, "one that has just ended");
		is_int(err.code, DISAGG_MISSING, "is missing");
		end(pid);
		err = (struct disagg_err)DISAGG_ERR_INIT;
		is_int(disagg_namespaces_enter(process, &err), -1, "one that is gone");
		is_int(err.code, DISAGG_MISSING, "is missing");
		has_str(err.text, "it has ended", "and that is said");
		close(process);
	}
}

/* 0: we are where it is; 1: not; 2: refused. */
static int enter_apart(int process, ino_t theirs)
{
	char folder[256] = "";
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (disagg_namespaces_enter(process, NULL))
			_exit(2);
		_exit(mounts() == theirs && getcwd(folder, sizeof(folder)) &&
					strcmp(folder, "/proc") == 0
				? 0
				: 1);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_other(void)
{
	char word;
	pid_t pid = start(true, &word);
	int process = open_process(pid);
	struct stat st = {0};

	if (word != 'x') {
		ok(true, "a container # SKIP needs user namespaces");
	} else {
		fstatat(process, "ns/mnt", &st, 0);
		ok(st.st_ino != mounts(), "a process with mounts of its own");
		is_int(enter_apart(process, st.st_ino), 0, "is entered, with its folder");
	}
	end(pid);
	close(process);
}

int main(void)
{
	test_none();
	test_ended();
	test_other();
	return tap_done();
}
