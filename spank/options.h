/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_OPTIONS_H
#define DISAGG_SPANK_OPTIONS_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>

/* The options that the plugin adds, and what was said by them in one process. */
enum disagg_option {
	DISAGG_OPT_CONFIG,
	DISAGG_OPT_ROLE,
	DISAGG_OPT_SET,
	DISAGG_OPT_REHEARSE,
	DISAGG_OPT_DRY_RUN,
	DISAGG_OPT_COUNT,
};

struct disagg_option_row {
	const char *name;
	const char *argument; /* NULL: a flag */
	const char *usage;
};

extern const struct disagg_option_row disagg_option_rows[DISAGG_OPT_COUNT];

/* Where the plugin finds itself. */
enum disagg_place {
	DISAGG_NOWHERE, /* slurmd, prolog and epilog: nothing to do */
	DISAGG_SUBMIT,	/* sbatch, salloc, and srun outside a job: a job is asked for */
	DISAGG_STEP,	/* srun inside a job: a step of it */
	DISAGG_NODE,	/* slurmstepd */
};

enum disagg_sizer {
	DISAGG_BY_PLUGIN,
	DISAGG_BY_FILTER, /* plugstack.conf: sizing=cli_filter */
	DISAGG_BY_USER,	  /* sizing=user: the flags are typed */
};

struct disagg_said {
	struct disagg_arena arena;
	enum disagg_place place;
	bool direct; /* DISAGG_SUBMIT: srun, which starts the tasks itself */
	bool in_job; /* the process runs inside a job */
	const char *value[DISAGG_OPT_COUNT];
	bool given[DISAGG_OPT_COUNT];
	/* what the job around left in the environment; NULL: nothing */
	const char *inherited[DISAGG_OPT_COUNT];
	bool awaited[DISAGG_OPT_COUNT]; /* inherited, and Slurm has yet to repeat it to us */
	const char **set;
	unsigned set_count;
	const char *cluster_file; /* NULL: none */
	const char *cluster_name; /* NULL: the file's default */
	enum disagg_sizer sizer;
	struct disagg_err err; /* kept until it can be reported */
};

/* Reads plugstack.conf's arguments and, through `env`, what the job around
 * left behind.  Problems are kept in said->err. */
void disagg_said_init(struct disagg_said *said, enum disagg_place place, bool direct, int argc,
	char **argv, char *(*env)(const char *name));
void disagg_said_release(struct disagg_said *said);

/* One occurrence.  True when it says something new about the job or the step.
 * Slurm repeats the options of the job around a nested sbatch; those say
 * nothing about the job that is asked for. */
bool disagg_said_take(struct disagg_said *said, enum disagg_option option, const char *value);

/* The variable in which Slurm hands an option on: prefix, then the plugin and
 * the option with `_` for `-`. */
#define DISAGG_ENV_RAW	   "_SLURM_SPANK_OPTION_disagg_"
#define DISAGG_ENV_CARRIED "SLURM_SPANK_" DISAGG_ENV_RAW
struct disagg_option_env {
	char name[96];
};
struct disagg_option_env disagg_option_variable(enum disagg_option option, const char *prefix);

#endif
