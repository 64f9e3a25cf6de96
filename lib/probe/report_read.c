/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_LINE     ((size_t)64 << 10) /* of a record: names and texts are bounded */
#define BUFFER_BYTES  ((size_t)1 << 20)
#define MOST_FILES    65536u
#define REPORT_SCHEMA "{\"schema\":\"disagg.report/1\""
#define RECORD_SCHEMA "{\"schema\":\"disagg.probe/1\""

struct reader {
	struct disagg_report *report;
	struct report_source *source;
	struct disagg_arena scratch; /* one record's texts */
	bool is_report;		     /* a report.json: its other lines are no records */
	struct disagg_err *err;
};

static bool begins(const char *line, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

/* What a line that cannot be read counts as. */
static size_t *count_of(struct reader *reader, const char *line, size_t len)
{
	return begins(line, len, RECORD_SCHEMA) ? &reader->source->lost : &reader->source->bad;
}

static int read_record(struct reader *reader, char *line, size_t len)
{
	struct disagg_probe_record record;
	struct disagg_err ignored;
	int rc = 0;

	/* most lines are as our own writer makes them: ten times as fast */
	line[len] = '\0';
	if (disagg_probe_record_scan(line, &record)) {
		reader->source->records++;
		return disagg_report_add(reader->report, &record, reader->err);
	}
	if (disagg_probe_record_read(&reader->scratch, line, len, &record, &ignored) != 0)
		*count_of(reader, line, len) += 1;
	else if ((rc = disagg_report_add(reader->report, &record, reader->err)) == 0)
		reader->source->records++;
	if (reader->scratch.used > BUFFER_BYTES)
		disagg_arena_release(&reader->scratch);
	return rc;
}

/* There is room for a NUL behind the line. */
static int read_line(struct reader *reader, char *line, size_t len)
{
	while (len > 0 && strchr(", \t\r", line[len - 1]))
		len--;
	if (len == 0)
		return 0;
	if (begins(line, len, REPORT_SCHEMA))
		reader->is_report = true;
	if (reader->is_report && !begins(line, len, RECORD_SCHEMA))
		return 0;
	if (len > MOST_LINE) {
		*count_of(reader, line, len) += 1;
		return 0;
	}
	return read_record(reader, line, len);
}

/* The whole lines of the buffer; what is left of one is moved to its front. */
static int read_lines(struct reader *reader, char *buffer, size_t *len)
{
	char *line = buffer, *end = buffer + *len, *stop;

	while ((stop = memchr(line, '\n', (size_t)(end - line)))) {
		if (read_line(reader, line, (size_t)(stop - line)) != 0)
			return -1;
		line = stop + 1;
	}
	*len = (size_t)(end - line);
	memmove(buffer, line, *len);
	return 0;
}

/* A last line without its end: it counts where it is whole all the same. */
static int read_last(struct reader *reader, char *buffer, size_t len, bool skipping)
{
	struct report_source before = *reader->source;
	int rc = len > 0 ? read_line(reader, buffer, len) : 0;

	reader->source->cut =
		skipping || reader->source->bad > before.bad || reader->source->lost > before.lost;
	reader->source->bad = before.bad;
	reader->source->lost = before.lost;
	return rc;
}

/* A line that is longer than the buffer is passed over to its end. */
static int read_all(struct reader *reader, int fd, char *buffer)
{
	size_t len = 0;
	bool skipping = false;

	for (;;) {
		ssize_t got = read(fd, buffer + len, BUFFER_BYTES - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return disagg_err_sys(
				reader->err, "cannot read '%s'", reader->source->path);
		if (got == 0)
			break;
		len += (size_t)got;
		if (skipping) {
			char *stop = memchr(buffer, '\n', len);
			size_t gone = stop ? (size_t)(stop + 1 - buffer) : len;

			memmove(buffer, buffer + gone, len - gone);
			len -= gone;
			skipping = !stop;
		}
		if (read_lines(reader, buffer, &len) != 0)
			return -1;
		if (len == BUFFER_BYTES) {
			*count_of(reader, buffer, len) += 1;
			skipping = true;
			len = 0;
		}
	}
	return read_last(reader, buffer, len, skipping);
}

static struct report_source *add_source(struct disagg_report *report, const char *path)
{
	struct report_source *grown;

	if (report->source_count >= MOST_FILES)
		return NULL;
	grown = disagg_arena_grow(&report->arena, report->source, report->source_count,
		report->source_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	report->source = grown;
	grown[report->source_count].path = disagg_arena_strdup(&report->arena, path);
	return grown[report->source_count].path ? &grown[report->source_count++] : NULL;
}

/* Of the file that is read, whatever its name leads to by now. */
static bool is_foreign(int fd)
{
	struct stat about;

	return fstat(fd, &about) != 0 || (about.st_uid != 0 && about.st_uid != geteuid()) ||
	       (about.st_mode & 022);
}

static int read_file(struct disagg_report *report, const char *path, struct disagg_err *err)
{
	struct reader reader = {.report = report, .err = err};
	char *buffer;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return disagg_err_set(err, errno == ENOENT ? DISAGG_MISSING : DISAGG_SYSTEM,
			"cannot open '%s': %s", path, strerror(errno));
	buffer = malloc(BUFFER_BYTES + 1);
	reader.source = add_source(report, path);
	if (reader.source)
		reader.source->foreign = is_foreign(fd);
	if (!buffer || !reader.source)
		rc = disagg_err_nomem(err);
	else
		rc = read_all(&reader, fd, buffer);
	free(buffer);
	close(fd);
	disagg_arena_release(&reader.scratch);
	return rc;
}

static int is_records(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".jsonl") == 0;
}

static int read_folder(struct disagg_report *report, const char *path, struct disagg_err *err)
{
	struct dirent **entry;
	int count = scandir(path, &entry, is_records, alphasort), rc = 0;

	if (count < 0)
		return disagg_err_sys(err, "cannot read the folder '%s'", path);
	for (int i = 0; i < count; i++) {
		char *file = disagg_arena_printf(&report->arena, "%s/%s", path, entry[i]->d_name);

		if (rc == 0)
			rc = file ? read_file(report, file, err) : disagg_err_nomem(err);
		free(entry[i]);
	}
	free(entry);
	return rc;
}

int disagg_report_read(struct disagg_report *report, const char *path, struct disagg_err *err)
{
	size_t before = report->count;
	struct stat status;
	int rc;

	if (strcmp(path, "-") == 0)
		path = "/dev/stdin";
	if (stat(path, &status) != 0)
		return disagg_err_set(err, errno == ENOENT ? DISAGG_MISSING : DISAGG_SYSTEM,
			"cannot open '%s': %s", path, strerror(errno));
	rc = S_ISDIR(status.st_mode) ? read_folder(report, path, err)
				     : read_file(report, path, err);
	if (rc == 0 && report->count == before)
		return disagg_err_set(err, DISAGG_INVALID,
			"no record in '%s': expected lines of disagg-probe, or a report.json as "
			"disagg-report writes it",
			path);
	return rc;
}
