/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_ENGINE_BUILD_H
#define DISAGG_ENGINE_BUILD_H

#include "lib/engine/engine.h"
#include <stdbool.h>

/*
 * What the engines' files share while one command is built; private to
 * lib/engine.  Appending never reports: a lack of memory is remembered in
 * `failed` and told once, at the end.
 */
struct disagg_cmd {
	struct disagg_arena *arena;
	const struct disagg_job *job;
	const struct disagg_plan *plan;
	const struct disagg_engine_site *site;
	struct disagg_err *err;
	const struct disagg_role *role;
	const struct disagg_worker *worker;   /* NULL: a service */
	const struct disagg_process *process; /* NULL: a service */
	const struct disagg_process *leader;  /* the worker's first process */
	const struct disagg_service *service; /* NULL: a worker */
	uint32_t index, rank;		      /* instance of the role; process of the worker */
	uint32_t nodes, node_rank;	      /* of the worker, each node once */
	bool dynamo; /* the deployment's frontend is Dynamo's: workers register with it */
	bool failed; /* memory */
	unsigned argv_size, file_size, folder_size;
	struct disagg_command *out;
};

/* A service of the plan, with nothing built yet. */
int disagg_cmd_begin_service(struct disagg_cmd *ret, struct disagg_arena *arena,
	const struct disagg_job *job, const struct disagg_plan *plan, uint32_t service,
	const struct disagg_engine_site *site, struct disagg_command *out, struct disagg_err *err);

/* ---- argv ---- */

void disagg_cmd_put(struct disagg_cmd *cmd, const char *arg);
void disagg_cmd_putf(struct disagg_cmd *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Several; NULL ends them. */
void disagg_cmd_put_all(struct disagg_cmd *cmd, const char *const *args);
/* "--flag" and its value. */
void disagg_cmd_flag(struct disagg_cmd *cmd, const char *flag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same where the role's own settings do not have the flag. */
void disagg_cmd_own(struct disagg_cmd *cmd, const char *flag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * A map to flags: true is the bare flag, false and null are left out, a list
 * is the flag and its items, a map inside is JSON.  `skip` (NULL ends it, may
 * be NULL) names flags that the command gives itself.
 */
enum disagg_flag_style {
	DISAGG_FLAG_DASHES, /* '_' in a name becomes '-' */
	DISAGG_FLAG_AS_IS,
	DISAGG_FLAG_ASSIGN, /* as it is, and --name=value in one word */
};
void disagg_cmd_flags(struct disagg_cmd *cmd, const struct disagg_node *map,
	const char *const *skip, enum disagg_flag_style style);

/* Whether the role's settings give the flag a value other than false or null. */
bool disagg_cmd_given(const struct disagg_cmd *cmd, const char *flag);
/* A scalar as Python's str() has it; in the arena, NULL: no memory. */
const char *disagg_cmd_text(struct disagg_cmd *cmd, const struct disagg_node *node);

/* ---- environment ---- */

/* Whatever the file says; value NULL unsets. */
void disagg_cmd_env(struct disagg_cmd *cmd, const char *name, const char *value);
void disagg_cmd_envf(struct disagg_cmd *cmd, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Where the role's own environment does not have it. */
void disagg_cmd_env_default(struct disagg_cmd *cmd, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- files ---- */

/* Takes the text and releases it. */
void disagg_cmd_file(struct disagg_cmd *cmd, const char *name, struct disagg_strbuf *text);
void disagg_cmd_folder(struct disagg_cmd *cmd, const char *name);
/* A folder in the node's /tmp that no other service or job has. */
void disagg_cmd_scratch(struct disagg_cmd *cmd);
/* For names that must differ between jobs and be the same in every task. */
unsigned long long disagg_cmd_hash(const struct disagg_cmd *cmd);
/* The run directory's path of a file. */
const char *disagg_cmd_path(struct disagg_cmd *cmd, const char *name);
/* A tree as block YAML that YAML 1.1 readers take with the same types. */
void disagg_cmd_yaml(const struct disagg_node *node, unsigned indent, struct disagg_strbuf *ret);

/* ---- what the plan and the job say ---- */

const char *disagg_cmd_host(const struct disagg_cmd *cmd, uint32_t node);
const char *disagg_cmd_ip(const struct disagg_cmd *cmd, uint32_t node);
/* A planned port of a role in this job; -1: none, 0: any. */
int disagg_cmd_port_of(
	const struct disagg_cmd *cmd, uint32_t role, enum disagg_port port, int32_t planned);
/* Of the process or service at hand. */
int disagg_cmd_port(const struct disagg_cmd *cmd, enum disagg_port port);
/* How many processes have a number below this one's: what ports of a kind
 * that the plan does not have are counted by. */
uint32_t disagg_cmd_ordinal(const struct disagg_cmd *cmd);
/* Notes a port that the process opens beside the plan's. */
void disagg_cmd_listens(struct disagg_cmd *cmd, int port, bool pinned);
/* The first service of an engine, or NULL. */
const struct disagg_service *disagg_cmd_service(
	const struct disagg_cmd *cmd, enum disagg_engine engine);
int disagg_cmd_service_port(const struct disagg_cmd *cmd, const struct disagg_service *service);
/* The process that answers for a worker. */
const struct disagg_process *disagg_cmd_leader(
	const struct disagg_cmd *cmd, const struct disagg_worker *worker);
/* The frontend whose port the only worker has itself, or NULL. */
const struct disagg_service *disagg_cmd_direct(const struct disagg_cmd *cmd);

const char *disagg_cmd_setting(const struct disagg_cmd *cmd, const char *key);
bool disagg_cmd_setting_is(const struct disagg_cmd *cmd, const char *key, const char *value);
/* The same as a switch. */
bool disagg_cmd_setting_on(const struct disagg_cmd *cmd, const char *key, bool otherwise);
/* The same as a whole number; -1 where there is none. */
int64_t disagg_cmd_setting_int(const struct disagg_cmd *cmd, const char *key);
/* A section of the file as it was written, or NULL. */
const struct disagg_node *disagg_cmd_section(const struct disagg_cmd *cmd, const char *path);

/* "prefill", "decode" or "agg", as engines and srtctl's settings call it. */
const char *disagg_cmd_mode(const struct disagg_cmd *cmd);
/* Prefill or decode, and so half of a pair. */
bool disagg_cmd_is_half(const struct disagg_cmd *cmd);
/* The model as the engine is told it: a folder, or an id of a hub. */
const char *disagg_cmd_model(struct disagg_cmd *cmd);

/* Refuses what a command cannot be built without: the model's path. */
int disagg_cmd_need_model(struct disagg_cmd *cmd);

/* ---- the parts ---- */

/* What Dynamo and its clients read in every worker (dynamo.c). */
void disagg_cmd_dynamo_env(struct disagg_cmd *cmd);
/* How a worker talks to Dynamo's frontend, and where it dumps its settings. */
void disagg_cmd_dynamo_flags(struct disagg_cmd *cmd);
/* Profiler variables, and what goes before the command (profile.c). */
void disagg_cmd_profile_env(struct disagg_cmd *cmd);
void disagg_cmd_profile_prefix(struct disagg_cmd *cmd);
/* "--kv-events-config" where the file asks for it (dynamo.c). */
void disagg_cmd_kv_events(struct disagg_cmd *cmd, const char *more);
/* The shared KV store's address (infra.c). */
void disagg_cmd_mooncake_env(struct disagg_cmd *cmd);
/* What srtctl tells the clients of a recipe: where frontend and workers are, by
 * address, and what is profiled (client_env.c).  `type` as in the file. */
void disagg_cmd_client_env(struct disagg_cmd *cmd, const char *type, struct disagg_envlist *ret);
/* The settings of a trtllm worker as a file; its path (trtllm.c). */
const char *disagg_cmd_trtllm_config(struct disagg_cmd *cmd);

/* One an engine; argv, env, files.  0, or -1 with an error. */
int disagg_engine_sglang(struct disagg_cmd *cmd);
int disagg_engine_trtllm(struct disagg_cmd *cmd);
int disagg_engine_vllm(struct disagg_cmd *cmd);
int disagg_engine_mocker(struct disagg_cmd *cmd);
int disagg_engine_command(struct disagg_cmd *cmd);
int disagg_engine_sglang_router(struct disagg_cmd *cmd);
int disagg_engine_trtllm_server(struct disagg_cmd *cmd);
int disagg_engine_dynamo_frontend(struct disagg_cmd *cmd);
int disagg_engine_vllm_server(struct disagg_cmd *cmd);
int disagg_engine_nginx(struct disagg_cmd *cmd);
int disagg_engine_etcd(struct disagg_cmd *cmd);
int disagg_engine_nats(struct disagg_cmd *cmd);
int disagg_engine_mooncake_master(struct disagg_cmd *cmd);

#endif
