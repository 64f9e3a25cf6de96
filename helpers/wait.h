/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_WAIT_H
#define DISAGG_HELPERS_WAIT_H

#include "helpers/helper.h"
#include "lib/host/ready.h"

/* What is waited for, as the command line and the environment say it. */
struct wait_targets {
	const struct helper *helper;
	struct disagg_arena *arena;
	struct disagg_ready_target *v;
	unsigned count, size;
	/* for all of them */
	bool kind_given;
	enum disagg_ready_kind kind;
	unsigned prefill, decode;
	const char *field, *value;
};

/* "http://host:port/path", "tcp://host:port" or "name=URL".  Each returns 0 or
 * an exit code, with the message out. */
int wait_add_operand(struct wait_targets *targets, const char *text);
/* The endpoints in DISAGG_<ROLE>_ENDPOINTS. */
int wait_add_role(struct wait_targets *targets, const char *role);
/* Every DISAGG_<ROLE>_ENDPOINTS there is. */
int wait_add_all(struct wait_targets *targets);
/* Refuses what does not fit together. */
int wait_check(const struct wait_targets *targets);

/* Processes that must live on. */
struct wait_pids {
	int epoll_fd; /* -1: none */
	unsigned count;
};

/* A process that has ended already is found by wait_pids_alive. */
int wait_add_pid(const struct helper *helper, struct wait_pids *pids, const char *text);
int wait_pids_alive(const struct wait_pids *pids, struct disagg_err *err);

#endif
