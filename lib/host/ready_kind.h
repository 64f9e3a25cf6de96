/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_READY_KIND_H
#define DISAGG_HOST_READY_KIND_H

#include "lib/host/http.h"
#include "lib/host/ready.h"

/*
 * What each kind of target is asked, and what its answers mean.  Judges are
 * pure: an answer in, a verdict and its reason out.  Private to lib/host/ready*.
 */
#define DISAGG_READY_WHY 160 /* bytes of a reason */

enum disagg_ready_verdict {
	DISAGG_READY_BAD,
	DISAGG_READY_GOOD,
	DISAGG_READY_NEXT,  /* ask the next step */
	DISAGG_READY_WRONG, /* it will not become right by waiting */
};

typedef enum disagg_ready_verdict disagg_ready_judge(const struct disagg_ready_target *target,
	const struct disagg_http_response *answer, char *why);

struct disagg_ready_step {
	const char *path; /* NULL: the target's own URL */
	disagg_ready_judge *judge;
};

struct disagg_ready_row {
	bool is_tcp;
	size_t greeting; /* bytes */
	struct disagg_ready_step step[2];
};

const struct disagg_ready_row *disagg_ready_row(enum disagg_ready_kind kind);

/* /v1/models holds target->value, or any model where that is NULL. */
extern const struct disagg_ready_row disagg_ready_model_row;
/* The same for a frontend that may not have the path. */
extern const struct disagg_ready_row disagg_ready_model_row_or_none;

/* The address of a step; DISAGG_USAGE where the target's URL does not fit. */
int disagg_ready_url(struct disagg_arena *arena, const struct disagg_ready_row *row,
	const struct disagg_ready_step *step, const struct disagg_ready_target *target,
	const char **ret_url, struct disagg_err *err);

/* What went wrong with an answer that has no useful body: the transport's
 * error, or the status code. */
enum disagg_ready_verdict disagg_ready_no_answer(
	const struct disagg_http_response *answer, char *why);

void disagg_ready_why(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

disagg_ready_judge disagg_ready_judge_dynamo, disagg_ready_judge_sglang_router,
	disagg_ready_judge_trtllm_cluster, disagg_ready_judge_models;

/* The first id of /v1/models into id; -1 where there is none, or it is too long. */
int disagg_ready_first_model(const struct disagg_http_response *answer, char *id, size_t size);

/* The body of a canary generation.  NULL: out of memory. */
const char *disagg_ready_canary_body(
	struct disagg_arena *arena, const char *model, unsigned number, bool chat);
bool disagg_ready_canary_good(const struct disagg_http_response *answer, char *why);

#endif
