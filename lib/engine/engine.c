/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/engine.h"
#include "lib/engine/build.h"

/* What each engine's name starts, and the path that tells when it is up. */
static const struct engine {
	int (*build)(struct disagg_cmd *cmd);
	const char *health;
	bool has_gpus; /* never a service */
} engines[DISAGG_E_COUNT] = {
	[DISAGG_E_COMMAND] = {disagg_engine_command, NULL, false},
	[DISAGG_E_SGLANG] = {disagg_engine_sglang, "/health", true},
	[DISAGG_E_TRTLLM] = {disagg_engine_trtllm, "/health", true},
	[DISAGG_E_VLLM] = {disagg_engine_vllm, "/health", true},
	[DISAGG_E_MOCKER] = {disagg_engine_mocker, NULL, false},
	[DISAGG_E_SGLANG_ROUTER] = {disagg_engine_sglang_router, "/workers", false},
	[DISAGG_E_TRTLLM_SERVER] = {disagg_engine_trtllm_server, "/health", false},
	[DISAGG_E_DYNAMO_FRONTEND] = {disagg_engine_dynamo_frontend, "/health", false},
	[DISAGG_E_VLLM_SERVER] = {disagg_engine_vllm_server, "/health", false},
	[DISAGG_E_NGINX] = {disagg_engine_nginx, "/health", false},
	[DISAGG_E_ETCD] = {disagg_engine_etcd, "/health", false},
	[DISAGG_E_NATS] = {disagg_engine_nats, NULL, false},
	[DISAGG_E_MOONCAKE_MASTER] = {disagg_engine_mooncake_master, NULL, false},
	[DISAGG_E_BENCHMARK] = {disagg_engine_command, NULL, false},
};

static struct disagg_cmd begin(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, const struct disagg_engine_site *site,
	struct disagg_command *out, struct disagg_err *err)
{
	struct disagg_cmd cmd = {
		.arena = arena,
		.job = job,
		.plan = plan,
		.site = site,
		.out = out,
		.err = err,
	};

	disagg_envlist_init(&out->env, arena);
	cmd.dynamo = disagg_cmd_service(&cmd, DISAGG_E_DYNAMO_FRONTEND) != NULL;
	return cmd;
}

/* A node that holds several processes of the worker counts once. */
static void count_nodes(struct disagg_cmd *cmd)
{
	const struct disagg_process *first = cmd->leader;

	for (uint32_t i = 0; i < cmd->worker->process_count; i++) {
		if (!i || first[i].node != first[i - 1].node)
			cmd->nodes++;
		if (&first[i] == cmd->process)
			cmd->node_rank = cmd->nodes - 1;
	}
}

/* ---- ports ---- */

/* An offset may push a port over the top, where no bind would tell why. */
static int check_port(const struct disagg_cmd *cmd, enum disagg_port kind)
{
	int port = disagg_cmd_port(cmd, kind);

	if (cmd->site->port_offset < 0)
		return disagg_err_set(cmd->err, DISAGG_CONFIG, "port offset %d: expected 0 or more",
			cmd->site->port_offset);
	if (port <= 65535)
		return 0;
	return disagg_err_set(cmd->err, DISAGG_CONFIG,
		"%s port %d of '%s_%u' is outside 1 to 65535 with the port offset %d",
		disagg_port_names[kind], port, cmd->role->name, (unsigned)cmd->index,
		cmd->site->port_offset);
}

static int check_ports(const struct disagg_cmd *cmd)
{
	for (unsigned i = 0; i < DISAGG_PORT_COUNT; i++) {
		if (check_port(cmd, (enum disagg_port)i))
			return -1;
	}
	return 0;
}

/* ---- readiness ---- */

/* Dynamo's workers answer on their system port; that is asked where the file
 * says so, for its frontend counts them anyway. */
static void worker_health(struct disagg_cmd *cmd)
{
	const struct disagg_service *direct = cmd->dynamo ? NULL : disagg_cmd_direct(cmd);
	const char *path = cmd->role->ready.http;
	bool by_system = cmd->dynamo && cmd->role->engine != DISAGG_E_COMMAND;
	int port = disagg_cmd_port(cmd, by_system ? DISAGG_PORT_SYSTEM : DISAGG_PORT_HTTP);

	if (direct && !cmd->node_rank)
		port = disagg_cmd_service_port(cmd, direct);
	if (!path && !by_system)
		path = engines[cmd->role->engine].health;
	if (port > 0 && path) {
		cmd->out->health = path;
		cmd->out->health_port = port;
	}
}

static void service_health(struct disagg_cmd *cmd)
{
	const char *path = cmd->role->ready.http;
	int port = disagg_cmd_service_port(cmd, cmd->service);

	cmd->out->health_port = port > 0 ? port : -1;
	cmd->out->health = path ? path : engines[cmd->role->engine].health;
	if (port <= 0)
		cmd->out->health = NULL;
}

/* ---- the two calls ---- */

static int finish(struct disagg_cmd *cmd, struct disagg_command *ret, struct disagg_command *made)
{
	const struct engine *engine = &engines[cmd->role->engine];

	if (engine->has_gpus && !cmd->worker)
		return disagg_err_set(cmd->err, DISAGG_CONFIG,
			"role '%s' has no GPUs, which engine '%s' needs", cmd->role->name,
			disagg_engine_names[cmd->role->engine]);
	if (engine->build(cmd))
		return -1;
	if (cmd->failed)
		return disagg_err_nomem(cmd->err);
	if (cmd->worker && !made->argc)
		return disagg_err_set(cmd->err, DISAGG_CONFIG,
			"role '%s' has nothing to run: expected command: or script:",
			cmd->role->name);
	*ret = *made;
	return 0;
}

int disagg_engine_worker(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, uint32_t process, const struct disagg_engine_site *site,
	struct disagg_command *ret, struct disagg_err *err)
{
	struct disagg_command made = {.health_port = -1};
	struct disagg_cmd cmd = begin(arena, job, plan, site, &made, err);

	if (process >= plan->process_count)
		return disagg_err_set(err, DISAGG_USAGE,
			"the plan has no process %u: it has %u, counted from 0", (unsigned)process,
			(unsigned)plan->process_count);
	cmd.process = &plan->process[process];
	cmd.worker = &plan->worker[cmd.process->worker];
	cmd.leader = &plan->process[cmd.worker->first_process];
	if (cmd.worker->role >= job->role_count)
		return disagg_err_set(err, DISAGG_CONFIG,
			"the plan is of another configuration: it has a role %u, the "
			"configuration has %u",
			(unsigned)cmd.worker->role, job->role_count);
	cmd.role = &job->role[cmd.worker->role];
	cmd.index = cmd.worker->index;
	cmd.rank = cmd.process->rank;
	count_nodes(&cmd);
	if (check_ports(&cmd))
		return -1;
	worker_health(&cmd);
	return finish(&cmd, ret, &made);
}

int disagg_cmd_begin_service(struct disagg_cmd *ret, struct disagg_arena *arena,
	const struct disagg_job *job, const struct disagg_plan *plan, uint32_t service,
	const struct disagg_engine_site *site, struct disagg_command *out, struct disagg_err *err)
{
	struct disagg_cmd cmd = begin(arena, job, plan, site, out, err);

	if (service >= plan->service_count)
		return disagg_err_set(err, DISAGG_USAGE,
			"the plan has no service %u: it has %u, counted from 0", (unsigned)service,
			(unsigned)plan->service_count);
	cmd.service = &plan->service[service];
	if (cmd.service->role >= job->role_count)
		return disagg_err_set(err, DISAGG_CONFIG,
			"the plan is of another configuration: it has a role %u, the "
			"configuration has %u",
			(unsigned)cmd.service->role, job->role_count);
	cmd.role = &job->role[cmd.service->role];
	cmd.index = cmd.service->index;
	cmd.nodes = 1;
	*ret = cmd;
	return check_ports(ret);
}

int disagg_engine_service(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, uint32_t service, const struct disagg_engine_site *site,
	struct disagg_command *ret, struct disagg_err *err)
{
	struct disagg_command made = {.health_port = -1};
	struct disagg_cmd cmd;

	if (disagg_cmd_begin_service(&cmd, arena, job, plan, service, site, &made, err))
		return -1;
	service_health(&cmd);
	return finish(&cmd, ret, &made);
}

const char *disagg_engine_log_name(
	struct disagg_arena *arena, const struct disagg_plan *plan, uint32_t role, uint32_t index)
{
	const struct disagg_plan_role *of = &plan->role[role];

	if (plan->dialect == DISAGG_TRTLLM && of->engine == DISAGG_E_TRTLLM)
		return disagg_arena_printf(arena, "%s_server_%u.log",
			of->kind == DISAGG_PREFILL ? "ctx" : "gen", (unsigned)index);
	if (plan->dialect == DISAGG_TRTLLM && of->engine == DISAGG_E_TRTLLM_SERVER)
		return "disagg_server.log";
	if (of->kind == DISAGG_BENCHMARK && of->workers == 1)
		return disagg_arena_printf(arena, "%s.log", of->name);
	return disagg_arena_printf(arena, "%s_%u.log", of->name, (unsigned)index);
}
