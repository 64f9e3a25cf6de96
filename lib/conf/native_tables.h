/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_NATIVE_TABLES_H
#define DISAGG_CONF_NATIVE_TABLES_H

#include "lib/conf/job.h"

/* The native dialect as its tables read it, before it becomes a job. */
struct native_model {
	const char *path, *served_name, *precision;
};

struct native_slurm {
	const char *account, *partition, *qos, *reservation, *time, *job_name, *constraint;
	const char *exclude, *dependency, *mem;
	enum disagg_tristate segment, exclusive;
	struct disagg_int cpus_per_gpu;
	struct disagg_map sbatch, srun;
};

struct native_reserve {
	enum disagg_tristate infra, frontend, client, together;
};

struct native_bench {
	int type;   /* index in disagg_native_benches */
	int client; /* in disagg_bench_clients */
	const char *request_rate;
	struct disagg_int isl, osl;
	struct disagg_strs concurrencies;
};

struct native_file {
	struct disagg_int disagg, gpus_per_node, nodes;
	const char *name, *log_dir, *network_interface;
	struct native_model model;
	struct disagg_container container;
	struct disagg_map env;
	struct native_slurm slurm;
	struct disagg_ready health;
	int placement;
	struct native_bench bench;
	struct native_reserve reserve;
};

struct native_ports {
	struct disagg_int port[DISAGG_PORT_COUNT];
};

struct native_role {
	int kind, engine, tasks, placement, binding; /* -1: not given */
	struct disagg_int workers, gpus, port, restart;
	struct disagg_int dp, tp, pp;
	const struct disagg_node *args;
	struct disagg_map env;
	struct disagg_strs command, after;
	const char *script, *node;
	struct disagg_container container;
	struct native_ports ports;
	struct disagg_ready ready;
	enum disagg_tristate critical;
};

extern const struct disagg_table disagg_native_table;
extern const struct disagg_table disagg_native_role_table;
extern const struct disagg_table disagg_native_bench_table;

extern const char *const disagg_native_benches[];

/* Options for sbatch that have a key of their own in `slurm:`. */
struct native_option {
	const char *key;    /* in the file */
	const char *option; /* of sbatch */
	size_t offset;	    /* in struct native_slurm */
};
extern const struct native_option disagg_native_options[]; /* ends with key NULL */

#endif
