/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/ready_kind.h"

#include "lib/host/json.h"
#include <string.h>

/*
 * How many healthy workers a frontend knows.  More than expected is good: a
 * registration of an earlier run may linger, and the workers are asked
 * themselves as well.
 */
struct counts {
	unsigned prefill, decode;
};

/* What a row of the answer's list is worth; the names are the frontends' own. */
struct role_name {
	const char *name;
	bool is_prefill;
};

static void count_role(struct counts *have, const struct role_name *roles, const char *name)
{
	for (; name && roles->name; roles++) {
		if (strcmp(roles->name, name) != 0)
			continue;
		if (roles->is_prefill)
			have->prefill++;
		else
			have->decode++;
		return;
	}
}

static enum disagg_ready_verdict compare(
	const struct disagg_ready_target *target, const struct counts *have, char *why)
{
	if (have->prefill >= target->prefill && have->decode >= target->decode)
		return DISAGG_READY_GOOD;
	disagg_ready_why(why, "has %u of %u prefill and %u of %u decode workers", have->prefill,
		target->prefill, have->decode, target->decode);
	return DISAGG_READY_BAD;
}

/* Parsed, or NULL with the reason. */
static struct disagg_json *body_of(const struct disagg_http_response *answer, char *why)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_json *json;

	if (answer->error || answer->status != 200) {
		disagg_ready_no_answer(answer, why);
		return NULL;
	}
	if (disagg_json_parse(&json, answer->body, answer->len, &err) == 0)
		return json;
	disagg_ready_why(why, "%s", err.text);
	return NULL;
}

/* A list of rows; false where the answer has none under that name. */
static bool list_of(const struct disagg_json *json, const char *name,
	const struct disagg_json **ret_list, char *why)
{
	*ret_list = disagg_json_at(json, name);
	if (disagg_json_kind(*ret_list) == DISAGG_JSON_ARRAY)
		return true;
	disagg_ready_why(why, "the answer has no list '%s'", name);
	return false;
}

enum disagg_ready_verdict disagg_ready_judge_dynamo(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	static const struct role_name components[] = {
		{"prefill", true},
		{"decode", false},
		{"tensorrt_llm", false},
		{"backend", false},
		{NULL, false},
	};
	enum disagg_ready_verdict verdict = DISAGG_READY_BAD;
	struct disagg_json *json = body_of(answer, why);
	const struct disagg_json *list;
	struct counts have = {0, 0};

	if (json && list_of(json, "instances", &list, why)) {
		for (size_t i = 0; i < disagg_json_count(list); i++) {
			const struct disagg_json *row = disagg_json_item(list, i);

			/* a worker has other endpoints too */
			if (disagg_json_equals(disagg_json_at(row, "endpoint"), "generate"))
				count_role(&have, components,
					disagg_json_text(disagg_json_at(row, "component")));
		}
		verdict = compare(target, &have, why);
	}
	disagg_json_free(json);
	return verdict;
}

/* `stats` counts registrations, so only healthy rows are counted. */
enum disagg_ready_verdict disagg_ready_judge_sglang_router(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	static const struct role_name types[] = {
		{"prefill", true},
		{"decode", false},
		{"regular", false},
		{NULL, false},
	};
	enum disagg_ready_verdict verdict = DISAGG_READY_BAD;
	struct disagg_json *json = body_of(answer, why);
	const struct disagg_json *list;
	struct counts have = {0, 0};

	if (json && list_of(json, "workers", &list, why)) {
		for (size_t i = 0; i < disagg_json_count(list); i++) {
			const struct disagg_json *row = disagg_json_item(list, i);

			if (disagg_json_is_true(disagg_json_at(row, "is_healthy")))
				count_role(&have, types,
					disagg_json_text(disagg_json_at(row, "worker_type")));
		}
		verdict = compare(target, &have, why);
	}
	disagg_json_free(json);
	return verdict;
}

/* Without service discovery there are no arrays: the server does not listen
 * before every worker has answered it, so that /health says the same. */
enum disagg_ready_verdict disagg_ready_judge_trtllm_cluster(
	const struct disagg_ready_target *target, const struct disagg_http_response *answer,
	char *why)
{
	enum disagg_ready_verdict verdict = DISAGG_READY_NEXT;
	const struct disagg_json *workers;
	struct disagg_json *json;

	if (!answer->error && answer->status == 404)
		return DISAGG_READY_NEXT;
	json = body_of(answer, why);
	if (!json)
		return DISAGG_READY_BAD;
	workers = disagg_json_at(json, "current_workers");
	if (disagg_json_kind(workers) == DISAGG_JSON_OBJECT) {
		struct counts have = {
			.prefill = (unsigned)disagg_json_count(
				disagg_json_at(workers, "context_servers")),
			.decode = (unsigned)disagg_json_count(
				disagg_json_at(workers, "generation_servers")),
		};

		verdict = compare(target, &have, why);
	} else if (!disagg_json_is_true(disagg_json_at(json, "is_ready"))) {
		disagg_ready_why(why, "is_ready is not true");
		verdict = DISAGG_READY_BAD;
	}
	disagg_json_free(json);
	return verdict;
}
