/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_BASE_LIMITS_H
#define DISAGG_BASE_LIMITS_H

/*
 * Every bound on what a user or another machine controls, in one place.
 * Going over one is an error that names it, never a truncation.
 */
#define DISAGG_MAX_YAML_BYTES	 (1024u * 1024u) /* one file */
#define DISAGG_MAX_YAML_DEPTH	 32u
#define DISAGG_MAX_YAML_NODES	 50000u /* after alias expansion */
#define DISAGG_MAX_YAML_ANCHORS	 1024u
#define DISAGG_MAX_WIRE_BYTES	 (32u * 1024u)
#define DISAGG_MAX_CONFIG_BYTES	 (64u * 1024u) /* SLURM_DISAGG_CONFIG */
#define DISAGG_MAX_ARENA_BYTES	 (64u * 1024u * 1024u)
#define DISAGG_MAX_NODES	 16384u
#define DISAGG_MAX_GPUS_PER_NODE 64u
#define DISAGG_MAX_GPUS		 131072u
#define DISAGG_MAX_WORKERS	 65536u /* of all roles together */
#define DISAGG_MAX_ROLES	 64u
#define DISAGG_MAX_ENV		 512u  /* variables of one role */
#define DISAGG_MAX_VARIANTS	 1024u /* of one file */
#define DISAGG_MAX_SETS		 256u  /* --disagg-set options */
#define DISAGG_MAX_ERRORS	 20u   /* printed for one file */
#define DISAGG_MAX_WARNINGS	 100u
#define DISAGG_MAX_HOSTLIST	 65536u

#endif
