/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/srtctl_tables.h"
#include <string.h>

#define PORT_PUBLIC   8000
#define PORT_BEHIND   8180
#define PORT_ETCD     2379
#define PORT_NATS     4222
#define PORT_MOONCAKE 8700
#define MOST_AFTER    8u

bool disagg_srt_has_mooncake(const struct disagg_import *import)
{
	return disagg_srt_given(import, "backend.mooncake_kv_store");
}

/* Dynamo finds its workers through etcd and NATS; the other frontends are told. */
static bool needs_discovery(const struct disagg_srt *srt)
{
	return srt->frontend.type == DISAGG_SRT_F_DYNAMO;
}

const char *disagg_srt_health_path(const struct disagg_srt *srt)
{
	return srt->frontend.type == DISAGG_SRT_F_SGLANG ? "/workers" : "/health";
}

static int after(struct disagg_import *import, struct disagg_strs *list, const char *name)
{
	if (!list->v)
		list->v = disagg_arena_array(import->arena, MOST_AFTER, sizeof(*list->v));
	if (!list->v || list->count == MOST_AFTER)
		return -1;
	list->v[list->count++] = name;
	return 0;
}

int disagg_srt_worker_after(
	struct disagg_import *import, const struct disagg_srt *srt, struct disagg_strs *ret)
{
	if (needs_discovery(srt) && (after(import, ret, "etcd") || after(import, ret, "nats")))
		return -1;
	if (disagg_srt_has_mooncake(import) && after(import, ret, "mooncake"))
		return -1;
	return 0;
}

static int after_workers(
	struct disagg_import *import, const struct disagg_srt *srt, struct disagg_strs *ret)
{
	for (int mode = 0; mode < DISAGG_SRT_MODES; mode++) {
		if (disagg_srt_workers(srt, (enum disagg_srt_mode)mode) &&
			after(import, ret, disagg_srt_modes[mode]))
			return -1;
	}
	return 0;
}

static struct disagg_role *add_service(struct disagg_import *import, const char *name,
	enum disagg_role_kind kind, enum disagg_engine engine, const char *section)
{
	struct disagg_role *role = disagg_job_add_role(import, name, kind, engine);

	if (!role)
		return NULL;
	role->at = *disagg_srt_at(import, section);
	role->container = import->job->container;
	role->site = DISAGG_SITE_HEAD;
	return role;
}

static const char *image(const struct disagg_import *import, const char *name, const char *other)
{
	return name && name[0] ? disagg_cluster_container(import->cluster, name) : other;
}

static int add_infra(struct disagg_import *import, const struct disagg_srt *srt, const char *name,
	enum disagg_engine engine, int port)
{
	struct disagg_role *role = add_service(import, name, DISAGG_INFRA, engine, "infra");

	if (!role)
		return -1;
	role->site = DISAGG_SITE_INFRA;
	role->port = port;
	role->ready.timeout = (struct disagg_int){true, 300};
	if (engine == DISAGG_E_ETCD)
		role->ready.http = "/health";
	return disagg_srt_env(import, srt, NULL, &role->env);
}

static int add_mooncake(struct disagg_import *import, const struct disagg_srt *srt)
{
	struct disagg_role *role = add_service(import, "mooncake", DISAGG_INFRA,
		DISAGG_E_MOONCAKE_MASTER, "backend.mooncake_kv_store");

	if (!role)
		return -1;
	role->site = DISAGG_SITE_INFRA;
	role->port = PORT_MOONCAKE;
	role->ready.timeout = (struct disagg_int){true, 120};
	role->container.image =
		image(import, srt->backend.mooncake.container, role->container.image);
	/* its env section is the workers' */
	return disagg_srt_env(import, srt, NULL, &role->env);
}

/* ---- frontends ---- */

static const enum disagg_engine frontend_engines[DISAGG_SRT_FRONTENDS] = {
	[DISAGG_SRT_F_DYNAMO] = DISAGG_E_DYNAMO_FRONTEND,
	[DISAGG_SRT_F_SGLANG] = DISAGG_E_SGLANG_ROUTER,
	[DISAGG_SRT_F_TRTLLM_SERVE] = DISAGG_E_TRTLLM_SERVER,
	[DISAGG_SRT_F_VLLM] = DISAGG_E_VLLM_SERVER,
};

/* Instances: one, or behind nginx one on each other node up to the limit. */
static unsigned frontend_count(const struct disagg_srt *srt)
{
	int64_t others, most;

	if (!disagg_srt_uses_nginx(srt))
		return 1;
	others = disagg_srt_worker_nodes(srt) - (srt->frontend.dedicated_node != DISAGG_YES);
	most = srt->frontend.additional.v + 1;
	return (unsigned)(most < others ? most : others);
}

static enum disagg_site frontend_site(const struct disagg_srt *srt)
{
	if (disagg_srt_uses_nginx(srt))
		return DISAGG_SITE_BEHIND_NGINX;
	return srt->frontend.placement == DISAGG_SRT_F_FIRST_DECODE ? DISAGG_SITE_FIRST_DECODE
								    : DISAGG_SITE_HEAD;
}

static int frontend_after(
	struct disagg_import *import, const struct disagg_srt *srt, struct disagg_role *role)
{
	if (needs_discovery(srt))
		return after(import, &role->after, "etcd") || after(import, &role->after, "nats")
			       ? -1
			       : 0;
	return after_workers(import, srt, &role->after);
}

static int add_frontends(struct disagg_import *import, const struct disagg_srt *srt)
{
	bool nginx = disagg_srt_uses_nginx(srt);
	struct disagg_role *role = add_service(import, "frontend", DISAGG_FRONTEND,
		frontend_engines[srt->frontend.type], "frontend");

	if (!role || frontend_after(import, srt, role))
		return -1;
	role->workers = frontend_count(srt);
	role->site = frontend_site(srt);
	role->port = nginx ? PORT_BEHIND : PORT_PUBLIC;
	role->args = srt->frontend.args;
	role->ready = import->job->health;
	if (disagg_srt_env(import, srt, NULL, &role->env) ||
		disagg_map_merge(import->arena, &role->env, &srt->frontend.env))
		return -1;
	if (!nginx)
		return 0;
	role = add_service(import, "nginx", DISAGG_FRONTEND, DISAGG_E_NGINX, "frontend");
	if (!role || after(import, &role->after, "frontend"))
		return -1;
	role->port = PORT_PUBLIC;
	role->ready = import->job->health;
	role->container.image = image(import, srt->frontend.nginx_container, role->container.image);
	/* nothing of the file's environment is for a proxy */
	return 0;
}

/* ---- benchmark ---- */

static int add_benchmark(struct disagg_import *import, const struct disagg_srt *srt)
{
	bool last = srt->benchmark.placement == DISAGG_SRT_C_LAST_DECODE;
	const char *public = disagg_srt_uses_nginx(srt) ? "nginx" : "frontend";
	struct disagg_role *role;

	if (srt->bench == DISAGG_SRT_B_MANUAL)
		return 0;
	role = add_service(import, "benchmark", DISAGG_BENCHMARK, DISAGG_E_BENCHMARK, "benchmark");
	if (!role || after_workers(import, srt, &role->after) ||
		after(import, &role->after, public))
		return -1;
	role->site = last ? DISAGG_SITE_LAST_DECODE : DISAGG_SITE_CLIENT;
	if (srt->bench == DISAGG_SRT_B_CUSTOM)
		role->script = srt->benchmark.command;
	role->container.image =
		image(import, srt->benchmark.container_image, role->container.image);
	if (disagg_srt_env(import, srt, NULL, &role->env))
		return -1;
	return disagg_map_merge(import->arena, &role->env, &srt->benchmark.env);
}

int disagg_srt_add_services(struct disagg_import *import, const struct disagg_srt *srt)
{
	if (needs_discovery(srt) &&
		(add_infra(import, srt, "etcd", DISAGG_E_ETCD, PORT_ETCD) ||
			add_infra(import, srt, "nats", DISAGG_E_NATS, PORT_NATS)))
		return -1;
	if (disagg_srt_has_mooncake(import) && add_mooncake(import, srt))
		return -1;
	return add_frontends(import, srt) || add_benchmark(import, srt) ? -1 : 0;
}
