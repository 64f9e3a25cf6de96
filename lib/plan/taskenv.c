/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/taskenv_build.h"

#include <stdio.h>
#include <string.h>

#define GATHER_BYTES (16u * 1024u * 1024u) /* 65536 endpoints with long names */

int disagg_build_put(struct disagg_build *build, const char *name, const char *value)
{
	return disagg_envlist_set(build->out, name, value) < 0 ? disagg_err_nomem(build->err) : 0;
}

int disagg_build_number(struct disagg_build *build, const char *name, long long value)
{
	return disagg_envlist_setf(build->out, name, "%lld", value) < 0
		       ? disagg_err_nomem(build->err)
		       : 0;
}

void disagg_build_list_init(struct disagg_strbuf *list)
{
	disagg_strbuf_init(list, GATHER_BYTES);
}

int disagg_build_list(struct disagg_build *build, const char *name, struct disagg_strbuf *list)
{
	int rc = 0;

	if (list->failed)
		rc = disagg_err_nomem(build->err);
	else if (list->len && list->len + strlen(name) < DISAGG_BUILD_LIST_BYTES)
		rc = disagg_build_put(build, name, list->text);
	disagg_strbuf_release(list);
	return rc;
}

const char *disagg_build_host(const struct disagg_build *build, uint32_t node)
{
	return node < build->task->hosts->count ? build->task->hosts->name[node] : "?";
}

/* ---- which part of the plan a task is ---- */

static int wrong_node(struct disagg_build *build, uint32_t planned)
{
	return disagg_err_set(build->err, DISAGG_CONFIG,
		"task %u of '%s' belongs on node %u ('%s') but runs on node %u ('%s'): start it "
		"with --disagg-role and no layout options",
		(unsigned)build->rank, build->name, (unsigned)planned,
		disagg_build_host(build, planned), (unsigned)build->task->node,
		disagg_build_host(build, build->task->node));
}

static void take_name(struct disagg_build *build, uint32_t role, uint32_t index)
{
	build->role = &build->plan->role[role];
	snprintf(build->name, sizeof(build->name), "%s_%u", build->role->name, (unsigned)index);
}

static int find_in_worker(struct disagg_build *build)
{
	const struct disagg_worker *worker = build->worker;
	uint32_t passed = 0;

	build->rank = build->task->global_id;
	take_name(build, worker->role, worker->index);
	for (uint32_t i = 0; i < worker->process_count; i++) {
		const struct disagg_process *process =
			&build->plan->process[worker->first_process + i];

		if (build->rank - passed < process->tasks) {
			build->process = process;
			return process->node == build->task->node
				       ? 0
				       : wrong_node(build, process->node);
		}
		passed += process->tasks;
	}
	return disagg_err_set(build->err, DISAGG_CONFIG,
		"worker '%s' has %u task%s but the step has a task %u, counted from 0", build->name,
		(unsigned)worker->tasks, worker->tasks == 1 ? "" : "s", (unsigned)build->rank);
}

static int find_by_role(struct disagg_build *build)
{
	if (disagg_plan_pick(build->plan, build->task->role, build->task->index, &build->worker,
		    &build->service, build->err) < 0)
		return -1;
	if (build->worker)
		return find_in_worker(build);
	take_name(build, build->service->role, build->service->index);
	if (build->task->global_id)
		return disagg_err_set(build->err, DISAGG_CONFIG,
			"service '%s' is one task but the step has a task %u, counted from 0",
			build->name, (unsigned)build->task->global_id);
	if (build->service->node != build->task->node)
		return wrong_node(build, build->service->node);
	return 0;
}

/* The plan's processes own the first local ids of each node, in its order. */
static void find_by_local_id(struct disagg_build *build)
{
	const struct disagg_plan *plan = build->plan;
	const struct disagg_task *task = build->task;
	const struct disagg_process *found = NULL;
	uint32_t passed = 0, first_id = 0, before = 0;

	if (task->step_nodes != plan->nodes)
		return;
	for (uint32_t i = 0; i < plan->process_count; i++) {
		const struct disagg_process *process = &plan->process[i];

		if (process->node != task->node)
			continue;
		if (task->local_id >= passed && task->local_id - passed < process->tasks) {
			found = process;
			first_id = passed;
		}
		passed += process->tasks;
	}
	if (!found || task->local_tasks < passed)
		return;
	build->process = found;
	build->worker = &plan->worker[found->worker];
	take_name(build, build->worker->role, build->worker->index);
	for (const struct disagg_process *p = &plan->process[build->worker->first_process];
		p < found; p++)
		before += p->tasks;
	build->rank = before + task->local_id - first_id;
}

/* ---- the variables of the worker ---- */

/* Data parallelism can have several processes on one node. */
static void count_nodes(const struct disagg_build *build, uint32_t *ret_rank, uint32_t *ret_count)
{
	const struct disagg_process *first = &build->plan->process[build->worker->first_process];
	uint32_t count = 0;

	for (uint32_t i = 0; i < build->worker->process_count; i++) {
		if (!i || first[i].node != first[i - 1].node)
			count++;
		if (&first[i] == build->process)
			*ret_rank = count - 1;
	}
	*ret_count = count;
}

static int put_identity(struct disagg_build *build)
{
	uint32_t node_rank = 0, nodes = 1, leader, index;

	if (build->worker) {
		count_nodes(build, &node_rank, &nodes);
		leader = build->plan->process[build->worker->first_process].node;
		index = build->worker->index;
	} else {
		leader = build->service->node;
		index = build->service->index;
	}
	if (disagg_build_put(build, "DISAGG_ROLE", build->role->name) < 0 ||
		disagg_build_put(build, "DISAGG_WORKER", build->name) < 0 ||
		disagg_build_number(build, "DISAGG_WORKER_INDEX", index) < 0 ||
		disagg_build_number(build, "DISAGG_WORKERS", build->role->workers) < 0 ||
		disagg_build_number(build, "DISAGG_RANK", build->rank) < 0 ||
		disagg_build_number(
			build, "DISAGG_SIZE", build->worker ? build->worker->tasks : 1) < 0 ||
		disagg_build_number(build, "DISAGG_NODE_RANK", node_rank) < 0 ||
		disagg_build_number(build, "DISAGG_NODES", nodes) < 0)
		return -1;
	return disagg_build_put(build, "DISAGG_LEADER", disagg_build_host(build, leader));
}

static void variable_name(char *ret, size_t size, const char *name, const char *suffix)
{
	snprintf(ret, size, "DISAGG_%s%s", name, suffix);
	for (char *c = ret; *c; c++) {
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
		else if (!(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9'))
			*c = '_';
	}
}

int disagg_build_port(const struct disagg_build *build, const struct disagg_plan_role *role,
	enum disagg_port port, int32_t planned)
{
	if (planned == 0)
		return 0;
	if (role->pin[port] > 0)
		return role->pin[port];
	return planned > 0 ? planned + build->task->port_offset : 0;
}

static int put_ports(struct disagg_build *build)
{
	for (unsigned i = 0; i < DISAGG_PORT_COUNT; i++) {
		int32_t planned = build->process ? build->process->port[i] : -1;
		char name[32], variable[64];
		int port;

		if (!build->process && i == DISAGG_PORT_HTTP)
			planned = build->service->port;
		port = disagg_build_port(build, build->role, (enum disagg_port)i, planned);
		if (port < 0 || port > 65535)
			return disagg_err_set(build->err, DISAGG_CONFIG,
				"port %d of '%s' is outside 1 to 65535 with the port offset %d",
				port, build->name, build->task->port_offset);
		snprintf(name, sizeof(name), "port_%s", disagg_port_names[i]);
		variable_name(variable, sizeof(variable), name, "");
		if (port && disagg_build_number(build, variable, port) < 0)
			return -1;
	}
	return 0;
}

/* ---- the variables of the job ---- */

const struct disagg_process *disagg_build_leader(
	const struct disagg_build *build, const struct disagg_worker *worker)
{
	return &build->plan->process[worker->first_process];
}

static int put_endpoints(struct disagg_build *build, uint32_t role)
{
	const struct disagg_plan *plan = build->plan;
	struct disagg_strbuf list;
	char name[DISAGG_BUILD_NAME_BYTES];

	disagg_build_list_init(&list);
	for (uint32_t i = 0; i < plan->worker_count; i++) {
		const struct disagg_process *leader = disagg_build_leader(build, &plan->worker[i]);
		int port = disagg_build_port(
			build, &plan->role[role], DISAGG_PORT_HTTP, leader->port[DISAGG_PORT_HTTP]);

		if (plan->worker[i].role == role && port)
			disagg_strbuf_printf(&list, "%s%s:%d", list.len ? "," : "",
				disagg_build_host(build, leader->node), port);
	}
	variable_name(name, sizeof(name), plan->role[role].name, "_ENDPOINTS");
	return disagg_build_list(build, name, &list);
}

const struct disagg_service *disagg_build_public(const struct disagg_build *build, int *ret_port)
{
	const struct disagg_plan *plan = build->plan;
	const struct disagg_service *found = NULL;
	bool nginx = false;

	for (uint32_t i = 0; i < plan->service_count && !nginx; i++) {
		const struct disagg_plan_role *role = &plan->role[plan->service[i].role];

		nginx = role->engine == DISAGG_E_NGINX;
		if (nginx || (!found && role->kind == DISAGG_FRONTEND))
			found = &plan->service[i];
	}
	if (found)
		*ret_port = disagg_build_port(
			build, &plan->role[found->role], DISAGG_PORT_HTTP, found->port);
	return found;
}

static int put_frontend(struct disagg_build *build)
{
	int port = 0;
	const struct disagg_service *service = disagg_build_public(build, &port);

	if (!service || !port)
		return 0;
	return disagg_envlist_setf(build->out, "DISAGG_FRONTEND_URL", "http://%s:%d",
		       disagg_build_host(build, service->node), port) < 0
		       ? disagg_err_nomem(build->err)
		       : 0;
}

static int put_job(struct disagg_build *build)
{
	const struct disagg_task *task = build->task;
	const char *dir = disagg_run_dir(build->out->arena, build->plan, task->job_id,
		task->restart_count, task->submit_dir);

	for (uint32_t i = 0; i < build->plan->role_count; i++) {
		if (build->plan->role[i].gpus && put_endpoints(build, i) < 0)
			return -1;
	}
	if (!dir)
		return disagg_err_nomem(build->err);
	if (put_frontend(build) < 0 || disagg_build_put(build, "DISAGG_RUN_DIR", dir) < 0)
		return -1;
	if (disagg_envlist_setf(build->out, "DISAGG_CONFIG", "%s/config.yaml", dir) < 0)
		return disagg_err_nomem(build->err);
	if (build->plan->name && disagg_build_put(build, "DISAGG_JOB_NAME", build->plan->name) < 0)
		return -1;
	return disagg_build_put(build, "DISAGG_VERSION", DISAGG_VERSION);
}

/* ---- GPUs ---- */

/* The comma-separated token at a position, or NULL. */
static const char *token_at(const char *list, unsigned position, size_t *ret_len)
{
	while (list && *list) {
		*ret_len = strcspn(list, ",");
		if (!position--)
			return list;
		list += *ret_len;
		list += *list == ',';
	}
	return NULL;
}

static int too_few_gpus(const struct disagg_build *build, const char *visible)
{
	unsigned first = build->process->gpu_first, count = build->process->gpu_count, have = 0;
	char need[32];
	size_t len;

	while (token_at(visible, have, &len))
		have++;
	if (count > 1)
		snprintf(need, sizeof(need), "GPUs %u-%u", first, first + count - 1);
	else
		snprintf(need, sizeof(need), "GPU %u", first);
	if (!have)
		return disagg_err_set(build->err, DISAGG_MISSING,
			"worker '%s' needs %s of its node but the job has none "
			"(CUDA_VISIBLE_DEVICES is %s)",
			build->name, need, visible ? "empty" : "not set");
	return disagg_err_set(build->err, DISAGG_MISSING,
		"worker '%s' needs %s of its node but the job has %u ('%s')", build->name, need,
		have, visible);
}

static int put_gpus(struct disagg_build *build)
{
	const char *visible = build->task->visible_devices;
	bool by_position = build->plan->gpus_unmanaged && (!visible || !*visible);
	struct disagg_strbuf list;

	if (!build->process || !build->process->gpu_count || build->plan->rehearse)
		return 0;
	/* what Slurm sets on a node with GPUs for a step without */
	if (visible && strcmp(visible, "NoDevFiles") == 0)
		visible = "";
	disagg_build_list_init(&list);
	for (unsigned i = 0; i < build->process->gpu_count; i++) {
		unsigned position = build->process->gpu_first + i;
		size_t len = 0;
		const char *token = token_at(visible, position, &len);

		if (!token && !by_position) {
			disagg_strbuf_release(&list);
			return too_few_gpus(build, visible);
		}
		if (i)
			disagg_strbuf_putc(&list, ',');
		if (by_position)
			disagg_strbuf_printf(&list, "%u", position);
		else
			disagg_strbuf_add(&list, token, len);
	}
	return disagg_build_list(build, "CUDA_VISIBLE_DEVICES", &list);
}

/* ---- all of it, in the order of the documentation ---- */

static int check_job(const struct disagg_build *build)
{
	if (build->plan->nodes <= build->task->hosts->count)
		return 0;
	return disagg_err_set(build->err, DISAGG_CONFIG,
		"the plan needs %u nodes but the job has %u", (unsigned)build->plan->nodes,
		build->task->hosts->count);
}

int disagg_taskenv(const struct disagg_plan *plan, const struct disagg_task *task,
	struct disagg_envlist *ret, struct disagg_err *err)
{
	struct disagg_envlist list = *ret;
	struct disagg_build build = {.plan = plan, .task = task, .out = &list, .err = err};

	if (check_job(&build) < 0)
		return -1;
	if (task->role && find_by_role(&build) < 0)
		return -1;
	if (!task->role)
		find_by_local_id(&build);
	if (build.role && (put_identity(&build) < 0 || put_ports(&build) < 0))
		return -1;
	if (put_job(&build) < 0)
		return -1;
	if (build.role && (put_gpus(&build) < 0 || disagg_build_dialect(&build) < 0))
		return -1;
	*ret = list;
	return 0;
}
