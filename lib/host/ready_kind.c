/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/ready_kind.h"

#include "lib/host/json.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const disagg_ready_kind_name[] = {
	[DISAGG_READY_HTTP] = "http",
	[DISAGG_READY_TCP] = "tcp",
	[DISAGG_READY_ETCD] = "etcd",
	[DISAGG_READY_NATS] = "nats",
	[DISAGG_READY_DYNAMO] = "dynamo",
	[DISAGG_READY_SGLANG_ROUTER] = "sglang-router",
	[DISAGG_READY_TRTLLM_SERVER] = "trtllm-server",
	[DISAGG_READY_VLLM] = "vllm",
	NULL,
};

void disagg_ready_why(char *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, DISAGG_READY_WHY, fmt, args);
	va_end(args);
	/* parts of it are what another machine said */
	disagg_text_tame(why);
}

enum disagg_ready_verdict disagg_ready_no_answer(
	const struct disagg_http_response *answer, char *why)
{
	if (answer->error)
		disagg_ready_why(why, "%s", answer->error);
	else
		disagg_ready_why(why, "answers %d", answer->status);
	return DISAGG_READY_BAD;
}

/* ---- judges of plain answers ---- */

static bool is_2xx(const struct disagg_http_response *answer)
{
	return !answer->error && answer->status >= 200 && answer->status <= 299;
}

static const char *shown(const struct disagg_json *json)
{
	static const char *const of_kind[] = {
		[DISAGG_JSON_MISSING] = "missing",
		[DISAGG_JSON_NULL] = "null",
		[DISAGG_JSON_BOOL] = "another boolean",
		[DISAGG_JSON_NUMBER] = "another number",
		[DISAGG_JSON_TEXT] = "another text",
		[DISAGG_JSON_ARRAY] = "an array",
		[DISAGG_JSON_OBJECT] = "an object",
	};
	const char *text = disagg_json_text(json);

	return text ? text : of_kind[disagg_json_kind(json)];
}

static enum disagg_ready_verdict judge_field(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	const struct disagg_json *found;
	struct disagg_json *json;
	bool good;

	if (disagg_json_parse(&json, answer->body, answer->len, &err)) {
		disagg_ready_why(why, "%s", err.text);
		return DISAGG_READY_BAD;
	}
	found = disagg_json_at(json, target->field);
	good = disagg_json_equals(found, target->value);
	if (!good)
		disagg_ready_why(
			why, "%s is %s, not %s", target->field, shown(found), target->value);
	disagg_json_free(json);
	return good ? DISAGG_READY_GOOD : DISAGG_READY_BAD;
}

static enum disagg_ready_verdict judge_http(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	if (target->any_status && !answer->error)
		return DISAGG_READY_GOOD;
	if (!is_2xx(answer))
		return disagg_ready_no_answer(answer, why);
	return target->field ? judge_field(target, answer, why) : DISAGG_READY_GOOD;
}

static enum disagg_ready_verdict judge_http_first(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	(void)target;
	return is_2xx(answer) ? DISAGG_READY_NEXT : disagg_ready_no_answer(answer, why);
}

static enum disagg_ready_verdict judge_tcp(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	(void)target;
	if (!answer->connected || answer->error)
		return disagg_ready_no_answer(answer, why);
	return DISAGG_READY_GOOD;
}

static enum disagg_ready_verdict judge_nats(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	static const char greeting[] = "INFO ";

	(void)target;
	if (answer->error)
		return disagg_ready_no_answer(answer, why);
	if (answer->len >= strlen(greeting) &&
		memcmp(answer->body, greeting, strlen(greeting)) == 0)
		return DISAGG_READY_GOOD;
	disagg_ready_why(why, "says '%s', not 'INFO '", answer->body);
	return DISAGG_READY_BAD;
}

/* "true" is a text there, in an answer of 200 or 503. */
static enum disagg_ready_verdict judge_etcd(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	static const struct disagg_ready_target says = {.field = "health", .value = "true"};

	(void)target;
	if (!is_2xx(answer))
		return disagg_ready_no_answer(answer, why);
	return judge_field(&says, answer, why);
}

static enum disagg_ready_verdict judge_any_model(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	static const struct disagg_ready_target any = {.value = NULL};

	(void)target;
	return disagg_ready_judge_models(&any, answer, why);
}

/* ---- the kinds ---- */

static const struct disagg_ready_row rows[] = {
	[DISAGG_READY_HTTP] = {.step = {{NULL, judge_http}}},
	[DISAGG_READY_TCP] = {.is_tcp = true, .step = {{"", judge_tcp}}},
	[DISAGG_READY_ETCD] = {.step = {{"/health", judge_etcd}}},
	[DISAGG_READY_NATS] = {.is_tcp = true, .greeting = 5, .step = {{"", judge_nats}}},
	[DISAGG_READY_DYNAMO] = {.step = {{"/health", disagg_ready_judge_dynamo}}},
	[DISAGG_READY_SGLANG_ROUTER] = {.step = {{"/workers", disagg_ready_judge_sglang_router}}},
	[DISAGG_READY_TRTLLM_SERVER] = {.step = {{"/cluster_info",
							 disagg_ready_judge_trtllm_cluster},
						{"/health", judge_http}}},
	[DISAGG_READY_VLLM] = {.step = {{"/health", judge_http_first},
				       {"/v1/models", judge_any_model}}},
};

const struct disagg_ready_row *disagg_ready_row(enum disagg_ready_kind kind)
{
	return &rows[kind];
}

static enum disagg_ready_verdict judge_models_or_none(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why)
{
	if (!answer->error && answer->status == 404)
		return DISAGG_READY_GOOD;
	return disagg_ready_judge_models(target, answer, why);
}

const struct disagg_ready_row disagg_ready_model_row = {
	.step = {{"/v1/models", disagg_ready_judge_models}},
};

const struct disagg_ready_row disagg_ready_model_row_or_none = {
	.step = {{"/v1/models", judge_models_or_none}},
};

/* ---- addresses ---- */

static int check_scheme(const struct disagg_ready_row *row,
	const struct disagg_ready_target *target, const char **ret_rest, struct disagg_err *err)
{
	static const char *const schemes[] = {"http://", "tcp://"};
	const char *url = target->url;

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i]);

		/* plain HTTP needs the path; the other kinds only host and port */
		if (strncasecmp(url, schemes[i], len) == 0 && (i == 0 || row->step[0].path)) {
			*ret_rest = url + len;
			return 0;
		}
	}
	return disagg_err_set(err, DISAGG_USAGE, "%s: cannot wait for '%s': expected %s",
		target->name, url,
		row->step[0].path ? "http://host:port or tcp://host:port" : "http://...");
}

int disagg_ready_url(struct disagg_arena *arena, const struct disagg_ready_row *row,
	const struct disagg_ready_step *step, const struct disagg_ready_target *target,
	const char **ret_url, struct disagg_err *err)
{
	const char *rest = NULL, *url;
	size_t host;

	if (!target->url)
		return disagg_err_set(err, DISAGG_USAGE, "%s: it has no URL", target->name);
	if (check_scheme(row, target, &rest, err))
		return -1;
	host = strcspn(rest, "/?#");
	if (!host)
		return disagg_err_set(err, DISAGG_USAGE, "%s: cannot wait for '%s': it has no host",
			target->name, target->url);
	url = step->path ? disagg_arena_printf(arena, "%s%.*s%s",
				   row->is_tcp ? "tcp://" : "http://", (int)host, rest, step->path)
			 : disagg_arena_strdup(arena, target->url);
	if (!url)
		return disagg_err_nomem(err);
	*ret_url = url;
	return 0;
}
