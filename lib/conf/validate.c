/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/directive.h"
#include "lib/conf/mounts.h"
#include "lib/base/envlist.h"
#include <ctype.h>
#include <string.h>

/*
 * Rules that hold whichever dialect a job came from.  Each is a function of
 * the whole job; all of them run, so that one look shows all that is wrong.
 */

/* The place of a role's key where the file has `roles:`, else the role's. */
static const struct disagg_origin *role_key_at(
	const struct disagg_import *import, const struct disagg_role *role, const char *key)
{
	const struct disagg_node *roles = disagg_node_get(import->tree, "roles");
	const struct disagg_node *node = disagg_node_get(disagg_node_get(roles, role->name), key);

	return node ? &node->at : &role->at;
}

/* ---- environment ---- */

/* "${NAME}", which is the shell's word for what here is "${env:NAME}"; the
 * name, or NULL. */
static const char *shell_reference(struct disagg_arena *arena, const char *value)
{
	size_t len = strlen(value);
	bool braces = len > 3 && strncmp(value, "${", 2) == 0 && value[len - 1] == '}';
	const char *name = NULL;

	if (braces)
		name = disagg_arena_strndup(arena, value + 2, len - 3);
	else if (value[0] == '$')
		name = value + 1;
	return name && disagg_env_name_valid(name) ? name : NULL;
}

static void check_secret(const struct disagg_import *import, const struct disagg_kv *kv)
{
	const char *name;

	if (!disagg_value_is_secret(kv->key, kv->value) || disagg_text_is_placeholder(kv->value) ||
		disagg_env_reference(import->arena, kv->value))
		return;
	name = shell_reference(import->arena, kv->value);
	if (name) {
		disagg_findings_error(import->found, &kv->at,
			"'%s' is '%s', which nothing here fills in: write '${env:%s}' and export "
			"%s where you submit",
			kv->key, kv->value, name, name);
		return;
	}
	disagg_findings_error(import->found, &kv->at,
		"'%s' holds a literal secret, which would be readable in the job: write "
		"'${env:%s}' and export %s where you submit",
		kv->key, kv->key, kv->key);
}

static void check_variable(const struct disagg_import *import, const struct disagg_kv *kv)
{
	if (!disagg_env_name_valid(kv->key))
		disagg_findings_error(import->found, &kv->at,
			"'%s' is no name of a variable: expected letters, digits and _, not "
			"beginning with a digit",
			kv->key);
	else if (strncmp(kv->key, "DISAGG_", 7) == 0)
		disagg_findings_error(import->found, &kv->at,
			"'%s' cannot be set: the names that begin with DISAGG_ are the plan's",
			kv->key);
	else if (strncmp(kv->key, "SLURM_", 6) == 0)
		disagg_findings_warn(import->found, &kv->at,
			"'%s' is Slurm's own variable: setting it may break srun inside the job",
			kv->key);
	check_secret(import, kv);
}

static void rule_env(struct disagg_import *import)
{
	for (unsigned r = 0; r < import->job->role_count; r++) {
		const struct disagg_role *role = &import->job->role[r];

		if (role->env.count > DISAGG_MAX_ENV)
			disagg_findings_error(import->found, role_key_at(import, role, "env"),
				"role '%s' has %u variables, at most %u are allowed", role->name,
				role->env.count, DISAGG_MAX_ENV);
		for (unsigned i = 0; i < role->env.count && i < DISAGG_MAX_ENV; i++)
			check_variable(import, &role->env.v[i]);
	}
}

/* An engine's flags are many and `eos_token` is no secret, so only endings
 * that cannot be anything else count. */
static bool flag_is_secret(const char *flag)
{
	static const char *const endings[] = {
		"api-key", "password", "access-key", "secret-key", "hf-token", "auth-token"};
	size_t len = strlen(flag);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t tail = strlen(endings[i]);
		size_t same = 0;

		if (len < tail)
			continue;
		while (same < tail) {
			int c = tolower((unsigned char)flag[len - tail + same]);

			if ((c == '_' ? '-' : c) != endings[i][same])
				break;
			same++;
		}
		if (same == tail)
			return true;
	}
	return false;
}

static void check_flag_secret(const struct disagg_import *import, const char *flag,
	const char *value, const struct disagg_origin *at)
{
	if (!value[0] || !flag_is_secret(flag) || disagg_text_is_placeholder(value) ||
		disagg_env_reference(import->arena, value))
		return;
	disagg_findings_error(import->found, at,
		"'%s' holds a literal secret, which would be readable in the job: write "
		"'${env:NAME}' and export NAME where you submit",
		flag);
}

static void rule_flag_secrets(struct disagg_import *import)
{
	const struct disagg_map *options = &import->job->bench.options;

	for (unsigned r = 0; r < import->job->role_count; r++) {
		const struct disagg_node *args = import->job->role[r].args;

		for (uint32_t i = 0; args && args->kind == DISAGG_MAP && i < args->count; i++) {
			const struct disagg_node *value = args->pair[i].value;

			if (value->kind == DISAGG_SCALAR && !disagg_node_is_null(value))
				check_flag_secret(
					import, args->pair[i].key, value->text, &value->at);
		}
	}
	for (unsigned i = 0; i < options->count; i++)
		check_flag_secret(
			import, options->v[i].key, options->v[i].value, &options->v[i].at);
}

/* ---- roles ---- */

static void rule_roles(struct disagg_import *import)
{
	const struct disagg_job *job = import->job;
	uint64_t workers = 0, gpus = 0;

	/* an importer that could read no role has said why */
	if (!job->role_count && !import->found->errors && !disagg_job_accepts(job))
		disagg_findings_error(import->found, &import->tree->at,
			"the configuration has no role: nothing would run");
	for (unsigned i = 0; i < job->role_count; i++) {
		const struct disagg_role *role = &job->role[i];

		workers += role->workers;
		gpus += (uint64_t)role->workers * role->gpus;
		for (unsigned j = 0; j < i; j++) {
			if (strcmp(job->role[j].name, role->name) == 0)
				disagg_findings_error(import->found, &role->at,
					"two roles have the name '%s'", role->name);
		}
		if (!role->workers)
			disagg_findings_error(import->found, role_key_at(import, role, "workers"),
				"role '%s' has no workers: expected at least 1", role->name);
	}
	if (workers > DISAGG_MAX_WORKERS)
		disagg_findings_error(import->found, &import->tree->at,
			"%llu workers in all, at most %u are allowed", (unsigned long long)workers,
			DISAGG_MAX_WORKERS);
	if (gpus > DISAGG_MAX_GPUS)
		disagg_findings_error(import->found, &import->tree->at,
			"%llu GPUs in all, at most %u are allowed", (unsigned long long)gpus,
			DISAGG_MAX_GPUS);
}

static const struct disagg_origin *after_at(
	const struct disagg_import *import, const struct disagg_role *role, unsigned index)
{
	const struct disagg_node *roles = disagg_node_get(import->tree, "roles");
	const struct disagg_node *after =
		disagg_node_get(disagg_node_get(roles, role->name), "after");

	if (!after)
		return &role->at;
	if (after->kind == DISAGG_SEQ && index < after->count)
		return &after->item[index]->at;
	return &after->at;
}

static int role_index(const struct disagg_job *job, const char *name)
{
	for (unsigned i = 0; i < job->role_count; i++) {
		if (strcmp(job->role[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static void unknown_after(
	const struct disagg_import *import, const struct disagg_role *role, unsigned index)
{
	const char *names[DISAGG_MAX_ROLES + 1] = {NULL};
	const char *near;

	for (unsigned i = 0; i < import->job->role_count; i++)
		names[i] = import->job->role[i].name;
	near = disagg_nearest_name(names, role->after.v[index]);
	disagg_findings_error(import->found, after_at(import, role, index),
		"role '%s' is to start after '%s', which is no role%s%s%s", role->name,
		role->after.v[index], near ? ": did you mean '" : "", near ? near : "",
		near ? "'?" : "");
}

enum visit { VISIT_NEW, VISIT_OPEN, VISIT_DONE };

struct visitor {
	struct disagg_import *import;
	enum visit state[DISAGG_MAX_ROLES];
	unsigned path[DISAGG_MAX_ROLES];
	unsigned depth;
};

static void report_cycle(struct visitor *visitor, unsigned from, unsigned index)
{
	const struct disagg_job *job = visitor->import->job;
	const struct disagg_role *last = &job->role[visitor->path[visitor->depth - 1]];
	const char *text = "";
	unsigned start = 0;

	while (visitor->path[start] != from)
		start++;
	for (unsigned i = start; text && i < visitor->depth; i++)
		text = disagg_arena_printf(visitor->import->arena, "%s'%s' after ", text,
			job->role[visitor->path[i]].name);
	disagg_findings_error(visitor->import->found, after_at(visitor->import, last, index),
		"roles wait for each other and none can start: %s'%s'", text ? text : "",
		job->role[from].name);
}

/* At most DISAGG_MAX_ROLES deep: a role is entered once. */
static void visit(struct visitor *visitor, unsigned at)
{
	const struct disagg_job *job = visitor->import->job;
	const struct disagg_role *role = &job->role[at];

	visitor->state[at] = VISIT_OPEN;
	visitor->path[visitor->depth++] = at;
	for (unsigned i = 0; i < role->after.count; i++) {
		int next = role_index(job, role->after.v[i]);

		if (next < 0)
			unknown_after(visitor->import, role, i);
		else if (visitor->state[next] == VISIT_OPEN)
			report_cycle(visitor, (unsigned)next, i);
		else if (visitor->state[next] == VISIT_NEW)
			visit(visitor, (unsigned)next);
	}
	visitor->depth--;
	visitor->state[at] = VISIT_DONE;
}

static void rule_after(struct disagg_import *import)
{
	struct visitor visitor = {.import = import};

	for (unsigned i = 0; i < import->job->role_count; i++) {
		if (visitor.state[i] == VISIT_NEW)
			visit(&visitor, i);
	}
}

/* ---- ports ---- */

static void rule_ports(struct disagg_import *import)
{
	for (unsigned r = 0; r < import->job->role_count; r++) {
		const struct disagg_role *role = &import->job->role[r];

		if (role->port != -1 && (role->port < 1 || role->port > 65535))
			disagg_findings_error(import->found, role_key_at(import, role, "port"),
				"role '%s': port %d: expected 1 to 65535", role->name, role->port);
		for (unsigned i = 0; i < DISAGG_PORT_COUNT; i++) {
			if (role->pin[i] == -1 || (role->pin[i] >= 1 && role->pin[i] <= 65535))
				continue;
			disagg_findings_error(import->found, role_key_at(import, role, "ports"),
				"role '%s': %s port %d: expected 1 to 65535", role->name,
				disagg_port_names[i], role->pin[i]);
		}
	}
}

/* ---- parallelism ---- */

/* The flags that multiply to the GPUs of a worker, by engine; data parallel
 * sizes are left out, as they may lie inside the tensor parallel one. */
#define MAX_FACTORS   3
#define MAX_SPELLINGS 4

static const struct {
	enum disagg_engine engine;
	const char *flag[MAX_FACTORS][MAX_SPELLINGS];
} parallel_flags[] = {
	{DISAGG_E_SGLANG, {{"tp-size", "tensor-parallel-size", "tp"},
				  {"pp-size", "pipeline-parallel-size", "pp"}}},
	{DISAGG_E_TRTLLM,
		{{"tensor_parallel_size"}, {"pipeline_parallel_size"}, {"context_parallel_size"}}},
	{DISAGG_E_VLLM, {{"tensor-parallel-size", "tp"}, {"pipeline-parallel-size", "pp"}}},
};

static const struct disagg_node *factor_node(
	const struct disagg_role *role, size_t row, unsigned factor)
{
	const struct disagg_node *node = NULL;

	for (unsigned i = 0; !node && i < MAX_SPELLINGS; i++) {
		const char *flag = parallel_flags[row].flag[factor][i];

		node = flag ? disagg_arg_get(role->args, flag) : NULL;
	}
	return node;
}

/* How many GPUs the engine's own settings take; 0 where they do not say. */
static uint64_t world_size(const struct disagg_role *role, const struct disagg_origin **ret_at)
{
	uint64_t world = role->tp || role->pp ? 1 : 0;

	world *= (role->tp ? role->tp : 1) * (uint64_t)(role->pp ? role->pp : 1);
	for (size_t row = 0; row < sizeof(parallel_flags) / sizeof(parallel_flags[0]); row++) {
		if (world || parallel_flags[row].engine != role->engine)
			continue;
		for (unsigned f = 0; f < MAX_FACTORS; f++) {
			const struct disagg_node *node = factor_node(role, row, f);
			struct disagg_scalar scalar = {.type = DISAGG_T_NULL};

			if (node && node->kind == DISAGG_SCALAR)
				scalar = disagg_scalar_read(node);
			if (scalar.type != DISAGG_T_INT || scalar.integer < 1 ||
				scalar.integer > DISAGG_MAX_GPUS)
				continue;
			world = (world ? world : 1) * (uint64_t)scalar.integer;
			*ret_at = &node->at;
		}
	}
	return world;
}

static void rule_parallelism(struct disagg_import *import)
{
	for (unsigned i = 0; i < import->job->role_count; i++) {
		const struct disagg_role *role = &import->job->role[i];
		const struct disagg_origin *at = role_key_at(import, role, "tp");
		uint64_t world = role->gpus ? world_size(role, &at) : 0;

		if (world > role->gpus)
			disagg_findings_error(import->found, at,
				"role '%s': its parallelism takes %llu GPUs, but a worker has %u",
				role->name, (unsigned long long)world, role->gpus);
		else if (world && world < role->gpus && !role->dp && role->engine != DISAGG_E_VLLM)
			disagg_findings_warn(import->found, at,
				"role '%s': its parallelism takes %llu of a worker's %u GPUs",
				role->name, (unsigned long long)world, role->gpus);
	}
}

/* ---- the rest ---- */

/* srtctl starts such a pair, and its requests then fail one by one. */
static void rule_router(struct disagg_import *import)
{
	const struct disagg_job *job = import->job;

	for (unsigned r = 0; r < job->role_count; r++) {
		const struct disagg_role *router = &job->role[r];

		for (unsigned w = 0;
			router->engine == DISAGG_E_SGLANG_ROUTER && w < job->role_count; w++) {
			enum disagg_engine engine = job->role[w].engine;

			if (engine != DISAGG_E_TRTLLM && engine != DISAGG_E_VLLM)
				continue;
			disagg_findings_error(import->found, role_key_at(import, router, "engine"),
				"role '%s' is a router for sglang workers and cannot speak to '%s' "
				"of engine '%s'",
				router->name, job->role[w].name, disagg_engine_names[engine]);
			return;
		}
	}
}

static void rule_directives(struct disagg_import *import)
{
	for (unsigned i = 0; i < import->job->directive_count; i++)
		disagg_directive_check(&import->job->directive[i], import->found);
}

static void rule_mounts(struct disagg_import *import)
{
	disagg_mounts_check(import->job, import->found);
}

static void rule_log_dir(struct disagg_import *import)
{
	const char *dir = import->job->log_dir;
	const struct disagg_node *node = disagg_node_get(import->tree, "log_dir");
	const struct disagg_origin *at = node ? &node->at : &import->tree->at;

	for (const char *c = dir; c && *c; c++) {
		if (iscntrl((unsigned char)*c)) {
			disagg_findings_error(import->found, at,
				"log_dir: expected a path, got one with a control character");
			return;
		}
		if (*c == '%' && c[1] != 'j') {
			disagg_findings_error(import->found, at,
				"log_dir: '%s': only %%j (the job id) is filled in", dir);
			return;
		}
	}
}

static void rule_name(struct disagg_import *import)
{
	const char *name = import->job->name;
	const struct disagg_node *node = disagg_node_get(import->tree, "name");

	if (!node || !name || import->found->errors)
		return;
	if (!name[0])
		disagg_findings_error(import->found, &node->at, "name: expected a name, got \"\"");
	for (const char *c = name; *c; c++) {
		if (!iscntrl((unsigned char)*c))
			continue;
		disagg_findings_error(import->found, &node->at,
			"name: expected one line of text, got a control character");
		return;
	}
}

int disagg_job_validate(struct disagg_import *import)
{
	static void (*const rules[])(struct disagg_import *) = {
		rule_name,
		rule_roles,
		rule_after,
		rule_env,
		rule_flag_secrets,
		rule_ports,
		rule_parallelism,
		rule_router,
		rule_directives,
		rule_mounts,
		rule_log_dir,
		disagg_probing_check,
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](import);
	return 0;
}
