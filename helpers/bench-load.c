/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/bench.h"
#include "lib/host/json.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CONNECT_MS   30000u
#define TURN_MS	     100 /* how late a signal or the deadline may be noticed */
#define REPORT_NS    ((int64_t)10 * 1000000000)
#define LIVE_NS	     ((int64_t)200 * 1000000)
#define BODY_LIMIT   (256u * 1024 * 1024) /* of an answer without streaming */
#define RATE_SENT    100u		  /* at most, before answers are looked at again */
#define MOST_AT_ONCE 65536u

/* A place for one request at a time. */
struct slot {
	struct slot *next; /* while it is free */
	struct load *load;
	struct bench_record *record;
	int64_t start_ns;
	struct bench_answer answer;
};

struct load {
	struct bench_run *run;
	struct disagg_http *http;
	struct slot *slot, *spare;
	unsigned slots;
	uint64_t random; /* of arrivals */
	int64_t due_ns;	 /* of the next one; 0: at once */
	int timer_fd;
	struct disagg_strbuf body;
	char url[1024];
	bool ending, live, live_shown;
	int64_t report_ns;
	struct disagg_err err; /* of a request that could not be made */
};

/* ---- answers ---- */

static int on_data(void *context, const char *bytes, size_t len, int64_t now_ns)
{
	struct slot *slot = context;
	unsigned chunks = bench_answer_feed(&slot->answer, bytes, len, now_ns);

	if (chunks)
		bench_run_tokens(slot->load->run, chunks, now_ns);
	return slot->answer.problem[0] || slot->answer.no_memory;
}

/* Why it failed, in text or as a literal; NULL: it did not. */
static const char *why_failed(
	struct slot *slot, const struct disagg_http_response *response, char *text, size_t size)
{
	struct bench_answer *answer = &slot->answer;
	bool stream = slot->load->run->call->stream;

	if (response->status && response->status != 200) {
		if (!stream)
			disagg_strbuf_add(&answer->head, response->body,
				response->len < 120 ? response->len : 120);
		snprintf(text, size, "HTTP status %d%s%.120s%s", response->status,
			answer->head.len ? ": '" : "", answer->head.text,
			answer->head.len ? "'" : "");
		disagg_text_tame(text);
		return text;
	}
	if (answer->problem[0])
		return answer->problem;
	if (response->error)
		return response->error;
	if (stream)
		bench_answer_end(answer);
	else
		bench_answer_whole(answer, response->body, response->len);
	if (!answer->problem[0] && !answer->chunks)
		return "the answer has no token";
	return answer->problem[0] ? answer->problem : NULL;
}

static float seconds_since(int64_t start_ns, int64_t now_ns)
{
	return (float)((double)(now_ns - start_ns) / 1e9);
}

static void keep_times(struct slot *slot, int64_t done_ns)
{
	struct bench_record *record = slot->record;
	struct bench_answer *answer = &slot->answer;

	if (slot->load->run->call->stream) {
		record->ttft = seconds_since(slot->start_ns, answer->first_ns);
		/* to the last token; what follows it is bookkeeping */
		done_ns = answer->last_ns;
	}
	record->latency = seconds_since(slot->start_ns, done_ns);
	if (!answer->itl.count)
		return;
	record->itl = disagg_raw_realloc(NULL, answer->itl.count * sizeof(*record->itl));
	if (!record->itl) {
		slot->load->run->no_memory = true;
		return;
	}
	memcpy(record->itl, answer->itl.v, answer->itl.count * sizeof(*record->itl));
	record->itl_count = (uint32_t)answer->itl.count;
}

static void keep_counts(struct slot *slot, int64_t now_ns)
{
	struct bench_run *run = slot->load->run;
	const struct bench_answer *answer = &slot->answer;
	struct bench_record *record = slot->record;

	record->output_len = answer->chunks;
	if (answer->completion_tokens >= 0 && answer->completion_tokens <= BENCH_MOST_TOKENS)
		record->output_len = (uint32_t)answer->completion_tokens;
	if (answer->prompt_tokens >= 0 && answer->prompt_tokens <= BENCH_MOST_TOKENS)
		record->input_len = (uint32_t)answer->prompt_tokens;
	run->output_tokens += record->output_len;
	if (!run->call->stream)
		bench_run_tokens(run, record->output_len, now_ns);
	/* a chunk can have several tokens */
	else if (record->output_len > answer->chunks)
		bench_run_tokens(run, record->output_len - answer->chunks, now_ns);
	if (!run->call->keep_texts)
		return;
	record->text = strdup(answer->text.text);
	run->no_memory |= !record->text;
}

static void take_failure(struct slot *slot, const char *why)
{
	struct bench_run *run = slot->load->run;

	slot->record->output_len = 0;
	slot->record->error = bench_run_error(run, why);
	if (!slot->load->ending) {
		run->failed++;
		return;
	}
	run->cancelled++;
	if (slot->record->error && slot->record->error <= run->error_count)
		run->error[slot->record->error - 1].is_own = true;
}

static void on_done(void *context, const struct disagg_http_response *response)
{
	struct slot *slot = context;
	struct load *load = slot->load;
	char text[256];
	const char *why = why_failed(slot, response, text, sizeof(text));

	load->run->ended++;
	load->run->connected |= response->status != 0;
	load->run->simulated |= response->marked;
	load->run->no_memory |= slot->answer.no_memory;
	if (why) {
		take_failure(slot, why);
	} else {
		load->run->completed++;
		keep_times(slot, response->done_ns);
		keep_counts(slot, response->done_ns);
	}
	slot->next = load->spare;
	load->spare = slot;
}

/* ---- sending ---- */

static void send_one(struct load *load, int64_t start_ns)
{
	struct bench_run *run = load->run;
	struct slot *slot = load->spare;
	struct disagg_http_request request = {
		.url = load->url,
		.body = NULL,
		.connect_timeout_ms = CONNECT_MS,
		.timeout_ms = run->call->request_timeout_ms,
		.body_limit = BODY_LIMIT,
		.mark = "X-Disagg-Simulation",
		.on_data = run->call->stream ? on_data : NULL,
		.on_done = on_done,
		.context = slot,
	};

	load->spare = slot->next;
	slot->record = &run->record[run->sent];
	slot->start_ns = start_ns;
	bench_answer_clear(&slot->answer);
	bench_request_body(run, run->sent, slot->record, &load->body);
	run->sent++;
	request.body = load->body.text;
	if (load->body.failed)
		disagg_err_nomem(&load->err);
	else
		disagg_http_add(load->http, &request, &load->err);
}

static int64_t next_due(struct load *load)
{
	double rate = load->run->call->rate;

	if (isinf(rate) || load->run->is_warmup)
		return 0;
	return load->due_ns + (int64_t)(disagg_random_gap(&load->random, 1e9 / rate) + 0.5);
}

/* Where nothing bounds the requests under way, time counts from when one was
 * due, so that a late generator does not flatter the server; else from when a
 * place was free for it. */
static void send_due(struct load *load)
{
	struct bench_run *run = load->run;

	for (unsigned n = 0; n < RATE_SENT || !load->due_ns; n++) {
		int64_t now_ns = disagg_monotonic_ns(), start_ns = now_ns;

		if (run->sent == run->wanted || !load->spare || load->err.code)
			return;
		if (load->due_ns > now_ns)
			return;
		if (load->due_ns && !run->concurrency)
			start_ns = load->due_ns;
		send_one(load, start_ns);
		load->due_ns = next_due(load);
	}
}

/* ---- the loop ---- */

static void report(struct load *load, int64_t now_ns)
{
	const struct bench_run *run = load->run;
	double seconds = (double)(now_ns - run->begin_ns) / 1e9;

	if (now_ns < load->report_ns)
		return;
	load->report_ns = now_ns + (load->live ? LIVE_NS : REPORT_NS);
	fprintf(stderr, "%s%s: ", load->live ? "\r" : "", run->call->helper->name);
	if (run->concurrency)
		fprintf(stderr, "concurrency %u: ", run->concurrency);
	else
		fprintf(stderr, "rate %g/s: ", run->call->rate);
	fprintf(stderr, "%s%" PRIu64 " of %" PRIu64 " requests, %" PRIu64 " failed, %.0f tok/s%s",
		run->is_warmup ? "warming up: " : "", run->ended, run->wanted, run->failed,
		seconds > 0 ? (double)run->output_tokens / seconds : 0.0,
		load->live ? "\033[K" : "\n");
	load->live_shown = load->live;
}

static void wake_at(struct load *load, int64_t due_ns)
{
	const struct itimerspec at = {
		.it_value = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000}};

	timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static bool is_over(struct load *load, int64_t now_ns)
{
	struct bench_run *run = load->run;

	if (*run->call->stopped)
		run->end = BENCH_STOPPED;
	else if (now_ns >= run->call->deadline_ns)
		run->end = BENCH_TIMED_OUT;
	else if ((double)run->failed > run->call->max_errors * (double)run->wanted)
		run->end = BENCH_TOO_MANY_ERRORS;
	return run->end != BENCH_WHOLE || run->no_memory || load->err.code;
}

static int turn(struct load *load, struct disagg_err *err)
{
	uint64_t ticks;

	send_due(load);
	if (load->timer_fd >= 0) {
		bool is_waiting = load->spare && load->run->sent < load->run->wanted;

		/* zero disarms it */
		wake_at(load, is_waiting ? load->due_ns : 0);
		if (is_waiting && load->due_ns <= disagg_monotonic_ns())
			return disagg_http_run(load->http, 0, err) < 0 ? -1 : 0;
	}
	if (disagg_http_run(load->http, TURN_MS, err) < 0)
		return -1;
	if (load->timer_fd >= 0 && read(load->timer_fd, &ticks, sizeof(ticks)) < 0 &&
		errno != EAGAIN)
		return disagg_err_sys(err, "cannot read a timer");
	return 0;
}

static int run_loop(struct load *load, struct disagg_err *err)
{
	struct bench_run *run = load->run;

	while (run->ended < run->wanted) {
		int64_t now_ns = disagg_monotonic_ns();

		if (is_over(load, now_ns))
			break;
		report(load, now_ns);
		if (turn(load, err))
			return -1;
	}
	return 0;
}

/* ---- setup ---- */

static int open_slots(struct load *load, struct disagg_err *err)
{
	const struct bench_run *run = load->run;
	uint64_t most = run->concurrency ? run->concurrency : MOST_AT_ONCE;

	load->slots = (unsigned)(most < run->wanted ? most : run->wanted);
	load->slot = disagg_raw_realloc(NULL, load->slots * sizeof(*load->slot));
	if (!load->slot)
		return disagg_err_nomem(err);
	for (unsigned i = load->slots; i-- > 0;) {
		struct slot *slot = &load->slot[i];

		*slot = (struct slot){.load = load, .next = load->spare};
		bench_answer_init(&slot->answer, run->call->keep_texts);
		load->spare = slot;
	}
	return 0;
}

static int open_timer(struct load *load, struct disagg_err *err)
{
	const double rate = load->run->call->rate;

	if (isinf(rate) || load->run->is_warmup)
		return 0;
	load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (load->timer_fd < 0)
		return disagg_err_sys(err, "cannot make a timer");
	disagg_http_watch(load->http, (const int[]){load->timer_fd, -1});
	return 0;
}

static int open_load(struct load *load, struct disagg_err *err)
{
	struct bench_run *run = load->run;

	if (snprintf(load->url, sizeof(load->url), "%s/v1/completions", run->call->url) >=
		(int)sizeof(load->url))
		return disagg_err_set(err, DISAGG_USAGE, "--url: too long");
	run->record = calloc(run->wanted, sizeof(*run->record));
	if (!run->record)
		return disagg_err_nomem(err);
	if (open_slots(load, err) || disagg_http_open(&load->http, load->slots, err))
		return -1;
	return open_timer(load, err);
}

static void close_load(struct load *load)
{
	load->ending = true;
	disagg_http_close(load->http);
	for (unsigned i = 0; load->slot && i < load->slots; i++)
		bench_answer_release(&load->slot[i].answer);
	free(load->slot);
	if (load->timer_fd >= 0)
		close(load->timer_fd);
	disagg_strbuf_release(&load->body);
	if (load->live_shown)
		fprintf(stderr, "\r\033[K");
}

int bench_load(struct bench_run *run, struct disagg_err *err)
{
	struct load load = {.run = run,
		.timer_fd = -1,
		.random = run->call->seed ^ (uint64_t)run->index << 32,
		.live = isatty(STDERR_FILENO) == 1,
		.err = DISAGG_ERR_INIT};
	int result;

	disagg_strbuf_init(&load.body, 0);
	result = open_load(&load, err);
	run->begin_ns = disagg_monotonic_ns();
	load.report_ns = run->begin_ns + (load.live ? 0 : REPORT_NS);
	load.due_ns = isinf(run->call->rate) || run->is_warmup ? 0 : run->begin_ns;
	if (result == 0)
		result = run_loop(&load, err);
	run->end_ns = disagg_monotonic_ns();
	close_load(&load);
	if (result == 0 && load.err.code) {
		*err = load.err;
		result = -1;
	}
	return result;
}

/* ---- the model ---- */

struct model_ask {
	struct disagg_arena *arena;
	const char *id;
	struct disagg_err err;
};

static void on_models(void *context, const struct disagg_http_response *response)
{
	struct model_ask *ask = context;
	struct disagg_json *json = NULL;
	const char *id;

	if (response->error || response->status != 200) {
		if (response->error)
			disagg_err_set(&ask->err, DISAGG_MISSING, "%s", response->error);
		else
			disagg_err_set(&ask->err, DISAGG_MISSING,
				"HTTP status %d; --model=ID says which model is served",
				response->status);
		return;
	}
	if (disagg_json_parse(&json, response->body, response->len, &ask->err))
		return;
	id = disagg_json_text(disagg_json_at(json, "data.0.id"));
	if (!id)
		disagg_err_set(&ask->err, DISAGG_MISSING, "no model is served there");
	else if (!(ask->id = disagg_arena_strdup(ask->arena, id)))
		disagg_err_nomem(&ask->err);
	disagg_json_free(json);
}

int bench_ask_model(const struct bench_call *call, struct disagg_arena *arena,
	const char **ret_model, struct disagg_err *err)
{
	struct model_ask ask = {.arena = arena, .err = DISAGG_ERR_INIT};
	const char *url = disagg_arena_printf(arena, "%s/v1/models", call->url);
	const struct disagg_http_request request = {
		.url = url, .timeout_ms = 10000, .on_done = on_models, .context = &ask};
	struct disagg_http *http = NULL;
	int left;

	if (!url)
		return disagg_err_nomem(err);
	if (disagg_http_open(&http, 1, err))
		return -1;
	left = disagg_http_add(http, &request, err) ? -1 : 1;
	while (left > 0 && !*call->stopped)
		left = disagg_http_run(http, TURN_MS, err);
	disagg_http_close(http);
	if (left < 0)
		return -1;
	if (!ask.err.code) {
		*ret_model = ask.id;
		return 0;
	}
	*err = ask.err;
	return disagg_err_wrap(err, "cannot learn the model from '%s'", url);
}
