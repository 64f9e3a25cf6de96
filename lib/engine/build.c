/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include <stdarg.h>
#include <string.h>

/* Room for `count + 1` items in a list of the command. */
static void *grow(
	struct disagg_cmd *cmd, const void *old, unsigned count, unsigned *size, size_t item)
{
	unsigned wanted = *size ? *size * 2 : 32;
	void *grown;

	if (count + 1 < *size)
		return NULL;
	grown = disagg_arena_grow(cmd->arena, old, count, wanted, item);
	if (grown)
		*size = wanted;
	else
		cmd->failed = true;
	return grown;
}

/* ---- argv ---- */

/* `arg` is the arena's, or lives as long; one place ahead stays NULL. */
static void put(struct disagg_cmd *cmd, const char *arg)
{
	struct disagg_command *out = cmd->out;
	const char **grown;

	if (!arg)
		cmd->failed = true;
	if (cmd->failed)
		return;
	grown = grow(cmd, out->argv, out->argc, &cmd->argv_size, sizeof(*out->argv));
	if (cmd->failed)
		return;
	if (grown)
		out->argv = grown;
	out->argv[out->argc++] = arg;
}

void disagg_cmd_put(struct disagg_cmd *cmd, const char *arg)
{
	put(cmd, arg);
}

void disagg_cmd_putf(struct disagg_cmd *cmd, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put(cmd, disagg_arena_vprintf(cmd->arena, fmt, args));
	va_end(args);
}

void disagg_cmd_put_all(struct disagg_cmd *cmd, const char *const *args)
{
	for (; *args; args++)
		put(cmd, *args);
}

void disagg_cmd_flag(struct disagg_cmd *cmd, const char *flag, const char *fmt, ...)
{
	va_list args;

	put(cmd, flag);
	va_start(args, fmt);
	put(cmd, disagg_arena_vprintf(cmd->arena, fmt, args));
	va_end(args);
}

void disagg_cmd_own(struct disagg_cmd *cmd, const char *flag, const char *fmt, ...)
{
	va_list args;

	if (disagg_cmd_given(cmd, flag + 2))
		return;
	put(cmd, flag);
	va_start(args, fmt);
	put(cmd, disagg_arena_vprintf(cmd->arena, fmt, args));
	va_end(args);
}

/* ---- environment ---- */

static void env_failed(struct disagg_cmd *cmd, int result)
{
	if (result)
		cmd->failed = true;
}

void disagg_cmd_env(struct disagg_cmd *cmd, const char *name, const char *value)
{
	env_failed(cmd, disagg_envlist_set(&cmd->out->env, name, value));
}

static void env_format(struct disagg_cmd *cmd, const char *name, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));
static void env_format(struct disagg_cmd *cmd, const char *name, const char *fmt, va_list args)
{
	const char *value = disagg_arena_vprintf(cmd->arena, fmt, args);

	if (value)
		disagg_cmd_env(cmd, name, value);
	else
		cmd->failed = true;
}

void disagg_cmd_envf(struct disagg_cmd *cmd, const char *name, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	env_format(cmd, name, fmt, args);
	va_end(args);
}

void disagg_cmd_env_default(struct disagg_cmd *cmd, const char *name, const char *fmt, ...)
{
	va_list args;

	if (disagg_map_get(&cmd->role->env, name))
		return;
	va_start(args, fmt);
	env_format(cmd, name, fmt, args);
	va_end(args);
}

/* ---- files ---- */

void disagg_cmd_file(struct disagg_cmd *cmd, const char *name, struct disagg_strbuf *text)
{
	struct disagg_command *out = cmd->out;
	struct disagg_engine_file file = {.name = name};
	struct disagg_engine_file *grown;

	file.text = text->failed ? NULL : disagg_arena_strdup(cmd->arena, text->text);
	disagg_strbuf_release(text);
	grown = grow(cmd, out->file, out->file_count, &cmd->file_size, sizeof(*out->file));
	if (!name || !file.text)
		cmd->failed = true;
	if (cmd->failed)
		return;
	if (grown)
		out->file = grown;
	out->file[out->file_count++] = file;
}

void disagg_cmd_folder(struct disagg_cmd *cmd, const char *name)
{
	struct disagg_command *out = cmd->out;
	const char **grown =
		grow(cmd, out->folder, out->folder_count, &cmd->folder_size, sizeof(*out->folder));

	if (!name)
		cmd->failed = true;
	if (cmd->failed)
		return;
	if (grown)
		out->folder = grown;
	out->folder[out->folder_count++] = name;
}

/* FNV-1a of the run directory, whose name has the job's number. */
unsigned long long disagg_cmd_hash(const struct disagg_cmd *cmd)
{
	uint64_t value = 14695981039346656037u;

	for (const char *c = cmd->site->run_dir; *c; c++)
		value = (value ^ (unsigned char)*c) * 1099511628211u;
	return value;
}

void disagg_cmd_scratch(struct disagg_cmd *cmd)
{
	cmd->out->scratch = disagg_arena_printf(cmd->arena, "/tmp/disagg-%s_%u-%016llx",
		cmd->role->name, (unsigned)cmd->index, disagg_cmd_hash(cmd));
	if (!cmd->out->scratch)
		cmd->failed = true;
}

const char *disagg_cmd_path(struct disagg_cmd *cmd, const char *name)
{
	const char *path =
		name ? disagg_arena_printf(cmd->arena, "%s/%s", cmd->site->run_dir, name) : NULL;

	if (!path)
		cmd->failed = true;
	return path;
}

/* ---- what the plan and the job say ---- */

const char *disagg_cmd_host(const struct disagg_cmd *cmd, uint32_t node)
{
	return cmd->site->host(cmd->site->context, node);
}

const char *disagg_cmd_ip(const struct disagg_cmd *cmd, uint32_t node)
{
	return cmd->site->ip(cmd->site->context, node);
}

int disagg_cmd_port_of(
	const struct disagg_cmd *cmd, uint32_t role, enum disagg_port port, int32_t planned)
{
	int pin = cmd->plan->role[role].pin[port];

	if (planned == 0)
		return 0;
	if (pin > 0)
		return pin;
	return planned > 0 ? planned + cmd->site->port_offset : -1;
}

int disagg_cmd_port(const struct disagg_cmd *cmd, enum disagg_port port)
{
	if (cmd->service)
		return port == DISAGG_PORT_HTTP ? disagg_cmd_service_port(cmd, cmd->service) : -1;
	return disagg_cmd_port_of(cmd, cmd->worker->role, port, cmd->process->port[port]);
}

uint32_t disagg_cmd_ordinal(const struct disagg_cmd *cmd)
{
	enum { FIRST_SYSTEM_PORT = 7500 };
	int32_t port = cmd->process->port[DISAGG_PORT_SYSTEM];

	return port > FIRST_SYSTEM_PORT ? (uint32_t)(port - FIRST_SYSTEM_PORT) : 0;
}

void disagg_cmd_listens(struct disagg_cmd *cmd, int port, bool pinned)
{
	struct disagg_command *out = cmd->out;

	if (out->listen_count < DISAGG_COMMAND_LISTENS)
		out->listen[out->listen_count++] = (struct disagg_listen){port, pinned};
	else
		cmd->failed = true; /* no room is no memory */
}

static const struct disagg_service *first_service(
	const struct disagg_plan *plan, enum disagg_engine engine)
{
	for (uint32_t i = 0; i < plan->service_count; i++) {
		const struct disagg_service *service = &plan->service[i];

		if (plan->role[service->role].engine == engine)
			return service;
	}
	return NULL;
}

const struct disagg_service *disagg_cmd_service(
	const struct disagg_cmd *cmd, enum disagg_engine engine)
{
	return first_service(cmd->plan, engine);
}

int disagg_cmd_service_port(const struct disagg_cmd *cmd, const struct disagg_service *service)
{
	return disagg_cmd_port_of(cmd, service->role, DISAGG_PORT_HTTP, service->port);
}

const struct disagg_process *disagg_cmd_leader(
	const struct disagg_cmd *cmd, const struct disagg_worker *worker)
{
	return &cmd->plan->process[worker->first_process];
}

/* `vllm serve` is always its own frontend, trtllm-serve where there is nothing
 * to put together. */
const struct disagg_service *disagg_engine_direct(const struct disagg_plan *plan)
{
	const struct disagg_service *own = first_service(plan, DISAGG_E_VLLM_SERVER);

	if (own)
		return own;
	own = first_service(plan, DISAGG_E_TRTLLM_SERVER);
	for (uint32_t i = 0; own && i < plan->worker_count; i++) {
		if (plan->role[plan->worker[i].role].kind != DISAGG_AGG)
			return NULL;
	}
	return own;
}

const struct disagg_service *disagg_cmd_direct(const struct disagg_cmd *cmd)
{
	return disagg_engine_direct(cmd->plan);
}

const char *disagg_cmd_mode(const struct disagg_cmd *cmd)
{
	switch (cmd->role->kind) {
	case DISAGG_PREFILL:
		return "prefill";
	case DISAGG_DECODE:
		return "decode";
	default:
		return "agg";
	}
}

bool disagg_cmd_is_half(const struct disagg_cmd *cmd)
{
	return cmd->role->kind == DISAGG_PREFILL || cmd->role->kind == DISAGG_DECODE;
}
