/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_HOST_H
#define DISAGG_TESTS_HOST_H

/*
 * A stand-in for sbatch, srun and slurmstepd: the spank_* and slurm_* symbols
 * that the plugin takes from its host, with everything recorded, and any one
 * call made to fail.  HOST_BARE leaves out the option functions, as a Slurm
 * that does not export them would.
 */
#include <stdint.h>
#pragma GCC visibility push(default)
#include <slurm/spank.h>
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOST_OPTIONS = 8, HOST_VARS = 256, HOST_TEXT = 65536 };

struct host_var {
	char *name, *value;
};

struct host_vars {
	struct host_var v[HOST_VARS];
	unsigned count;
};

/* What a scenario leaves for the test to look at; survives the fork. */
struct outcome {
	int rc;		/* of the scenario */
	int hooks;	/* or-ed codes of the hooks that must return 0 */
	int signal;	/* that ended it */
	int exited;	/* exit() was called with this + 1 */
	unsigned calls; /* spank_* calls made */
	char log[HOST_TEXT];
	char out[HOST_TEXT]; /* NAME=VALUE lines that the scenario wants seen */
};

static struct {
	enum spank_context context;
	struct spank_option option[HOST_OPTIONS];
	char *option_name[HOST_OPTIONS];
	unsigned option_count;
	struct host_vars job;	  /* the job's environment, remotely */
	struct host_vars control; /* of prolog and epilog */
	long fail_at;		  /* this spank_* call fails; -1: none */
	long calls;
	uint32_t step_id, nodes, node_id, local_tasks, global_id;
	int local_id, task_status;
	uid_t uid; /* 0: Slurm does not tell of the user */
	gid_t group[2];
	struct outcome *outcome;
} host;

/* ---- variables ---- */

static const char *vars_get(const struct host_vars *vars, const char *name)
{
	for (unsigned i = 0; i < vars->count; i++) {
		if (strcmp(vars->v[i].name, name) == 0)
			return vars->v[i].value;
	}
	return NULL;
}

static void vars_unset(struct host_vars *vars, const char *name)
{
	for (unsigned i = 0; i < vars->count; i++) {
		if (strcmp(vars->v[i].name, name) != 0)
			continue;
		free(vars->v[i].name);
		free(vars->v[i].value);
		vars->v[i] = vars->v[--vars->count];
		return;
	}
}

static void vars_set(struct host_vars *vars, const char *name, const char *value)
{
	vars_unset(vars, name);
	if (vars->count == HOST_VARS)
		return;
	vars->v[vars->count++] = (struct host_var){strdup(name), strdup(value)};
}

/* ---- the log ---- */

__attribute__((format(printf, 2, 0))) static void host_say(
	const char *prefix, const char *fmt, va_list args)
{
	char *log = host.outcome->log;
	size_t used = strlen(log);

	used += (size_t)snprintf(log + used, HOST_TEXT - used, "%s", prefix);
	if (used < HOST_TEXT)
		used += (size_t)vsnprintf(log + used, HOST_TEXT - used, fmt, args);
	if (used < HOST_TEXT)
		snprintf(log + used, HOST_TEXT - used, "\n");
}

#define HOST_LOG(name, prefix)                                                                     \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list args;                                                                      \
		va_start(args, fmt);                                                               \
		host_say(prefix, fmt, args);                                                       \
		va_end(args);                                                                      \
	}

HOST_LOG(slurm_error, "error: ")
HOST_LOG(slurm_info, "info: ")
HOST_LOG(slurm_verbose, "verbose: ")
HOST_LOG(slurm_debug, "debug: ")
HOST_LOG(slurm_debug2, "debug: ")
HOST_LOG(slurm_debug3, "debug: ")
HOST_LOG(slurm_spank_log, "")

/* ---- spank_* ---- */

static bool host_fails(void)
{
	return host.calls++ == host.fail_at;
}

const char *spank_strerror(spank_err_t err)
{
	return err == ESPANK_SUCCESS ? "Success" : "made to fail";
}

spank_context_t spank_context(void)
{
	return host.context;
}

spank_err_t spank_option_register(spank_t sp, struct spank_option *option)
{
	(void)sp;
	if (host_fails() || host.option_count == HOST_OPTIONS)
		return ESPANK_BAD_ARG;
	host.option_name[host.option_count] = strdup(option->name);
	host.option[host.option_count++] = *option;
	return ESPANK_SUCCESS;
}

spank_err_t spank_getenv(spank_t sp, const char *name, char *buf, int len)
{
	const char *value = vars_get(&host.job, name);

	(void)sp;
	if (host_fails())
		return ESPANK_BAD_ARG;
	if (!value)
		return ESPANK_ENV_NOEXIST;
	if (snprintf(buf, (size_t)len, "%s", value) >= len)
		return ESPANK_NOSPACE;
	return ESPANK_SUCCESS;
}

spank_err_t spank_setenv(spank_t sp, const char *name, const char *value, int overwrite)
{
	(void)sp;
	(void)overwrite;
	if (host_fails())
		return ESPANK_BAD_ARG;
	vars_set(&host.job, name, value);
	return ESPANK_SUCCESS;
}

spank_err_t spank_unsetenv(spank_t sp, const char *name)
{
	(void)sp;
	if (host_fails())
		return ESPANK_BAD_ARG;
	vars_unset(&host.job, name);
	return ESPANK_SUCCESS;
}

spank_err_t spank_job_control_setenv(spank_t sp, const char *name, const char *value, int overwrite)
{
	(void)sp;
	(void)overwrite;
	if (host_fails())
		return ESPANK_NOT_LOCAL;
	vars_set(&host.control, name, value);
	return ESPANK_SUCCESS;
}

spank_err_t spank_job_control_unsetenv(spank_t sp, const char *name)
{
	(void)sp;
	if (host_fails())
		return ESPANK_NOT_LOCAL;
	vars_unset(&host.control, name);
	return ESPANK_SUCCESS;
}

spank_err_t spank_get_item(spank_t sp, spank_item_t item, ...)
{
	va_list args;
	void *to;
	int *count = NULL;

	(void)sp;
	va_start(args, item);
	to = va_arg(args, void *);
	if (item == S_JOB_SUPPLEMENTARY_GIDS)
		count = va_arg(args, int *);
	va_end(args);
	if (host_fails() || (!host.uid && (item == S_JOB_UID || item == S_JOB_GID)))
		return ESPANK_BAD_ARG;
	switch (item) {
	case S_JOB_ID:
		*(uint32_t *)to = 77;
		return ESPANK_SUCCESS;
	case S_JOB_STEPID:
		*(uint32_t *)to = host.step_id;
		return ESPANK_SUCCESS;
	case S_JOB_NNODES:
		*(uint32_t *)to = host.nodes;
		return ESPANK_SUCCESS;
	case S_JOB_NODEID:
		*(uint32_t *)to = host.node_id;
		return ESPANK_SUCCESS;
	case S_JOB_LOCAL_TASK_COUNT:
		*(uint32_t *)to = host.local_tasks;
		return ESPANK_SUCCESS;
	case S_TASK_GLOBAL_ID:
		*(uint32_t *)to = host.global_id;
		return ESPANK_SUCCESS;
	case S_TASK_ID:
		*(int *)to = host.local_id;
		return ESPANK_SUCCESS;
	case S_JOB_UID:
		*(uid_t *)to = host.uid;
		return ESPANK_SUCCESS;
	case S_JOB_GID:
		*(gid_t *)to = host.group[0];
		return ESPANK_SUCCESS;
	case S_JOB_SUPPLEMENTARY_GIDS:
		*(gid_t **)to = host.group;
		*count = 2;
		return ESPANK_SUCCESS;
	case S_TASK_PID:
		*(pid_t *)to = 4242;
		return ESPANK_SUCCESS;
	case S_TASK_EXIT_STATUS:
		*(int *)to = host.task_status;
		return ESPANK_SUCCESS;
	default:
		return ESPANK_BAD_ARG;
	}
}

/* ---- the host program's own options ---- */
#ifndef HOST_BARE

struct slot {
	const char *name;
	int val;
	char value[256];
	bool set, by_env;
};

#define SLOT(option, number)                                                                       \
	{                                                                                          \
		.name = option, .val = number                                                      \
	}
struct host_opt {
	struct slot slot[40];
} opt = {{
	SLOT("nodes", 'N'),
	SLOT("ntasks", 'n'),
	SLOT("ntasks-per-node", 1001),
	SLOT("gpus-per-node", 1002),
	SLOT("gpus", 'G'),
	SLOT("gres", 1003),
	SLOT("cpus-per-task", 'c'),
	SLOT("cpus-per-gpu", 1004),
	SLOT("mem", 1005),
	SLOT("exclusive", 1006),
	SLOT("distribution", 'm'),
	SLOT("nodelist", 'w'),
	SLOT("overcommit", 'O'),
	SLOT("partition", 'p'),
	SLOT("account", 'A'),
	SLOT("qos", 'q'),
	SLOT("reservation", 1007),
	SLOT("time", 't'),
	SLOT("job-name", 'J'),
	SLOT("constraint", 'C'),
	SLOT("exclude", 'x'),
	SLOT("dependency", 'd'),
	SLOT("segment", 1008),
	SLOT("het-group", 1009),
	SLOT("ntasks-per-gpu", 1010),
	SLOT("gpus-per-task", 1011),
	SLOT("gpus-per-socket", 1012),
	SLOT("mem-per-gpu", 1013),
	SLOT("export-file", 1014),
}};
static const char *host_refuses; /* an option whose values the program rejects */

char *slurm_option_get(struct host_opt *all, const char *name);
bool slurm_option_reset(struct host_opt *all, const char *name);
bool slurm_option_isset(struct host_opt *all, const char *name);
bool slurm_option_set_by_env(struct host_opt *all, int val);
int slurm_process_option(struct host_opt *all, int val, const char *value, bool by_env, bool early);
struct option *slurm_option_table_create(struct host_opt *all, char **letters);
void slurm_option_table_destroy(struct option *table);
void slurm_xfree(void **memory);

static struct slot *slot_find(struct host_opt *all, const char *name, int val)
{
	for (struct slot *slot = all->slot; slot->name; slot++) {
		if (name ? strcmp(slot->name, name) == 0 : slot->val == val)
			return slot;
	}
	return NULL;
}

char *slurm_option_get(struct host_opt *all, const char *name)
{
	struct slot *slot = slot_find(all, name, 0);

	return slot ? strdup(slot->value) : NULL;
}

bool slurm_option_reset(struct host_opt *all, const char *name)
{
	struct slot *slot = slot_find(all, name, 0);

	if (!slot)
		return false;
	slot->value[0] = '\0';
	slot->set = false;
	return true;
}

bool slurm_option_isset(struct host_opt *all, const char *name)
{
	struct slot *slot = slot_find(all, name, 0);

	return slot && slot->set;
}

bool slurm_option_set_by_env(struct host_opt *all, int val)
{
	struct slot *slot = slot_find(all, NULL, val);

	return slot && slot->by_env;
}

int slurm_process_option(struct host_opt *all, int val, const char *value, bool by_env, bool early)
{
	struct slot *slot = slot_find(all, NULL, val);

	(void)early;
	if (!slot || (host_refuses && strcmp(host_refuses, slot->name) == 0))
		return -1;
	snprintf(slot->value, sizeof(slot->value), "%s", value);
	slot->set = true;
	slot->by_env = by_env;
	return 0;
}

struct option *slurm_option_table_create(struct host_opt *all, char **letters)
{
	struct option *table = calloc(41, sizeof(*table));

	*letters = strdup("+N:n:");
	for (unsigned i = 0; table && all->slot[i].name; i++)
		table[i] = (struct option){all->slot[i].name, 1, NULL, all->slot[i].val};
	return table;
}

void slurm_option_table_destroy(struct option *table)
{
	free(table);
}

void slurm_xfree(void **memory)
{
	free(*memory);
	*memory = NULL;
}

/* What the user types, or an #SBATCH line says. */
static inline void host_types(const char *name, const char *value)
{
	struct slot *slot = slot_find(&opt, name, 0);

	slurm_process_option(&opt, slot->val, value, false, false);
}

static inline void host_finds_in_env(const char *name, const char *value)
{
	struct slot *slot = slot_find(&opt, name, 0);

	slurm_process_option(&opt, slot->val, value, true, false);
}
#endif
#pragma GCC visibility pop

/* ---- driving the plugin ---- */

static void *plugin;

static inline void plugin_open(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/lib/slurm/disagg.so", getenv("BUILD"));
	plugin = dlopen(path, RTLD_NOW);
	if (!plugin) {
		printf("Bail out! %s\n", dlerror());
		exit(1);
	}
}

static inline int hook(const char *name, int argc, char **argv)
{
	void *address = dlsym(plugin, name);
	spank_f *call;

	if (!address)
		return 0;
	memcpy(&call, &address, sizeof(call));
	return call(NULL, argc, argv);
}

static inline int say(const char *name, const char *value)
{
	for (unsigned i = 0; i < host.option_count; i++) {
		if (strcmp(host.option_name[i], name) == 0)
			return host.option[i].cb(
				host.option[i].val, value, host.context == S_CTX_REMOTE);
	}
	return 0;
}

/* After this no file can be opened; those that are open stay so. */
static inline void forbid_files(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_NOFILE, &none);
}

static inline void show(const char *name, const char *value)
{
	char *out = host.outcome->out;
	size_t used = strlen(out);

	snprintf(out + used, HOST_TEXT - used, "%s=%s\n", name, value ? value : "(unset)");
}

/* A process of its own for each scenario, as in Slurm. */
static inline struct outcome *play(
	enum spank_context context, int (*scenario)(const void *), const void *argument)
{
	static struct outcome *outcome;
	int status;
	pid_t child;

	if (!outcome)
		outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(outcome, 0, sizeof(*outcome));
	host.outcome = outcome;
	host.context = context;
	fflush(stdout);
	child = fork();
	if (child == 0) {
		outcome->exited = -1;
		outcome->rc = scenario(argument);
		outcome->calls = (unsigned)host.calls;
		outcome->exited = 0;
		fflush(NULL);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		outcome->signal = WTERMSIG(status);
	else if (outcome->exited == -1)
		outcome->exited = WEXITSTATUS(status) + 1;
	return outcome;
}

#endif
