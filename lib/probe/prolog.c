/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/prolog.h"

#include "lib/base/fd.h"
#include "lib/diag/kernlog.h"
#include "lib/host/json.h"
#include "lib/probe/child.h"
#include "lib/probe/health.h"
#include "lib/probe/prolog_cache.h"
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 2000u
#define FRESH_S	    600u
#define MOST_TEXT   512
#define MOST_REAPS  10
#define REAP_MS	    5

/* What the child says, a line for each of its two parts. */
enum outcome { CANNOT, GOOD, BAD };

struct message {
	enum outcome outcome;
	struct disagg_kmsg_cursor cursor; /* of the part that reads the log */
	char text[MOST_TEXT];
};

/* ---- in the child ---- */

static void set_text(struct message *message, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void set_text(struct message *message, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(message->text, sizeof(message->text), fmt, args);
	va_end(args);
	disagg_text_tame(message->text);
}

static bool drains(const struct disagg_kernlog_entry *entry)
{
	return entry->finding.verdict.drain >= DISAGG_DRAIN_AFTER_JOB &&
	       entry->finding.verdict.attribution == DISAGG_BLAME_INFRA;
}

static void judge_log(const struct disagg_kernlog *found, struct message *ret)
{
	ret->outcome = GOOD;
	for (size_t i = 0; i < found->count; i++) {
		const struct disagg_kernlog_entry *entry = &found->entry[i];

		if (!drains(entry))
			continue;
		ret->outcome = BAD;
		set_text(ret, "%s (%s): %.300s", entry->finding.verdict.text,
			entry->finding.verdict.action, entry->line);
		return;
	}
}

static void check_log(const struct disagg_prolog_spec *spec,
	const struct disagg_kmsg_cursor *cursor, struct message *ret)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_kmsg *log = disagg_arena_alloc(&arena, sizeof(*log));
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_kernlog_window all = {0};
	struct disagg_xid_table *table;
	struct disagg_kernlog found;

	if (!log || disagg_kmsg_open(log, &arena, spec->kernel_log, &err)) {
		set_text(ret, "%s", log ? err.text : "out of memory");
		disagg_arena_release(&arena);
		return;
	}
	if (cursor)
		disagg_kmsg_seek(log, cursor);
	if (disagg_xid_load(&arena, spec->xid_table, &table, &err) ||
		disagg_kernlog_read(&arena, log, table, 0, &all, &found, &err)) {
		set_text(ret, "%s", err.text);
	} else {
		judge_log(&found, ret);
		disagg_kmsg_tell(log, &ret->cursor); /* what was not judged is looked at again */
	}
	disagg_kmsg_close(log);
	disagg_arena_release(&arena);
}

static void check_gpus(struct message *ret)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_health health;

	if (disagg_health_look(&arena, NULL, &health, &err)) {
		/* no driver: nothing to check, and nothing to say on a node of CPUs */
		ret->outcome = err.code == DISAGG_SKIPPED ? GOOD : CANNOT;
		set_text(ret, "%s", err.text);
		disagg_arena_release(&arena);
		return;
	}
	ret->outcome = GOOD;
	for (size_t i = 0; i < health.count && ret->outcome == GOOD; i++) {
		const struct disagg_health_finding *finding = &health.finding[i];

		if (!finding->hard)
			continue;
		ret->outcome = BAD;
		set_text(ret, "GPU %d (%s): %s", finding->gpu ? finding->gpu->index : -1,
			finding->gpu ? finding->gpu->uuid : "", finding->reason);
	}
	disagg_arena_release(&arena);
}

static void say(int fd, const char *part, const struct message *message)
{
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_text(&writer, "part", part);
	disagg_json_put_int(&writer, "outcome", message->outcome);
	disagg_json_put_text(&writer, "text", message->text);
	disagg_json_put_text(&writer, "boot_id", message->cursor.boot_id);
	disagg_json_put_int(&writer, "seq", (int64_t)message->cursor.seq);
	disagg_json_end(&writer, '}');
	disagg_strbuf_putc(&text, '\n');
	if (!text.failed)
		disagg_fd_write_all(fd, text.text, text.len);
	disagg_strbuf_release(&text);
}

struct work {
	const struct disagg_prolog_spec *spec;
	const struct disagg_kmsg_cursor *cursor; /* NULL: all of the log */
	bool gpus;
};

/* The log first: it needs no driver, which may hang. */
static int check(void *context, int fd)
{
	const struct work *work = context;
	struct message log = {.outcome = CANNOT}, gpu = {.outcome = CANNOT};

	check_log(work->spec, work->cursor, &log);
	say(fd, "log", &log);
	if (!work->gpus)
		return 0;
	check_gpus(&gpu);
	say(fd, "gpu", &gpu);
	return 0;
}

/* ---- in the parent ---- */

static double clock_s(clockid_t id)
{
	struct timespec now = {0};

	clock_gettime(id, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct results {
	struct message log, gpu;
	bool has_log, has_gpu;
	char why[256]; /* why something did not come */
};

static void take_line(const char *line, size_t len, struct results *ret)
{
	struct message message = {.outcome = CANNOT};
	struct disagg_json *json = NULL;
	const char *part, *text, *boot;
	int64_t outcome, seq;

	if (disagg_json_parse(&json, line, len, NULL))
		return;
	part = disagg_json_text(disagg_json_at(json, "part"));
	text = disagg_json_text(disagg_json_at(json, "text"));
	boot = disagg_json_text(disagg_json_at(json, "boot_id"));
	if (part && text && boot && strlen(boot) < sizeof(message.cursor.boot_id) &&
		disagg_json_int(disagg_json_at(json, "outcome"), &outcome) == 0 &&
		disagg_json_int(disagg_json_at(json, "seq"), &seq) == 0 && outcome >= CANNOT &&
		outcome <= BAD) {
		message.outcome = (enum outcome)outcome;
		message.cursor.seq = (uint64_t)seq;
		memcpy(message.cursor.boot_id, boot, strlen(boot) + 1);
		snprintf(message.text, sizeof(message.text), "%s", text);
		*(part[0] == 'l' ? &ret->log : &ret->gpu) = message;
		*(part[0] == 'l' ? &ret->has_log : &ret->has_gpu) = true;
	}
	disagg_json_free(json);
}

static int64_t now_ns(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void step(struct disagg_child *child, int wait_ms, struct results *ret)
{
	struct pollfd fd[3];
	unsigned count = disagg_child_poll(child, fd);
	char *line;
	size_t len;

	poll(fd, count, wait_ms);
	disagg_child_step(child, now_ns());
	while ((line = disagg_child_line(child, &len)))
		take_line(line, len, ret);
}

/* One that is stuck in the driver does not end even so, and is left behind. */
static int run_child(struct work *work, struct results *ret, struct disagg_err *err)
{
	unsigned ms = work->spec->deadline_ms ? work->spec->deadline_ms : DEADLINE_MS;
	int64_t until = now_ns() + (int64_t)ms * 1000000;
	struct disagg_child child;

	if (disagg_child_start(&child, check, work, ms, err))
		return -1;
	while (!disagg_child_ended(&child) && now_ns() < until)
		step(&child, (int)((until - now_ns()) / 1000000) + 1, ret);
	if (disagg_child_ended(&child)) {
		disagg_child_tell(&child, ret->why, sizeof(ret->why));
	} else {
		snprintf(ret->why, sizeof(ret->why), "no answer within %u ms", ms);
		disagg_child_stop(&child);
		for (int i = 0; i < MOST_REAPS && !disagg_child_ended(&child); i++)
			step(&child, REAP_MS, ret);
	}
	disagg_child_release(&child);
	return 0;
}

static void add_unknown(struct disagg_prolog_verdict *verdict, const char *what, const char *why)
{
	size_t len = strlen(verdict->unknown);
	int added = snprintf(verdict->unknown + len, sizeof(verdict->unknown) - len, "%s%s: %.200s",
		len ? "; " : "", what, why);

	if (added < 0)
		verdict->unknown[len] = '\0';
}

static void take(struct disagg_prolog_verdict *verdict, const char *what,
	const struct message *message, const char *missing)
{
	if (missing)
		add_unknown(verdict, what, missing);
	else if (message->outcome == CANNOT)
		add_unknown(verdict, what, message->text);
	else if (message->outcome == BAD && !verdict->bad) {
		verdict->bad = true;
		memcpy(verdict->text, message->text, sizeof(verdict->text));
	}
}

static bool is_fresh(const struct disagg_prolog_spec *spec, const struct disagg_prolog_cache *cache,
	const char *boot_id)
{
	double age = clock_s(CLOCK_REALTIME) - cache->checked_s;

	return cache->good && age > -1 &&
	       /* it is kept in milliseconds */ age <= (spec->fresh_s ? spec->fresh_s : FRESH_S) &&
	       boot_id[0] && strcmp(cache->cursor.boot_id, boot_id) == 0;
}

/* The log counts from where the last check left it, where that is known. */
static void keep(int folder_fd, const struct results *results, bool cached,
	struct disagg_prolog_cache *cache, struct disagg_prolog_verdict *verdict)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (results->has_log && results->log.cursor.boot_id[0])
		cache->cursor = results->log.cursor;
	if (!cached) {
		cache->good = results->has_gpu && results->gpu.outcome == GOOD;
		cache->checked_s = clock_s(CLOCK_REALTIME);
	}
	if (verdict->bad)
		cache->good = false;
	if (disagg_prolog_cache_write(folder_fd, cache, &err))
		add_unknown(verdict, "cache", err.text);
}

void disagg_prolog_check(const struct disagg_prolog_spec *spec, struct disagg_prolog_verdict *ret)
{
	struct disagg_prolog_cache cache = {0};
	struct disagg_prolog_verdict verdict = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct results results = {0};
	struct work work = {.spec = spec};
	char boot_id[sizeof(cache.cursor.boot_id)];
	int folder_fd = disagg_prolog_cache_open(spec->folder, &err);
	bool known = folder_fd >= 0 && disagg_prolog_cache_read(folder_fd, &cache) == 0;

	if (folder_fd < 0)
		add_unknown(&verdict, "cache", err.text);
	disagg_kmsg_boot_id(boot_id, sizeof(boot_id));
	verdict.cached = known && is_fresh(spec, &cache, boot_id);
	work.gpus = !verdict.cached;
	work.cursor = known ? &cache.cursor : NULL;
	if (run_child(&work, &results, &err)) {
		add_unknown(&verdict, "child", err.text);
	} else {
		take(&verdict, "kernel log", &results.log, results.has_log ? NULL : results.why);
		if (!verdict.cached)
			take(&verdict, "GPUs", &results.gpu, results.has_gpu ? NULL : results.why);
		if (folder_fd >= 0)
			keep(folder_fd, &results, verdict.cached, &cache, &verdict);
	}
	if (folder_fd >= 0)
		close(folder_fd);
	*ret = verdict;
}
