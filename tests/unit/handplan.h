/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_HANDPLAN_H
#define DISAGG_TESTS_HANDPLAN_H

/*
 * Plans made by hand, for what stands behind the placement: three nodes of four
 * GPUs, two prefill workers on node 0, one decode worker over nodes 1 and 2, one
 * beside it, and services.
 */
#include "lib/plan/plan.h"
#include <stdlib.h>
#include <string.h>

#define HAND_NO_PORTS                                                                              \
	{                                                                                          \
		-1, -1, -1, -1, -1, -1, -1                                                         \
	}

static inline void *hand_array(struct disagg_arena *arena, size_t count, size_t size)
{
	void *array = disagg_arena_array(arena, count, size);

	if (!array)
		abort();
	return array;
}

static inline void hand_role(struct disagg_plan_role *role, const char *name,
	enum disagg_role_kind kind, enum disagg_engine engine, uint32_t workers, uint32_t gpus)
{
	*role = (struct disagg_plan_role){.name = name,
		.kind = kind,
		.engine = engine,
		.workers = workers,
		.gpus = gpus,
		.pin = HAND_NO_PORTS};
}

static inline struct disagg_plan *hand_plan(struct disagg_arena *arena, enum disagg_dialect dialect)
{
	static const struct disagg_process processes[] = {
		{0, 0, 0, 1, 0, 2, {7500, 6100, 7200, 5200, 5400, -1, 8300}},
		{1, 0, 0, 1, 2, 2, {7501, 6132, 7201, 5201, 5401, -1, 8301}},
		{2, 1, 0, 2, 0, 4, {7502, 6100, -1, 5202, 5402, -1, 8302}},
		{2, 2, 1, 1, 0, 2, {7503, 0, -1, 5203, 5403, -1, 8302}},
		{3, 2, 0, 1, 2, 2, {7504, 6100, -1, 5204, 5404, -1, 8303}},
	};
	static const struct disagg_worker workers[] = {
		{0, 0, 0, 1, 1},
		{0, 1, 1, 1, 1},
		{1, 0, 2, 2, 3},
		{1, 1, 4, 1, 1},
	};
	static const struct disagg_service services[] = {
		{2, 0, 0, 2379},
		{3, 0, 1, 8180},
		{3, 1, 2, 8180},
		{4, 0, 0, 8000},
		{5, 0, 2, -1},
	};
	static const char *after[] = {"prefill", "decode-big"};
	struct disagg_plan *plan = hand_array(arena, 1, sizeof(*plan));
	struct disagg_kv *env = hand_array(arena, 4, sizeof(*env));

	*plan = (struct disagg_plan){.name = "demo",
		.dialect = dialect,
		.source = "demo.yaml",
		.nodes = 3,
		.worker_nodes = 3,
		.gpus_per_node = 4,
		.gpus_used = 12,
		.role_count = 6,
		.worker_count = 4,
		.process_count = 5,
		.service_count = 5};
	plan->role = hand_array(arena, 6, sizeof(*plan->role));
	hand_role(&plan->role[0], "prefill", DISAGG_PREFILL, DISAGG_E_SGLANG, 2, 2);
	hand_role(&plan->role[1], "decode-big", DISAGG_DECODE, DISAGG_E_SGLANG, 2, 6);
	hand_role(&plan->role[2], "etcd", DISAGG_INFRA, DISAGG_E_ETCD, 1, 0);
	hand_role(&plan->role[3], "frontend", DISAGG_FRONTEND, DISAGG_E_DYNAMO_FRONTEND, 2, 0);
	hand_role(&plan->role[4], "nginx", DISAGG_FRONTEND, DISAGG_E_NGINX, 1, 0);
	hand_role(&plan->role[5], "benchmark", DISAGG_BENCHMARK, DISAGG_E_BENCHMARK, 1, 0);
	env[0] = (struct disagg_kv){.key = "ODD", .value = "a;b, c=100%~\n\xc3\xa9"};
	env[1] = (struct disagg_kv){.key = "HF_TOKEN", .value = "${env:HF_TOKEN}"};
	env[2] = (struct disagg_kv){.key = "WHERE", .value = "{node}/{node_id}/{other}"};
	env[3] = (struct disagg_kv){.key = "DISAGG_ROLE", .value = "stolen"};
	plan->role[0].env = (struct disagg_map){env, 4};
	plan->role[1].env = (struct disagg_map){env + 1, 2};
	plan->role[3].after = (struct disagg_strs){after, 2};
	plan->process = hand_array(arena, 5, sizeof(*plan->process));
	memcpy(plan->process, processes, sizeof(processes));
	plan->worker = hand_array(arena, 4, sizeof(*plan->worker));
	memcpy(plan->worker, workers, sizeof(workers));
	plan->service = hand_array(arena, 5, sizeof(*plan->service));
	memcpy(plan->service, services, sizeof(services));
	return plan;
}

/* `workers` workers of `size` GPUs, one behind the other, over as many nodes as needed. */
static inline struct disagg_plan *hand_big_plan(
	struct disagg_arena *arena, uint32_t workers, uint32_t size, uint32_t gpus_per_node)
{
	struct disagg_plan *plan = hand_array(arena, 1, sizeof(*plan));
	uint32_t cursor = 0, most = workers * (size / gpus_per_node + 2);

	*plan = (struct disagg_plan){.name = "big",
		.source = "big.yaml",
		.gpus_per_node = gpus_per_node,
		.gpus_used = workers * size,
		.role_count = 2,
		.worker_count = workers};
	plan->nodes = (workers * size + gpus_per_node - 1) / gpus_per_node;
	plan->worker_nodes = plan->nodes;
	plan->role = hand_array(arena, 2, sizeof(*plan->role));
	hand_role(&plan->role[0], "prefill", DISAGG_PREFILL, DISAGG_E_VLLM, workers / 3, size);
	hand_role(&plan->role[1], "decode", DISAGG_DECODE, DISAGG_E_VLLM, workers - workers / 3,
		size);
	plan->worker = hand_array(arena, workers, sizeof(*plan->worker));
	plan->process = hand_array(arena, most, sizeof(*plan->process));
	for (uint32_t i = 0; i < workers; i++) {
		struct disagg_worker *worker = &plan->worker[i];
		uint32_t left = size;

		*worker = (struct disagg_worker){.role = i >= workers / 3,
			.index = i >= workers / 3 ? i - workers / 3 : i,
			.first_process = plan->process_count};
		while (left) {
			struct disagg_process *process = &plan->process[plan->process_count];
			uint32_t first = cursor % gpus_per_node, room = gpus_per_node - first;
			uint32_t take = left < room ? left : room;
			int32_t n = (int32_t)plan->process_count++;

			*process = (struct disagg_process){.worker = i,
				.node = cursor / gpus_per_node,
				.rank = worker->process_count,
				.tasks = 1,
				.gpu_first = (uint16_t)first,
				.gpu_count = (uint16_t)take,
				.port = {7500 + n, left == size ? 6100 + (int)first * 16 : 0, -1,
					20000 + n, 30000 + n, -1, 8300 + (int)first}};
			worker->process_count++;
			worker->tasks++;
			cursor += take;
			left -= take;
		}
	}
	return plan;
}

static inline bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline bool same_role(const struct disagg_plan_role *a, const struct disagg_plan_role *b)
{
	if (!same_text(a->name, b->name) || a->kind != b->kind || a->engine != b->engine ||
		a->workers != b->workers || a->gpus != b->gpus ||
		memcmp(a->pin, b->pin, sizeof(a->pin)) != 0 || a->after.count != b->after.count ||
		a->env.count != b->env.count)
		return false;
	for (unsigned i = 0; i < a->after.count; i++) {
		if (!same_text(a->after.v[i], b->after.v[i]))
			return false;
	}
	for (unsigned i = 0; i < a->env.count; i++) {
		if (!same_text(a->env.v[i].key, b->env.v[i].key) ||
			!same_text(a->env.v[i].value, b->env.v[i].value))
			return false;
	}
	return true;
}

static inline bool same_table(const void *a, const void *b, size_t count, size_t size)
{
	return !count || memcmp(a, b, count * size) == 0;
}

/* Field by field; the name of the first that differs, or NULL. */
static inline const char *plan_difference(const struct disagg_plan *a, const struct disagg_plan *b)
{
#define SAME_TEXT(field)                                                                           \
	do {                                                                                       \
		if (!same_text(a->field, b->field))                                                \
			return #field;                                                             \
	} while (0)
#define SAME(field)                                                                                \
	do {                                                                                       \
		if (a->field != b->field)                                                          \
			return #field;                                                             \
	} while (0)
	SAME_TEXT(name);
	SAME(dialect);
	SAME_TEXT(source);
	SAME_TEXT(variant);
	SAME_TEXT(log_dir);
	SAME_TEXT(served_name);
	SAME_TEXT(model_path);
	SAME(nodes);
	SAME(worker_node_first);
	SAME(worker_nodes);
	SAME(gpus_per_node);
	SAME(gpus_unmanaged);
	SAME(rehearse);
	SAME(head_node);
	SAME(infra_node);
	SAME(client_node);
	SAME(gpus_used);
	SAME(probes);
	SAME(on_failure);
	SAME(spare_nodes);
	SAME(role_count);
	SAME(worker_count);
	SAME(process_count);
	SAME(service_count);
#undef SAME
#undef SAME_TEXT
	for (uint32_t i = 0; i < a->role_count; i++) {
		if (!same_role(&a->role[i], &b->role[i]))
			return "role";
	}
	if (!same_table(a->worker, b->worker, a->worker_count, sizeof(*a->worker)))
		return "worker";
	if (!same_table(a->process, b->process, a->process_count, sizeof(*a->process)))
		return "process";
	if (!same_table(a->service, b->service, a->service_count, sizeof(*a->service)))
		return "service";
	return NULL;
}

#endif
