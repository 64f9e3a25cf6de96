/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/helper.h"
#include "lib/conf/job.h"
#include "lib/conf/select.h"
#include "lib/plan/plan.h"
#include "lib/plan/render.h"
#include "lib/plan/sizing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTER_FILE "/etc/slurm/disagg/cluster.yaml"

enum action { PLAN, CHECK, EXPLAIN, VARIANTS };
enum format { TABLE, JSON, SBATCH, ENV, SVG };
enum { O_FORMAT = 256, O_CHECK, O_EXPLAIN, O_VARIANTS, O_SET, O_FILE, O_CLUSTER, O_REHEARSE };

static const char *const format_names[] = {"table", "json", "sbatch", "env", "svg", NULL};

static const struct helper_option options[] = {
	{"format", O_FORMAT, HELPER_VALUE, "FORMAT", "table (default), json, sbatch, env or svg"},
	{"check", O_CHECK, HELPER_FLAG, NULL, "only validate: one line a file"},
	{"explain", O_EXPLAIN, HELPER_FLAG, NULL, "every value and where it comes from"},
	{"variants", O_VARIANTS, HELPER_FLAG, NULL, "list the variants of a file"},
	{"set", O_SET, HELPER_VALUE, "PATH=VALUE", "override one value; may repeat"},
	{"cluster-file", O_FILE, HELPER_VALUE, "FILE", "the cluster file ('': none)"},
	{"cluster", O_CLUSTER, HELPER_VALUE, "NAME", "which cluster of it"},
	{"rehearse", O_REHEARSE, HELPER_FLAG, NULL, "as a rehearsal: no GPUs are asked for"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const struct helper helper = {
	.name = "disagg-plan",
	.synopsis = "[OPTION]... FILE[:VARIANT]...",
	.about = "Validates configurations and shows what a job made from each would be: which\n"
		 "worker runs on which node with which GPUs, and what Slurm is asked for.\n"
		 "VARIANT may be a pattern: 'FILE:*' plans all variants of a file.\n",
	.option = options,
	.examples = "  disagg-plan job.yaml\n"
		    "  disagg-plan --check configs/*.yaml\n"
		    "  disagg-plan --format=json 'recipe.yaml:1k1k_*' | jq .nodes\n"
		    "  disagg-plan --set hardware.num_gen_servers=2 --format=sbatch job.yaml\n",
	.environment = "  DISAGG_SET           PATH=VALUE, several with ';' or newlines between\n"
		       "  DISAGG_CLUSTER_FILE  as --cluster-file (default " CLUSTER_FILE ")\n"
		       "  DISAGG_CLUSTER       as --cluster\n"
		       "  NO_COLOR             no colour, even on a terminal\n",
	.exits = "  0 ok, 2 usage, 3 a configuration is bad, 5 a system call failed\n",
	.features = "native trtllm srtctl",
};

struct call {
	enum action action;
	int format; /* enum format; -1: not given */
	struct disagg_request request;
	const char *set[DISAGG_MAX_SETS];
	struct disagg_choice chosen;
	unsigned shown;
};

/* ---- one configuration ---- */

/* All of one configuration; gone when the next one is read. */
struct work {
	struct call *call;
	struct disagg_arena arena;
	struct disagg_findings found;
	const char *label; /* "x.yaml:base" */
	struct disagg_job *job;
	struct disagg_plan *plan;
	struct disagg_sizing sizing;
	struct disagg_strbuf out;
};

/* What a submission would be refused for is no reason to show no plan. */
static int size_job(struct work *work)
{
	struct disagg_findings missing;

	if (disagg_sizing_make(&work->arena, work->job, work->plan, &work->sizing, &work->found))
		return -1;
	disagg_findings_init(&missing, &work->arena);
	disagg_sizing_missing(&work->sizing, NULL, NULL, &missing);
	for (unsigned i = 0; i < missing.count; i++)
		disagg_findings_warn(&work->found, &missing.item[i].at, "%s", missing.item[i].text);
	return 0;
}

static int show_env(struct work *work)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (disagg_render_env(&work->arena, work->plan, &work->out, &err) == 0)
		return 0;
	disagg_findings_take(&work->found, &err);
	return -1;
}

static void show_heading(struct work *work, enum format format)
{
	if (work->call->chosen.count < 2 || format == JSON)
		return;
	if (format == TABLE)
		disagg_strbuf_printf(
			&work->out, "%s==> %s <==\n", work->call->shown ? "\n" : "", work->label);
	else
		disagg_strbuf_printf(&work->out, "# %s\n", work->label);
}

static int show_plan(struct work *work)
{
	enum format format = work->call->format < 0 ? TABLE : (enum format)work->call->format;
	int result = 0;

	show_heading(work, format);
	switch (format) {
	case TABLE:
		disagg_render_table(work->plan, &work->sizing, helper_colour(), &work->out);
		break;
	case JSON:
		disagg_render_json(work->plan, &work->sizing, &work->found, &work->out);
		break;
	case SBATCH:
		disagg_render_sbatch(&work->sizing, &work->out);
		break;
	case ENV:
		result = show_env(work);
		break;
	case SVG:
		disagg_render_svg(work->plan, &work->out);
		break;
	}
	return result;
}

static void show_check(struct work *work)
{
	const struct disagg_plan *plan = work->plan;
	unsigned idle = plan->worker_nodes * plan->gpus_per_node - plan->gpus_used;

	disagg_strbuf_printf(&work->out, "%s: ok, %u node%s, %u GPU%s", work->label, plan->nodes,
		plan->nodes == 1 ? "" : "s", plan->gpus_used, plan->gpus_used == 1 ? "" : "s");
	if (idle)
		disagg_strbuf_printf(&work->out, " (%u more stay idle)", idle);
	disagg_strbuf_putc(&work->out, '\n');
}

static int make_output(struct work *work)
{
	if (work->call->action == EXPLAIN) {
		show_heading(work, TABLE);
		disagg_render_explain(work->job, &work->out);
		return 0;
	}
	if (disagg_plan_make(&work->arena, work->job, &work->plan, &work->found) || size_job(work))
		return -1;
	if (work->call->action == PLAN)
		return show_plan(work);
	show_check(work);
	return 0;
}

/* A text without its newline gets one. */
static int put_out(struct work *work)
{
	struct disagg_strbuf *out = &work->out;

	if (out->len && out->text[out->len - 1] != '\n')
		disagg_strbuf_putc(out, '\n');
	work->call->shown++;
	return helper_print(&helper, out);
}

static int run_one(struct call *call, const struct disagg_chosen *chosen)
{
	struct work work = {.call = call};
	int result;

	disagg_findings_init(&work.found, &work.arena);
	disagg_strbuf_init(&work.out, 0);
	call->request.path = chosen->path;
	call->request.variant = chosen->variant;
	work.label = chosen->variant ? disagg_arena_printf(
					       &work.arena, "%s:%s", chosen->path, chosen->variant)
				     : chosen->path;
	if (!work.label || disagg_job_load(&work.arena, &call->request, &work.job, &work.found) ||
		make_output(&work)) {
		result = DISAGG_CONFIG;
	} else {
		result = put_out(&work);
	}
	/* JSON has the warnings in it */
	if (result || call->format != JSON)
		helper_findings(&work.found);
	disagg_strbuf_release(&work.out);
	disagg_arena_release(&work.arena);
	return result;
}

/* ---- the command line ---- */

static int set_action(struct call *call, enum action action, const char *name)
{
	if (call->action != PLAN && call->action != action)
		return helper_usage(&helper,
			"'--%s' has no place beside another of --check, "
			"--explain and --variants",
			name);
	call->action = action;
	return 0;
}

static int add_set(struct call *call, const char *value)
{
	if (!strchr(value, '='))
		return helper_usage(&helper, "--set: expected PATH=VALUE, got '%s'", value);
	if (call->request.set_count == DISAGG_MAX_SETS)
		return helper_usage(&helper, "--set: at most %u are allowed", DISAGG_MAX_SETS);
	call->set[call->request.set_count++] = value;
	return 0;
}

static void set_cluster_file(struct call *call, const char *path)
{
	call->request.cluster_file = path[0] ? path : NULL;
	call->request.cluster_file_must_exist = path[0];
}

static int take(void *context, int id, const char *value)
{
	struct call *call = context;

	switch (id) {
	case O_FORMAT:
		call->format = helper_choice(&helper, "format", format_names, value);
		return call->format < 0 ? DISAGG_USAGE : 0;
	case O_CHECK:
		return set_action(call, CHECK, "check");
	case O_EXPLAIN:
		return set_action(call, EXPLAIN, "explain");
	case O_VARIANTS:
		return set_action(call, VARIANTS, "variants");
	case O_SET:
		return add_set(call, value);
	case O_FILE:
		set_cluster_file(call, value);
		return 0;
	case O_CLUSTER:
		call->request.cluster_name = value[0] ? value : NULL;
		return 0;
	default:
		call->request.rehearse = true;
		return 0;
	}
}

static void take_environment(struct call *call)
{
	const char *file = getenv("DISAGG_CLUSTER_FILE");
	const char *cluster = getenv("DISAGG_CLUSTER");

	call->request.cluster_file = CLUSTER_FILE;
	if (file)
		set_cluster_file(call, file);
	call->request.cluster_name = cluster && cluster[0] ? cluster : NULL;
	call->request.env_set = getenv("DISAGG_SET");
	call->request.set = call->set;
}

/* ---- operands ---- */

static int list_variants(struct disagg_arena *arena, const char *text, struct disagg_choice *choice,
	struct disagg_findings *found)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	const char *path, *pattern;
	unsigned before = choice->count;

	if (disagg_config_split(arena, text, &path, &pattern, &err)) {
		disagg_findings_take(found, &err);
		return -1;
	}
	if (disagg_choice_list(arena, choice, path, pattern ? pattern : "*", found))
		return -1;
	if (choice->count == before)
		fprintf(stderr, "%s: no variants\n", path);
	return 0;
}

static int choose(struct call *call, struct disagg_arena *arena, int count, char **operand)
{
	int result = DISAGG_OK;

	for (int i = 0; i < count; i++) {
		struct disagg_findings found;

		disagg_findings_init(&found, arena);
		if (call->action == VARIANTS
				? list_variants(arena, operand[i], &call->chosen, &found)
				: disagg_choice_add(arena, &call->chosen, operand[i], &found))
			result = DISAGG_CONFIG;
		helper_findings(&found);
	}
	return result;
}

static int print_variants(const struct call *call, bool one_file)
{
	for (unsigned i = 0; i < call->chosen.count; i++) {
		const struct disagg_chosen *chosen = &call->chosen.v[i];

		if (one_file)
			printf("%-32s %s\n", chosen->variant, chosen->selector);
		else
			printf("%s:%s\n", chosen->path, chosen->variant);
	}
	return fflush(stdout) ? DISAGG_SYSTEM : DISAGG_OK;
}

static int run_all(struct call *call)
{
	int result = DISAGG_OK;

	if (call->format == SVG && call->chosen.count > 1)
		return helper_usage(&helper, "--format=svg draws one configuration, not %u",
			call->chosen.count);
	for (unsigned i = 0; i < call->chosen.count; i++) {
		int one = run_one(call, &call->chosen.v[i]);

		if (one == DISAGG_SYSTEM)
			return one;
		if (one)
			result = one;
	}
	return result;
}

int main(int argc, char **argv)
{
	struct call call = {.format = -1};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	int first, bad, result;

	take_environment(&call);
	result = helper_parse(&helper, argc, argv, take, &call, &first);
	if (result >= 0)
		return result;
	if (first == argc)
		return helper_usage(&helper, "expected at least one FILE");
	if (call.action != PLAN && call.format >= 0)
		return helper_usage(&helper, "--format goes with none of --check, --explain and "
					     "--variants");
	bad = choose(&call, &arena, argc - first, argv + first);
	result =
		call.action == VARIANTS ? print_variants(&call, argc - first == 1) : run_all(&call);
	disagg_arena_release(&arena);
	return result ? result : bad;
}
