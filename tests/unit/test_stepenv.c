/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/stepenv.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct disagg_arena arena;
static char dir[] = "/tmp/test_stepenv.XXXXXX";

static const char *const envp[] = {"PATH=/bin", "SLURM_DISAGG_PLAN=DISAGG_PLAN=1;a=\"b\"\\",
	"HF_TOKEN=secret", "SLURM_JOB_ID=12", "SLURM_JOB_NODELIST=n[0-3]", "SLURM_NTASKS=4",
	"SLURM_DISAGG_NEW=", "DISAGG_RUN_DIR=/r/disagg-12", "DISAGG_ROLE=x", "NAMELESS", NULL};

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	if (file)
		fchmod(fileno(file), 0600);
	ok(file && fputs(text, file) >= 0 && fclose(file) == 0, "a file is written");
}

static void test_round(void)
{
	struct disagg_stepenv found = {0};
	struct disagg_err err = DISAGG_ERR_INIT;

	is_int(disagg_stepenv_write(&arena, dir, "1", envp, "/opt/bin/disagg-exec", &err), 0,
		"it is written");
	is_int(disagg_stepenv_read(&arena, dir, &found, &err), 0, "and read");
	is_str(found.exec, "/opt/bin/disagg-exec", "the program comes back");
	is_int(found.env.count, 5, "with what belongs to the job");
	is_str(disagg_envlist_get(&found.env, "SLURM_DISAGG_PLAN"), "DISAGG_PLAN=1;a=\"b\"\\",
		"a text with quotes");
	is_str(disagg_envlist_get(&found.env, "SLURM_DISAGG_NEW"), "", "an empty one");
	is_str(disagg_envlist_get(&found.env, "SLURM_JOB_NODELIST"), "n[0-3]", "the nodes");
	is_str(disagg_envlist_get(&found.env, "DISAGG_RUN_DIR"), "/r/disagg-12", "the folder");
	ok(!disagg_envlist_get(&found.env, "HF_TOKEN"), "and nothing of the user's");
}

static void test_memory(void)
{
	for (long nth = 0;; nth++) {
		struct disagg_arena scratch = DISAGG_ARENA_INIT;
		struct disagg_stepenv found = {0};
		struct disagg_err err = DISAGG_ERR_INIT;
		int rc;

		disagg_alloc_fail_after(nth);
		rc = disagg_stepenv_write(&scratch, dir, "1", envp, "/x", &err);
		if (rc == 0)
			rc = disagg_stepenv_read(&scratch, dir, &found, &err);
		disagg_alloc_fail_after(-1);
		disagg_arena_release(&scratch);
		if (rc == 0) {
			ok(nth > 1, "without memory it fails");
			return;
		}
		if (err.code != DISAGG_SYSTEM) {
			is_int(err.code, DISAGG_SYSTEM, "out of memory is a failure of the system");
			return;
		}
	}
}

static void test_bad(void)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"", "empty"},
		{"{\"schema\":\"disagg.state/1\"}", "expected the schema disagg.environment/1"},
		{"[]", "expected the schema"},
		{"{\"schema\":\"disagg.environment/1\",\"variables\":{}}",
			"expected exec: an absolute path"},
		{"{\"schema\":\"disagg.environment/1\",\"exec\":\"x\",\"variables\":{}}",
			"expected exec: an absolute path"},
		{"{\"schema\":\"disagg.environment/1\",\"exec\":\"/x\"}",
			"expected variables: a map"},
		{"{\"schema\":\"disagg.environment/1\",\"exec\":\"/x\",\"variables\":[]}",
			"expected variables: a map"},
		{"{\"schema\":\"disagg.environment/1\",\"exec\":\"/x\",\"variables\":"
		 "{\"LD_PRELOAD\":\"/x.so\"}}",
			"expected a variable of the job"},
		{"{\"schema\":\"disagg.environment/1\",\"exec\":\"/x\",\"variables\":"
		 "{\"SLURM_DISAGG_=X\":\"\"}}",
			"expected a variable of the job"},
		{"{\"schema\":\"disagg.environment/1\",\"exec\":\"/x\",\"variables\":"
		 "{\"SLURM_JOB_ID\":{}}}",
			"expected a variable of the job"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct disagg_stepenv found = {.exec = "untouched"};
		struct disagg_err err = DISAGG_ERR_INIT;

		put(DISAGG_STEPENV_FILE, rows[i].text);
		is_int(disagg_stepenv_read(&arena, dir, &found, &err), -1, rows[i].text);
		is_int(err.code, DISAGG_CONFIG, "is damaged");
		has_str(err.text, rows[i].error, "and why is said");
		is_str(found.exec, "untouched", "nothing is returned");
	}
}

static void refused(enum disagg_code code, const char *text, const char *what)
{
	struct disagg_stepenv found = {.exec = "untouched"};
	struct disagg_err err = DISAGG_ERR_INIT;

	is_int(disagg_stepenv_read(&arena, dir, &found, &err), -1, what);
	is_int(err.code, code, "is refused");
	has_str(err.text, text, "and why is said");
	is_str(found.exec, "untouched", "nothing is returned");
}

/* What others could have written is not read, whatever it says. */
static void test_others(void)
{
	static const mode_t modes[] = {0620, 0602, 0666};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_stepenv found;
	char path[64], other[64];
	mode_t mask = umask(0);
	struct stat st;

	snprintf(path, sizeof(path), "%s/" DISAGG_STEPENV_FILE, dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	is_int(disagg_stepenv_write(&arena, dir, "1", envp, "/x", &err), 0, "it is written");
	umask(mask);
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "for its owner alone");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		chmod(path, modes[i]);
		refused(DISAGG_CONFIG, "others may write", "a file that others may write");
	}
	chmod(path, 0644);
	is_int(disagg_stepenv_read(&arena, dir, &found, &err), 0, "others may read it");
	if (chown(path, 1, (gid_t)-1) == 0)
		refused(DISAGG_CONFIG, "is of user '", "a file of another user");
	ok(rename(path, other) == 0 && symlink("other", path) == 0, "a link to one");
	ok(chown(other, geteuid(), (gid_t)-1) == 0, "to a file of our own");
	refused(DISAGG_CONFIG, "cannot open", "a link");
	unlink(path);
	unlink(other);
	ok(mkfifo(path, 0600) == 0, "a FIFO");
	refused(DISAGG_CONFIG, "expected a regular file", "a FIFO");
	unlink(path);
}

static void test_none(void)
{
	struct disagg_stepenv found;
	struct disagg_err err = DISAGG_ERR_INIT;

	is_int(disagg_stepenv_read(&arena, "/nonexistent", &found, &err), -1, "no run");
	is_int(err.code, DISAGG_MISSING, "is missing");
	has_str(err.text, "exec disagg run", "and what is expected is said");
}

int main(void)
{
	char path[64];

	ok(mkdtemp(dir) != NULL, "a folder");
	test_round();
	test_memory();
	test_bad();
	test_others();
	test_none();
	snprintf(path, sizeof(path), "%s/" DISAGG_STEPENV_FILE, dir);
	unlink(path);
	ok(rmdir(dir) == 0, "nothing else was left in it");
	disagg_arena_release(&arena);
	return tap_done();
}
