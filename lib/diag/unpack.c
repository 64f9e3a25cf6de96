/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/unpack.h"

#include "lib/base/fd.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES (256u * 1024u)
#define READ_BYTES  (64u * 1024u)

/* ---- what a file is ---- */

bool disagg_unpack_knows(int fd, const char *path)
{
	static const char *const globs[] = {"*.tar", "*.tar.gz", "*.tgz", "*.tar.zst"};
	static const struct {
		unsigned at, len;
		const char *bytes;
	} magic[] = {
		{0, 2, "\x1f\x8b"},	    /* gzip: RFC 1952, 2.3.1 */
		{0, 4, "\x28\xb5\x2f\xfd"}, /* zstd: RFC 8878, 3.1.1 */
		{257, 5, "ustar"},	    /* tar: POSIX.1-2017, pax */
	};
	char head[512] = {0};
	ssize_t len = pread(fd, head, sizeof(head), 0);

	for (size_t i = 0; i < sizeof(magic) / sizeof(magic[0]); i++) {
		if (len >= (ssize_t)(magic[i].at + magic[i].len) &&
			memcmp(head + magic[i].at, magic[i].bytes, magic[i].len) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++) {
		if (fnmatch(globs[i], path, 0) == 0)
			return true;
	}
	return false;
}

/* ---- the spool ---- */

/* A file that has no name from the start, or, where the file system has none of these,
 * from right after. */
static int open_nameless(const char *folder)
{
	char path[4096];
	int fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (snprintf(path, sizeof(path), "%s/disagg-unpack.XXXXXX", folder) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int open_spool(struct disagg_spool *spool, struct disagg_err *err)
{
	if (spool->is_open)
		return 0;
	if (!spool->folder || !*spool->folder)
		spool->folder = "/tmp";
	spool->fd = open_nameless(spool->folder);
	if (spool->fd < 0)
		return disagg_err_sys(err, "cannot make a temporary file in '%s'", spool->folder);
	spool->is_open = true;
	return 0;
}

void disagg_spool_close(struct disagg_spool *spool)
{
	if (spool->is_open)
		close(spool->fd);
	spool->is_open = false;
}

/* ---- members ---- */

struct unpacker {
	struct disagg_arena *arena;
	struct disagg_spool *spool;
	const struct disagg_unpack_call *call;
	struct disagg_unpacked_list *list;
	struct archive *archive;
	char *block;
	const char *member; /* that is read; NULL: none yet */
	struct disagg_err *err;
};

static int damaged(struct unpacker *unpacker)
{
	const char *text = archive_error_string(unpacker->archive);

	text = text ? text : "out of memory";
	if (unpacker->member)
		return disagg_err_set(unpacker->err, DISAGG_CONFIG,
			"'%s' is damaged at or behind its member '%s': %s", unpacker->call->path,
			unpacker->member, text);
	/* as all of libarchive's readers say it */
	if (strcasestr(text, "truncated"))
		return disagg_err_set(unpacker->err, DISAGG_CONFIG,
			"'%s' is cut off (%s): copy it again", unpacker->call->path, text);
	return disagg_err_set(unpacker->err, DISAGG_CONFIG,
		"'%s' is no archive that can be read (%s): expected a .tar.gz or .tar.zst; unpack "
		"what else is compressed, and give the folder or the log that results",
		unpacker->call->path, text);
}

static int too_large(struct unpacker *unpacker)
{
	return disagg_err_set(unpacker->err, DISAGG_CONFIG,
		"'%s' holds more than %" PRIu64 " bytes, the most that is read of archives: unpack "
		"it, and give the folder",
		unpacker->call->path, DISAGG_UNPACK_BYTES_MOST);
}

/* Without "./" and what else names nothing; NULL where it leads out of the archive, or is
 * no name.  In `buf`. */
static const char *plain_name(const char *name, char *buf)
{
	size_t at = 0;

	if (!name || *name == '/' || strlen(name) >= DISAGG_UNPACK_NAME_MOST)
		return NULL;
	while (*name) {
		size_t len = strcspn(name, "/");

		if (len == 2 && memcmp(name, "..", 2) == 0)
			return NULL;
		if (len && !(len == 1 && *name == '.')) {
			if (at)
				buf[at++] = '/';
			memcpy(buf + at, name, len);
			at += len;
		}
		name += len + (name[len] == '/');
	}
	buf[at] = '\0';
	return at ? buf : NULL;
}

static const char *refused(struct archive_entry *entry)
{
	if (archive_entry_hardlink(entry))
		return "is a hard link";
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return NULL;
	case AE_IFLNK:
		return "is a symbolic link";
	default:
		return "is a device, a FIFO or a socket";
	}
}

static int pass_over(struct unpacker *unpacker, const char *name, const char *why)
{
	struct disagg_unpacked_list *list = unpacker->list;
	char *shown;

	if (list->passed++)
		return 0;
	shown = disagg_arena_printf(unpacker->arena, "%.200s", name ? name : "");
	if (!shown)
		return disagg_err_nomem(unpacker->err);
	disagg_text_tame(shown);
	list->first_passed = shown;
	list->why = why;
	return 0;
}

static struct disagg_unpacked *add_member(struct unpacker *unpacker, const char *name)
{
	struct disagg_unpacked_list *list = unpacker->list;
	unsigned room = list->room ? list->room * 2 : 64;
	struct disagg_unpacked *grown;

	if (list->count == list->room) {
		grown = disagg_arena_grow(
			unpacker->arena, list->v, list->count, room, sizeof(*grown));
		if (!grown)
			return NULL;
		list->v = grown;
		list->room = room;
	}
	grown = &list->v[list->count];
	grown->name = disagg_arena_strdup(unpacker->arena, name);
	if (!grown->name)
		return NULL;
	list->count++;
	return grown;
}

static int put_block(struct unpacker *unpacker, size_t len)
{
	struct disagg_spool *spool = unpacker->spool;

	if (disagg_fd_write_all(spool->fd, unpacker->block, len) != 0)
		return disagg_err_sys(unpacker->err,
			"cannot unpack '%s' into a temporary file in '%s' (TMPDIR names another "
			"folder)",
			unpacker->call->path, spool->folder);
	spool->bytes += len;
	return 0;
}

/* The size that a header tells is what is checked first: it costs nothing then. */
static int copy_member(struct unpacker *unpacker, struct disagg_unpacked *member)
{
	la_ssize_t got;

	member->fd = unpacker->spool->fd;
	member->from = unpacker->spool->bytes;
	while ((got = archive_read_data(unpacker->archive, unpacker->block, BLOCK_BYTES)) > 0) {
		if ((uint64_t)got > DISAGG_UNPACK_BYTES_MOST - unpacker->spool->bytes)
			return too_large(unpacker);
		if (put_block(unpacker, (size_t)got))
			return -1;
		member->size += (uint64_t)got;
	}
	return got < 0 ? damaged(unpacker) : 0;
}

static int take_entry(struct unpacker *unpacker, struct archive_entry *entry)
{
	const char *told = archive_entry_pathname(entry), *why, *name;
	la_int64_t size = archive_entry_size(entry);
	char buf[DISAGG_UNPACK_NAME_MOST];
	struct disagg_unpacked *member;

	if (size < 0 || (uint64_t)size > DISAGG_UNPACK_BYTES_MOST - unpacker->spool->total)
		return too_large(unpacker);
	unpacker->spool->total += (uint64_t)size;
	if (archive_entry_filetype(entry) == AE_IFDIR)
		return 0;
	why = refused(entry);
	if (why)
		return pass_over(unpacker, told, why);
	name = plain_name(told, buf);
	if (!name)
		return pass_over(unpacker, told, "has a name that leads out of the archive");
	if (!unpacker->call->wants(name))
		return 0;
	member = add_member(unpacker, name);
	if (!member)
		return disagg_err_nomem(unpacker->err);
	member->mtime_s = archive_entry_mtime(entry);
	unpacker->member = member->name;
	return copy_member(unpacker, member);
}

static int read_members(struct unpacker *unpacker)
{
	struct archive_entry *entry;
	unsigned count = 0;
	int rc;

	while ((rc = archive_read_next_header(unpacker->archive, &entry)) == ARCHIVE_OK ||
		rc == ARCHIVE_WARN) {
		if (++count > DISAGG_UNPACK_MEMBERS_MOST)
			return disagg_err_set(unpacker->err, DISAGG_CONFIG,
				"'%s' has more than %u members, the most that are read",
				unpacker->call->path, DISAGG_UNPACK_MEMBERS_MOST);
		if (take_entry(unpacker, entry))
			return -1;
	}
	return rc == ARCHIVE_EOF ? 0 : damaged(unpacker);
}

/* What anybody may have made is read as what we make, and as nothing else. */
static int open_archive(struct unpacker *unpacker)
{
	struct archive *archive = archive_read_new();

	unpacker->archive = archive;
	unpacker->block = disagg_raw_realloc(NULL, BLOCK_BYTES);
	if (!archive || !unpacker->block)
		return disagg_err_nomem(unpacker->err);
	if (archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
		archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
		archive_read_support_format_tar(archive) != ARCHIVE_OK)
		return disagg_err_set(unpacker->err, DISAGG_SYSTEM,
			"cannot read archives: libarchive was built without gzip, zstd or tar");
	/* names are bytes, whatever the locale */
	archive_read_set_format_option(archive, "tar", "hdrcharset", "BINARY");
	return archive_read_open_fd(archive, unpacker->call->fd, READ_BYTES) == ARCHIVE_OK
		       ? 0
		       : damaged(unpacker);
}

/* ---- their order ---- */

static unsigned depth_of(const char *name)
{
	unsigned depth = 0;

	while ((name = strchr(name, '/')) != NULL) {
		name++;
		depth++;
	}
	return depth;
}

/* As who walks folders comes by them. */
static int by_level(const void *a, const void *b)
{
	const char *x = ((const struct disagg_unpacked *)a)->name;
	const char *y = ((const struct disagg_unpacked *)b)->name;
	unsigned x_depth = depth_of(x), y_depth = depth_of(y);

	if (x_depth != y_depth)
		return x_depth < y_depth ? -1 : 1;
	while (*x && *x == *y) {
		x++;
		y++;
	}
	if (*x == '/' || *y == '/')
		return *x == '/' ? (*y ? -1 : 1) : (*x ? 1 : -1);
	return (unsigned char)*x - (unsigned char)*y;
}

/* Bytes of the folder that all are in, with its '/'; 0: there is none. */
static size_t common_folder(const struct disagg_unpacked_list *list)
{
	const char *slash = list->count ? strchr(list->v[0].name, '/') : NULL;
	size_t len = slash ? (size_t)(slash + 1 - list->v[0].name) : 0;

	for (unsigned i = 1; i < list->count; i++) {
		if (strncmp(list->v[i].name, list->v[0].name, len) != 0)
			return 0;
	}
	return len;
}

struct disagg_unpacked *disagg_unpacked_find(
	const struct disagg_unpacked_list *list, const char *name)
{
	char full[2 * DISAGG_UNPACK_NAME_MOST];
	struct disagg_unpacked key = {.name = full};

	if (!list->count || strlen(name) >= DISAGG_UNPACK_NAME_MOST)
		return NULL;
	snprintf(full, sizeof(full), "%.*s%s", (int)list->root_len, list->v[0].name, name);
	return bsearch(&key, list->v, list->count, sizeof(key), by_level);
}

int disagg_unpack(struct disagg_arena *arena, struct disagg_spool *spool,
	const struct disagg_unpack_call *call, struct disagg_unpacked_list *ret,
	struct disagg_err *err)
{
	struct disagg_unpacked_list list = {0};
	struct unpacker unpacker = {
		.arena = arena, .spool = spool, .call = call, .list = &list, .err = err};
	int rc;

	if (open_spool(spool, err))
		return -1;
	rc = open_archive(&unpacker) || read_members(&unpacker) ? -1 : 0;
	archive_read_free(unpacker.archive);
	free(unpacker.block);
	if (rc != 0)
		return rc;
	if (list.count)
		qsort(list.v, list.count, sizeof(*list.v), by_level);
	list.root_len = common_folder(&list);
	*ret = list;
	return 0;
}

int disagg_unpacked_read(struct disagg_arena *arena, const struct disagg_unpacked *file,
	size_t limit, char **ret_bytes, size_t *ret_len, struct disagg_err *err)
{
	size_t have = 0, size = (size_t)file->size;
	char *bytes;

	if (file->size > limit)
		return disagg_err_set(err, DISAGG_CONFIG,
			"cannot read '%s': it is larger than %zu bytes, the most that is read",
			file->name, limit);
	bytes = disagg_arena_alloc(arena, size + 1);
	if (!bytes)
		return disagg_err_nomem(err);
	while (have < size) {
		ssize_t got =
			pread(file->fd, bytes + have, size - have, (off_t)(file->from + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return disagg_err_sys(err, "cannot read '%s'", file->name);
		have += (size_t)got;
	}
	bytes[size] = '\0';
	*ret_bytes = bytes;
	*ret_len = size;
	return 0;
}
