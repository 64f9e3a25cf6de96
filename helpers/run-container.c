/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/host/mounts.h"
#include "lib/host/rundir.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

/* ---- which step is in one ---- */

static const struct disagg_map *options_of(const struct unit *unit)
{
	return &unit->conf->srun_options;
}

static bool has_container(struct run *run, const struct unit *unit)
{
	return unit->conf && (disagg_container_image(&unit->conf->container, options_of(unit)) ||
				     disagg_container_name(&run->arena, &unit->conf->container,
					     options_of(unit)));
}

static bool is_own_image(const struct run *run, const struct unit *unit)
{
	const char *image = disagg_container_image(&unit->conf->container, options_of(unit));
	const char *common = run->in.job->container.image;

	return image && (!common || strcmp(image, common) != 0);
}

static bool bench_alone(const struct run *run)
{
	const char *choice = getenv("DISAGG_BENCH_CLIENT");

	if (choice && *choice)
		return strcmp(choice, "disagg") == 0;
	return run->in.job->bench.client == DISAGG_CLIENT_DISAGG;
}

/* disagg-bench is this node's own, where no client of the image's can be meant.
 * So are etcd and NATS where the node has them: the image that a file gives for
 * all is an engine's. */
static bool is_of_the_node(const struct run *run, const struct unit *unit)
{
	switch (unit->role->engine) {
	case DISAGG_E_BENCHMARK:
		return !unit->health.program && bench_alone(run);
	case DISAGG_E_ETCD:
	case DISAGG_E_NATS:
		return !is_own_image(run, unit) && unit->health.program &&
		       disagg_inside_program(&run->in, unit->health.program, run->path);
	default:
		return false;
	}
}

/* ---- nodes and names ---- */

static bool is_on(const struct run *run, const struct unit *unit, uint32_t node)
{
	const struct disagg_plan *plan = run->in.plan;

	if (!unit->worker)
		return plan->service[unit->service].node == node;
	for (uint32_t i = 0; i < unit->worker->process_count; i++) {
		if (plan->process[unit->worker->first_process + i].node == node)
			return true;
	}
	return false;
}

static bool share_a_node(const struct run *run, const struct unit *a, const struct unit *b)
{
	const struct disagg_plan *plan = run->in.plan;

	if (!a->worker)
		return is_on(run, b, plan->service[a->service].node);
	for (uint32_t i = 0; i < a->worker->process_count; i++) {
		if (is_on(run, b, plan->process[a->worker->first_process + i].node))
			return true;
	}
	return false;
}

static bool meet(const struct run *run, const struct unit *a, const struct unit *b)
{
	return a != b && a->container_name && b->container_name &&
	       strcmp(a->container_name, b->container_name) == 0 && share_a_node(run, a, b);
}

static bool is_shared(const struct run *run, const struct unit *unit)
{
	for (unsigned i = 0; i < run->unit_count; i++) {
		if (meet(run, unit, &run->unit[i]))
			return true;
	}
	return false;
}

/* ---- one at a time ---- */

/* disagg-exec of the first rank on each further node puts a mark of its own. */
static bool is_up_everywhere(struct run *run, const struct unit *unit)
{
	const struct disagg_plan *plan = run->in.plan;
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	bool up = run_is_up(unit);
	uint32_t rank = 0;

	for (uint32_t i = 0; up && unit->worker && i < unit->worker->process_count; i++) {
		struct disagg_rundir_mark mark;
		const char *name = disagg_rundir_mark_of(&scratch, unit->shown.name, rank);

		up = name && disagg_rundir_mark_get(&scratch, run->in.run_dir, name, &mark);
		rank += plan->process[unit->worker->first_process + i].tasks;
	}
	disagg_arena_release(&scratch);
	return up;
}

bool run_container_waits(struct run *run, const struct unit *unit)
{
	for (unsigned i = 0; i < run->unit_count; i++) {
		const struct unit *other = &run->unit[i];

		if (other->proc.pid && meet(run, unit, other) &&
			run_ns() - other->launched_ns < RUN_CONTAINER_S * SECOND_NS &&
			!is_up_everywhere(run, other))
			return true;
	}
	return false;
}

/* ---- what srun is told ---- */

/* Only where the node that we run on has it: the image may bring it, too. */
static const char *model_of(struct run *run, const struct unit *unit)
{
	const char *model = disagg_engine_model(&run->arena, run->in.job, &run->in.engine);

	if (!model || model[0] != '/' || unit->role->kind == DISAGG_INFRA ||
		unit->role->engine == DISAGG_E_NGINX)
		return NULL;
	return model;
}

/* What the file calls the container by. */
static const char *what_of(const struct unit *unit)
{
	const char *image = disagg_container_image(&unit->conf->container, options_of(unit));

	return image ? image : unit->container_name;
}

static int check_image(const struct run *run, const struct unit *unit, struct disagg_err *err)
{
	const char *image = disagg_container_image(&unit->conf->container, options_of(unit));

	if (!image || !disagg_text_is_placeholder(image))
		return 0;
	return disagg_err_at(err, DISAGG_CONFIG, run->in.job->source, 0, 0,
		"the container image of '%s' is still to be filled in: it is '%s'",
		unit->role->name, image);
}

static int make_options(struct run *run, struct unit *unit, const char *bin, struct disagg_err *err)
{
	const char *model = model_of(run, unit);
	bool has_model = model && access(model, F_OK) == 0;
	struct disagg_mounts mounts = {.in = &run->in,
		.role = unit->conf,
		.scripts = getenv("DISAGG_SRTCTL_BENCHMARKS"),
		.model = has_model ? model : NULL};
	struct disagg_container_call call = {
		.container = &unit->conf->container,
		.options = options_of(unit),
		.bin = bin,
		.run_dir = run->in.run_dir,
		.shared = is_shared(run, unit),
		.getenv = run->in.get,
		.fill = run->in.plan->dialect == DISAGG_SRTCTL ? disagg_mounts_fill : NULL,
		.context = &mounts,
	};

	if (check_image(run, unit, err))
		return -1;
	call.place_count = disagg_mounts_places(&run->arena, &mounts, call.place);
	if (model && !has_model && !disagg_container_covers(&call, model) && !run->told_of_model)
		run_warn(run,
			"no mount of a container has the model's path '%s', and this node has no "
			"such path: it must be in the image",
			model);
	run->told_of_model |= model && !has_model;
	if (disagg_container_options(&run->arena, &call, &unit->container, err))
		return disagg_err_wrap(err, "%s", unit->shown.name);
	return 0;
}

static int check_pyxis(struct run *run, const struct unit *unit, struct disagg_err *err)
{
	bool has;

	if (disagg_slurm_has_option(&run->arena, &run->slurm, "container-image", &has, err))
		return -1;
	if (has)
		return 0;
	return disagg_err_at(err, DISAGG_MISSING, run->in.job->source, 0, 0,
		"'%s' is to run in a container (%s), but srun has no --container-image: expected "
		"pyxis in Slurm's plugstack.conf, or a file without container images",
		unit->role->name, what_of(unit));
}

static const char *folder_of(struct run *run, const char *program)
{
	char real[PATH_MAX];

	if (!realpath(program, real))
		return NULL;
	*strrchr(real, '/') = '\0';
	return disagg_arena_strdup(&run->arena, real);
}

static int make_containers(struct run *run, struct disagg_err *err)
{
	const char *bin = folder_of(run, run->exec);
	const struct unit *first = NULL;

	if (!bin)
		return disagg_err_sys(err, "cannot find the folder of '%s'", run->exec);
	for (unsigned i = 0; i < run->unit_count; i++) {
		struct unit *unit = &run->unit[i];

		unit->in_container = has_container(run, unit) && !is_of_the_node(run, unit);
		if (unit->in_container)
			unit->container_name = disagg_container_name(
				&run->arena, &unit->conf->container, options_of(unit));
	}
	for (unsigned i = 0; i < run->unit_count; i++) {
		struct unit *unit = &run->unit[i];

		if (!unit->in_container)
			continue;
		if (!first && check_pyxis(run, unit, err))
			return -1;
		first = unit;
		if (make_options(run, unit, bin, err))
			return -1;
		unit->shown.container = what_of(unit);
	}
	return 0;
}

int run_containers(struct run *run)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	for (unsigned i = 0; run->in.plan->rehearse && i < run->unit_count; i++) {
		if (!has_container(run, &run->unit[i]))
			continue;
		run_say(run, "a rehearsal takes no container images: all runs on the nodes");
		return 0;
	}
	if (run->in.plan->rehearse || make_containers(run, &err) == 0)
		return 0;
	run_verdict_err(run, NULL, &err);
	return -1;
}
