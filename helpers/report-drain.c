/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/report.h"

#include "lib/host/proc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PREFIX	    "disagg-probe: "
#define BUDGET_PART 0.02 /* of the cluster's nodes */
#define BUDGET_S    3600
#define CALL_MS	    10000
#define LIST_BYTES  ((size_t)60 << 20)
#define MEMORY	    ((size_t)256 << 20)

extern char **environ;

/* What Slurm says of the nodes: a line each, from `scontrol -o show node`. */
struct cluster {
	struct disagg_arena *arena;
	const char *scontrol;
	const char *lines;
	size_t nodes;
	size_t recent; /* drained by us within BUDGET_S */
};

static int say(int code, const char *text, const char *subject)
{
	fprintf(stderr, "disagg-report: %s%s%s\n", text, *subject ? " " : "", subject);
	return code;
}

static int say_err(const struct disagg_err *err)
{
	char text[1024];

	disagg_err_format(err, text, sizeof(text));
	return say((int)err->code, text, "");
}

/* 0: done; the exit status is not 0: its output is the error. */
static int call(struct cluster *cluster, const char *const *argv, size_t limit, const char **ret)
{
	struct disagg_proc_call call = {.argv = argv,
		.envp = (const char *const *)environ,
		.timeout_ms = CALL_MS,
		.cancel_fd = -1,
		.limit = limit};
	struct disagg_proc_result result;
	struct disagg_err err = DISAGG_ERR_INIT;

	if (disagg_proc_run(cluster->arena, &call, &result, &err) != 0)
		return say_err(&err);
	if (result.status != 0) {
		char *text = disagg_arena_printf(
			cluster->arena, "%.300s", result.len ? result.out : "no message");

		if (text)
			disagg_text_tame(text);
		return say(DISAGG_SYSTEM, "scontrol failed:", text ? text : "");
	}
	*ret = result.out;
	return 0;
}

/* The value of " NAME=" in a node's line, up to the next blank or, where it is `rest`,
 * up to the end of the line; NULL: it has none. */
static const char *field(struct cluster *cluster, const char *line, const char *name, bool rest)
{
	const char *end = line + strcspn(line, "\n");
	/* not strstr: where no node has it, that reads all the others' lines for each */
	const char *at = memmem(line, (size_t)(end - line), name, strlen(name));

	if (!at)
		return NULL;
	at += strlen(name);
	return disagg_arena_strndup(
		cluster->arena, at, rest ? (size_t)(end - at) : strcspn(at, " \n"));
}

/* When a reason was set: "... [root@2026-11-26T22:03:15]"; 0: it does not say. */
static time_t time_of(const char *reason)
{
	const char *at = strrchr(reason, '@');
	struct tm tm = {.tm_isdst = -1};

	if (!at || !strptime(at + 1, "%Y-%m-%dT%H:%M:%S", &tm))
		return 0;
	return mktime(&tm);
}

static void count_recent(struct cluster *cluster, time_t now)
{
	const char *line = cluster->lines;

	while (*line) {
		const char *reason = field(cluster, line, " Reason=", true);

		cluster->nodes += strncmp(line, "NodeName=", 9) == 0;
		if (reason && strncmp(reason, PREFIX, strlen(PREFIX)) == 0 &&
			difftime(now, time_of(reason)) < BUDGET_S)
			cluster->recent++;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
}

static int read_cluster(struct cluster *cluster)
{
	struct disagg_arena *arena = cluster->arena;
	const char *path = getenv("PATH");

	cluster->scontrol = disagg_proc_find(arena, "scontrol", path ? path : "/usr/bin");
	if (!cluster->scontrol)
		return say(DISAGG_MISSING, "cannot drain: no scontrol in PATH", "");
	if (call(cluster, (const char *const[]){cluster->scontrol, "-o", "show", "node", NULL},
		    LIST_BYTES, &cluster->lines) != 0)
		return say(
			DISAGG_SYSTEM, "nothing is drained: the nodes' states are not known", "");
	count_recent(cluster, time(NULL));
	return 0;
}

static const char *line_of(const struct cluster *cluster, const char *node)
{
	size_t len = strlen(node);

	for (const char *line = cluster->lines; *line; line += *line == '\n') {
		if (strncmp(line, "NodeName=", 9) == 0 && strncmp(line + 9, node, len) == 0 &&
			line[9 + len] == ' ')
			return line;
		line += strcspn(line, "\n");
	}
	return NULL;
}

/* Whether we may drain it; if not, it is told why. */
static bool may_drain(struct cluster *cluster, const char *node)
{
	const char *line = line_of(cluster, node);
	const char *state = line ? field(cluster, line, " State=", false) : NULL;
	const char *reason = line ? field(cluster, line, " Reason=", true) : NULL;
	char text[512];

	if (!state) {
		say(0, "not drained, for Slurm does not know it:", node);
		return false;
	}
	if (!reason && !strstr(state, "DRAIN") && !strstr(state, "DOWN") && !strstr(state, "FAIL"))
		return true;
	snprintf(text, sizeof(text), "%.64s is left as it is: %.64s, %.300s", node, state,
		reason ? reason : "no reason");
	disagg_text_tame(text);
	say(0, text, "");
	return false;
}

static int drain(struct cluster *cluster, const struct disagg_report_failed *failed)
{
	char *node = disagg_arena_printf(cluster->arena, "nodename=%s", failed->node);
	char *reason = disagg_arena_printf(cluster->arena, "reason=" PREFIX "%s", failed->why);
	const char *ignored;
	int rc;

	if (!node || !reason)
		return say(DISAGG_SYSTEM, "out of memory", "");
	rc = call(cluster,
		(const char *const[]){
			cluster->scontrol, "update", node, "state=drain", reason, NULL},
		0, &ignored);
	return rc != 0 ? rc : say(0, "drained", failed->node);
}

static size_t budget_of(const struct cluster *cluster)
{
	size_t part = (size_t)(BUDGET_PART * (double)cluster->nodes);

	return part > 1 ? part : 1;
}

static int drain_all(
	struct cluster *cluster, const struct disagg_report_failed *failed, size_t count)
{
	const struct disagg_report_failed **to_drain =
		disagg_arena_array(cluster->arena, count, sizeof(*to_drain));
	size_t wanted = 0, budget = budget_of(cluster);
	char text[256];
	int rc = 0;

	if (!to_drain)
		return say(DISAGG_SYSTEM, "out of memory", "");
	for (size_t i = 0; i < count; i++)
		if (may_drain(cluster, failed[i].node))
			to_drain[wanted++] = &failed[i];
	if (wanted + cluster->recent > budget && wanted > 0) {
		snprintf(text, sizeof(text),
			"ALARM: %zu nodes to drain and %zu drained in the last hour, more than %zu "
			"of %zu: a common cause is suspected, and none is drained",
			wanted, cluster->recent, budget, cluster->nodes);
		return say(0, text, "");
	}
	for (size_t i = 0; i < wanted && rc == 0; i++)
		rc = drain(cluster, to_drain[i]);
	return rc;
}

int report_drain_failed(const struct disagg_report *report)
{
	const struct disagg_report_failed *failed;
	size_t count = disagg_report_failed(report, &failed);
	struct disagg_arena arena = {.limit = MEMORY};
	struct cluster cluster = {.arena = &arena};
	int rc;

	if (count == 0)
		return 0;
	if (disagg_report_foreign(report))
		return say(DISAGG_CHECK, "nothing is drained: another user may have written",
			disagg_report_foreign(report));
	rc = read_cluster(&cluster);
	if (rc == 0)
		rc = drain_all(&cluster, failed, count);
	disagg_arena_release(&arena);
	return rc;
}
