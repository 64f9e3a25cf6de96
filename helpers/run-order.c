/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include <string.h>

/* When a file gives no order: what kinds a role's kind waits for. */
static unsigned rank_of(const struct disagg_plan_role *role)
{
	switch (role->kind) {
	case DISAGG_INFRA:
		return 0;
	case DISAGG_FRONTEND:
		return 2;
	case DISAGG_BENCHMARK:
		return 3;
	default:
		return 1;
	}
}

static bool file_orders(const struct disagg_plan *plan)
{
	for (uint32_t i = 0; i < plan->role_count; i++) {
		if (plan->role[i].after.count)
			return true;
	}
	return false;
}

static bool waits_for(const struct disagg_plan *plan, bool ordered, uint32_t role, uint32_t other)
{
	const struct disagg_plan_role *r = &plan->role[role];

	if (!ordered || r->kind == DISAGG_BENCHMARK)
		return rank_of(&plan->role[other]) < rank_of(r);
	/* what says nothing still needs the infrastructure that says nothing */
	if (!r->after.count)
		return r->kind != DISAGG_INFRA && plan->role[other].kind == DISAGG_INFRA &&
		       !plan->role[other].after.count;
	for (unsigned i = 0; i < r->after.count; i++) {
		if (strcmp(r->after.v[i], plan->role[other].name) == 0)
			return true;
	}
	return false;
}

/* The names of roles without a wave that wait for each other: "a after b after a". */
static int tell_cycle(
	const struct disagg_plan *plan, bool ordered, const unsigned *wave, struct disagg_err *err)
{
	struct disagg_strbuf text;
	uint32_t at = 0, steps = 0;
	int rc;

	disagg_strbuf_init(&text, 400);
	while (wave[at])
		at++;
	/* a walk as long as there are roles ends inside the cycle */
	for (uint32_t n = 0; n < 2 * plan->role_count; n++) {
		uint32_t next = 0;

		while (wave[next] || !waits_for(plan, ordered, at, next))
			next++;
		if (n >= plan->role_count && steps++ <= plan->role_count)
			disagg_strbuf_printf(
				&text, "%s'%s'", steps > 1 ? " after " : "", plan->role[at].name);
		at = next;
	}
	rc = disagg_err_set(err, DISAGG_CONFIG, "roles wait for each other: %s", text.text);
	disagg_strbuf_release(&text);
	return rc;
}

/* wave[role]: 1 and up, one more than the last of those it waits for. */
static int find_waves(struct run *run, unsigned *wave, struct disagg_err *err)
{
	const struct disagg_plan *plan = run->in.plan;
	bool ordered = file_orders(plan), moved = true;
	uint32_t left = plan->role_count;

	while (left && moved) {
		moved = false;
		for (uint32_t i = 0; i < plan->role_count; i++) {
			unsigned level = 1;
			bool known = !wave[i];

			for (uint32_t j = 0; known && j < plan->role_count; j++) {
				if (!waits_for(plan, ordered, i, j))
					continue;
				known = wave[j] != 0;
				level = wave[j] + 1 > level ? wave[j] + 1 : level;
			}
			if (!known)
				continue;
			wave[i] = level;
			left--;
			moved = true;
		}
	}
	return left ? tell_cycle(plan, ordered, wave, err) : 0;
}

bool run_is_benchmark(const struct unit *unit)
{
	return unit->role->kind == DISAGG_BENCHMARK;
}

static unsigned stage_of(const struct disagg_plan_role *role)
{
	switch (role->engine) {
	case DISAGG_E_ETCD:
	case DISAGG_E_NATS:
	case DISAGG_E_MOONCAKE_MASTER:
		return 3;
	default:
		return role->kind == DISAGG_BENCHMARK  ? 0
		       : role->kind == DISAGG_FRONTEND ? 1
		       : role->kind == DISAGG_INFRA    ? 3
						       : 2;
	}
}

static int init_unit(
	struct run *run, struct unit *unit, uint32_t role, uint32_t index, uint32_t node)
{
	struct disagg_inside *in = &run->in;
	const char *log = disagg_engine_log_name(&run->arena, in->plan, role, index);

	unit->role = &in->plan->role[role];
	unit->conf = disagg_job_role(in->job, unit->role->name);
	unit->role_text =
		disagg_arena_printf(&run->arena, "%s:%u", unit->role->name, (unsigned)index);
	unit->stage = stage_of(unit->role);
	unit->restarts = unit->conf ? unit->conf->restart : 0;
	unit->proc = (struct disagg_proc)DISAGG_PROC_INIT;
	unit->shown = (struct disagg_state_unit){
		.name = disagg_inside_worker_name(in, role, index),
		.role = unit->role->name,
		.engine = disagg_engine_names[unit->role->engine],
		.host = disagg_inside_host(in, node),
		.log = log ? disagg_arena_printf(&run->arena, "%s/%s", in->run_dir, log) : NULL,
		.index = index,
		.node = node,
		.critical = !unit->conf || unit->conf->critical,
	};
	return unit->role_text && unit->shown.name && unit->shown.log ? 0 : -1;
}

static int find_health(struct run *run, struct unit *unit, struct disagg_err *err)
{
	struct disagg_inside *in = &run->in;
	const struct disagg_plan *plan = in->plan;

	if (unit->worker ? disagg_inside_worker_health(
				   in, (uint32_t)(unit->worker - plan->worker), &unit->health, err)
			 : disagg_inside_service_health(in, unit->service, &unit->health, err))
		return disagg_err_wrap(err, "%s", unit->shown.name);
	/* without a path a port is only asked where its protocol is known */
	unit->no_target = run_is_benchmark(unit) || unit->health.port < 0 ||
			  (!unit->health.path && unit->role->engine != DISAGG_E_NATS) ||
			  disagg_inside_does_without(in, (uint32_t)(unit->role - plan->role),
				  unit->health.program, run->path);
	if (unit->health.port > 0)
		unit->shown.url = disagg_arena_printf(
			&run->arena, "http://%s:%d", unit->shown.host, unit->health.port);
	return 0;
}

static int make_units(struct run *run, const unsigned *wave, struct disagg_err *err)
{
	const struct disagg_plan *plan = run->in.plan;
	const struct disagg_service *direct = disagg_engine_direct(plan);
	struct unit *unit = run->unit;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < plan->worker_count; i++, unit++) {
		unit->worker = &plan->worker[i];
		unit->service = UINT32_MAX;
		unit->wave = wave[unit->worker->role];
		rc = init_unit(run, unit, unit->worker->role, unit->worker->index,
			plan->process[unit->worker->first_process].node);
	}
	for (uint32_t i = 0; rc == 0 && i < plan->service_count; i++) {
		if (&plan->service[i] == direct)
			continue;
		unit->service = i;
		unit->wave = wave[plan->service[i].role];
		rc = init_unit(run, unit, plan->service[i].role, plan->service[i].index,
			plan->service[i].node);
		unit++;
	}
	if (rc)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < run->unit_count; i++) {
		if (!run_is_benchmark(&run->unit[i]) && run->unit[i].wave > run->waves)
			run->waves = run->unit[i].wave;
	}
	return 0;
}

void run_order_hosts(struct run *run)
{
	for (unsigned i = 0; i < run->unit_count; i++)
		run->unit[i].shown.host = disagg_inside_host(&run->in, run->unit[i].shown.node);
	memset(run->node_silent, 0, run->in.hosts.count * sizeof(*run->node_silent));
	run_state_touch(run);
}

int run_order_health(struct run *run, struct disagg_err *err)
{
	for (unsigned i = 0; i < run->unit_count; i++) {
		if (find_health(run, &run->unit[i], err))
			return -1;
	}
	run->state.frontend = disagg_inside_url(&run->in);
	return 0;
}

int run_order(struct run *run, struct disagg_err *err)
{
	const struct disagg_plan *plan = run->in.plan;
	unsigned wave[DISAGG_MAX_ROLES] = {0};
	const struct disagg_state_unit **shown;

	if (plan->role_count > DISAGG_MAX_ROLES)
		return disagg_err_set(
			err, DISAGG_CONFIG, "the plan has more than %u roles", DISAGG_MAX_ROLES);
	if (find_waves(run, wave, err))
		return -1;
	run->unit_count = plan->worker_count + plan->service_count;
	if (disagg_engine_direct(plan))
		run->unit_count--;
	run->unit = disagg_arena_array(&run->arena, run->unit_count + 1u, sizeof(*run->unit));
	shown = disagg_arena_array(&run->arena, run->unit_count + 1u, sizeof(*shown));
	run->watched = disagg_arena_array(&run->arena, run->unit_count + 1u, sizeof(*run->watched));
	run->node_silent = disagg_arena_array(&run->arena, run->in.hosts.count + 1u, sizeof(bool));
	if (!run->unit || !shown || !run->watched || !run->node_silent)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < run->unit_count; i++)
		shown[i] = &run->unit[i].shown;
	run->state.unit = shown;
	run->state.unit_count = run->unit_count;
	return make_units(run, wave, err);
}
