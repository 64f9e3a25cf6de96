/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/plan.h"
#include "lib/plan/wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Time and memory of one plan for 10,000 GPUs, and the size of its wire.
 * Prints; asserts nothing.
 */
enum { RUNS = 21, PORT = 8000 };

static const struct {
	const char *name;
	unsigned gpus_per_node;
	struct {
		unsigned workers, gpus;
	} prefill, decode;
} shapes[] = {
	{"10,000 GPUs, nodes of 4, workers of 4 and 16", 4, {1000, 4}, {375, 16}},
	{"10,000 GPUs, nodes of 8, workers of 1", 8, {4000, 1}, {6000, 1}},
	{"10,000 GPUs, nodes of 4, workers of 6 and 2", 4, {1000, 6}, {2000, 2}},
};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *value)
{
	qsort(value, RUNS, sizeof(*value), by_value);
	return value[RUNS / 2];
}

static struct disagg_role role_of(
	const char *name, enum disagg_role_kind kind, unsigned workers, unsigned gpus)
{
	struct disagg_role role = {
		.name = name,
		.kind = kind,
		.engine = kind == DISAGG_FRONTEND ? DISAGG_E_SGLANG_ROUTER : DISAGG_E_SGLANG,
		.workers = workers,
		.gpus = gpus,
		.port = kind == DISAGG_FRONTEND ? PORT : -1,
	};

	for (int i = 0; i < DISAGG_PORT_COUNT; i++)
		role.pin[i] = -1;
	return role;
}

struct sample {
	double plan_ms, wire_ms;
	size_t arena_bytes, wire_bytes;
	uint32_t nodes, gpus;
};

static int measure(size_t shape, struct sample *ret)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_findings found;
	struct disagg_role role[] = {
		role_of("prefill", DISAGG_PREFILL, shapes[shape].prefill.workers,
			shapes[shape].prefill.gpus),
		role_of("decode", DISAGG_DECODE, shapes[shape].decode.workers,
			shapes[shape].decode.gpus),
		role_of("frontend", DISAGG_FRONTEND, 1, 0),
	};
	struct disagg_job job = {
		.name = "bench",
		.source = "bench.yaml",
		.gpus_per_node = shapes[shape].gpus_per_node,
		.role = role,
		.role_count = sizeof(role) / sizeof(*role),
	};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_plan *plan;
	const char *wire = NULL;
	double start = now_ms();

	disagg_findings_init(&found, &arena);
	if (disagg_plan_make(&arena, &job, &plan, &found) < 0) {
		printf("# %s\n", found.count ? found.item[0].text : "no plan");
		disagg_arena_release(&arena);
		return -1;
	}
	ret->plan_ms = now_ms() - start;
	ret->arena_bytes = arena.used;
	ret->nodes = plan->nodes;
	ret->gpus = plan->gpus_used;
	start = now_ms();
	if (disagg_wire_encode(&arena, plan, &wire, &err) < 0)
		printf("# %s\n", err.text);
	ret->wire_ms = now_ms() - start;
	ret->wire_bytes = wire ? strlen(wire) : 0;
	disagg_arena_release(&arena);
	return 0;
}

int main(void)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		double plan_ms[RUNS], wire_ms[RUNS];
		struct sample s = {0};

		for (int k = 0; k < RUNS; k++) {
			if (measure(i, &s) < 0)
				return 5;
			plan_ms[k] = s.plan_ms;
			wire_ms[k] = s.wire_ms;
		}
		printf("%s: %u GPUs on %u nodes: plan %.3f ms, arena %.2f MiB, wire %.3f ms, "
		       "%zu bytes (medians of %d)\n",
			shapes[i].name, s.gpus, s.nodes, median(plan_ms),
			(double)s.arena_bytes / (1 << 20), median(wire_ms), s.wire_bytes, RUNS);
	}
	return 0;
}
