/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/jobs.h"
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct disagg_arena arena;
static char top[] = "/tmp/test_jobs.XXXXXX";
static const char *const envp[] = {"LC_ALL=C", NULL};

static const char *below(const char *name)
{
	return disagg_arena_printf(&arena, "%s/%s", top, name);
}

static void put(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(below(name), "w");

	if (!file || fputs(text, file) < 0 || fclose(file) || chmod(below(name), mode))
		ok(false, name);
}

/* A squeue that prints `text` and ends with `status`. */
static void put_squeue(const char *text, int status)
{
	const char *script = disagg_arena_printf(
		&arena, "#!/bin/sh\ncat <<'END'\n%s\nEND\nexit %d\n", text, status);

	put("squeue", script, 0700);
}

static void put_run(const char *folder, time_t when)
{
	const struct timespec times[] = {{when, 0}, {when, 0}};

	mkdir(below(folder), 0700);
	put(disagg_arena_printf(&arena, "%s/state.json", folder), "{}", 0600);
	utimensat(AT_FDCWD, below(folder), times, 0);
}

static void test_ask(void)
{
	static const struct {
		const char *text, *state, *user, *dir;
		int64_t uid;
		const char *reason;
	} rows[] = {
		{"7 RUNNING 1001 alice None|/home/a b", "RUNNING", "alice", "/home/a b", 1001,
			NULL},
		{"7 PENDING 0 root Resources|", "PENDING", "root", NULL, 0, "Resources"},
		{"7 PENDING 0 root", "PENDING", "root", NULL, 0, NULL},
		{"7 PENDING 0 root Nodes required for job are DOWN, or other|/r", "PENDING", "root",
			"/r", 0, "Nodes required for job are DOWN, or other"},
		{"7 COMPLETED x bob None|/", "COMPLETED", "bob", "/", -1, NULL},
		{"7 RUNNING 5 bob None|/x RUNNING 1 eve |/y", "RUNNING", "bob",
			"/x RUNNING 1 eve |/y", 5, NULL},
		{"8 PENDING 1 a |/a\n77 FAILED 2 b |/b\n7 RUNNING 3 c |/c\n7 FAILED 4 d |/d",
			"RUNNING", "c", "/c", 3, NULL},
	};
	struct disagg_job_facts facts;
	struct disagg_err err = DISAGG_ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_squeue(rows[i].text, 0);
		is_int(disagg_jobs_ask(&arena, "7", top, envp, &facts, &err), 0, "a job");
		is_str(facts.state, rows[i].state, "its state");
		is_str(facts.user, rows[i].user, "its user");
		is_int(facts.uid, rows[i].uid, "the user's number");
		is_str(facts.work_dir, rows[i].dir, "its folder");
		is_str(facts.reason, rows[i].reason, "why it waits");
	}
	put_squeue("slurm_load_jobs error: Invalid job id specified\nmore", 1);
	is_int(disagg_jobs_ask(&arena, "7", top, envp, &facts, &err), -1, "an unknown job");
	is_int(err.code, DISAGG_MISSING, "is missing");
	is_str(err.text, "Slurm knows no job 7: slurm_load_jobs error: Invalid job id specified",
		"and says what Slurm said");
	put_squeue("7 RUNNING 1", 0);
	is_int(disagg_jobs_ask(&arena, "7", top, envp, &facts, &err), -1, "half an answer");
	put_squeue("", 0);
	is_int(disagg_jobs_ask(&arena, "7", top, envp, &facts, &err), -1, "no line, no job");
	is_str(err.text, "Slurm knows no job 7", "is said");
	is_int(disagg_jobs_ask(&arena, "7", "/nonexistent", envp, &facts, &err), -1, "no squeue");
	has_str(err.text, "'squeue' is not in PATH", "is said");
}

/* A job's name is its user's to choose, and may look like more of the answer. */
static void test_question(void)
{
	static const char *const filters[] = {
		"LC_ALL=C", "SQUEUE_USERS=nobody", "SQUEUE_STATES=PD", NULL};
	struct disagg_job_facts facts = {0};

	put("squeue",
		"#!/bin/sh\n"
		"case \"$*\" in *%j* | *%i* | *%k*) echo '7 x JobState=FAILED'; exit ;; esac\n"
		"[ -z \"$SQUEUE_USERS$SQUEUE_STATES\" ] && echo '7 RUNNING 5 bob None|/w'\n",
		0700);
	/* of Slurm's own answer to this question the name comes first */
	put("scontrol",
		"#!/bin/sh\n"
		"printf 'JobId=7 JobName=x JobState=FAILED UserId=eve(1)\\n   UserId=bob(5)\\n"
		"   JobState=RUNNING\\n   WorkDir=/w\\n'\n",
		0700);
	is_int(disagg_jobs_ask(&arena, "7", top, filters, &facts, NULL), 0,
		"a job, with a filter for squeue in the environment");
	is_str(facts.state, "RUNNING", "its state is not what its name says");
	is_int(facts.uid, 5, "nor its user");
}

static void test_find(void)
{
	const char *folder = below("odd[1]*");

	mkdir(folder, 0700);
	mkdir(below("odd[1]*/logs"), 0700);
	mkdir(below("odd1x"), 0700);
	put_run("odd1x/disagg-5", 100);
	ok(!disagg_jobs_run_below(&arena, folder, "5"),
		"a folder's name is no pattern for another one's");
	put_run("odd[1]*/logs/5", 100);
	is_str(disagg_jobs_run_below(&arena, folder, "5"), below("odd[1]*/logs/5"),
		"one folder down");
	put_run("odd[1]*/disagg-5", 100);
	is_str(disagg_jobs_run_below(&arena, folder, "5"), below("odd[1]*/disagg-5"),
		"beside the output");
	put_run("odd[1]*/disagg-5.1", 300);
	put_run("odd[1]*/disagg-5.2", 200);
	is_str(disagg_jobs_run_below(&arena, folder, "5"), below("odd[1]*/disagg-5.1"),
		"the newest of those behind a requeue");
	mkdir(below("odd[1]*/disagg-6"), 0700);
	ok(!disagg_jobs_run_below(&arena, folder, "6"), "a folder without a state is no run");

	put_squeue(disagg_arena_printf(&arena, "5 RUNNING 1 a None|%s", folder), 0);
	is_str(disagg_jobs_run(&arena, "5", top, envp), below("odd[1]*/disagg-5.1"),
		"a job's number leads to its folder");
	is_str(disagg_jobs_run(&arena, below("odd1x/disagg-5"), top, envp), below("odd1x/disagg-5"),
		"a run directory is itself");
	ok(!disagg_jobs_run(&arena, below("odd1x"), top, envp), "another folder is none");
	ok(!disagg_jobs_run(&arena, "77", top, envp), "a job without a run has none");
}

int main(void)
{
	char command[128];

	if (!ok(mkdtemp(top) != NULL, "a folder"))
		return 1;
	test_ask();
	test_question();
	test_find();
	snprintf(command, sizeof(command), "rm -rf %s", top);
	ok(system(command) == 0, "it is removed");
	disagg_arena_release(&arena);
	return tap_done();
}
