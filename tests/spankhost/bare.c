/* SPDX-License-Identifier: Apache-2.0 */
/* A Slurm that does not export its option functions. */
#define HOST_BARE
#include "tests/spankhost/host.h"
#include "tests/unit/tap.h"

static int submit(const void *config)
{
	host.fail_at = -1;
	hook("slurm_spank_init", 0, NULL);
	host.outcome->hooks |= say("disagg-config", config);
	return hook("slurm_spank_init_post_opt", 0, NULL);
}

static int role(const void *name)
{
	host.fail_at = -1;
	setenv("SLURM_JOB_ID", "77", 1);
	hook("slurm_spank_init", 0, NULL);
	host.outcome->hooks |= say("disagg-role", name);
	return hook("slurm_spank_init_post_opt", 0, NULL);
}

int main(void)
{
	char config[4096];
	struct outcome *got;

	plugin_open();
	snprintf(config, sizeof(config), "%s/configs/native-2p2d.yaml", getenv("SRC"));
	got = play(S_CTX_ALLOCATOR, submit, config);
	is_int(got->rc, -1, "sizing without the program's options is refused");
	is_int(got->hooks, 0, "not by the option's callback");
	has_str(got->log, "--nodes=3", "the flags are printed");
	has_str(got->log, "cli_filter/disagg", "and the alternative named");
	got = play(S_CTX_LOCAL, role, "decode:0");
	is_int(got->rc, -1, "a role step without a plan is refused");
	has_str(got->log, "carries no plan", "because there is none");
	return tap_done();
}
