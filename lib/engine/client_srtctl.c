/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/client_build.h"
#include <string.h>

/*
 * srtctl's types.  Each is a shell script of its own with arguments by
 * position, except that sglang's client is called as that script calls it:
 * the script keeps no results and may name another model.
 */
static const char *number(struct disagg_client_cmd *c, const struct disagg_int *value)
{
	const char *text =
		disagg_arena_printf(c->cmd.arena, "%lld", value->set ? (long long)value->v : 0LL);

	if (!text)
		c->cmd.failed = true;
	return text ? text : "";
}

static const char *option(const struct disagg_client_cmd *c, const char *key, const char *otherwise)
{
	return disagg_client_option(c, key, otherwise);
}

static void put(struct disagg_client_cmd *c, const char *word)
{
	disagg_cmd_put(&c->cmd, word);
}

static void put_option(struct disagg_client_cmd *c, const char *key, const char *otherwise)
{
	put(c, option(c, key, otherwise));
}

static const char *rate_of(const struct disagg_client_cmd *c)
{
	const char *rate = c->cmd.job->bench.request_rate;

	return rate && *rate ? rate : "inf";
}

static bool is_disaggregated(const struct disagg_client_cmd *c)
{
	return disagg_client_gpus(c, DISAGG_PREFILL) || disagg_client_gpus(c, DISAGG_DECODE);
}

/* What sa-bench puts into the names of its files. */
static uint32_t total_gpus(const struct disagg_client_cmd *c)
{
	const struct disagg_plan *plan = c->cmd.plan;

	if (is_disaggregated(c))
		return disagg_client_gpus(c, DISAGG_PREFILL) + disagg_client_gpus(c, DISAGG_DECODE);
	return plan->worker_nodes * plan->gpus_per_node;
}

/* ---- sa-bench ---- */

static bool has_dataset(const struct disagg_client_cmd *c)
{
	return strcmp(option(c, "dataset_name", "random"), "random") != 0;
}

/* The result of the last concurrency: the script stops where one fails. */
static const char *sa_result(struct disagg_client_cmd *c)
{
	const struct disagg_bench *bench = &c->cmd.job->bench;
	const struct disagg_strs *list = &bench->concurrencies;
	const char *path;

	if (!list->count || has_dataset(c) || !bench->isl.set || !bench->osl.set)
		return NULL;
	path = disagg_arena_printf(c->cmd.arena, "results/sa-bench_isl_%lld_osl_%lld/%s.json",
		(long long)bench->isl.v, (long long)bench->osl.v,
		disagg_client_result_name(c, list->v[list->count - 1], total_gpus(c)));
	if (!path)
		c->cmd.failed = true;
	return path;
}

static void put_sa(struct disagg_client_cmd *c)
{
	const struct disagg_bench *bench = &c->cmd.job->bench;

	put(c, disagg_client_url(c));
	put(c, number(c, &bench->isl));
	put(c, number(c, &bench->osl));
	put(c, disagg_client_concurrencies(c, 'x'));
	put(c, rate_of(c));
	put(c, disagg_cmd_model(&c->cmd));
	put(c, c->served);
	put(c, is_disaggregated(c) ? "true" : "false");
	disagg_cmd_putf(&c->cmd, "%u", (unsigned)total_gpus(c));
	disagg_cmd_putf(&c->cmd, "%u", (unsigned)disagg_client_gpus(c, DISAGG_PREFILL));
	disagg_cmd_putf(&c->cmd, "%u", (unsigned)disagg_client_gpus(c, DISAGG_DECODE));
	put(c, disagg_client_real(c, "random_range_ratio", "0.8"));
	put_option(c, "num_prompts_mult", "10");
	put_option(c, "num_warmup_mult", "2");
	put_option(c, "custom_tokenizer", "");
	put(c, disagg_client_option_on(c, "use_chat_template", true) ? "true" : "false");
	put_option(c, "dataset_name", "random");
	put_option(c, "dataset_path", "");
	put(c, disagg_client_option_on(c, "reuse_http_connections", false) ? "true" : "false");
}

static const char *times(struct disagg_client_cmd *c, const char *key, const char *otherwise)
{
	const char *text = disagg_arena_printf(c->cmd.arena, "%sx", option(c, key, otherwise));

	if (!text)
		c->cmd.failed = true;
	return text;
}

static void load_sa(struct disagg_client_cmd *c)
{
	const struct disagg_bench *bench = &c->cmd.job->bench;
	const struct disagg_client_load load = {
		.concurrency = disagg_client_concurrencies(c, ','),
		.rate = rate_of(c),
		.range_ratio = disagg_client_real(c, "random_range_ratio", "0.8"),
		.prompts = times(c, "num_prompts_mult", "10"),
		.warmup = times(c, "num_warmup_mult", "2"),
		.isl = bench->isl,
		.osl = bench->osl,
	};

	if (has_dataset(c) && !(bench->isl.set && bench->osl.set)) {
		c->client->no_load =
			"its prompts are in a file, and no isl: and osl: say how long they are";
		return;
	}
	if (has_dataset(c))
		c->client->note = "with random words in place of the prompts of the file's dataset";
	disagg_client_begin(c);
	disagg_client_bench(c, &load);
	disagg_client_end(c, &c->client->load, &(struct disagg_client_run){0});
}

/* ---- sglang-bench ---- */

#define SGLANG_PROMPTS "128"

static void put_sglang(struct disagg_client_cmd *c, const char *concurrency, const char *result)
{
	static const char *const program[] = {
		"python3", "-m", "sglang.bench_serving", "--backend", "sglang-oai", NULL};
	const struct disagg_bench *bench = &c->cmd.job->bench;
	struct disagg_cmd *cmd = &c->cmd;
	const char *path = disagg_cmd_path(cmd, result);

	disagg_cmd_put_all(cmd, program);
	disagg_cmd_flag(cmd, "--model", "%s", c->served);
	disagg_cmd_flag(cmd, "--tokenizer", "%s", disagg_cmd_model(cmd));
	disagg_cmd_flag(cmd, "--host", "%s", c->host);
	disagg_cmd_flag(cmd, "--port", "%d", c->port);
	disagg_cmd_flag(cmd, "--dataset-name", "random");
	disagg_cmd_flag(cmd, "--max-concurrency", "%s", concurrency);
	disagg_cmd_flag(cmd, "--num-prompts", SGLANG_PROMPTS);
	disagg_cmd_flag(cmd, "--random-input-len", "%s", number(c, &bench->isl));
	disagg_cmd_flag(cmd, "--random-output-len", "%s", number(c, &bench->osl));
	disagg_cmd_flag(cmd, "--random-range-ratio", "1");
	disagg_cmd_flag(cmd, "--request-rate", "%s", rate_of(c));
	disagg_cmd_flag(cmd, "--warmup-requests", "0");
	disagg_cmd_flag(cmd, "--output-file", "%s", path ? path : "");
}

static void run_sglang(struct disagg_client_cmd *c)
{
	const struct disagg_bench *bench = &c->cmd.job->bench;
	const struct disagg_strs *list = &bench->concurrencies;
	const char *folder =
		disagg_arena_printf(c->cmd.arena, "results/sglang-bench_isl_%lld_osl_%lld",
			(long long)bench->isl.v, (long long)bench->osl.v);

	for (unsigned i = 0; folder && i < list->count; i++) {
		const char *result = disagg_arena_printf(c->cmd.arena, "%s/%s.jsonl", folder,
			disagg_client_result_name(c, list->v[i], total_gpus(c)));
		const struct disagg_client_run run = {
			.label = disagg_arena_printf(c->cmd.arena, "concurrency %s", list->v[i]),
			.folder = folder,
			.result = result,
		};

		disagg_client_begin(c);
		put_sglang(c, list->v[i], result);
		disagg_client_end(c, &c->client->own, &run);
	}
	if (!folder)
		c->cmd.failed = true;
	c->client->module = "sglang";
}

static void load_sglang(struct disagg_client_cmd *c)
{
	const struct disagg_client_load load = {
		.concurrency = disagg_client_concurrencies(c, ','),
		.rate = rate_of(c),
		.range_ratio = "1",
		.prompts = SGLANG_PROMPTS,
		.warmup = "0",
		.isl = c->cmd.job->bench.isl,
		.osl = c->cmd.job->bench.osl,
	};

	disagg_client_begin(c);
	disagg_client_bench(c, &load);
	disagg_client_end(c, &c->client->load, &(struct disagg_client_run){0});
}

/* ---- what disagg-bench does not measure ---- */

static void put_aiperf(struct disagg_client_cmd *c)
{
	put_option(c, "ttft_threshold_ms", "2000");
	put_option(c, "itl_threshold_ms", "25");
	put(c, disagg_cmd_model(&c->cmd));
	disagg_cmd_flags(&c->cmd, disagg_cmd_section(&c->cmd, "benchmark.aiperf_args"), NULL,
		DISAGG_FLAG_AS_IS);
}

static void put_mooncake(struct disagg_client_cmd *c)
{
	put(c, disagg_client_url(c));
	put(c, c->served);
	put_option(c, "mooncake_workload", "conversation");
	put_aiperf(c);
}

static void put_trace(struct disagg_client_cmd *c)
{
	put(c, disagg_client_url(c));
	put(c, c->served);
	put_option(c, "trace_file", "");
	put(c, disagg_client_concurrencies(c, ','));
	put_aiperf(c);
}

/* A list with blanks between, or the text itself. */
static void put_list(
	struct disagg_client_cmd *c, const char *key, char between, const char *otherwise)
{
	const char *path = disagg_arena_printf(c->cmd.arena, "benchmark.%s", key);
	const struct disagg_node *node = path ? disagg_cmd_section(&c->cmd, path) : NULL;
	struct disagg_strbuf text;

	if (!node || node->kind != DISAGG_SEQ) {
		put_option(c, key, otherwise);
		return;
	}
	disagg_strbuf_init(&text, 0);
	for (uint32_t i = 0; i < node->count; i++) {
		const char *item = disagg_cmd_text(&c->cmd, node->item[i]);

		if (i)
			disagg_strbuf_putc(&text, between);
		disagg_strbuf_puts(&text, item ? item : "");
	}
	if (text.failed)
		c->cmd.failed = true;
	disagg_cmd_putf(&c->cmd, "%s", text.text);
	disagg_strbuf_release(&text);
}

static void put_router(struct disagg_client_cmd *c)
{
	const struct disagg_bench *bench = &c->cmd.job->bench;

	put(c, disagg_client_url(c));
	put(c, bench->isl.set ? number(c, &bench->isl) : "14000");
	put(c, bench->osl.set ? number(c, &bench->osl) : "200");
	put_option(c, "num_requests", "200");
	put_option(c, "concurrency", "20");
	put_list(c, "prefix_ratios", ' ', "0.1 0.3 0.5 0.7 0.9");
}

static void put_gpqa(struct disagg_client_cmd *c)
{
	put(c, disagg_client_url(c));
	put_option(c, "num_examples", "198");
	put_option(c, "max_tokens", "32768");
	put_option(c, "repeat", "8");
	put_option(c, "num_threads", "128");
}

static void put_mmlu(struct disagg_client_cmd *c)
{
	put(c, disagg_client_url(c));
	put_option(c, "num_examples", "200");
	put_option(c, "max_tokens", "2048");
	put_option(c, "repeat", "8");
	put_option(c, "num_threads", "512");
}

static void put_longbench(struct disagg_client_cmd *c)
{
	put(c, disagg_client_url(c));
	put_option(c, "max_context_length", "128000");
	put_option(c, "num_threads", "16");
	put_option(c, "max_tokens", "16384");
	put_option(c, "num_examples", "");
	put_list(c, "categories", ',', "");
}

static bool has_vllm(const struct disagg_client_cmd *c)
{
	for (uint32_t i = 0; i < c->cmd.plan->role_count; i++) {
		if (c->cmd.plan->role[i].engine == DISAGG_E_VLLM)
			return true;
	}
	return false;
}

static void put_gsm8k(struct disagg_client_cmd *c)
{
	put(c, disagg_client_url(c));
	put_option(c, "num_examples", "1319");
	put_option(c, "max_tokens", "16384");
	put_option(c, "num_threads", "512");
	put_option(c, "num_shots", "5");
	put(c, disagg_client_real(c, "temperature", ""));
	put(c, disagg_client_real(c, "top_p", ""));
	put_option(c, "top_k", "");
}

static void put_gsm8k_vllm(struct disagg_client_cmd *c)
{
	disagg_cmd_putf(&c->cmd, "http://%s", c->host);
	disagg_cmd_putf(&c->cmd, "%d", c->port);
	put(c, c->served);
	put_option(c, "num_examples", "1319");
	put_option(c, "max_tokens", "256");
	put_option(c, "num_shots", "5");
	put(c, disagg_client_real(c, "temperature", "0.0"));
	put_option(c, "repeat", "1");
}

static void put_lm_eval(struct disagg_client_cmd *c)
{
	put(c, disagg_client_url(c));
	put(c, "/infmax-workspace");
}

/* ---- all of them ---- */

static const char judges[] = "it judges answers";
static const char replays[] = "it replays a trace";

static const struct type {
	const char *name, *script;
	void (*words)(struct disagg_client_cmd *c);
	bool writes_logs;
	const char *no_load;
} types[] = {
	{"sa-bench", "sa-bench/bench.sh", put_sa, true, NULL},
	{"router", "router/bench.sh", put_router, true, "it measures prompts that share a prefix"},
	{"mooncake-router", "mooncake-router/bench.sh", put_mooncake, false, replays},
	{"trace-replay", "trace-replay/bench.sh", put_trace, false, replays},
	{"gpqa", "gpqa/bench.sh", put_gpqa, true, judges},
	{"mmlu", "mmlu/bench.sh", put_mmlu, true, judges},
	{"longbenchv2", "longbenchv2/bench.sh", put_longbench, true, judges},
	{"lm-eval", "lm-eval/bench.sh", put_lm_eval, true, judges},
	{"gsm8k", "gsm8k/sglang-bench.sh", put_gsm8k, true, judges},
};
static const struct type gsm8k_vllm = {
	"gsm8k", "gsm8k/vllm-bench.sh", put_gsm8k_vllm, true, judges};

static void run_script(struct disagg_client_cmd *c, const struct type *type)
{
	const char *script =
		disagg_arena_printf(c->cmd.arena, DISAGG_CLIENT_SCRIPTS "/%s", type->script);
	struct disagg_client_run run = {0};

	disagg_client_begin(c);
	put(c, "bash");
	put(c, script);
	type->words(c);
	if (strcmp(type->name, "sa-bench") == 0)
		run.result = sa_result(c);
	disagg_client_end(c, &c->client->own, &run);
	c->client->script = script;
	c->client->writes_logs = type->writes_logs;
	c->client->no_load = type->no_load;
}

void disagg_client_srtctl(struct disagg_client_cmd *c)
{
	const char *name = c->client->name;

	if (c->cmd.job->dialect == DISAGG_SRTCTL)
		disagg_cmd_client_env(&c->cmd, name, &c->client->env);
	if (strcmp(name, "sglang-bench") == 0) {
		run_sglang(c);
		load_sglang(c);
		return;
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		bool vllm = strcmp(name, "gsm8k") == 0 && has_vllm(c);

		if (strcmp(name, types[i].name) == 0)
			run_script(c, vllm ? &gsm8k_vllm : &types[i]);
	}
	if (!c->client->no_load)
		load_sa(c);
}
