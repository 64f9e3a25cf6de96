/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/step.h"
#include "lib/base/num.h"
#include "lib/base/strbuf.h"
#include "lib/host/container.h"
#include "lib/host/proc.h"
#include <stdio.h>
#include <string.h>

#define CALL_MS	    8000
#define LIST_BYTES  (4u * 1024u * 1024u)
#define FIXED_WORDS 24

int disagg_slurm_find(struct disagg_arena *arena, const char *path, struct disagg_slurm *ret,
	struct disagg_err *err)
{
	const struct {
		const char *name;
		const char **place;
	} programs[] = {
		{"srun", &ret->srun},
		{"scancel", &ret->scancel},
		{"squeue", &ret->squeue},
		{"scontrol", &ret->scontrol},
	};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		const char *found = disagg_proc_find(arena, programs[i].name, path);

		if (!found)
			return disagg_err_set(err, DISAGG_MISSING,
				"'%s' is not in PATH: expected Slurm's commands on this node",
				programs[i].name);
		*programs[i].place = found;
	}
	ret->sinfo = disagg_proc_find(arena, "sinfo", path);
	return 0;
}

/* ---- the command line of a step ---- */

struct words {
	struct disagg_arena *arena;
	const char **v;
	size_t count;
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
	if (value)
		add(words, disagg_arena_printf(words->arena, "--%s=%s", option, value));
}

/* srun fills in %j and its like: a percent sign of ours is two. */
static const char *log_pattern(struct disagg_arena *arena, const char *path)
{
	struct disagg_strbuf out;
	const char *text = NULL;

	disagg_strbuf_init(&out, 0);
	for (; *path; path++) {
		if (*path == '%')
			disagg_strbuf_putc(&out, '%');
		disagg_strbuf_putc(&out, *path);
	}
	if (!out.failed)
		text = disagg_arena_strdup(arena, out.text);
	disagg_strbuf_release(&out);
	return text;
}

/* Those of a container are in call->container, where the step is to be in one. */
static void add_role_options(struct words *words, const struct disagg_step_call *call)
{
	const struct disagg_map *options = call->options;

	for (unsigned i = 0; options && i < options->count; i++) {
		const char *value = options->v[i].value;

		if (disagg_container_option(options->v[i].key))
			continue;
		add(words, value && value[0]
				   ? disagg_arena_printf(
					     words->arena, "--%s=%s", options->v[i].key, value)
				   : disagg_arena_printf(words->arena, "--%s", options->v[i].key));
	}
}

static void add_role(struct words *words, const struct disagg_step_call *call)
{
	const char *log = log_pattern(words->arena, call->log);

	words->failed |= !log;
	add(words, "--input=none");
	add(words, "--open-mode=append");
	add_value(words, "disagg-role", call->role);
	add_value(words, "output", log);
}

static void add_nodes(struct words *words, const struct disagg_step_call *call)
{
	add(words, disagg_arena_printf(words->arena, "--nodes=%u", call->nodes));
	add(words, disagg_arena_printf(words->arena, "--ntasks=%u", call->nodes));
	add(words, "--ntasks-per-node=1");
	add_value(words, "nodelist", call->nodelist);
}

const char *const *disagg_step_argv(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	const struct disagg_step_call *call)
{
	struct words words = {.arena = arena};
	size_t room = FIXED_WORDS + (call->options ? call->options->count : 0);

	for (const char *const *p = call->program; *p; p++)
		room++;
	for (const char *const *p = call->container; p && *p; p++)
		room++;
	words.v = disagg_arena_array(arena, room, sizeof(*words.v));
	if (!words.v)
		return NULL;
	add(&words, slurm->srun);
	add(&words, "--overlap");
	add(&words, call->alone ? "--kill-on-bad-exit=0" : "--kill-on-bad-exit=1");
	if (call->alone)
		add(&words, "--no-kill");
	add(&words, "--export=ALL");
	add_value(&words, "job-name", call->name);
	if (call->role)
		add_role(&words, call);
	else
		add_nodes(&words, call);
	add_value(&words, "mpi", call->mpi);
	for (const char *const *p = call->container; p && *p; p++)
		add(&words, *p);
	add_role_options(&words, call);
	for (const char *const *p = call->program; *p; p++)
		add(&words, *p);
	return words.failed ? NULL : words.v;
}

/* ---- asking ---- */

static int ask(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	const char *const *argv, const char *const *envp, struct disagg_proc_result *ret,
	struct disagg_err *err)
{
	const struct disagg_proc_call call = {.argv = argv,
		.envp = envp,
		.timeout_ms = CALL_MS,
		.cancel_fd = slurm->cancel_fd,
		.limit = LIST_BYTES};
	struct disagg_proc_result result;
	char how[64];

	if (disagg_proc_run(arena, &call, &result, err))
		return -1;
	if (result.status) {
		disagg_proc_tell(result.status, how, sizeof(how));
		return disagg_err_set(err, DISAGG_SYSTEM, "'%s' ended with %s: %.*s", argv[0], how,
			(int)strcspn(result.out, "\n"), result.out);
	}
	*ret = result;
	return 0;
}

static unsigned count_lines(const char *text)
{
	unsigned lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines + 1;
}

/* "123.4 decode_1" a line; what has no name is none of ours. */
static int read_steps(struct disagg_arena *arena, const char *text, struct disagg_steps *ret)
{
	struct disagg_steps steps = {
		disagg_arena_array(arena, count_lines(text), sizeof(*steps.v)), 0};

	if (!steps.v)
		return -1;
	while (*text) {
		size_t line = strcspn(text, "\n"), id = strcspn(text, " \n");

		if (id < line && memchr(text, '.', id)) {
			struct disagg_step *step = &steps.v[steps.count++];

			step->id = disagg_arena_strndup(arena, text, id);
			step->name = disagg_arena_strndup(arena, text + id + 1, line - id - 1);
			if (!step->id || !step->name)
				return -1;
		}
		text += line;
		text += *text == '\n';
	}
	*ret = steps;
	return 0;
}

int disagg_steps_list(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	struct disagg_steps *ret, struct disagg_err *err)
{
	const char *const argv[] = {slurm->squeue, "--noheader", "--steps", "--jobs", slurm->job_id,
		"--format=%i %j", NULL};
	struct disagg_proc_result result;

	if (ask(arena, slurm, argv, slurm->envp, &result, err))
		return disagg_err_wrap(err, "cannot list the job's steps");
	return read_steps(arena, result.out, ret) ? disagg_err_nomem(err) : 0;
}

int disagg_steps_signal(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	const char *signal, const char *const *id, unsigned count, struct disagg_proc *ret,
	struct disagg_err *err)
{
	const char **argv = disagg_arena_array(arena, count + 4u, sizeof(*argv));
	const struct disagg_proc_spec spec = {.argv = argv,
		.envp = slurm->envp,
		.in_fd = -1,
		.out_fd = -1,
		.err_fd = -1,
		.own_group = true};

	if (!count)
		return 0;
	if (!argv)
		return disagg_err_nomem(err);
	argv[0] = slurm->scancel;
	argv[1] = "--quiet";
	argv[2] = disagg_arena_printf(arena, "--signal=%s", signal);
	if (!argv[2])
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < count; i++)
		argv[3 + i] = id[i];
	return disagg_proc_spawn(&spec, ret, err);
}

int disagg_slurm_end_time(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	int64_t *ret_time, struct disagg_err *err)
{
	static const char *const seconds[] = {"SLURM_TIME_FORMAT=%s", NULL};
	const char *const argv[] = {
		slurm->squeue, "--noheader", "--jobs", slurm->job_id, "--format=%e", NULL};
	const char *const *envp = disagg_proc_env(arena, slurm->envp, seconds);
	struct disagg_proc_result result;
	char word[32];
	int64_t end = INT64_MAX;

	if (!envp)
		return disagg_err_nomem(err);
	if (ask(arena, slurm, argv, envp, &result, err))
		return disagg_err_wrap(err, "cannot ask for the job's end");
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(result.out, " \n"), result.out);
	/* "N/A", "NONE": the job runs until it ends by itself */
	if (word[0] != 'N' && disagg_num_int(word, 0, INT64_MAX, &end))
		return disagg_err_set(err, DISAGG_SYSTEM,
			"the job's end is '%s': expected seconds since 1970", word);
	*ret_time = end;
	return 0;
}

int disagg_slurm_is_alone(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	bool *ret_alone, struct disagg_err *err)
{
	const char *const argv[] = {
		slurm->squeue, "--noheader", "--jobs", slurm->job_id, "--format=%h", NULL};
	struct disagg_proc_result result;

	if (ask(arena, slurm, argv, slurm->envp, &result, err))
		return disagg_err_wrap(err, "cannot ask whether nodes are shared");
	*ret_alone = strncmp(result.out, "NO", 2) == 0;
	return 0;
}

/* The value behind "KEY   = " at the start of a line of `scontrol show config`. */
static const char *config_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, key, len) == 0 && strchr(" =", text[len])) {
			text += len;
			return text + strspn(text, " =");
		}
	}
	return NULL;
}

int disagg_slurm_kill_wait(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	int64_t *ret_seconds, struct disagg_err *err)
{
	const char *const argv[] = {slurm->scontrol, "show", "config", NULL};
	struct disagg_proc_result result;
	const char *value;
	char word[32];

	if (ask(arena, slurm, argv, slurm->envp, &result, err))
		return disagg_err_wrap(err, "cannot ask for KillWait");
	value = config_value(result.out, "KillWait");
	snprintf(word, sizeof(word), "%.*s", value ? (int)strspn(value, "0123456789") : 0,
		value ? value : "");
	if (disagg_num_int(word, 0, 65535, ret_seconds))
		return disagg_err_set(err, DISAGG_SYSTEM, "'scontrol show config' has no KillWait");
	return 0;
}

int disagg_slurm_has_option(struct disagg_arena *arena, const struct disagg_slurm *slurm,
	const char *option, bool *ret_has, struct disagg_err *err)
{
	const char *const argv[] = {slurm->srun, "--help", NULL};
	const char *wanted = disagg_arena_printf(arena, "--%s", option);
	struct disagg_proc_result result;

	if (!wanted)
		return disagg_err_nomem(err);
	if (ask(arena, slurm, argv, slurm->envp, &result, err))
		return -1;
	*ret_has = strstr(result.out, wanted) != NULL;
	return 0;
}
