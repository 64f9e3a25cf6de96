/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/logscan.h"

#include "lib/diag/matcher.h"
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct disagg_arena arena;
static struct disagg_signatures signatures;
static char folder[] = "/tmp/disagg-logscan.XXXXXX";

static const char *write_file(const char *name, const char *bytes, size_t len)
{
	char *path = disagg_arena_printf(&arena, "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		printf("Bail out! cannot write %s\n", path);
	close(fd);
	return path;
}

static struct disagg_scan scan_path(const char *path)
{
	struct disagg_scan scan = {.file_count = 1};
	struct disagg_err err = DISAGG_ERR_INIT;

	scan.file = disagg_arena_array(&arena, 1, sizeof(*scan.file));
	scan.file[0] = (struct disagg_scan_file){.path = path, .name = "w_0.log"};
	ok(disagg_scan_logs(&arena, &signatures, &scan, &err) == 0, "scanned");
	return scan;
}

static struct disagg_scan scan_bytes(const char *bytes, size_t len)
{
	return scan_path(write_file("w_0.log", bytes, len));
}

static const struct disagg_event *event_of(const struct disagg_scan *scan, const char *id)
{
	for (unsigned i = 0; i < scan->event_count; i++) {
		if (strcmp(signatures.v[scan->event[i].signature].id, id) == 0)
			return &scan->event[i];
	}
	return NULL;
}

static void check_lines(void)
{
	static const char text[] =
		"[2026-08-22 10:00:00] fine\n"
		"RuntimeError: CUDA out of memory. token=abcdefghijkl\n"
		"disagg-run: quotes: CUDA out of memory\n"
		"  File \"/x.py\", line 1, in f\n"
		"    raise RuntimeError(\"No space left on device\")\n"
		"Args(tp=1, dp=2, ep=3, pp=4, port=5, on_error='Permission denied')\n"
		"[2026-08-22 10:00:09] CUDA out of memory\r\n"
		"CUDA out of memory";
	struct disagg_scan scan = scan_bytes(text, sizeof(text) - 1);
	const struct disagg_event *oom = event_of(&scan, "gpu.oom");

	ok(oom && oom->count == 3, "three lines, the last without an end; the quote is none");
	ok(!event_of(&scan, "disk.full"), "source code in a trace is no line");
	ok(!event_of(&scan, "perm.denied"), "settings are none");
	if (!oom)
		return;
	ok(oom->first.line.stamp == DISAGG_STAMP_LOCAL && oom->first.line.time_s == 1787392800.0,
		"a line without a time has that of the line before");
	ok(oom->last.line.time_s == 1787392809.0, "the last has its own");
	has_str(oom->first.text, "CUDA out of memory", "the sample is the line");
	ok(!strstr(oom->first.text, "abcdefghijkl"), "without its secret");
	is_int((intmax_t)scan.secrets, 1, "which is counted");
	ok(scan.file[0].has_time && scan.file[0].last_s == 1787392809.0, "the file's last time");
}

/* Lines longer than any block, bytes that are no text, no end. */
static void check_hostile(void)
{
	size_t size = 3u * 1024 * 1024, at = 1500000;
	char *bytes = malloc(size);
	struct disagg_scan scan;
	const struct disagg_event *event;

	memset(bytes, 'x', size);
	memcpy(bytes + at, " Segmentation fault ", 20);
	scan = scan_bytes(bytes, size);
	event = event_of(&scan, "kernel.segfault");
	ok(event && event->count == 1, "a word in a line of 3 MiB");
	memset(bytes, '\0', size);
	memcpy(bytes + at, "\nBus error: it\0is\033[31m\xff\xfe\x80\n", 26);
	scan = scan_bytes(bytes, size);
	event = event_of(&scan, "app.abort");
	ok(event && event->count == 1, "a line among NULs");
	ok(event && !strchr(event->first.text, '\033'), "its sample is tame");
	memset(bytes, '\n', size);
	scan = scan_bytes(bytes, size);
	is_int(scan.event_count, 0, "three million empty lines");
	for (size_t i = 0; i < 70000; i += 7)
		memcpy(bytes + i, "error:\n", 7);
	scan = scan_bytes(bytes, 70000);
	event = event_of(&scan, "log.error");
	is_int(event ? (intmax_t)event->count : 0, 10000, "lines that match count once each");
	free(bytes);
}

static void check_files(void)
{
	char *link = disagg_arena_printf(&arena, "%s/link.log", folder);
	char *fifo = disagg_arena_printf(&arena, "%s/fifo.log", folder);
	struct disagg_scan scan;

	ok(symlink("w_0.log", link) == 0 && mkfifo(fifo, 0600) == 0, "a link and a FIFO");
	scan = scan_path(link);
	ok(scan.file[0].skipped && !scan.event_count, "a symbolic link is not followed");
	scan = scan_path(fifo);
	ok(scan.file[0].skipped && !scan.event_count, "a FIFO is not read");
	scan = scan_path("/nowhere/at/all");
	ok(scan.file[0].skipped && !scan.event_count, "a file that is gone is said so");
	unlink(link);
	unlink(fifo);
}

/* A site's signatures come first, and must be right. */
static void check_site(void)
{
	static const char good[] = "signatures:\n- {id: a.b, class: config, rank: cause, title: t, "
				   "match: ['licen[cs]e server']}\n";
	static const char bad[] = "signatures:\n- {id: a.b, class: config, rank: cause, title: t, "
				  "match: ['.*']}\n";
	struct disagg_signatures site;
	struct disagg_err err = DISAGG_ERR_INIT;

	ok(!disagg_signatures_load(
		   &arena, write_file("s.yaml", good, sizeof(good) - 1), &site, &err) &&
			strcmp(site.v[0].id, "a.b") == 0 && site.count == signatures.count + 1,
		"a site's signature is the first");
	ok(disagg_signatures_load(
		   &arena, write_file("s.yaml", bad, sizeof(bad) - 1), &site, &err) &&
			err.code == DISAGG_CONFIG && err.line == 2,
		"one that has no word is refused, with its place");
	has_str(err.text, "a word of at least 3 letters", "and says why");
}

/* Each allocation fails once: an error, no crash, no leak. */
static void check_memory(void)
{
	const char *path = write_file("w_0.log", "CUDA out of memory\nKilled\n", 26);
	unsigned failures = 0;

	for (long n = 0; n < 400; n++) {
		struct disagg_arena own = DISAGG_ARENA_INIT;
		struct disagg_scan_file file = {.path = path, .name = "w"};
		struct disagg_scan scan = {.file = &file, .file_count = 1};
		struct disagg_err err = DISAGG_ERR_INIT;
		int rc;

		disagg_alloc_fail_after(n);
		rc = disagg_scan_logs(&own, &signatures, &scan, &err);
		disagg_alloc_fail_after(-1);
		failures += rc && err.code == DISAGG_SYSTEM;
		disagg_arena_release(&own);
		if (!rc)
			break;
	}
	ok(failures > 3, "without memory there is an error");
}

int main(void)
{
	if (!mkdtemp(folder) ||
		!ok(!disagg_signatures_load(&arena, NULL, &signatures, NULL), "signatures"))
		return 1;
	check_lines();
	check_hostile();
	check_files();
	check_site();
	check_memory();
	unlink(write_file("w_0.log", "", 0));
	unlink(write_file("s.yaml", "", 0));
	rmdir(folder);
	disagg_arena_release(&arena);
	return tap_done();
}
