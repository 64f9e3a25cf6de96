/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/exits.h"

#include "lib/host/json.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define SCHEMA "disagg.exit/1"

struct disagg_exit disagg_exit_of(int wait_status)
{
	struct disagg_exit exit = {.rank = -1, .code = -1};

	if (WIFSIGNALED(wait_status)) {
		exit.signal = WTERMSIG(wait_status);
		return exit;
	}
	exit.code = WEXITSTATUS(wait_status);
	if (exit.code > 128 && exit.code < 128 + 32) {
		exit.signal = exit.code - 128;
		exit.code = -1;
	}
	return exit;
}

const char *disagg_exit_text(const struct disagg_exit *exit, char *buf, size_t size)
{
	if (exit->signal)
		snprintf(buf, size, "signal %d (%s)", exit->signal, strsignal(exit->signal));
	else
		snprintf(buf, size, "exit status %d", exit->code);
	return buf;
}

bool disagg_exit_is_failure(const struct disagg_exit *exit)
{
	return exit->signal
		       ? exit->signal != SIGTERM && exit->signal != SIGINT && exit->signal != SIGHUP
		       : exit->code != 0;
}

bool disagg_exit_is_crash(const struct disagg_exit *exit)
{
	static const int crashes[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP};

	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++) {
		if (exit->signal == crashes[i])
			return true;
	}
	return false;
}

int disagg_exits_add(struct disagg_arena *arena, struct disagg_exits *exits,
	const struct disagg_exit *exit, struct disagg_err *err)
{
	unsigned room = exits->room ? exits->room * 2 : 64;
	struct disagg_exit *grown;

	if (exits->count == DISAGG_EXITS_MOST)
		return 0;
	if (exits->count == exits->room) {
		grown = disagg_arena_grow(arena, exits->v, exits->count, room, sizeof(*grown));
		if (!grown)
			return disagg_err_nomem(err);
		exits->v = grown;
		exits->room = room;
	}
	exits->v[exits->count++] = *exit;
	return 0;
}

static const char *copy_of(
	struct disagg_arena *arena, const struct disagg_json *json, const char *key)
{
	const char *text = disagg_json_text(disagg_json_at(json, key));
	char *copy = text && *text ? disagg_arena_strdup(arena, text) : NULL;

	if (copy)
		disagg_text_tame(copy);
	return copy;
}

static int read_line(struct disagg_arena *arena, const char *line, size_t len,
	struct disagg_exits *exits, struct disagg_err *err)
{
	struct disagg_json *json;
	const char *schema;
	struct disagg_exit exit;
	int64_t status, rank = -1;
	double at = 0;
	int rc = 0;

	if (disagg_json_parse(&json, line, len, NULL)) {
		exits->damaged++;
		return 0;
	}
	schema = disagg_json_text(disagg_json_at(json, "schema"));
	if (!schema || strcmp(schema, SCHEMA) != 0 ||
		disagg_json_int(disagg_json_at(json, "status"), &status) || status < 0 ||
		status > 0xffff) {
		exits->damaged++;
	} else {
		disagg_json_int(disagg_json_at(json, "rank"), &rank);
		disagg_json_real(disagg_json_at(json, "at"), &at);
		exit = disagg_exit_of((int)status);
		exit.rank = rank >= 0 && rank < INT32_MAX ? (int)rank : -1;
		exit.at = at > 0 ? at : 0;
		exit.node = copy_of(arena, json, "node");
		exit.worker = copy_of(arena, json, "worker");
		rc = disagg_exits_add(arena, exits, &exit, err);
	}
	disagg_json_free(json);
	return rc;
}

int disagg_exits_parse(struct disagg_arena *arena, const char *text, size_t len,
	struct disagg_exits *exits, struct disagg_err *err)
{
	for (size_t at = 0; at < len;) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t size = newline ? (size_t)(newline - text) - at : len - at;

		if (size && read_line(arena, text + at, size, exits, err))
			return -1;
		at += size + 1;
	}
	return 0;
}
