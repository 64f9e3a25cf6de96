/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/trtllm.h"
#include "lib/base/num.h"
#include <inttypes.h>
#include <string.h>

struct check {
	struct disagg_import *import;
	const struct disagg_trtllm *file;
};

#define WARN(check, path, ...)                                                                     \
	disagg_findings_warn(                                                                      \
		(check)->import->found, disagg_trtllm_at((check)->import, (path)), __VA_ARGS__)

static int64_t draft_length(const struct disagg_trtllm_server *server)
{
	if (server->nextn_layers.set)
		return server->nextn_layers.v;
	return server->max_draft_len.set ? server->max_draft_len.v : 0;
}

static void check_tokens(const struct check *check)
{
	const struct disagg_trtllm_server *gen = &check->file->gen;
	int64_t draft = draft_length(gen);
	int64_t need;

	if (draft <= 0 || !gen->max_num_tokens.set || !gen->max_batch_size.set)
		return;
	need = gen->max_batch_size.v * (draft + 1);
	if (gen->max_num_tokens.v < need)
		WARN(check, "worker_config.gen.max_num_tokens",
			"gen max_num_tokens %" PRId64 " is less than the %" PRId64
			" of max_batch_size %" PRId64 " with draft length %" PRId64,
			gen->max_num_tokens.v, need, gen->max_batch_size.v, draft);
}

static void check_lengths(const struct check *check)
{
	const struct disagg_bench *bench = &check->import->job->bench;
	const struct disagg_int *ctx = &check->file->ctx.max_seq_len;
	const struct disagg_int *gen = &check->file->gen.max_seq_len;

	if (ctx->set && bench->isl.set && ctx->v <= bench->isl.v)
		WARN(check, "worker_config.ctx.max_seq_len",
			"ctx max_seq_len %" PRId64 " is not above the input length %" PRId64,
			ctx->v, bench->isl.v);
	if (gen->set && bench->isl.set && bench->osl.set && gen->v <= bench->isl.v + bench->osl.v)
		WARN(check, "worker_config.gen.max_seq_len",
			"gen max_seq_len %" PRId64
			" is not above input and output length together, %" PRId64,
			gen->v, bench->isl.v + bench->osl.v);
}

static void check_capacity(const struct check *check)
{
	const struct disagg_trtllm_server *gen = &check->file->gen;
	const struct disagg_strs *list = &check->import->job->bench.concurrencies;
	int64_t capacity;

	if (!gen->max_batch_size.set)
		return;
	capacity = gen->max_batch_size.v;
	if (gen->attention_dp == DISAGG_YES)
		capacity *= disagg_trtllm_or(gen->tp, 1);
	for (unsigned i = 0; i < list->count; i++) {
		int64_t one = 0;

		if (disagg_num_int(list->v[i], 1, INT64_MAX, &one) == 0 && one > capacity)
			WARN(check, "benchmark.concurrency_list",
				"concurrency %" PRId64 " exceeds gen capacity %" PRId64, one,
				capacity);
	}
}

static void check_concurrencies(const struct check *check)
{
	const struct disagg_trtllm *file = check->file;

	if (file->enable_benchmark != DISAGG_NO && !check->import->job->bench.concurrencies.count)
		WARN(check, "benchmark", "no concurrency_list: the benchmark has nothing to run");
}

static void check_streaming(const struct check *check)
{
	if (check->file->streaming == DISAGG_NO)
		WARN(check, "benchmark.streaming",
			"streaming is off: times to the first token mean nothing");
}

static void check_client(const struct check *check)
{
	const struct disagg_trtllm *file = check->file;

	if (file->use_nv_sa_benchmark == DISAGG_YES && file->mode != DISAGG_TRTLLM_E2E)
		WARN(check, "benchmark.use_nv_sa_benchmark",
			"the SA client does not measure mode '%s': set use_nv_sa_benchmark: false",
			disagg_trtllm_modes[file->mode]);
}

static void check_draft_label(const struct check *check)
{
	const struct disagg_trtllm_server *gen = &check->file->gen;

	if (gen->nextn_layers.set && gen->nextn_layers.v > 0)
		return;
	if (gen->max_draft_len.set && gen->max_draft_len.v > 0)
		WARN(check, "worker_config.gen.speculative_config.max_draft_len",
			"log dir says mtp0 but draft length is %" PRId64
			" (config uses max_draft_len)",
			gen->max_draft_len.v);
}

/* A server's settings are open-ended, but a slip in tensor_parallel_size would
 * change the job's size without a word. */
static void check_near_misses(const struct check *check, const char *path)
{
	const struct disagg_table *table = &disagg_trtllm_server_table;
	const struct disagg_node *server = disagg_node_find(check->import->tree, path);

	if (!server || server->kind != DISAGG_MAP)
		return;
	for (uint32_t i = 0; i < server->count; i++) {
		const struct disagg_pair *pair = &server->pair[i];
		const char *near;

		if (disagg_trtllm_server_knows(pair->key))
			continue;
		near = disagg_nearest_key(table, pair->key);
		if (near)
			disagg_findings_warn(check->import->found, &pair->at,
				"%s: unknown key '%s', did you mean '%s'?", path, pair->key, near);
	}
}

static void check_servers(const struct check *check)
{
	check_near_misses(check, "worker_config.gen");
	check_near_misses(check, "worker_config.ctx");
}

void disagg_trtllm_check(struct disagg_import *import, const struct disagg_trtllm *file)
{
	static void (*const rule[])(const struct check *check) = {
		check_servers,
		check_concurrencies,
		check_capacity,
		check_tokens,
		check_lengths,
		check_streaming,
		check_client,
		check_draft_label,
	};
	const struct check check = {import, file};

	for (size_t i = 0; i < sizeof(rule) / sizeof(*rule); i++)
		rule[i](&check);
}
