/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/native.h"
#include "lib/base/num.h"
#include <string.h>

/* What an engine's name says about a role. */
static const struct engine_fact {
	enum disagg_role_kind kind; /* where neither the file nor the role's name says */
	int port;		    /* -1: none */
	bool needs_gpus, refuses_gpus;
} engine_facts[DISAGG_E_COUNT] = {
	[DISAGG_E_COMMAND] = {DISAGG_OTHER, -1, false, false},
	[DISAGG_E_SGLANG] = {DISAGG_OTHER, -1, true, false},
	[DISAGG_E_TRTLLM] = {DISAGG_OTHER, -1, true, false},
	[DISAGG_E_VLLM] = {DISAGG_OTHER, -1, true, false},
	[DISAGG_E_MOCKER] = {DISAGG_OTHER, -1, false, false},
	[DISAGG_E_SGLANG_ROUTER] = {DISAGG_FRONTEND, 8000, false, true},
	[DISAGG_E_TRTLLM_SERVER] = {DISAGG_FRONTEND, 8333, false, true},
	[DISAGG_E_DYNAMO_FRONTEND] = {DISAGG_FRONTEND, 8000, false, true},
	[DISAGG_E_VLLM_SERVER] = {DISAGG_FRONTEND, 8000, false, true},
	[DISAGG_E_NGINX] = {DISAGG_FRONTEND, 8000, false, true},
	[DISAGG_E_ETCD] = {DISAGG_INFRA, 2379, false, true},
	[DISAGG_E_NATS] = {DISAGG_INFRA, 4222, false, true},
	[DISAGG_E_MOONCAKE_MASTER] = {DISAGG_INFRA, 8700, false, true},
	[DISAGG_E_BENCHMARK] = {DISAGG_BENCHMARK, -1, false, true},
};

static const struct {
	const char *name;
	enum disagg_role_kind kind;
} well_known[] = {
	{"prefill", DISAGG_PREFILL},
	{"decode", DISAGG_DECODE},
	{"agg", DISAGG_AGG},
	{"aggregated", DISAGG_AGG},
	{"frontend", DISAGG_FRONTEND},
	{"router", DISAGG_FRONTEND},
	{"infra", DISAGG_INFRA},
	{"benchmark", DISAGG_BENCHMARK},
};

/* Flags of an engine that fix a port. */
static const struct {
	enum disagg_engine engine;
	const char *flag;
	enum disagg_port port;
} pin_flags[] = {
	{DISAGG_E_SGLANG, "port", DISAGG_PORT_HTTP},
	{DISAGG_E_SGLANG, "disaggregation-bootstrap-port", DISAGG_PORT_BOOTSTRAP},
	{DISAGG_E_VLLM, "port", DISAGG_PORT_HTTP},
	{DISAGG_E_VLLM, "data-parallel-rpc-port", DISAGG_PORT_RPC},
};

static const char *const site_names[] = {
	[DISAGG_SITE_HEAD] = "head",
	[DISAGG_SITE_INFRA] = "infra",
	[DISAGG_SITE_CLIENT] = "client",
	[DISAGG_SITE_FIRST_DECODE] = "first_decode",
	[DISAGG_SITE_LAST_DECODE] = "last_decode",
	[DISAGG_SITE_BEHIND_NGINX] = "behind_nginx",
	[DISAGG_SITE_NODE] = "",
	[DISAGG_SITE_SPREAD] = "spread",
	NULL,
};

struct role_input {
	struct native *native;
	const char *prefix; /* "roles.decode" */
	const struct disagg_node *map;
	struct native_role in;
	struct disagg_role *role;
};

static const struct disagg_origin *role_at(const struct role_input *ri, const char *key)
{
	return disagg_native_at(ri->map, key, &ri->role->at);
}

static bool role_name_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return name[0] >= 'a' && name[0] <= 'z' && name[len] == '\0' && len <= 31;
}

static enum disagg_role_kind role_kind(const char *name, int given, enum disagg_engine engine)
{
	if (given >= 0)
		return (enum disagg_role_kind)given;
	for (size_t i = 0; i < sizeof(well_known) / sizeof(well_known[0]); i++) {
		if (strcmp(well_known[i].name, name) == 0)
			return well_known[i].kind;
	}
	return engine_facts[engine].kind;
}

/* A value that is there but was not taken has its own finding already. */
static bool not_taken(const struct role_input *ri, const char *key)
{
	const struct disagg_node *node = disagg_node_get(ri->map, key);
	int64_t number;

	if (!node || disagg_node_is_null(node))
		return false;
	return node->kind != DISAGG_SCALAR ||
	       (!disagg_text_is_placeholder(node->text) &&
		       disagg_num_int(node->text, 0, DISAGG_MAX_GPUS, &number));
}

static void role_engine_check(const struct role_input *ri)
{
	const struct native_role *in = &ri->in;
	const struct disagg_role *role = ri->role;
	struct disagg_findings *found = ri->native->import->found;
	bool runs = in->command.count || in->script;

	if ((in->engine < 0 && not_taken(ri, "engine")) || not_taken(ri, "gpus"))
		return;
	if (in->engine < 0 && in->gpus.v > 0)
		disagg_findings_error(found, &role->at,
			"%s: a role with GPUs needs an engine: expected engine: sglang, trtllm, "
			"vllm, mocker or command",
			ri->prefix);
	else if (engine_facts[role->engine].needs_gpus && in->gpus.v == 0)
		disagg_findings_error(found, role_at(ri, "engine"),
			"%s: engine '%s' needs GPUs: expected gpus: of at least 1", ri->prefix,
			disagg_engine_names[role->engine]);
	else if (engine_facts[role->engine].refuses_gpus && in->gpus.v > 0)
		disagg_findings_error(found, role_at(ri, "gpus"),
			"%s: '%s' is a service and takes no GPUs: remove gpus:", ri->prefix,
			disagg_engine_names[role->engine]);
	else if (role->engine == DISAGG_E_COMMAND && !runs)
		disagg_findings_error(found, &role->at,
			"%s: nothing to run: expected engine:, command: or script:", ri->prefix);
	if (role->engine != DISAGG_E_COMMAND && role->engine != DISAGG_E_BENCHMARK && runs)
		disagg_findings_error(found, role_at(ri, in->script ? "script" : "command"),
			"%s: engine '%s' builds its own command: remove %s: or say engine: command",
			ri->prefix, disagg_engine_names[role->engine],
			in->script ? "script" : "command");
	if (in->command.count && in->script)
		disagg_findings_error(found, role_at(ri, "script"),
			"%s: both command: and script: are given: expected one", ri->prefix);
}

static void role_size(const struct role_input *ri)
{
	const struct native_role *in = &ri->in;
	struct disagg_role *role = ri->role;

	role->workers = in->workers.set ? (unsigned)in->workers.v : 1;
	role->gpus = (unsigned)in->gpus.v;
	role->restart = (unsigned)in->restart.v;
	role->critical = in->critical != DISAGG_NO;
	role->dp = (unsigned)in->dp.v;
	role->tp = (unsigned)in->tp.v;
	role->pp = (unsigned)in->pp.v;
	if (role->engine == DISAGG_E_VLLM && role->dp > 1)
		role->dp_layout = DISAGG_DP_PER_NODE;
	role->tasks =
		role->engine == DISAGG_E_TRTLLM ? DISAGG_TASKS_PER_GPU : DISAGG_TASKS_PER_NODE;
	if (in->tasks >= 0)
		role->tasks = (enum disagg_tasks)in->tasks;
	role->placement = (enum disagg_placement)(
		in->placement >= 0 ? in->placement : ri->native->default_placement);
}

static void role_site(const struct role_input *ri)
{
	struct disagg_role *role = ri->role;
	const char *node = ri->in.node;
	int64_t number;

	role->site = role->kind == DISAGG_INFRA	      ? DISAGG_SITE_INFRA
		     : role->kind == DISAGG_BENCHMARK ? DISAGG_SITE_CLIENT
						      : DISAGG_SITE_HEAD;
	if (!node)
		return;
	if (role->gpus) {
		disagg_findings_error(ri->native->import->found, role_at(ri, "node"),
			"%s.node: only a service has a node of its own: expected gpus: 0 or "
			"placement:",
			ri->prefix);
		return;
	}
	if (!disagg_num_int(node, 0, DISAGG_MAX_NODES - 1, &number)) {
		role->site = DISAGG_SITE_NODE;
		role->site_node = (unsigned)number;
		return;
	}
	for (unsigned i = 0; site_names[i]; i++) {
		if (i != DISAGG_SITE_BEHIND_NGINX && strcmp(site_names[i], node) == 0 && node[0]) {
			role->site = (enum disagg_site)i;
			return;
		}
	}
	disagg_findings_error(ri->native->import->found, role_at(ri, "node"),
		"%s.node: expected head, infra, client, first_decode, last_decode, spread or a "
		"node's number, got '%s'",
		ri->prefix, node);
}

/* A port by `ports:` and by an engine's own flag must be one port. */
static void role_pin(const struct role_input *ri, enum disagg_port port, const char *flag)
{
	int64_t value;

	if (disagg_arg_int(ri->role->args, flag, 1, 65535, &value))
		return;
	if (ri->role->pin[port] >= 0 && ri->role->pin[port] != (int)value) {
		disagg_findings_error(ri->native->import->found,
			&disagg_arg_get(ri->role->args, flag)->at,
			"%s: args: '%s' is %d but ports.%s is %d: remove one", ri->prefix, flag,
			(int)value, disagg_port_names[port], ri->role->pin[port]);
		return;
	}
	ri->role->pin[port] = (int)value;
}

static void role_ports(const struct role_input *ri)
{
	struct disagg_role *role = ri->role;
	struct disagg_findings *found = ri->native->import->found;
	int64_t flag_port;

	for (unsigned i = 0; i < DISAGG_PORT_COUNT; i++) {
		if (ri->in.ports.port[i].set)
			role->pin[i] = (int)ri->in.ports.port[i].v;
	}
	for (size_t i = 0; i < sizeof(pin_flags) / sizeof(pin_flags[0]); i++) {
		if (pin_flags[i].engine == role->engine)
			role_pin(ri, pin_flags[i].port, pin_flags[i].flag);
	}
	if (role->gpus) {
		if (ri->in.port.set)
			disagg_findings_error(found, role_at(ri, "port"),
				"%s.port: only a service has one: expected ports.http", ri->prefix);
		return;
	}
	role->port = engine_facts[role->engine].port;
	/* the instances of a node count on from it */
	if (role->workers == 1)
		role_pin(ri, DISAGG_PORT_HTTP, "port");
	if (!disagg_arg_int(role->args, "port", 1, 65535, &flag_port))
		role->port = (int)flag_port;
	else
		flag_port = -1;
	if (!ri->in.port.set)
		return;
	if (flag_port >= 0 && flag_port != ri->in.port.v)
		disagg_findings_error(found, role_at(ri, "port"),
			"%s.port is %d but args: 'port' is %d: remove one", ri->prefix,
			(int)ri->in.port.v, (int)flag_port);
	role->port = (int)ri->in.port.v;
}

static void role_rest_check(const struct role_input *ri)
{
	struct disagg_findings *found = ri->native->import->found;

	if (ri->role->args && ri->role->args->kind != DISAGG_MAP)
		disagg_findings_error(found, &ri->role->args->at, "%s.args: expected a map, got %s",
			ri->prefix, disagg_node_type_name(ri->role->args));
	if (ri->in.placement >= 0 && !ri->role->gpus)
		disagg_findings_error(found, role_at(ri, "placement"),
			"%s.placement: only a role with GPUs has one: expected node:", ri->prefix);
	if (ri->in.binding >= 0 && !ri->role->gpus)
		disagg_findings_error(found, role_at(ri, "binding"),
			"%s.binding: only a role with GPUs has one: remove it", ri->prefix);
	if (ri->in.ready.http && ri->in.ready.http[0] != '/')
		disagg_findings_error(found,
			disagg_native_at(disagg_node_get(ri->map, "ready"), "http", &ri->role->at),
			"%s.ready.http: expected a path that begins with '/', got '%s'", ri->prefix,
			ri->in.ready.http);
}

static int role_fill(struct role_input *ri)
{
	struct disagg_import *import = ri->native->import;
	struct disagg_role *role = ri->role;
	const char *env_path = disagg_arena_printf(import->arena, "%s.env", ri->prefix);

	if (!env_path)
		return -1;
	role->args = ri->in.args;
	if (ri->in.binding >= 0)
		role->binding = (enum disagg_binding)ri->in.binding;
	role_engine_check(ri);
	role_size(ri);
	role_site(ri);
	role_ports(ri);
	role_rest_check(ri);
	role->command = ri->in.command;
	role->script = ri->in.script;
	role->after = ri->in.after;
	role->ready = ri->in.ready;
	role->srun_options = ri->native->file.slurm.srun;
	role->container = import->job->container;
	role->env = ri->native->env;
	disagg_native_env_check(import, env_path, disagg_node_get(ri->map, "env"));
	if (disagg_map_merge(import->arena, &role->env, &ri->in.env))
		return -1;
	return disagg_native_container(import, &role->container, &ri->in.container);
}

static int role_read(struct native *native, const struct disagg_pair *pair)
{
	struct disagg_import *import = native->import;
	struct role_input ri = {.native = native, .map = pair->value};
	enum disagg_engine engine = DISAGG_E_COMMAND;

	ri.in.kind = ri.in.engine = ri.in.tasks = ri.in.placement = ri.in.binding = -1;
	ri.prefix = disagg_arena_printf(import->arena, "roles.%s", pair->key);
	if (!ri.prefix)
		return -1;
	if (!role_name_valid(pair->key)) {
		disagg_findings_error(import->found, &pair->at,
			"role name '%s': expected a letter a-z, then at most 30 of a-z, 0-9, _ "
			"and -",
			pair->key);
		return 0;
	}
	if (pair->value->kind != DISAGG_MAP) {
		disagg_findings_error(import->found, &pair->value->at, "%s: expected a map, got %s",
			ri.prefix, disagg_node_type_name(pair->value));
		return 0;
	}
	if (disagg_native_read(import, &disagg_native_role_table, ri.prefix, pair->value, &ri.in))
		return -1;
	if (ri.in.engine >= 0)
		engine = (enum disagg_engine)ri.in.engine;
	ri.role = disagg_job_add_role(
		import, pair->key, role_kind(pair->key, ri.in.kind, engine), engine);
	if (!ri.role)
		return -1;
	ri.role->at = pair->at;
	native->any_gpus = native->any_gpus || ri.in.gpus.v > 0;
	return role_fill(&ri);
}

int disagg_native_roles(struct native *native)
{
	struct disagg_import *import = native->import;
	const struct disagg_node *roles = disagg_node_get(import->tree, "roles");

	if (!roles && disagg_job_accepts(import->job))
		return 0;
	if (!roles || roles->kind != DISAGG_MAP || !roles->count) {
		disagg_findings_error(import->found, roles ? &roles->at : &import->tree->at,
			"roles: expected a map of at least one role by name, got %s",
			!roles			    ? "no such key"
			: roles->kind == DISAGG_MAP ? "an empty map"
						    : disagg_node_type_name(roles));
		return 0;
	}
	if (roles->count >= DISAGG_MAX_ROLES) {
		disagg_findings_error(import->found, &roles->at,
			"roles: %u roles, but at most %u are allowed", (unsigned)roles->count,
			DISAGG_MAX_ROLES - 1);
		return 0;
	}
	for (uint32_t i = 0; i < roles->count; i++) {
		if (role_read(native, &roles->pair[i]))
			return -1;
	}
	return 0;
}
