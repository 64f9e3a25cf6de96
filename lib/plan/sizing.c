/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/sizing.h"
#include "lib/base/num.h"
#include "lib/base/strbuf.h"
#include "lib/conf/cluster.h"
#include "lib/plan/place.h"
#include <string.h>

struct sizer {
	struct disagg_arena *arena;
	const struct disagg_job *job;
	const struct disagg_plan *plan;
	struct disagg_findings *found;
	struct disagg_sizing *sizing;
	struct disagg_origin nodes_at, gpus_at;
	const char *why;
	bool whole_nodes, ask_gpus, ask_segment;
	bool failed; /* out of memory */
};

enum { OWN_SIZES = 24, WHY_BYTES = 512 };

/* Options that a job-level request cannot have beside ours. */
static const struct {
	const char *option, *advice;
} refused[] = {
	{"cpus-per-task", "--cpus-per-gpu"},
	{"ntasks-per-gpu", NULL},
	{"gpus-per-task", NULL},
	{"gpus-per-socket", NULL},
};

/* Options that a file has no say in. */
static const struct {
	const char *option, *advice;
} not_from_file[] = {
	{"array", "give --array to sbatch"},
	{"output", "give --output to sbatch"},
	{"wrap", "give sbatch a job script"},
	{"het-group", "one job holds all roles"},
};

/* Keys of the cluster file that are named as the option. */
static const char *const cluster_keys[] = {
	"account",
	"partition",
	"qos",
	"reservation",
	"time",
	"constraint",
	NULL,
};

static bool in_list(const char *const *list, const char *word)
{
	for (; *list; list++)
		if (strcmp(*list, word) == 0)
			return true;
	return false;
}

/* ---- the list ---- */

static struct disagg_size *find(const struct sizer *sizer, const char *option)
{
	for (unsigned i = 0; i < sizer->sizing->count; i++)
		if (strcmp(sizer->sizing->v[i].option, option) == 0)
			return &sizer->sizing->v[i];
	return NULL;
}

/* There is room for all: sizing_make counted. */
static void add(struct sizer *sizer, struct disagg_size size)
{
	if (!size.value && size.strength != DISAGG_SIZE_REFUSE)
		sizer->failed = true;
	else if (!find(sizer, size.option))
		sizer->sizing->v[sizer->sizing->count++] = size;
}

static void add_number(struct sizer *sizer, const char *option, uint64_t value,
	enum disagg_strength strength, struct disagg_origin at)
{
	add(sizer, (struct disagg_size){
			   .option = option,
			   .value = disagg_arena_printf(
				   sizer->arena, "%llu", (unsigned long long)value),
			   .strength = strength,
			   .at = at,
			   .why = sizer->why,
		   });
}

/* ---- what follows from the plan ---- */

/* What is asked for, beside what the plan is for: spare nodes are Slurm's to give too. */
static uint32_t all_nodes(const struct disagg_plan *plan)
{
	return plan->nodes + plan->spare_nodes;
}

/* A plan without roles probes as many nodes as there are, so that their number, and
 * what follows from it, are the user's. */
static void add_plan(struct sizer *sizer)
{
	const struct disagg_plan *plan = sizer->plan;
	uint64_t all = (uint64_t)all_nodes(plan) * plan->gpus_per_node;
	bool fixed = plan->role_count;

	add_number(sizer, "nodes", all_nodes(plan), fixed ? DISAGG_SIZE_PLAN : DISAGG_SIZE_DEFAULT,
		sizer->nodes_at);
	/* with fewer, Slurm refuses every step that is wider on a node */
	add_number(sizer, "ntasks-per-node", plan->gpus_per_node, DISAGG_SIZE_PLAN, sizer->gpus_at);
	if (fixed)
		add_number(sizer, "ntasks", all, DISAGG_SIZE_CHECK, sizer->nodes_at);
	if (sizer->ask_gpus)
		add_number(sizer, "gpus-per-node", plan->gpus_per_node, DISAGG_SIZE_PLAN,
			sizer->gpus_at);
	if (plan->rehearse || plan->gpus_unmanaged)
		return;
	if (!sizer->ask_gpus)
		add_number(sizer, "gpus-per-node", plan->gpus_per_node, DISAGG_SIZE_CHECK,
			sizer->gpus_at);
	if (fixed)
		add_number(sizer, "gpus", all, DISAGG_SIZE_CHECK, sizer->gpus_at);
	add(sizer,
		(struct disagg_size){
			.option = "gres",
			.value = disagg_arena_printf(sizer->arena, "gpu:%u", plan->gpus_per_node),
			.strength = DISAGG_SIZE_CHECK,
			.at = sizer->gpus_at,
			.why = sizer->why,
		});
}

static void add_refused(struct sizer *sizer)
{
	const struct disagg_job *job = sizer->job;

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		const char *advice = refused[i].advice;

		if (advice && job->cpus_per_gpu)
			advice = disagg_arena_printf(
				sizer->arena, "%s=%u", advice, job->cpus_per_gpu);
		else if (advice)
			advice = disagg_arena_printf(sizer->arena, "%s=N", advice);
		add(sizer, (struct disagg_size){
				   .option = refused[i].option,
				   .strength = DISAGG_SIZE_REFUSE,
				   .at = sizer->gpus_at,
				   .why = sizer->why,
				   .advice = advice,
			   });
	}
	add(sizer, (struct disagg_size){
			   .option = "export-file",
			   .strength = DISAGG_SIZE_REFUSE,
			   .at = sizer->nodes_at,
			   .why = "it replaces the environment, in which the plan travels",
			   .advice = "--export",
		   });
}

/* ---- what the file and the cluster file ask for ---- */

static void take_missing(struct sizer *sizer, const struct disagg_directive *directive)
{
	sizer->sizing->missing[sizer->sizing->missing_count++] = (struct disagg_size_missing){
		.option = directive->option,
		.value = directive->value,
		.at = directive->at,
	};
}

/* srtctl's one task a node has all the CPUs; ours has one task a GPU. */
static void take_srtctl_cpus(struct sizer *sizer, const struct disagg_directive *directive)
{
	uint32_t gpn = sizer->plan->gpus_per_node;
	int64_t cpus;

	if (disagg_num_int(directive->value, 1, 1 << 20, &cpus) < 0) {
		disagg_findings_error(sizer->found, &directive->at,
			"'cpus-per-task' is '%s': expected a number of CPUs", directive->value);
	} else if (sizer->whole_nodes || sizer->plan->rehearse) {
		disagg_findings_warn(sizer->found, &directive->at,
			"'cpus-per-task' is left out: it would stop the job's steps");
	} else {
		uint64_t each = (uint64_t)cpus / gpn ? (uint64_t)cpus / gpn : 1;

		disagg_findings_warn(sizer->found, &directive->at,
			"'cpus-per-task: %s' would stop the job's steps; 'cpus-per-gpu: %llu' is "
			"asked for in its place",
			directive->value, (unsigned long long)each);
		add_number(sizer, "cpus-per-gpu", each, DISAGG_SIZE_DEFAULT, directive->at);
	}
}

static const char *file_advice(const char *option)
{
	for (size_t i = 0; i < sizeof(not_from_file) / sizeof(*not_from_file); i++)
		if (strcmp(option, not_from_file[i].option) == 0)
			return not_from_file[i].advice;
	return NULL;
}

/* A directive for an option that the plan settles; false: for another one. */
static bool take_settled(struct sizer *sizer, const struct disagg_directive *directive)
{
	const struct disagg_size *ours = find(sizer, directive->option);
	bool cpus = strcmp(directive->option, "cpus-per-task") == 0;

	if (!ours || ours->strength == DISAGG_SIZE_DEFAULT)
		return false;
	if (cpus && sizer->job->dialect == DISAGG_SRTCTL)
		take_srtctl_cpus(sizer, directive);
	else if (ours->strength == DISAGG_SIZE_REFUSE)
		disagg_findings_error(sizer->found, &directive->at,
			"'%s' has no place in a plan of GPUs: remove it%s%s", directive->option,
			ours->advice ? ", or say " : "", ours->advice ? ours->advice : "");
	else if (!disagg_size_agrees(ours, directive->value))
		disagg_findings_error(sizer->found, &directive->at,
			"'%s' is '%s', but the plan needs '%s' (%s)", directive->option,
			directive->value, ours->value, ours->why);
	/* a cluster without --gpus-per-node gets its GPUs by this */
	else if (strcmp(directive->option, "gres") == 0 && !sizer->ask_gpus)
		return false;
	return true;
}

static bool dropped_in_rehearsal(const char *option)
{
	static const char *const options[] = {
		"exclusive",
		"gres",
		"gpus",
		"gpus-per-node",
		"cpus-per-gpu",
		"mem-per-gpu",
		NULL,
	};

	return in_list(options, option);
}

static void take_value(struct sizer *sizer, const struct disagg_directive *directive)
{
	struct disagg_size *ours = find(sizer, directive->option);
	struct disagg_size size = {
		.option = directive->option,
		.value = directive->value,
		.strength = DISAGG_SIZE_DEFAULT,
		.at = directive->at,
		.why = directive->from_cluster ? "the cluster file" : "the job file",
	};

	/* Slurm wants the word where a file has the bare flag */
	if (strcmp(size.option, "exclusive") == 0 &&
		(!size.value[0] || strcmp(size.value, "true") == 0))
		size.value = "exclusive";
	if (ours)
		*ours = size;
	else
		add(sizer, size);
}

static void take_directive(struct sizer *sizer, const struct disagg_directive *directive)
{
	const char *advice = file_advice(directive->option);

	if (advice)
		disagg_findings_error(sizer->found, &directive->at,
			"'%s' cannot be set by a file: %s", directive->option, advice);
	else if (disagg_text_is_placeholder(directive->value))
		take_missing(sizer, directive);
	else if (sizer->plan->rehearse && dropped_in_rehearsal(directive->option))
		return;
	else if (!take_settled(sizer, directive))
		take_value(sizer, directive);
}

static void take_directives(struct sizer *sizer, bool from_cluster)
{
	for (unsigned i = 0; i < sizer->job->directive_count; i++)
		if (sizer->job->directive[i].from_cluster == from_cluster)
			take_directive(sizer, &sizer->job->directive[i]);
}

/* ---- what we add where nobody says otherwise ---- */

static void add_word(struct sizer *sizer, const char *option, const char *value, const char *why)
{
	add(sizer, (struct disagg_size){
			   .option = option,
			   .value = value,
			   .strength = DISAGG_SIZE_DEFAULT,
			   .at = sizer->gpus_at,
			   .why = why,
		   });
}

static void add_defaults(struct sizer *sizer)
{
	if (sizer->ask_segment && sizer->plan->role_count)
		add_number(sizer, "segment", all_nodes(sizer->plan), DISAGG_SIZE_DEFAULT,
			sizer->nodes_at);
	if (sizer->plan->rehearse)
		return;
	if (sizer->whole_nodes) {
		add_word(sizer, "exclusive", "exclusive", "the plan takes whole nodes");
		if (!find(sizer, "mem-per-gpu") && !find(sizer, "mem-per-cpu"))
			add_word(sizer, "mem", "0", "the plan takes whole nodes");
	} else if (sizer->job->cpus_per_gpu) {
		add_number(sizer, "cpus-per-gpu", sizer->job->cpus_per_gpu, DISAGG_SIZE_DEFAULT,
			sizer->gpus_at);
	}
}

/* ---- how it is explained ---- */

static const char *explain(struct sizer *sizer)
{
	const struct disagg_plan *plan = sizer->plan;
	uint32_t reserved = plan->nodes - plan->worker_nodes;
	struct disagg_strbuf text;
	const char *why, *plus = "";

	disagg_strbuf_init(&text, WHY_BYTES);
	for (uint32_t i = 0; i < plan->role_count; i++) {
		const struct disagg_plan_role *role = &plan->role[i];

		if (!role->gpus || !role->workers)
			continue;
		disagg_strbuf_printf(&text, "%s%u %s x %u GPU%s", plus, role->workers, role->name,
			role->gpus, role->gpus == 1 ? "" : "s");
		plus = " + ";
	}
	if (!text.len)
		disagg_strbuf_puts(
			&text, plan->role_count ? "no workers with GPUs" : "probes and no workers");
	disagg_strbuf_printf(&text, " on nodes of %u GPU%s", plan->gpus_per_node,
		plan->gpus_per_node == 1 ? "" : "s");
	if (reserved)
		disagg_strbuf_printf(
			&text, ", %u node%s reserved", reserved, reserved == 1 ? "" : "s");
	if (plan->spare_nodes)
		disagg_strbuf_printf(&text, ", %u node%s to spare", (unsigned)plan->spare_nodes,
			plan->spare_nodes == 1 ? "" : "s");
	why = disagg_arena_strdup(sizer->arena, text.text);
	disagg_strbuf_release(&text);
	return why;
}

/* ---- all of it ---- */

/* A carried cluster was checked when it was first read. */
static int read_cluster(struct sizer *sizer)
{
	const struct disagg_job *job = sizer->job;
	struct disagg_cluster *cluster = NULL;
	struct disagg_findings quiet;

	disagg_findings_init(&quiet, sizer->arena);
	if (job->cluster &&
		disagg_cluster_read_carried(sizer->arena, job->cluster, &cluster, &quiet) < 0)
		return -1;
	sizer->ask_gpus = !sizer->plan->rehearse && !job->gpus_unmanaged &&
			  !(cluster && cluster->use_gpus_per_node == DISAGG_NO);
	sizer->ask_segment = job->want_segment && !(cluster && cluster->use_segment == DISAGG_NO);
	sizer->whole_nodes = job->want_exclusive || job->gpus_unmanaged ||
			     (cluster && cluster->use_exclusive == DISAGG_YES) ||
			     job->node_gpus == sizer->plan->gpus_per_node;
	return 0;
}

static int make_room(struct sizer *sizer)
{
	size_t count = sizer->job->directive_count;

	sizer->sizing->v =
		disagg_arena_array(sizer->arena, count + OWN_SIZES, sizeof(*sizer->sizing->v));
	sizer->sizing->missing =
		disagg_arena_array(sizer->arena, count + 1, sizeof(*sizer->sizing->missing));
	sizer->why = explain(sizer);
	return sizer->sizing->v && sizer->sizing->missing && sizer->why ? 0 : -1;
}

/* The key that says it; where none does it follows from the roles. */
static struct disagg_origin find_origin(const struct disagg_job *job, const char *const *path)
{
	const struct disagg_origin *at = disagg_plan_origin(job, path);

	if (at)
		return *at;
	for (unsigned i = 0; i < job->role_count; i++) {
		if (job->role[i].gpus && job->role[i].at.line)
			return job->role[i].at;
	}
	return (struct disagg_origin){.source = job->source};
}

int disagg_sizing_make(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, struct disagg_sizing *ret, struct disagg_findings *found)
{
	unsigned before = found->errors;
	struct disagg_sizing sizing = {0};
	struct sizer sizer = {
		.arena = arena,
		.job = job,
		.plan = plan,
		.found = found,
		.sizing = &sizing,
		.nodes_at = find_origin(job, disagg_paths_nodes),
		.gpus_at = find_origin(job, disagg_paths_gpus_per_node),
	};

	if (make_room(&sizer) < 0 || read_cluster(&sizer) < 0) {
		sizer.failed = true;
	} else {
		add_plan(&sizer);
		add_refused(&sizer);
		/* the job file's word replaces the cluster file's */
		take_directives(&sizer, true);
		take_directives(&sizer, false);
		add_defaults(&sizer);
	}
	if (sizer.failed)
		disagg_findings_error(found, NULL, "sizing the job: out of memory");
	if (found->errors > before)
		return -1;
	*ret = sizing;
	return 0;
}

static void tell_missing(struct disagg_strbuf *text, const struct disagg_size_missing *missing)
{
	bool own_key = in_list(cluster_keys, missing->option);

	disagg_strbuf_printf(text, "%s%s is '%s': give --%s, or '%s%s:' in the cluster file",
		text->len ? "; " : "", missing->option, missing->value, missing->option,
		own_key ? "" : "sbatch: ", missing->option);
}

int disagg_sizing_missing(const struct disagg_sizing *sizing,
	bool (*given)(const char *option, void *context), void *context,
	struct disagg_findings *found)
{
	const struct disagg_origin *at = NULL;
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, DISAGG_MAX_WIRE_BYTES);
	for (unsigned i = 0; i < sizing->missing_count; i++) {
		const struct disagg_size_missing *missing = &sizing->missing[i];

		if (given && given(missing->option, context))
			continue;
		if (!at)
			at = &missing->at;
		tell_missing(&text, missing);
	}
	if (at)
		disagg_findings_error(found, at, "still to be filled in: %s", text.text);
	disagg_strbuf_release(&text);
	return at ? -1 : 0;
}

int disagg_plan_sizing(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, struct disagg_sizing *ret, struct disagg_findings *found)
{
	struct disagg_sizing sizing;

	if (disagg_sizing_make(arena, job, plan, &sizing, found) < 0)
		return -1;
	if (disagg_sizing_missing(&sizing, NULL, NULL, found) < 0)
		return -1;
	*ret = sizing;
	return 0;
}
