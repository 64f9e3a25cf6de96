/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/stepenv.h"
#include "lib/base/limits.h"
#include "lib/base/strbuf.h"
#include "lib/conf/scalar.h"
#include "lib/conf/yamltree.h"
#include "lib/host/rundir.h"
#include <errno.h>
#include <string.h>
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
	rc = render(arena, envp, exec, &out) ? disagg_err_nomem(err)
					     : disagg_rundir_write(arena, dir, DISAGG_STEPENV_FILE,
						       tag, out.text, out.len, err);
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

int disagg_stepenv_read(struct disagg_arena *arena, const char *dir, struct disagg_stepenv *ret,
	struct disagg_err *err)
{
	const char *path = disagg_arena_printf(arena, "%s/" DISAGG_STEPENV_FILE, dir);
	const struct disagg_node *map;
	struct disagg_stepenv found;
	struct disagg_node *root;
	const char *schema;

	if (!path)
		return disagg_err_nomem(err);
	if (access(path, F_OK) && errno == ENOENT)
		return disagg_err_set(err, DISAGG_MISSING,
			"'%s' has no " DISAGG_STEPENV_FILE ": expected the run directory of a job "
			"whose script ends in 'exec disagg run'",
			dir);
	if (disagg_yaml_load(arena, path, &root, err))
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
