/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_ENGINE_ENGINE_H
#define DISAGG_ENGINE_ENGINE_H

#include "lib/base/envlist.h"
#include "lib/plan/plan.h"
#include "lib/plan/portset.h"

/*
 * What one process of a worker, or one service, is started as: argv, the
 * environment beyond that of lib/plan/taskenv.h, and the files it reads.
 * Pure: no I/O, no clock, no environ.  One file an engine.
 */

/* What is known only in the job.  Names and addresses by job-relative node. */
struct disagg_engine_site {
	/* the host name and the address of a node; never NULL.  `disagg plan
	 * --format=commands` answers "<host:3>" and "<ip:3>". */
	const char *(*host)(void *context, uint32_t node);
	const char *(*ip)(void *context, uint32_t node);
	void *context;
	int port_offset;     /* SLURM_DISAGG_PORT_OFFSET */
	const char *run_dir; /* where files go and commands find them */
	/* a variable of the job, for a path that the file writes as $NAME; NULL,
	 * or an answer of NULL: it stays as it is written */
	const char *(*getenv)(void *context, const char *name);
};

struct disagg_engine_file {
	const char *name; /* below run_dir, no '/' */
	const char *text;
};

#define DISAGG_COMMAND_LISTENS 4
struct disagg_command {
	const char **argv; /* ends with NULL; argv[0] is looked up in PATH */
	unsigned argc;
	struct disagg_envlist env; /* in order, later wins; without DISAGG_* */
	struct disagg_engine_file *file;
	unsigned file_count;
	const char **folder; /* below run_dir, made before the start; may be several levels */
	unsigned folder_count;
	/* a folder on the process's own node, made empty (0700) before the start
	 * and removed after the end; NULL: none */
	const char *scratch;
	const char *health; /* path that answers 200 when ready ("/health"); NULL: none */
	int health_port;    /* with the offset; -1: none */
	/* what it listens on beside the plan's ports, with the offset where the file
	 * does not fix it */
	struct disagg_listen {
		int port;
		bool pinned;
	} listen[DISAGG_COMMAND_LISTENS];
	unsigned listen_count;
};

/* The command of process `process` (index in plan->process) of a worker. */
int disagg_engine_worker(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, uint32_t process, const struct disagg_engine_site *site,
	struct disagg_command *ret, struct disagg_err *err);

/* The command of service `service` (index in plan->service).  A benchmark or a
 * service with neither command nor script of its own: ret->argc is 0. */
int disagg_engine_service(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, uint32_t service, const struct disagg_engine_site *site,
	struct disagg_command *ret, struct disagg_err *err);

/* Every port that the job's processes and services on a node listen on. */
struct disagg_node_ports {
	struct disagg_portset moved;  /* with the site's offset */
	struct disagg_portset pinned; /* by the file's own flags: whatever the offset */
};

/* A command that cannot be built (a model's path is missing) has the plan's ports
 * alone. */
void disagg_engine_ports(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, const struct disagg_engine_site *site, uint32_t node,
	struct disagg_node_ports *ret);

/* The frontend whose port the only worker has itself, so that there is nothing
 * to start for it; NULL: none. */
const struct disagg_service *disagg_engine_direct(const struct disagg_plan *plan);

/* The log of a worker or service in the run directory: "prefill_0.log"; in the
 * TensorRT-LLM dialect "gen_server_0.log", "ctx_server_0.log", ... */
const char *disagg_engine_log_name(
	struct disagg_arena *arena, const struct disagg_plan *plan, uint32_t role, uint32_t index);

/* The model as commands name it: a path of the node, or an id of a hub; NULL: none. */
const char *disagg_engine_model(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_engine_site *site);

/* The model id that the frontend's /v1/models must list; NULL: any. */
const char *disagg_engine_served_name(const struct disagg_job *job);

#endif
