/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/wire_text.h"

#include "lib/base/limits.h"
#include <string.h>

#define PROCESS_COLUMNS (5u + DISAGG_PORT_COUNT)
#define WORKER_COLUMNS	3u
#define SERVICE_COLUMNS 4u

_Static_assert(PROCESS_COLUMNS <= DISAGG_WIRE_COLUMNS, "a process is the widest row");

static int32_t *new_rows(
	struct disagg_arena *arena, struct disagg_wire_rows *rows, uint32_t count, uint32_t columns)
{
	rows->count = count;
	rows->columns = columns;
	rows->v = disagg_arena_array(arena, count ? count : 1, columns * sizeof(*rows->v));
	return rows->v;
}

static int put_workers(
	struct disagg_arena *arena, const struct disagg_plan *plan, struct disagg_strbuf *out)
{
	struct disagg_wire_rows rows;
	int32_t *v = new_rows(arena, &rows, plan->worker_count, WORKER_COLUMNS);

	if (!v)
		return -1;
	for (uint32_t i = 0; i < plan->worker_count; i++) {
		*v++ = (int32_t)plan->worker[i].role;
		*v++ = (int32_t)plan->worker[i].index;
		*v++ = (int32_t)plan->worker[i].process_count;
	}
	disagg_strbuf_puts(out, "workers=");
	disagg_wire_put_rows(out, &rows);
	return 0;
}

static int put_processes(
	struct disagg_arena *arena, const struct disagg_plan *plan, struct disagg_strbuf *out)
{
	struct disagg_wire_rows rows;
	int32_t *v = new_rows(arena, &rows, plan->process_count, PROCESS_COLUMNS);

	if (!v)
		return -1;
	for (uint32_t i = 0; i < plan->process_count; i++) {
		const struct disagg_process *process = &plan->process[i];

		*v++ = (int32_t)process->node;
		*v++ = (int32_t)process->rank;
		*v++ = (int32_t)process->tasks;
		*v++ = process->gpu_first;
		*v++ = process->gpu_count;
		memcpy(v, process->port, sizeof(process->port));
		v += DISAGG_PORT_COUNT;
	}
	disagg_strbuf_puts(out, ";processes=");
	disagg_wire_put_rows(out, &rows);
	return 0;
}

static int put_services(
	struct disagg_arena *arena, const struct disagg_plan *plan, struct disagg_strbuf *out)
{
	struct disagg_wire_rows rows;
	int32_t *v = new_rows(arena, &rows, plan->service_count, SERVICE_COLUMNS);

	if (!v)
		return -1;
	for (uint32_t i = 0; i < plan->service_count; i++) {
		*v++ = (int32_t)plan->service[i].role;
		*v++ = (int32_t)plan->service[i].index;
		*v++ = (int32_t)plan->service[i].node;
		*v++ = plan->service[i].port;
	}
	disagg_strbuf_puts(out, ";services=");
	disagg_wire_put_rows(out, &rows);
	disagg_strbuf_putc(out, ';');
	return 0;
}

static int read_workers(struct disagg_wire_reader *reader, struct disagg_plan *plan)
{
	struct disagg_wire_rows rows;
	uint32_t next = 0;

	if (disagg_wire_literal(reader, "workers=") < 0 ||
		disagg_wire_rows(reader, WORKER_COLUMNS, DISAGG_MAX_WORKERS, &rows) < 0)
		return -1;
	plan->worker = disagg_arena_array(reader->arena, rows.count + 1u, sizeof(*plan->worker));
	if (!plan->worker)
		return disagg_err_nomem(reader->err);
	plan->worker_count = rows.count;
	for (uint32_t i = 0; i < rows.count; i++) {
		const int32_t *v = rows.v + (size_t)i * WORKER_COLUMNS;
		struct disagg_worker *worker = &plan->worker[i];

		worker->role = (uint32_t)v[0];
		worker->index = (uint32_t)v[1];
		worker->process_count = (uint32_t)v[2];
		worker->first_process = next;
		if (v[2] < 0 || worker->process_count > DISAGG_MAX_GPUS - next)
			return disagg_wire_damaged(reader, "workers that own their processes");
		next += worker->process_count;
	}
	return 0;
}

static int read_processes(struct disagg_wire_reader *reader, struct disagg_plan *plan)
{
	struct disagg_wire_rows rows;
	uint32_t worker = 0;

	if (disagg_wire_literal(reader, ";processes=") < 0 ||
		disagg_wire_rows(reader, PROCESS_COLUMNS, DISAGG_MAX_GPUS, &rows) < 0)
		return -1;
	plan->process = disagg_arena_array(reader->arena, rows.count + 1u, sizeof(*plan->process));
	if (!plan->process)
		return disagg_err_nomem(reader->err);
	plan->process_count = rows.count;
	for (uint32_t i = 0; i < rows.count; i++) {
		const int32_t *v = rows.v + (size_t)i * PROCESS_COLUMNS;
		struct disagg_process *process = &plan->process[i];

		while (worker < plan->worker_count &&
			i >= plan->worker[worker].first_process +
					plan->worker[worker].process_count)
			worker++;
		if (worker == plan->worker_count)
			return disagg_wire_damaged(reader, "a worker for each process");
		if (v[2] < 0 || v[2] > (int32_t)DISAGG_WIRE_TASKS || v[3] < 0 || v[4] < 0 ||
			v[3] > UINT16_MAX || v[4] > UINT16_MAX)
			return disagg_wire_damaged(reader, "tasks and GPUs that a node can have");
		process->worker = worker;
		process->node = (uint32_t)v[0];
		process->rank = (uint32_t)v[1];
		process->tasks = (uint32_t)v[2];
		process->gpu_first = (uint16_t)v[3];
		process->gpu_count = (uint16_t)v[4];
		memcpy(process->port, v + 5, sizeof(process->port));
		plan->worker[worker].tasks += process->tasks;
	}
	return 0;
}

static int read_services(struct disagg_wire_reader *reader, struct disagg_plan *plan)
{
	struct disagg_wire_rows rows;

	if (disagg_wire_literal(reader, ";services=") < 0 ||
		disagg_wire_rows(reader, SERVICE_COLUMNS, DISAGG_MAX_WORKERS, &rows) < 0 ||
		disagg_wire_literal(reader, ";") < 0)
		return -1;
	plan->service = disagg_arena_array(reader->arena, rows.count + 1u, sizeof(*plan->service));
	if (!plan->service)
		return disagg_err_nomem(reader->err);
	plan->service_count = rows.count;
	for (uint32_t i = 0; i < rows.count; i++) {
		const int32_t *v = rows.v + (size_t)i * SERVICE_COLUMNS;

		plan->service[i].role = (uint32_t)v[0];
		plan->service[i].index = (uint32_t)v[1];
		plan->service[i].node = (uint32_t)v[2];
		plan->service[i].port = v[3];
	}
	return *reader->at ? disagg_wire_damaged(reader, "the end") : 0;
}

int disagg_wire_put_tables(struct disagg_arena *arena, const struct disagg_plan *plan,
	struct disagg_strbuf *out, struct disagg_err *err)
{
	if (put_workers(arena, plan, out) < 0 || put_processes(arena, plan, out) < 0 ||
		put_services(arena, plan, out) < 0)
		return disagg_err_nomem(err);
	return 0;
}

int disagg_wire_read_tables(struct disagg_wire_reader *reader, struct disagg_plan *plan)
{
	if (read_workers(reader, plan) < 0 || read_processes(reader, plan) < 0)
		return -1;
	return read_services(reader, plan);
}
