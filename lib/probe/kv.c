/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/kv.h"

#include <math.h>
#include <string.h>

#define RANKS_MAX 4096u

/* ---- a model ---- */

static const struct {
	const char *name;
	unsigned bytes;
} dtypes[] = {
	{"bfloat16", 2},
	{"float16", 2},
	{"half", 2},
	{"float32", 4},
	{"float", 4},
	{"float8_e4m3fn", 1},
	{"float8_e5m2", 1},
	{"fp8", 1},
	{"int8", 1},
};

static int number(const struct disagg_json *config, const char *name, unsigned *ret)
{
	int64_t value;

	if (disagg_json_int(disagg_json_at(config, name), &value) < 0 || value < 0 ||
		value > 1000000)
		return -1;
	*ret = (unsigned)value;
	return 0;
}

static unsigned element_bytes(const struct disagg_json *config)
{
	const char *dtype = disagg_json_text(disagg_json_at(config, "dtype"));

	if (!dtype)
		dtype = disagg_json_text(disagg_json_at(config, "torch_dtype"));
	for (size_t i = 0; dtype && i < sizeof(dtypes) / sizeof(*dtypes); i++)
		if (strcmp(dtype, dtypes[i].name) == 0)
			return dtypes[i].bytes;
	return 2;
}

static int read_heads(
	const struct disagg_json *config, struct disagg_kv_model *model, struct disagg_err *err)
{
	unsigned heads = 0, hidden = 0;

	number(config, "num_attention_heads", &heads);
	number(config, "hidden_size", &hidden);
	if (number(config, "num_key_value_heads", &model->kv_heads) < 0)
		model->kv_heads = heads;
	if (number(config, "head_dim", &model->head_dim) < 0 && heads)
		model->head_dim = hidden / heads;
	if (!model->kv_heads || !model->head_dim)
		return disagg_err_set(err, DISAGG_CONFIG,
			"no heads in the model's configuration: expected num_key_value_heads and "
			"head_dim, or num_attention_heads and hidden_size");
	return 0;
}

int disagg_kv_model_read(
	const struct disagg_json *config, struct disagg_kv_model *ret, struct disagg_err *err)
{
	struct disagg_kv_model model = {0};

	if (disagg_json_at(config, "text_config.num_hidden_layers"))
		config = disagg_json_at(config, "text_config");
	if (number(config, "num_hidden_layers", &model.layers) < 0 || !model.layers)
		return disagg_err_set(
			err, DISAGG_CONFIG, "no num_hidden_layers in the model's configuration");
	model.bytes = element_bytes(config);
	if (number(config, "kv_lora_rank", &model.latent) == 0 && model.latent)
		number(config, "qk_rope_head_dim", &model.rope);
	else if (read_heads(config, &model, err) < 0)
		return -1;
	*ret = model;
	return 0;
}

uint64_t disagg_kv_token_layer_bytes(const struct disagg_kv_model *model)
{
	if (model->latent)
		return (uint64_t)(model->latent + model->rope) * model->bytes;
	return 2ull * model->kv_heads * model->head_dim * model->bytes;
}

uint64_t disagg_kv_request_bytes(const struct disagg_kv_model *model, uint64_t tokens)
{
	return model->layers * tokens * disagg_kv_token_layer_bytes(model);
}

uint64_t disagg_kv_block_bytes(
	const struct disagg_kv_model *model, unsigned page_tokens, struct disagg_kv_side side)
{
	uint64_t heads = model->latent ? 1 : model->kv_heads;
	uint64_t one = disagg_kv_token_layer_bytes(model) / heads;
	uint64_t here = side.tp ? (heads + side.tp - 1) / side.tp : heads;

	return page_tokens * here * one;
}

/* ---- who sends what to whom ---- */

/* [first, end) of `all` things for part `at` of `parts`; with more parts than things
 * several hold the same one. */
struct range {
	unsigned first, end;
};

static struct range part_of(unsigned all, unsigned parts, unsigned at)
{
	unsigned each = all / parts, more = all % parts;
	struct range range;

	if (parts > all) {
		range.first = (unsigned)((uint64_t)at * all / parts);
		range.end = range.first + 1;
		return range;
	}
	range.first = at * each + (at < more ? at : more);
	range.end = range.first + each + (at < more);
	return range;
}

static bool holds(struct range range, unsigned thing)
{
	return thing >= range.first && thing < range.end;
}

/* The prefill rank of a stage that gives `head` to the decode rank at `position`. */
static unsigned giver(unsigned heads, unsigned tp, unsigned head, unsigned position)
{
	unsigned first = 0, count = 0;

	for (unsigned t = 0; t < tp; t++) {
		if (!holds(part_of(heads, tp, t), head))
			continue;
		if (!count)
			first = t;
		count++;
	}
	return first + position % count;
}

struct cut {
	const struct disagg_kv_model *model;
	const struct disagg_kv_side *side;
	unsigned heads;
	uint64_t head_bytes; /* of a layer, all tokens */
	uint64_t *matrix;
};

/* All that decode rank (stage, position) gets. */
static void fill_rank(struct cut *cut, unsigned stage, unsigned position)
{
	const struct disagg_kv_side *prefill = &cut->side[0], *decode = &cut->side[1];
	struct range layers = part_of(cut->model->layers, decode->pp, stage);
	struct range heads = part_of(cut->heads, decode->tp, position);
	size_t to = (size_t)stage * decode->tp + position;

	for (unsigned s = 0; s < prefill->pp; s++) {
		struct range theirs = part_of(cut->model->layers, prefill->pp, s);
		unsigned first = theirs.first > layers.first ? theirs.first : layers.first;
		unsigned end = theirs.end < layers.end ? theirs.end : layers.end;

		for (unsigned head = heads.first; first < end && head < heads.end; head++) {
			unsigned t = giver(cut->heads, prefill->tp, head, position);
			size_t from = (size_t)s * prefill->tp + t;

			cut->matrix[from * decode->tp * decode->pp + to] +=
				(uint64_t)(end - first) * cut->head_bytes;
		}
	}
}

static bool is_side(const struct disagg_kv_model *model, const struct disagg_kv_side *side)
{
	return side->tp && side->pp && side->tp <= RANKS_MAX && side->pp <= model->layers &&
	       (uint64_t)side->tp * side->pp <= RANKS_MAX;
}

int disagg_kv_matrix(struct disagg_arena *arena, const struct disagg_kv_model *model,
	uint64_t tokens, const struct disagg_kv_side side[2], uint64_t **ret,
	struct disagg_err *err)
{
	struct cut cut = {.model = model, .side = side};
	size_t cells;

	if (!is_side(model, &side[0]) || !is_side(model, &side[1]))
		return disagg_err_set(err, DISAGG_CONFIG,
			"cannot cut the model by tp %u pp %u and tp %u pp %u: expected 1 to %u "
			"ranks, and no more stages than its %u layers",
			side[0].tp, side[0].pp, side[1].tp, side[1].pp, RANKS_MAX, model->layers);
	cells = (size_t)side[0].tp * side[0].pp * side[1].tp * side[1].pp;
	cut.matrix = disagg_arena_array(arena, cells, sizeof(*cut.matrix));
	if (!cut.matrix)
		return disagg_err_nomem(err);
	cut.heads = model->latent ? 1 : model->kv_heads;
	cut.head_bytes = tokens * disagg_kv_token_layer_bytes(model) / cut.heads;
	for (unsigned stage = 0; stage < side[1].pp; stage++)
		for (unsigned position = 0; position < side[1].tp; position++)
			fill_rank(&cut, stage, position);
	*ret = cut.matrix;
	return 0;
}

double disagg_kv_seconds(
	const uint64_t *matrix, const double *bandwidth, size_t prefill_ranks, size_t decode_ranks)
{
	double longest = 0;

	for (size_t j = 0; j < decode_ranks; j++) {
		double sum = 0;

		for (size_t i = 0; i < prefill_ranks; i++) {
			size_t at = i * decode_ranks + j;

			if (matrix[at])
				sum += bandwidth[at] > 0 ? (double)matrix[at] / bandwidth[at]
							 : (double)INFINITY;
		}
		longest = fmax(longest, sum);
	}
	return longest;
}

int disagg_kv_contention(struct disagg_arena *arena, const struct disagg_kv_flow *flow,
	size_t flows, size_t nodes, unsigned *ret, struct disagg_err *err)
{
	unsigned *leave = disagg_arena_array(arena, nodes, sizeof(*leave));
	unsigned *reach = disagg_arena_array(arena, nodes, sizeof(*reach));

	if (!leave || !reach)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < flows; i++) {
		leave[flow[i].from]++;
		reach[flow[i].to]++;
	}
	for (size_t i = 0; i < flows; i++) {
		unsigned a = leave[flow[i].from], b = reach[flow[i].to];

		ret[i] = a > b ? a : b;
	}
	return 0;
}
