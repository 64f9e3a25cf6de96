/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include <signal.h>
#include <string.h>

#define MS_NS INT64_C(1000000)

static const char *const stage_names[RUN_STAGES] = {
	"benchmark", "frontends", "workers", "infrastructure"};

/* The look for the benchmark's client goes with the benchmark. */
static bool has_look(const struct run *run, unsigned stage)
{
	return stage == 0 && run->look.pid;
}

static unsigned left_of(const struct run *run, unsigned stage)
{
	unsigned left = has_look(run, stage);

	for (unsigned i = 0; i < run->unit_count; i++)
		left += run->unit[i].proc.pid && run->unit[i].stage == stage;
	return left;
}

/* A step that did not start, or whose worker was started again, may be listed
 * beside the new one for a while: all of that name are told. */
static unsigned add_steps(
	const struct disagg_steps *steps, const char *name, const char **id, unsigned count)
{
	for (unsigned i = 0; i < steps->count; i++) {
		if (strcmp(steps->v[i].name, name) == 0)
			id[count++] = steps->v[i].id;
	}
	return count;
}

/* Of a controller that is busy the second answer comes.  Where the job is over
 * Slurm ends its steps itself, and soon. */
static int list_steps(struct run *run, struct disagg_arena *scratch, struct disagg_steps *ret,
	struct disagg_err *err)
{
	if (disagg_steps_list(scratch, &run->slurm, ret, err) == 0 ||
		disagg_steps_list(scratch, &run->slurm, ret, err) == 0)
		return 0;
	run->slurm_silent = !strstr(err->text, "Invalid job id");
	return -1;
}

/* Slurm is asked for the steps of a stage; a client whose step is not there yet
 * is told itself, which keeps it from making one. */
static void signal_stage(struct run *run, unsigned stage, const char *signal)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_steps steps = {0};
	const char **id = NULL;
	unsigned count = 0;
	bool listed = list_steps(run, &scratch, &steps, &err) == 0;

	if (listed)
		id = disagg_arena_array(&scratch, steps.count + 1u, sizeof(*id));
	listed = listed && id;
	for (unsigned i = 0; listed && i < run->unit_count; i++) {
		struct unit *unit = &run->unit[i];
		unsigned before = count;

		if (!unit->proc.pid || unit->stage != stage)
			continue;
		count = add_steps(&steps, unit->shown.name, id, count);
		unit->told = true;
		if (unit->shown.state != DISAGG_UNIT_ENDING)
			unit->shown.state = DISAGG_UNIT_ENDING;
		if (count == before && unit->shown.up <= 0)
			kill(unit->proc.pid, SIGTERM);
	}
	if (listed && has_look(run, stage)) {
		unsigned before = count;

		count = add_steps(&steps, RUN_LOOK_STEP, id, count);
		if (count == before)
			kill(run->look.pid, SIGTERM);
	}
	disagg_proc_kill(&run->teller);
	if (listed &&
		disagg_steps_signal(&scratch, &run->slurm, signal, id, count, &run->teller, &err))
		listed = false;
	/* the job itself may be over, and Slurm ends its steps then */
	if (!listed && run->slurm_silent)
		run_warn(run, "the %s could not be told to end: %s", stage_names[stage], err.text);
	else if (!listed)
		run_say(run, "the %s could not be told to end: %s", stage_names[stage], err.text);
	run_state_touch(run);
	disagg_arena_release(&scratch);
}

/* Until none of the stage is left, or the time is over. */
static void await_stage(struct run *run, unsigned stage, int64_t ms)
{
	int64_t end = run_ns() + ms * MS_NS;

	while (left_of(run, stage) && run_ns() < end)
		run_tick(run, end);
}

/* A client that stays although its step was killed holds nothing.  Nor does one
 * whose step nobody could be told of: that runs on until Slurm ends the job. */
static void drop_clients(struct run *run, unsigned stage)
{
	for (unsigned i = 0; i < run->unit_count; i++) {
		struct unit *unit = &run->unit[i];

		if (!unit->proc.pid || unit->stage != stage)
			continue;
		if (!run->slurm_silent)
			run_warn(run, "the step of '%s' does not end", unit->shown.name);
		disagg_proc_kill(&unit->proc);
		unit->done = true;
		unit->shown.state = DISAGG_UNIT_ENDING;
		unit->shown.how = "left to Slurm";
		run->left++;
	}
	if (has_look(run, stage)) {
		disagg_proc_kill(&run->look);
		run->left++;
	}
	run_state_touch(run);
}

static void end_stage(struct run *run, unsigned stage)
{
	if (!left_of(run, stage))
		return;
	run_say(run, "ending the %s (%u)", stage_names[stage], left_of(run, stage));
	signal_stage(run, stage, "TERM");
	if (!run->slurm_silent)
		await_stage(run, stage, RUN_GRACE_MS);
	if (!run->slurm_silent && left_of(run, stage)) {
		run_say(run, "%u of the %s still run after %d s: KILL", left_of(run, stage),
			stage_names[stage], RUN_GRACE_MS / 1000);
		signal_stage(run, stage, "KILL");
		await_stage(run, stage, RUN_KILL_MS);
	}
	drop_clients(run, stage);
}

void run_end(struct run *run)
{
	run_ready_stop(run);
	run_slurmd_stop(run);
	run_pack_parts(run);
	run->ending = true;
	/* what Slurm is asked from here on may take until it is answered: signals
	 * change nothing any more */
	run->slurm.cancel_fd = -1;
	run_phase(run, DISAGG_PHASE_ENDING);
	for (unsigned stage = 0; stage < RUN_STAGES && !run->slurm_silent; stage++)
		end_stage(run, stage);
	for (unsigned stage = 0; stage < RUN_STAGES && run->slurm_silent; stage++)
		drop_clients(run, stage);
	if (run->slurm_silent && run->left)
		run_warn(run,
			"Slurm does not answer: %u step%s left running, and Slurm's to end with "
			"the job",
			run->left, run->left == 1 ? " is" : "s are");
	disagg_proc_kill(&run->teller);
	run_nodes_release(run);
	run_phase(run, DISAGG_PHASE_DONE);
	run_pack_archive(run);
}
