/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/bench.h"
#include "lib/host/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_LIMIT (1024u * 1024u)
#define HEAD_LIMIT 160u
#define MOST_ITL   BENCH_MOST_TOKENS

/* Common words of three letters: with the blank before it each is one token of
 * all usual vocabularies, and one of disagg-sim, which counts four bytes. */
static const char words[][4] = {"the", "and", "for", "are", "but", "not", "you", "all", "any",
	"can", "had", "her", "was", "one", "our", "out", "day", "get", "has", "him", "his", "how",
	"man", "new", "now", "old", "see", "two", "way", "who", "boy", "did", "its", "let", "put",
	"say", "she", "too", "use", "big", "end", "far", "few", "got", "own", "run", "set", "try",
	"ask", "men", "why", "off", "red", "top", "car", "eat", "hot", "law", "sea", "sun", "war",
	"yes", "air", "bad"};

#define WORDS (sizeof(words) / sizeof(words[0]))

static uint32_t length(uint64_t *random, uint32_t most, double ratio)
{
	uint32_t least = (uint32_t)((double)most * ratio);

	return disagg_random_between(random, least ? least : 1, most);
}

/* Runs and the warm-up differ, so that no prompt is in the server's cache. */
static uint64_t seed_of(const struct bench_run *run, uint64_t number)
{
	uint64_t seed = run->call->seed;

	seed = disagg_random_next(&seed) + 2 * (uint64_t)run->index + run->is_warmup;
	return disagg_random_next(&seed) + number;
}

static void add_prompt(struct disagg_strbuf *body, uint64_t *random, uint32_t count)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < count; i++) {
		/* ten words of six bits each from one number */
		bits = i % 10 ? bits >> 6 : disagg_random_next(random);
		disagg_strbuf_add(body, " ", i ? 1 : 0);
		disagg_strbuf_add(body, words[bits % WORDS], 3);
	}
}

void bench_request_body(const struct bench_run *run, uint64_t number, struct bench_record *ret,
	struct disagg_strbuf *body)
{
	const struct bench_call *call = run->call;
	uint64_t random = seed_of(run, number);

	ret->input_len = length(&random, call->isl, call->range_ratio);
	ret->output_len = length(&random, call->osl, call->range_ratio);
	disagg_strbuf_clear(body);
	disagg_strbuf_puts(body, "{\"model\":");
	disagg_strbuf_json(body, call->model);
	disagg_strbuf_puts(body, ",\"prompt\":\"");
	add_prompt(body, &random, ret->input_len);
	disagg_strbuf_printf(body,
		"\",\"max_tokens\":%u,\"temperature\":0,\"ignore_eos\":true,\"stream\":%s%s}",
		ret->output_len, call->stream ? "true" : "false",
		call->stream ? ",\"stream_options\":{\"include_usage\":true}" : "");
}

/* ---- answers ---- */

void bench_answer_init(struct bench_answer *answer, bool keep_text)
{
	*answer = (struct bench_answer){
		.keep_text = keep_text, .prompt_tokens = -1, .completion_tokens = -1};
	disagg_strbuf_init(&answer->line, LINE_LIMIT);
	disagg_strbuf_init(&answer->head, HEAD_LIMIT);
	disagg_strbuf_init(&answer->text, 0);
}

void bench_answer_clear(struct bench_answer *answer)
{
	struct bench_answer old = *answer;

	*answer = (struct bench_answer){.line = old.line,
		.head = old.head,
		.text = old.text,
		.itl = old.itl,
		.keep_text = old.keep_text,
		.prompt_tokens = -1,
		.completion_tokens = -1};
	disagg_strbuf_clear(&answer->line);
	disagg_strbuf_clear(&answer->head);
	disagg_strbuf_clear(&answer->text);
	answer->itl.count = 0;
}

void bench_answer_release(struct bench_answer *answer)
{
	disagg_strbuf_release(&answer->line);
	disagg_strbuf_release(&answer->head);
	disagg_strbuf_release(&answer->text);
	disagg_samples_release(&answer->itl);
}

static void keep_head(struct bench_answer *answer, const char *bytes, size_t len)
{
	size_t left = HEAD_LIMIT - 1 - answer->head.len;

	disagg_strbuf_add(&answer->head, bytes, len < left ? len : left);
}

/* The first one counts; `detail` need not be terminated. */
static void problem(struct bench_answer *answer, const char *what, const char *detail, size_t len)
{
	int shown = (int)(len < HEAD_LIMIT ? len : HEAD_LIMIT);

	if (answer->problem[0])
		return;
	if (shown)
		snprintf(answer->problem, sizeof(answer->problem), "%s: '%.*s'", what, shown,
			detail);
	else
		snprintf(answer->problem, sizeof(answer->problem), "%s", what);
	disagg_text_tame(answer->problem);
}

static void read_usage(struct bench_answer *answer, const struct disagg_json *json)
{
	int64_t count;

	if (disagg_json_int(disagg_json_at(json, "usage.prompt_tokens"), &count) == 0 && count > 0)
		answer->prompt_tokens = count;
	if (disagg_json_int(disagg_json_at(json, "usage.completion_tokens"), &count) == 0 &&
		count >= 0)
		answer->completion_tokens = count;
}

/* {"error": {"message": "..."}} or {"error": "..."} */
static bool has_error(struct bench_answer *answer, const struct disagg_json *json)
{
	const struct disagg_json *error = disagg_json_at(json, "error");
	const char *text = disagg_json_text(disagg_json_at(error, "message"));

	if (disagg_json_kind(error) <= DISAGG_JSON_NULL)
		return false;
	if (!text)
		text = disagg_json_text(error);
	problem(answer, "the server reports an error", text, text ? strlen(text) : 0);
	return true;
}

/* Whether there is text in it. */
static bool read_answer(struct bench_answer *answer, const char *bytes, size_t len)
{
	struct disagg_json *json = NULL;
	const char *text;
	bool has_text = false;

	if (disagg_json_parse(&json, bytes, len, NULL)) {
		problem(answer, "the answer is no JSON", bytes, len);
		return false;
	}
	if (!has_error(answer, json)) {
		text = disagg_json_text(disagg_json_at(json, "choices.0.text"));
		has_text = text && text[0];
		if (has_text && answer->keep_text)
			disagg_strbuf_puts(&answer->text, text);
		answer->no_memory |= answer->text.failed;
		if (disagg_json_kind(disagg_json_at(json, "choices")) != DISAGG_JSON_ARRAY)
			problem(answer, "the answer has no 'choices'", NULL, 0);
		read_usage(answer, json);
	}
	disagg_json_free(json);
	return has_text;
}

static void saw_chunk(struct bench_answer *answer, int64_t now_ns)
{
	answer->chunks++;
	if (!answer->first_ns)
		answer->first_ns = now_ns;
	else if (disagg_samples_add(
			 &answer->itl, (float)((double)(now_ns - answer->last_ns) / 1e9)))
		answer->no_memory = true;
	answer->last_ns = now_ns;
	if (answer->chunks > MOST_ITL)
		problem(answer, "the stream has no end", NULL, 0);
}

/* One line of the stream, without its end. */
static bool take_line(struct bench_answer *answer, const char *line, size_t len, int64_t now_ns)
{
	while (len && line[len - 1] == '\r')
		len--;
	/* blank lines end events; a colon begins a comment, as keep-alives are */
	if (!len || line[0] == ':')
		return false;
	if (len < 5 || memcmp(line, "data:", 5) != 0) {
		if (memchr(line, ':', len) && line[0] >= 'a' && line[0] <= 'z')
			return false; /* event:, id:, retry: */
		problem(answer, "the answer is no event stream", answer->head.text,
			answer->head.len);
		return false;
	}
	for (line += 5, len -= 5; len && *line == ' '; len--)
		line++;
	if (len == 6 && memcmp(line, "[DONE]", 6) == 0) {
		answer->done = true;
		return false;
	}
	if (!read_answer(answer, line, len))
		return false;
	saw_chunk(answer, now_ns);
	return true;
}

/* All whole lines of `bytes`; returns the length of what is left. */
static size_t take_lines(struct bench_answer *answer, const char *bytes, size_t len, int64_t now_ns,
	unsigned *chunks)
{
	while (!answer->problem[0] && len) {
		const char *end = memchr(bytes, '\n', len);
		size_t used;

		if (!end)
			break;
		*chunks += take_line(answer, bytes, (size_t)(end - bytes), now_ns);
		used = (size_t)(end - bytes) + 1;
		bytes += used;
		len -= used;
	}
	return len;
}

unsigned bench_answer_feed(
	struct bench_answer *answer, const char *bytes, size_t len, int64_t now_ns)
{
	const char *end;
	unsigned chunks = 0;
	size_t left;

	keep_head(answer, bytes, len);
	/* the end of the line that began in an earlier piece */
	if (answer->line.len) {
		end = memchr(bytes, '\n', len);
		left = end ? (size_t)(end - bytes) : len;
		disagg_strbuf_add(&answer->line, bytes, left);
		if (end && !answer->line.failed) {
			chunks += take_line(answer, answer->line.text, answer->line.len, now_ns);
			disagg_strbuf_clear(&answer->line);
			left++;
		}
		bytes += left;
		len -= left;
	}
	left = take_lines(answer, bytes, len, now_ns, &chunks);
	disagg_strbuf_add(&answer->line, bytes + len - left, left);
	if (answer->line.failed)
		problem(answer, "a line of the stream is longer than 1 MiB", NULL, 0);
	return chunks;
}

void bench_answer_end(struct bench_answer *answer)
{
	if (!answer->problem[0] && answer->line.len)
		take_line(answer, answer->line.text, answer->line.len, answer->last_ns);
	if (!answer->done)
		problem(answer, "the stream ended without [DONE]", NULL, 0);
}

void bench_answer_whole(struct bench_answer *answer, const char *bytes, size_t len)
{
	keep_head(answer, bytes, len);
	answer->chunks = read_answer(answer, bytes, len);
}
