/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/options.h"
#include "lib/base/limits.h"
#include "spank/carry.h"
#include <stdio.h>
#include <string.h>

const struct disagg_option_row disagg_option_rows[DISAGG_OPT_COUNT] = {
	[DISAGG_OPT_CONFIG] = {"disagg-config", "FILE[:VARIANT]",
		"run the disaggregated deployment that FILE describes; the job is sized from it"},
	[DISAGG_OPT_ROLE] = {"disagg-role", "ROLE[:INDEX]",
		"inside a job: this step is one worker of that role"},
	[DISAGG_OPT_SET] = {"disagg-set", "PATH=VALUE",
		"override one value of the configuration; may repeat"},
	[DISAGG_OPT_REHEARSE] = {"disagg-rehearse", NULL,
		"ask for no GPUs; stand-ins run in place of the engines"},
	[DISAGG_OPT_DRY_RUN] = {"disagg-dry-run", NULL,
		"print the plan and what would be asked for, submit nothing"},
};

struct disagg_option_env disagg_option_variable(enum disagg_option option, const char *prefix)
{
	struct disagg_option_env env;
	size_t start = strlen(prefix);

	snprintf(env.name, sizeof(env.name), "%s%s", prefix, disagg_option_rows[option].name);
	for (char *c = env.name + start; *c; c++) {
		if (*c == '-')
			*c = '_';
	}
	return env;
}

static const char *keep(struct disagg_said *said, const char *text)
{
	const char *copy = disagg_arena_strdup(&said->arena, text);

	if (!copy)
		disagg_err_nomem(&said->err);
	return copy;
}

static void take_sizer(struct disagg_said *said, const char *value)
{
	static const char *const names[] = {
		[DISAGG_BY_PLUGIN] = "plugin",
		[DISAGG_BY_FILTER] = "cli_filter",
		[DISAGG_BY_USER] = "user",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			said->sizer = (enum disagg_sizer)i;
			return;
		}
	}
	disagg_err_set(&said->err, DISAGG_CONFIG,
		"plugstack.conf: sizing='%s': expected plugin, cli_filter or user", value);
}

static void take_cluster_file(struct disagg_said *said, const char *value)
{
	said->cluster_file = keep(said, value);
}

static void take_cluster(struct disagg_said *said, const char *value)
{
	said->cluster_name = keep(said, value);
}

static void take_argument(struct disagg_said *said, const char *argument)
{
	static const struct {
		const char *key;
		void (*take)(struct disagg_said *said, const char *value);
	} known[] = {
		{"cluster_file=", take_cluster_file},
		{"cluster=", take_cluster},
		{"sizing=", take_sizer},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t len = strlen(known[i].key);

		if (strncmp(argument, known[i].key, len) == 0) {
			known[i].take(said, argument + len);
			return;
		}
	}
	disagg_err_set(&said->err, DISAGG_CONFIG,
		"plugstack.conf: '%s': expected cluster_file=, cluster= or sizing=", argument);
}

static void note_inherited(struct disagg_said *said, char *(*env)(const char *name))
{
	for (int i = 0; i < DISAGG_OPT_COUNT; i++) {
		struct disagg_option_env carried =
			disagg_option_variable((enum disagg_option)i, DISAGG_ENV_CARRIED);
		const char *value = env(carried.name);

		if (!value)
			continue;
		said->inherited[i] = keep(said, value);
		said->awaited[i] = said->place == DISAGG_SUBMIT;
	}
}

void disagg_said_init(struct disagg_said *said, enum disagg_place place, bool direct, int argc,
	char **argv, char *(*env)(const char *name))
{
	*said = (struct disagg_said){.place = place, .direct = direct};
	for (int i = 0; i < argc; i++)
		take_argument(said, argv[i]);
	if (place != DISAGG_SUBMIT && place != DISAGG_STEP)
		return;
	/* a script may have unset the number alone, for another srun or sbatch */
	said->in_job = env("SLURM_JOB_ID") || env(DISAGG_ENV_PLAN);
	if (said->in_job)
		note_inherited(said, env);
}

void disagg_said_release(struct disagg_said *said)
{
	disagg_arena_release(&said->arena);
	*said = (struct disagg_said){.place = DISAGG_NOWHERE};
}

static void add_set(struct disagg_said *said, const char *value)
{
	if (said->set_count == DISAGG_MAX_SETS) {
		disagg_err_set(&said->err, DISAGG_USAGE, "more than %u --disagg-set options",
			DISAGG_MAX_SETS);
		return;
	}
	if (!said->set) {
		said->set = disagg_arena_array(&said->arena, DISAGG_MAX_SETS, sizeof(*said->set));
		if (!said->set) {
			disagg_err_nomem(&said->err);
			return;
		}
	}
	said->set[said->set_count] = keep(said, value);
	if (said->set[said->set_count])
		said->set_count++;
}

static bool is_repeat(struct disagg_said *said, enum disagg_option option, const char *value)
{
	bool flag = !disagg_option_rows[option].argument;

	if (!said->awaited[option] || !said->inherited[option])
		return false;
	if (!flag && strcmp(said->inherited[option], value) != 0)
		return false;
	said->awaited[option] = false;
	return true;
}

bool disagg_said_take(struct disagg_said *said, enum disagg_option option, const char *value)
{
	const char *before = said->value[option];

	if (!value)
		value = "";
	if (said->place == DISAGG_NOWHERE || is_repeat(said, option, value))
		return false;
	if (said->place == DISAGG_SUBMIT && option == DISAGG_OPT_SET)
		add_set(said, value);
	/* slurmstepd tells the same thing twice; what is known takes no memory */
	if (!before || strcmp(before, value) != 0) {
		const char *copy = keep(said, value);

		said->value[option] = copy ? copy : "";
	}
	said->given[option] = true;
	return true;
}
