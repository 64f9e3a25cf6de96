/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/trtllm.h"
#include "lib/base/num.h"
#include <inttypes.h>
#include <string.h>

#define MOST_CONCURRENT 1000000

static const char *client_name(const struct disagg_trtllm *file)
{
	if (file->enable_benchmark == DISAGG_NO)
		return NULL;
	if (disagg_trtllm_given(file->benchmark_client))
		return file->benchmark_client;
	return file->use_nv_sa_benchmark == DISAGG_YES ? "sa-bench" : "trtllm-bench";
}

/* One list, as list or text, with blanks or commas, to integers. */
static int read_concurrencies(struct disagg_trtllm_reader *reader, struct disagg_bench *bench)
{
	const struct disagg_strs *given = &reader->file.concurrency_list;
	size_t room = 0;

	for (unsigned i = 0; i < given->count; i++)
		room += strlen(given->v[i]) / 2 + 1;
	bench->concurrencies.v =
		disagg_arena_array(reader->arena, room + 1, sizeof(*bench->concurrencies.v));
	if (!bench->concurrencies.v)
		return -1;
	for (unsigned i = 0; i < given->count; i++) {
		const char *text = disagg_text_is_placeholder(given->v[i]) ? "" : given->v[i];
		struct disagg_word word;

		while (disagg_trtllm_word(&text, "," DISAGG_BLANKS, &word)) {
			char *one = disagg_arena_strndup(reader->arena, word.text, word.len);
			int64_t value;

			if (!one)
				return -1;
			if (disagg_num_int(one, 1, MOST_CONCURRENT, &value))
				disagg_findings_error(reader->found,
					disagg_trtllm_at(
						reader->import, "benchmark.concurrency_list"),
					"concurrency_list: expected integers from 1 to %d, got '%s'",
					MOST_CONCURRENT, one);
			else
				bench->concurrencies.v[bench->concurrencies.count++] = one;
		}
	}
	return 0;
}

/* The client gets a concurrency for all gen servers together. */
static int set_load(struct disagg_trtllm_reader *reader, struct disagg_bench *bench)
{
	struct disagg_origin where =
		*disagg_trtllm_at(reader->import, "benchmark.concurrency_list");
	int64_t servers = reader->file.num_gen_servers.v;
	int64_t rounds = disagg_trtllm_or(reader->file.multi_round, 1);
	struct disagg_strbuf all, prompts;
	int result = -1;

	if (!bench->concurrencies.count)
		return 0;
	disagg_strbuf_init(&all, DISAGG_MAX_YAML_BYTES);
	disagg_strbuf_init(&prompts, DISAGG_MAX_YAML_BYTES);
	for (unsigned i = 0; i < bench->concurrencies.count; i++) {
		const char *gap = i ? " " : "";
		int64_t one = 0;

		if (disagg_num_int(bench->concurrencies.v[i], 1, MOST_CONCURRENT, &one))
			continue;
		disagg_strbuf_printf(&all, "%s%" PRId64, gap, one * servers);
		disagg_strbuf_printf(&prompts, "%s%" PRId64, gap, one * servers * rounds);
	}
	if (!all.failed && !prompts.failed &&
		!disagg_map_set(
			reader->arena, &bench->options, "effective_concurrency", all.text, where))
		result = disagg_map_set(
			reader->arena, &bench->options, "num_prompts", prompts.text, where);
	disagg_strbuf_release(&all);
	disagg_strbuf_release(&prompts);
	return result;
}

static bool is_own_field(const char *key)
{
	static const char *const own[] = {
		"input_length",
		"output_length",
		"concurrency_list",
		"env_var",
		"client",
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
		if (strcmp(own[i], key) == 0)
			return true;
	}
	return false;
}

static int set_option(struct disagg_trtllm_reader *reader, struct disagg_map *options,
	const struct disagg_pair *pair)
{
	const char *text = disagg_trtllm_text(reader->arena, pair->value);

	if (!text)
		return -1;
	return disagg_map_set(reader->arena, options, pair->key, text, pair->value->at);
}

static int set_dataset(struct disagg_trtllm_reader *reader, struct disagg_map *options)
{
	const struct disagg_trtllm *file = &reader->file;
	const struct {
		const char *value, *path;
	} place[] = {
		{file->benchmark_dataset_file, "benchmark.dataset_file"},
		{file->env_dataset_file, "environment.dataset_file"},
		{file->meta_dataset_file, "metadata.dataset_file"},
	};

	for (size_t i = 0; i < sizeof(place) / sizeof(*place); i++) {
		if (disagg_trtllm_given(place[i].value))
			return disagg_map_set(reader->arena, options, "dataset_file",
				place[i].value, *disagg_trtllm_at(reader->import, place[i].path));
	}
	return 0;
}

static int set_options(struct disagg_trtllm_reader *reader, struct disagg_bench *bench)
{
	const struct disagg_node *section = disagg_node_get(reader->import->tree, "benchmark");

	for (uint32_t i = 0; section && section->kind == DISAGG_MAP && i < section->count; i++) {
		const struct disagg_pair *pair = &section->pair[i];

		if (is_own_field(pair->key) || disagg_node_is_null(pair->value))
			continue;
		if (set_option(reader, &bench->options, pair))
			return -1;
	}
	return set_dataset(reader, &bench->options);
}

int disagg_trtllm_bench(struct disagg_trtllm_reader *reader)
{
	const struct disagg_trtllm *file = &reader->file;
	struct disagg_bench *bench = &reader->import->job->bench;

	bench->type = client_name(file);
	bench->isl = file->isl.set ? file->isl : file->sequence_isl;
	bench->osl = file->osl.set ? file->osl : file->sequence_osl;
	bench->request_rate = "inf";
	bench->client = (enum disagg_bench_client)file->client;
	if (read_concurrencies(reader, bench) || set_options(reader, bench))
		return -1;
	return set_load(reader, bench);
}
