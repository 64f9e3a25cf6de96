/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/adapter.h"
#include "lib/base/limits.h"
#include "spank/options.h"
#include <slurm/spank.h>
#include <string.h>
#include <sys/types.h>

#define MOST_GROUPS 65536 /* the kernel's NGROUPS_MAX */

int disagg_adapter_register(
	struct spank_handle *sp, disagg_option_callback *callback, struct disagg_err *err)
{
	for (int i = 0; i < DISAGG_OPT_COUNT; i++) {
		const struct disagg_option_row *row = &disagg_option_rows[i];
		/* Slurm copies all of it */
		struct spank_option option = {
			.name = (char *)(uintptr_t)row->name,
			.arginfo = (char *)(uintptr_t)row->argument,
			.usage = (char *)(uintptr_t)row->usage,
			.has_arg = row->argument ? 1 : 0,
			.val = i,
			.cb = callback,
		};
		spank_err_t rc = spank_option_register(sp, &option);

		if (rc != ESPANK_SUCCESS)
			return disagg_err_set(err, DISAGG_SYSTEM,
				"cannot register the option '--%s': %s", row->name,
				spank_strerror(rc));
	}
	return 0;
}

const char *disagg_adapter_getenv(struct spank_handle *sp, struct disagg_arena *arena,
	const char *name, struct disagg_err *err)
{
	static const size_t sizes[] = {256, 4096, DISAGG_MAX_WIRE_BYTES + 1, 131073};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *buf = disagg_arena_alloc(arena, sizes[i]);
		spank_err_t rc;

		if (!buf) {
			disagg_err_nomem(err);
			return NULL;
		}
		rc = spank_getenv(sp, name, buf, (int)sizes[i]);
		if (rc == ESPANK_SUCCESS)
			return buf;
		if (rc == ESPANK_ENV_NOEXIST)
			return NULL;
		if (rc == ESPANK_NOSPACE)
			continue;
		disagg_err_set(err, DISAGG_SYSTEM, "cannot read the variable '%s': %s", name,
			spank_strerror(rc));
		return NULL;
	}
	disagg_err_set(err, DISAGG_SYSTEM, "the variable '%s' is longer than 128 KiB", name);
	return NULL;
}

int disagg_adapter_apply(
	struct spank_handle *sp, const struct disagg_envlist *list, struct disagg_err *err)
{
	for (unsigned i = 0; i < list->count; i++) {
		const struct disagg_env *env = &list->entry[i];
		spank_err_t rc;

		if (!env->value) {
			disagg_adapter_unsetenv(sp, env->name);
			continue;
		}
		rc = spank_setenv(sp, env->name, env->value, 1);
		if (rc != ESPANK_SUCCESS)
			return disagg_err_set(err, DISAGG_SYSTEM,
				"cannot set the variable '%s': %s", env->name, spank_strerror(rc));
	}
	return 0;
}

void disagg_adapter_unsetenv(struct spank_handle *sp, const char *name)
{
	(void)spank_unsetenv(sp, name);
}

static int get_u32(struct spank_handle *sp, spank_item_t item, const char *what, uint32_t *ret,
	struct disagg_err *err)
{
	uint32_t value = 0;
	spank_err_t rc = spank_get_item(sp, item, &value);

	if (rc != ESPANK_SUCCESS)
		return disagg_err_set(err, DISAGG_SYSTEM, "cannot learn the %s from Slurm: %s",
			what, spank_strerror(rc));
	*ret = value;
	return 0;
}

int disagg_adapter_job(
	struct spank_handle *sp, struct disagg_job_facts *ret, struct disagg_err *err)
{
	struct disagg_job_facts facts;

	if (get_u32(sp, S_JOB_ID, "job's number", &facts.job_id, err) ||
		get_u32(sp, S_JOB_STEPID, "step's number", &facts.step_id, err) ||
		get_u32(sp, S_JOB_NNODES, "step's number of nodes", &facts.nodes, err) ||
		get_u32(sp, S_JOB_NODEID, "node's place in the step", &facts.node_id, err) ||
		get_u32(sp, S_JOB_LOCAL_TASK_COUNT, "number of tasks on this node",
			&facts.local_tasks, err))
		return -1;
	*ret = facts;
	return 0;
}

int disagg_adapter_task(
	struct spank_handle *sp, struct disagg_task_facts *ret, struct disagg_err *err)
{
	int local = 0;
	spank_err_t rc = spank_get_item(sp, S_TASK_ID, &local);
	uint32_t global = 0;

	if (rc != ESPANK_SUCCESS || local < 0)
		return disagg_err_set(err, DISAGG_SYSTEM,
			"cannot learn the task's local number from Slurm: %s", spank_strerror(rc));
	if (get_u32(sp, S_TASK_GLOBAL_ID, "task's number", &global, err))
		return -1;
	*ret = (struct disagg_task_facts){.local_id = (uint32_t)local, .global_id = global};
	return 0;
}

int disagg_adapter_user(
	struct spank_handle *sp, struct disagg_arena *arena, struct disagg_adapter_user *ret)
{
	struct disagg_adapter_user user = {0};
	gid_t *own, *told = NULL;
	int count = 0;

	if (spank_get_item(sp, S_JOB_UID, &user.uid) != ESPANK_SUCCESS ||
		spank_get_item(sp, S_JOB_GID, &user.gid) != ESPANK_SUCCESS)
		return -1;
	*ret = user;
	if (spank_get_item(sp, S_JOB_SUPPLEMENTARY_GIDS, &told, &count) != ESPANK_SUCCESS ||
		!told || count <= 0 || count > MOST_GROUPS)
		return 0;
	own = disagg_arena_array(arena, (size_t)count, sizeof(*own));
	if (!own)
		return -1;
	memcpy(own, told, (size_t)count * sizeof(*own));
	ret->group = own;
	ret->groups = (unsigned)count;
	return 0;
}

int disagg_adapter_task_end(
	struct spank_handle *sp, uint32_t *ret_rank, int *ret_pid, int *ret_status)
{
	uint32_t rank;
	pid_t pid;
	int status;

	if (spank_get_item(sp, S_TASK_GLOBAL_ID, &rank) != ESPANK_SUCCESS ||
		spank_get_item(sp, S_TASK_PID, &pid) != ESPANK_SUCCESS ||
		spank_get_item(sp, S_TASK_EXIT_STATUS, &status) != ESPANK_SUCCESS)
		return -1;
	*ret_rank = rank;
	*ret_pid = pid;
	*ret_status = status;
	return 0;
}

int disagg_adapter_control_set(
	struct spank_handle *sp, const char *name, const char *value, struct disagg_err *err)
{
	spank_err_t rc = spank_job_control_setenv(sp, name, value, 1);

	if (rc != ESPANK_SUCCESS)
		return disagg_err_set(err, DISAGG_SYSTEM,
			"cannot set '%s' for the job's prolog and epilog: %s", name,
			spank_strerror(rc));
	return 0;
}

void disagg_adapter_control_unset(struct spank_handle *sp, const char *name)
{
	(void)spank_job_control_unsetenv(sp, name);
}
