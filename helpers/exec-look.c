/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec-client.h"
#include "lib/base/fd.h"
#include "lib/host/proc.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Whether the file's own client is here: inside the container this process is
 * in, where nothing of it is known before.
 */
#define FOLDER	    "DISAGG_SRTCTL_BENCHMARKS"
#define IMPORT_MS   60000
#define MOST_SCRIPT (1024u * 1024u)

extern char **environ;

static bool miss(struct look *look, struct disagg_arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static bool miss(struct look *look, struct disagg_arena *arena, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	look->why = disagg_arena_vprintf(arena, fmt, args);
	va_end(args);
	if (!look->why)
		look->why = "memory has run out";
	return false;
}

/* ---- a script ---- */

/* The same script in the folder that the variable names. */
static const char *elsewhere(struct task *task, const char *script)
{
	const char *folder = getenv(FOLDER);
	size_t mount = strlen(DISAGG_CLIENT_SCRIPTS);

	if (!folder || !*folder || strncmp(script, DISAGG_CLIENT_SCRIPTS "/", mount + 1) != 0)
		return NULL;
	return disagg_arena_printf(task->arena, "%s%s", folder, script + mount);
}

static const char *find_script(struct task *task, const char *script)
{
	const char *other = elsewhere(task, script);

	if (other && access(other, R_OK) == 0)
		return other;
	return access(script, R_OK) == 0 ? script : NULL;
}

/* Its results have a fixed place, which a host seldom has. */
static bool can_leave_results(struct task *task, const char *script, struct look *look)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	char *text = NULL;
	size_t len = 0;
	bool names_it;

	if (access(DISAGG_CLIENT_LOGS, W_OK | X_OK) == 0)
		return true;
	if (disagg_fd_read_file(task->arena, script, MOST_SCRIPT, &text, &len, &err))
		return miss(look, task->arena, "%s", err.text);
	names_it = strstr(text, DISAGG_CLIENT_LOGS "/") != NULL;
	if (!names_it)
		return true;
	return miss(look, task->arena,
		"'%s' leaves its results in '" DISAGG_CLIENT_LOGS "', which is not there or may "
		"not be written",
		script);
}

static bool look_for_script(
	struct task *task, const struct disagg_client *client, struct look *look)
{
	const char *interpreter = client->own.count ? client->own.v[0].argv[0] : "bash";

	look->script = find_script(task, client->script);
	if (!look->script)
		return miss(look, task->arena, "'%s' is not there", client->script);
	if (!disagg_proc_find(task->arena, interpreter, task->path))
		return miss(look, task->arena, "'%s' is not in PATH", interpreter);
	return !client->writes_logs || can_leave_results(task, look->script, look);
}

/* ---- a Python package ---- */

static bool look_for_module(struct task *task, const char *module, struct look *look)
{
	static const char program[] = "import importlib.util, sys; "
				      "sys.exit(importlib.util.find_spec(sys.argv[1]) is None)";
	const char *python = disagg_proc_find(task->arena, "python3", task->path);
	const char *const argv[] = {python, "-c", program, module, NULL};
	const struct disagg_proc_call call = {.argv = argv,
		.envp = (const char *const *)environ,
		.timeout_ms = IMPORT_MS,
		.cancel_fd = -1};
	struct disagg_proc_result result;
	struct disagg_err err = DISAGG_ERR_INIT;

	if (!python)
		return miss(look, task->arena, "'python3' is not in PATH");
	if (disagg_proc_run(task->arena, &call, &result, &err))
		return miss(look, task->arena, "%s", err.text);
	if (result.status == 0)
		return true;
	return miss(look, task->arena, "Python has no package '%s'", module);
}

bool exec_look(struct task *task, const struct disagg_client *client, struct look *ret)
{
	*ret = (struct look){0};
	if (client->script)
		return look_for_script(task, client, ret);
	if (client->module)
		return look_for_module(task, client->module, ret);
	return miss(ret, task->arena, "no client of that name is known here");
}
