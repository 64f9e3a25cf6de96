/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/sysfile.h"

#include "lib/base/num.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_BYTES 65536u
#define MOST_NAMES 4096u

static bool join(char *buf, const char *root, const char *path, va_list args)
{
	int len = snprintf(buf, PATH_MAX, "%s", root ? root : "");
	int more;

	if (len < 0 || len >= PATH_MAX)
		return false;
	more = vsnprintf(buf + len, (size_t)(PATH_MAX - len), path, args);
	return more >= 0 && more < PATH_MAX - len;
}

/* O_NONBLOCK, so that a FIFO or a device that is put there cannot hang the caller. */
static ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	ssize_t got = -1;

	if (fd < 0)
		return -1;
	while (len < size - 1) {
		got = read(fd, buf + len, size - 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	close(fd);
	if (got < 0 && len == 0)
		return -1;
	while (len && (buf[len - 1] == '\n' || buf[len - 1] == ' ' || buf[len - 1] == '\0'))
		len--;
	buf[len] = '\0';
	return (ssize_t)len;
}

static const char *read_path(struct disagg_arena *arena, const char *path)
{
	char *buf = malloc(MOST_BYTES), *copy = NULL;
	ssize_t len;

	if (!buf)
		return NULL;
	len = slurp(path, buf, MOST_BYTES);
	if (len >= 0)
		copy = disagg_arena_strndup(arena, buf, (size_t)len);
	free(buf);
	return copy;
}

const char *disagg_sysfile_text(struct disagg_arena *arena, const char *root, const char *path, ...)
{
	char whole[PATH_MAX];
	va_list args;
	bool good;

	va_start(args, path);
	good = join(whole, root, path, args);
	va_end(args);
	return good ? read_path(arena, whole) : NULL;
}

const char *disagg_sysfile_line(struct disagg_arena *arena, const char *root, const char *path, ...)
{
	char whole[PATH_MAX];
	const char *text;
	va_list args;
	bool good;

	va_start(args, path);
	good = join(whole, root, path, args);
	va_end(args);
	text = good ? read_path(arena, whole) : NULL;
	return text ? disagg_arena_strndup(arena, text, strcspn(text, "\n")) : NULL;
}

int disagg_sysfile_int(int64_t *ret, const char *root, const char *path, ...)
{
	char whole[PATH_MAX], text[64];
	va_list args;
	bool good;

	va_start(args, path);
	good = join(whole, root, path, args);
	va_end(args);
	if (!good || slurp(whole, text, sizeof(text)) < 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	return disagg_num_int(text, INT64_MIN, INT64_MAX, ret);
}

bool disagg_sysfile_exists(const char *root, const char *path, ...)
{
	char whole[PATH_MAX];
	va_list args;
	bool good;

	va_start(args, path);
	good = join(whole, root, path, args);
	va_end(args);
	return good && access(whole, F_OK) == 0;
}

const char *disagg_sysfile_link(struct disagg_arena *arena, const char *root, const char *path, ...)
{
	char whole[PATH_MAX], to[PATH_MAX];
	const char *last;
	ssize_t len;
	va_list args;
	bool good;

	va_start(args, path);
	good = join(whole, root, path, args);
	va_end(args);
	len = good ? readlink(whole, to, sizeof(to) - 1) : -1;
	if (len <= 0)
		return NULL;
	to[len] = '\0';
	last = strrchr(to, '/');
	return disagg_arena_strdup(arena, last ? last + 1 : to);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct disagg_sysfile_names disagg_sysfile_list(
	struct disagg_arena *arena, const char *root, const char *path, ...)
{
	struct disagg_sysfile_names names = {0};
	char whole[PATH_MAX];
	size_t room = 0;
	va_list args;
	DIR *dir;
	bool good;

	va_start(args, path);
	good = join(whole, root, path, args);
	va_end(args);
	dir = good ? opendir(whole) : NULL;
	if (!dir)
		return names;
	for (const struct dirent *entry; names.count < MOST_NAMES && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		if (names.count == room) {
			size_t more = room ? room * 2 : 64;
			const char **grown = disagg_arena_grow(
				arena, names.name, room, more, sizeof(*names.name));

			if (!grown)
				break;
			names.name = grown;
			room = more;
		}
		names.name[names.count] = disagg_arena_strdup(arena, entry->d_name);
		if (!names.name[names.count])
			break;
		names.count++;
	}
	closedir(dir);
	if (names.count)
		qsort(names.name, names.count, sizeof(*names.name), by_name);
	return names;
}

const char *disagg_sysfile_value(struct disagg_arena *arena, const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line && *line;) {
		const char *rest = line + strspn(line, " \t");

		if (strncmp(rest, name, len) == 0 && strchr(" \t:=", rest[len]) && rest[len]) {
			rest += len;
			rest += strspn(rest, " \t:=");
			return disagg_arena_strndup(arena, rest, strcspn(rest, "\n"));
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return NULL;
}
