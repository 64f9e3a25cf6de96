/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_HOSTOPT_H
#define DISAGG_SPANK_HOSTOPT_H

#include "lib/base/arena.h"
#include <stdbool.h>

/*
 * The options of the program that we are loaded into (sbatch, salloc, srun),
 * through functions that it exports.  Slurm has no header for them, so they
 * are looked up at run time, and any may be missing.
 *
 * A value that we set is marked as the environment's: one that the user types
 * afterwards loses the mark, even where it is the same.
 */
struct option;

struct disagg_hostopt {
	void *opt;
	char *(*get)(void *opt, const char *name);
	bool (*reset)(void *opt, const char *name);
	bool (*isset)(void *opt, const char *name);
	bool (*by_env)(void *opt, int val);
	int (*process)(void *opt, int val, const char *value, bool by_env, bool early);
	struct option *(*table)(void *opt, char **ret_letters);
	void (*table_free)(struct option *table);
	void (*xfree)(void **memory);
	struct option *known; /* the program's own table: name -> val */
};

/* opt NULL: the program's global one.  False when a symbol is missing. */
bool disagg_hostopt_open(struct disagg_hostopt *host, void *opt);
void disagg_hostopt_close(struct disagg_hostopt *host);

/* Whether this program has an option of that name. */
bool disagg_hostopt_known(const struct disagg_hostopt *host, const char *name);
/* -1 where there is no such option or the program refuses the value (then it
 * has said why). */
int disagg_hostopt_set(const struct disagg_hostopt *host, const char *name, const char *value);
void disagg_hostopt_reset(const struct disagg_hostopt *host, const char *name);
/* By anyone: typed, #SBATCH line, environment, us. */
bool disagg_hostopt_isset(const struct disagg_hostopt *host, const char *name);
/* Typed, or an #SBATCH line: neither the environment's nor ours. */
bool disagg_hostopt_typed(const struct disagg_hostopt *host, const char *name);
/* A copy in the arena; "" where there is no value; NULL without memory. */
char *disagg_hostopt_get(
	const struct disagg_hostopt *host, struct disagg_arena *arena, const char *name);

#endif
