/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/rundir.h"
#include "lib/base/fd.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL_BYTES 8192
#define MARK_BYTES 1024

static int make_folder(const char *path, struct disagg_err *err)
{
	struct stat st;

	if (mkdir(path, 0777) == 0)
		return 0;
	if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return disagg_err_sys(err, "cannot make the run directory '%s'", path);
}

/* mkdir -p; a folder above that is there but may not be read is fine. */
static int make_path(struct disagg_arena *arena, const char *path, struct disagg_err *err)
{
	char *copy = disagg_arena_strdup(arena, path);
	struct stat st;

	if (!copy)
		return disagg_err_nomem(err);
	for (char *c = copy + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		if (stat(copy, &st) != 0 && make_folder(copy, err))
			return -1;
		*c = '/';
	}
	return make_folder(copy, err);
}

int disagg_rundir_make(struct disagg_arena *arena, const char *dir, struct disagg_err *err)
{
	static const char *const below[] = {DISAGG_RUNDIR_UP, DISAGG_RUNDIR_RESULTS};

	if (make_path(arena, dir, err))
		return -1;
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		const char *path = disagg_arena_printf(arena, "%s/%s", dir, below[i]);

		if (!path)
			return disagg_err_nomem(err);
		if (make_folder(path, err))
			return -1;
	}
	if (access(dir, W_OK | X_OK) != 0)
		return disagg_err_sys(err, "cannot write to the run directory '%s'", dir);
	return 0;
}

/* The whole text in a new file; it is gone again where that fails. */
static int write_new(const char *path, mode_t mode, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	int rc, why;

	if (fd < 0)
		return -1;
	rc = disagg_fd_write_all(fd, text, len);
	why = errno;
	if (close(fd) && rc == 0) {
		rc = -1;
		why = errno;
	}
	if (rc == 0)
		return 0;
	unlink(path);
	errno = why;
	return -1;
}

static int write_mode(struct disagg_arena *arena, const char *dir, const char *name,
	const char *tag, mode_t mode, const char *text, size_t len, struct disagg_err *err)
{
	const char *path = disagg_arena_printf(arena, "%s/%s", dir, name);
	const char *other = disagg_arena_printf(arena, "%s/%s.%s.new", dir, name, tag);

	if (!path || !other)
		return disagg_err_nomem(err);
	if (write_new(other, mode, text, len))
		return disagg_err_sys(err, "cannot write '%s'", path);
	if (rename(other, path) == 0)
		return 0;
	disagg_err_sys(err, "cannot write '%s'", path);
	unlink(other);
	return -1;
}

int disagg_rundir_write(struct disagg_arena *arena, const char *dir, const char *name,
	const char *tag, const char *text, size_t len, struct disagg_err *err)
{
	return write_mode(arena, dir, name, tag, 0666, text, len, err);
}

int disagg_rundir_write_own(struct disagg_arena *arena, const char *dir, const char *name,
	const char *tag, const char *text, size_t len, struct disagg_err *err)
{
	return write_mode(arena, dir, name, tag, 0600, text, len, err);
}

int disagg_rundir_open_log(
	struct disagg_arena *arena, const char *dir, const char *name, struct disagg_err *err)
{
	const char *path = disagg_arena_printf(arena, "%s/%s", dir, name);
	int fd;

	if (!path)
		return disagg_err_nomem(err);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return disagg_err_sys(err, "cannot open the log '%s'", path);
	return fd;
}

static ssize_t read_end(const char *path, char *bytes, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	ssize_t got;

	if (end < 0) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	got = pread(fd, bytes, size, end > (off_t)size ? end - (off_t)size : 0);
	close(fd);
	return got;
}

char *disagg_rundir_tail(struct disagg_arena *arena, const char *path, unsigned lines)
{
	return disagg_rundir_tail_masked(arena, path, lines, NULL);
}

char *disagg_rundir_tail_masked(struct disagg_arena *arena, const char *path, unsigned lines,
	const struct disagg_rundir_mask *mask)
{
	char bytes[TAIL_BYTES + 1];
	ssize_t got = read_end(path, bytes, TAIL_BYTES);
	char *begin, *text;

	if (got < 0)
		got = 0;
	if (mask)
		mask->take(mask->context, bytes, (size_t)got);
	while (got > 0 && (bytes[got - 1] == '\n' || bytes[got - 1] == '\0'))
		got--;
	bytes[got] = '\0';
	begin = bytes + got;
	while (begin > bytes && (begin[-1] != '\n' || --lines))
		begin--;
	text = disagg_arena_strdup(arena, begin);
	/* line by line, for the ends of lines are no harm */
	for (char *line = text; line && *line;) {
		char *end = line + strcspn(line, "\n");
		char kept = *end;

		*end = '\0';
		disagg_text_tame(line);
		*end = kept;
		line = end + (kept != '\0');
	}
	return text;
}

static const char *mark_name(struct disagg_arena *arena, const char *worker)
{
	return disagg_arena_printf(arena, DISAGG_RUNDIR_UP "/%s", worker);
}

const char *disagg_rundir_mark_of(struct disagg_arena *arena, const char *worker, uint32_t rank)
{
	return rank ? disagg_arena_printf(arena, "%s.%u", worker, (unsigned)rank)
		    : disagg_arena_strdup(arena, worker);
}

int disagg_rundir_mark_put(struct disagg_arena *arena, const char *dir, const char *worker,
	const struct disagg_rundir_mark *mark, struct disagg_err *err)
{
	const char *name = mark_name(arena, worker);
	const char *text = disagg_arena_printf(arena, "%s %s\n", mark->host, mark->ip);

	if (!name || !text)
		return disagg_err_nomem(err);
	return disagg_rundir_write(arena, dir, name, mark->host, text, strlen(text), err);
}

/* A listing asks a file server anew where a look for one name may be answered
 * from memory. */
static bool is_listed(const char *folder, const char *name)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = strcmp(entry->d_name, name) == 0;
	closedir(dir);
	return found;
}

bool disagg_rundir_mark_get(struct disagg_arena *arena, const char *dir, const char *worker,
	struct disagg_rundir_mark *ret)
{
	const char *folder = disagg_arena_printf(arena, "%s/" DISAGG_RUNDIR_UP, dir);
	const char *path = disagg_arena_printf(arena, "%s/" DISAGG_RUNDIR_UP "/%s", dir, worker);
	char *text, *blank;
	size_t len;

	if (!folder || !path || !is_listed(folder, worker))
		return false;
	if (disagg_fd_read_file(arena, path, MARK_BYTES, &text, &len, NULL))
		return false;
	text[strcspn(text, "\n")] = '\0';
	disagg_text_tame(text);
	blank = strchr(text, ' ');
	if (!blank)
		return false;
	*blank = '\0';
	*ret = (struct disagg_rundir_mark){text, blank + 1};
	return true;
}

void disagg_rundir_mark_drop(struct disagg_arena *arena, const char *dir, const char *worker)
{
	const char *path = disagg_arena_printf(arena, "%s/" DISAGG_RUNDIR_UP "/%s", dir, worker);

	if (path)
		unlink(path);
}
