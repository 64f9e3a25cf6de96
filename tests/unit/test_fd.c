/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/fd.h"

#include "tests/unit/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/disagg-test-fd-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put_file(const char *name, const char *bytes, size_t len)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ok(fd >= 0 && disagg_fd_write_all(fd, bytes, len) == 0, "write_all");
	close(fd);
}

static void test_read(struct disagg_arena *arena)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	char *bytes = NULL, *large = calloc(1, 100000);
	size_t len = 0;

	put_file("empty", "", 0);
	ok(!disagg_fd_read_file(arena, in_dir("empty"), 10, &bytes, &len, &err), "an empty file");
	ok(len == 0 && bytes[0] == '\0', "has a NUL behind it");
	put_file("nul", "a\0b", 3);
	ok(!disagg_fd_read_file(arena, in_dir("nul"), 3, &bytes, &len, &err), "exactly the limit");
	ok(len == 3 && memcmp(bytes, "a\0b", 4) == 0, "bytes as they are");
	memset(large, 'x', 100000);
	put_file("large", large, 100000);
	ok(!disagg_fd_read_file(arena, in_dir("large"), 100000, &bytes, &len, &err), "large");
	ok(len == 100000 && memcmp(bytes, large, len) == 0, "the whole of it");
	free(large);
	ok(!disagg_fd_read_file(arena, "/proc/self/status", 100000, &bytes, &len, &err) &&
			len > 100,
		"a file that says it is empty");
	is_int(err.code, DISAGG_OK, "success leaves the error alone");
}

static const struct {
	const char *name, *want;
	enum disagg_code code;
} bad[] = {
	{"missing", "No such file or directory", DISAGG_CONFIG},
	{"nul/x", "Not a directory", DISAGG_CONFIG},
	{"large", "it is larger than 10 bytes", DISAGG_CONFIG},
	{".", "expected a regular file, it is a directory", DISAGG_CONFIG},
	{"fifo", "expected a regular file, it is a FIFO", DISAGG_CONFIG},
	{"loop", "Too many levels of symbolic links", DISAGG_CONFIG},
};

static void test_bad(struct disagg_arena *arena)
{
	char *bytes = NULL;
	size_t len = 77;

	ok(mkfifo(in_dir("fifo"), 0600) == 0 && symlink("loop", in_dir("loop")) == 0, "set up");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct disagg_err err = DISAGG_ERR_INIT;

		ok(disagg_fd_read_file(arena, in_dir(bad[i].name), 10, &bytes, &len, &err) == -1 &&
				len == 77 && !bytes,
			bad[i].name);
		is_int(err.code, bad[i].code, "its code");
		has_str(err.text, bad[i].want, bad[i].want);
		has_str(err.text, in_dir(bad[i].name), "names the file");
	}
}

static void test_unreadable(struct disagg_arena *arena)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	char *bytes = NULL;
	size_t len;
	int rc;

	chmod(in_dir("nul"), 0);
	rc = disagg_fd_read_file(arena, in_dir("nul"), 10, &bytes, &len, &err);
	if (geteuid() == 0)
		ok(rc == 0, "root reads what is not readable");
	else
		ok(rc == -1 && err.code == DISAGG_CONFIG && strstr(err.text, "Permission denied"),
			"not readable");
	is_int(disagg_fd_read_file(arena, "/dev/zero", 10, &bytes, &len, &err), -1, "a device");
	has_str(err.text, "FIFO, socket or device", "says so");
}

static void test_no_memory(void)
{
	for (long n = 0; n < 100; n++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		char *bytes = NULL;
		size_t len;
		int rc;

		disagg_alloc_fail_after(n);
		rc = disagg_fd_read_file(&arena, in_dir("large"), 100000, &bytes, &len, &err);
		disagg_alloc_fail_after(-1);
		disagg_arena_release(&arena);
		if (rc == 0) {
			ok(n > 0, "every allocation failed in turn");
			return;
		}
		is_str(err.text, "out of memory", "a failed allocation");
	}
	ok(false, "reading never succeeded");
}

static void nothing(int sig)
{
	(void)sig;
}

/* Into a pipe that is drained late: short writes, interrupted. */
static void test_short_writes(void)
{
	static char bytes[300000];
	struct sigaction action = {.sa_handler = nothing};
	int ends[2], status = 0;
	size_t total = 0;
	ssize_t got;
	pid_t pid;

	sigaction(SIGALRM, &action, NULL);
	ok(pipe(ends) == 0, "a pipe");
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		ualarm(20000, 5000);
		_exit(disagg_fd_write_all(ends[1], bytes, sizeof(bytes)) ? 1 : 0);
	}
	close(ends[1]);
	usleep(60000);
	while ((got = read(ends[0], bytes, 4096)) > 0)
		total += (size_t)got;
	close(ends[0]);
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "all was written");
	is_int((intmax_t)total, sizeof(bytes), "all was read");
	errno = 0;
	ok(disagg_fd_write_all(-1, "x", 1) == -1 && errno == EBADF, "a bad descriptor");
}

static void clean(void)
{
	static const char *const names[] = {"empty", "nul", "large", "fifo", "loop"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(names[i]));
	rmdir(dir);
}

int main(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;

	if (!mkdtemp(dir))
		return 1;
	test_read(&arena);
	test_bad(&arena);
	test_unreadable(&arena);
	test_no_memory();
	test_short_writes();
	disagg_arena_release(&arena);
	clean();
	return tap_done();
}
