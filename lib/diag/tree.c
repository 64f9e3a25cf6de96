/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_OVER  (1u << 20)
#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY)

/* Component by component, for kernels before 5.6: no part may be a link or "..". */
static int open_steps(int folder_fd, const char *name, int flags)
{
	char part[256];
	int at = folder_fd, next;

	for (;;) {
		size_t len = strcspn(name, "/");
		bool last = name[len] == '\0';

		if (len == 0 || len >= sizeof(part)) {
			next = -1;
			errno = ENAMETOOLONG;
		} else {
			memcpy(part, name, len);
			part[len] = '\0';
			next = strcmp(part, "..") == 0
				       ? -1
				       : openat(at, part, last ? flags : OPEN_FLAGS | O_DIRECTORY);
		}
		if (at != folder_fd)
			close(at);
		if (next < 0 || last)
			return next;
		at = next;
		name += len + 1;
	}
}

static int open_beneath(int folder_fd, const char *name, int flags)
{
	struct open_how how = {.flags = (unsigned)flags,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	long fd = syscall(SYS_openat2, folder_fd, name, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS)
		return open_steps(folder_fd, name, flags);
	return (int)fd;
}

int disagg_tree_open(const char *path, int *ret_fd, struct disagg_err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
		return disagg_err_set(err, DISAGG_MISSING, "cannot read the folder '%s': %s", path,
			strerror(errno));
	if (fd < 0)
		return disagg_err_sys(err, "cannot read the folder '%s'", path);
	*ret_fd = fd;
	return 0;
}

/* NULL: it may be read. */
static const char *refusal(const struct stat *st, const struct disagg_tree_limits *limits)
{
	static const struct {
		mode_t type;
		const char *what;
	} kinds[] = {{S_IFLNK, "a symbolic link"}, {S_IFIFO, "a FIFO"}, {S_IFSOCK, "a socket"},
		{S_IFCHR, "a device"}, {S_IFBLK, "a device"}, {S_IFDIR, "a folder"}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if ((st->st_mode & S_IFMT) == kinds[i].type)
			return kinds[i].what;
	if (limits->check_owner && st->st_uid != limits->owner)
		return "another user's file";
	return NULL;
}

/* ---- listing ---- */

struct walk {
	struct disagg_arena *arena;
	int folder_fd;
	const struct disagg_tree_limits *limits;
	struct disagg_tree *tree;
	size_t room;
	struct disagg_err *err;
};

static int keep(struct walk *walk, const char *name, const struct stat *st)
{
	struct disagg_tree *tree = walk->tree;

	if (tree->count == walk->limits->files) {
		tree->over++;
		return 0;
	}
	if (tree->count == walk->room) {
		size_t room = walk->room ? walk->room * 2 : 64;
		void *grown = disagg_arena_grow(
			walk->arena, tree->file, tree->count, room, sizeof(*tree->file));

		if (!grown)
			return disagg_err_nomem(walk->err);
		tree->file = grown;
		walk->room = room;
	}
	tree->file[tree->count++] = (struct disagg_tree_file){.name = name,
		.size = (uint64_t)st->st_size,
		.mtime_s = st->st_mtim.tv_sec,
		.refused = refusal(st, walk->limits)};
	return 0;
}

static int list_folder(struct walk *walk, const char *folder, unsigned depth);

static int list_entry(
	struct walk *walk, int fd, const char *folder, const char *entry, unsigned depth)
{
	const char *name = *folder ? disagg_arena_printf(walk->arena, "%s/%s", folder, entry)
				   : disagg_arena_strdup(walk->arena, entry);
	struct stat st;

	if (!name)
		return disagg_err_nomem(walk->err);
	if (fstatat(fd, entry, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	if (S_ISDIR(st.st_mode) && depth < walk->limits->depth)
		return list_folder(walk, name, depth + 1);
	return keep(walk, name, &st);
}

static bool is_passed_over(
	const struct disagg_tree_limits *limits, const char *folder, const char *entry)
{
	if (strcmp(entry, ".") == 0 || strcmp(entry, "..") == 0)
		return true;
	return limits->skip && *folder == '\0' && strcmp(entry, limits->skip) == 0;
}

/* A folder that is gone, swapped or closed to us has no files. */
static int list_folder(struct walk *walk, const char *folder, unsigned depth)
{
	int fd = open_beneath(walk->folder_fd, *folder ? folder : ".", OPEN_FLAGS | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	/* a folder that is being filled as fast as it is read ends here too */
	while (rc == 0 && walk->tree->over < MOST_OVER && (entry = readdir(dir)))
		if (!is_passed_over(walk->limits, folder, entry->d_name))
			rc = list_entry(walk, dirfd(dir), folder, entry->d_name, depth);
	closedir(dir);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	const struct disagg_tree_file *left = a, *right = b;

	return strcmp(left->name, right->name);
}

int disagg_tree_list(struct disagg_arena *arena, int folder_fd,
	const struct disagg_tree_limits *limits, struct disagg_tree *ret, struct disagg_err *err)
{
	struct disagg_tree tree = {0};
	struct walk walk = {.arena = arena,
		.folder_fd = folder_fd,
		.limits = limits,
		.tree = &tree,
		.err = err};

	if (list_folder(&walk, "", 0) != 0)
		return -1;
	if (tree.count > 0)
		qsort(tree.file, tree.count, sizeof(*tree.file), by_name);
	*ret = tree;
	return 0;
}

/* ---- opening ---- */

int disagg_tree_open_file(int folder_fd, const char *name, const struct disagg_tree_limits *limits,
	uint64_t *ret_size, struct disagg_err *err)
{
	int fd = open_beneath(folder_fd, name, OPEN_FLAGS);
	const char *refused;
	struct stat st;

	if (fd < 0 && (errno == ELOOP || errno == EXDEV))
		return disagg_err_set(err, DISAGG_CHECK, "a symbolic link is in its way");
	if (fd < 0)
		return disagg_err_set(err, DISAGG_MISSING, "%s", strerror(errno));
	if (fstat(fd, &st) != 0) {
		close(fd);
		return disagg_err_sys(err, "cannot look at the file");
	}
	refused = refusal(&st, limits);
	if (refused) {
		close(fd);
		return disagg_err_set(err, DISAGG_CHECK, "%s", refused);
	}
	*ret_size = (uint64_t)st.st_size;
	return fd;
}
