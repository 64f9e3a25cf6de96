/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_BENCH_H
#define DISAGG_HELPERS_BENCH_H

#include "helpers/helper.h"
#include "lib/host/http.h"
#include "lib/host/latency.h"
#include <inttypes.h>
#include <signal.h>

/*
 * disagg-bench: one run a concurrency, each with its own result.  Requests are
 * made when they are sent, from the seed, the run and their number alone.
 */
#define BENCH_MOST_RUNS	  64u
#define BENCH_MOST_TOKENS 10000000 /* of one prompt or answer */

struct bench_call {
	const struct helper *helper;
	const char *url; /* http://host:port */
	const char *model;
	uint32_t isl, osl;
	double range_ratio;
	uint64_t seed;
	unsigned concurrency[BENCH_MOST_RUNS];
	unsigned runs;		 /* 0: no bound, the rate alone */
	double rate;		 /* requests a second; infinite: as fast as the concurrency lets */
	int64_t prompts, warmup; /* -1: times the concurrency */
	unsigned prompts_times, warmup_times;
	double max_errors; /* share of the requests */
	unsigned request_timeout_ms;
	int64_t deadline_ns; /* INT64_MAX: none */
	int64_t timeout_s;
	bool stream;
	bool keep_texts;
	const char *output_dir; /* NULL: no files */
	unsigned gpus, prefill_gpus, decode_gpus;
	bool is_json; /* --format */
	const volatile sig_atomic_t *stopped;
};

struct bench_error {
	char *text;
	unsigned count;
	bool is_own; /* it was given up here, which is nobody's fault */
};

/* What is kept of a request when it has ended. */
struct bench_record {
	uint32_t input_len, output_len;
	float ttft, latency; /* seconds; ttft 0: none was seen */
	float *itl;
	uint32_t itl_count;
	uint32_t error; /* 0: it completed, else 1 + index in bench_run.error */
	char *text;	/* NULL: not kept */
};

enum bench_end { BENCH_WHOLE, BENCH_TIMED_OUT, BENCH_STOPPED, BENCH_TOO_MANY_ERRORS };

struct bench_summary {
	uint64_t input_tokens, output_tokens;
	double request_rate, output_rate, total_rate, peak_rate; /* a second */
	struct disagg_latency ttft, tpot, itl, e2el;
};

/* One load, measured; the owner calls bench_run_release. */
struct bench_run {
	const struct bench_call *call;
	unsigned index;
	unsigned concurrency; /* 0: no bound */
	uint64_t wanted;      /* requests */
	bool is_warmup;
	struct bench_record *record; /* `wanted` of them, `sent` in use */
	uint64_t sent, ended, completed, failed, cancelled;
	uint64_t output_tokens;
	int64_t begin_ns, end_ns;
	uint64_t *second; /* tokens that came in each second of the run */
	size_t seconds;
	struct bench_error *error;
	uint32_t error_count;
	enum bench_end end;
	bool no_memory;
	bool connected; /* some server has answered something */
	bool simulated; /* a stand-in has answered */
	struct bench_summary sum;
	const char *invalid; /* NULL: valid */
	char invalid_text[512];
	char file[4096]; /* "" none */
};

/* ---- bench-load.c ---- */

/* Sends and receives until all have ended or it was stopped; -1: the loop
 * itself failed. */
int bench_load(struct bench_run *run, struct disagg_err *err);
/* The id of the model that is served, in the arena. */
int bench_ask_model(const struct bench_call *call, struct disagg_arena *arena,
	const char **ret_model, struct disagg_err *err);

/* ---- bench-request.c: what goes out and what comes back ---- */

/* Lengths and the body of request `number`, from the seed. */
void bench_request_body(const struct bench_run *run, uint64_t number, struct bench_record *ret,
	struct disagg_strbuf *body);

/* An answer as it is read. */
struct bench_answer {
	struct disagg_strbuf line; /* streaming: what is not a whole line yet */
	struct disagg_strbuf head; /* the first bytes, for messages */
	struct disagg_strbuf text;
	bool keep_text;
	bool done; /* [DONE] was there */
	bool no_memory;
	uint32_t chunks;			  /* with text in them */
	int64_t prompt_tokens, completion_tokens; /* of `usage`; -1: not told */
	int64_t first_ns, last_ns;		  /* of chunks with text; 0: none */
	struct disagg_samples itl;
	char problem[256]; /* "" none */
};

void bench_answer_init(struct bench_answer *answer, bool keep_text);
void bench_answer_clear(struct bench_answer *answer);
void bench_answer_release(struct bench_answer *answer);
/* Bytes of an event stream; returns how many chunks with text were in them. */
unsigned bench_answer_feed(
	struct bench_answer *answer, const char *bytes, size_t len, int64_t now_ns);
/* The stream has ended: what is missing is a problem. */
void bench_answer_end(struct bench_answer *answer);
/* A whole answer without streaming. */
void bench_answer_whole(struct bench_answer *answer, const char *bytes, size_t len);

/* ---- bench-stats.c ---- */

void bench_run_init(struct bench_run *run, const struct bench_call *call);
void bench_run_release(struct bench_run *run);
/* The index in run->error, plus 1; the same text is kept once. */
uint32_t bench_run_error(struct bench_run *run, const char *text);
void bench_run_tokens(struct bench_run *run, uint64_t count, int64_t now_ns);
/* Fills sum, and invalid with the reason where the result means nothing. */
int bench_run_sum(struct bench_run *run, struct disagg_err *err);

/* ---- bench-result.c ---- */

/* Writes the result file and sets run->file. */
int bench_result_write(struct bench_run *run, struct disagg_err *err);
/* The block for people. */
void bench_result_show(const struct bench_run *run, struct disagg_strbuf *out);
/* The scalars of it, an element of an array. */
void bench_result_summary(const struct bench_run *run, struct disagg_strbuf *out);

#endif
