/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/proc.h"
#include "lib/host/rundir.h"
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct disagg_arena arena;
static const char *const plain_env[] = {"PATH=/usr/bin:/bin", "A=1", NULL};

/* ---- starting and ending ---- */

struct end_case {
	const char *script;
	int code;
	const char *told;
};

static const struct end_case end_cases[] = {
	{"exit 0", 0, "exit status 0"},
	{"exit 3", 3, "exit status 3"},
	{"kill -9 $$", 137, "signal 9 (Killed)"},
	{"kill -TERM $$", 143, "signal 15 (Terminated)"},
	{"[ \"$A\" = 1 ]", 0, "exit status 0"},
	{"[ -n \"$HOME\" ]", 1, "exit status 1"},
	{"read -r line", 1, "exit status 1"},
};

static void test_task_ends(void)
{
	static const struct {
		int status, number;
		const char *told;
	} rows[] = {
		{W_EXITCODE(0, 0), 0, "exit status 0"},
		{W_EXITCODE(128, 0), 0, "exit status 128"},
		{W_EXITCODE(137, 0), 9, "killed by signal 9 (Killed)"},
		{W_EXITCODE(139, 0), 11, "killed by signal 11 (Segmentation fault)"},
		{W_EXITCODE(255, 0), 0, "exit status 255"},
		{W_EXITCODE(0, 9), 0, "signal 9 (Killed)"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char told[64];

		is_int(disagg_proc_tell_task(rows[i].status, told, sizeof(told)), rows[i].number,
			"what a task was killed by");
		is_str(told, rows[i].told, "and its words");
	}
}

static void test_ends(void)
{
	for (size_t i = 0; i < sizeof(end_cases) / sizeof(end_cases[0]); i++) {
		const struct end_case *c = &end_cases[i];
		const char *const argv[] = {"/bin/sh", "-c", c->script, NULL};
		const struct disagg_proc_spec spec = {
			.argv = argv, .envp = plain_env, .in_fd = -1, .out_fd = -1, .err_fd = -1};
		struct disagg_proc proc = DISAGG_PROC_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		char told[64];

		is_int(disagg_proc_spawn(&spec, &proc, &err), 0, c->script);
		is_int(disagg_proc_wait(&proc, 10000, -1), 0, "  it ends");
		is_int(disagg_proc_code(proc.status), c->code, "  its code");
		disagg_proc_tell(proc.status, told, sizeof(told));
		is_str(told, c->told, "  in words");
		ok(proc.pid == 0 && proc.pidfd == -1, "  nothing is left of it");
		is_int(disagg_proc_reap(&proc), 1, "  and it stays ended");
	}
}

static void test_streams(void)
{
	const char *const argv[] = {
		"/bin/sh", "-c", "cat; echo out; echo err >&2; ls /proc/self/fd", NULL};
	struct disagg_proc proc = DISAGG_PROC_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	int in[2], out[2];
	char bytes[256] = "";
	ssize_t got;

	ok(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0, "pipes");
	is_int(disagg_proc_spawn(&(struct disagg_proc_spec){.argv = argv,
					 .envp = plain_env,
					 .in_fd = in[0],
					 .out_fd = out[1],
					 .err_fd = out[1]},
		       &proc, &err),
		0, "a child with streams of ours");
	close(in[0]);
	close(out[1]);
	ok(write(in[1], "in\n", 3) == 3, "it is written to");
	close(in[1]);
	disagg_proc_wait(&proc, 10000, -1);
	got = read(out[0], bytes, sizeof(bytes) - 1);
	close(out[0]);
	bytes[got > 0 ? got : 0] = '\0';
	/* ls itself has opened the folder: one more than the streams */
	is_str(bytes, "in\nout\nerr\n0\n1\n2\n3\n",
		"its streams are ours and no other file is open");
}

static void test_missing(void)
{
	static const char *const paths[] = {"/nonexistent/program", "/etc/passwd", "/"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *const argv[] = {paths[i], NULL};
		struct disagg_proc proc = DISAGG_PROC_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;

		is_int(disagg_proc_spawn(&(struct disagg_proc_spec){.argv = argv,
						 .envp = plain_env,
						 .in_fd = -1,
						 .out_fd = -1,
						 .err_fd = -1},
			       &proc, &err),
			-1, paths[i]);
		is_int(err.code, DISAGG_MISSING, "  what is no program is missing");
		has_str(err.text, "cannot run '", "  and the message says what was tried");
		is_int(waitpid(-1, NULL, WNOHANG), -1, "  no child stays behind");
	}
}

static void test_deadlines(void)
{
	const char *const argv[] = {"/bin/sleep", "60", NULL};
	const struct disagg_proc_spec spec = {
		.argv = argv, .envp = plain_env, .in_fd = -1, .out_fd = -1, .err_fd = -1};
	struct disagg_proc proc = DISAGG_PROC_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	int word[2];

	is_int(disagg_proc_spawn(&spec, &proc, &err), 0, "a child that stays");
	is_int(disagg_proc_reap(&proc), 0, "it runs");
	is_int(disagg_proc_wait(&proc, 30, -1), 1, "a wait ends at its deadline");
	ok(pipe2(word, O_CLOEXEC) == 0 && write(word[1], "x", 1) == 1, "a word to stop");
	is_int(disagg_proc_wait(&proc, 60000, word[0]), 1, "a wait ends when it is cancelled");
	disagg_proc_kill(&proc);
	is_int(disagg_proc_code(proc.status), 137, "KILL ends it");
	close(word[0]);
	close(word[1]);
}

static void test_group(void)
{
	const char *const argv[] = {"/bin/sleep", "60", NULL};
	struct disagg_proc_spec spec = {.argv = argv,
		.envp = plain_env,
		.in_fd = -1,
		.out_fd = -1,
		.err_fd = -1,
		.own_group = true};
	struct disagg_proc proc = DISAGG_PROC_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;

	is_int(disagg_proc_spawn(&spec, &proc, &err), 0, "a child in a group of its own");
	is_int(getpgid(proc.pid), proc.pid, "  it leads it");
	disagg_proc_kill(&proc);
}

/* ---- a command and its output ---- */

struct run_case {
	const char *script;
	int timeout_ms;
	size_t limit;
	const char *out; /* NULL: it is killed */
	int code;
};

static const struct run_case run_cases[] = {
	{"echo a; echo b >&2", 10000, 0, "a\nb\n", 0},
	{"echo a; exit 4", 10000, 0, "a\n", 4},
	{"printf 123456789", 10000, 4, "1234", 0},
	{"exec >&- 2>&-; sleep 0.2; exit 2", 10000, 0, "", 2},
	{"sleep 60", 50, 0, NULL, 0},
	{"exec >&- 2>&-; sleep 60", 50, 0, NULL, 0},
	{"while :; do echo y; done", 200, 100, NULL, 0},
};

static void test_runs(void)
{
	for (size_t i = 0; i < sizeof(run_cases) / sizeof(run_cases[0]); i++) {
		const struct run_case *c = &run_cases[i];
		const char *const argv[] = {"/bin/sh", "-c", c->script, NULL};
		const struct disagg_proc_call call = {.argv = argv,
			.envp = plain_env,
			.timeout_ms = c->timeout_ms,
			.cancel_fd = -1,
			.limit = c->limit};
		struct disagg_proc_result result = {0};
		struct disagg_err err = DISAGG_ERR_INIT;
		int rc = disagg_proc_run(&arena, &call, &result, &err);

		is_int(rc, c->out ? 0 : -1, c->script);
		if (c->out) {
			is_str(result.out, c->out, "  its output");
			is_int(disagg_proc_code(result.status), c->code, "  its status");
		} else {
			is_int(err.code, DISAGG_TIMEOUT, "  it was killed at the deadline");
			has_str(err.text, "has not ended after", "  and the message says so");
		}
		is_int(waitpid(-1, NULL, WNOHANG), -1, "  no child stays behind");
	}
}

/* ---- names ---- */

static void test_find(void)
{
	is_str(disagg_proc_find(&arena, "sh", "/nonexistent::/bin"), "/bin/sh",
		"a program in PATH");
	ok(!disagg_proc_find(&arena, "sh", "/nonexistent:/etc"), "none where there is none");
	ok(!disagg_proc_find(&arena, "sh", NULL), "none without a PATH");
	ok(!disagg_proc_find(&arena, "passwd", "/etc"), "a file that is no program is not taken");
	ok(!disagg_proc_find(&arena, "apt", "/etc"), "nor is a folder");
	is_str(disagg_proc_find(&arena, "/bin/sh", NULL), "/bin/sh", "a path is itself");
	is_str(disagg_proc_tool(&arena, "sh", "/bin"), "/bin/sh", "a tool that is not beside us");
}

static void test_environment(void)
{
	static const char *const base[] = {"A=1", "AB=2", "C=3", NULL};
	static const char *const change[] = {"A=x", "C", "D=4", "D=5", NULL};
	const char *const *env = disagg_proc_env(&arena, base, change);

	is_str(env[0], "AB=2", "what is not changed stays");
	is_str(env[1], "A=x", "a change replaces");
	is_str(env[2], "D=5", "of two changes the last counts");
	ok(!env[3], "a name alone is left out");
}

/* ---- the run directory ---- */

static void test_rundir(const char *tmp)
{
	const char *dir = disagg_arena_printf(&arena, "%s/a/b/run", tmp);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_rundir_mark mark = {"n1", "10.0.0.1"}, got = {0};
	const char *log = disagg_arena_printf(&arena, "%s/x.log", dir);
	int fd;

	is_int(disagg_rundir_make(&arena, dir, &err), 0,
		"a run directory is made with its parents");
	is_int(disagg_rundir_make(&arena, dir, &err), 0, "and may be there already");
	is_int(disagg_rundir_write(&arena, dir, "f", "1", "old", 3, &err), 0, "a file");
	is_int(disagg_rundir_write(&arena, dir, "f", "1", "text\n", 5, &err), 0, "is replaced");
	is_str(disagg_rundir_tail(&arena, disagg_arena_printf(&arena, "%s/f", dir), 5), "text",
		"and read back");
	ok(access(disagg_arena_printf(&arena, "%s/f.1.new", dir), F_OK) != 0, "no other is left");
	is_int(disagg_rundir_write(&arena, dir, "no/f", "1", "x", 1, &err), -1,
		"a folder that is not there");
	has_str(err.text, "cannot write '", "  is told");
	ok(!disagg_rundir_mark_get(&arena, dir, "decode_1", &got), "no mark before the step");
	is_int(disagg_rundir_mark_put(&arena, dir, "decode_1", &mark, &err), 0, "a mark is put");
	ok(disagg_rundir_mark_get(&arena, dir, "decode_1", &got), "and seen");
	is_str(got.host, "n1", "  with its host");
	is_str(got.ip, "10.0.0.1", "  and its address");
	disagg_rundir_mark_drop(&arena, dir, "decode_1");
	ok(!disagg_rundir_mark_get(&arena, dir, "decode_1", &got), "a mark is dropped");
	fd = disagg_rundir_open_log(&arena, dir, "x.log", &err);
	ok(fd >= 0 && write(fd, "1\n2\n\033[31m3\n\n", 11) > 0, "a log is written");
	close(fd);
	is_str(disagg_rundir_tail(&arena, log, 2), "2\n?[31m3", "the end of a log, tame");
	is_str(disagg_rundir_tail(&arena, log, 50), "1\n2\n?[31m3", "no more than there is");
	is_str(disagg_rundir_tail(&arena, "/nonexistent", 5), "", "no log has no end");
	err = (struct disagg_err)DISAGG_ERR_INIT;
	is_int(disagg_rundir_make(&arena, log, &err), -1, "a file is no run directory");
	is_int(err.code, DISAGG_SYSTEM, "  which is a failure of the system");
	has_str(err.text, "cannot make the run directory", "  and told");
}

int main(void)
{
	char tmp[] = "/tmp/disagg-proc.XXXXXX";
	char *dir = mkdtemp(tmp);

	test_ends();
	test_task_ends();
	test_streams();
	test_missing();
	test_deadlines();
	test_group();
	test_runs();
	test_find();
	test_environment();
	if (ok(dir != NULL, "a folder for tests")) {
		const char *const argv[] = {"/bin/rm", "-rf", dir, NULL};
		struct disagg_proc_result result;

		test_rundir(dir);
		disagg_proc_run(&arena,
			&(struct disagg_proc_call){.argv = argv,
				.envp = plain_env,
				.timeout_ms = 5000,
				.cancel_fd = -1},
			&result, NULL);
	}
	disagg_arena_release(&arena);
	return tap_done();
}
