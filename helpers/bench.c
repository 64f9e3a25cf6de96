/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/bench.h"
#include "lib/base/num.h"
#include "lib/host/json.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
	O_URL = 256,
	O_MODEL,
	O_CONCURRENCY,
	O_RATE,
	O_REQUEST_RATE,
	O_ISL,
	O_OSL,
	O_RATIO,
	O_SEED,
	O_PROMPTS,
	O_WARMUP,
	O_STREAM,
	O_NO_STREAM,
	O_MAX_ERRORS,
	O_TIMEOUT,
	O_REQUEST_TIMEOUT,
	O_OUTPUT_DIR,
	O_GPUS,
	O_PREFILL_GPUS,
	O_DECODE_GPUS,
	O_TEXTS,
	O_FORMAT,
};

#define MOST_CONCURRENCY 65536
#define MOST_PROMPTS	 10000000
#define MOST_TIMES	 10000
#define DAY_S		 (24 * 60 * 60)
#define MOST_DIR	 2900u

static const char *const format_names[] = {"text", "json", NULL};

static const struct helper_option options[] = {
	{"url", O_URL, HELPER_VALUE, "URL", "the server, http://host:port; required"},
	{"model", O_MODEL, HELPER_VALUE, "ID", "the model (default: the first of /v1/models)"},
	{"concurrency", O_CONCURRENCY, HELPER_VALUE, "N,...",
		"requests under way; each N is a run of its own (default 1)"},
	{"rate", O_RATE, HELPER_VALUE, "R", "requests a second, Poisson arrivals (default inf)"},
	{"request-rate", O_REQUEST_RATE, HELPER_VALUE, "R", "the same"},
	{"isl", O_ISL, HELPER_VALUE, "N", "most tokens of a prompt (default 1024)"},
	{"osl", O_OSL, HELPER_VALUE, "N", "most tokens of an answer (default 1024)"},
	{"range-ratio", O_RATIO, HELPER_VALUE, "X",
		"lengths lie evenly between X and 1 times that (0.8)"},
	{"seed", O_SEED, HELPER_VALUE, "N", "of lengths, prompts and arrivals (default 0)"},
	{"prompts", O_PROMPTS, HELPER_VALUE, "N|Nx",
		"requests of a run, or Nx: N times the concurrency (10x)"},
	{"warmup", O_WARMUP, HELPER_VALUE, "N|Nx", "requests before a run, counted as those (2x)"},
	{"stream", O_STREAM, HELPER_FLAG, NULL, "answers come token by token (default)"},
	{"no-stream", O_NO_STREAM, HELPER_FLAG, NULL, "answers come whole: no TTFT, TPOT, ITL"},
	{"max-errors", O_MAX_ERRORS, HELPER_VALUE, "PERCENT",
		"more failed requests make a result invalid (1)"},
	{"timeout", O_TIMEOUT, HELPER_VALUE, "TIME", "give up after this long (default never)"},
	{"request-timeout", O_REQUEST_TIMEOUT, HELPER_VALUE, "TIME",
		"a request that takes longer has failed (30m)"},
	{"output-dir", O_OUTPUT_DIR, HELPER_VALUE, "DIR", "where result files go (default none)"},
	{"gpus", O_GPUS, HELPER_VALUE, "N", "GPUs in all, for the name of the file"},
	{"prefill-gpus", O_PREFILL_GPUS, HELPER_VALUE, "N", "those of prefill"},
	{"decode-gpus", O_DECODE_GPUS, HELPER_VALUE, "N", "those of decode"},
	{"texts", O_TEXTS, HELPER_FLAG, NULL, "keep the answers in the result file"},
	{"format", O_FORMAT, HELPER_VALUE, "FORMAT", "text (default) or json"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const struct helper helper = {
	.name = "disagg-bench",
	.synopsis = "--url=URL [OPTION]...",
	.about = "Sends completions to an OpenAI API server and measures the answers.\n"
		 "Prompts are random words; a word counts as a token.  Without --rate it keeps\n"
		 "N requests under way; with it they arrive at random, at most N at once where\n"
		 "--concurrency is given.  A result in which nothing completed, no token came or\n"
		 "too many requests failed is invalid.\n",
	.option = options,
	.examples =
		"  disagg-bench --url=http://n0:8000 --isl=1024 --osl=128 --concurrency=1,4,16\n"
		"  disagg-bench --url=http://n0:8000 --rate=20 --prompts=2000 --timeout=10m\n"
		"  disagg-bench --url=http://n0:8000 --no-stream --concurrency=64 --format=json\n",
	.environment = NULL,
	.exits = "  0 measured, 1 interrupted, 2 usage, 4 no model is served there,\n"
		 "  5 a system call failed, 6 timeout, 8 a result is invalid\n",
	.features = "completions stream poisson",
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

/* ---- the command line ---- */

static int take_count(
	const char *option, const char *text, int64_t least, int64_t most, int64_t *ret)
{
	if (disagg_num_int(text, least, most, ret) == 0)
		return 0;
	return helper_usage(&helper,
		"--%s: expected a number from %" PRId64 " to %" PRId64 ", got '%s'", option, least,
		most, text);
}

static int take_unsigned(const char *option, const char *text, int64_t most, unsigned *ret)
{
	int64_t count = 0;
	int result = take_count(option, text, 1, most, &count);

	if (!result)
		*ret = (unsigned)count;
	return result;
}

static int take_real(const char *option, const char *text, double least, double most, double *ret)
{
	double value;

	if (disagg_num_real(text, &value) || value < least || value > most)
		return helper_usage(&helper, "--%s: expected a number from %g to %g, got '%s'",
			option, least, most, text);
	*ret = value;
	return 0;
}

static int take_seconds(const char *option, const char *text, int64_t *ret)
{
	int64_t seconds;

	if (disagg_num_duration(text, &seconds) || seconds < 1 || seconds > 30 * DAY_S)
		return helper_usage(
			&helper, "--%s: expected a time from 1s to 30d, got '%s'", option, text);
	*ret = seconds;
	return 0;
}

/* "320", or "10x" for as many times the concurrency. */
static int take_requests(
	const char *option, const char *text, int64_t least, int64_t *ret, unsigned *ret_times)
{
	size_t len = strlen(text);
	int64_t times = 0;
	char number[24];

	if (!len || text[len - 1] != 'x')
		return take_count(option, text, least, MOST_PROMPTS, ret);
	snprintf(number, sizeof(number), "%.*s", (int)(len < 23 ? len - 1 : 22), text);
	if (disagg_num_int(number, least, MOST_TIMES, &times))
		return helper_usage(&helper,
			"--%s: expected a number of times from %" PRId64 "x to %dx, got '%s'",
			option, least, MOST_TIMES, text);
	*ret = -1;
	*ret_times = (unsigned)times;
	return 0;
}

static int take_concurrency(struct bench_call *call, const char *text)
{
	call->runs = 0;
	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ",");
		char word[24];
		int result;

		if (call->runs == BENCH_MOST_RUNS)
			return helper_usage(&helper,
				"--concurrency: at most %u numbers are allowed", BENCH_MOST_RUNS);
		snprintf(word, sizeof(word), "%.*s", (int)(len < 23 ? len : 23), at);
		result = take_unsigned(
			"concurrency", word, MOST_CONCURRENCY, &call->concurrency[call->runs]);
		if (result)
			return result;
		call->runs++;
		at += len;
		if (!*at)
			return 0;
	}
}

static int take_rate(struct bench_call *call, const char *option, const char *text)
{
	double rate;

	if (strcmp(text, "inf") == 0) {
		call->rate = INFINITY;
		return 0;
	}
	if (disagg_num_real(text, &rate) || rate < 1e-3 || rate > 1e6)
		return helper_usage(&helper,
			"--%s: expected 'inf' or a number from 0.001 to 1000000, got '%s'", option,
			text);
	call->rate = rate;
	return 0;
}

static int take_url(struct bench_call *call, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(text, "http://", 7) != 0 || !text[7] || text[7] == '/')
		return helper_usage(&helper, "--url: expected http://host:port, got '%s'", text);
	if (len > 900)
		return helper_usage(&helper, "--url: too long");
	call->url = text;
	return 0;
}

static int take_output_dir(struct bench_call *call, const char *text)
{
	if (!text[0] || strlen(text) > MOST_DIR)
		return helper_usage(&helper, "--output-dir: expected a folder, got '%s'", text);
	call->output_dir = text;
	return 0;
}

static int take_request_timeout(struct bench_call *call, const char *text)
{
	int64_t seconds = 0;
	int result = take_seconds("request-timeout", text, &seconds);

	/* curl counts milliseconds in 32 bits on some machines */
	if (!result)
		call->request_timeout_ms =
			(unsigned)(seconds > 20 * DAY_S ? 20 * DAY_S : seconds) * 1000;
	return result;
}

static int take_max_errors(struct bench_call *call, const char *text)
{
	double percent = 0;
	int result = take_real("max-errors", text, 0, 100, &percent);

	call->max_errors = percent / 100;
	return result;
}

static int take_format(struct bench_call *call, const char *text)
{
	int format = helper_choice(&helper, "format", format_names, text);

	call->is_json = format == 1;
	return format < 0 ? DISAGG_USAGE : 0;
}

static int take_seed(struct bench_call *call, const char *text)
{
	int64_t seed = 0;
	int result = take_count("seed", text, 0, INT64_MAX, &seed);

	call->seed = (uint64_t)seed;
	return result;
}

static int take(void *context, int id, const char *value)
{
	struct bench_call *call = context;

	switch (id) {
	case O_URL:
		return take_url(call, value);
	case O_MODEL:
		call->model = value;
		return 0;
	case O_CONCURRENCY:
		return take_concurrency(call, value);
	case O_RATE:
		return take_rate(call, "rate", value);
	case O_REQUEST_RATE:
		return take_rate(call, "request-rate", value);
	case O_ISL:
		return take_unsigned("isl", value, BENCH_MOST_TOKENS, &call->isl);
	case O_OSL:
		return take_unsigned("osl", value, BENCH_MOST_TOKENS, &call->osl);
	case O_RATIO:
		return take_real("range-ratio", value, 0, 1, &call->range_ratio);
	case O_SEED:
		return take_seed(call, value);
	case O_PROMPTS:
		return take_requests("prompts", value, 1, &call->prompts, &call->prompts_times);
	case O_WARMUP:
		return take_requests("warmup", value, 0, &call->warmup, &call->warmup_times);
	case O_STREAM:
	case O_NO_STREAM:
		call->stream = id == O_STREAM;
		return 0;
	case O_MAX_ERRORS:
		return take_max_errors(call, value);
	case O_TIMEOUT:
		return take_seconds("timeout", value, &call->timeout_s);
	case O_REQUEST_TIMEOUT:
		return take_request_timeout(call, value);
	case O_OUTPUT_DIR:
		return take_output_dir(call, value);
	case O_GPUS:
		return take_unsigned("gpus", value, DISAGG_MAX_GPUS, &call->gpus);
	case O_PREFILL_GPUS:
		return take_unsigned("prefill-gpus", value, DISAGG_MAX_GPUS, &call->prefill_gpus);
	case O_DECODE_GPUS:
		return take_unsigned("decode-gpus", value, DISAGG_MAX_GPUS, &call->decode_gpus);
	case O_TEXTS:
		call->keep_texts = true;
		return 0;
	default:
		return take_format(call, value);
	}
}

/* What the options say together. */
static int settle(struct bench_call *call, struct disagg_arena *arena)
{
	size_t len;
	char *url;

	if (!call->url)
		return helper_usage(&helper, "--url=URL is missing");
	len = strlen(call->url);
	while (len && call->url[len - 1] == '/')
		len--;
	url = disagg_arena_strndup(arena, call->url, len);
	if (!url)
		return helper_fail(&helper, DISAGG_SYSTEM, "out of memory");
	call->url = url;
	if (!call->runs && isinf(call->rate))
		call->concurrency[call->runs++] = 1;
	if (!call->runs && call->prompts < 0)
		return helper_usage(&helper, "--rate without --concurrency needs --prompts=N");
	if (call->timeout_s)
		call->deadline_ns = disagg_monotonic_ns() + call->timeout_s * 1000000000;
	return 0;
}

/* ---- runs ---- */

/* The runs of one call and what is told of them. */
struct session {
	const struct bench_call *call;
	struct disagg_strbuf json; /* elements of "runs" */
	int result;		   /* the first that is not 0 */
	char reason[600];
};

static int exit_code(const struct bench_run *run)
{
	if (!run->invalid)
		return DISAGG_OK;
	if (run->end == BENCH_STOPPED)
		return DISAGG_CHECK;
	return run->end == BENCH_TIMED_OUT ? DISAGG_TIMEOUT : DISAGG_INVALID;
}

static int show(struct session *session, const struct bench_run *run)
{
	struct disagg_strbuf text;
	int result;

	if (session->call->is_json) {
		if (session->json.len)
			disagg_strbuf_putc(&session->json, ',');
		bench_result_summary(run, &session->json);
		return 0;
	}
	disagg_strbuf_init(&text, 0);
	bench_result_show(run, &text);
	result = helper_print(&helper, &text);
	disagg_strbuf_release(&text);
	return result;
}

static void tell_invalid(struct session *session, const struct bench_run *run)
{
	char what[64];

	if (run->concurrency)
		snprintf(what, sizeof(what), "concurrency %u", run->concurrency);
	else
		snprintf(what, sizeof(what), "rate %g", run->call->rate);
	helper_fail(&helper, 0, "the result of %s is invalid: %s", what, run->invalid);
	if (!session->result)
		snprintf(session->reason, sizeof(session->reason), "%s", run->invalid);
}

static int finish(struct session *session, struct bench_run *run, struct disagg_err *err)
{
	int result;

	if (bench_run_sum(run, err))
		return -1;
	if (session->call->output_dir && bench_result_write(run, err))
		return -1;
	result = show(session, run);
	if (run->invalid)
		tell_invalid(session, run);
	if (!session->result)
		session->result = result ? result : exit_code(run);
	return 0;
}

static void aim(struct bench_run *run, unsigned index, bool is_warmup)
{
	const struct bench_call *call = run->call;
	unsigned concurrency = index < call->runs ? call->concurrency[index] : 0;
	int64_t given = is_warmup ? call->warmup : call->prompts;
	unsigned times = is_warmup ? call->warmup_times : call->prompts_times;

	run->index = index;
	run->is_warmup = is_warmup;
	run->concurrency = concurrency;
	run->wanted = given >= 0 ? (uint64_t)given : (uint64_t)times * concurrency;
	/* a warm-up has no rate: something must bound it */
	if (is_warmup && !concurrency)
		run->concurrency = 16;
}

static int warm_up(struct session *session, unsigned index, struct disagg_err *err)
{
	struct bench_run run;
	int result = 0;

	bench_run_init(&run, session->call);
	aim(&run, index, true);
	if (run.wanted)
		result = bench_load(&run, err);
	if (run.failed)
		helper_fail(&helper, 0, "%" PRIu64 " of %" PRIu64 " warm-up requests failed: %s",
			run.failed, run.wanted, run.error_count ? run.error[0].text : "");
	bench_run_release(&run);
	return result;
}

/* 1: the next run has no sense. */
static int measure(struct session *session, unsigned index, struct disagg_err *err)
{
	struct bench_run run;
	int result = warm_up(session, index, err);

	if (result)
		return result;
	bench_run_init(&run, session->call);
	aim(&run, index, false);
	result = bench_load(&run, err);
	if (!result)
		result = finish(session, &run, err);
	if (!result)
		result = run.end == BENCH_STOPPED || run.end == BENCH_TIMED_OUT || !run.completed;
	bench_run_release(&run);
	return result;
}

static int print_summary(struct session *session, const struct disagg_err *err)
{
	struct disagg_strbuf text;
	struct disagg_json_writer out = {.out = &text};
	const char *reason = err->code ? err->text : session->reason;
	int result;

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&out, NULL, '{');
	disagg_json_put_text(&out, "schema", "disagg.bench/1");
	disagg_json_put_text(&out, "url", session->call->url);
	disagg_json_put_text(&out, "model_id", session->call->model);
	disagg_json_put_bool(&out, "valid", !session->result);
	disagg_json_put_text(&out, "invalid_reason", session->result ? reason : NULL);
	disagg_json_begin(&out, "runs", '[');
	disagg_strbuf_add(&text, session->json.text, session->json.len);
	disagg_json_end(&out, ']');
	disagg_json_end(&out, '}');
	disagg_strbuf_putc(&text, '\n');
	text.failed |= session->json.failed;
	result = helper_print(&helper, &text);
	disagg_strbuf_release(&text);
	return result;
}

static int fail(struct session *session, const struct disagg_err *err)
{
	int code = stopped ? DISAGG_CHECK : (int)err->code;

	helper_fail_err(&helper, err);
	if (!session->result)
		session->result = code;
	return code;
}

static int bench(struct bench_call *call, struct disagg_arena *arena)
{
	struct session session = {.call = call};
	struct disagg_err err = DISAGG_ERR_INIT;
	unsigned runs = call->runs ? call->runs : 1;
	int failed = 0, result = 0;

	disagg_strbuf_init(&session.json, 0);
	if (!call->model)
		failed = bench_ask_model(call, arena, &call->model, &err);
	for (unsigned i = 0; i < runs && !failed; i++)
		failed = measure(&session, i, &err);
	if (failed < 0)
		fail(&session, &err);
	if (call->is_json)
		result = print_summary(&session, &err);
	disagg_strbuf_release(&session.json);
	return session.result ? session.result : result;
}

/* A connection is a descriptor. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void catch_signals(void)
{
	const struct sigaction stop = {.sa_handler = on_signal};

	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
}

int main(int argc, char **argv)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct bench_call call = {
		.helper = &helper,
		.isl = 1024,
		.osl = 1024,
		.range_ratio = 0.8,
		.rate = INFINITY,
		.prompts = -1,
		.warmup = -1,
		.prompts_times = 10,
		.warmup_times = 2,
		.max_errors = 0.01,
		.request_timeout_ms = 30 * 60 * 1000,
		.deadline_ns = INT64_MAX,
		.stream = true,
		.stopped = &stopped,
	};
	int first = 0, result;

	raise_descriptors();
	catch_signals();
	result = helper_parse(&helper, argc, argv, take, &call, &first);
	if (result < 0 && first < argc)
		result = helper_usage(&helper, "unexpected argument '%s'", argv[first]);
	if (result < 0) {
		result = settle(&call, &arena);
		if (!result)
			result = bench(&call, &arena);
	}
	disagg_arena_release(&arena);
	return result;
}
