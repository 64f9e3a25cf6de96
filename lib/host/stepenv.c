/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/stepenv.h"
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/strbuf.h"
#include "lib/conf/scalar.h"
#include "lib/conf/yamltree.h"
#include "lib/host/rundir.h"
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA	"disagg.environment/1"
#define CARRIED "SLURM_DISAGG_"

bool disagg_stepenv_has(const char *name)
{
	/* a step on some of the job's nodes has another SLURM_JOB_NODELIST */
	static const char *const names[] = {"SLURM_JOB_ID", "SLURM_JOB_NODELIST",
		"SLURM_RESTART_COUNT", "SLURM_SUBMIT_DIR", "DISAGG_RUN_DIR"};

	if (strncmp(name, CARRIED, strlen(CARRIED)) == 0)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* ---- writing ---- */

static int render(struct disagg_arena *arena, const char *const *envp, const char *exec,
	struct disagg_strbuf *out)
{
	const char *comma = "";

	disagg_strbuf_puts(out, "{\"schema\":\"" SCHEMA "\",\"exec\":");
	disagg_strbuf_json(out, exec);
	disagg_strbuf_puts(out, ",\"variables\":{");
	for (; *envp; envp++) {
		size_t len = strcspn(*envp, "=");
		const char *name = disagg_arena_strndup(arena, *envp, len);

		if (!name)
			return -1;
		if (!(*envp)[len] || !disagg_stepenv_has(name))
			continue;
		disagg_strbuf_printf(out, "%s\n\"%s\":", comma, name);
		disagg_strbuf_json(out, *envp + len + 1);
		comma = ",";
	}
	disagg_strbuf_puts(out, "}}\n");
	return out->failed ? -1 : 0;
}

int disagg_stepenv_write(struct disagg_arena *arena, const char *dir, const char *tag,
	const char *const *envp, const char *exec, struct disagg_err *err)
{
	struct disagg_strbuf out;
	int rc;

	disagg_strbuf_init(&out, DISAGG_MAX_YAML_BYTES);
	rc = render(arena, envp, exec, &out)
		     ? disagg_err_nomem(err)
		     : disagg_rundir_write_own(
			       arena, dir, DISAGG_STEPENV_FILE, tag, out.text, out.len, err);
	disagg_strbuf_release(&out);
	return rc;
}

/* ---- reading ---- */

static const char *text_of(const struct disagg_node *node)
{
	return node && node->kind == DISAGG_SCALAR && !disagg_node_is_null(node) ? node->text
										 : NULL;
}

static int damaged(struct disagg_err *err, const struct disagg_node *at, const char *path,
	const char *expected)
{
	return disagg_err_at(
		err, DISAGG_CONFIG, path, at->at.line, at->at.col, "expected %s", expected);
}

static int read_variables(const struct disagg_node *map, const char *path,
	struct disagg_envlist *ret, struct disagg_err *err)
{
	for (uint32_t i = 0; i < map->count; i++) {
		const struct disagg_pair *pair = &map->pair[i];
		const char *value = text_of(pair->value);

		if (!value || !disagg_env_name_valid(pair->key) || !disagg_stepenv_has(pair->key))
			return damaged(err, pair->value, path, "a variable of the job");
		if (disagg_envlist_set(ret, pair->key, value))
			return disagg_err_nomem(err);
	}
	return 0;
}

static int no_file(const char *dir, struct disagg_err *err)
{
	return disagg_err_set(err, DISAGG_MISSING,
		"'%s' has no " DISAGG_STEPENV_FILE ": expected the run directory of a job whose "
		"script ends in 'exec disagg run'",
		dir);
}

static int check_owner(const char *path, const struct stat *st, struct disagg_err *err)
{
	char buf[4096], number[24];
	struct passwd entry, *found = NULL;

	if (st->st_uid == geteuid())
		return 0;
	snprintf(number, sizeof(number), "%lu", (unsigned long)st->st_uid);
	getpwuid_r(st->st_uid, &entry, buf, sizeof(buf), &found);
	return disagg_err_set(err, DISAGG_CONFIG,
		"'%s' is of user '%s': expected a file of your own, for what it says is run", path,
		found ? entry.pw_name : number);
}

/* Nobody else may have written it. */
static int check_file(int fd, const char *path, struct disagg_err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return disagg_err_sys(err, "cannot stat '%s'", path);
	if (check_owner(path, &st, err))
		return -1;
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return disagg_err_set(err, DISAGG_CONFIG,
			"others may write '%s': expected mode 0600, for what it says is run; if it "
			"is as you left it, say chmod go-w",
			path);
	return 0;
}

static int cannot_open(int folder, const char *path, struct disagg_err *err)
{
	int why = errno;
	struct stat st;

	if (fstatat(folder, DISAGG_STEPENV_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		check_owner(path, &st, err))
		return -1;
	errno = why;
	disagg_err_sys(err, "cannot open '%s'", path);
	if (err)
		err->code = DISAGG_CONFIG;
	return -1;
}

/* The folder, then the file in it, once each: what is checked is what is read. */
static int read_own(struct disagg_arena *arena, const char *dir, const char *path, char **ret_text,
	size_t *ret_len, struct disagg_err *err)
{
	int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, rc;

	if (folder < 0)
		return errno == ENOENT || errno == ENOTDIR ? no_file(dir, err)
							   : cannot_open(-1, path, err);
	fd = openat(folder, DISAGG_STEPENV_FILE,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		rc = no_file(dir, err);
	else if (fd < 0)
		rc = cannot_open(folder, path, err);
	else if (check_file(fd, path, err))
		rc = -1;
	else
		rc = disagg_fd_read_open(
			arena, fd, path, DISAGG_MAX_YAML_BYTES, ret_text, ret_len, err);
	if (fd >= 0)
		close(fd);
	close(folder);
	return rc;
}

int disagg_stepenv_read(struct disagg_arena *arena, const char *dir, struct disagg_stepenv *ret,
	struct disagg_err *err)
{
	const char *path = disagg_arena_printf(arena, "%s/" DISAGG_STEPENV_FILE, dir);
	const struct disagg_node *map;
	struct disagg_stepenv found;
	struct disagg_node *root;
	const char *schema;
	char *text;
	size_t len;

	if (!path)
		return disagg_err_nomem(err);
	if (read_own(arena, dir, path, &text, &len, err) ||
		disagg_yaml_parse(arena, text, len, path, &root, err))
		return -1;
	schema = text_of(disagg_node_get(root, "schema"));
	if (!schema || strcmp(schema, SCHEMA) != 0)
		return damaged(err, root, path, "the schema " SCHEMA);
	found.exec = text_of(disagg_node_get(root, "exec"));
	map = disagg_node_get(root, "variables");
	if (!found.exec || found.exec[0] != '/')
		return damaged(err, root, path, "exec: an absolute path");
	if (!map || map->kind != DISAGG_MAP)
		return damaged(err, root, path, "variables: a map");
	disagg_envlist_init(&found.env, arena);
	if (read_variables(map, path, &found.env, err))
		return -1;
	*ret = found;
	return 0;
}
