/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/kvpath.h"

struct sides {
	uint32_t *prefill, *decode; /* nodes, each once */
	size_t prefills, decodes;
};

static bool has(const uint32_t *list, size_t count, uint32_t node)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == node)
			return true;
	return false;
}

static void add_process(
	struct sides *sides, const struct disagg_plan *plan, const struct disagg_process *process)
{
	const struct disagg_worker *worker = &plan->worker[process->worker];
	enum disagg_role_kind kind = plan->role[worker->role].kind;

	if (process->node >= plan->nodes)
		return;
	if (kind == DISAGG_PREFILL && !has(sides->prefill, sides->prefills, process->node))
		sides->prefill[sides->prefills++] = process->node;
	if (kind == DISAGG_DECODE && !has(sides->decode, sides->decodes, process->node))
		sides->decode[sides->decodes++] = process->node;
}

/* Round r: each of the smaller side with the r-th next of the larger one. */
static size_t of_plan(
	const struct sides *sides, unsigned rounds, struct disagg_kvpath_flow *flow, bool *busy)
{
	size_t more = sides->prefills > sides->decodes ? sides->prefills : sides->decodes;
	size_t less = sides->prefills < sides->decodes ? sides->prefills : sides->decodes;
	bool wide = sides->decodes == more;
	size_t count = 0;

	for (unsigned round = 0; less && round < rounds && round < more; round++) {
		size_t first = count;

		for (size_t i = 0; i < less; i++) {
			size_t other = (i + round) % more;
			struct disagg_kvpath_flow one = {sides->prefill[wide ? i : other],
				sides->decode[wide ? other : i], round};

			/* a node of both sides is in one flow at a time */
			if (one.prefill == one.decode || busy[one.prefill] || busy[one.decode])
				continue;
			busy[one.prefill] = busy[one.decode] = true;
			flow[count++] = one;
		}
		for (size_t i = first; i < count; i++)
			busy[flow[i].prefill] = busy[flow[i].decode] = false;
	}
	return count;
}

/* The circle method: the last stays, the others turn; of an odd number one rests. */
static size_t of_all(size_t nodes, unsigned rounds, struct disagg_kvpath_flow *flow)
{
	size_t even = nodes + nodes % 2, turn = even - 1, count = 0;

	for (unsigned round = 0; round < rounds && round < turn; round++) {
		for (size_t i = 0; i < even / 2; i++) {
			size_t a = i ? (round + i) % turn : even - 1;
			size_t b = i ? (round + turn - i) % turn : round;

			if (a >= nodes || b >= nodes)
				continue;
			flow[count].prefill = (uint32_t)(round % 2 ? a : b);
			flow[count].decode = (uint32_t)(round % 2 ? b : a);
			flow[count++].round = round;
		}
	}
	return count;
}

int disagg_kvpath_flows(struct disagg_arena *arena, const struct disagg_plan *plan, size_t nodes,
	unsigned rounds, struct disagg_kvpath_flow **ret, size_t *ret_count, struct disagg_err *err)
{
	struct sides sides = {0};
	struct disagg_kvpath_flow *flow =
		disagg_arena_array(arena, (nodes + 1) * rounds, sizeof(*flow));
	bool *busy = disagg_arena_array(arena, nodes, sizeof(*busy));

	sides.prefill = disagg_arena_array(arena, nodes, sizeof(uint32_t));
	sides.decode = disagg_arena_array(arena, nodes, sizeof(uint32_t));
	if (!flow || !busy || !sides.prefill || !sides.decode)
		return disagg_err_nomem(err);
	if (!plan || plan->nodes != nodes) {
		*ret_count = nodes < 2 ? 0 : of_all(nodes, rounds, flow);
	} else {
		for (uint32_t i = 0; i < plan->process_count; i++)
			add_process(&sides, plan, &plan->process[i]);
		*ret_count = of_plan(&sides, rounds, flow, busy);
	}
	*ret = flow;
	return 0;
}
