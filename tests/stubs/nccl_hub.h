/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_STUBS_NCCL_HUB_H
#define DISAGG_TESTS_STUBS_NCCL_HUB_H

#include "tests/stubs/nccl_model.h"
#include <stdint.h>

/*
 * The NCCL stub's wire.  The process that made a unique id has a hub, a thread
 * that listens at the address in the id: each process of the communicator sends
 * it what its ranks put in, and gets back what they are to get out, with the
 * time that takes in the model (nccl_model.h).  Processes are of one machine
 * type, so structures travel as they are.
 *
 *	process			hub
 *	hello, its ranks	when all ranks are there: ready
 *	batch, entries, bytes	when all its entries are done: reply, seconds, bytes
 *	closes			what waits for its ranks: a reply that failed
 */
#define STUB_NCCL_MAGIC UINT32_C(0x4e43534d)
#define STUB_MOST_RANKS 16384

struct stub_id { /* at the start of the 128 bytes */
	uint32_t magic;
	uint16_t port;
	uint16_t pid;
	uint8_t address[4];
	uint64_t key;
};

struct stub_rank {
	uint32_t number;
	uint32_t gpu; /* the position among its node's */
};

struct stub_hello { /* then `count` of struct stub_rank */
	uint32_t magic;
	uint32_t nranks, count;
	uint32_t pid;
	uint64_t key;
	char node[STUB_NODE_NAME];
};

enum stub_kind {
	STUB_ALL_REDUCE,
	STUB_REDUCE_SCATTER,
	STUB_ALL_GATHER,
	STUB_BROADCAST,
	STUB_SEND, /* from here on: of one rank and its peer */
	STUB_RECV,
};

/*
 * A collective is one entry a process: its ranks' sum, or their parts one after
 * another.  `count` is what the caller of NCCL gave.
 */
struct stub_entry {
	uint32_t kind;
	uint32_t type; /* ncclDataType_t */
	uint64_t count;
	int32_t root, src, dst;
	uint32_t pad;
	uint64_t bytes; /* that the process sends with it */
	/* the reply's */
	uint64_t result_bytes;
	double seconds;
};

struct stub_batch { /* then the entries, then their bytes */
	uint32_t entries;
	uint32_t failed; /* reply: why, an ncclResult_t */
	uint64_t bytes;
};

/* Starts the hub; fills the id.  -1 with errno. */
int stub_hub_start(struct stub_id *ret);

uint64_t stub_type_size(uint32_t type); /* 0: not one that the stub has */
void stub_add(uint32_t type, void *sum, const void *more, uint64_t count);

int stub_send_all(int fd, const void *bytes, uint64_t len);
int stub_recv_all(int fd, void *bytes, uint64_t len);

#endif
