/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/shell.h"
#include <string.h>

#define FIXED_WORDS 24

struct words {
	struct disagg_arena *arena;
	const char **v;
	unsigned count;
	bool failed;
};

static void add(struct words *words, const char *word)
{
	if (!word)
		words->failed = true;
	else
		words->v[words->count++] = word;
}

static void add_value(struct words *words, const char *option, const char *value)
{
	add(words, disagg_arena_printf(words->arena, "--%s=%s", option, value));
}

static const char *role_text(struct shell *shell)
{
	return disagg_arena_printf(&shell->arena, "%s:%u", shell->plan->role[shell->role].name,
		(unsigned)shell->index);
}

const char *const *shell_argv(struct shell *shell, const char *srun, bool terminal)
{
	struct words words = {.arena = &shell->arena};
	const char *run_dir = disagg_envlist_get(&shell->env.env, "DISAGG_RUN_DIR");
	unsigned room = FIXED_WORDS;

	for (char **p = shell->command; *p; p++)
		room++;
	words.v = disagg_arena_array(&shell->arena, room, sizeof(*words.v));
	if (!words.v)
		return NULL;
	add(&words, srun);
	add_value(&words, "jobid", shell->job);
	/* the same GPUs as the worker, which has them all the time */
	add(&words, "--overlap");
	add(&words, "--nodes=1");
	add(&words, "--ntasks=1");
	add_value(&words, "nodelist", shell->host);
	add_value(&words, "job-name", "disagg-shell");
	add(&words, "--cpu-bind=none");
	add(&words, "--export=ALL");
	if (shell->facts.work_dir)
		add_value(&words, "chdir", shell->facts.work_dir);
	if (terminal)
		add(&words, "--pty");
	add(&words, shell->env.exec);
	add(&words, "--shell");
	if (shell->no_container)
		add(&words, "--no-container");
	add_value(&words, "role", role_text(shell));
	add(&words, disagg_arena_printf(&shell->arena, "--rank=%u", (unsigned)shell->rank));
	add_value(&words, "run-dir", run_dir ? run_dir : shell->run_dir);
	add(&words, "--");
	for (char **p = shell->command; *p; p++)
		add(&words, *p);
	return words.failed ? NULL : words.v;
}

/* Inside a job srun takes the job's own sizes, options and places from here. */
static bool is_left_over(const char *entry)
{
	static const char *const kept[] = {"SLURM_CONF=", "SLURM_CLUSTERS=", "SLURM_DEBUG="};
	static const char *const prefixes[] = {"SLURM_", "_SLURM_SPANK_OPTION_", "SPANK_",
		"SLURMD_", "SRUN_", "PMI", "DISAGG_", "PYXIS_CONTAINER_"};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (strncmp(entry, kept[i], strlen(kept[i])) == 0)
			return false;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

const char *const *shell_environment(struct shell *shell)
{
	size_t count = 0, kept = 0;
	const char **list;

	while (shell->envp[count])
		count++;
	list = disagg_arena_array(&shell->arena, count + 1, sizeof(*list));
	for (size_t i = 0; list && i < count; i++) {
		if (!is_left_over(shell->envp[i]))
			list[kept++] = shell->envp[i];
	}
	return list;
}
