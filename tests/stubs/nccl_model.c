/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stubs/nccl_model.h"

#include "tests/stubs/faults.h"
#include "tests/stubs/nccl_hub.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_SHARE  (367.0 / 473)
#define NIC_REACHES 0.97
#define SLOW	    0.7
#define HALF_SIZE   (1u << 20) /* bytes at which a NIC has half its speed */

/* log2 of bytes -> busbw in GB/s */
static const struct {
	unsigned log2;
	double busbw;
} curve[] = {{15, 1.44}, {16, 2.93}, {17, 5.73}, {18, 11.7}, {19, 23.9}, {20, 39.9}, {21, 64.5},
	{22, 107}, {23, 155.5}, {24, 219.9}, {25, 275.8}, {26, 346.5}, {27, 401.9}, {28, 436.2},
	{29, 450.3}, {30, 463.6}, {31, 469.2}, {32, 473.1}, {33, 477.5}, {34, 482.3}};

#define POINTS (sizeof(curve) / sizeof(curve[0]))

/* whether node= (or another key) of a fault names it; without one it names all */
static bool names(const struct stub_fault *fault, const char *key, const char *name)
{
	const char *list = stub_fault_text(fault, key, NULL);
	size_t len = strlen(name);

	for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
		if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	return !list;
}

static double slower(const char *kind, const char *node, int rail)
{
	const struct stub_fault *fault = NULL;

	while ((fault = stub_fault_next(kind, fault)))
		if (names(fault, "node", node) &&
			(rail < 0 || (int)stub_fault_number(fault, "rail", rail) == rail))
			return stub_fault_number(fault, "by", SLOW);
	return 1;
}

static double slower_pair(const char *one, const char *other)
{
	const struct stub_fault *fault = NULL;

	while ((fault = stub_fault_next("slow-pair", fault)))
		if ((names(fault, "a", one) && names(fault, "b", other)) ||
			(names(fault, "a", other) && names(fault, "b", one)))
			return stub_fault_number(fault, "by", SLOW);
	return 1;
}

/* ---- the communicator ---- */

int stub_model_init(struct stub_model *model, uint32_t nranks)
{
	*model = (struct stub_model){.nranks = nranks, .slow_inside = 1, .slow_between = 1};
	model->places = calloc(nranks, sizeof(*model->places));
	return model->places ? 0 : -1;
}

void stub_model_place(struct stub_model *model, uint32_t rank, const char *node, uint32_t index)
{
	snprintf(model->places[rank].node, STUB_NODE_NAME, "%s", node);
	model->places[rank].index = index;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static double slow_send(const struct stub_place *from, const struct stub_place *to)
{
	double slow = least(slower("slow-node", from->node, -1), slower("slow-node", to->node, -1));

	slow = least(slow, slower("slow-rail", from->node, (int)from->index));
	slow = least(slow, slower("slow-rail", to->node, (int)to->index));
	return least(slow, slower_pair(from->node, to->node));
}

/* ranks of a node follow each other */
static bool is_first(const struct stub_model *model, uint32_t rank)
{
	return rank == 0 || strcmp(model->places[rank].node, model->places[rank - 1].node) != 0;
}

void stub_model_start(struct stub_model *model)
{
	const char *first[STUB_MOST_RANKS];
	uint64_t hash = stub_hash(stub_text("SEED", "1"));

	for (uint32_t r = 0; r < model->nranks; r++) {
		const struct stub_place *place = &model->places[r];

		model->slow_inside =
			least(model->slow_inside, slower("slow-nvlink", place->node, -1));
		model->slow_between = least(model->slow_between, slow_send(place, place));
		if (is_first(model, r)) {
			first[model->nodes++] = place->node;
			hash = hash * 31 + stub_hash(place->node);
		}
	}
	/* above that a pair is not looked for: no test has so many nodes */
	for (uint32_t i = 0; i < model->nodes && model->nodes <= 256; i++)
		for (uint32_t j = 0; j < i; j++)
			model->slow_between =
				least(model->slow_between, slower_pair(first[i], first[j]));
	model->state = hash;
	/* a jitter is a tenth of a spread */
	model->spread = 1 + 10 * (stub_jitter(&model->state) - 1);
}

/* ---- times ---- */

static bool nvls_is_off(const struct stub_model *model)
{
	const struct stub_fault *fault = NULL;

	while ((fault = stub_fault_next("nvls-off", fault)))
		if (names(fault, "node", model->places[0].node))
			return true;
	return false;
}

static double inside(const struct stub_model *model, uint32_t kind, uint64_t bytes)
{
	double at = log2((double)(bytes ? bytes : 1)), busbw;
	size_t i = 0;

	while (i < POINTS && curve[i].log2 < at)
		i++;
	if (i == 0) /* the time is that of the smallest size */
		busbw = curve[0].busbw * (double)bytes / (double)(1u << curve[0].log2);
	else if (i == POINTS)
		busbw = curve[POINTS - 1].busbw;
	else
		busbw = curve[i - 1].busbw +
			(at - curve[i - 1].log2) * (curve[i].busbw - curve[i - 1].busbw);
	/* what NVLS does not speed up, and what has too few GPUs for it */
	if (kind != STUB_ALL_REDUCE || model->nranks < 8 || nvls_is_off(model))
		busbw *= RING_SHARE;
	return busbw * model->slow_inside;
}

static bool through_nics(const struct stub_model *model)
{
	const char *p2p = getenv("NCCL_P2P_DISABLE"), *shm = getenv("NCCL_SHM_DISABLE");

	return model->nodes > 1 || (p2p && shm && strcmp(p2p, "1") == 0 && strcmp(shm, "1") == 0);
}

/* busbw that the NICs give: two levels over k nodes, a ring inside one */
static double between(const struct stub_model *model, uint64_t bytes)
{
	double wire = stub_number("NIC", 50) * NIC_REACHES;
	double share = (double)bytes / ((double)bytes + HALF_SIZE);

	if (model->nodes > 1)
		wire *= (model->nranks - 1.0) / (model->nodes - 1.0);
	return wire * share;
}

double stub_model_collective(struct stub_model *model, uint32_t kind, uint64_t bytes)
{
	double n = model->nranks, part = kind == STUB_BROADCAST ? 1 : (n - 1) / n;
	double busbw = inside(model, kind, bytes);
	double factor = kind == STUB_ALL_REDUCE ? 2 * part : part;

	if (model->nranks == 1 || bytes == 0)
		return STUB_NCCL_LATENCY_S;
	if (model->nodes > 1)
		busbw = least(busbw, between(model, bytes)) * model->slow_between;
	else if (through_nics(model))
		busbw = between(model, bytes) * model->slow_between;
	busbw *= model->spread * stub_jitter(&model->state);
	return (double)bytes * factor / busbw / 1e9;
}

double stub_model_send(struct stub_model *model, int32_t src, int32_t dst, uint64_t bytes)
{
	const struct stub_place *from = &model->places[src], *to = &model->places[dst];
	bool same_node = strcmp(from->node, to->node) == 0;
	double speed = stub_number("NIC", 50) * NIC_REACHES * slow_send(from, to);

	if (src == dst)
		return 0;
	if (same_node && !through_nics(model))
		speed = curve[POINTS - 3].busbw * RING_SHARE * model->slow_inside;
	return (double)bytes / (speed * model->spread * stub_jitter(&model->state)) / 1e9;
}
