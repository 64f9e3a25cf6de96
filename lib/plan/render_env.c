/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/render.h"

#include "lib/plan/taskenv.h"

/* Everything that one rendering shares between tasks. */
struct printer {
	const struct disagg_plan *plan;
	struct disagg_hostlist hosts;
	const char *visible;
	struct disagg_strbuf *out;
	struct disagg_err *err;
	struct disagg_arena *scratch; /* of one task */
};

/* A secret stays a reference: only the job knows it. */
static const char *keep_reference(void *context, const char *name)
{
	struct printer *printer = context;

	return disagg_arena_printf(printer->scratch, "${env:%s}", name);
}

static int name_hosts(struct disagg_arena *arena, struct printer *printer)
{
	uint32_t count = printer->plan->nodes;
	const char **name = disagg_arena_array(arena, count ? count : 1, sizeof(*name));

	if (!name)
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		name[i] = disagg_arena_printf(arena, "<host:%u>", (unsigned)i);
		if (!name[i])
			return -1;
	}
	printer->hosts.name = name;
	printer->hosts.count = count;
	return 0;
}

/* "0,1,2,3": the positions stand for themselves. */
static int name_gpus(struct disagg_arena *arena, struct printer *printer)
{
	struct disagg_strbuf list;

	disagg_strbuf_init(&list, 16 * DISAGG_MAX_GPUS_PER_NODE);
	for (uint32_t i = 0; i < printer->plan->gpus_per_node; i++)
		disagg_strbuf_printf(&list, "%s%u", i ? "," : "", (unsigned)i);
	printer->visible = list.failed ? NULL : disagg_arena_strdup(arena, list.text);
	disagg_strbuf_release(&list);
	return printer->visible ? 0 : -1;
}

static int print_task(struct printer *printer, const char *role, uint32_t index, uint32_t node,
	uint32_t global_id)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_envlist env;
	struct disagg_task task = {
		.role = role,
		.index = (int)index,
		.node = node,
		.global_id = global_id,
		.visible_devices = printer->visible,
		.hosts = &printer->hosts,
		.job_id = "<job>",
		.submit_dir = "<dir>",
		.getenv = keep_reference,
		.context = printer,
	};
	int rc;

	printer->scratch = &scratch;
	disagg_envlist_init(&env, &scratch);
	rc = disagg_taskenv(printer->plan, &task, &env, printer->err);
	if (rc == 0) {
		disagg_strbuf_printf(printer->out, "%s# %s_%u task %u on <host:%u>\n",
			printer->out->len ? "\n" : "", role, (unsigned)index, (unsigned)global_id,
			(unsigned)node);
		for (unsigned i = 0; i < env.count; i++)
			disagg_strbuf_printf(printer->out, "%s=%s\n", env.entry[i].name,
				env.entry[i].value ? env.entry[i].value : "");
	}
	disagg_arena_release(&scratch);
	return rc;
}

static int print_worker(struct printer *printer, const struct disagg_worker *worker)
{
	const struct disagg_plan *plan = printer->plan;
	uint32_t id = 0;

	for (uint32_t i = 0; i < worker->process_count; i++) {
		const struct disagg_process *process = &plan->process[worker->first_process + i];

		for (uint32_t task = 0; task < process->tasks; task++) {
			if (printer->out->failed)
				return disagg_err_nomem(printer->err);
			if (print_task(printer, plan->role[worker->role].name, worker->index,
				    process->node, id++) < 0)
				return -1;
		}
	}
	return 0;
}

int disagg_render_env(struct disagg_arena *arena, const struct disagg_plan *plan,
	struct disagg_strbuf *out, struct disagg_err *err)
{
	struct printer printer = {.plan = plan, .out = out, .err = err};

	if (name_hosts(arena, &printer) < 0 || name_gpus(arena, &printer) < 0)
		return disagg_err_nomem(err);
	for (uint32_t i = 0; i < plan->worker_count; i++) {
		if (print_worker(&printer, &plan->worker[i]) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < plan->service_count; i++) {
		const struct disagg_service *service = &plan->service[i];

		if (print_task(&printer, plan->role[service->role].name, service->index,
			    service->node, 0) < 0)
			return -1;
	}
	return out->failed ? disagg_err_nomem(err) : 0;
}
