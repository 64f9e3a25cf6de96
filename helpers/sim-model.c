/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"

/*
 * Prefill: one request after the other, a constant time a token.  Decode: a
 * step takes tpot for one request and twice that for a full batch, as memory
 * bandwidth first serves all of a batch at once and attention then grows.
 */
int64_t sim_model_prefill(struct sim_model *model, uint64_t tokens, int64_t now)
{
	double ns = (double)tokens * model->ttft_us_per_token * 1e3 * model->slow;
	int64_t start = model->prefill_free_ns > now ? model->prefill_free_ns : now;

	model->prefill_free_ns = start + (int64_t)ns;
	return model->prefill_free_ns;
}

int64_t sim_model_step(const struct sim_model *model, unsigned running)
{
	double more = running > 1 ? (double)(running - 1) / model->max_concurrency : 0;

	return (int64_t)(model->tpot_ms * 1e6 * model->slow * (1 + more));
}
