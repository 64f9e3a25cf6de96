/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/client_build.h"
#include "lib/base/num.h"
#include "lib/conf/scalar.h"
#include <string.h>

/*
 * The clients of TensorRT-LLM's harness: its own benchmark_serving, SemiAnalysis'
 * one where the file says use_nv_sa_benchmark, lm_eval for accuracy.  A
 * concurrency is one of all gen servers together.
 */
#define SA_SCRIPT "/tmp/bench_serving/benchmark_serving.py"
#define MODULE	  "tensorrt_llm.serve.scripts.benchmark_serving"
#define MEASURES  "ttft,tpot,itl,e2el"

/* ---- the load ---- */

static bool next_word(const char **text, const char **ret_word, size_t *ret_len)
{
	*ret_word = *text + strspn(*text, " ");
	*ret_len = strcspn(*ret_word, " ");
	*text = *ret_word + *ret_len;
	return *ret_len > 0;
}

static const char *copy(struct disagg_client_cmd *c, const char *word, size_t len)
{
	const char *text = disagg_arena_strndup(c->cmd.arena, word, len);

	if (!text)
		c->cmd.failed = true;
	return text ? text : "";
}

/* "4 8" as "4,8" */
static const char *with_commas(struct disagg_client_cmd *c, const char *list)
{
	char *text = disagg_arena_strdup(c->cmd.arena, list);

	for (char *at = text; at && *at; at++) {
		if (*at == ' ')
			*at = ',';
	}
	if (!text)
		c->cmd.failed = true;
	return text ? text : "";
}

static bool streams(const struct disagg_client_cmd *c)
{
	return disagg_client_option_on(c, "streaming", true);
}

static bool is_sa(const struct disagg_client_cmd *c)
{
	return strcmp(c->client->name, "sa-bench") == 0;
}

/* ---- small requests first: every pair of ranks opens its connection ---- */

static int64_t world(const struct disagg_client_cmd *c, enum disagg_role_kind kind)
{
	const struct disagg_plan *plan = c->cmd.plan;

	for (uint32_t i = 0; i < plan->role_count; i++) {
		if (plan->role[i].kind == kind && plan->role[i].workers)
			return plan->role[i].gpus;
	}
	return 0;
}

static int64_t first_requests(const struct disagg_client_cmd *c)
{
	const char *mode = disagg_cmd_setting(&c->cmd, "benchmark.mode");

	if (mode && strcmp(mode, "e2e") != 0)
		return 0;
	return 2 * world(c, DISAGG_PREFILL) * world(c, DISAGG_DECODE);
}

static const struct disagg_client_run warm_run = {
	.label = "small requests that open every connection", .may_fail = true};

static void own_warm_up(struct disagg_client_cmd *c)
{
	static const char *const before[] = {"python3", "-m", MODULE, "--model", NULL};
	static const char *const sizes[] = {"--dataset-name", "random", "--random-ids",
		"--random-input-len", "100", "--random-output-len", "10", "--num-prompts", NULL};
	static const char *const after[] = {
		"--ignore-eos", "--non-streaming", "--trust-remote-code", NULL};

	if (!first_requests(c))
		return;
	disagg_client_begin(c);
	disagg_cmd_put_all(&c->cmd, before);
	disagg_cmd_put(&c->cmd, disagg_cmd_model(&c->cmd));
	disagg_cmd_put_all(&c->cmd, sizes);
	disagg_cmd_putf(&c->cmd, "%lld", (long long)first_requests(c));
	disagg_cmd_flag(&c->cmd, "--host", "%s", c->host);
	disagg_cmd_flag(&c->cmd, "--port", "%d", c->port);
	disagg_cmd_put_all(&c->cmd, after);
	disagg_client_end(c, &c->client->own, &warm_run);
}

static void load_warm_up(struct disagg_client_cmd *c)
{
	int64_t count = first_requests(c);

	if (!count)
		return;
	disagg_client_begin(c);
	disagg_cmd_put(&c->cmd, "disagg-bench");
	disagg_cmd_putf(&c->cmd, "--url=%s", disagg_client_url(c));
	if (*c->served)
		disagg_cmd_putf(&c->cmd, "--model=%s", c->served);
	disagg_cmd_putf(&c->cmd, "--concurrency=%lld", (long long)(count < 256 ? count : 256));
	disagg_cmd_putf(&c->cmd, "--prompts=%lld", (long long)count);
	disagg_cmd_put_all(&c->cmd, (const char *const[]){"--warmup=0", "--isl=100", "--osl=10",
					    "--range-ratio=1", "--no-stream", NULL});
	disagg_client_end(c, &c->client->load, &warm_run);
}

/* ---- the file's client ---- */

static void put_length(
	struct disagg_client_cmd *c, const char *flag, const struct disagg_int *value)
{
	if (value->set)
		disagg_cmd_flag(&c->cmd, flag, "%lld", (long long)value->v);
}

static void put_prompts(struct disagg_client_cmd *c)
{
	const struct disagg_bench *bench = &c->cmd.job->bench;
	const char *file = disagg_client_option(c, "dataset_file", NULL);

	if (file && !is_sa(c)) {
		disagg_cmd_flag(&c->cmd, "--dataset-name", "trtllm_custom");
		disagg_cmd_flag(&c->cmd, "--dataset-path", "%s", file);
		return;
	}
	disagg_cmd_flag(&c->cmd, "--dataset-name", "random");
	if (!is_sa(c))
		disagg_cmd_put(&c->cmd, "--random-ids");
	put_length(c, "--random-input-len", &bench->isl);
	put_length(c, "--random-output-len", &bench->osl);
	if (is_sa(c))
		disagg_cmd_flag(&c->cmd, "--random-range-ratio", "%s",
			disagg_client_real(c, "benchmark_ratio", "0.8"));
}

static void put_program(struct disagg_client_cmd *c)
{
	disagg_cmd_put(&c->cmd, "python3");
	if (is_sa(c))
		disagg_cmd_put(&c->cmd, SA_SCRIPT);
	else
		disagg_cmd_flag(&c->cmd, "-m", MODULE);
	disagg_cmd_flag(&c->cmd, "--model", "%s", disagg_cmd_model(&c->cmd));
	if (!is_sa(c))
		disagg_cmd_flag(&c->cmd, "--backend", "openai");
	disagg_cmd_flag(&c->cmd, "--host", "%s", c->host);
	disagg_cmd_flag(&c->cmd, "--port", "%d", c->port);
}

static void own_run(struct disagg_client_cmd *c, const char *concurrency, const char *prompts)
{
	const struct disagg_client_run run = {
		.label = disagg_arena_printf(c->cmd.arena, "concurrency %s", concurrency),
		.folder = disagg_arena_printf(c->cmd.arena, "results/concurrency_%s", concurrency),
		.result = disagg_arena_printf(
			c->cmd.arena, "results/concurrency_%s/result.json", concurrency),
	};
	const char *folder = disagg_cmd_path(&c->cmd, run.folder);

	disagg_client_begin(c);
	put_program(c);
	put_prompts(c);
	disagg_cmd_flag(&c->cmd, "--num-prompts", "%s", prompts);
	disagg_cmd_flag(&c->cmd, "--max-concurrency", "%s", concurrency);
	disagg_cmd_put(&c->cmd, "--trust-remote-code");
	disagg_cmd_put(&c->cmd, "--ignore-eos");
	disagg_cmd_put(&c->cmd, is_sa(c) ? "--use-chat-template" : "--no-test-input");
	disagg_cmd_put(&c->cmd, "--save-result");
	disagg_cmd_flag(&c->cmd, "--result-dir", "%s", folder ? folder : "");
	disagg_cmd_flag(&c->cmd, "--result-filename", "result.json");
	disagg_cmd_flag(&c->cmd, "--percentile-metrics", MEASURES);
	if (!streams(c))
		disagg_cmd_put(&c->cmd, "--non-streaming");
	disagg_client_end(c, &c->client->own, &run);
}

static void own_runs(struct disagg_client_cmd *c)
{
	const char *all = disagg_client_option(c, "effective_concurrency", "");
	const char *prompts = disagg_client_option(c, "num_prompts", "");
	const char *one, *count;
	size_t one_len, count_len;

	own_warm_up(c);
	while (next_word(&all, &one, &one_len) && next_word(&prompts, &count, &count_len))
		own_run(c, copy(c, one, one_len), copy(c, count, count_len));
	if (is_sa(c))
		c->client->script = SA_SCRIPT;
	else
		c->client->module = "tensorrt_llm";
}

static void load_runs(struct disagg_client_cmd *c)
{
	const struct disagg_bench *bench = &c->cmd.job->bench;
	const char *rounds = disagg_client_option(c, "multi_round", "1");
	const struct disagg_client_load load = {
		.concurrency = with_commas(c, disagg_client_option(c, "effective_concurrency", "")),
		.range_ratio = is_sa(c) ? disagg_client_real(c, "benchmark_ratio", "0.8") : "1",
		.prompts = disagg_arena_printf(c->cmd.arena, "%sx", rounds),
		.warmup = "0",
		.isl = bench->isl,
		.osl = bench->osl,
		.whole = !streams(c),
	};

	if (!bench->isl.set || !bench->osl.set) {
		c->client->no_load = "no input_length and output_length say how long requests are";
		return;
	}
	if (!is_sa(c) && disagg_client_option(c, "dataset_file", NULL))
		c->client->note = "with random words in place of the prompts of dataset_file";
	load_warm_up(c);
	disagg_client_begin(c);
	disagg_client_bench(c, &load);
	disagg_client_end(c, &c->client->load, &(struct disagg_client_run){0});
}

/* ---- accuracy ---- */

static const char *accuracy(
	const struct disagg_client_cmd *c, const struct disagg_node *task, const char *key)
{
	const struct disagg_node *all = disagg_cmd_section(&c->cmd, "accuracy");
	const struct disagg_node *node = disagg_node_get(task ? task : all, key);

	return node && node->kind == DISAGG_SCALAR && !disagg_node_is_null(node) ? node->text
										 : NULL;
}

static void put_more(struct disagg_client_cmd *c, const struct disagg_node *task)
{
	static const char *const skip[] = {"custom_config", NULL};
	const struct disagg_node *more = disagg_node_get(task, "extra_kwargs");
	const struct disagg_node *own = disagg_node_get(more, "custom_config");
	const char *slash = own && own->kind == DISAGG_SCALAR ? strrchr(own->text, '/') : NULL;

	if (slash)
		disagg_cmd_putf(
			&c->cmd, "--include_path=%.*s", (int)(slash - own->text), own->text);
	disagg_cmd_flags(&c->cmd, more, skip, DISAGG_FLAG_ASSIGN);
}

static void judge(struct disagg_client_cmd *c, const char *name, const struct disagg_node *task)
{
	const char *model = accuracy(c, task, "model");
	const char *more = accuracy(c, task, "model_args_extra");
	bool chat = model && strcmp(model, "local-chat-completions") == 0;
	const struct disagg_client_run run = {
		.label = disagg_arena_printf(c->cmd.arena, "accuracy of %s", name)};

	disagg_client_begin(c);
	disagg_cmd_put(&c->cmd, "lm_eval");
	disagg_cmd_flag(&c->cmd, "--model", "%s", model ? model : "local-completions");
	disagg_cmd_flag(&c->cmd, "--tasks", "%s", name);
	disagg_cmd_flag(&c->cmd, "--model_args", "model=%s,base_url=%s/v1/%scompletions%s%s",
		disagg_cmd_model(&c->cmd), disagg_client_url(c), chat ? "chat/" : "",
		more && *more ? "," : "", more ? more : "");
	disagg_cmd_put(&c->cmd, "--log_samples");
	disagg_cmd_flag(&c->cmd, "--output_path", "%s/results/accuracy_eval_%s",
		c->cmd.site->run_dir, name);
	put_more(c, task);
	disagg_client_end(c, &c->client->after, &run);
	c->client->program = "lm_eval";
}

/* Two shapes: one set of settings for a list of tasks, or a map of them. */
static void accuracy_runs(struct disagg_client_cmd *c)
{
	const struct disagg_node *tasks = disagg_cmd_section(&c->cmd, "accuracy.tasks");

	if (!disagg_cmd_setting_on(&c->cmd, "accuracy.enable_accuracy_test", false))
		return;
	if (tasks && tasks->kind == DISAGG_MAP) {
		for (uint32_t i = 0; i < tasks->count; i++)
			judge(c, tasks->pair[i].key, tasks->pair[i].value);
	} else {
		judge(c, tasks && tasks->kind == DISAGG_SCALAR ? tasks->text : "gsm8k", NULL);
	}
}

void disagg_client_trtllm(struct disagg_client_cmd *c)
{
	const char *name = c->client->name;
	bool known = strcmp(name, "trtllm-bench") == 0 || is_sa(c);

	if (!c->cmd.job->bench.type) {
		c->client->name = "accuracy";
	} else if (!known) {
		c->client->no_load = "it is not known what it sends";
	} else {
		own_runs(c);
		load_runs(c);
	}
	accuracy_runs(c);
}
