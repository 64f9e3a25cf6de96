/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_ADAPTER_H
#define DISAGG_SPANK_ADAPTER_H

#include "lib/base/arena.h"
#include "lib/base/envlist.h"
#include "lib/base/err.h"
#include <stdint.h>
#include <sys/types.h>

/* What the plugin asks of SPANK, in the project's own terms. */
struct spank_handle;

typedef int disagg_option_callback(int option, const char *value, int remote);

/* Only from slurm_spank_init. */
int disagg_adapter_register(
	struct spank_handle *sp, disagg_option_callback *callback, struct disagg_err *err);

/* A variable of the job or the task, in the arena; NULL where there is none
 * (then err, which may be NULL, is left alone) or where it could not be read. */
const char *disagg_adapter_getenv(struct spank_handle *sp, struct disagg_arena *arena,
	const char *name, struct disagg_err *err);

/* The list into the environment of the task. */
int disagg_adapter_apply(
	struct spank_handle *sp, const struct disagg_envlist *list, struct disagg_err *err);
void disagg_adapter_unsetenv(struct spank_handle *sp, const char *name);

struct disagg_job_facts {
	uint32_t job_id;
	uint32_t step_id;
	uint32_t nodes;	  /* of the step */
	uint32_t node_id; /* this node's place among them */
	uint32_t local_tasks;
};

struct disagg_task_facts {
	uint32_t local_id;
	uint32_t global_id;
};

int disagg_adapter_job(
	struct spank_handle *sp, struct disagg_job_facts *ret, struct disagg_err *err);
int disagg_adapter_task(
	struct spank_handle *sp, struct disagg_task_facts *ret, struct disagg_err *err);

struct disagg_adapter_user {
	uid_t uid;
	gid_t gid;
	const gid_t *group; /* in the arena; NULL where Slurm tells of none */
	unsigned groups;
};

/* 0, or -1 where Slurm does not tell. */
int disagg_adapter_user(
	struct spank_handle *sp, struct disagg_arena *arena, struct disagg_adapter_user *ret);
/* Only from slurm_spank_task_exit; the status as waitpid gives it. */
int disagg_adapter_task_end(
	struct spank_handle *sp, uint32_t *ret_rank, int *ret_pid, int *ret_status);

/* A variable for prolog and epilog.  Crashes its caller anywhere but in
 * slurm_spank_init_post_opt. */
int disagg_adapter_control_set(
	struct spank_handle *sp, const char *name, const char *value, struct disagg_err *err);
void disagg_adapter_control_unset(struct spank_handle *sp, const char *name);

#endif
