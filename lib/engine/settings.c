/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include "lib/base/num.h"
#include "lib/conf/scalar.h"
#include <string.h>

const char *disagg_cmd_setting(const struct disagg_cmd *cmd, const char *key)
{
	return disagg_map_get(&cmd->job->settings, key);
}

bool disagg_cmd_setting_is(const struct disagg_cmd *cmd, const char *key, const char *value)
{
	const char *have = disagg_cmd_setting(cmd, key);

	return have && strcmp(have, value) == 0;
}

bool disagg_cmd_setting_on(const struct disagg_cmd *cmd, const char *key, bool otherwise)
{
	struct disagg_node node = {.kind = DISAGG_SCALAR, .text = disagg_cmd_setting(cmd, key)};
	struct disagg_scalar scalar;

	if (!node.text)
		return otherwise;
	scalar = disagg_scalar_read(&node);
	return scalar.type == DISAGG_T_BOOL ? scalar.boolean : otherwise;
}

int64_t disagg_cmd_setting_int(const struct disagg_cmd *cmd, const char *key)
{
	const char *text = disagg_cmd_setting(cmd, key);
	int64_t value;

	return text && disagg_num_int(text, 0, INT32_MAX, &value) == 0 ? value : -1;
}

const struct disagg_node *disagg_cmd_section(const struct disagg_cmd *cmd, const char *path)
{
	const struct disagg_node *node = disagg_node_find(cmd->job->tree, path);

	return node && !disagg_node_is_null(node) ? node : NULL;
}

/* ---- the model ---- */

#define HUB_PREFIX "hf:"

/* "$NAME/rest" or "${NAME}/rest" with the job's value. */
static const char *expand(struct disagg_cmd *cmd, const char *path)
{
	bool braced = path[0] == '$' && path[1] == '{';
	const char *name = path + 1 + braced;
	size_t len = strcspn(name, braced ? "}" : "/");
	const char *copy, *value;

	if (path[0] != '$' || !len || !cmd->site->getenv)
		return path;
	copy = disagg_arena_strndup(cmd->arena, name, len);
	value = copy ? cmd->site->getenv(cmd->site->context, copy) : NULL;
	if (!value)
		return path;
	return disagg_arena_printf(cmd->arena, "%s%s", value, name + len + braced);
}

const char *disagg_cmd_model(struct disagg_cmd *cmd)
{
	const char *path = cmd->job->model_path;

	if (path && strncmp(path, HUB_PREFIX, strlen(HUB_PREFIX)) == 0)
		return path + strlen(HUB_PREFIX);
	if (!path && cmd->job->rehearse)
		return "model";
	return path ? expand(cmd, path) : NULL;
}

const char *disagg_engine_model(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_engine_site *site)
{
	struct disagg_cmd cmd = {.arena = arena, .job = job, .site = site};
	const char *path = disagg_cmd_model(&cmd);

	return path && path[0] && !disagg_text_is_placeholder(path) ? path : NULL;
}

int disagg_cmd_need_model(struct disagg_cmd *cmd)
{
	const char *key =
		cmd->job->dialect == DISAGG_TRTLLM ? "environment.model_path" : "model.path";
	const char *path = disagg_cmd_model(cmd);
	const struct disagg_origin *at = disagg_trace_origin(&cmd->job->trace, key);

	/* a stand-in reads no model */
	if (cmd->job->rehearse || (path && path[0] && !disagg_text_is_placeholder(path)))
		return 0;
	return disagg_err_at(cmd->err, DISAGG_CONFIG, at ? at->source : cmd->job->source,
		at ? at->line : 0, at ? at->col : 0,
		"%s is %s%s%s: the command of '%s' needs the model's folder or id; "
		"say it there or with --disagg-set=%s=PATH",
		key, path ? "'" : "", path ? path : "missing", path ? "'" : "", cmd->role->name,
		key);
}

/* ---- what clients call the model ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static const char *named_by_flag(const struct disagg_job *job)
{
	for (unsigned i = 0; i < job->role_count; i++) {
		const struct disagg_node *name =
			disagg_arg_get(job->role[i].args, "served-model-name");

		if (name && name->kind == DISAGG_SEQ && name->count)
			name = name->item[0];
		if (name && name->kind == DISAGG_SCALAR && name->text[0] &&
			!disagg_node_is_null(name))
			return name->text;
	}
	return NULL;
}

/* trtllm-serve and Dynamo's TensorRT-LLM take a folder's last part. */
const char *disagg_engine_served_name(const struct disagg_job *job)
{
	const char *name = named_by_flag(job);
	const char *path = job->model_path;
	bool trtllm = false;

	if (job->served_name && (job->dialect == DISAGG_SRTCTL || !name))
		return job->served_name;
	if (name)
		return name;
	for (unsigned i = 0; i < job->role_count; i++)
		trtllm = trtllm || job->role[i].engine == DISAGG_E_TRTLLM;
	if (!path || disagg_text_is_placeholder(path) || path[0] == '$')
		return NULL;
	if (strncmp(path, HUB_PREFIX, strlen(HUB_PREFIX)) == 0)
		return path + strlen(HUB_PREFIX);
	return trtllm && path[0] == '/' ? base_name(path) : path;
}
