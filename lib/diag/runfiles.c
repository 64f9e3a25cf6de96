/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/runfiles.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/diag/manifest.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define EXITS_BYTES (16u * 1024u * 1024u)
#define SLURM_BYTES (1024u * 1024u)
#define ROOM_BYTES  4096u  /* less is none */
#define NAMES_MOST  65536u /* of one folder */

struct adder {
	struct disagg_arena *arena;
	struct disagg_runfiles *files;
	size_t root_len;			/* of what is left out of a name */
	const struct disagg_unpacked *unpacked; /* the bytes of the file; NULL: it is at its path */
	struct disagg_err *err;
};

static int read_file(
	struct adder *adder, const char *path, size_t limit, char **ret_bytes, size_t *ret_len)
{
	if (adder->unpacked)
		return disagg_unpacked_read(
			adder->arena, adder->unpacked, limit, ret_bytes, ret_len, adder->err);
	return disagg_fd_read_file(adder->arena, path, limit, ret_bytes, ret_len, adder->err);
}

int disagg_runfiles_init(
	struct disagg_arena *arena, struct disagg_runfiles *files, struct disagg_err *err)
{
	*files = (struct disagg_runfiles){0};
	return disagg_xid_load(arena, NULL, &files->xids, err);
}

/* ---- a file of each kind ---- */

static int add_log(struct adder *adder, const char *path, const char *node)
{
	struct disagg_runfiles *files = adder->files;
	unsigned room = files->log_room ? files->log_room * 2 : 64;
	struct disagg_scan_file *grown;
	char *name;

	(void)node;
	if (files->log_count == DISAGG_SCAN_FILES_MOST) {
		files->left_out++;
		return 0;
	}
	if (files->log_count == files->log_room) {
		grown = disagg_arena_grow(
			adder->arena, files->log, files->log_count, room, sizeof(*grown));
		if (!grown)
			return disagg_err_nomem(adder->err);
		files->log = grown;
		files->log_room = room;
	}
	name = disagg_arena_strdup(adder->arena, path + adder->root_len);
	if (!name)
		return disagg_err_nomem(adder->err);
	disagg_text_tame(name);
	files->log[files->log_count++] =
		(struct disagg_scan_file){.path = path, .name = name, .unpacked = adder->unpacked};
	return 0;
}

static int add_exits(struct adder *adder, const char *path, const char *node)
{
	char *bytes;
	size_t len;

	(void)node;
	if (read_file(adder, path, EXITS_BYTES, &bytes, &len))
		return -1;
	return disagg_exits_parse(adder->arena, bytes, len, &adder->files->exits, adder->err);
}

static int add_kernel(struct adder *adder, const char *path, const char *node)
{
	struct disagg_kernlines_text text = {.node = node};

	if (read_file(adder, path, DISAGG_KMSG_FILE_MAX, &text.bytes, &text.len))
		return -1;
	return disagg_kernlines_parse(
		adder->arena, adder->files->xids, &text, &adder->files->kernel, adder->err);
}

static int add_state(struct adder *adder, const char *path, const char *node)
{
	struct disagg_state state;
	char *bytes;
	size_t len;

	(void)node;
	if (read_file(adder, path, DISAGG_MAX_YAML_BYTES, &bytes, &len) ||
		disagg_state_parse(adder->arena, bytes, len, path, &state, adder->err))
		return -1;
	/* of two, as where a job was requeued, the later */
	if (!adder->files->has_state || state.updated >= adder->files->state.updated)
		adder->files->state = state;
	adder->files->has_state = true;
	return 0;
}

/* The word behind "KEY=", which begins a word itself. */
static const char *value_of(struct adder *adder, const char *text, const char *key)
{
	size_t len = strlen(key);
	char *value;

	for (const char *at = strstr(text, key); at; at = strstr(at + 1, key)) {
		if (at > text && at[-1] != ' ' && at[-1] != '\n')
			continue;
		value = disagg_arena_strndup(adder->arena, at + len, strcspn(at + len, " \r\n"));
		if (value)
			disagg_text_tame(value);
		return value;
	}
	return NULL;
}

static int add_slurm(struct adder *adder, const char *path, const char *node)
{
	const char *state;
	char *bytes;
	size_t len;

	(void)node;
	if (read_file(adder, path, SLURM_BYTES, &bytes, &len))
		return -1;
	state = value_of(adder, bytes, "JobState=");
	if (state) {
		adder->files->slurm_state = state;
		adder->files->slurm_reason = value_of(adder, bytes, "Reason=");
	}
	return 0;
}

/* ---- which kind ---- */

struct kind {
	const char *glob; /* of the name */
	int (*add)(struct adder *adder, const char *path, const char *node);
};

static int add_nothing(struct adder *adder, const char *path, const char *node)
{
	(void)adder;
	(void)path;
	(void)node;
	return 0;
}

static const struct kind kinds[] = {
	{"state.json", add_state},
	{"exits*.jsonl", add_exits},
	{"scontrol*.txt", add_slurm},
	{"pack.log", add_nothing}, /* the packer's own words */
	/* the probes', which quote faults: what they came to is in the verdict */
	{"probes.log", add_nothing},
	{"*.log", add_log},
	{"*.out", add_log},
	{"*.err", add_log},
};

/* "kmsg.n1", "dmesg-n1.log", "n1/kmsg.txt": n1; kernel.txt tells it in headings */
static const char *node_in(struct disagg_arena *arena, const char *path, const char *name)
{
	const char *begin = name + strcspn(name, "-._");
	const char *end, *before;

	begin += *begin != '\0';
	end = begin + strcspn(begin, ".");
	if (end > begin && (*end || !strchr(name, '.') || *(begin - 1) == '.') &&
		strncmp(begin, "txt", 3) != 0 && strncmp(begin, "log", 3) != 0)
		return disagg_arena_strndup(arena, begin, (size_t)(end - begin));
	if (name - path < 2)
		return NULL;
	before = memrchr(path, '/', (size_t)(name - path - 1));
	before = before ? before + 1 : path;
	return strncmp(name, "kernel", 6) == 0
		       ? NULL
		       : disagg_arena_strndup(arena, before, (size_t)(name - before - 1));
}

/* In exits/ all are that; elsewhere the name decides.  NULL: of no use. */
static const struct kind *kind_of(const char *path, const char *name, bool named)
{
	static const struct kind kernel = {"", add_kernel}, exits = {"", add_exits},
				 log = {"", add_log}, none = {"", add_nothing};

	if (disagg_kernlines_named(name))
		return &kernel;
	if (name - path >= 6 && strncmp(name - 6, "exits/", 6) == 0)
		return fnmatch("*.jsonl", name, 0) == 0 ? &exits : &none;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (fnmatch(kinds[i].glob, name, 0) == 0)
			return &kinds[i];
	}
	return named ? &log : &none;
}

static const char *name_in(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int add_file(struct adder *adder, const char *path, bool named)
{
	const char *name = name_in(path);
	const struct kind *kind = kind_of(path, name, named);
	struct disagg_err why = DISAGG_ERR_INIT;
	struct disagg_err *err = adder->err;
	char text[768];
	int rc;

	if (named)
		return kind->add(adder, path, node_in(adder->arena, path, name));
	/* one that is damaged is no reason to say nothing of the others */
	adder->err = &why;
	rc = kind->add(adder, path, node_in(adder->arena, path, name));
	adder->err = err;
	if (rc) {
		disagg_err_format(&why, text, sizeof(text));
		adder->files->note = disagg_arena_strdup(adder->arena, text);
	}
	return rc && !adder->files->note ? disagg_err_nomem(err) : 0;
}

/* ---- folders ---- */

struct names {
	const char **v;
	unsigned count, room;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_folder(struct adder *adder, const char *path, struct names *names)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)) && names->count < NAMES_MOST) {
		if (entry->d_name[0] == '.')
			continue;
		if (names->count == names->room) {
			unsigned room = names->room ? names->room * 2 : 64;
			const char **grown = disagg_arena_grow(
				adder->arena, names->v, names->count, room, sizeof(*grown));

			if (!grown)
				break;
			names->v = grown;
			names->room = room;
		}
		names->v[names->count] = disagg_arena_strdup(adder->arena, entry->d_name);
		if (!names->v[names->count])
			break;
		names->count++;
	}
	closedir(dir);
	if (entry && names->count < NAMES_MOST)
		return disagg_err_nomem(adder->err);
	if (names->count)
		qsort(names->v, names->count, sizeof(*names->v), by_name);
	return 0;
}

/* One level a round: `level` holds the folders of the next. */
static int add_folder(struct adder *adder, const char *path, struct names *below)
{
	struct names names = {0};

	if (list_folder(adder, path, &names))
		return -1;
	below->v = disagg_arena_grow(adder->arena, below->v, below->count,
		below->count + names.count + 1u, sizeof(*below->v));
	if (!below->v)
		return disagg_err_nomem(adder->err);
	for (unsigned i = 0; i < names.count; i++) {
		const char *full = disagg_arena_printf(adder->arena, "%s/%s", path, names.v[i]);
		struct stat st;

		if (!full)
			return disagg_err_nomem(adder->err);
		if (lstat(full, &st))
			continue;
		if (S_ISDIR(st.st_mode))
			below->v[below->count++] = full;
		else if (S_ISREG(st.st_mode) && add_file(adder, full, false))
			return -1;
	}
	return 0;
}

static int add_folders(struct adder *adder, const char *path)
{
	struct names level = {.count = 1}, below;
	const char *first[1] = {path};

	level.v = first;
	for (unsigned depth = 0; depth < DISAGG_RUNFILES_DEPTH && level.count; depth++) {
		below = (struct names){0};
		for (unsigned i = 0; i < level.count; i++) {
			if (add_folder(adder, level.v[i], &below))
				return -1;
		}
		level = below;
	}
	return 0;
}

/* ---- archives ---- */

/* What readdir of a folder passes over, also as bundle.h writes it. */
static bool is_hidden(const char *name)
{
	for (const char *at = name; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (*at == '.' || strncmp(at, "%2E", 3) == 0)
			return true;
	}
	return false;
}

static bool is_wanted(const char *name)
{
	return !is_hidden(name) && (kind_of(name, name_in(name), false)->add != add_nothing ||
					   strcmp(name_in(name), DISAGG_MANIFEST) == 0);
}

static bool is_deep(const char *name)
{
	unsigned folders = 0;

	while ((name = strchr(name, '/')) != NULL) {
		name++;
		folders++;
	}
	return folders >= DISAGG_RUNFILES_DEPTH;
}

static int note_passed(
	struct adder *adder, const char *path, const struct disagg_unpacked_list *list)
{
	if (!list->passed)
		return 0;
	adder->files->note = disagg_arena_printf(adder->arena,
		"%u member%s of '%s' passed over: '%s' %s", list->passed,
		list->passed == 1 ? "" : "s", path, list->first_passed, list->why);
	return adder->files->note ? 0 : disagg_err_nomem(adder->err);
}

static int add_archive(struct adder *adder, const char *path, int fd)
{
	const struct disagg_unpack_call call = {.fd = fd, .path = path, .wants = is_wanted};
	struct disagg_unpacked_list list = {0};

	if (disagg_unpack(adder->arena, &adder->files->spool, &call, &list, adder->err) ||
		disagg_manifest_check(path, &list, adder->err) || note_passed(adder, path, &list))
		return -1;
	adder->root_len = list.root_len;
	for (unsigned i = 0; i < list.count; i++) {
		adder->unpacked = &list.v[i];
		if (!is_deep(list.v[i].name + list.root_len) &&
			add_file(adder, list.v[i].name, false))
			return -1;
	}
	return 0;
}

/* -1: it is no archive.  A file that cannot be opened is for its reader to tell. */
static int open_archive(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && disagg_unpack_knows(fd, path))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool is_full(const char *path)
{
	struct statvfs st;

	return statvfs(path, &st) == 0 &&
	       (uint64_t)st.f_bavail * (st.f_frsize ? st.f_frsize : st.f_bsize) < ROOM_BYTES;
}

/* Two runs are two answers; logs one by one may be of one. */
static int take_run(struct disagg_runfiles *files, const char *path, struct disagg_err *err)
{
	if (files->run)
		return disagg_err_set(err, DISAGG_USAGE,
			"'%s' and '%s' are two run directories or archives: give one at a time",
			files->run, path);
	files->run = path;
	return 0;
}

int disagg_runfiles_add(struct disagg_arena *arena, struct disagg_runfiles *files, const char *path,
	struct disagg_err *err)
{
	struct adder adder = {.arena = arena, .files = files, .err = err};
	size_t len = strlen(path);
	char *clean = disagg_arena_strdup(arena, path);
	struct stat st;
	int fd, rc;

	if (!clean)
		return disagg_err_nomem(err);
	while (len > 1 && clean[len - 1] == '/')
		clean[--len] = '\0';
	if (stat(clean, &st))
		return disagg_err_set(
			err, DISAGG_MISSING, "cannot find '%s': %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		if (take_run(files, clean, err))
			return -1;
		adder.root_len = len + 1;
		if (is_full(clean))
			files->full = clean;
		return add_folders(&adder, clean);
	}
	if (!S_ISREG(st.st_mode))
		return disagg_err_set(
			err, DISAGG_MISSING, "'%s' is neither a folder nor a regular file", path);
	fd = open_archive(clean);
	if (fd >= 0) {
		rc = take_run(files, clean, err) || add_archive(&adder, clean, fd) ? -1 : 0;
		close(fd);
		return rc;
	}
	adder.root_len = (size_t)(name_in(clean) - clean);
	return add_file(&adder, clean, true);
}
