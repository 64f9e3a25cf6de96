/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_STUBS_NCCL_GROUP_H
#define DISAGG_TESTS_STUBS_NCCL_GROUP_H

#include "lib/probe/nccl.h"
#include "tests/stubs/nccl_hub.h"
#include <stdbool.h>

/* What a thread has asked NCCL for since its ncclGroupStart, and the doing of it. */
#define STUB_MOST_OPS	16384
#define STUB_MOST_INITS 512

/* the ranks of one communicator that one group made: a link to the hub */
struct world {
	int fd;
	uint32_t nranks, count;
	unsigned left; /* of `comms` */
	struct ncclComm **comms;
	unsigned groups; /* that were ended with work */
	ncclResult_t error;
};

struct ncclComm {
	struct world *world;
	int rank;
	uint32_t index; /* in the world's list */
	int gpu;	/* among all of the node's */
};

struct op {
	enum stub_kind kind;
	struct ncclComm *comm;
	const char *send;
	char *recv;
	uint64_t count;
	uint32_t type;
	int peer; /* or root */
	CUstream stream;
	uint32_t entry; /* of the batch, which collectives share */
	bool done;
};

struct init {
	ncclComm_t *ret;
	struct stub_id id;
	uint32_t nranks;
	int rank, gpu;
};

struct group {
	unsigned depth, op_count, init_count;
	struct op ops[STUB_MOST_OPS];
	struct init inits[STUB_MOST_INITS];
	char last[128]; /* ncclGetLastError */
};

/* The calling thread's. */
struct group *stub_group(void);
/* result, and the text of it. */
ncclResult_t stub_group_fail(ncclResult_t result, const char *why);
ncclResult_t stub_group_run(void);

#endif
