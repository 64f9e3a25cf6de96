/* SPDX-License-Identifier: Apache-2.0 */
/* SPANK's entry points and nothing else.  Which runs where, and as whom, is
 * said in docs/install; what may fail where decides the return values. */
#include <stdint.h>
#pragma GCC visibility push(default)
#include <slurm/spank.h>
SPANK_PLUGIN(disagg, 1)
#pragma GCC visibility pop
#include "spank/adapter.h"
#include "spank/handoff.h"
#include "spank/message.h"
#include "spank/options.h"
#include "spank/step.h"
#include "spank/submit.h"
#include "spank/task.h"
#include <stdlib.h>

static struct {
	struct disagg_said said;
	struct disagg_submit submit;
	struct disagg_step step;
	struct disagg_node_view node;
} self;

static enum disagg_place find_place(void)
{
	switch (spank_context()) {
	case S_CTX_LOCAL:
		return getenv("SLURM_JOB_ID") ? DISAGG_STEP : DISAGG_SUBMIT;
	case S_CTX_ALLOCATOR:
		return DISAGG_SUBMIT;
	case S_CTX_REMOTE:
		return DISAGG_NODE;
	default:
		return DISAGG_NOWHERE;
	}
}

/* Never fails: Slurm ends the program on a refusal, before the user could
 * learn of everything else that is wrong. */
static int on_option(int option, const char *value, int remote)
{
	struct disagg_said *said = &self.said;

	if (option < 0 || option >= DISAGG_OPT_COUNT || (remote && said->place != DISAGG_NODE))
		return 0;
	if (!disagg_said_take(said, (enum disagg_option)option, value))
		return 0;
	if (said->place == DISAGG_SUBMIT && said->sizer == DISAGG_BY_FILTER)
		disagg_handoff_write(said);
	else if (said->place == DISAGG_SUBMIT)
		disagg_submit_size(&self.submit, said, NULL);
	else if (said->place == DISAGG_STEP && option == DISAGG_OPT_ROLE)
		disagg_step_size(&self.step, said);
	return 0;
}

static void release_all(void)
{
	disagg_submit_release(&self.submit);
	disagg_step_release(&self.step);
	disagg_node_view_release(&self.node);
	disagg_said_release(&self.said);
}

int slurm_spank_init(spank_t sp, int argc, char *argv[])
{
	struct disagg_err err = DISAGG_ERR_INIT;
	enum disagg_place place = find_place();

	if (place == DISAGG_NOWHERE)
		return 0;
	release_all();
	disagg_said_init(&self.said, place, spank_context() == S_CTX_LOCAL, argc, argv, getenv);
	if (disagg_adapter_register(sp, on_option, &err) == 0)
		return 0;
	if (place == DISAGG_NODE)
		return 0;
	disagg_message_error(&err);
	return -1;
}

int slurm_spank_init_post_opt(spank_t sp, int argc, char *argv[])
{
	bool done = false;
	int rc = 0;

	(void)argc;
	(void)argv;
	if (self.said.place == DISAGG_SUBMIT) {
		if (self.said.sizer == DISAGG_BY_FILTER)
			disagg_handoff_finish(&self.said, &self.submit);
		rc = disagg_submit_finish(&self.submit, &self.said, sp, &done);
	} else if (self.said.place == DISAGG_STEP) {
		rc = disagg_step_finish(&self.step, &self.said);
	}
	/* --disagg-dry-run: there is no other way to end sbatch with 0 */
	if (done)
		exit(0);
	return rc;
}

int slurm_spank_user_init(spank_t sp, int argc, char *argv[])
{
	(void)argc;
	(void)argv;
	if (self.said.place == DISAGG_NODE)
		disagg_task_prepare(&self.node, &self.said, sp);
	return 0;
}

int slurm_spank_task_init(spank_t sp, int argc, char *argv[])
{
	(void)argc;
	(void)argv;
	return self.said.place == DISAGG_NODE ? disagg_task_enter(&self.node, sp) : 0;
}

int slurm_spank_task_exit(spank_t sp, int argc, char *argv[])
{
	(void)argc;
	(void)argv;
	if (self.said.place == DISAGG_NODE)
		disagg_task_exited(&self.node, sp);
	return 0;
}

int slurm_spank_exit(spank_t sp, int argc, char *argv[])
{
	(void)sp;
	(void)argc;
	(void)argv;
	if (self.said.place == DISAGG_NODE)
		disagg_task_finish(&self.node);
	release_all();
	return 0;
}
