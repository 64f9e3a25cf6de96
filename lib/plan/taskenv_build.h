/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PLAN_TASKENV_BUILD_H
#define DISAGG_PLAN_TASKENV_BUILD_H

#include "lib/base/strbuf.h"
#include "lib/plan/taskenv.h"

/* execve refuses a string of 128 KiB; a longer list of endpoints is left out,
 * for a task that cannot start is worse than one that must ask the plan. */
#define DISAGG_BUILD_LIST_BYTES (128u * 1024u - 64u)
#define DISAGG_BUILD_NAME_BYTES 128u

/* One call of disagg_taskenv: what the task is, and where its variables go. */
struct disagg_build {
	const struct disagg_plan *plan;
	const struct disagg_task *task;
	struct disagg_envlist *out;
	struct disagg_err *err;
	const struct disagg_plan_role *role; /* NULL: a task that the plan does not know */
	const struct disagg_worker *worker;
	const struct disagg_process *process;
	const struct disagg_service *service;
	uint32_t rank;			    /* task in the worker */
	char name[DISAGG_BUILD_NAME_BYTES]; /* "decode_1" */
};

int disagg_build_put(struct disagg_build *build, const char *name, const char *value);
int disagg_build_number(struct disagg_build *build, const char *name, long long value);
/* Releases the list; one that is empty or too long for execve is no variable. */
int disagg_build_list(struct disagg_build *build, const char *name, struct disagg_strbuf *list);
void disagg_build_list_init(struct disagg_strbuf *list);

const char *disagg_build_host(const struct disagg_build *build, uint32_t node);
const struct disagg_process *disagg_build_leader(
	const struct disagg_build *build, const struct disagg_worker *worker);
/* What a port is in this job; 0: none.  What the engine's flags pin counts. */
int disagg_build_port(const struct disagg_build *build, const struct disagg_plan_role *role,
	enum disagg_port port, int32_t planned);
/* The service that clients talk to, or NULL: nginx in front of all, else
 * frontend 0; and its port, 0 where it has none. */
const struct disagg_service *disagg_build_public(const struct disagg_build *build, int *ret_port);

/* The role's own variables, then what the dialects' own scripts look for. */
int disagg_build_dialect(struct disagg_build *build);

#endif
