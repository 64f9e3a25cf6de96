/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/render.h"

#include "lib/base/num.h"
#include <string.h>

static void put_text(struct disagg_strbuf *out, const char *text)
{
	if (text)
		disagg_strbuf_json(out, text);
	else
		disagg_strbuf_puts(out, "null");
}

static void put_key(struct disagg_strbuf *out, const char *key)
{
	disagg_strbuf_putc(out, '"');
	for (; *key; key++)
		disagg_strbuf_putc(out, *key == '-' ? '_' : *key);
	disagg_strbuf_puts(out, "\":");
}

static void put_number(struct disagg_strbuf *out, long long value)
{
	if (value < 0)
		disagg_strbuf_puts(out, "null");
	else
		disagg_strbuf_printf(out, "%lld", value);
}

/* [first, first + 1, ...] */
static void put_count(struct disagg_strbuf *out, uint32_t first, uint32_t count)
{
	disagg_strbuf_putc(out, '[');
	for (uint32_t i = 0; i < count; i++)
		disagg_strbuf_printf(out, "%s%u", i ? "," : "", (unsigned)(first + i));
	disagg_strbuf_putc(out, ']');
}

static void put_strings(struct disagg_strbuf *out, const struct disagg_strs *strings)
{
	disagg_strbuf_putc(out, '[');
	for (unsigned i = 0; i < strings->count; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		put_text(out, strings->v[i]);
	}
	disagg_strbuf_putc(out, ']');
}

static void put_process(const struct disagg_process *process, struct disagg_strbuf *out)
{
	disagg_strbuf_printf(out,
		"{\"node\":%u,\"rank\":%u,\"tasks\":%u,\"gpus\":", (unsigned)process->node,
		(unsigned)process->rank, (unsigned)process->tasks);
	put_count(out, process->gpu_first, process->gpu_count);
	disagg_strbuf_puts(out, ",\"ports\":{");
	for (unsigned i = 0; i < DISAGG_PORT_COUNT; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		put_key(out, disagg_port_names[i]);
		put_number(out, process->port[i]);
	}
	disagg_strbuf_puts(out, "}}");
}

/* Ports that the engine's own flags fix; no key where there are none. */
static void put_pinned(const struct disagg_plan_role *role, struct disagg_strbuf *out)
{
	bool any = false;

	for (unsigned i = 0; i < DISAGG_PORT_COUNT; i++) {
		if (role->pin[i] <= 0)
			continue;
		disagg_strbuf_puts(out, any ? "," : ",\"pinned\":{");
		put_key(out, disagg_port_names[i]);
		put_number(out, role->pin[i]);
		any = true;
	}
	if (any)
		disagg_strbuf_putc(out, '}');
}

static void put_nodes(const struct disagg_plan *plan, const struct disagg_worker *worker,
	struct disagg_strbuf *out)
{
	const struct disagg_process *process = &plan->process[worker->first_process];

	disagg_strbuf_putc(out, '[');
	for (uint32_t i = 0; i < worker->process_count; i++) {
		if (i && process[i].node == process[i - 1].node)
			continue;
		disagg_strbuf_printf(out, "%s%u", i ? "," : "", (unsigned)process[i].node);
	}
	disagg_strbuf_putc(out, ']');
}

static void put_worker(const struct disagg_plan *plan, const struct disagg_worker *worker,
	struct disagg_strbuf *out)
{
	const struct disagg_plan_role *role = &plan->role[worker->role];

	disagg_strbuf_puts(out, "{\"role\":");
	put_text(out, role->name);
	disagg_strbuf_printf(out,
		",\"index\":%u,\"engine\":\"%s\",\"tasks\":%u,\"nodes\":", (unsigned)worker->index,
		disagg_engine_names[role->engine], (unsigned)worker->tasks);
	put_nodes(plan, worker, out);
	disagg_strbuf_puts(out, ",\"processes\":[");
	for (uint32_t i = 0; i < worker->process_count; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		put_process(&plan->process[worker->first_process + i], out);
	}
	disagg_strbuf_putc(out, ']');
	put_pinned(role, out);
	disagg_strbuf_putc(out, '}');
}

static void put_service(const struct disagg_plan *plan, const struct disagg_service *service,
	struct disagg_strbuf *out)
{
	const struct disagg_plan_role *role = &plan->role[service->role];

	disagg_strbuf_puts(out, "{\"role\":");
	put_text(out, role->name);
	disagg_strbuf_printf(out, ",\"index\":%u,\"node\":%u,\"port\":", (unsigned)service->index,
		(unsigned)service->node);
	put_number(out, service->port);
	disagg_strbuf_puts(out, ",\"after\":");
	put_strings(out, &role->after);
	disagg_strbuf_putc(out, '}');
}

static const char *size_of(const struct disagg_sizing *sizing, const char *option)
{
	for (unsigned i = 0; i < sizing->count; i++) {
		if (strcmp(sizing->v[i].option, option) == 0)
			return sizing->v[i].value;
	}
	return NULL;
}

/* Options that a program reads as numbers; the others are text even where the
 * value looks like one (an account named "1234"). */
static bool is_numeric(const char *option)
{
	static const char *const names[] = {"nodes", "ntasks", "ntasks-per-node", "gpus-per-node",
		"gpus-per-task", "segment", "cpus-per-gpu", "cpus-per-task", "mem", NULL};

	for (unsigned i = 0; names[i]; i++) {
		if (strcmp(names[i], option) == 0)
			return true;
	}
	return false;
}

static void put_size(const char *option, const char *value, struct disagg_strbuf *out)
{
	int64_t number;

	put_key(out, option);
	if (!value)
		disagg_strbuf_puts(out, "null");
	else if (!*value || strcmp(value, option) == 0)
		disagg_strbuf_puts(out, "true"); /* --exclusive, as slurm_option_set has it */
	else if (is_numeric(option) && disagg_num_int(value, 0, INT64_MAX, &number) == 0)
		disagg_strbuf_printf(out, "%lld", (long long)number);
	else
		disagg_strbuf_json(out, value);
}

static void put_ntasks(const struct disagg_sizing *sizing, struct disagg_strbuf *out)
{
	const char *given = size_of(sizing, "ntasks");
	const char *nodes = size_of(sizing, "nodes"), *tasks = size_of(sizing, "ntasks-per-node");
	int64_t node_count, task_count;

	if (given || !nodes || !tasks || disagg_num_int(nodes, 1, INT32_MAX, &node_count) < 0 ||
		disagg_num_int(tasks, 1, INT32_MAX, &task_count) < 0) {
		put_size("ntasks", given, out);
		return;
	}
	put_key(out, "ntasks");
	disagg_strbuf_printf(out, "%lld", (long long)(node_count * task_count));
}

static void put_sizing(const struct disagg_sizing *sizing, struct disagg_strbuf *out)
{
	static const char *const always[] = {
		"nodes", "ntasks", "ntasks-per-node", "gpus-per-node", "segment"};
	const unsigned count = sizeof(always) / sizeof(always[0]);

	disagg_strbuf_putc(out, '{');
	for (unsigned i = 0; i < count; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		if (i == 1)
			put_ntasks(sizing, out);
		else
			put_size(always[i], size_of(sizing, always[i]), out);
	}
	for (unsigned i = 0; i < sizing->count; i++) {
		const struct disagg_size *size = &sizing->v[i];
		bool shown = !disagg_size_is_asked(size);

		for (unsigned k = 0; k < count; k++)
			shown = shown || strcmp(size->option, always[k]) == 0;
		if (shown)
			continue;
		disagg_strbuf_putc(out, ',');
		put_size(size->option, size->value, out);
	}
	disagg_strbuf_putc(out, '}');
}

static void put_warnings(const struct disagg_findings *found, struct disagg_strbuf *out)
{
	bool first = true;

	disagg_strbuf_putc(out, '[');
	for (unsigned i = 0; i < found->count; i++) {
		const struct disagg_finding *item = &found->item[i];

		if (item->is_error)
			continue;
		disagg_strbuf_puts(out, first ? "{\"file\":" : ",{\"file\":");
		put_text(out, item->at.source);
		disagg_strbuf_printf(out,
			",\"line\":%u,\"col\":%u,\"text\":", (unsigned)item->at.line,
			(unsigned)item->at.col);
		put_text(out, item->text);
		disagg_strbuf_putc(out, '}');
		first = false;
	}
	disagg_strbuf_putc(out, ']');
}

static void put_head(const struct disagg_plan *plan, struct disagg_strbuf *out)
{
	uint32_t total = plan->nodes * plan->gpus_per_node;

	disagg_strbuf_puts(out, "{\"schema\":\"disagg.plan/1\",\"name\":");
	put_text(out, plan->name);
	disagg_strbuf_printf(
		out, ",\"dialect\":\"%s\",\"source\":", disagg_dialect_names[plan->dialect]);
	put_text(out, plan->source);
	disagg_strbuf_puts(out, ",\"variant\":");
	put_text(out, plan->variant);
	disagg_strbuf_printf(out, ",\"nodes\":%u,\"worker_nodes\":", (unsigned)plan->nodes);
	put_count(out, plan->worker_node_first, plan->worker_nodes);
	disagg_strbuf_printf(out,
		",\"gpus_per_node\":%u,\"gpus\":{\"total\":%u,\"used\":%u,"
		"\"idle\":%u}",
		(unsigned)plan->gpus_per_node, (unsigned)total, (unsigned)plan->gpus_used,
		(unsigned)(total > plan->gpus_used ? total - plan->gpus_used : 0));
}

/* No key where there are none. */
static void put_probes(const struct disagg_plan *plan, struct disagg_strbuf *out)
{
	if (plan->probes != DISAGG_PROBING_NONE)
		disagg_strbuf_printf(out,
			",\"probes\":{\"suite\":\"%s\",\"on_failure\":\"%s\",\"spare_nodes\":%u}",
			disagg_probing_suites[plan->probes],
			disagg_probing_failures[plan->on_failure], (unsigned)plan->spare_nodes);
}

void disagg_render_json(const struct disagg_plan *plan, const struct disagg_sizing *sizing,
	const struct disagg_findings *found, struct disagg_strbuf *out)
{
	put_head(plan, out);
	put_probes(plan, out);
	disagg_strbuf_puts(out, ",\"workers\":[");
	for (uint32_t i = 0; i < plan->worker_count; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		put_worker(plan, &plan->worker[i], out);
	}
	disagg_strbuf_puts(out, "],\"services\":[");
	for (uint32_t i = 0; i < plan->service_count; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		put_service(plan, &plan->service[i], out);
	}
	disagg_strbuf_puts(out, "],\"sbatch\":");
	if (sizing)
		put_sizing(sizing, out);
	else
		disagg_strbuf_puts(out, "null");
	disagg_strbuf_puts(out, ",\"warnings\":");
	if (found)
		put_warnings(found, out);
	else
		disagg_strbuf_puts(out, "[]");
	disagg_strbuf_putc(out, '}');
}
