/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/inside.h"
#include "lib/base/num.h"
#include "lib/plan/hosts.h"
#include "lib/plan/taskenv.h"
#include "lib/plan/wire.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#define NODES "SLURM_JOB_NODELIST"

static const char *engine_host(void *context, uint32_t node)
{
	return disagg_inside_host(context, node);
}

/* Looked up once a node; a name without an address stands for itself, so that
 * what connects to it says what is wrong. */
static const char *engine_ip(void *context, uint32_t node)
{
	struct disagg_inside *in = context;
	const char *found;

	if (node >= in->hosts.count)
		return "";
	if (!in->ip[node]) {
		found = disagg_inside_resolve(in->arena, in->hosts.name[node]);
		in->ip[node] = found ? found : in->hosts.name[node];
	}
	return in->ip[node];
}

const char *disagg_inside_host(const struct disagg_inside *in, uint32_t node)
{
	return node < in->hosts.count ? in->hosts.name[node] : "";
}

int disagg_inside_this_node(
	const struct disagg_inside *in, uint32_t *ret_node, struct disagg_err *err)
{
	const char *name = in->get("SLURMD_NODENAME");

	for (uint32_t i = 0; name && i < in->plan->nodes; i++) {
		if (strcmp(disagg_inside_host(in, i), name) == 0) {
			*ret_node = i;
			return 0;
		}
	}
	return disagg_err_set(err, DISAGG_USAGE,
		"SLURMD_NODENAME is '%s': expected a node of the plan, in a step of its job",
		name ? name : "not set");
}

static const char *engine_getenv(void *context, const char *name)
{
	const struct disagg_inside *in = context;

	return in->get(name);
}

static int need(disagg_inside_getenv *get, const char *name, const char *advice, const char **ret,
	struct disagg_err *err)
{
	*ret = get(name);
	if (*ret && **ret)
		return 0;
	return disagg_err_set(err, DISAGG_USAGE, "%s is not set: %s", name, advice);
}

static int read_offset(struct disagg_inside *in, disagg_inside_getenv *get, struct disagg_err *err)
{
	const char *text = get(DISAGG_INSIDE_OFFSET);
	int64_t offset = 0;

	if (text && disagg_num_int(text, 0, 65535, &offset))
		return disagg_err_set(err, DISAGG_CONFIG,
			DISAGG_INSIDE_OFFSET " is '%s': expected a number from 0 to 65535", text);
	disagg_inside_set_offset(in, (int)offset);
	return 0;
}

void disagg_inside_set_offset(struct disagg_inside *in, int offset)
{
	in->port_offset = offset;
	in->engine.port_offset = offset;
}

int disagg_inside_set_excluded(struct disagg_inside *in, const char *text, struct disagg_err *err)
{
	if (disagg_plan_hosts(in->arena, in->plan, in->get(NODES), text, &in->hosts, err))
		return -1;
	in->ip = disagg_arena_array(in->arena, in->hosts.count, sizeof(*in->ip));
	return in->ip ? 0 : disagg_err_nomem(err);
}

static bool is_address(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

int disagg_inside_set_addresses(struct disagg_inside *in, const char *text, struct disagg_err *err)
{
	for (uint32_t i = 0; text && i < in->hosts.count; i++) {
		size_t len = strcspn(text, ",");
		const char *address = disagg_arena_strndup(in->arena, text, len);

		if (!address)
			return disagg_err_nomem(err);
		if (is_address(address))
			in->ip[i] = address;
		text = text[len] ? text + len + 1 : NULL;
	}
	return 0;
}

static int read_job(struct disagg_inside *in, struct disagg_err *err)
{
	struct disagg_findings found;
	char text[400];

	disagg_findings_init(&found, in->arena);
	if (disagg_job_load_config(in->arena, in->config_json, &in->job, &found) == 0)
		return 0;
	for (unsigned i = 0; i < found.count; i++) {
		if (!found.item[i].is_error)
			continue;
		disagg_finding_format(&found.item[i], text, sizeof(text));
		return disagg_err_set(
			err, DISAGG_CONFIG, "the job's configuration is damaged: %s", text);
	}
	return disagg_err_nomem(err);
}

static int read_run_dir(struct disagg_inside *in, disagg_inside_getenv *get, struct disagg_err *err)
{
	const char *given = get("DISAGG_RUN_DIR");

	in->run_dir = given && *given
			      ? given
			      : disagg_run_dir(in->arena, in->plan, in->job_id,
					get("SLURM_RESTART_COUNT"), get("SLURM_SUBMIT_DIR"));
	return in->run_dir ? 0 : disagg_err_nomem(err);
}

int disagg_inside_load(struct disagg_inside *in, struct disagg_arena *arena,
	disagg_inside_getenv *get, struct disagg_err *err)
{
	static const char advice[] = "expected a job that was submitted with --disagg-config";
	const char *wire, *nodes;

	*in = (struct disagg_inside){.arena = arena, .get = get};
	if (need(get, DISAGG_INSIDE_PLAN, advice, &wire, err) ||
		need(get, DISAGG_INSIDE_CONFIG, advice, &in->config_json, err) ||
		need(get, "SLURM_JOB_ID", "expected to run inside a job", &in->job_id, err) ||
		need(get, NODES, "expected to run inside a job", &nodes, err))
		return -1;
	if (disagg_wire_decode(arena, wire, &in->plan, err) ||
		disagg_inside_set_excluded(in, get(DISAGG_INSIDE_EXCLUDED), err) ||
		read_job(in, err) || read_run_dir(in, get, err))
		return -1;
	in->engine = (struct disagg_engine_site){.host = engine_host,
		.ip = engine_ip,
		.context = in,
		.run_dir = in->run_dir,
		.getenv = engine_getenv};
	if (read_offset(in, get, err))
		return -1;
	return disagg_inside_set_addresses(in, get(DISAGG_INSIDE_ADDRESSES), err);
}

int disagg_inside_port(const struct disagg_inside *in, int32_t planned)
{
	return planned > 0 ? planned + in->port_offset : -1;
}

const char *disagg_inside_worker_name(const struct disagg_inside *in, uint32_t role, uint32_t index)
{
	return disagg_arena_printf(in->arena, "%s_%u", in->plan->role[role].name, (unsigned)index);
}

const struct disagg_service *disagg_inside_public(const struct disagg_inside *in)
{
	const struct disagg_plan *plan = in->plan;
	const struct disagg_service *found = NULL;

	for (uint32_t i = 0; i < plan->service_count; i++) {
		const struct disagg_plan_role *role = &plan->role[plan->service[i].role];

		if (role->engine == DISAGG_E_NGINX)
			return &plan->service[i];
		if (!found && role->kind == DISAGG_FRONTEND)
			found = &plan->service[i];
	}
	return found;
}

const char *disagg_inside_url(const struct disagg_inside *in)
{
	const struct disagg_service *service = disagg_inside_public(in);
	int port, pinned;

	if (!service)
		return NULL;
	pinned = in->plan->role[service->role].pin[DISAGG_PORT_HTTP];
	port = pinned > 0 ? pinned : disagg_inside_port(in, service->port);
	if (port < 0)
		return NULL;
	return disagg_arena_printf(
		in->arena, "http://%s:%d", disagg_inside_host(in, service->node), port);
}

/* ---- addresses ---- */

static const char *address_text(struct disagg_arena *arena, const struct sockaddr *address)
{
	char text[INET6_ADDRSTRLEN];
	const void *bytes;

	if (address->sa_family == AF_INET)
		bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
	else
		bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	if (!inet_ntop(address->sa_family, bytes, text, sizeof(text)))
		return NULL;
	return disagg_arena_strdup(arena, text);
}

const char *disagg_inside_resolve(struct disagg_arena *arena, const char *host)
{
	static const int families[] = {AF_INET, AF_INET6};
	const char *text = NULL;

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !text; i++) {
		const struct addrinfo hints = {
			.ai_family = families[i], .ai_socktype = SOCK_STREAM};
		struct addrinfo *list;

		if (getaddrinfo(host, NULL, &hints, &list))
			continue;
		text = address_text(arena, list->ai_addr);
		freeaddrinfo(list);
	}
	return text;
}

const char *disagg_inside_interface(struct disagg_arena *arena, const char *interface)
{
	struct ifaddrs *list;
	const char *found = NULL;
	bool have_v4 = false;

	if (getifaddrs(&list))
		return NULL;
	for (const struct ifaddrs *p = list; p && !have_v4; p = p->ifa_next) {
		int family = p->ifa_addr ? p->ifa_addr->sa_family : AF_UNSPEC;

		if (strcmp(p->ifa_name, interface) != 0)
			continue;
		have_v4 = family == AF_INET;
		if (have_v4 || (family == AF_INET6 && !found))
			found = address_text(arena, p->ifa_addr);
	}
	freeifaddrs(list);
	return found;
}
