/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_UCX_H
#define DISAGG_PROBE_UCX_H

#include "lib/base/arena.h"
#include "lib/probe/ucp.h"
#include <stdbool.h>

/*
 * Host memory that another process may get from and put to by UCX.  Its first
 * half holds the responder's pattern, to be got; its second half is where others
 * put theirs.  The other process is told by a blob: address, key, place.
 */
#define DISAGG_UCX_HALF ((size_t)16 << 20)
#define DISAGG_UCX_BLOB ((size_t)64 << 10)

struct disagg_ucx {
	struct disagg_ucp ucp;
	disagg_ucp_context context;
	disagg_ucp_worker worker;
	disagg_ucp_mem mem;
	unsigned char *region; /* two halves */
	unsigned char *blob;
	size_t blob_len;
};

struct disagg_ucx_peer {
	disagg_ucp_ep ep;
	disagg_ucp_rkey rkey;
	uint64_t address; /* of its region */
};

/* UCX's alias for what is shared on one machine (sysv, posix, xpmem, knem, cma), excluded:
 * src/ucp/core/ucp_context.c, ucp_tl_aliases. */
#define DISAGG_UCX_NO_SHARED "^sm"

/* DISAGG_SKIPPED: no UCX; DISAGG_SYSTEM: it does not start.  Settings are UCX's own
 * variables; without UCX_TLS, shared memory is left out, for the other process is on
 * another node.  `pattern` as the responder's. */
int disagg_ucx_open(struct disagg_ucx *ucx, struct disagg_arena *arena,
	const unsigned char *pattern, struct disagg_err *err);
void disagg_ucx_close(struct disagg_ucx *ucx);

/* For a responder: context is a struct disagg_ucx. */
void disagg_ucx_progress(void *context);
/* Whether the first tag * 4096 bytes of the second half are the pattern; wipes them. */
bool disagg_ucx_check(void *context, uint32_t tag);

/* DISAGG_INVALID: no blob. */
int disagg_ucx_connect(struct disagg_ucx *ucx, const void *blob, size_t len,
	struct disagg_ucx_peer *ret, struct disagg_err *err);
void disagg_ucx_disconnect(struct disagg_ucx *ucx, struct disagg_ucx_peer *peer);

struct disagg_ucx_move {
	bool put;	/* of our first half to its second; else of its first to our second */
	size_t block;	/* bytes of one operation */
	unsigned batch; /* operations at once: block * batch is at most DISAGG_UCX_HALF */
	int timeout_ms;
};
/* Seconds until all of the batch are done, at the other side too where it is a put. */
int disagg_ucx_run(struct disagg_ucx *ucx, const struct disagg_ucx_peer *peer,
	const struct disagg_ucx_move *move, double *ret_s, struct disagg_err *err);

/* The transports of a connection that has been used, "rc_mlx5/mlx5_0:1, self/memory"; ""
 * where UCX does not say. */
const char *disagg_ucx_lanes(
	struct disagg_ucx *ucx, const struct disagg_ucx_peer *peer, struct disagg_arena *arena);

#endif
