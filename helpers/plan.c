/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/helper.h"
#include "lib/conf/job.h"
#include "lib/conf/select.h"
#include "lib/engine/render_commands.h"
#include "lib/plan/present.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTER_FILE "/etc/slurm/disagg/cluster.yaml"

enum action { PLAN, CHECK, EXPLAIN, VARIANTS };
enum { O_FORMAT = 256, O_CHECK, O_EXPLAIN, O_VARIANTS, O_SET, O_FILE, O_CLUSTER, O_REHEARSE };

/* Behind the formats of a plan: it needs the engines, which a plan knows not. */
#define AS_COMMANDS (DISAGG_AS_SVG + 1)

static const char *const format_names[] = {
	[DISAGG_AS_TABLE] = "table",
	[DISAGG_AS_JSON] = "json",
	[DISAGG_AS_SBATCH] = "sbatch",
	[DISAGG_AS_ENV] = "env",
	[DISAGG_AS_SVG] = "svg",
	[AS_COMMANDS] = "commands",
	[AS_COMMANDS + 1] = NULL,
};

static const struct helper_option options[] = {
	{"format", O_FORMAT, HELPER_VALUE, "FORMAT",
		"table (default), json, sbatch, env, svg or commands"},
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
		    "  disagg-plan --format=commands job.yaml | jq -r '.steps[] | .argv | @sh'\n"
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
	int format; /* enum disagg_format; -1: not given */
	struct disagg_request request;
	const char *set[DISAGG_MAX_SETS];
	struct disagg_choice chosen;
	unsigned shown;
};

/* ---- one configuration ---- */

static enum disagg_format format_of(const struct call *call)
{
	if (call->action == EXPLAIN)
		return DISAGG_AS_EXPLANATION;
	if (call->action == CHECK)
		return DISAGG_AS_VERDICT;
	return call->format < 0 ? DISAGG_AS_TABLE : (enum disagg_format)call->format;
}

static const char *heading_of(const struct call *call)
{
	enum disagg_format format = format_of(call);

	if (call->chosen.count < 2 || format == DISAGG_AS_JSON || format == DISAGG_AS_VERDICT ||
		call->format == AS_COMMANDS)
		return NULL;
	if (format != DISAGG_AS_TABLE)
		return "# ";
	return call->shown ? "\n## " : "## ";
}

/* One line of JSON a configuration. */
static int present_commands(struct disagg_arena *arena, const struct disagg_job *job,
	struct disagg_strbuf *out, struct disagg_findings *found)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_plan *plan;

	if (disagg_plan_make(arena, job, &plan, found))
		return -1;
	if (disagg_render_commands(arena, job, plan, out, &err)) {
		disagg_findings_take(found, &err);
		return -1;
	}
	disagg_strbuf_putc(out, '\n');
	return 0;
}

static int present(struct call *call, struct disagg_arena *arena, struct disagg_strbuf *out,
	struct disagg_findings *found)
{
	const struct disagg_request *request = &call->request;
	struct disagg_present how = {.format = format_of(call), .heading = heading_of(call)};
	struct disagg_job *job;

	how.colour = helper_colour();
	how.label = request->path;
	if (request->variant)
		how.label = disagg_arena_printf(arena, "%s:%s", request->path, request->variant);
	if (!how.label || disagg_job_load(arena, request, &job, found))
		return DISAGG_CONFIG;
	if (call->action == PLAN && call->format == AS_COMMANDS
			? present_commands(arena, job, out, found)
			: disagg_present(arena, job, &how, out, found))
		return DISAGG_CONFIG;
	call->shown++;
	return helper_print(&helper, out);
}

/* Everything of one configuration is gone when the next one is read. */
static int run_one(struct call *call, const struct disagg_chosen *chosen)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_findings found;
	struct disagg_strbuf out;
	int result;

	disagg_findings_init(&found, &arena);
	disagg_strbuf_init(&out, 0);
	call->request.path = chosen->path;
	call->request.variant = chosen->variant;
	result = present(call, &arena, &out, &found);
	/* JSON has the warnings in it */
	if (result || call->format != DISAGG_AS_JSON)
		helper_findings(&found);
	disagg_strbuf_release(&out);
	disagg_arena_release(&arena);
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
	call->request.set_name = "--set";
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

	if (call->format == DISAGG_AS_SVG && call->chosen.count > 1)
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
