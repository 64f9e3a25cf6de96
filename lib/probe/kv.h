/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_KV_H
#define DISAGG_PROBE_KV_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/host/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a request's KV cache weighs, and which rank of the prefill side sends
 * how much of it to which rank of the decode side.  Pure.
 */

/* Of a model's config.json (Hugging Face's names). */
struct disagg_kv_model {
	unsigned layers;   /* num_hidden_layers */
	unsigned kv_heads; /* num_key_value_heads, else num_attention_heads */
	unsigned head_dim; /* head_dim, else hidden_size / num_attention_heads */
	unsigned latent;   /* kv_lora_rank; 0: no MLA */
	unsigned rope;	   /* qk_rope_head_dim */
	unsigned bytes;	   /* of an element: of dtype or torch_dtype; 2 where neither is there */
};

/* Also of a "text_config" in it.  DISAGG_CONFIG: a number is missing or out of range. */
int disagg_kv_model_read(
	const struct disagg_json *config, struct disagg_kv_model *ret, struct disagg_err *err);

/* A layer's: 2 * kv_heads * head_dim * bytes; MLA: (latent + rope) * bytes. */
uint64_t disagg_kv_token_layer_bytes(const struct disagg_kv_model *model);
/* Of a whole request: layers times tokens times that. */
uint64_t disagg_kv_request_bytes(const struct disagg_kv_model *model, uint64_t tokens);

/* How a side's model is cut: tp * pp ranks, rank = stage * tp + position. */
struct disagg_kv_side {
	unsigned tp, pp;
};

/* What is transferred at once: a page of one layer of one rank's heads; a head is not
 * cut, and MLA's latent is the same on all ranks of a stage. */
uint64_t disagg_kv_block_bytes(
	const struct disagg_kv_model *model, unsigned page_tokens, struct disagg_kv_side side);

/*
 * matrix[i * decode ranks + j]: bytes that prefill rank i sends to decode rank j.
 * A decode rank gets each layer and head that it holds once: where several
 * prefill ranks hold it, from the one at its own position modulo their number.
 * Layers and heads are cut evenly, the first ranks get what is left over.
 * DISAGG_CONFIG: a side without ranks, or with more than 4096.
 */
int disagg_kv_matrix(struct disagg_arena *arena, const struct disagg_kv_model *model,
	uint64_t tokens, const struct disagg_kv_side side[2], uint64_t **ret,
	struct disagg_err *err);

/*
 * Seconds until the last decode rank has all of its bytes, where ranks send to it
 * one after another: max over j of the sum over i of matrix / bandwidth (bytes/s).
 * bandwidth 0 of a pair that has something to send: INFINITY.
 */
double disagg_kv_seconds(
	const uint64_t *matrix, const double *bandwidth, size_t prefill_ranks, size_t decode_ranks);

/* A transfer between two nodes at the same time as others. */
struct disagg_kv_flow {
	uint32_t from, to;
};
/*
 * By how much each flow is slower than alone if its two nodes' NICs are what it shares,
 * evenly: the larger of the flows that leave `from` and that reach `to`.
 */
int disagg_kv_contention(struct disagg_arena *arena, const struct disagg_kv_flow *flow,
	size_t flows, size_t nodes, unsigned *ret, struct disagg_err *err);

#endif
