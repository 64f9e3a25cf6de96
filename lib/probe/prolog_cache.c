/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/prolog_cache.h"

#include "lib/base/fd.h"
#include "lib/host/json.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME	   "prolog.json"
#define SCHEMA	   "disagg.prolog/1"
#define MOST_BYTES 4096

int disagg_prolog_cache_open(const char *folder, struct disagg_err *err)
{
	struct stat about;
	int fd;

	if (mkdir(folder, 0755) && errno != EEXIST)
		return disagg_err_sys(err, "cannot make the folder '%s'", folder);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return disagg_err_sys(err, "cannot open the folder '%s'", folder);
	if (fstat(fd, &about) == 0 && about.st_uid == geteuid() && !(about.st_mode & 022))
		return fd;
	close(fd);
	return disagg_err_set(err, DISAGG_SYSTEM,
		"'%s' is not ours alone: expected our own folder that no other may write to",
		folder);
}

static ssize_t read_bytes(int folder_fd, char *buf, size_t size)
{
	int fd = openat(folder_fd, NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat about;
	ssize_t got = -1;

	if (fd < 0)
		return -1;
	if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_uid == geteuid() &&
		about.st_nlink == 1 && !(about.st_mode & 022))
		got = read(fd, buf, size);
	close(fd);
	return got;
}

int disagg_prolog_cache_read(int folder_fd, struct disagg_prolog_cache *ret)
{
	struct disagg_prolog_cache cache = {0};
	struct disagg_json *json = NULL;
	char bytes[MOST_BYTES];
	ssize_t len = read_bytes(folder_fd, bytes, sizeof(bytes));
	const char *boot;
	int64_t seq;
	int rc = -1;

	if (len <= 0 || disagg_json_parse(&json, bytes, (size_t)len, NULL))
		return -1;
	boot = disagg_json_text(disagg_json_at(json, "boot_id"));
	if (disagg_json_equals(disagg_json_at(json, "schema"), SCHEMA) && boot &&
		strlen(boot) < sizeof(cache.cursor.boot_id) &&
		disagg_json_int(disagg_json_at(json, "kmsg_seq"), &seq) == 0 && seq >= 0 &&
		disagg_json_real(disagg_json_at(json, "checked"), &cache.checked_s) == 0) {
		memcpy(cache.cursor.boot_id, boot, strlen(boot) + 1);
		cache.cursor.seq = (uint64_t)seq;
		cache.good = disagg_json_is_true(disagg_json_at(json, "good"));
		*ret = cache;
		rc = 0;
	}
	disagg_json_free(json);
	return rc;
}

static void put(struct disagg_strbuf *out, const struct disagg_prolog_cache *cache)
{
	struct disagg_json_writer writer = {.out = out};

	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_text(&writer, "schema", SCHEMA);
	disagg_json_put_bool(&writer, "good", cache->good);
	disagg_json_put_fixed(&writer, "checked", cache->checked_s, 3);
	disagg_json_put_text(&writer, "boot_id", cache->cursor.boot_id);
	disagg_json_put_int(&writer, "kmsg_seq", (int64_t)cache->cursor.seq);
	disagg_json_end(&writer, '}');
	disagg_strbuf_putc(out, '\n');
}

int disagg_prolog_cache_write(
	int folder_fd, const struct disagg_prolog_cache *cache, struct disagg_err *err)
{
	struct disagg_strbuf text;
	char name[64];
	int fd, rc = -1;

	snprintf(name, sizeof(name), ".prolog.%ld.tmp", (long)getpid());
	fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return disagg_err_sys(err, "cannot write the verdict");
	disagg_strbuf_init(&text, MOST_BYTES);
	put(&text, cache);
	if (!text.failed && disagg_fd_write_all(fd, text.text, text.len) == 0 &&
		renameat(folder_fd, name, folder_fd, NAME) == 0)
		rc = 0;
	else
		disagg_err_sys(err, "cannot write the verdict");
	if (rc)
		unlinkat(folder_fd, name, 0);
	disagg_strbuf_release(&text);
	close(fd);
	return rc;
}
