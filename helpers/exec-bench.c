/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec.h"
#include "lib/host/proc.h"
#include "lib/host/rundir.h"
#include <inttypes.h>

static void add_length(struct words *words, const char *option, const struct disagg_int *value)
{
	if (value->set)
		words_add(words, "--%s=%" PRId64, option, value->v);
}

static void add_list(struct words *words, const struct disagg_strs *list)
{
	struct disagg_strbuf text;

	if (!list->count)
		return;
	disagg_strbuf_init(&text, 0);
	for (unsigned i = 0; i < list->count; i++)
		disagg_strbuf_printf(&text, "%s%s", i ? "," : "", list->v[i]);
	words_add(words, "--concurrency=%s", text.text);
	words->failed |= text.failed;
	disagg_strbuf_release(&text);
}

static uint32_t gpus_of(const struct disagg_plan *plan, enum disagg_role_kind kind)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < plan->role_count; i++) {
		if (plan->role[i].kind == kind)
			sum += plan->role[i].workers * plan->role[i].gpus;
	}
	return sum;
}

/* For the names of the result files, as sa-bench has them. */
static void add_gpus(struct words *words, const struct disagg_plan *plan)
{
	uint32_t prefill = gpus_of(plan, DISAGG_PREFILL), decode = gpus_of(plan, DISAGG_DECODE);

	words_add(words, "--gpus=%" PRIu32, plan->gpus_used);
	if (prefill && decode) {
		words_add(words, "--prefill-gpus=%" PRIu32, prefill);
		words_add(words, "--decode-gpus=%" PRIu32, decode);
	}
}

static struct disagg_int at_most(struct disagg_int value, int64_t most)
{
	return (struct disagg_int){true, value.set && value.v < most ? value.v : most};
}

/* A rehearsal shows that requests come through; its numbers mean nothing, so
 * it takes seconds whatever the file asks for. */
static void add_load(struct words *words, const struct disagg_bench *bench, bool rehearse)
{
	struct disagg_int isl = bench->isl, osl = bench->osl;

	if (rehearse) {
		isl = at_most(isl, 256);
		osl = at_most(osl, 32);
		words_add(words, "--concurrency=8");
		words_add(words, "--prompts=32");
		words_add(words, "--warmup=0");
	} else {
		add_list(words, &bench->concurrencies);
		if (bench->request_rate)
			words_add(words, "--request-rate=%s", bench->request_rate);
	}
	add_length(words, "isl", &isl);
	add_length(words, "osl", &osl);
}

int exec_bench(struct task *task, struct disagg_err *err)
{
	const struct disagg_bench *bench = &task->in.job->bench;
	const char *model = disagg_engine_served_name(task->in.job);
	const char *program = disagg_proc_tool(task->arena, "disagg-bench", task->path);
	const char *url = disagg_inside_url(&task->in);
	struct words words = {.arena = task->arena};

	if (!program)
		return disagg_err_set(err, DISAGG_MISSING,
			"'disagg-bench' is neither beside disagg-exec nor in PATH");
	if (!url)
		return disagg_err_set(err, DISAGG_CONFIG,
			"'%s' has nothing to measure: no role is a frontend with a port",
			task->name);
	words_add(&words, "%s", program);
	words_add(&words, "--url=%s", url);
	if (model && *model)
		words_add(&words, "--model=%s", model);
	else if (task->in.plan->rehearse)
		words_add(&words, "--model=sim"); /* what disagg-sim serves unless told */
	add_load(&words, bench, task->in.plan->rehearse);
	add_gpus(&words, task->in.plan);
	words_add(&words, "--output-dir=%s/" DISAGG_RUNDIR_RESULTS, task->in.run_dir);
	task->command.argv = words_take(&words);
	task->command.argc = words.count;
	return task->command.argv ? 0 : disagg_err_nomem(err);
}
