/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"
#include "lib/base/num.h"
#include <string.h>

#define BYTES_PER_TOKEN 4u  /* of a prompt that is text */
#define NATURAL_END	64u /* tokens after which an answer ends by itself */

enum field {
	MODEL,
	PROMPT,
	MESSAGES,
	TEXT,
	INPUT_IDS,
	MAX_TOKENS,
	MAX_COMPLETION,
	MAX_NEW,
	STREAM,
	IGNORE_EOS,
	STREAM_OPTIONS,
	SAMPLING,
	TRANSFER,
	FIELDS,
};

static const struct {
	enum field prompt;
	const char *missing;
	uint32_t default_tokens;
} apis[] = {
	[SIM_COMPLETION] = {PROMPT, "'prompt' is missing", 16},
	[SIM_CHAT] = {MESSAGES, "'messages' is missing", NATURAL_END},
	[SIM_GENERATE] = {TEXT, "'text' and 'input_ids' are missing", 128},
};

static int read_prompt(struct sim_ask *ask, const struct sim_json *field, struct disagg_err *err)
{
	const struct sim_json *prompt = &field[apis[ask->api].prompt];
	size_t tokens;

	if (ask->api == SIM_GENERATE && prompt->kind == SIM_JSON_NONE)
		prompt = &field[INPUT_IDS];
	if (prompt->kind == SIM_JSON_NONE)
		return disagg_err_set(err, DISAGG_USAGE, "%s", apis[ask->api].missing);
	if (prompt->kind != SIM_JSON_STRING && prompt->kind != SIM_JSON_ARRAY)
		return disagg_err_set(
			err, DISAGG_USAGE, "'%s': expected text or a list", prompt->key);
	if (prompt->kind == SIM_JSON_ARRAY && !prompt->items)
		return disagg_err_set(err, DISAGG_USAGE, "'%s' is empty", prompt->key);
	if (prompt->kind == SIM_JSON_ARRAY && prompt->first_kind == SIM_JSON_NUMBER)
		tokens = prompt->items;
	else if (ask->api != SIM_CHAT && prompt->kind == SIM_JSON_ARRAY && prompt->items > 1)
		return disagg_err_set(err, DISAGG_USAGE, "'%s': expected one prompt, got %zu",
			prompt->key, prompt->items);
	else
		tokens = (prompt->len + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
	ask->prompt_tokens = tokens ? (uint32_t)tokens : 1;
	return 0;
}

static int read_max(struct sim_ask *ask, const struct sim_json *value, struct disagg_err *err)
{
	double number;

	if (value->kind == SIM_JSON_NONE || value->kind == SIM_JSON_NULL)
		return 0;
	if (!sim_json_number(value, &number) || number < 1 || number > SIM_MAX_TOKENS)
		return disagg_err_set(err, DISAGG_USAGE, "'%s': expected a number from 1 to %d",
			value->key, SIM_MAX_TOKENS);
	ask->max_tokens = (uint32_t)number;
	return 0;
}

static int read_flag(bool *ret, const struct sim_json *value, struct disagg_err *err)
{
	if (value->kind == SIM_JSON_NONE || value->kind == SIM_JSON_NULL)
		return 0;
	if (value->kind != SIM_JSON_TRUE && value->kind != SIM_JSON_FALSE)
		return disagg_err_set(
			err, DISAGG_USAGE, "'%s': expected true or false", value->key);
	*ret = value->kind == SIM_JSON_TRUE;
	return 0;
}

static bool read_digits(const struct sim_json *value, int64_t max, int64_t *ret)
{
	char text[32];

	return sim_json_text(value, text, sizeof(text)) && disagg_num_int(text, 0, max, ret) == 0;
}

/* What a router of ours has put in: which half of the work this is. */
static int read_transfer(struct sim_ask *ask, const struct sim_json *value, struct disagg_err *err)
{
	struct sim_json field[] = {{.key = "phase"}, {.key = "request"}, {.key = "host"},
		{.key = "port"}, {.key = "tokens"}, {.key = NULL}};
	int64_t request, port, tokens;
	char phase[16];

	if (value->kind == SIM_JSON_NONE)
		return 0;
	if (value->kind != SIM_JSON_OBJECT || !sim_json_object(value->text, value->len, field) ||
		!sim_json_text(&field[0], phase, sizeof(phase)) ||
		!read_digits(&field[1], INT64_MAX, &request))
		return disagg_err_set(
			err, DISAGG_USAGE, "'disagg_kv': expected a phase and a request");
	ask->request = (uint64_t)request;
	if (strcmp(phase, "prefill") == 0) {
		ask->phase = SIM_ONLY_PREFILL;
		return 0;
	}
	if (!sim_json_text(&field[2], ask->kv_host, sizeof(ask->kv_host)) ||
		!read_digits(&field[3], UINT16_MAX, &port) ||
		!read_digits(&field[4], UINT32_MAX, &tokens))
		return disagg_err_set(
			err, DISAGG_USAGE, "'disagg_kv': expected host, port and tokens");
	ask->phase = SIM_ONLY_DECODE;
	ask->kv_port = (uint16_t)port;
	ask->prompt_tokens = (uint32_t)tokens;
	return 0;
}

static int read_nested(struct sim_ask *ask, const struct sim_json *field, struct disagg_err *err)
{
	struct sim_json sampling[] = {
		{.key = "max_new_tokens"}, {.key = "ignore_eos"}, {.key = NULL}};
	struct sim_json options[] = {{.key = "include_usage"}, {.key = NULL}};

	if (field[SAMPLING].kind == SIM_JSON_OBJECT)
		sim_json_object(field[SAMPLING].text, field[SAMPLING].len, sampling);
	if (field[STREAM_OPTIONS].kind == SIM_JSON_OBJECT)
		sim_json_object(field[STREAM_OPTIONS].text, field[STREAM_OPTIONS].len, options);
	if (read_max(ask, &sampling[0], err) < 0 ||
		read_flag(&ask->ignore_eos, &sampling[1], err) < 0 ||
		read_flag(&ask->include_usage, &options[0], err) < 0)
		return -1;
	return read_transfer(ask, &field[TRANSFER], err);
}

int sim_ask_read(
	struct sim_ask *ret, enum sim_api api, const char *body, size_t len, struct disagg_err *err)
{
	struct sim_ask ask = {.api = api, .max_tokens = apis[api].default_tokens};
	struct sim_json field[FIELDS + 1] = {
		[MODEL] = {.key = "model"},
		[PROMPT] = {.key = "prompt"},
		[MESSAGES] = {.key = "messages"},
		[TEXT] = {.key = "text"},
		[INPUT_IDS] = {.key = "input_ids"},
		[MAX_TOKENS] = {.key = "max_tokens"},
		[MAX_COMPLETION] = {.key = "max_completion_tokens"},
		[MAX_NEW] = {.key = "max_new_tokens"},
		[STREAM] = {.key = "stream"},
		[IGNORE_EOS] = {.key = "ignore_eos"},
		[STREAM_OPTIONS] = {.key = "stream_options"},
		[SAMPLING] = {.key = "sampling_params"},
		[TRANSFER] = {.key = "disagg_kv"},
	};

	if (!sim_json_object(body, len, field))
		return disagg_err_set(err, DISAGG_USAGE, "the body is not a JSON object");
	sim_json_text(&field[MODEL], ask.model, sizeof(ask.model));
	if (read_prompt(&ask, field, err) < 0 || read_max(&ask, &field[MAX_TOKENS], err) < 0 ||
		read_max(&ask, &field[MAX_COMPLETION], err) < 0 ||
		read_max(&ask, &field[MAX_NEW], err) < 0 ||
		read_flag(&ask.stream, &field[STREAM], err) < 0 ||
		read_flag(&ask.ignore_eos, &field[IGNORE_EOS], err) < 0 ||
		read_nested(&ask, field, err) < 0)
		return -1;
	*ret = ask;
	return 0;
}

uint32_t sim_ask_answer(const struct sim_ask *ask, const char **ret_reason)
{
	bool stops = !ask->ignore_eos && ask->max_tokens > NATURAL_END;

	*ret_reason = stops ? "stop" : "length";
	return stops ? NATURAL_END : ask->max_tokens;
}
