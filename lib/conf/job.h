/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_JOB_H
#define DISAGG_CONF_JOB_H

#include "lib/conf/probing.h"
#include "lib/conf/schema.h"

/*
 * The one model behind the three dialects: a deployment is a list of roles.
 * Everything is in the arena that the job was loaded into.
 */
enum disagg_dialect { DISAGG_NATIVE, DISAGG_TRTLLM, DISAGG_SRTCTL };

/* What a role is to the deployment; by its name, or as the file says. */
enum disagg_role_kind {
	DISAGG_PREFILL,
	DISAGG_DECODE,
	DISAGG_AGG,
	DISAGG_FRONTEND,
	DISAGG_INFRA,
	DISAGG_BENCHMARK,
	DISAGG_OTHER,
};

enum disagg_engine {
	DISAGG_E_COMMAND,
	DISAGG_E_SGLANG,
	DISAGG_E_TRTLLM,
	DISAGG_E_VLLM,
	DISAGG_E_MOCKER,
	DISAGG_E_SGLANG_ROUTER,
	DISAGG_E_TRTLLM_SERVER, /* trtllm-serve disaggregated */
	DISAGG_E_DYNAMO_FRONTEND,
	DISAGG_E_VLLM_SERVER, /* srtctl's frontend.type: vllm */
	DISAGG_E_NGINX,
	DISAGG_E_ETCD,
	DISAGG_E_NATS,
	DISAGG_E_MOONCAKE_MASTER,
	DISAGG_E_BENCHMARK,
	DISAGG_E_COUNT,
};
/* Names as in files and in the plan: "sglang", "trtllm", ... */
extern const char *const disagg_engine_names[DISAGG_E_COUNT + 1];
extern const char *const disagg_role_kind_names[];
extern const char *const disagg_dialect_names[];

/* How a role's workers take GPUs (lib/plan/place.h). */
enum disagg_placement {
	DISAGG_PLACE_PACK,   /* go on where the last worker ended */
	DISAGG_PLACE_FRESH,  /* the role begins on a node of its own, then packs */
	DISAGG_PLACE_SPREAD, /* every worker begins on a fresh node */
};

/* One task a node of the worker, or one a GPU (an MPI world). */
enum disagg_tasks { DISAGG_TASKS_PER_NODE, DISAGG_TASKS_PER_GPU };

/* What disagg-exec chooses by where a worker's GPUs are (DISAGG_BINDING too). */
enum disagg_binding {
	DISAGG_BIND_AUTO, /* CPUs, memory and NICs */
	DISAGG_BIND_CPU,  /* CPUs and memory */
	DISAGG_BIND_NIC,
	DISAGG_BIND_NONE,
};
extern const char *const disagg_binding_names[]; /* "auto", "cpu", "nic", "none", NULL */

/* Where a service (a role without GPUs) runs. */
enum disagg_site {
	DISAGG_SITE_HEAD,	  /* the frontend's node, else the first worker node */
	DISAGG_SITE_INFRA,	  /* the reserved infra node, else head */
	DISAGG_SITE_CLIENT,	  /* the reserved client node, else head */
	DISAGG_SITE_FIRST_DECODE, /* leader node of the first decode worker */
	DISAGG_SITE_LAST_DECODE,  /* leader node of the last decode worker */
	DISAGG_SITE_BEHIND_NGINX, /* instance i on the i-th worker node but the head */
	DISAGG_SITE_NODE,	  /* role.site_node, job-relative */
	DISAGG_SITE_SPREAD,	  /* instance i on worker node i (modulo) */
};

/* What a port is for; the names of DISAGG_PORT_<NAME>. */
enum disagg_port {
	DISAGG_PORT_SYSTEM,
	DISAGG_PORT_HTTP,
	DISAGG_PORT_BOOTSTRAP,
	DISAGG_PORT_KV_EVENTS,
	DISAGG_PORT_NIXL,
	DISAGG_PORT_RPC,
	DISAGG_PORT_DIST,
	DISAGG_PORT_COUNT,
};
extern const char *const disagg_port_names[DISAGG_PORT_COUNT + 1]; /* "system", "http"... */

struct disagg_container {
	const char *image; /* NULL: none; alias already resolved */
	const char *name;
	const char *workdir;
	struct disagg_map mounts; /* host path -> container path[:flags] */
};

/* When a worker of the role counts as ready (used by the launcher). */
struct disagg_ready {
	const char *http;	    /* path, "/health" */
	struct disagg_int timeout;  /* seconds */
	struct disagg_int interval; /* seconds */
	struct disagg_int polls;    /* successes in a row */
	/* seconds that a ready worker may leave its health unanswered; 0: for ever */
	struct disagg_int lost_after;
};

struct disagg_role {
	const char *name;
	enum disagg_role_kind kind;
	enum disagg_engine engine;
	struct disagg_origin at;
	unsigned workers; /* instances */
	unsigned gpus;	  /* a worker's; 0: a service */
	enum disagg_tasks tasks;
	enum disagg_placement placement;
	enum disagg_binding binding;
	enum disagg_site site;
	unsigned site_node;
	int port;			/* a service's public port; -1: none */
	int pin[DISAGG_PORT_COUNT];	/* a port that the file's own flags fix; -1: none */
	const struct disagg_node *args; /* the engine's own settings, unread; may be NULL */
	struct disagg_map env;		/* all layers that apply to the role, later wins */
	struct disagg_strs command;	/* DISAGG_E_COMMAND */
	const char *script;		/* a shell line that the file gives (custom benchmark) */
	struct disagg_strs after;	/* role names */
	struct disagg_container container;
	struct disagg_map srun_options;
	struct disagg_ready ready;
	bool critical;
	unsigned restart; /* times */
	/* vLLM data parallelism (facts of srtctl: one process a node, or a GPU) */
	unsigned dp, tp, pp; /* 0: not given */
	enum disagg_dp_layout { DISAGG_DP_NONE, DISAGG_DP_PER_NODE, DISAGG_DP_PER_GPU } dp_layout;
};

/* Which placement and port rule the plan follows. */
enum disagg_rule {
	DISAGG_RULE_NATIVE,	/* GPU cursor, ragged workers allowed */
	DISAGG_RULE_SRTCTL,	/* srtctl's allocator; its defects refused */
	DISAGG_RULE_PER_SERVER, /* TensorRT-LLM F1: nodes of its own for each server */
	DISAGG_RULE_COMPACT,	/* TensorRT-LLM F3: one GPU cursor over all servers */
};

/* Who measures: `benchmark.client`. */
enum disagg_bench_client {
	DISAGG_CLIENT_AUTO, /* the file's client where it is there, else disagg-bench */
	DISAGG_CLIENT_OWN,
	DISAGG_CLIENT_DISAGG,
};
extern const char *const disagg_bench_clients[];

struct disagg_bench {
	const char *type; /* NULL: none; "sa-bench", "manual", "custom", ... */
	struct disagg_int isl, osl;
	struct disagg_strs concurrencies; /* integers, as text */
	const char *request_rate;	  /* "inf" or a number */
	enum disagg_bench_client client;
	struct disagg_map options; /* every other key of the section, as text (JSON for trees) */
};

/* One option for sbatch and friends that the file or the cluster file gives. */
struct disagg_directive {
	const char *option; /* long name without dashes: "partition" */
	const char *value;  /* "" for a flag */
	struct disagg_origin at;
	bool from_cluster; /* a default of the cluster file, weaker than the job file */
};

struct disagg_job {
	enum disagg_dialect dialect;
	const char *source;  /* path as given */
	const char *variant; /* NULL: a plain file */
	const char *name;
	struct disagg_role *role; /* in placement order, then services in start order */
	unsigned role_count;
	unsigned gpus_per_node;
	enum disagg_rule rule;
	unsigned want_nodes; /* worker nodes that the file states; 0: as many as needed */
	bool colocate;	     /* vLLM: decode may begin on a prefill node */
	bool decode_shares;  /* srtctl decode_nodes: 0 */
	bool spread_workers;
	bool pools; /* srtctl het_jobs: prefill on the first prefill_nodes, decode behind them */
	bool reserve_infra, reserve_frontend, reserve_client, reserve_together;
	unsigned prefill_nodes, decode_nodes; /* as the file states; for the frontend rules */

	const char *model_path; /* alias resolved; may be a placeholder or NULL */
	const char *served_name;
	const char *precision;
	const char *gpu_type;
	struct disagg_container container;
	struct disagg_bench bench;
	struct disagg_probing probing;
	struct disagg_ready health;    /* of the whole deployment */
	const char *log_dir;	       /* NULL: beside the job's output */
	const char *network_interface; /* NULL: what the host name resolves to */
	struct disagg_directive *directive;
	unsigned directive_count;
	bool gpus_unmanaged;   /* the cluster has no GPU gres */
	unsigned node_gpus;    /* physical GPUs of a node, by the cluster file; 0: unknown */
	unsigned cpus_per_gpu; /* cluster file; 0: unknown */
	bool want_exclusive, want_segment;
	bool rehearse;

	const struct disagg_node *tree;	   /* the resolved file, as it travels */
	const struct disagg_node *cluster; /* the chosen cluster's map, may be NULL */
	const char *cluster_name;	   /* may be NULL */
	struct disagg_map settings;	   /* every other section that later stages read, flattened:
					      "profiling.type" -> "nsys" */
	struct disagg_trace trace;	   /* every value with its origin */
};

/* Without roles but with probes of its own a job accepts nodes: those that Slurm
 * gives it, however many. */
static inline bool disagg_job_accepts(const struct disagg_job *job)
{
	return !job->role_count && job->probing.own && job->probing.suite != DISAGG_PROBING_NONE;
}

/* ---- loading (load.c) ---- */

struct disagg_request {
	const char *path;	/* FILE of --disagg-config */
	const char *variant;	/* NULL: none given */
	const char *const *set; /* "PATH=VALUE" of --disagg-set */
	unsigned set_count;
	const char *set_name;	  /* the option that these came by; NULL: --disagg-set */
	const char *env_set;	  /* DISAGG_SET: the same, separated by newlines or ';' */
	const char *cluster_file; /* NULL: none; missing is fine unless must_exist */
	bool cluster_file_must_exist;
	const char *cluster_name; /* NULL: the cluster file's default */
	bool rehearse;
};

/*
 * File, layers, dialect, model, validation.  0 and *ret_job when there is no
 * error among the findings (there may be warnings); -1 otherwise, with at
 * least one error in `found`.  All memory is in `arena`.
 */
int disagg_job_load(struct disagg_arena *arena, const struct disagg_request *request,
	struct disagg_job **ret_job, struct disagg_findings *found);

/* The same from what a job carries (disagg_job_config's text). */
int disagg_job_load_config(struct disagg_arena *arena, const char *json,
	struct disagg_job **ret_job, struct disagg_findings *found);

/* The resolved configuration as one line of JSON (schema disagg.config/1), at
 * most DISAGG_MAX_CONFIG_BYTES; into the arena. */
int disagg_job_config(struct disagg_arena *arena, const struct disagg_job *job,
	const char **ret_json, struct disagg_err *err);

/* "FILE[:VARIANT]" split where the part before the last colon is a file, or
 * the whole is not; both into the arena. */
int disagg_config_split(struct disagg_arena *arena, const char *text, const char **ret_path,
	const char **ret_variant, struct disagg_err *err);

/* Which dialect the top-level keys say; an error tells what was looked for. */
int disagg_dialect_detect(
	const struct disagg_node *root, enum disagg_dialect *ret, struct disagg_err *err);

/* ---- the importers: a merged tree to a job (one file each) ---- */

struct disagg_import {
	struct disagg_arena *arena;
	struct disagg_findings *found;
	const struct disagg_node *tree;
	const struct disagg_cluster *cluster; /* may be NULL */
	struct disagg_job *job;		      /* zeroed but for dialect, source, variant, trace */
};

/* Each fills import->job; problems become findings.  -1: no memory. */
int disagg_import_native(struct disagg_import *import);
int disagg_import_trtllm(struct disagg_import *import);
int disagg_import_srtctl(struct disagg_import *import);

/* ---- helpers that the importers share (job.c) ---- */

struct disagg_role *disagg_job_add_role(struct disagg_import *import, const char *name,
	enum disagg_role_kind kind, enum disagg_engine engine);
/* later wins, in place; -1: no memory */
int disagg_map_set(struct disagg_arena *arena, struct disagg_map *map, const char *key,
	const char *value, struct disagg_origin at);
/* every entry of `over` set in `map`; the two may not be the same */
int disagg_map_merge(
	struct disagg_arena *arena, struct disagg_map *map, const struct disagg_map *over);
const char *disagg_map_get(const struct disagg_map *map, const char *key);
/* Kept once an option: the job file's word beats the cluster file's, a value
 * beats a placeholder, and two different words of one file are an error. */
int disagg_job_directive(struct disagg_import *import, const char *option, const char *value,
	struct disagg_origin at, bool from_cluster);
/* Flattens a tree into job->settings below `prefix`; lists become JSON, nulls
 * are left out. */
int disagg_job_settings(
	struct disagg_import *import, const char *prefix, const struct disagg_node *tree);
const struct disagg_role *disagg_job_role(const struct disagg_job *job, const char *name);

/* A setting of an engine by its flag's name; '-' and '_' count as equal. */
const struct disagg_node *disagg_arg_get(const struct disagg_node *args, const char *flag);
/* The same as a whole number in [min, max]; -1 where it is not there or none. */
int disagg_arg_int(
	const struct disagg_node *args, const char *flag, int64_t min, int64_t max, int64_t *ret);

/* ---- cross-field rules that hold for every dialect (validate.c) ---- */
int disagg_job_validate(struct disagg_import *import);

#endif
