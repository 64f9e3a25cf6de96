/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/ready_loop.h"

#include <string.h>

#define CANARY_MS 60000u

static void on_canary(void *context, const struct disagg_http_response *answer)
{
	struct disagg_ready_loop *loop = context;
	struct disagg_ready_canary *canary = &loop->canary;
	char why[DISAGG_READY_WHY];

	if (loop->ended)
		return;
	canary->busy--;
	if (disagg_ready_canary_good(answer, why)) {
		canary->good++;
		return;
	}
	/* some frontends have only one of the two */
	if (!canary->failed && (answer->status == 404 || answer->status == 405))
		canary->chat = !canary->chat;
	canary->failed = true;
	memcpy(canary->why, why, sizeof(why));
}

static void send_canary(struct disagg_ready_loop *loop)
{
	struct disagg_ready_canary *canary = &loop->canary;
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_http_request request = {
		.url = loop->canary_url[canary->chat],
		.body = disagg_ready_canary_body(&arena, loop->model, canary->sent, canary->chat),
		.timeout_ms = CANARY_MS,
		.close = true,
		.on_done = on_canary,
		.context = loop,
	};

	canary->sent++;
	canary->busy++;
	if (!request.body) {
		disagg_err_nomem(loop->err);
		loop->broken = true;
	} else if (disagg_http_add(loop->http, &request, loop->err)) {
		loop->broken = true;
	}
	disagg_arena_release(&arena);
}

void disagg_ready_restart_canary(struct disagg_ready_loop *loop, int64_t now_ns)
{
	struct disagg_ready_canary *canary = &loop->canary;

	if (canary->busy)
		return;
	canary->sent = canary->good = 0;
	canary->failed = false;
	canary->due_ns = now_ns + disagg_ready_backoff(loop, ++canary->failures);
}

bool disagg_ready_run_canary(struct disagg_ready_loop *loop, int64_t now_ns)
{
	struct disagg_ready_canary *canary = &loop->canary;
	unsigned wanted = loop->spec->frontend ? loop->spec->canary_count : 0;

	if (canary->failed || now_ns < canary->due_ns)
		return false;
	if (canary->good == wanted)
		return true;
	while (canary->sent < wanted && canary->busy < DISAGG_READY_CANARIES && !loop->broken)
		send_canary(loop);
	return false;
}
