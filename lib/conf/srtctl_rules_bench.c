/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/srtctl_tables.h"
#include "lib/base/num.h"
#include <string.h>

/* Names that recipes use and srtctl does not know (facts: 2 of its 555). */
static const struct {
	const char *alias, *name;
} aliases[] = {
	{"gsm8k-bench", "gsm8k"},
};

static int bench_index(const char *name)
{
	int i = 0;

	while (disagg_srt_benches[i] && strcmp(disagg_srt_benches[i], name) != 0)
		i++;
	return i;
}

static void check_type(struct disagg_import *import, struct disagg_srt *srt)
{
	const char *type = srt->benchmark.type;
	const struct disagg_origin *at = disagg_srt_at(import, "benchmark.type");
	const char *near;

	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcmp(type, aliases[i].alias) != 0)
			continue;
		disagg_findings_warn(import->found, at,
			"benchmark.type: '%s' is not known to srtctl; '%s' is taken", type,
			aliases[i].name);
		type = aliases[i].name;
	}
	srt->bench = bench_index(type);
	if (srt->bench < DISAGG_SRT_BENCHES) {
		srt->benchmark.type = type;
		return;
	}
	near = disagg_nearest_name(disagg_srt_benches, type);
	disagg_findings_error(import->found, at,
		"benchmark.type: unknown benchmark '%s'%s%s%s: expected manual, custom, gpqa, "
		"gsm8k, lm-eval, longbenchv2, mmlu, mooncake-router, router, sa-bench, "
		"sglang-bench or trace-replay",
		type, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	srt->bench = DISAGG_SRT_B_MANUAL;
}

/* ---- concurrencies: [4, 8], "4x8", 4 ---- */

static int add_concurrency(struct disagg_import *import, struct disagg_strs *list, const char *text,
	size_t len, bool *ret_good)
{
	char *copy = disagg_arena_strndup(import->arena, text, len);
	int64_t value = 0;

	if (!copy)
		return -1;
	if (disagg_num_int(copy, 1, INT32_MAX, &value))
		*ret_good = false;
	list->v[list->count] = disagg_arena_printf(import->arena, "%lld", (long long)value);
	return list->v[list->count++] ? 0 : -1;
}

static int split_concurrencies(
	struct disagg_import *import, const char *text, struct disagg_strs *list, bool *ret_good)
{
	size_t parts = 1;

	for (const char *p = text; *p; p++)
		parts += *p == 'x';
	list->v = disagg_arena_array(import->arena, parts, sizeof(*list->v));
	if (!list->v)
		return -1;
	for (;;) {
		size_t len = strcspn(text, "x");

		if (add_concurrency(import, list, text, len, ret_good))
			return -1;
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

static int list_concurrencies(struct disagg_import *import, const struct disagg_node *node,
	struct disagg_strs *list, bool *ret_good)
{
	list->v =
		disagg_arena_array(import->arena, node->count ? node->count : 1, sizeof(*list->v));
	if (!list->v)
		return -1;
	*ret_good = node->count > 0;
	for (uint32_t i = 0; i < node->count; i++) {
		const struct disagg_node *item = node->item[i];
		struct disagg_scalar scalar;

		if (item->kind != DISAGG_SCALAR) {
			*ret_good = false;
			continue;
		}
		scalar = disagg_scalar_read(item);
		if (scalar.type == DISAGG_T_INT && scalar.integer >= 1) {
			list->v[list->count] = disagg_arena_printf(
				import->arena, "%lld", (long long)scalar.integer);
			if (!list->v[list->count++])
				return -1;
		} else if (add_concurrency(
				   import, list, item->text, strlen(item->text), ret_good)) {
			return -1;
		}
	}
	return 0;
}

static int read_concurrencies(struct disagg_import *import, struct disagg_srt *srt)
{
	const struct disagg_node *node = srt->benchmark.concurrencies;
	bool good = true;
	int result = 0;

	if (!node)
		return 0;
	if (node->kind == DISAGG_SEQ)
		result = list_concurrencies(import, node, &srt->concurrencies, &good);
	else if (node->kind == DISAGG_SCALAR && !disagg_text_is_placeholder(node->text))
		result = split_concurrencies(import, node->text, &srt->concurrencies, &good);
	else
		good = node->kind == DISAGG_SCALAR;
	if (!result && !good)
		disagg_findings_error(import->found, &node->at,
			"benchmark.concurrencies: expected positive integers, as [4, 8] or "
			"\"4x8\", got %s%s%s",
			node->kind == DISAGG_SCALAR ? "'" : "",
			node->kind == DISAGG_SCALAR ? node->text
			: node->kind == DISAGG_SEQ  ? "another list"
						    : disagg_node_type_name(node),
			node->kind == DISAGG_SCALAR ? "'" : "");
	return result;
}

/* ---- what each type needs ---- */

#define BIT(type) (1u << (unsigned)(type))

static void check_needed(struct disagg_import *import, const struct disagg_srt *srt)
{
	bool own_data = srt->bench == DISAGG_SRT_B_SA && srt->benchmark.dataset_name &&
			strcmp(srt->benchmark.dataset_name, "custom") == 0;
	unsigned lengths = (own_data ? 0 : BIT(DISAGG_SRT_B_SA)) | BIT(DISAGG_SRT_B_SGLANG);
	unsigned loads =
		BIT(DISAGG_SRT_B_SA) | BIT(DISAGG_SRT_B_SGLANG) | BIT(DISAGG_SRT_B_TRACE_REPLAY);
	const struct {
		const char *path;
		unsigned types;
		bool given;
	} needed[] = {
		{"benchmark.isl", lengths, srt->benchmark.isl.set},
		{"benchmark.osl", lengths, srt->benchmark.osl.set},
		{"benchmark.concurrencies", loads, srt->benchmark.concurrencies != NULL},
		{"benchmark.trace_file", BIT(DISAGG_SRT_B_TRACE_REPLAY),
			srt->benchmark.trace_file && srt->benchmark.trace_file[0]},
		{"benchmark.command", BIT(DISAGG_SRT_B_CUSTOM),
			srt->benchmark.command && srt->benchmark.command[0]},
		{"benchmark.dataset_path", own_data ? BIT(DISAGG_SRT_B_SA) : 0,
			srt->benchmark.dataset_path && srt->benchmark.dataset_path[0]},
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!needed[i].given && (needed[i].types & BIT(srt->bench)))
			disagg_srt_incomplete(import, needed[i].path,
				"%s is missing: benchmark.type '%s' needs it", needed[i].path,
				disagg_srt_benches[srt->bench]);
	}
}

static void check_values(struct disagg_import *import, const struct disagg_srt *srt)
{
	static const char *const workloads[] = {
		"mooncake", "conversation", "synthetic", "toolagent", NULL};
	const char *rate = srt->benchmark.req_rate;
	const char *workload = srt->benchmark.workload;
	double number;
	int i = 0;

	if (rate && strcmp(rate, "inf") != 0 && !disagg_text_is_placeholder(rate) &&
		(disagg_num_real(rate, &number) || number <= 0))
		disagg_findings_error(import->found, disagg_srt_at(import, "benchmark.req_rate"),
			"benchmark.req_rate: expected 'inf' or a positive number, got '%s'", rate);
	while (workload && workloads[i] && strcmp(workloads[i], workload) != 0)
		i++;
	if (workload && !workloads[i] && srt->bench == DISAGG_SRT_B_MOONCAKE_ROUTER)
		disagg_findings_error(import->found,
			disagg_srt_at(import, "benchmark.mooncake_workload"),
			"benchmark.mooncake_workload: expected mooncake, conversation, synthetic or "
			"toolagent, got '%s'",
			workload);
	if (srt->bench == DISAGG_SRT_B_ROUTER && srt->frontend.type != DISAGG_SRT_F_SGLANG)
		disagg_findings_error(import->found, disagg_srt_at(import, "benchmark.type"),
			"benchmark.type: 'router' needs frontend.type 'sglang', got '%s'",
			disagg_srt_frontends[srt->frontend.type]);
}

int disagg_srt_check_benchmark(struct disagg_import *import, struct disagg_srt *srt)
{
	check_type(import, srt);
	if (read_concurrencies(import, srt))
		return -1;
	check_needed(import, srt);
	check_values(import, srt);
	return 0;
}
