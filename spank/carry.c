/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/carry.h"
#include "lib/plan/taskenv.h"
#include "lib/plan/wire.h"
#include "spank/adapter.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* FNV-1a: enough to see that two jobs carry the same configuration */
static uint64_t digest(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

static int carry_variable(const char *name, const char *value, struct disagg_err *err)
{
	if (setenv(name, value, 1))
		return disagg_err_sys(err, "cannot set the variable '%s'", name);
	return 0;
}

/* The run directory with %j for the job's number, which is not known yet. */
static int carry_for_epilog(const struct disagg_submit *submit, struct disagg_arena *arena,
	const char *config, struct spank_handle *sp, struct disagg_err *err)
{
	char cwd[4096];
	char text[17];
	const char *dir;

	if (!getcwd(cwd, sizeof(cwd)))
		return disagg_err_sys(err, "cannot learn the working directory");
	dir = disagg_run_dir(arena, submit->plan, "%j", NULL, cwd);
	if (!dir)
		return disagg_err_nomem(err);
	snprintf(text, sizeof(text), "%016" PRIx64, digest(config));
	if (disagg_adapter_control_set(sp, "DISAGG_RUN_DIR", dir, err))
		return -1;
	return disagg_adapter_control_set(sp, "DISAGG_DIGEST", text, err);
}

int disagg_carry_plan(const struct disagg_submit *submit, struct disagg_arena *arena,
	struct spank_handle *sp, struct disagg_err *err)
{
	const char *wire, *config;

	if (disagg_wire_encode(arena, submit->plan, &wire, err) ||
		disagg_job_config(arena, submit->job, &config, err))
		return -1;
	if (carry_variable(DISAGG_ENV_PLAN, wire, err) ||
		carry_variable(DISAGG_ENV_CONFIG, config, err))
		return -1;
	unsetenv(DISAGG_ENV_OFFSET);
	unsetenv(DISAGG_ENV_EXCLUDED);
	unsetenv(DISAGG_ENV_ADDRESSES);
	unsetenv(DISAGG_ENV_ROLES);
	return carry_for_epilog(submit, arena, config, sp, err);
}

static void drop_option(enum disagg_option option, struct spank_handle *sp)
{
	struct disagg_option_env raw = disagg_option_variable(option, DISAGG_ENV_RAW);
	struct disagg_option_env carried = disagg_option_variable(option, DISAGG_ENV_CARRIED);

	unsetenv(raw.name);
	unsetenv(carried.name);
	disagg_adapter_control_unset(sp, raw.name);
}

/* Those that the user says, and the plan never sets, stay. */
static bool is_task_variable(const char *entry)
{
	static const char *const kept[] = {
		"DISAGG_SET=", "DISAGG_CLUSTER=", "DISAGG_CLUSTER_FILE="};

	if (strncmp(entry, "DISAGG_", strlen("DISAGG_")) != 0)
		return false;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (strncmp(entry, kept[i], strlen(kept[i])) == 0)
			return false;
	}
	return true;
}

/* What the task around was told about itself. */
static void drop_task_variables(void)
{
	char name[128];

	for (char **entry = environ; *entry;) {
		size_t len = strcspn(*entry, "=");

		if (!is_task_variable(*entry) || len >= sizeof(name)) {
			entry++;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)len, *entry);
		unsetenv(name);
		entry = environ;
	}
}

void disagg_carry_nothing(const struct disagg_said *said, struct spank_handle *sp)
{
	static const char *const carried[] = {DISAGG_ENV_PLAN, DISAGG_ENV_CONFIG, DISAGG_ENV_OFFSET,
		DISAGG_ENV_EXCLUDED, DISAGG_ENV_ADDRESSES, DISAGG_ENV_ROLES,
		"SLURM_SPANK_DISAGG_RUN_DIR", "SLURM_SPANK_DISAGG_DIGEST"};

	for (int i = 0; i < DISAGG_OPT_COUNT; i++) {
		if (said->inherited[i] && !said->given[i])
			drop_option((enum disagg_option)i, sp);
	}
	/* in a job without a plan they are somebody else's */
	if (getenv(DISAGG_ENV_PLAN))
		drop_task_variables();
	for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++)
		unsetenv(carried[i]);
}
