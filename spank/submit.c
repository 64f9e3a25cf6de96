/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/submit.h"
#include "lib/base/num.h"
#include "lib/plan/render.h"
#include "spank/carry.h"
#include "spank/message.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void disagg_submit_release(struct disagg_submit *submit)
{
	disagg_ask_close(&submit->ask);
	disagg_arena_release(&submit->arena);
	*submit = (struct disagg_submit){0};
}

/* plugstack.conf's words, and before them the user's. */
static void name_cluster(struct disagg_request *request, const struct disagg_said *said)
{
	const char *file = getenv("DISAGG_CLUSTER_FILE");
	const char *cluster = getenv("DISAGG_CLUSTER");

	request->cluster_file = said->cluster_file;
	if (file) {
		request->cluster_file = file[0] ? file : NULL;
		request->cluster_file_must_exist = file[0];
	}
	request->cluster_name = cluster && cluster[0] ? cluster : said->cluster_name;
}

static int load_job(struct disagg_submit *submit, const struct disagg_said *said)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_request request = {
		.set = said->set,
		.set_count = said->set_count,
		.env_set = getenv("DISAGG_SET"),
		.rehearse = said->given[DISAGG_OPT_REHEARSE],
	};

	if (disagg_config_split(&submit->arena, said->value[DISAGG_OPT_CONFIG], &request.path,
		    &request.variant, &err)) {
		disagg_findings_take(&submit->found, &err);
		return -1;
	}
	if (request.variant && strpbrk(request.variant, "*?")) {
		disagg_findings_error(&submit->found, NULL,
			"--disagg-config=%s: patterns are for disagg-plan, a job is of one variant; "
			"'disagg-plan --variants %s' lists them",
			said->value[DISAGG_OPT_CONFIG], request.path);
		return -1;
	}
	name_cluster(&request, said);
	return disagg_job_load(&submit->arena, &request, &submit->job, &submit->found);
}

/* The most Slurm tasks that the plan's processes need on one node. */
static int tasks_on_a_node(
	struct disagg_arena *arena, const struct disagg_plan *plan, unsigned *ret)
{
	unsigned *tasks = disagg_arena_array(arena, plan->nodes, sizeof(*tasks));
	unsigned most = 1;

	if (!tasks)
		return -1;
	for (unsigned i = 0; i < plan->process_count; i++) {
		const struct disagg_process *process = &plan->process[i];

		tasks[process->node] += process->tasks;
		if (tasks[process->node] > most)
			most = tasks[process->node];
	}
	*ret = most;
	return 0;
}

static int set_number(struct disagg_arena *arena, struct disagg_size *size, unsigned value)
{
	size->value = disagg_arena_printf(arena, "%u", value);
	return size->value ? 0 : -1;
}

/* A direct srun starts as many tasks as it asks for: no more than are needed,
 * where a batch job leaves room for steps. */
static int size_direct(struct disagg_submit *submit, struct disagg_sizing *sizing)
{
	unsigned tasks;

	if (tasks_on_a_node(&submit->arena, submit->plan, &tasks))
		return -1;
	for (unsigned i = 0; i < sizing->count; i++) {
		struct disagg_size *size = &sizing->v[i];

		/* nobody probes: there is no disagg-run */
		if (strcmp(size->option, "nodes") == 0 && submit->plan->spare_nodes &&
			set_number(&submit->arena, size, submit->plan->nodes))
			return -1;
		if (strcmp(size->option, "ntasks-per-node") == 0 &&
			set_number(&submit->arena, size, tasks))
			return -1;
		if (strcmp(size->option, "ntasks") == 0 &&
			set_number(&submit->arena, size, tasks * submit->plan->nodes))
			return -1;
	}
	return 0;
}

static void take_nomem(struct disagg_findings *found)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	disagg_err_nomem(&err);
	disagg_findings_take(found, &err);
}

static void make_sizing(struct disagg_submit *submit, const struct disagg_said *said)
{
	struct disagg_sizing sizing = {0};

	if (disagg_sizing_make(&submit->arena, submit->job, submit->plan, &sizing, &submit->found))
		return;
	if (said->direct && size_direct(submit, &sizing)) {
		take_nomem(&submit->found);
		return;
	}
	if (submit->ask.open)
		disagg_ask_put(&submit->ask, &submit->arena, &sizing, &submit->found);
	else
		submit->ask.sizing = sizing;
}

static void start_over(struct disagg_submit *submit)
{
	disagg_ask_drop(&submit->ask, &submit->arena);
	disagg_arena_release(&submit->arena);
	submit->job = NULL;
	submit->plan = NULL;
	disagg_findings_init(&submit->found, &submit->arena);
}

void disagg_submit_size(struct disagg_submit *submit, const struct disagg_said *said, void *opt)
{
	disagg_ask_open(&submit->ask, opt, false);
	submit->ask.look_only = said->sizer == DISAGG_BY_USER;
	start_over(submit);
	if (!said->value[DISAGG_OPT_CONFIG])
		return;
	if (load_job(submit, said))
		return;
	if (disagg_plan_make(&submit->arena, submit->job, &submit->plan, &submit->found)) {
		submit->plan = NULL;
		return;
	}
	make_sizing(submit, said);
}

/* An option that means nothing without another. */
static void check_alone(struct disagg_submit *submit, const struct disagg_said *said)
{
	static const enum disagg_option dependent[] = {
		DISAGG_OPT_SET, DISAGG_OPT_REHEARSE, DISAGG_OPT_DRY_RUN};

	if (said->given[DISAGG_OPT_ROLE])
		disagg_findings_error(&submit->found, NULL,
			"--disagg-role=%s: there is no job; a role is for srun inside a job that "
			"was submitted with --disagg-config",
			said->value[DISAGG_OPT_ROLE]);
	if (said->given[DISAGG_OPT_CONFIG])
		return;
	for (size_t i = 0; i < sizeof(dependent) / sizeof(dependent[0]); i++) {
		if (said->given[dependent[i]])
			disagg_findings_error(&submit->found, NULL,
				"--%s needs --disagg-config=FILE",
				disagg_option_rows[dependent[i]].name);
	}
}

static void check_het(struct disagg_submit *submit, const struct disagg_said *said)
{
	if (submit->components > 1 && said->given[DISAGG_OPT_CONFIG])
		disagg_findings_error(&submit->found, NULL,
			"--disagg-config cannot be used in a heterogeneous job; describe all "
			"roles in one file and submit one job");
}

static void advise_flags(struct disagg_submit *submit, const char *why)
{
	struct disagg_strbuf flags;

	disagg_strbuf_init(&flags, 4096);
	disagg_render_sbatch(&submit->ask.sizing, &flags);
	disagg_findings_error(&submit->found, NULL, "%s type: %s", why, flags.text);
	disagg_strbuf_release(&flags);
}

/* What was typed, or will be, beside the plan. */
static void check_sizes(struct disagg_submit *submit, const struct disagg_said *said)
{
	unsigned before = submit->found.errors;

	if (submit->ask.open)
		disagg_ask_check(&submit->ask, &submit->arena, &submit->found);
	else if (said->sizer == DISAGG_BY_PLUGIN)
		advise_flags(submit,
			"this release of Slurm does not let a plugin size the job: plugstack.conf "
			"needs sizing=cli_filter with cli_filter/disagg, or sizing=user, and then");
	if (said->sizer == DISAGG_BY_USER && submit->found.errors == before &&
		disagg_ask_lacks(&submit->ask))
		advise_flags(submit,
			"the job would be smaller than the plan, and this cluster leaves its size "
			"to you (sizing=user):");
}

/* A mistake in plugstack.conf must not stop those who ask for nothing. */
static bool is_asked(const struct disagg_said *said)
{
	for (int i = 0; i < DISAGG_OPT_COUNT; i++) {
		if (said->given[i])
			return true;
	}
	return false;
}

int disagg_submit_check(struct disagg_submit *submit, const struct disagg_said *said)
{
	if (said->err.code && is_asked(said))
		disagg_findings_take(&submit->found, &said->err);
	check_alone(submit, said);
	check_het(submit, said);
	if (submit->plan && !submit->found.errors) {
		disagg_ask_missing(&submit->ask, &submit->found);
		check_sizes(submit, said);
	}
	return submit->found.errors ? -1 : 0;
}

/* A plan without roles is as large as what is asked for. */
static void take_size(struct disagg_plan *plan, const struct disagg_sizing *sizing)
{
	int64_t nodes;

	for (unsigned i = 0; !plan->role_count && i < sizing->count; i++) {
		if (strcmp(sizing->v[i].option, "nodes") == 0 && sizing->v[i].value &&
			disagg_num_int(sizing->v[i].value, 1, DISAGG_MAX_NODES, &nodes) == 0)
			plan->nodes = plan->worker_nodes = (uint32_t)nodes;
	}
}

static void print_plan(struct disagg_submit *submit)
{
	struct disagg_sizing sizing = submit->ask.sizing;
	struct disagg_strbuf text;

	/* beside a contradiction the plan's own sizes tell more than the user's */
	if (!submit->found.errors && disagg_ask_result(&submit->ask, &submit->arena, &sizing))
		return;
	take_size(submit->plan, &sizing);
	disagg_strbuf_init(&text, 4u << 20);
	disagg_render_table(submit->plan, &sizing, isatty(STDOUT_FILENO) == 1, &text);
	disagg_message_print(text.text);
	disagg_strbuf_release(&text);
}

int disagg_submit_finish(struct disagg_submit *submit, const struct disagg_said *said,
	struct spank_handle *sp, bool *ret_done)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	int rc;

	submit->components++;
	if (!submit->found.arena)
		disagg_findings_init(&submit->found, &submit->arena);
	rc = disagg_submit_check(submit, said);
	if (submit->plan && said->given[DISAGG_OPT_DRY_RUN])
		print_plan(submit);
	disagg_message_findings(&submit->found);
	if (rc)
		return -1;
	if (said->in_job)
		disagg_carry_nothing(said, sp);
	if (!submit->plan)
		return 0;
	if (said->given[DISAGG_OPT_DRY_RUN]) {
		*ret_done = true;
		return 0;
	}
	if (disagg_carry_plan(submit, &submit->arena, sp, &err)) {
		disagg_message_error(&err);
		return -1;
	}
	return 0;
}
