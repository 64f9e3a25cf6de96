/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_ENGINE_CLIENT_H
#define DISAGG_ENGINE_CLIENT_H

#include "lib/engine/engine.h"

/*
 * What puts load on a deployment or asks it questions: the client that the
 * file names with what must be there for it, and disagg-bench with the same
 * load where it can take its place.  Pure, as engine.h.
 */

/* Where srtctl's own scripts are mounted, and where they leave their results. */
#define DISAGG_CLIENT_SCRIPTS "/srtctl-benchmarks"
#define DISAGG_CLIENT_LOGS    "/logs"

/* One command, to its end, before the next. */
struct disagg_client_run {
	const char **argv; /* ends with NULL */
	unsigned argc;
	const char *label;  /* "concurrency 8"; NULL: all of it */
	const char *folder; /* below the run directory, made before; NULL: none */
	const char *result; /* file below the run directory; NULL: not known */
	bool may_fail;	    /* its status does not count */
};

struct disagg_client_runs {
	struct disagg_client_run *v;
	unsigned count, size;
};

struct disagg_client {
	const char *name;    /* "sa-bench" */
	const char *script;  /* the file that it is, or NULL */
	const char *module;  /* the Python package that has it, or NULL */
	const char *program; /* what the runs of `after` are, or NULL */
	bool writes_logs;    /* to DISAGG_CLIENT_LOGS, whatever it is told */
	const char *no_load; /* why disagg-bench measures something else; NULL: it does not */
	const char *note;    /* how disagg-bench's load differs; NULL: it does not */
	struct disagg_client_runs own;	 /* the file's client; none: not known, or none */
	struct disagg_client_runs load;	 /* disagg-bench; none where no_load is set */
	struct disagg_client_runs after; /* accuracy, behind either */
	struct disagg_envlist env;
};

/* Of service `service`, a benchmark with neither command nor script. */
int disagg_engine_client(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, uint32_t service, const struct disagg_engine_site *site,
	struct disagg_client *ret, struct disagg_err *err);

#endif
