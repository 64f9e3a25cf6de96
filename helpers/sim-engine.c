/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORD " sim" /* every token of every answer */

enum state { WAITING, PREFILLING, FETCHING, FETCHED, FAILED, DECODING };

struct generation {
	struct generation *next;
	struct sim_engine *engine;
	struct sim_call *call; /* NULL: the client has gone */
	struct sim_ask ask;
	enum state state;
	int64_t due_ns;
	uint32_t done, total;
	const char *reason;
	uint64_t number;
	long created;
	char problem[160];
};

struct sim_engine {
	struct sim_engine_setup setup;
	struct generation *first, **end;
	unsigned running, waiting;
	uint64_t numbers, tokens;
	struct disagg_strbuf scratch;
};

static const char *const objects[][2] = {
	[SIM_COMPLETION] = {"text_completion", "text_completion"},
	[SIM_CHAT] = {"chat.completion", "chat.completion.chunk"},
};

static void add_words(struct disagg_strbuf *out, uint32_t count)
{
	disagg_strbuf_putc(out, '"');
	for (uint32_t i = 0; i < count; i++)
		disagg_strbuf_puts(out, WORD);
	disagg_strbuf_putc(out, '"');
}

static void add_usage(struct disagg_strbuf *out, const struct generation *gen)
{
	disagg_strbuf_printf(out,
		"\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u}",
		gen->ask.prompt_tokens, gen->done, gen->ask.prompt_tokens + gen->done);
}

static void add_head(struct disagg_strbuf *out, const struct generation *gen, bool is_chunk)
{
	disagg_strbuf_printf(out,
		"{\"id\":\"cmpl-sim-%llu\",\"object\":\"%s\",\"created\":%ld,"
		"\"model\":",
		(unsigned long long)gen->number, objects[gen->ask.api][is_chunk], gen->created);
	disagg_strbuf_json(out, gen->engine->setup.name);
}

static void add_reason(struct disagg_strbuf *out, const char *reason)
{
	if (reason)
		disagg_strbuf_printf(out, ",\"finish_reason\":\"%s\"", reason);
	else
		disagg_strbuf_puts(out, ",\"finish_reason\":null");
}

static void add_choice(
	struct disagg_strbuf *out, const struct generation *gen, uint32_t words, bool is_chunk)
{
	bool is_last = gen->done == gen->total;

	disagg_strbuf_puts(out, ",\"choices\":[{\"index\":0,");
	if (gen->ask.api == SIM_CHAT) {
		disagg_strbuf_printf(out, "\"%s\":{\"role\":\"assistant\",\"content\":",
			is_chunk ? "delta" : "message");
		add_words(out, words);
		disagg_strbuf_putc(out, '}');
	} else {
		disagg_strbuf_puts(out, "\"text\":");
		add_words(out, words);
		disagg_strbuf_puts(out, ",\"logprobs\":null");
	}
	add_reason(out, is_last ? gen->reason : NULL);
	disagg_strbuf_puts(out, "}]");
}

/* /generate repeats the whole text in each event, as SGLang does. */
static void add_generate(struct disagg_strbuf *out, const struct generation *gen)
{
	disagg_strbuf_puts(out, "{\"text\":");
	add_words(out, gen->done);
	disagg_strbuf_printf(out,
		",\"meta_info\":{\"id\":\"sim-%llu\",\"prompt_tokens\":%u,"
		"\"completion_tokens\":%u,\"cached_tokens\":0,\"finish_reason\":",
		(unsigned long long)gen->number, gen->ask.prompt_tokens, gen->done);
	if (gen->done == gen->total)
		disagg_strbuf_printf(
			out, "{\"type\":\"%s\",\"length\":%u}", gen->reason, gen->done);
	else
		disagg_strbuf_puts(out, "null");
	disagg_strbuf_puts(out, "}}");
}

static void add_event(struct disagg_strbuf *out, const struct generation *gen, uint32_t words)
{
	disagg_strbuf_puts(out, "data: ");
	if (gen->ask.api == SIM_GENERATE) {
		add_generate(out, gen);
	} else {
		add_head(out, gen, true);
		add_choice(out, gen, words, true);
		disagg_strbuf_putc(out, '}');
	}
	disagg_strbuf_puts(out, "\n\n");
}

static void add_stream_end(struct disagg_strbuf *out, const struct generation *gen)
{
	if (gen->ask.include_usage && gen->ask.api != SIM_GENERATE) {
		disagg_strbuf_puts(out, "data: ");
		add_head(out, gen, true);
		disagg_strbuf_puts(out, ",\"choices\":[],");
		add_usage(out, gen);
		disagg_strbuf_puts(out, "}\n\n");
	}
	disagg_strbuf_puts(out, "data: [DONE]\n\n");
}

static void send_event(struct generation *gen, uint32_t words)
{
	struct disagg_strbuf *out = &gen->engine->scratch;
	bool is_last = gen->done == gen->total;

	disagg_strbuf_clear(out);
	add_event(out, gen, words);
	if (is_last)
		add_stream_end(out, gen);
	sim_call_stream(gen->call, out->text, out->len);
	if (is_last)
		sim_call_end(gen->call, !out->failed);
}

static void send_whole(struct generation *gen)
{
	struct disagg_strbuf out;

	if (gen->ask.api == SIM_PROBE) {
		sim_call_reply(gen->call, 200, NULL, "", 0);
		return;
	}
	disagg_strbuf_init(&out, SIM_MAX_STREAM);
	if (gen->ask.api == SIM_GENERATE) {
		add_generate(&out, gen);
	} else {
		add_head(&out, gen, false);
		add_choice(&out, gen, gen->total, false);
		disagg_strbuf_putc(&out, ',');
		add_usage(&out, gen);
		disagg_strbuf_putc(&out, '}');
	}
	sim_call_json(gen->call, 200, &out);
}

/* The call is answered: nobody tells us of its end any more. */
static void let_go(struct generation *gen)
{
	if (gen->call)
		gen->call->on_gone = NULL;
	gen->call = NULL;
}

static void finish_prefill(struct generation *gen)
{
	struct sim_kv *kv = gen->engine->setup.kv;
	struct disagg_strbuf out;

	if (sim_kv_offer(kv, gen->ask.request, gen->ask.prompt_tokens) < 0) {
		sim_call_error(gen->call, 500, "too many transfers wait to be fetched");
		return;
	}
	disagg_strbuf_init(&out, 0);
	disagg_strbuf_printf(&out,
		"{\"disagg_kv\":{\"request\":\"%llu\",\"port\":\"%u\",\"tokens\":\"%u\"}}",
		(unsigned long long)gen->ask.request, sim_kv_port(kv), gen->ask.prompt_tokens);
	sim_call_json(gen->call, 200, &out);
}

static void on_fetched(void *context, const char *problem)
{
	struct generation *gen = context;

	gen->due_ns = 0;
	gen->state = problem ? FAILED : FETCHED;
	if (problem)
		snprintf(gen->problem, sizeof(gen->problem), "%s", problem);
}

static void start_fetch(struct generation *gen)
{
	struct sim_kv_source from = {
		.host = gen->ask.kv_host,
		.port = gen->ask.kv_port,
		.request = gen->ask.request,
		.tokens = gen->ask.prompt_tokens,
	};

	gen->state = FETCHING;
	gen->due_ns = SIM_NEVER;
	if (sim_kv_fetch(gen->engine->setup.kv, &from, on_fetched, gen) < 0)
		on_fetched(gen, "cannot connect");
}

static void start(struct generation *gen, int64_t now)
{
	struct sim_engine *engine = gen->engine;

	engine->waiting--;
	engine->running++;
	if (gen->ask.phase == SIM_ONLY_DECODE) {
		start_fetch(gen);
		return;
	}
	gen->state = PREFILLING;
	gen->due_ns = sim_model_prefill(&engine->setup.model, gen->ask.prompt_tokens, now);
}

static void fail_transfer(struct generation *gen)
{
	sim_log("KV transfer of request %llu from %s:%u failed: %s",
		(unsigned long long)gen->ask.request, gen->ask.kv_host, gen->ask.kv_port,
		gen->problem);
	sim_call_error(gen->call, 500, "KV transfer failed: %s", gen->problem);
	let_go(gen);
}

static void begin_decode(struct generation *gen, int64_t now)
{
	int64_t step = sim_model_step(&gen->engine->setup.model, gen->engine->running);

	/* prefill made the first token; where the bytes came from elsewhere, the
	 * first one costs a step */
	gen->due_ns = gen->state == FETCHED ? now + step : gen->due_ns;
	gen->state = DECODING;
	if (!gen->ask.stream && gen->total)
		gen->due_ns += step * (int64_t)(gen->total - 1);
}

static void decode(struct generation *gen, int64_t now)
{
	struct sim_engine *engine = gen->engine;
	int64_t step = sim_model_step(&engine->setup.model, engine->running);

	if (!gen->ask.stream) {
		gen->done = gen->total;
		engine->tokens += gen->total;
		send_whole(gen);
		let_go(gen);
		return;
	}
	do {
		uint32_t words = gen->done < gen->total;

		gen->done += words;
		engine->tokens += words;
		send_event(gen, words);
		gen->due_ns += step;
	} while (gen->done < gen->total && gen->due_ns <= now);
	if (gen->done == gen->total)
		let_go(gen);
}

/* One step of a generation that is due; its call is NULL when it has ended. */
static void advance(struct generation *gen, int64_t now)
{
	if (gen->state == PREFILLING && gen->ask.phase == SIM_ONLY_PREFILL) {
		finish_prefill(gen);
		let_go(gen);
		return;
	}
	if (gen->state == FAILED) {
		fail_transfer(gen);
		return;
	}
	if (gen->state == PREFILLING || gen->state == FETCHED)
		begin_decode(gen, now);
	if (gen->state == DECODING && gen->due_ns <= now)
		decode(gen, now);
}

static void on_gone(void *context)
{
	struct generation *gen = context;

	gen->call = NULL;
}

static void start_waiting(struct sim_engine *engine, int64_t now)
{
	struct generation *gen = engine->first;

	for (; gen && engine->waiting && engine->running < engine->setup.model.max_concurrency;
		gen = gen->next) {
		if (gen->state == WAITING && gen->call)
			start(gen, now);
	}
}

/* Takes out those whose call is over; the bytes of a fetch come to no other. */
static void drop_ended(struct sim_engine *engine)
{
	struct generation **at = &engine->first;

	while (*at) {
		struct generation *gen = *at;

		if (gen->call || gen->state == FETCHING) {
			at = &gen->next;
			continue;
		}
		if (gen->state == WAITING)
			engine->waiting--;
		else
			engine->running--;
		*at = gen->next;
		free(gen);
	}
	engine->end = at;
}

void sim_engine_run(struct sim_engine *engine, int64_t now)
{
	start_waiting(engine, now);
	for (struct generation *gen = engine->first; gen; gen = gen->next) {
		if (gen->call && gen->state != WAITING && gen->due_ns <= now)
			advance(gen, now);
	}
	drop_ended(engine);
	start_waiting(engine, now);
}

int64_t sim_engine_next(const struct sim_engine *engine)
{
	int64_t next = SIM_NEVER;

	for (const struct generation *gen = engine->first; gen; gen = gen->next) {
		int64_t due = gen->call || gen->state == FETCHING ? gen->due_ns : 0;

		if (gen->state == WAITING)
			due = gen->call ? SIM_NEVER : 0;
		if (due < next)
			next = due;
	}
	return next;
}

void sim_engine_take(struct sim_engine *engine, struct sim_call *call, const struct sim_ask *ask)
{
	struct sim_fault *fault = engine->setup.fault;
	struct generation *gen = NULL;

	if (sim_fault_nth(fault->fail_every, &fault->requests)) {
		sim_log("fault: a request fails");
		sim_call_error(call, 500, "this request was told to fail");
		return;
	}
	gen = calloc(1, sizeof(*gen));
	if (!gen) {
		sim_call_error(call, 503, "out of memory");
		return;
	}
	gen->engine = engine;
	gen->call = call;
	gen->ask = *ask;
	gen->total = sim_ask_answer(ask, &gen->reason);
	if (fault->zero_tokens)
		gen->total = 0;
	gen->number = ++engine->numbers;
	gen->created = (long)time(NULL);
	gen->state = WAITING;
	call->on_gone = on_gone;
	call->context = gen;
	*engine->end = gen;
	engine->end = &gen->next;
	engine->waiting++;
	start_waiting(engine, disagg_monotonic_ns());
}

struct sim_engine *sim_engine_new(const struct sim_engine_setup *setup)
{
	struct sim_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->setup = *setup;
	engine->end = &engine->first;
	disagg_strbuf_init(&engine->scratch, SIM_MAX_STREAM);
	return engine;
}

unsigned sim_engine_running(const struct sim_engine *engine)
{
	return engine->running;
}

unsigned sim_engine_waiting(const struct sim_engine *engine)
{
	return engine->waiting;
}

uint64_t sim_engine_tokens(const struct sim_engine *engine)
{
	return engine->tokens;
}

uint64_t sim_engine_requests(const struct sim_engine *engine)
{
	return engine->numbers;
}

void sim_engine_free(struct sim_engine *engine)
{
	if (!engine)
		return;
	while (engine->first) {
		struct generation *gen = engine->first;

		engine->first = gen->next;
		let_go(gen);
		free(gen);
	}
	disagg_strbuf_release(&engine->scratch);
	free(engine);
}
