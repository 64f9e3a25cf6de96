/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/bench.h"
#include "lib/base/fd.h"
#include "lib/host/json.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_BYTES (1024u * 1024u)
#define BLOCK_WIDTH 50
#define LABEL_WIDTH 40

/* The measures: their name in keys, in labels, and the heading of their part. */
static const struct {
	const char *key, *label, *heading;
	size_t offset;
} measures[] = {
	{"ttft", "TTFT", "Time to First Token", offsetof(struct bench_summary, ttft)},
	{"tpot", "TPOT", "Time per Output Token (excl. 1st token)",
		offsetof(struct bench_summary, tpot)},
	{"itl", "ITL", "Inter-token Latency", offsetof(struct bench_summary, itl)},
	{"e2el", "E2EL", "End-to-end Latency", offsetof(struct bench_summary, e2el)},
};

#define MEASURES (sizeof(measures) / sizeof(measures[0]))

static const struct {
	const char *key, *label;
	size_t offset;
} points[] = {
	{"mean", "Mean", offsetof(struct disagg_latency, mean)},
	{"median", "Median", offsetof(struct disagg_latency, median)},
	{"std", NULL, offsetof(struct disagg_latency, std)},
	{"p90", "P90", offsetof(struct disagg_latency, p90)},
	{"p99", "P99", offsetof(struct disagg_latency, p99)},
};

#define POINTS (sizeof(points) / sizeof(points[0]))

static const struct disagg_latency *measure(const struct bench_summary *sum, size_t i)
{
	return (const void *)((const char *)sum + measures[i].offset);
}

/* Milliseconds. */
static double point(const struct disagg_latency *latency, size_t i)
{
	double seconds;

	memcpy(&seconds, (const char *)latency + points[i].offset, sizeof(seconds));
	return seconds * 1e3;
}

static double duration(const struct bench_run *run)
{
	return (double)(run->end_ns - run->begin_ns) / 1e9;
}

/* ---- for people ---- */

static void show_heading(struct disagg_strbuf *out, char c, const char *text)
{
	int left = (BLOCK_WIDTH - (int)strlen(text)) / 2;
	char line[BLOCK_WIDTH + 1];

	memset(line, c, BLOCK_WIDTH);
	line[BLOCK_WIDTH] = '\0';
	memcpy(line + left, text, strlen(text));
	disagg_strbuf_printf(out, "%s\n", line);
}

static void show_count(struct disagg_strbuf *out, const char *label, uint64_t value)
{
	disagg_strbuf_printf(out, "%-*s %-10" PRIu64 "\n", LABEL_WIDTH, label, value);
}

static void show_real(struct disagg_strbuf *out, const char *label, double value)
{
	disagg_strbuf_printf(out, "%-*s %-10.2f\n", LABEL_WIDTH, label, value);
}

static void show_measure(const struct bench_run *run, struct disagg_strbuf *out, size_t i)
{
	const struct disagg_latency *latency = measure(&run->sum, i);

	if (!latency->count)
		return;
	show_heading(out, '-', measures[i].heading);
	for (size_t k = 0; k < POINTS; k++) {
		char label[32];

		if (!points[k].label)
			continue;
		snprintf(label, sizeof(label), "%s %s (ms):", points[k].label, measures[i].label);
		show_real(out, label, point(latency, k));
	}
}

void bench_result_show(const struct bench_run *run, struct disagg_strbuf *out)
{
	const struct bench_summary *sum = &run->sum;

	show_heading(out, '=', " Serving Benchmark Result ");
	if (run->simulated)
		disagg_strbuf_puts(
			out, "SIMULATION: answers of disagg-sim, no engine was measured\n");
	show_count(out, "Successful requests:", run->completed);
	show_real(out, "Benchmark duration (s):", duration(run));
	show_count(out, "Total input tokens:", sum->input_tokens);
	show_count(out, "Total generated tokens:", sum->output_tokens);
	show_real(out, "Request throughput (req/s):", sum->request_rate);
	show_real(out, "Output token throughput (tok/s):", sum->output_rate);
	show_real(out, "Total Token throughput (tok/s):", sum->total_rate);
	for (size_t i = 0; i < MEASURES; i++)
		show_measure(run, out, i);
	show_heading(out, '=', "");
	disagg_strbuf_printf(out, "Total failed requests: %" PRIu64 "\n", run->failed);
	for (uint32_t i = 0; i < run->error_count && i < 5; i++)
		disagg_strbuf_printf(out, "  %u x %s\n", run->error[i].count, run->error[i].text);
	if (run->invalid)
		disagg_strbuf_printf(out, "The result is invalid: %s\n", run->invalid);
	else if (run->concurrency)
		disagg_strbuf_printf(out, "Benchmark with concurrency %u done\n", run->concurrency);
	else
		disagg_strbuf_printf(out, "Benchmark with rate %g done\n", run->call->rate);
}

/* ---- for programs ---- */

static void put_count(struct disagg_json_writer *out, const char *name, uint64_t value)
{
	disagg_json_put_int(out, name, (int64_t)value);
}

static void put_rate(const struct bench_run *run, struct disagg_json_writer *out)
{
	if (isinf(run->call->rate))
		disagg_json_put_text(out, "request_rate", "inf");
	else
		disagg_json_put_real(out, "request_rate", run->call->rate);
}

static void put_totals(const struct bench_run *run, struct disagg_json_writer *out)
{
	const struct bench_summary *sum = &run->sum;

	disagg_json_put_real(out, "duration", duration(run));
	put_count(out, "completed", run->completed);
	put_count(out, "total_input_tokens", sum->input_tokens);
	put_count(out, "total_output_tokens", sum->output_tokens);
	disagg_json_put_real(out, "request_throughput", sum->request_rate);
	disagg_json_put_text(out, "request_goodput", NULL);
	disagg_json_put_real(out, "output_throughput", sum->output_rate);
	disagg_json_put_real(out, "peak_output_tokens_per_s", sum->peak_rate);
	disagg_json_put_real(out, "total_token_throughput", sum->total_rate);
}

/* null where nothing was measured, as TTFT without streaming */
static void put_measures(const struct bench_run *run, struct disagg_json_writer *out)
{
	for (size_t i = 0; i < MEASURES; i++) {
		const struct disagg_latency *latency = measure(&run->sum, i);

		for (size_t k = 0; k < POINTS; k++) {
			char key[32];

			snprintf(key, sizeof(key), "%s_%s_ms", points[k].key, measures[i].key);
			disagg_json_put_real(out, key, latency->count ? point(latency, k) : NAN);
		}
	}
}

static void put_verdict(const struct bench_run *run, struct disagg_json_writer *out)
{
	put_count(out, "failed", run->failed);
	disagg_json_put_bool(out, "valid", !run->invalid);
	disagg_json_put_text(out, "invalid_reason", run->invalid);
	disagg_json_put_bool(out, "simulation", run->simulated);
}

static void put_concurrency(const struct bench_run *run, struct disagg_json_writer *out)
{
	if (run->concurrency)
		disagg_json_put_int(out, "max_concurrency", run->concurrency);
	else
		disagg_json_put_text(out, "max_concurrency", NULL);
}

void bench_result_summary(const struct bench_run *run, struct disagg_strbuf *text)
{
	struct disagg_json_writer out = {.out = text};

	disagg_json_begin(&out, NULL, '{');
	put_concurrency(run, &out);
	put_rate(run, &out);
	put_count(&out, "num_prompts", run->wanted);
	put_totals(run, &out);
	put_measures(run, &out);
	put_verdict(run, &out);
	disagg_json_put_text(&out, "file", run->file[0] ? run->file : NULL);
	disagg_json_end(&out, '}');
}

/* ---- the result file ---- */

/* Written in pieces: the arrays can be larger than what one likes to hold. */
struct sink {
	struct disagg_strbuf text;
	struct disagg_json_writer out;
	int fd;
	bool failed;
	int why;
};

static void flush(struct sink *sink)
{
	if (!sink->failed && disagg_fd_write_all(sink->fd, sink->text.text, sink->text.len)) {
		sink->failed = true;
		sink->why = errno;
	}
	if (sink->text.failed) {
		sink->failed = true;
		sink->why = ENOMEM;
	}
	disagg_strbuf_clear(&sink->text);
}

static void flush_some(struct sink *sink)
{
	if (sink->text.len > FLUSH_BYTES || sink->text.failed)
		flush(sink);
}

static void put_input(const struct bench_run *run, struct sink *sink, uint64_t i)
{
	disagg_json_put_int(&sink->out, NULL, run->record[i].input_len);
}

static void put_output(const struct bench_run *run, struct sink *sink, uint64_t i)
{
	disagg_json_put_int(&sink->out, NULL, run->record[i].output_len);
}

static void put_ttft(const struct bench_run *run, struct sink *sink, uint64_t i)
{
	disagg_json_put_real(&sink->out, NULL, (double)run->record[i].ttft);
}

static void put_itls(const struct bench_run *run, struct sink *sink, uint64_t i)
{
	const struct bench_record *record = &run->record[i];

	disagg_json_begin(&sink->out, NULL, '[');
	for (uint32_t k = 0; k < record->itl_count; k++) {
		disagg_json_put_real(&sink->out, NULL, (double)record->itl[k]);
		flush_some(sink);
	}
	disagg_json_end(&sink->out, ']');
}

static void put_text(const struct bench_run *run, struct sink *sink, uint64_t i)
{
	const char *text = run->record[i].text;

	disagg_json_put_text(&sink->out, NULL, text ? text : "");
}

static void put_error(const struct bench_run *run, struct sink *sink, uint64_t i)
{
	uint32_t error = run->record[i].error;

	disagg_json_put_text(&sink->out, NULL, error ? run->error[error - 1].text : "");
}

static const struct {
	const char *name;
	void (*put)(const struct bench_run *run, struct sink *sink, uint64_t i);
} arrays[] = {
	{"input_lens", put_input},
	{"output_lens", put_output},
	{"ttfts", put_ttft},
	{"itls", put_itls},
	{"generated_texts", put_text},
	{"errors", put_error},
};

static void put_arrays(const struct bench_run *run, struct sink *sink)
{
	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		disagg_json_begin(&sink->out, arrays[i].name, '[');
		for (uint64_t k = 0; k < run->sent; k++) {
			arrays[i].put(run, sink, k);
			flush_some(sink);
		}
		disagg_json_end(&sink->out, ']');
	}
}

static void put_identity(const struct bench_run *run, struct disagg_json_writer *out)
{
	time_t now = time(NULL);
	struct tm local;
	char date[32] = "";

	if (localtime_r(&now, &local))
		strftime(date, sizeof(date), "%Y%m%d-%H%M%S", &local);
	disagg_json_put_text(out, "date", date);
	disagg_json_put_text(out, "backend", "openai");
	disagg_json_put_text(out, "model_id", run->call->model);
	/* words stand for tokens: nothing is tokenized here */
	disagg_json_put_text(out, "tokenizer_id", run->call->model);
	disagg_json_put_int(out, "best_of", 1);
	put_count(out, "num_prompts", run->wanted);
	put_rate(run, out);
	disagg_json_put_real(out, "burstiness", 1);
	put_concurrency(run, out);
	disagg_json_put_bool(out, "reuse_http_connections", true);
}

static void put_result(const struct bench_run *run, struct sink *sink)
{
	disagg_json_begin(&sink->out, NULL, '{');
	put_identity(run, &sink->out);
	put_totals(run, &sink->out);
	put_measures(run, &sink->out);
	put_verdict(run, &sink->out);
	put_arrays(run, sink);
	disagg_json_end(&sink->out, '}');
	disagg_strbuf_putc(&sink->text, '\n');
	flush(sink);
}

/* The folder and what is above it. */
static int make_folders(const char *path)
{
	char copy[4096];
	struct stat st;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *c = copy + 1;; c++) {
		char kept = *c;

		if (kept != '/' && kept != '\0')
			continue;
		*c = '\0';
		if (stat(copy, &st) && mkdir(copy, 0777) && errno != EEXIST)
			return -1;
		if (!kept)
			return 0;
		*c = kept;
	}
}

/* results_concurrency_C_gpus_T_ctx_P_gen_D.json, as far as that is known. */
static void name_file(const struct bench_run *run, const char *folder, char *path, size_t size)
{
	const struct bench_call *call = run->call;
	char load[48], gpus[96] = "";
	int len = 0;

	if (run->concurrency)
		snprintf(load, sizeof(load), "concurrency_%u", run->concurrency);
	else
		snprintf(load, sizeof(load), "rate_%g", call->rate);
	if (call->gpus)
		len = snprintf(gpus, sizeof(gpus), "_gpus_%u", call->gpus);
	if (call->prefill_gpus || call->decode_gpus)
		snprintf(gpus + len, sizeof(gpus) - (size_t)len, "_ctx_%u_gen_%u",
			call->prefill_gpus, call->decode_gpus);
	snprintf(path, size, "%s/results_%s%s.json", folder, load, gpus);
}

static int write_as(const struct bench_run *run, const char *path, struct disagg_err *err)
{
	struct sink sink = {.fd = -1};

	sink.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (sink.fd < 0)
		return disagg_err_sys(err, "cannot write '%s'", path);
	disagg_strbuf_init(&sink.text, 0);
	sink.out.out = &sink.text;
	put_result(run, &sink);
	disagg_strbuf_release(&sink.text);
	if (close(sink.fd) && !sink.failed) {
		sink.failed = true;
		sink.why = errno;
	}
	errno = sink.why;
	return sink.failed ? disagg_err_sys(err, "cannot write '%s'", path) : 0;
}

int bench_result_write(struct bench_run *run, struct disagg_err *err)
{
	const struct bench_call *call = run->call;
	char folder[3072], path[4000], part[4064];

	snprintf(folder, sizeof(folder), "%s/sa-bench_isl_%u_osl_%u", call->output_dir, call->isl,
		call->osl);
	if (make_folders(folder))
		return disagg_err_sys(err, "cannot make the folder '%s'", folder);
	name_file(run, folder, path, sizeof(path));
	snprintf(part, sizeof(part), "%s.%ld", path, (long)getpid());
	if (write_as(run, part, err)) {
		unlink(part);
		return -1;
	}
	if (rename(part, path)) {
		disagg_err_sys(err, "cannot rename '%s' to '%s'", part, path);
		unlink(part);
		return -1;
	}
	snprintf(run->file, sizeof(run->file), "%s", path);
	return 0;
}
