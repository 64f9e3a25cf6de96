/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/present.h"
#include "lib/plan/lacks.h"

struct work {
	struct disagg_arena *arena;
	const struct disagg_job *job;
	const struct disagg_present *how;
	struct disagg_strbuf *out;
	struct disagg_findings *found;
	struct disagg_plan *plan;
	struct disagg_sizing sizing;
};

/* What a submission would be refused for is no reason to show no plan. */
static int size_job(struct work *work)
{
	struct disagg_findings missing;

	if (disagg_sizing_make(work->arena, work->job, work->plan, &work->sizing, work->found))
		return -1;
	disagg_findings_init(&missing, work->arena);
	disagg_sizing_missing(&work->sizing, NULL, NULL, &missing);
	for (unsigned i = 0; i < missing.count; i++)
		disagg_findings_warn(work->found, &missing.item[i].at, "%s", missing.item[i].text);
	disagg_plan_lacks(work->job, work->plan, work->found);
	return 0;
}

static int put_table(struct work *work)
{
	disagg_render_table(work->plan, &work->sizing, work->how->colour, work->out);
	return 0;
}

static int put_json(struct work *work)
{
	disagg_render_json(work->plan, &work->sizing, work->found, work->out);
	return 0;
}

static int put_sbatch(struct work *work)
{
	disagg_render_sbatch(&work->sizing, work->out);
	return 0;
}

static int put_env(struct work *work)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (disagg_render_env(work->arena, work->plan, work->out, &err) == 0)
		return 0;
	disagg_findings_take(work->found, &err);
	return -1;
}

static int put_svg(struct work *work)
{
	disagg_render_svg(work->plan, work->out);
	return 0;
}

static int put_explanation(struct work *work)
{
	disagg_render_explain(work->job, work->out);
	return 0;
}

static int put_verdict(struct work *work)
{
	const struct disagg_plan *plan = work->plan;
	unsigned idle = plan->worker_nodes * plan->gpus_per_node - plan->gpus_used;

	disagg_strbuf_printf(work->out, "%s: ok, %u node%s, %u GPU%s", work->how->label,
		plan->nodes, plan->nodes == 1 ? "" : "s", plan->gpus_used,
		plan->gpus_used == 1 ? "" : "s");
	if (!plan->role_count)
		disagg_strbuf_puts(work->out, " (probes alone)");
	else if (idle)
		disagg_strbuf_printf(work->out, " (%u more stay idle)", idle);
	return 0;
}

static const struct {
	bool needs_no_plan;
	int (*put)(struct work *work);
} forms[] = {
	[DISAGG_AS_TABLE] = {false, put_table},
	[DISAGG_AS_JSON] = {false, put_json},
	[DISAGG_AS_SBATCH] = {false, put_sbatch},
	[DISAGG_AS_ENV] = {false, put_env},
	[DISAGG_AS_SVG] = {false, put_svg},
	[DISAGG_AS_EXPLANATION] = {true, put_explanation},
	[DISAGG_AS_VERDICT] = {false, put_verdict},
};

int disagg_present(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_present *how, struct disagg_strbuf *out, struct disagg_findings *found)
{
	struct work work = {
		.arena = arena,
		.job = job,
		.how = how,
		.out = out,
		.found = found,
	};

	if (!forms[how->format].needs_no_plan) {
		if (disagg_plan_make(arena, job, &work.plan, found) || size_job(&work))
			return -1;
	}
	if (how->heading)
		disagg_strbuf_printf(out, "%s%s\n", how->heading, how->label);
	if (forms[how->format].put(&work))
		return -1;
	if (out->len && out->text[out->len - 1] != '\n')
		disagg_strbuf_putc(out, '\n');
	return 0;
}
