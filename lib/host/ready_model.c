/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/ready_kind.h"

#include "lib/base/strbuf.h"
#include "lib/host/json.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* enough that the decode worker takes its part */
#define BODY_SHOWN    60 /* bytes of what refuses a canary */
#define CANARY_TOKENS 4

/* ---- the model id ---- */

static struct disagg_json *parsed(const struct disagg_http_response *answer, char *why)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_json *json;

	if (disagg_json_parse(&json, answer->body, answer->len, &err) == 0)
		return json;
	disagg_ready_why(why, "%s", err.text);
	return NULL;
}

static bool lists_model(const struct disagg_json *data, const char *model)
{
	for (size_t i = 0; i < disagg_json_count(data); i++) {
		const char *id = disagg_json_text(disagg_json_at(disagg_json_item(data, i), "id"));

		if (id && strcmp(id, model) == 0)
			return true;
	}
	return false;
}

static enum disagg_ready_verdict judge_list(
	const struct disagg_json *data, const char *model, char *why)
{
	const char *first = disagg_json_text(disagg_json_at(data, "0.id"));

	if (!disagg_json_count(data)) {
		disagg_ready_why(why, "lists no model");
		return DISAGG_READY_BAD;
	}
	if (!model || lists_model(data, model))
		return DISAGG_READY_GOOD;
	disagg_ready_why(why, "serves '%s', expected '%s'", first ? first : "?", model);
	return DISAGG_READY_WRONG;
}

enum disagg_ready_verdict disagg_ready_judge_models(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	enum disagg_ready_verdict verdict;
	struct disagg_json *json;

	if (answer->error || answer->status != 200)
		return disagg_ready_no_answer(answer, why);
	json = parsed(answer, why);
	if (!json)
		return DISAGG_READY_BAD;
	verdict = judge_list(disagg_json_at(json, "data"), target->value, why);
	disagg_json_free(json);
	return verdict;
}

int disagg_ready_first_model(const struct disagg_http_response *answer, char *id, size_t size)
{
	char why[DISAGG_READY_WHY];
	struct disagg_json *json = parsed(answer, why);
	const char *first = disagg_json_text(disagg_json_at(json, "data.0.id"));
	int result = -1;

	if (first && strlen(first) < size) {
		memcpy(id, first, strlen(first) + 1);
		result = 0;
	}
	disagg_json_free(json);
	return result;
}

/* ---- the canary ---- */

/* Each asks something else: an answer from a cache of prefixes proves little. */
static void put_prompt(struct disagg_json_writer *out, unsigned number, bool chat)
{
	char text[96];

	snprintf(text, sizeof(text), "Canary %u: count upwards from %u, one number a line.", number,
		number + 1);
	if (!chat) {
		disagg_json_put_text(out, "prompt", text);
		return;
	}
	disagg_json_begin(out, "messages", '[');
	disagg_json_begin(out, NULL, '{');
	disagg_json_put_text(out, "role", "user");
	disagg_json_put_text(out, "content", text);
	disagg_json_end(out, '}');
	disagg_json_end(out, ']');
}

const char *disagg_ready_canary_body(
	struct disagg_arena *arena, const char *model, unsigned number, bool chat)
{
	struct disagg_strbuf text;
	struct disagg_json_writer out = {.out = &text};
	const char *copy;

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&out, NULL, '{');
	disagg_json_put_text(&out, "model", model);
	put_prompt(&out, number, chat);
	disagg_json_put_int(&out, "max_tokens", CANARY_TOKENS);
	disagg_json_put_real(&out, "temperature", 0);
	disagg_json_put_bool(&out, "stream", false);
	disagg_json_end(&out, '}');
	copy = text.failed ? NULL : disagg_arena_strndup(arena, text.text, text.len);
	disagg_strbuf_release(&text);
	return copy;
}

static bool has_text(const struct disagg_json *json)
{
	static const char *const places[] = {"choices.0.text", "choices.0.message.content"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const char *text = disagg_json_text(disagg_json_at(json, places[i]));

		if (text && text[0])
			return true;
	}
	return false;
}

/* The server's own count where it gives one: a text can be empty (thinking). */
static bool has_tokens(const struct disagg_json *json)
{
	int64_t tokens;

	if (!disagg_json_count(disagg_json_at(json, "choices")))
		return false;
	if (disagg_json_int(disagg_json_at(json, "usage.completion_tokens"), &tokens) == 0)
		return tokens > 0;
	return has_text(json);
}

bool disagg_ready_canary_good(const struct disagg_http_response *answer, char *why)
{
	struct disagg_json *json;
	bool good;

	if (answer->error || answer->status != 200) {
		disagg_ready_no_answer(answer, why);
		if (!answer->error && answer->len)
			disagg_ready_why(
				why, "answers %d: %.*s", answer->status, BODY_SHOWN, answer->body);
		return false;
	}
	json = parsed(answer, why);
	if (!json)
		return false;
	good = has_tokens(json);
	if (!good)
		disagg_ready_why(why, "a generation came back without tokens");
	disagg_json_free(json);
	return good;
}
