/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/kv.h"

#include "tests/unit/tap.h"
#include <math.h>

static int read_model(const char *text, struct disagg_kv_model *ret, struct disagg_err *err)
{
	struct disagg_json *json;
	int rc = disagg_json_parse(&json, text, strlen(text), err);

	if (rc == 0) {
		rc = disagg_kv_model_read(json, ret, err);
		disagg_json_free(json);
	}
	return rc;
}

/* Numbers of the models' own config.json */
static void models(void)
{
	static const char llama[] = "{\"num_hidden_layers\":80,\"num_attention_heads\":64,"
				    "\"num_key_value_heads\":8,\"hidden_size\":8192,"
				    "\"torch_dtype\":\"bfloat16\"}";
	static const char deepseek[] = "{\"num_hidden_layers\":61,\"num_attention_heads\":128,"
				       "\"num_key_value_heads\":128,\"hidden_size\":7168,"
				       "\"kv_lora_rank\":512,\"qk_rope_head_dim\":64,"
				       "\"torch_dtype\":\"bfloat16\"}";
	static const char nested[] = "{\"text_config\":{\"num_hidden_layers\":2,\"head_dim\":128,"
				     "\"num_key_value_heads\":4,\"dtype\":\"float8_e4m3fn\"}}";
	struct disagg_kv_model model = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_kv_side eight = {8, 1}, two = {2, 1}, sixteen = {16, 1};

	ok(read_model(llama, &model, &err) == 0, "Llama 70B's configuration");
	/* 2 * 8 heads * 128 * 2 bytes = 4 KiB a layer and token, 320 KiB a token */
	is_int((intmax_t)disagg_kv_token_layer_bytes(&model), 4096, "4 KiB a token and layer");
	is_int((intmax_t)disagg_kv_request_bytes(&model, 8192), 2684354560, "2.5 GiB for 8K");
	is_int((intmax_t)disagg_kv_block_bytes(&model, 16, eight), 8192,
		"a page of 16 tokens, one of 8 ranks: 8 KiB");
	is_int((intmax_t)disagg_kv_block_bytes(&model, 16, two), 32768, "of two: 32 KiB");
	is_int((intmax_t)disagg_kv_block_bytes(&model, 16, sixteen), 8192,
		"a head is not cut: of 16 ranks as of 8");

	ok(read_model(deepseek, &model, &err) == 0, "DeepSeek V3's");
	is_int((intmax_t)disagg_kv_token_layer_bytes(&model), 1152, "(512 + 64) * 2: MLA");
	is_int((intmax_t)disagg_kv_block_bytes(&model, 64, eight), 73728,
		"the latent is whole on every rank");
	ok(read_model(nested, &model, &err) == 0 && model.bytes == 1 && model.layers == 2 &&
			disagg_kv_token_layer_bytes(&model) == 1024,
		"one inside of text_config, 8 bits");
	ok(read_model("{}", &model, &err) == -1 && err.code == DISAGG_CONFIG && model.layers == 2,
		"one without layers is refused");
	ok(read_model("{\"num_hidden_layers\":2}", &model, &err) == -1, "and one without heads");
	has_str(err.text, "num_key_value_heads", "which are named");
	ok(read_model("{\"num_hidden_layers\":-4,\"kv_lora_rank\":1}", &model, &err) == -1,
		"and a negative number");
}

static uint64_t sum_of(const uint64_t *matrix, size_t cells)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < cells; i++)
		sum += matrix[i];
	return sum;
}

static void matrices(void)
{
	struct disagg_kv_model model = {.layers = 4, .kv_heads = 8, .head_dim = 128, .bytes = 2};
	struct disagg_kv_model mla = {.layers = 61, .latent = 512, .rope = 64, .bytes = 2};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_kv_side same[2] = {{4, 1}, {4, 1}}, wider[2] = {{2, 1}, {4, 1}};
	struct disagg_kv_side staged[2] = {{2, 2}, {4, 1}}, copies[2] = {{8, 1}, {16, 1}};
	struct disagg_kv_side latent[2] = {{8, 1}, {2, 1}}, none[2] = {{0, 1}, {2, 1}};
	uint64_t head = 10ull * 2 * 128 * 2, *m; /* a layer's head of 10 tokens */
	int wrong = 0;

	ok(disagg_kv_matrix(&arena, &model, 10, same, &m, &err) == 0, "4 ranks to 4");
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 4; j++)
			wrong += m[i * 4 + j] != (i == j ? 4 * 2 * head : 0);
	is_int(wrong, 0, "each to its like, 2 heads of 4 layers");

	ok(disagg_kv_matrix(&arena, &model, 10, wider, &m, &err) == 0 && m[0] == 8 * head &&
			m[1] == 8 * head && m[2] == 0 && m[4] == 0 && m[6] == 8 * head,
		"2 to 4: a rank's four heads go to two");
	ok(disagg_kv_matrix(&arena, &model, 10, staged, &m, &err) == 0 && m[0] == 4 * head &&
			m[2 * 4] == 4 * head && m[3 * 4] == 0 && m[3 * 4 + 3] == 4 * head,
		"two stages give half of the layers each");
	is_int((intmax_t)sum_of(m, 16), (intmax_t)disagg_kv_request_bytes(&model, 10),
		"all of it once");
	ok(disagg_kv_matrix(&arena, &model, 10, copies, &m, &err) == 0 &&
			sum_of(m, 128) == 2 * disagg_kv_request_bytes(&model, 10),
		"16 ranks of 8 heads hold all twice");
	ok(disagg_kv_matrix(&arena, &mla, 10, latent, &m, &err) == 0 && m[0] > 0 &&
			m[1 * 2 + 1] == m[0] && m[1] == 0 &&
			sum_of(m, 16) == 2 * disagg_kv_request_bytes(&mla, 10),
		"MLA: each of two ranks gets the latent, from different ones");
	ok(disagg_kv_matrix(&arena, &model, 10, none, &m, &err) == -1 && err.code == DISAGG_CONFIG,
		"a side without ranks is refused");
	disagg_arena_release(&arena);
}

static void times(void)
{
	const uint64_t matrix[] = {100, 0, 50, 200};
	const double fast[] = {100, 100, 100, 100}, broken[] = {100, 100, 0, 100};
	const struct disagg_kv_flow flow[] = {{0, 2}, {0, 3}, {1, 3}, {1, 3}, {4, 5}};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	unsigned factor[5];

	ok(fabs(disagg_kv_seconds(matrix, fast, 2, 2) - 2.0) < 1e-9,
		"the slowest decode rank's 200 bytes at 100 a second");
	ok(isinf(disagg_kv_seconds(matrix, broken, 2, 2)), "a path that carries nothing: for ever");
	ok(disagg_kv_contention(&arena, flow, 5, 6, factor, &err) == 0 && factor[0] == 2 &&
			factor[1] == 3 && factor[2] == 3 && factor[4] == 1,
		"a flow shares the fuller of its two nodes");
	disagg_arena_release(&arena);
}

int main(void)
{
	models();
	matrices();
	times();
	return tap_done();
}
