/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_RENDER_H
#define DISAGG_PLAN_RENDER_H

#include "lib/plan/sizing.h"

/* A plan for people and programs; each appends to `out`, which may fail. */

/* schema disagg.plan/1, one object, no newline at the end */
void disagg_render_json(const struct disagg_plan *plan, const struct disagg_sizing *sizing,
	const struct disagg_findings *found, struct disagg_strbuf *out);

/* a picture of nodes x GPUs, at most 80 columns; equal nodes are folded */
void disagg_render_table(const struct disagg_plan *plan, const struct disagg_sizing *sizing,
	bool colour, struct disagg_strbuf *out);

/* the options for sbatch on one line */
void disagg_render_sbatch(const struct disagg_sizing *sizing, struct disagg_strbuf *out);

/* the environment of every task, with <host:N> for names known in the job */
int disagg_render_env(struct disagg_arena *arena, const struct disagg_plan *plan,
	struct disagg_strbuf *out, struct disagg_err *err);

/* a self-contained picture, light and dark */
void disagg_render_svg(const struct disagg_plan *plan, struct disagg_strbuf *out);

/* every value of the resolved configuration with its origin */
void disagg_render_explain(const struct disagg_job *job, struct disagg_strbuf *out);

#endif
