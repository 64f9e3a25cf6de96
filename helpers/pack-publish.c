/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define STALE_S	  3600 /* a packer that was killed leaves its temporary file so long */
#define MOST_SEEN 4096u

int pack_target_open(
	struct pack *pack, const char *name, struct pack_target *ret, struct disagg_err *err)
{
	struct pack_target target = {.dir_fd = -1, .fd = -1};

	snprintf(target.name, sizeof(target.name), "%s", name);
	snprintf(target.temporary, sizeof(target.temporary), ".%s.%s.%d.tmp", name, pack->node,
		(int)getpid());
	target.dir_fd = open(pack->out_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target.dir_fd < 0)
		return disagg_err_sys(err, "cannot open the folder '%s'", pack->out_dir);
	target.fd = openat(target.dir_fd, target.temporary,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (target.fd < 0) {
		disagg_err_sys(err, "cannot write into '%s'", pack->out_dir);
		close(target.dir_fd);
		return -1;
	}
	*ret = target;
	return 0;
}

void pack_target_drop(struct pack_target *target)
{
	if (target->fd >= 0) {
		unlinkat(target->dir_fd, target->temporary, 0);
		close(target->fd);
	}
	if (target->dir_fd >= 0)
		close(target->dir_fd);
	target->fd = target->dir_fd = -1;
}

int pack_target_publish(struct pack *pack, struct pack_target *target, struct disagg_err *err)
{
	char path[4608];

	if (fsync(target->fd) != 0)
		return disagg_err_sys(err, "cannot write '%s'", target->name);
	/* replaces an earlier archive of this job, and a link of that name, never what it
	 * points to */
	if (renameat(target->dir_fd, target->temporary, target->dir_fd, target->name) != 0)
		return disagg_err_sys(err, "cannot put '%s' in its place", target->name);
	fsync(target->dir_fd);
	close(target->fd);
	target->fd = -1;
	snprintf(path, sizeof(path), "%s/%s", pack->out_dir, target->name);
	pack->path = disagg_arena_strdup(&pack->arena, path);
	return pack->path ? 0 : disagg_err_nomem(err);
}

uint64_t pack_free_bytes(const struct pack_target *target)
{
	struct statvfs vfs;

	if (fstatvfs(target->fd, &vfs) != 0)
		return UINT64_MAX;
	return (uint64_t)vfs.f_bavail * vfs.f_frsize;
}

/* ---- old ones ---- */

struct seen {
	char name[256];
	time_t at;
};

static int newest_first(const void *a, const void *b)
{
	const struct seen *left = a, *right = b;

	if (left->at != right->at)
		return left->at > right->at ? -1 : 1;
	return strcmp(left->name, right->name);
}

static bool is_ours(const struct pack_target *target, const char *name, struct stat *st)
{
	return fstatat(target->dir_fd, name, st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st->st_mode) && st->st_uid == geteuid();
}

static void drop_stale(const struct pack_target *target, const char *name)
{
	struct stat st;

	if (fnmatch(".job_*.tar.*.tmp", name, FNM_PERIOD) == 0 && is_ours(target, name, &st) &&
		st.st_mtim.tv_sec + STALE_S < time(NULL))
		unlinkat(target->dir_fd, name, 0);
}

static bool is_archive(const char *name)
{
	static const char *const patterns[] = {
		"job_*_success_????????.tar.*", "job_*_failure_????????.tar.*"};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		if (fnmatch(patterns[i], name, FNM_PERIOD) == 0)
			return true;
	return false;
}

static size_t find_archives(const struct pack_target *target, struct seen *list)
{
	int fd = dup(target->dir_fd);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;
	size_t count = 0;

	while (dir && count < MOST_SEEN && (entry = readdir(dir))) {
		drop_stale(target, entry->d_name);
		if (!is_archive(entry->d_name) || !is_ours(target, entry->d_name, &st))
			continue;
		snprintf(list[count].name, sizeof(list->name), "%s", entry->d_name);
		list[count++].at = st.st_mtim.tv_sec;
	}
	if (dir)
		closedir(dir);
	return count;
}

void pack_retire(const struct pack *pack, const struct pack_target *target)
{
	struct seen *list = calloc(MOST_SEEN, sizeof(*list));
	size_t count = list ? find_archives(target, list) : 0;
	time_t oldest = time(NULL) - (time_t)pack->keep_days * 86400;

	if (count > 0)
		qsort(list, count, sizeof(*list), newest_first);
	for (size_t i = 0; i < count; i++) {
		bool over = pack->keep > 0 && i >= (size_t)pack->keep;
		bool old = pack->keep_days > 0 && list[i].at < oldest;

		if ((over || old) && strcmp(list[i].name, target->name) != 0 &&
			unlinkat(target->dir_fd, list[i].name, 0) == 0)
			pack_say(pack, "removed the old archive '%s'", list[i].name);
	}
	free(list);
}
