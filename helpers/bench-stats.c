/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ERRORS  1000u /* different ones */
#define MOST_SECONDS (30u * 24 * 60 * 60)

void bench_run_init(struct bench_run *run, const struct bench_call *call)
{
	*run = (struct bench_run){.call = call};
}

void bench_run_release(struct bench_run *run)
{
	for (uint64_t i = 0; run->record && i < run->sent; i++) {
		free(run->record[i].itl);
		free(run->record[i].text);
	}
	free(run->record);
	for (uint32_t i = 0; i < run->error_count; i++)
		free(run->error[i].text);
	free(run->error);
	free(run->second);
	bench_run_init(run, run->call);
}

static uint32_t add_error(struct bench_run *run, const char *text)
{
	size_t size = (run->error_count + 1) * sizeof(*run->error);
	struct bench_error *longer = disagg_raw_realloc(run->error, size);

	if (!longer) {
		run->no_memory = true;
		return 1;
	}
	run->error = longer;
	longer[run->error_count] = (struct bench_error){.text = strdup(text), .count = 1};
	if (!longer[run->error_count].text) {
		run->no_memory = true;
		return 1;
	}
	return ++run->error_count;
}

uint32_t bench_run_error(struct bench_run *run, const char *text)
{
	/* texts of a server that puts a number into each do not add up for ever */
	if (run->error_count >= MOST_ERRORS)
		text = "some other error";
	for (uint32_t i = 0; i < run->error_count; i++) {
		if (strcmp(run->error[i].text, text) == 0) {
			run->error[i].count++;
			return i + 1;
		}
	}
	return add_error(run, text);
}

void bench_run_tokens(struct bench_run *run, uint64_t count, int64_t now_ns)
{
	int64_t since_ns = now_ns > run->begin_ns ? now_ns - run->begin_ns : 0;
	size_t second = (size_t)(since_ns / 1000000000), size;
	uint64_t *longer;

	if (second >= MOST_SECONDS)
		return;
	if (second >= run->seconds) {
		size = 2 * second + 60;
		longer = disagg_raw_realloc(run->second, size * sizeof(*longer));
		if (!longer) {
			run->no_memory = true;
			return;
		}
		memset(longer + run->seconds, 0, (size - run->seconds) * sizeof(*longer));
		run->second = longer;
		run->seconds = size;
	}
	run->second[second] += count;
}

struct sets {
	struct disagg_samples ttft, tpot, itl, e2el;
};

static int take_record(struct sets *sets, const struct bench_record *record)
{
	float rest = record->latency - record->ttft;
	int failed = disagg_samples_add(&sets->e2el, record->latency);

	if (record->ttft <= 0)
		return failed;
	failed |= disagg_samples_add(&sets->ttft, record->ttft);
	if (record->output_len > 1)
		failed |= disagg_samples_add(&sets->tpot, rest / (float)(record->output_len - 1));
	return failed | disagg_samples_join(&sets->itl, record->itl, record->itl_count);
}

static void take_rates(struct bench_run *run)
{
	struct bench_summary *sum = &run->sum;
	double seconds = (double)(run->end_ns - run->begin_ns) / 1e9;

	for (size_t i = 0; i < run->seconds; i++) {
		if ((double)run->second[i] > sum->peak_rate)
			sum->peak_rate = (double)run->second[i];
	}
	if (seconds <= 0)
		return;
	sum->request_rate = (double)run->completed / seconds;
	sum->output_rate = (double)sum->output_tokens / seconds;
	sum->total_rate = (double)(sum->input_tokens + sum->output_tokens) / seconds;
}

static int take_records(struct bench_run *run)
{
	struct bench_summary *sum = &run->sum;
	struct sets sets = {.ttft = {.v = NULL}};
	int failed = 0;

	for (uint64_t i = 0; i < run->sent && !failed; i++) {
		if (run->record[i].error)
			continue;
		sum->input_tokens += run->record[i].input_len;
		sum->output_tokens += run->record[i].output_len;
		failed = take_record(&sets, &run->record[i]);
	}
	if (!failed) {
		sum->ttft = disagg_latency_of(&sets.ttft);
		sum->tpot = disagg_latency_of(&sets.tpot);
		sum->itl = disagg_latency_of(&sets.itl);
		sum->e2el = disagg_latency_of(&sets.e2el);
	}
	disagg_samples_release(&sets.ttft);
	disagg_samples_release(&sets.tpot);
	disagg_samples_release(&sets.itl);
	disagg_samples_release(&sets.e2el);
	return failed;
}

/* The error that most requests had, of those that are the server's if there is one. */
static const char *worst(const struct bench_run *run)
{
	const struct bench_error *most = NULL;

	for (uint32_t i = 0; i < run->error_count; i++) {
		const struct bench_error *error = &run->error[i];

		if (!most || most->is_own > error->is_own ||
			(most->is_own == error->is_own && error->count > most->count))
			most = error;
	}
	return most ? most->text : "none was answered";
}

static void judge(struct bench_run *run)
{
	char *text = run->invalid_text;
	size_t size = sizeof(run->invalid_text);

	run->invalid = text;
	if (run->end == BENCH_STOPPED)
		snprintf(text, size, "interrupted after %" PRIu64 " of %" PRIu64 " requests",
			run->completed, run->wanted);
	else if (run->end == BENCH_TIMED_OUT)
		snprintf(text, size,
			"not done after %" PRId64 " s: %" PRIu64 " of %" PRIu64
			" requests completed",
			run->call->timeout_s, run->completed, run->wanted);
	else if (!run->completed)
		snprintf(text, size, "no request completed: %s", worst(run));
	else if (!run->sum.output_tokens)
		snprintf(text, size, "no output token came");
	else if ((double)run->failed > run->call->max_errors * (double)run->wanted)
		snprintf(text, size,
			"%" PRIu64 " of %" PRIu64 " requests failed, at most %g %% may: %s",
			run->failed, run->wanted, run->call->max_errors * 100, worst(run));
	else
		run->invalid = NULL;
}

int bench_run_sum(struct bench_run *run, struct disagg_err *err)
{
	if (run->no_memory || take_records(run))
		return disagg_err_nomem(err);
	take_rates(run);
	judge(run);
	return 0;
}
