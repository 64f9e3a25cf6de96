/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/render_commands.h"
#include "lib/engine/render_client.h"
#include "lib/plan/taskenv.h"
#include <string.h>

#define RUN_DIR "<run_dir>"

struct printer {
	const struct disagg_job *job;
	const struct disagg_plan *plan;
	struct disagg_hostlist hosts, ips;
	const char *visible;
	struct disagg_strbuf *out;
	struct disagg_err *err;
	struct disagg_arena *scratch; /* of one command */
	struct disagg_engine_site site;
	unsigned printed;
};

/* One command, and who runs it. */
struct step {
	uint32_t role, index, process; /* process: in the worker */
	uint32_t node;		       /* the first */
	uint32_t global_id;
	uint32_t tasks;
	uint32_t first, count; /* processes of the plan that it stands for; 0: a service */
};

/* ---- placeholders ---- */

static const char *host_of(void *context, uint32_t node)
{
	const struct printer *printer = context;

	return node < printer->hosts.count ? printer->hosts.name[node] : "?";
}

static const char *ip_of(void *context, uint32_t node)
{
	const struct printer *printer = context;

	return node < printer->ips.count ? printer->ips.name[node] : "?";
}

static const char *keep_reference(void *context, const char *name)
{
	struct printer *printer = context;

	return disagg_arena_printf(printer->scratch, "${env:%s}", name);
}

static int name_nodes(
	struct disagg_arena *arena, const char *kind, uint32_t count, struct disagg_hostlist *ret)
{
	const char **name = disagg_arena_array(arena, count ? count : 1, sizeof(*name));

	for (uint32_t i = 0; name && i < count; i++) {
		name[i] = disagg_arena_printf(arena, "<%s:%u>", kind, (unsigned)i);
		if (!name[i])
			return -1;
	}
	ret->name = name;
	ret->count = count;
	return name ? 0 : -1;
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

/* ---- the environment of the task, without what --format=env has ---- */

static int task_env(struct printer *printer, const struct step *step, struct disagg_envlist *ret)
{
	struct disagg_task task = {
		.role = printer->plan->role[step->role].name,
		.index = (int)step->index,
		.node = step->node,
		.global_id = step->global_id,
		.visible_devices = printer->visible,
		.hosts = &printer->hosts,
		.job_id = "<job>",
		.submit_dir = "<dir>",
		.getenv = keep_reference,
		.context = printer,
	};

	disagg_envlist_init(ret, printer->scratch);
	return disagg_taskenv(printer->plan, &task, ret, printer->err);
}

static int merge_env(struct disagg_envlist *env, const struct disagg_envlist *over)
{
	for (unsigned i = 0; i < over->count; i++) {
		if (disagg_envlist_set(env, over->entry[i].name, over->entry[i].value))
			return -1;
	}
	return 0;
}

static void put_env(struct disagg_strbuf *out, const struct disagg_envlist *env)
{
	bool any = false;

	disagg_strbuf_puts(out, ",\"env\":{");
	for (unsigned i = 0; i < env->count; i++) {
		if (strncmp(env->entry[i].name, "DISAGG_", 7) == 0)
			continue;
		disagg_strbuf_puts(out, any ? "," : "");
		disagg_strbuf_json(out, env->entry[i].name);
		disagg_strbuf_putc(out, ':');
		if (env->entry[i].value)
			disagg_strbuf_json(out, env->entry[i].value);
		else
			disagg_strbuf_puts(out, "null");
		any = true;
	}
	disagg_strbuf_putc(out, '}');
}

/* ---- one object ---- */

static void put_strings(
	struct disagg_strbuf *out, const char *key, const char *const *list, unsigned count)
{
	disagg_strbuf_printf(out, ",\"%s\":[", key);
	for (unsigned i = 0; i < count; i++) {
		disagg_strbuf_puts(out, i ? "," : "");
		disagg_strbuf_json(out, list[i]);
	}
	disagg_strbuf_putc(out, ']');
}

static void put_files(struct disagg_strbuf *out, const struct disagg_command *command)
{
	disagg_strbuf_puts(out, ",\"files\":[");
	for (unsigned i = 0; i < command->file_count; i++) {
		disagg_strbuf_puts(out, i ? ",{\"name\":" : "{\"name\":");
		disagg_strbuf_json(out, command->file[i].name);
		disagg_strbuf_puts(out, ",\"text\":");
		disagg_strbuf_json(out, command->file[i].text);
		disagg_strbuf_putc(out, '}');
	}
	disagg_strbuf_putc(out, ']');
}

static void put_nodes(struct printer *printer, const struct step *step)
{
	const struct disagg_process *process = &printer->plan->process[step->first];

	disagg_strbuf_puts(printer->out, ",\"nodes\":[");
	if (!step->count)
		disagg_strbuf_printf(printer->out, "%u", (unsigned)step->node);
	for (uint32_t i = 0; i < step->count; i++) {
		if (!i || process[i].node != process[i - 1].node)
			disagg_strbuf_printf(
				printer->out, "%s%u", i ? "," : "", (unsigned)process[i].node);
	}
	disagg_strbuf_printf(printer->out, "],\"tasks\":%u", (unsigned)step->tasks);
}

static void put_health(struct disagg_strbuf *out, const struct disagg_command *command)
{
	disagg_strbuf_puts(out, ",\"health\":");
	if (command->health)
		disagg_strbuf_json(out, command->health);
	else
		disagg_strbuf_puts(out, "null");
	disagg_strbuf_puts(out, ",\"health_port\":");
	if (command->health_port > 0)
		disagg_strbuf_printf(out, "%d", command->health_port);
	else
		disagg_strbuf_puts(out, "null");
}

static int put_step(struct printer *printer, const struct step *step,
	const struct disagg_command *command, const struct disagg_client *client)
{
	const struct disagg_plan_role *role = &printer->plan->role[step->role];
	const char *log =
		disagg_engine_log_name(printer->scratch, printer->plan, step->role, step->index);
	struct disagg_strbuf *out = printer->out;
	struct disagg_envlist env;

	if (!log)
		return disagg_err_nomem(printer->err);
	if (task_env(printer, step, &env))
		return -1;
	if (merge_env(&env, &command->env) || (client && merge_env(&env, &client->env)))
		return disagg_err_nomem(printer->err);
	disagg_strbuf_puts(out, printer->printed++ ? ",{\"role\":" : "{\"role\":");
	disagg_strbuf_json(out, role->name);
	disagg_strbuf_printf(out, ",\"index\":%u,\"process\":%u,\"engine\":", (unsigned)step->index,
		(unsigned)step->process);
	disagg_strbuf_json(out, disagg_engine_names[role->engine]);
	put_nodes(printer, step);
	put_env(out, &env);
	put_strings(out, "argv", command->argv, command->argc);
	if (client)
		disagg_render_client(client, out);
	put_files(out, command);
	put_strings(out, "folders", command->folder, command->folder_count);
	put_health(out, command);
	disagg_strbuf_puts(out, ",\"log\":");
	disagg_strbuf_json(out, log);
	disagg_strbuf_putc(out, '}');
	return out->failed ? disagg_err_nomem(printer->err) : 0;
}

/* ---- all of them ---- */

static int print_process(struct printer *printer, const struct step *step)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_command command;
	int result;

	printer->scratch = &scratch;
	result = disagg_engine_worker(&scratch, printer->job, printer->plan, step->first,
		&printer->site, &command, printer->err);
	if (!result)
		result = put_step(printer, step, &command, NULL);
	disagg_arena_release(&scratch);
	return result;
}

/* An MPI world has one command for all its tasks; others one a process. */
static int print_worker(struct printer *printer, const struct disagg_worker *worker)
{
	bool world = printer->plan->role[worker->role].engine == DISAGG_E_TRTLLM;
	uint32_t groups = world ? 1 : worker->process_count;
	struct step step = {
		.role = worker->role,
		.index = worker->index,

		.count = world ? worker->process_count : 1,
	};

	for (uint32_t i = 0; i < groups; i++) {
		const struct disagg_process *process =
			&printer->plan->process[worker->first_process + i];

		step.process = i;
		step.first = worker->first_process + i;
		step.node = process->node;
		step.tasks = world ? worker->tasks : process->tasks;
		if (print_process(printer, &step))
			return -1;
		step.global_id += process->tasks;
	}
	return 0;
}

static int print_service(struct printer *printer, uint32_t index)
{
	const struct disagg_service *service = &printer->plan->service[index];
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_command command;
	struct disagg_client client;
	bool measures;
	struct step step = {
		.role = service->role,
		.index = service->index,
		.node = service->node,
		.tasks = 1,
	};
	int result;

	printer->scratch = &scratch;
	result = disagg_engine_service(&scratch, printer->job, printer->plan, index, &printer->site,
		&command, printer->err);
	measures = !result && !command.argc &&
		   printer->plan->role[service->role].engine == DISAGG_E_BENCHMARK;
	if (measures)
		result = disagg_engine_client(&scratch, printer->job, printer->plan, index,
			&printer->site, &client, printer->err);
	if (!result)
		result = put_step(printer, &step, &command, measures ? &client : NULL);
	disagg_arena_release(&scratch);
	return result;
}

static int print_all(struct printer *printer)
{
	for (uint32_t i = 0; i < printer->plan->worker_count; i++) {
		if (print_worker(printer, &printer->plan->worker[i]))
			return -1;
	}
	for (uint32_t i = 0; i < printer->plan->service_count; i++) {
		if (print_service(printer, i))
			return -1;
	}
	return 0;
}

static void put_text(struct disagg_strbuf *out, const char *key, const char *text)
{
	disagg_strbuf_printf(out, ",\"%s\":", key);
	if (text)
		disagg_strbuf_json(out, text);
	else
		disagg_strbuf_puts(out, "null");
}

int disagg_render_commands(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, struct disagg_strbuf *out, struct disagg_err *err)
{
	struct printer printer = {.job = job, .plan = plan, .out = out, .err = err};

	printer.site = (struct disagg_engine_site){
		.host = host_of, .ip = ip_of, .context = &printer, .run_dir = RUN_DIR};
	if (name_nodes(arena, "host", plan->nodes, &printer.hosts) ||
		name_nodes(arena, "ip", plan->nodes, &printer.ips) || name_gpus(arena, &printer))
		return disagg_err_nomem(err);
	disagg_strbuf_puts(out, "{\"schema\":\"disagg.commands/1\"");
	put_text(out, "name", plan->name);
	put_text(out, "source", plan->source);
	put_text(out, "variant", plan->variant);
	put_text(out, "served_name", disagg_engine_served_name(job));
	disagg_strbuf_printf(out, ",\"nodes\":%u,\"steps\":[", (unsigned)plan->nodes);
	if (print_all(&printer))
		return -1;
	disagg_strbuf_puts(out, "]}");
	return out->failed ? disagg_err_nomem(err) : 0;
}
