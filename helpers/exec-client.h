/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_EXEC_CLIENT_H
#define DISAGG_HELPERS_EXEC_CLIENT_H

#include "helpers/exec.h"

/* What a look around said of a client. */
struct look {
	const char *script; /* where its script is; NULL: it has none */
	const char *why;    /* it is not here; NULL: it is */
};

/* exec-look.c: whether the file's own client can be run here. */
bool exec_look(struct task *task, const struct disagg_client *client, struct look *ret);

#endif
