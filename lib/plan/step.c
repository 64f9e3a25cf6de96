/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/taskenv.h"

#include "lib/base/limits.h"
#include "lib/base/num.h"
#include "lib/base/strbuf.h"
#include <string.h>

/* Room for every host name of the largest plan. */
#define NODELIST_BYTES (32u * 1024u * 1024u)

int disagg_role_split(
	const char *text, char *ret_role, size_t role_size, int *ret_index, struct disagg_err *err)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	int64_t index = -1;

	if (!len)
		return disagg_err_set(
			err, DISAGG_USAGE, "invalid role '%s': expected ROLE or ROLE:INDEX", text);
	if (len >= role_size)
		return disagg_err_set(err, DISAGG_USAGE,
			"role name '%.32s...' is longer than %zu bytes", text, role_size - 1);
	if (colon && disagg_num_int(colon + 1, 0, DISAGG_MAX_WORKERS, &index) < 0)
		return disagg_err_set(err, DISAGG_USAGE,
			"invalid index '%s' in role '%s': expected a number from 0", colon + 1,
			text);
	memcpy(ret_role, text, len);
	ret_role[len] = '\0';
	*ret_index = (int)index;
	return 0;
}

static int unknown_role(const struct disagg_plan *plan, const char *role, struct disagg_err *err)
{
	struct disagg_strbuf names;

	disagg_strbuf_init(&names, 300);
	for (uint32_t i = 0; i < plan->role_count; i++)
		disagg_strbuf_printf(&names, "%s%s", i ? ", " : "", plan->role[i].name);
	disagg_err_set(err, DISAGG_USAGE, "unknown role '%s': the plan has %s", role,
		plan->role_count ? names.text : "none");
	disagg_strbuf_release(&names);
	return -1;
}

static const struct disagg_service *find_service(
	const struct disagg_plan *plan, uint32_t role, uint32_t index)
{
	for (uint32_t i = 0; i < plan->service_count; i++) {
		if (plan->service[i].role == role && plan->service[i].index == index)
			return &plan->service[i];
	}
	return NULL;
}

int disagg_plan_pick(const struct disagg_plan *plan, const char *role, int index,
	const struct disagg_worker **ret_worker, const struct disagg_service **ret_service,
	struct disagg_err *err)
{
	int at = disagg_plan_role_index(plan, role);
	const struct disagg_worker *worker;
	const struct disagg_service *service;
	uint32_t workers;

	if (at < 0)
		return unknown_role(plan, role, err);
	workers = plan->role[at].workers;
	if (index < 0 && workers != 1)
		return disagg_err_set(err, DISAGG_USAGE,
			"role '%s' has %u workers: say which one, '%s:0' to '%s:%u'", role,
			(unsigned)workers, role, role, workers ? (unsigned)workers - 1 : 0);
	if (index < 0)
		index = 0;
	worker = disagg_plan_worker(plan, (uint32_t)at, (uint32_t)index);
	service = worker ? NULL : find_service(plan, (uint32_t)at, (uint32_t)index);
	if (!worker && !service)
		return disagg_err_set(err, DISAGG_USAGE,
			"role '%s' has no worker %d: it has %u, counted from 0", role, index,
			(unsigned)workers);
	*ret_worker = worker;
	*ret_service = service;
	return 0;
}

int disagg_plan_process_of(const struct disagg_plan *plan, const struct disagg_worker *worker,
	uint32_t rank, uint32_t *ret_process, uint32_t *ret_local, struct disagg_err *err)
{
	uint32_t left = rank;

	for (uint32_t i = 0; i < worker->process_count; i++) {
		uint32_t process = worker->first_process + i;

		if (left < plan->process[process].tasks) {
			*ret_process = process;
			*ret_local = left;
			return 0;
		}
		left -= plan->process[process].tasks;
	}
	return disagg_err_set(err, DISAGG_USAGE,
		"'%s_%u' has no rank %u: it has %u, counted from 0", plan->role[worker->role].name,
		(unsigned)worker->index, (unsigned)rank, (unsigned)worker->tasks);
}

/* `text` with each `key` in it replaced. */
static void put_replaced(struct disagg_strbuf *out, const char *text, const char *job_id)
{
	static const char *const keys[] = {"%j", "{job_id}"};

	while (*text) {
		size_t skip = 0;

		for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]) && !skip; i++) {
			if (strncmp(text, keys[i], strlen(keys[i])) == 0)
				skip = strlen(keys[i]);
		}
		if (skip)
			disagg_strbuf_puts(out, job_id);
		else
			disagg_strbuf_putc(out, *text);
		text += skip ? skip : 1;
	}
}

char *disagg_run_dir(struct disagg_arena *arena, const struct disagg_plan *plan, const char *job_id,
	const char *restart_count, const char *submit_dir)
{
	struct disagg_strbuf path;
	bool again = restart_count && restart_count[0] && strcmp(restart_count, "0") != 0;
	char *copy;

	disagg_strbuf_init(&path, 64 * 1024);
	if (submit_dir && (!plan->log_dir || plan->log_dir[0] != '/'))
		disagg_strbuf_printf(&path, "%s/", submit_dir);
	if (plan->log_dir) {
		put_replaced(&path, plan->log_dir, job_id);
		while (path.len > 1 && path.text[path.len - 1] == '/')
			path.text[--path.len] = '\0';
		disagg_strbuf_printf(&path, "/%s", job_id);
	} else {
		disagg_strbuf_printf(&path, "disagg-%s", job_id);
	}
	if (again)
		disagg_strbuf_printf(&path, ".%s", restart_count);
	copy = path.failed ? NULL : disagg_arena_strdup(arena, path.text);
	disagg_strbuf_release(&path);
	return copy;
}

static int put_hosts(struct disagg_strbuf *out, const struct disagg_hostlist *hosts, uint32_t node,
	uint32_t times, struct disagg_err *err)
{
	if (node >= hosts->count)
		return disagg_err_set(err, DISAGG_CONFIG,
			"plan uses node %u but the job has %u nodes, counted from 0",
			(unsigned)node, hosts->count);
	for (uint32_t i = 0; i < times; i++)
		disagg_strbuf_printf(out, "%s%s", out->len ? "," : "", hosts->name[node]);
	return 0;
}

static int put_worker_hosts(struct disagg_strbuf *out, const struct disagg_plan *plan,
	const struct disagg_worker *worker, const struct disagg_hostlist *hosts,
	struct disagg_err *err)
{
	for (uint32_t i = 0; i < worker->process_count; i++) {
		const struct disagg_process *process = &plan->process[worker->first_process + i];

		if (put_hosts(out, hosts, process->node, process->tasks, err) < 0)
			return -1;
	}
	return 0;
}

int disagg_step_nodelist(struct disagg_arena *arena, const struct disagg_plan *plan,
	const struct disagg_worker *worker, const struct disagg_service *service,
	const struct disagg_hostlist *hosts, const char **ret_nodelist, uint32_t *ret_tasks,
	struct disagg_err *err)
{
	struct disagg_strbuf out;
	const char *text = NULL;
	int rc;

	disagg_strbuf_init(&out, NODELIST_BYTES);
	rc = worker ? put_worker_hosts(&out, plan, worker, hosts, err)
		    : put_hosts(&out, hosts, service->node, 1, err);
	if (rc == 0 && !out.failed)
		text = disagg_arena_strdup(arena, out.text);
	disagg_strbuf_release(&out);
	if (rc < 0)
		return -1;
	if (!text)
		return disagg_err_nomem(err);
	*ret_nodelist = text;
	*ret_tasks = worker ? worker->tasks : 1;
	return 0;
}
