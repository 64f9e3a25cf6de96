/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/logscan.h"

#include "lib/diag/matcher.h"
#include "lib/diag/redact.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK	       DISAGG_MATCH_BLOCK_MAX
#define LOOK_BACK      (16u * 1024u) /* bytes of a block for the time of a line without one */
#define LOOK_LINES     128u
#define ENDS_BYTES     (64u * 1024u) /* of a file, that are looked at for its first and last time */
#define SETTINGS_BYTES 4096u
#define SETTINGS_PAIRS 6u
#define OWN_NAME       "disagg-"
#define SAMPLE_BYTES   (DISAGG_SAMPLE_MAX + 64u)

struct scanner {
	struct disagg_arena *arena;
	struct disagg_matcher *matcher;
	struct disagg_redactor *redactor;
	char *block;
	struct disagg_scan *scan;
	struct disagg_event *event; /* of the file: one a signature, count 0 where it has none */
	struct disagg_event *all;
	unsigned signatures, all_count, all_room;
	/* the block */
	unsigned file;
	uint64_t offset; /* of the block in the file */
	size_t len;
	double last_s; /* the last time before the block */
	enum disagg_stamp last_stamp;
	struct disagg_err *err;
	bool failed;
};

/* ---- a line ---- */

static bool is_own(const char *text, size_t len)
{
	size_t at = sizeof(OWN_NAME) - 1;

	if (len < at || memcmp(text, OWN_NAME, at) != 0)
		return false;
	while (at < len && text[at] >= 'a' && text[at] <= 'z')
		at++;
	return at < len && text[at] == ':';
}

/* "name=value, " or "NAME=value": settings that are printed say nothing of a failure, though
 * their names do ("transfer_backend='nixl', error_policy=..."). */
static bool is_settings(const char *text, size_t len)
{
	size_t name = 0, pairs = 0;
	enum disagg_level level;

	len = len < SETTINGS_BYTES ? len : SETTINGS_BYTES;
	for (size_t i = 1; i < len; i++) {
		bool is_name = isalnum((unsigned char)text[i]) || text[i] == '_';

		if (is_name && (name || strchr(" ({'\"", text[i - 1]))) {
			name++;
			continue;
		}
		pairs += name > 1 && (text[i] == '=' || (i + 1 < len && strchr("'\"", text[i]) &&
								text[i + 1] == ':'));
		name = 0;
	}
	for (name = 0; name < len && (isupper((unsigned char)text[name]) || text[name] == '_');)
		name++;
	if (name > 2 && name < len && text[name] == '=')
		return true;
	if (pairs < SETTINGS_PAIRS)
		return false;
	level = disagg_line_level(text, len);
	return level == DISAGG_LEVEL_NONE || level <= DISAGG_LEVEL_INFO;
}

/* The line of the block before the one at `at`. */
static size_t line_before(const char *block, size_t at, size_t *ret_len)
{
	const char *newline = at > 1 ? memrchr(block, '\n', at - 1) : NULL;
	size_t begin = newline ? (size_t)(newline + 1 - block) : 0;

	*ret_len = at ? at - 1 - begin : 0;
	return begin;
}

/* A line without a time has that of the last one before it that has one. */
static void borrow_time(struct scanner *scanner, size_t at, struct disagg_line *line)
{
	double about_s = scanner->scan->file[scanner->file].about_s;
	size_t from = at > LOOK_BACK ? at - LOOK_BACK : 0, len;

	for (unsigned i = 0; i < LOOK_LINES && at > from; i++) {
		at = line_before(scanner->block, at, &len);
		if (disagg_line_time(
			    scanner->block + at, len, about_s, &line->stamp, &line->time_s)) {
			scanner->last_s = line->time_s;
			scanner->last_stamp = line->stamp;
			return;
		}
	}
	line->stamp = scanner->last_stamp;
	line->time_s = scanner->last_s;
}

/* More of the line than is kept is searched for secrets: one may be cut. */
static const char *keep_text(struct scanner *scanner, const char *text, size_t len)
{
	char *copy =
		disagg_arena_strndup(scanner->arena, text, len < SAMPLE_BYTES ? len : SAMPLE_BYTES);

	if (!copy) {
		disagg_err_nomem(scanner->err);
		return NULL;
	}
	for (size_t i = 0; i < len && i < SAMPLE_BYTES; i++)
		copy[i] = copy[i] ? copy[i] : '?';
	disagg_redact(scanner->redactor, copy, strlen(copy), true);
	if (len > DISAGG_SAMPLE_MAX)
		copy[DISAGG_SAMPLE_MAX] = '\0';
	disagg_text_tame(copy);
	return copy;
}

static void tame_end(const char *text, size_t *len)
{
	while (*len && (text[*len - 1] == '\r' || text[*len - 1] == ' '))
		(*len)--;
}

/* The samples kept are the first and the second of a file; `last` has no text
 * of its own from then on. */
static void count_event(struct scanner *scanner, struct disagg_event *event, size_t at, size_t len)
{
	const char *text = scanner->block + at;
	struct disagg_line line;

	disagg_line_read(text, len, scanner->scan->file[scanner->file].about_s, &line);
	if (line.stamp == DISAGG_STAMP_NONE) {
		borrow_time(scanner, at, &line);
	} else {
		scanner->last_s = line.time_s;
		scanner->last_stamp = line.stamp;
	}
	event->last.line = line;
	event->last.offset = scanner->offset + at;
	event->shown |= line.level == DISAGG_LEVEL_NONE || line.level > DISAGG_LEVEL_INFO;
	event->count++;
	if (event->count > DISAGG_SAMPLES)
		return;
	tame_end(text, &len);
	event->last.text = keep_text(scanner, text, len);
	scanner->failed |= !event->last.text;
	if (event->count == 1)
		event->first = event->last;
}

static void on_line(void *context, unsigned signature, size_t at, size_t len)
{
	struct scanner *scanner = context;
	struct disagg_event *event = &scanner->event[signature];
	size_t before_len, before;

	if (scanner->failed || is_own(scanner->block + at, len) ||
		is_settings(scanner->block + at, len))
		return;
	before = line_before(scanner->block, at, &before_len);
	if (at && disagg_line_is_source(
			  scanner->block + before, before_len, scanner->block + at, len))
		return;
	event->signature = signature;
	event->file = scanner->file;
	count_event(scanner, event, at, len);
}

/* ---- a file ---- */

/* The first time, or the last, of the lines of some bytes. */
static bool find_time(const char *bytes, size_t len, double about_s, bool last,
	enum disagg_stamp *ret_stamp, double *ret_s)
{
	bool found = false;

	for (size_t at = 0; at < len;) {
		const char *newline = memchr(bytes + at, '\n', len - at);
		size_t size = newline ? (size_t)(newline - bytes) - at : len - at;

		found |= disagg_line_time(bytes + at, size, about_s, ret_stamp, ret_s);
		if (found && !last)
			break;
		at += size + 1;
	}
	return found;
}

/* The bytes of a log: all of a file, or some of one that holds several. */
struct extent {
	int fd;
	uint64_t from, size;
};

/* As many bytes as there are behind `at`, or fit. */
static ssize_t fill(const struct extent *extent, uint64_t at, char *to, size_t room)
{
	size_t have = 0;

	if (room > extent->size - at)
		room = (size_t)(extent->size - at);
	while (have < room) {
		ssize_t got = pread(
			extent->fd, to + have, room - have, (off_t)(extent->from + at + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

static void read_ends(
	struct scanner *scanner, const struct extent *extent, struct disagg_scan_file *file)
{
	uint64_t from = file->bytes > ENDS_BYTES ? file->bytes - ENDS_BYTES : 0;
	ssize_t got = fill(extent, 0, scanner->block, ENDS_BYTES);

	if (got <= 0 || !find_time(scanner->block, (size_t)got, file->about_s, false, &file->stamp,
				&file->first_s))
		return;
	file->has_time = true;
	file->last_s = file->first_s;
	got = fill(extent, from, scanner->block, ENDS_BYTES);
	if (got > 0)
		find_time(scanner->block, (size_t)got, file->about_s, true, &file->stamp,
			&file->last_s);
}

/* Whole lines of the block; all of it where a line is longer than a block. */
static size_t whole_lines(const char *block, size_t len, bool is_last)
{
	const char *newline = is_last ? NULL : memrchr(block, '\n', len);

	return newline ? (size_t)(newline + 1 - block) : len;
}

/* Where the next bytes are: a hole of a sparse file may be longer than a life. */
static uint64_t skip_hole(const struct extent *extent, uint64_t offset)
{
	off_t data = lseek(extent->fd, (off_t)(extent->from + offset), SEEK_DATA);

	if (data < 0 && errno != ENXIO)
		return offset;
	return data < 0 || (uint64_t)data - extent->from > extent->size
		       ? extent->size
		       : (uint64_t)data - extent->from;
}

/* What a file has grown by since is not looked at. */
static int scan_blocks(
	struct scanner *scanner, const struct extent *extent, struct disagg_scan_file *file)
{
	size_t have = 0, used;
	ssize_t got;

	for (scanner->offset = 0;; scanner->offset += used) {
		if (!have)
			scanner->offset = skip_hole(extent, scanner->offset);
		got = fill(extent, scanner->offset + have, scanner->block + have, BLOCK - have);
		if (got < 0)
			file->skipped = "a part cannot be read";
		have += got > 0 ? (size_t)got : 0;
		if (!have)
			return 0;
		used = whole_lines(scanner->block, have, have < BLOCK);
		scanner->len = used;
		if (disagg_matcher_scan(scanner->matcher, scanner->block, used, on_line, scanner,
			    scanner->err) ||
			scanner->failed)
			return -1;
		have -= used;
		memmove(scanner->block, scanner->block + used, have);
	}
}

static int by_offset(const void *a, const void *b)
{
	const struct disagg_event *x = a, *y = b;

	return (x->first.offset > y->first.offset) - (x->first.offset < y->first.offset);
}

static int keep_events(struct scanner *scanner)
{
	unsigned begin = scanner->all_count;

	for (unsigned i = 0; i < scanner->signatures; i++) {
		if (!scanner->event[i].count)
			continue;
		if (scanner->all_count == scanner->all_room) {
			unsigned room = scanner->all_room ? scanner->all_room * 2 : 256;
			struct disagg_event *grown = disagg_arena_grow(scanner->arena, scanner->all,
				scanner->all_count, room, sizeof(*grown));

			if (!grown)
				return disagg_err_nomem(scanner->err);
			scanner->all = grown;
			scanner->all_room = room;
		}
		scanner->all[scanner->all_count++] = scanner->event[i];
	}
	if (scanner->all_count > begin)
		qsort(scanner->all + begin, scanner->all_count - begin, sizeof(*scanner->all),
			by_offset);
	return 0;
}

static int scan_extent(
	struct scanner *scanner, const struct extent *extent, struct disagg_scan_file *file)
{
	file->bytes = extent->size;
	memset(scanner->event, 0, scanner->signatures * sizeof(*scanner->event));
	scanner->last_stamp = DISAGG_STAMP_NONE;
	scanner->last_s = 0;
	read_ends(scanner, extent, file);
	if (scan_blocks(scanner, extent, file))
		return -1;
	scanner->scan->bytes += file->bytes;
	return keep_events(scanner);
}

static int scan_unpacked(struct scanner *scanner, struct disagg_scan_file *file)
{
	const struct disagg_unpacked *unpacked = file->unpacked;
	struct extent extent = {.fd = unpacked->fd, .from = unpacked->from, .size = unpacked->size};

	if (file->about_s <= 0)
		file->about_s = (double)unpacked->mtime_s;
	return scan_extent(scanner, &extent, file);
}

static int scan_file(struct scanner *scanner, struct disagg_scan_file *file)
{
	int fd = open(file->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	struct extent extent = {.fd = fd};
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		file->skipped = fd < 0 ? "cannot be opened" : "not a regular file";
		if (fd >= 0)
			close(fd);
		return 0;
	}
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	extent.size = (uint64_t)st.st_size;
	if (file->about_s <= 0)
		file->about_s = (double)st.st_mtime;
	rc = scan_extent(scanner, &extent, file);
	close(fd);
	return rc;
}

static int open_scanner(struct scanner *scanner, const struct disagg_signatures *signatures)
{
	scanner->signatures = signatures->count;
	scanner->block = disagg_arena_alloc(scanner->arena, BLOCK);
	scanner->event =
		disagg_arena_array(scanner->arena, signatures->count + 1u, sizeof(*scanner->event));
	if (!scanner->block || !scanner->event)
		return disagg_err_nomem(scanner->err);
	return disagg_matcher_new(signatures, &scanner->matcher, scanner->err) ||
			       disagg_redactor_new(&scanner->redactor, scanner->err)
		       ? -1
		       : 0;
}

int disagg_scan_logs(struct disagg_arena *arena, const struct disagg_signatures *signatures,
	struct disagg_scan *scan, struct disagg_err *err)
{
	struct scanner scanner = {.arena = arena, .scan = scan, .err = err};
	int rc;

	rc = open_scanner(&scanner, signatures);
	for (unsigned i = 0; !rc && i < scan->file_count; i++) {
		scanner.file = i;
		rc = scan->file[i].unpacked ? scan_unpacked(&scanner, &scan->file[i])
					    : scan_file(&scanner, &scan->file[i]);
	}
	if (!rc) {
		for (unsigned i = 0; i < DISAGG_SECRET_COUNT; i++)
			scan->secrets +=
				disagg_redactor_count(scanner.redactor, (enum disagg_secret)i);
		scan->event = scanner.all;
		scan->event_count = scanner.all_count;
	}
	disagg_redactor_free(scanner.redactor);
	disagg_matcher_free(scanner.matcher);
	return rc;
}
