/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_PLANJOB_H
#define DISAGG_TESTS_PLANJOB_H

/* Jobs built by hand, and plans as short text, for the tests of lib/plan. */
#include "lib/base/strbuf.h"
#include "lib/plan/plan.h"
#include <string.h>

enum { PLANJOB_ROLES = 8 };

struct planjob {
	struct disagg_arena arena;
	struct disagg_findings found;
	struct disagg_job job;
	struct disagg_role role[PLANJOB_ROLES];
	struct disagg_plan *plan;
	struct disagg_strbuf text;
};

static inline void planjob_init(struct planjob *p, enum disagg_rule rule, unsigned gpus_per_node)
{
	memset(p, 0, sizeof(*p));
	disagg_findings_init(&p->found, &p->arena);
	disagg_strbuf_init(&p->text, 1u << 20);
	p->job = (struct disagg_job){
		.dialect = rule == DISAGG_RULE_NATIVE	? DISAGG_NATIVE
			   : rule == DISAGG_RULE_SRTCTL ? DISAGG_SRTCTL
							: DISAGG_TRTLLM,
		.name = "test",
		.source = "job.yaml",
		.rule = rule,
		.gpus_per_node = gpus_per_node,
		.role = p->role,
		.trace = {.arena = &p->arena},
	};
}

static inline struct disagg_role *planjob_role(struct planjob *p, const char *name,
	enum disagg_role_kind kind, unsigned workers, unsigned gpus)
{
	struct disagg_role *role = &p->role[p->job.role_count];

	*role = (struct disagg_role){
		.name = name,
		.kind = kind,
		.workers = workers,
		.gpus = gpus,
		.at = {"job.yaml", 10 + p->job.role_count, 3},
		.port = -1,
	};
	for (int i = 0; i < DISAGG_PORT_COUNT; i++)
		role->pin[i] = -1;
	p->job.role_count++;
	return role;
}

/* The text of the first error, or NULL. */
static inline const char *planjob_error(const struct planjob *p)
{
	for (unsigned i = 0; i < p->found.count; i++)
		if (p->found.item[i].is_error)
			return p->found.item[i].text;
	return NULL;
}

static inline int planjob_make(struct planjob *p)
{
	return disagg_plan_make(&p->arena, &p->job, &p->plan, &p->found);
}

/* "prefill0=0:0-3,1:0-1 ..." */
static inline const char *planjob_text(struct planjob *p)
{
	const struct disagg_plan *plan = p->plan;

	disagg_strbuf_clear(&p->text);
	for (uint32_t i = 0; i < plan->worker_count; i++) {
		const struct disagg_worker *w = &plan->worker[i];

		disagg_strbuf_printf(
			&p->text, "%s%s%u=", i ? " " : "", p->role[w->role].name, w->index);
		for (uint32_t k = 0; k < w->process_count; k++) {
			const struct disagg_process *q = &plan->process[w->first_process + k];

			disagg_strbuf_printf(&p->text, "%s%u:%u-%u", k ? "," : "", q->node,
				q->gpu_first, q->gpu_first + q->gpu_count - 1u);
		}
	}
	return p->text.text;
}

static inline void planjob_release(struct planjob *p)
{
	disagg_strbuf_release(&p->text);
	disagg_arena_release(&p->arena);
}

#endif
