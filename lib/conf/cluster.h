/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_CLUSTER_H
#define DISAGG_CONF_CLUSTER_H

#include "lib/conf/probing.h"
#include "lib/conf/schema.h"

/*
 * The admin's file: /etc/slurm/disagg/cluster.yaml.  Two forms: ours
 * (`clusters:` by name, `env:` by glob of the cluster's name) and srtctl's
 * flat srtslurm.yaml, recognised from its keys.  Unknown keys are errors.
 */
struct disagg_cluster {
	const char *name;
	const char *account, *partition, *qos, *reservation, *time, *constraint;
	struct disagg_int gpus_per_node; /* physical */
	struct disagg_int cpus_per_gpu;
	int gpus;    /* 0 managed, 1 unmanaged */
	int binding; /* enum disagg_binding of job.h, for roles that say none */
	const char *network_interface;
	enum disagg_tristate use_gpus_per_node, use_segment, use_exclusive;
	enum disagg_tristate nginx_raise_ulimit;
	struct disagg_map models, containers, mounts;
	struct disagg_map sbatch; /* default directives */
	struct disagg_map env;	  /* all `env:` entries whose glob fits, in order */
	struct disagg_int health_timeout, health_interval; /* seconds */
	const char *log_dir;
	struct disagg_probing probing;
	const struct disagg_node *tree; /* the chosen cluster as it travels with a job */
};

/*
 * Reads `root` and picks a cluster: `name` where it is given (missing: an
 * error that lists what there is), else the file's `default:`, else the only
 * one, else none (NULL).  -1: no memory; problems become findings.
 */
int disagg_cluster_read(struct disagg_arena *arena, const struct disagg_node *root,
	const char *name, struct disagg_cluster **ret_cluster, struct disagg_findings *found);

/* From disagg_cluster.tree, in a job. */
int disagg_cluster_read_carried(struct disagg_arena *arena, const struct disagg_node *tree,
	struct disagg_cluster **ret_cluster, struct disagg_findings *found);

/* An alias's target, or the name itself. */
const char *disagg_cluster_model(const struct disagg_cluster *cluster, const char *name);
const char *disagg_cluster_container(const struct disagg_cluster *cluster, const char *name);

#endif
