/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/bundle.h"

#include "lib/base/arena.h"
#include "lib/diag/gzip.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_MEMBERS 65536u
#define NAME_BYTES   4096u

const char *const disagg_bundle_suffix[] = {"tar.gz", "tar.zst", NULL};

struct disagg_bundle {
	struct archive *archive;
	struct disagg_gzip *gzip; /* NULL: another format */
	EVP_MD_CTX *hash;
	char *block; /* DISAGG_BUNDLE_BLOCK */
	const char *folder;
	int64_t time_s;
	struct disagg_arena arena;
	struct disagg_bundle_member *member;
	size_t count, room;
	uint64_t bytes;
	uint64_t left; /* of the member that has begun */
};

static int archive_err(struct disagg_bundle *bundle, const char *what, struct disagg_err *err)
{
	const char *text = archive_error_string(bundle->archive);
	int sys = archive_errno(bundle->archive);

	/* libarchive's own numbers are negative */
	if (sys > 0)
		text = strerror(sys);
	return disagg_err_set(
		err, DISAGG_SYSTEM, "cannot %s: %s", what, text ? text : "out of memory");
}

/* ---- opening ---- */

/* libarchive's own gzip is zlib's: the tar goes through ours. */
static la_ssize_t gzip_write(struct archive *archive, void *context, const void *bytes, size_t len)
{
	struct disagg_bundle *bundle = context;

	if (disagg_gzip_put(bundle->gzip, bytes, len) == 0)
		return (la_ssize_t)len;
	archive_set_error(archive, errno, "%s", strerror(errno));
	return -1;
}

static int begin(
	struct disagg_bundle *bundle, const struct disagg_bundle_spec *spec, struct disagg_err *err)
{
	struct archive *archive = bundle->archive;
	int rc = archive_write_set_format_pax_restricted(archive);

	archive_write_set_bytes_per_block(archive, 64 * 1024);
	if (rc == ARCHIVE_OK && spec->format == DISAGG_BUNDLE_ZSTD) {
		rc = archive_write_add_filter_zstd(archive);
		if (rc == ARCHIVE_OK)
			rc = archive_write_open_fd(archive, spec->fd);
	} else if (rc == ARCHIVE_OK) {
		if (disagg_gzip_new(&bundle->gzip, spec->fd, err) != 0)
			return -1;
		rc = archive_write_open(archive, bundle, NULL, gzip_write, NULL);
	}
	return rc == ARCHIVE_OK ? 0 : archive_err(bundle, "begin an archive", err);
}

static struct disagg_bundle *make(const struct disagg_bundle_spec *spec)
{
	struct disagg_bundle *bundle = calloc(1, sizeof(*bundle));

	if (!bundle)
		return NULL;
	bundle->folder = disagg_arena_strdup(&bundle->arena, spec->folder);
	bundle->archive = archive_write_new();
	bundle->hash = EVP_MD_CTX_new();
	bundle->block = malloc(DISAGG_BUNDLE_BLOCK);
	bundle->time_s = spec->time_s;
	if (bundle->folder && bundle->archive && bundle->hash && bundle->block)
		return bundle;
	disagg_bundle_drop(bundle);
	return NULL;
}

int disagg_bundle_new(
	struct disagg_bundle **ret, const struct disagg_bundle_spec *spec, struct disagg_err *err)
{
	struct disagg_bundle *bundle = make(spec);

	if (!bundle)
		return disagg_err_nomem(err);
	if (begin(bundle, spec, err) != 0) {
		disagg_bundle_drop(bundle);
		return -1;
	}
	*ret = bundle;
	return 0;
}

/* ---- members ---- */

static bool is_plain(unsigned char c)
{
	return c >= 0x21 && c < 0x7f && c != '%' && c != '\\' && c != '"' && c != '\'';
}

/* "." and ".." as parts of a name cannot come from a directory that was read, and
 * are escaped all the same. */
static const char *safe_name(struct disagg_bundle *bundle, const char *name)
{
	char buf[NAME_BYTES];
	size_t len = 0;

	for (const char *at = name; *at && len + 4 < sizeof(buf); at++) {
		bool begins = at == name || at[-1] == '/';

		if (is_plain((unsigned char)*at) && !(begins && (*at == '.' || *at == '/')))
			buf[len++] = *at;
		else
			len += (size_t)snprintf(
				buf + len, 4, "%%%02X", (unsigned)(unsigned char)*at);
	}
	buf[len] = '\0';
	return disagg_arena_strdup(&bundle->arena, buf);
}

static struct disagg_bundle_member *add_member(struct disagg_bundle *bundle, const char *name)
{
	struct disagg_bundle_member *member;

	if (bundle->count == MOST_MEMBERS)
		return NULL;
	if (bundle->count == bundle->room) {
		size_t room = bundle->room ? bundle->room * 2 : 64;
		void *grown = disagg_arena_grow(&bundle->arena, bundle->member, bundle->count, room,
			sizeof(*bundle->member));

		if (!grown)
			return NULL;
		bundle->member = grown;
		bundle->room = room;
	}
	member = &bundle->member[bundle->count];
	memset(member, 0, sizeof(*member));
	member->name = safe_name(bundle, name);
	if (!member->name)
		return NULL;
	bundle->count++;
	return member;
}

static int begin_member(
	struct disagg_bundle *bundle, struct disagg_bundle_member *member, struct disagg_err *err)
{
	struct archive_entry *entry = archive_entry_new();
	char path[NAME_BYTES + 256];
	int rc;

	if (!entry)
		return disagg_err_nomem(err);
	snprintf(path, sizeof(path), "%s/%s", bundle->folder, member->name);
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_mtime(entry, (time_t)bundle->time_s, 0);
	archive_entry_set_size(entry, (la_int64_t)member->size);
	rc = archive_write_header(bundle->archive, entry);
	archive_entry_free(entry);
	if (rc != ARCHIVE_OK)
		return archive_err(bundle, "write the archive", err);
	if (EVP_DigestInit_ex(bundle->hash, EVP_sha256(), NULL) != 1)
		return disagg_err_nomem(err);
	return 0;
}

static int put(struct disagg_bundle *bundle, const char *bytes, size_t len, struct disagg_err *err)
{
	if (len == 0)
		return 0;
	if (archive_write_data(bundle->archive, bytes, len) != (la_ssize_t)len)
		return archive_err(bundle, "write the archive", err);
	EVP_DigestUpdate(bundle->hash, bytes, len);
	bundle->bytes += len;
	return 0;
}

static void put_hexadecimal(const unsigned char *sum, char ret[DISAGG_BUNDLE_SHA256])
{
	for (size_t i = 0; i < DISAGG_BUNDLE_SHA256 / 2; i++)
		snprintf(ret + 2 * i, 3, "%02x", sum[i]);
}

static void end_member(struct disagg_bundle *bundle, struct disagg_bundle_member *member)
{
	unsigned char sum[EVP_MAX_MD_SIZE];

	EVP_DigestFinal_ex(bundle->hash, sum, NULL);
	put_hexadecimal(sum, member->sha256);
}

int disagg_bundle_sha256(
	const char *bytes, size_t len, char ret[DISAGG_BUNDLE_SHA256], struct disagg_err *err)
{
	unsigned char sum[EVP_MAX_MD_SIZE];

	if (EVP_Digest(bytes, len, sum, NULL, EVP_sha256(), NULL) != 1)
		return disagg_err_nomem(err);
	put_hexadecimal(sum, ret);
	return 0;
}

int disagg_bundle_add_text(struct disagg_bundle *bundle, const char *name, const char *text,
	size_t len, struct disagg_err *err)
{
	struct disagg_bundle_member *member = add_member(bundle, name);

	if (!member)
		return disagg_err_nomem(err);
	member->size = len;
	if (begin_member(bundle, member, err) != 0 || put(bundle, text, len, err) != 0)
		return -1;
	end_member(bundle, member);
	return 0;
}

int disagg_bundle_begin(
	struct disagg_bundle *bundle, const char *name, uint64_t size, struct disagg_err *err)
{
	struct disagg_bundle_member *member = add_member(bundle, name);

	if (!member)
		return disagg_err_nomem(err);
	member->size = size;
	bundle->left = size;
	return begin_member(bundle, member, err);
}

int disagg_bundle_put(
	struct disagg_bundle *bundle, const char *bytes, size_t len, struct disagg_err *err)
{
	if (len > bundle->left)
		len = (size_t)bundle->left;
	bundle->left -= len;
	return put(bundle, bytes, len, err);
}

int disagg_bundle_end(struct disagg_bundle *bundle, struct disagg_err *err)
{
	memset(bundle->block, '\n', DISAGG_BUNDLE_BLOCK);
	while (bundle->left > 0)
		if (disagg_bundle_put(bundle, bundle->block, DISAGG_BUNDLE_BLOCK, err) != 0)
			return -1;
	end_member(bundle, &bundle->member[bundle->count - 1]);
	return 0;
}

/* ---- files ---- */

/* A run of a file's bytes on its way into the archive. */
struct span {
	struct disagg_bundle *bundle;
	const struct disagg_bundle_file *file;
	uint64_t at, end;
	size_t held; /* bytes in the block that the filter wants to see again */
	bool shrank;
};

/* Newlines for what a file has lost since its size was told. */
static size_t fill(struct span *span, char *bytes, size_t want)
{
	ssize_t got = span->shrank ? 0 : pread(span->file->fd, bytes, want, (off_t)span->at);

	if (got > 0)
		return (size_t)got;
	span->shrank = true;
	memset(bytes, '\n', want);
	return want;
}

static size_t filtered(const struct span *span, char *bytes, size_t len)
{
	const struct disagg_bundle_filter *filter = &span->file->filter;
	bool last = span->at == span->end;
	size_t done = filter->take ? filter->take(filter->context, bytes, len, last) : len;

	return last || done > len ? len : done;
}

static int put_span(struct span *span, struct disagg_err *err)
{
	char *block = span->bundle->block;

	while (span->at < span->end) {
		size_t want = DISAGG_BUNDLE_BLOCK - span->held, len, done;

		if (want > span->end - span->at)
			want = (size_t)(span->end - span->at);
		want = fill(span, block + span->held, want);
		span->at += want;
		len = span->held + want;
		done = filtered(span, block, len);
		if (done == 0 && len == DISAGG_BUNDLE_BLOCK)
			done = len;
		if (put(span->bundle, block, done, err) != 0)
			return -1;
		span->held = len - done;
		memmove(block, block + done, span->held);
	}
	return 0;
}

static int put_range(struct disagg_bundle *bundle, const struct disagg_bundle_file *file,
	const uint64_t range[2], bool *shrank, struct disagg_err *err)
{
	struct span span = {.bundle = bundle, .file = file, .at = range[0], .end = range[1]};

	span.shrank = *shrank;
	if (put_span(&span, err) != 0)
		return -1;
	*shrank = span.shrank;
	return 0;
}

/* What is taken of a file: all of it, or a head and a tail that are whole lines, so
 * that a cut does not show half a secret that the filter would have known. */
struct cut {
	bool whole;
	uint64_t head_end, tail_begin;
};

#define LINE_BYTES 65536u /* as far as a line's end is looked for */

/* Behind the last newline before `at`, or the first one after it; `at` where there is none near. */
static uint64_t line_end(struct disagg_bundle *bundle, int fd, uint64_t at, bool before)
{
	uint64_t begin = !before ? at : at > LINE_BYTES ? at - LINE_BYTES : 0;
	size_t want = before ? (size_t)(at - begin) : LINE_BYTES;
	ssize_t got = pread(fd, bundle->block, want, (off_t)begin);
	const char *found;

	if (got <= 0)
		return at;
	found = before ? memrchr(bundle->block, '\n', (size_t)got)
		       : memchr(bundle->block, '\n', (size_t)got);
	return found ? begin + (uint64_t)(found - bundle->block) + 1 : at;
}

static struct cut cut_file(struct disagg_bundle *bundle, const struct disagg_bundle_file *file)
{
	struct cut cut = {.whole = true, .head_end = file->size, .tail_begin = file->size};

	if ((file->head == 0 && file->tail == 0) || file->size <= file->head + file->tail)
		return cut;
	cut.whole = false;
	cut.head_end = line_end(bundle, file->fd, file->head, true);
	cut.tail_begin = line_end(bundle, file->fd, file->size - file->tail, false);
	if (cut.tail_begin > file->size) /* it has grown */
		cut.tail_begin = file->size;
	return cut;
}

static int put_content(struct disagg_bundle *bundle, const struct disagg_bundle_file *file,
	const struct cut *cut, const char *mark, struct disagg_err *err)
{
	struct disagg_bundle_member *member = &bundle->member[bundle->count - 1];
	uint64_t head[2] = {0, cut->head_end}, tail[2] = {cut->tail_begin, file->size};

	if (put_range(bundle, file, head, &member->shrank, err) != 0 ||
		put(bundle, mark, strlen(mark), err) != 0)
		return -1;
	return put_range(bundle, file, tail, &member->shrank, err);
}

int disagg_bundle_add_file(
	struct disagg_bundle *bundle, const struct disagg_bundle_file *file, struct disagg_err *err)
{
	struct cut cut = cut_file(bundle, file);
	struct disagg_bundle_member *member = add_member(bundle, file->name);
	char mark[128] = "";

	if (!member)
		return disagg_err_nomem(err);
	member->left_out = cut.tail_begin - cut.head_end;
	if (!cut.whole)
		snprintf(mark, sizeof(mark), "\n[disagg-pack: %" PRIu64 " bytes left out here]\n",
			member->left_out);
	member->size = file->size - member->left_out + strlen(mark);
	if (begin_member(bundle, member, err) != 0 ||
		put_content(bundle, file, &cut, mark, err) != 0)
		return -1;
	end_member(bundle, member);
	return 0;
}

int disagg_bundle_put_file(
	struct disagg_bundle *bundle, const struct disagg_bundle_file *file, struct disagg_err *err)
{
	uint64_t size = file->size < bundle->left ? file->size : bundle->left;
	uint64_t range[2] = {0, size};

	bundle->left -= size;
	return put_range(bundle, file, range, &bundle->member[bundle->count - 1].shrank, err);
}

/* ---- the end ---- */

size_t disagg_bundle_members(
	const struct disagg_bundle *bundle, const struct disagg_bundle_member **ret)
{
	*ret = bundle->member;
	return bundle->count;
}

uint64_t disagg_bundle_bytes(const struct disagg_bundle *bundle)
{
	return bundle->bytes;
}

int disagg_bundle_close(struct disagg_bundle *bundle, struct disagg_err *err)
{
	int rc = 0;

	if (archive_write_close(bundle->archive) != ARCHIVE_OK)
		rc = archive_err(bundle, "finish the archive", err);
	/* libarchive does not look at what its closing callback returns */
	else if (bundle->gzip && disagg_gzip_finish(bundle->gzip) != 0)
		rc = disagg_err_sys(err, "cannot finish the archive");
	disagg_bundle_drop(bundle);
	return rc;
}

void disagg_bundle_drop(struct disagg_bundle *bundle)
{
	if (!bundle)
		return;
	archive_write_free(bundle->archive);
	disagg_gzip_free(bundle->gzip);
	EVP_MD_CTX_free(bundle->hash);
	free(bundle->block);
	disagg_arena_release(&bundle->arena);
	free(bundle);
}
