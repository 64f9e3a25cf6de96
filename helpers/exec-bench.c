/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec-client.h"
#include "lib/host/proc.h"
#include "lib/host/rundir.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHOICE "DISAGG_BENCH_CLIENT"

/* ---- a rehearsal ---- */

static struct disagg_int at_most(struct disagg_int value, int64_t most)
{
	return (struct disagg_int){true, value.set && value.v < most ? value.v : most};
}

/* It shows that requests come through; its numbers mean nothing, so it takes
 * seconds whatever the file asks for. */
static int rehearse(struct task *task, const char *program, struct disagg_err *err)
{
	const struct disagg_bench *bench = &task->in.job->bench;
	const char *model = disagg_engine_served_name(task->in.job);
	struct words words = {.arena = task->arena};

	words_add(&words, "%s", program);
	words_add(&words, "--url=%s", disagg_inside_url(&task->in));
	/* what disagg-sim serves unless told */
	words_add(&words, "--model=%s", model && *model ? model : "sim");
	words_add(&words, "--concurrency=8");
	words_add(&words, "--prompts=32");
	words_add(&words, "--warmup=0");
	words_add(&words, "--isl=%" PRId64, at_most(bench->isl, 256).v);
	words_add(&words, "--osl=%" PRId64, at_most(bench->osl, 32).v);
	words_add(&words, "--gpus=%" PRIu32, task->in.plan->gpus_used);
	words_add(&words, "--output-dir=%s/" DISAGG_RUNDIR_RESULTS, task->in.run_dir);
	task->command.argv = words_take(&words);
	task->command.argc = words.count;
	fprintf(stderr,
		"disagg-exec: rehearsal: disagg-bench sends a few requests in place of %s\n",
		bench->type ? bench->type : "a client");
	return task->command.argv ? 0 : disagg_err_nomem(err);
}

/* ---- who measures ---- */

/* The variable, else the file. */
static int read_choice(
	const struct task *task, enum disagg_bench_client *ret, struct disagg_err *err)
{
	const char *word = getenv(CHOICE);

	*ret = task->in.job->bench.client;
	if (!word || !*word)
		return 0;
	for (int i = 0; disagg_bench_clients[i]; i++) {
		if (strcmp(disagg_bench_clients[i], word) == 0) {
			*ret = (enum disagg_bench_client)i;
			return 0;
		}
	}
	return disagg_err_set(
		err, DISAGG_USAGE, CHOICE " is '%s': expected auto, own or disagg", word);
}

static int take_own(struct task *task, struct disagg_client *client, const struct look *look)
{
	for (unsigned i = 0; look->script && i < client->own.count; i++) {
		struct disagg_client_run *run = &client->own.v[i];

		for (unsigned k = 0; k < run->argc; k++) {
			if (strcmp(run->argv[k], client->script) == 0)
				run->argv[k] = look->script;
		}
	}
	task->runs = client->own;
	fprintf(stderr, "disagg-exec: %s measures: %s '%s'\n", client->name,
		look->script ? "its script is" : "Python has its package",
		look->script ? look->script : client->module);
	return 0;
}

static const char *how_to_mend(const struct disagg_client *client)
{
	if (client->script && strncmp(client->script, DISAGG_CLIENT_SCRIPTS "/",
				      strlen(DISAGG_CLIENT_SCRIPTS "/")) == 0)
		return "mount srtctl's benchmark scripts at " DISAGG_CLIENT_SCRIPTS
		       ", or name their folder in DISAGG_SRTCTL_BENCHMARKS";
	return "take an image that has it";
}

static int take_bench(
	struct task *task, struct disagg_client *client, const char *why, struct disagg_err *err)
{
	const char *program = disagg_proc_tool(task->arena, "disagg-bench", task->path);

	if (!program)
		return disagg_err_set(err, DISAGG_MISSING,
			"'disagg-bench' is neither beside disagg-exec nor in PATH");
	for (unsigned i = 0; i < client->load.count; i++)
		client->load.v[i].argv[0] = program;
	task->runs = client->load;
	if (!client->own.count)
		return 0;
	fprintf(stderr, "disagg-exec: disagg-bench measures in place of %s%s%s: %s\n", client->name,
		client->note ? " " : "", client->note ? client->note : "", why);
	return 0;
}

static int choose(struct task *task, struct disagg_client *client, struct disagg_err *err)
{
	enum disagg_bench_client choice = DISAGG_CLIENT_AUTO;
	struct look look = {.why = "benchmark.client is disagg"};

	if (read_choice(task, &choice, err))
		return -1;
	if (choice != DISAGG_CLIENT_DISAGG && exec_look(task, client, &look))
		return take_own(task, client, &look);
	if (choice == DISAGG_CLIENT_OWN)
		return disagg_err_set(err, DISAGG_MISSING,
			"benchmark.client is own, but %s cannot run: %s: %s", client->name,
			look.why, how_to_mend(client));
	if (client->no_load)
		return disagg_err_set(err, DISAGG_MISSING,
			"disagg-bench cannot take the place of %s (%s), which cannot run: %s: %s",
			client->name, client->no_load, look.why, how_to_mend(client));
	return take_bench(task, client, look.why, err);
}

/* ---- accuracy behind it ---- */

static int add_after(struct task *task, const struct disagg_client *client, struct disagg_err *err)
{
	unsigned count = task->runs.count + client->after.count;
	struct disagg_client_run *all;

	if (!client->after.count)
		return 0;
	if (!disagg_proc_find(task->arena, client->program, task->path))
		return disagg_err_set(err, DISAGG_MISSING,
			"accuracy is asked for, but '%s' is not in PATH: take an image that has "
			"it, or set accuracy.enable_accuracy_test: false",
			client->program);
	all = disagg_arena_array(task->arena, count, sizeof(*all));
	if (!all)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < count; i++)
		all[i] = i < task->runs.count ? task->runs.v[i]
					      : client->after.v[i - task->runs.count];
	task->runs = (struct disagg_client_runs){all, count, count};
	return 0;
}

/* disagg-bench alone says itself what its result is worth. */
static void become_if_alone(struct task *task)
{
	const struct disagg_client_run *run = task->runs.v;

	if (task->runs.count != 1 || run->result || run->folder)
		return;
	task->command.argv = run->argv;
	task->command.argc = run->argc;
	if (strstr(run->argv[0], "disagg-bench"))
		task->runs.count = 0;
}

static int set_environment(struct task *task, const struct disagg_client *client)
{
	for (unsigned i = 0; i < client->env.count; i++) {
		if (disagg_envlist_set(&task->command.env, client->env.entry[i].name,
			    client->env.entry[i].value))
			return -1;
	}
	return 0;
}

int exec_bench(struct task *task, struct disagg_err *err)
{
	const struct disagg_plan *plan = task->in.plan;
	uint32_t service = (uint32_t)(task->service - plan->service);
	const char *program = disagg_proc_tool(task->arena, "disagg-bench", task->path);
	struct disagg_client client;

	if (!disagg_inside_url(&task->in))
		return disagg_err_set(err, DISAGG_CONFIG,
			"'%s' has nothing to measure: no role is a frontend with a port",
			task->name);
	if (plan->rehearse && program)
		return rehearse(task, program, err);
	if (disagg_engine_client(
		    task->arena, task->in.job, plan, service, &task->in.engine, &client, err))
		return -1;
	/* accuracy alone has neither */
	if ((client.no_load || client.own.count || client.load.count) && choose(task, &client, err))
		return -1;
	if (add_after(task, &client, err))
		return -1;
	if (!task->runs.count)
		return disagg_err_set(err, DISAGG_CONFIG,
			"'%s' has nothing to send: no concurrencies are given", task->name);
	task->command.argv = task->runs.v[0].argv;
	task->command.argc = task->runs.v[0].argc;
	become_if_alone(task);
	return set_environment(task, &client) ? disagg_err_nomem(err) : 0;
}
