/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/inside.h"
#include "lib/host/proc.h"
#include <string.h>

static const struct disagg_role *role_of(const struct disagg_inside *in, uint32_t role)
{
	return disagg_job_role(in->job, in->plan->role[role].name);
}

/* What a file's own rule says goes before what the engine is known for. */
static void apply_rule(const struct disagg_inside *in, uint32_t role, int port,
	struct disagg_inside_health *health)
{
	const struct disagg_role *conf = role_of(in, role);

	if (conf && conf->ready.http)
		health->path = conf->ready.http;
	if (health->path && health->port < 0)
		health->port = port;
}

static int service_port(const struct disagg_inside *in, const struct disagg_service *service)
{
	int pinned = in->plan->role[service->role].pin[DISAGG_PORT_HTTP];

	return pinned > 0 ? pinned : disagg_inside_port(in, service->port);
}

static int worker_port(const struct disagg_inside *in, const struct disagg_process *process)
{
	const struct disagg_service *direct =
		disagg_inside_is_dynamo(in) ? NULL : disagg_engine_direct(in->plan);
	const struct disagg_plan_role *role =
		&in->plan->role[in->plan->worker[process->worker].role];
	static const enum disagg_port asked[] = {DISAGG_PORT_HTTP, DISAGG_PORT_SYSTEM};

	if (direct)
		return service_port(in, direct);
	for (unsigned i = 0; i < 2; i++) {
		enum disagg_port port = asked[disagg_inside_is_dynamo(in) ? 1 - i : i];

		if (process->port[port] > 0 && role->pin[port] > 0)
			return role->pin[port];
		if (process->port[port] > 0)
			return disagg_inside_port(in, process->port[port]);
	}
	return -1;
}

int disagg_inside_worker_health(struct disagg_inside *in, uint32_t worker,
	struct disagg_inside_health *ret, struct disagg_err *err)
{
	const struct disagg_worker *w = &in->plan->worker[worker];
	int port = worker_port(in, &in->plan->process[w->first_process]);
	bool stands_in = disagg_inside_stands_in(in, w->role);
	struct disagg_inside_health health = {.path = "/health", .port = port};
	struct disagg_command command = {0};
	struct disagg_err why = DISAGG_ERR_INIT;

	if (disagg_engine_worker(in->arena, in->job, in->plan, w->first_process, &in->engine,
		    &command, &why) == 0) {
		health.path = command.health;
		health.program = command.argc ? command.argv[0] : NULL;
		health.port = command.health_port > 0 ? command.health_port : -1;
	} else if (!stands_in) {
		if (err)
			*err = why;
		return -1;
	}
	/* a stand-in answers even where the engine has nothing to ask */
	if (stands_in && health.port < 0)
		health = (struct disagg_inside_health){.path = "/health", .port = port};
	apply_rule(in, w->role, port, &health);
	*ret = health;
	return 0;
}

int disagg_inside_service_health(struct disagg_inside *in, uint32_t service,
	struct disagg_inside_health *ret, struct disagg_err *err)
{
	const struct disagg_service *s = &in->plan->service[service];
	int port = service_port(in, s);
	struct disagg_inside_health health = {.path = "/health", .port = port};
	struct disagg_command command = {0};
	struct disagg_err why = DISAGG_ERR_INIT;

	if (disagg_engine_service(
		    in->arena, in->job, in->plan, service, &in->engine, &command, &why) == 0) {
		health.path = command.health;
		health.program = command.argc ? command.argv[0] : NULL;
		health.port = command.health_port > 0 ? command.health_port : -1;
	} else if (!disagg_inside_stands_in(in, s->role)) {
		if (err)
			*err = why;
		return -1;
	}
	apply_rule(in, s->role, port, &health);
	*ret = health;
	return 0;
}

/* The programs that a rehearsal starts as they are: they need neither GPU nor
 * model. */
static bool is_real_in_rehearsal(const struct disagg_plan_role *role)
{
	switch (role->engine) {
	case DISAGG_E_ETCD:
	case DISAGG_E_NATS:
	case DISAGG_E_NGINX:
	case DISAGG_E_BENCHMARK:
		return true;
	case DISAGG_E_COMMAND:
		return role->gpus == 0;
	default:
		return false;
	}
}

bool disagg_inside_stands_in(const struct disagg_inside *in, uint32_t role)
{
	return in->plan->rehearse && !is_real_in_rehearsal(&in->plan->role[role]);
}

bool disagg_inside_is_dynamo(const struct disagg_inside *in)
{
	for (uint32_t i = 0; i < in->plan->role_count; i++) {
		if (in->plan->role[i].engine == DISAGG_E_DYNAMO_FRONTEND)
			return true;
	}
	return false;
}

const char *disagg_inside_program(
	const struct disagg_inside *in, const char *name, const char *path)
{
	const char *found = disagg_proc_find(in->arena, name, path);

	if (found || strchr(name, '/'))
		return found;
	return disagg_proc_find(in->arena, name, "/usr/local/sbin:/usr/sbin:/sbin");
}

bool disagg_inside_does_without(
	const struct disagg_inside *in, uint32_t role, const char *program, const char *path)
{
	enum disagg_engine engine = in->plan->role[role].engine;

	return in->plan->rehearse && (engine == DISAGG_E_ETCD || engine == DISAGG_E_NATS) &&
	       program && !disagg_inside_program(in, program, path);
}
