/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_INSIDE_H
#define DISAGG_HOST_INSIDE_H

#include "lib/base/hostlist.h"
#include "lib/engine/engine.h"

/*
 * What a process inside a job knows: the plan and the configuration that the
 * job carries, its nodes, where the run's files are.  disagg-run and disagg-exec
 * build the same commands from the same struct.
 */
#define DISAGG_INSIDE_PLAN   "SLURM_DISAGG_PLAN"
#define DISAGG_INSIDE_CONFIG "SLURM_DISAGG_CONFIG"
#define DISAGG_INSIDE_OFFSET "SLURM_DISAGG_PORT_OFFSET"
/* host names of the job that the plan passes over */
#define DISAGG_INSIDE_EXCLUDED "SLURM_DISAGG_EXCLUDED"
/* numeric addresses of the plan's nodes, in order, with commas; an empty one is
 * looked up by the host's name */
#define DISAGG_INSIDE_ADDRESSES "SLURM_DISAGG_ADDRESSES"

typedef const char *disagg_inside_getenv(const char *name);

struct disagg_inside {
	struct disagg_arena *arena;
	struct disagg_plan *plan;
	struct disagg_job *job;
	const char *config_json;      /* as it travelled */
	struct disagg_hostlist hosts; /* all of the job's, the plan's first */
	const char **ip;	      /* by node; "" not looked up yet */
	const char *job_id;
	const char *run_dir;
	int port_offset;
	disagg_inside_getenv *get;
	struct disagg_engine_site engine; /* for lib/engine; points to this struct */
};

/* Fills a struct that stays where it is.  What is missing is named. */
int disagg_inside_load(struct disagg_inside *in, struct disagg_arena *arena,
	disagg_inside_getenv *get, struct disagg_err *err);

/* The host name of a job-relative node. */
const char *disagg_inside_host(const struct disagg_inside *in, uint32_t node);

/* Which node of the plan this is, by SLURMD_NODENAME. */
int disagg_inside_this_node(
	const struct disagg_inside *in, uint32_t *ret_node, struct disagg_err *err);

/* From here on the plan passes over these hosts: the text of SLURM_DISAGG_EXCLUDED. */
int disagg_inside_set_excluded(struct disagg_inside *in, const char *text, struct disagg_err *err);

/* From here on every port has this offset. */
void disagg_inside_set_offset(struct disagg_inside *in, int offset);
/* The text of SLURM_DISAGG_ADDRESSES; what is no address is as if it were empty. */
int disagg_inside_set_addresses(struct disagg_inside *in, const char *text, struct disagg_err *err);

/* A service's or a process's port with the offset; -1: none. */
int disagg_inside_port(const struct disagg_inside *in, int32_t planned);

/* Where a worker's first process, or a service, answers when it is ready.  A
 * rehearsal needs no engine: what cannot be built there answers as usual. */
struct disagg_inside_health {
	const char *path;    /* NULL: nothing to ask */
	int port;	     /* -1: none */
	const char *program; /* argv[0]; NULL: no command of its own, or a stand-in's */
};
int disagg_inside_worker_health(struct disagg_inside *in, uint32_t worker,
	struct disagg_inside_health *ret, struct disagg_err *err);
int disagg_inside_service_health(struct disagg_inside *in, uint32_t service,
	struct disagg_inside_health *ret, struct disagg_err *err);

/* Whether disagg-sim takes the place of the role's program: in a rehearsal, of
 * engines and of all that wants GPUs. */
bool disagg_inside_stands_in(const struct disagg_inside *in, uint32_t role);

/* Whether workers are found through Dynamo. */
bool disagg_inside_is_dynamo(const struct disagg_inside *in);

/* The program in `path` or the folders for servers; NULL: none. */
const char *disagg_inside_program(
	const struct disagg_inside *in, const char *name, const char *path);

/* Whether a rehearsal does without the program: etcd or NATS that are not here. */
bool disagg_inside_does_without(
	const struct disagg_inside *in, uint32_t role, const char *program, const char *path);

/* "decode_1" */
const char *disagg_inside_worker_name(
	const struct disagg_inside *in, uint32_t role, uint32_t index);

/* The service that clients talk to: nginx, else the first frontend; NULL. */
const struct disagg_service *disagg_inside_public(const struct disagg_inside *in);

/* "http://host:port" of it, in the arena; NULL: none, or no memory. */
const char *disagg_inside_url(const struct disagg_inside *in);

/* The numeric address of a host name, or of an interface of this host (IPv4
 * before IPv6); NULL where there is none. */
const char *disagg_inside_resolve(struct disagg_arena *arena, const char *host);
const char *disagg_inside_interface(struct disagg_arena *arena, const char *interface);

#endif
