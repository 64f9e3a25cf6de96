/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stubs/nccl_group.h"

#include "tests/stubs/cuda_stub.h"
#include "tests/stubs/faults.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static __thread struct group group;

struct group *stub_group(void)
{
	return &group;
}

ncclResult_t stub_group_fail(ncclResult_t result, const char *why)
{
	snprintf(group.last, sizeof(group.last), "%s", why);
	return result;
}

static bool is_now(const char *kind, int groups)
{
	const struct stub_fault *fault = stub_fault(kind, -1);

	if (!fault)
		return false;
	if (groups < 0)
		return strcmp(stub_fault_text(fault, "at", ""), "init") == 0;
	return !stub_fault_has(fault, "at") && groups >= (int)stub_fault_number(fault, "after", 3);
}

/* groups -1: while a communicator is made */
static void maybe_end(int groups)
{
	if (is_now("nccl-dead", groups))
		raise(SIGKILL);
	while (is_now("nccl-hang", groups))
		pause();
}

/* ---- making communicators ---- */

static int reach(const struct stub_id *id)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(id->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	memcpy(&at.sin_addr, id->address, sizeof(id->address));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Says hello with all ranks of this id, and waits for the others. */
static ncclResult_t greet(struct world *world, const struct init *like)
{
	struct stub_hello hello = {.magic = STUB_NCCL_MAGIC,
		.nranks = like->nranks,
		.count = world->count,
		.pid = (uint32_t)getpid(),
		.key = like->id.key};
	struct stub_rank ranks[STUB_MOST_INITS];
	uint32_t answer = 0;

	snprintf(hello.node, sizeof(hello.node), "%s", stub_node());
	for (uint32_t i = 0; i < world->count; i++)
		ranks[i] = (struct stub_rank){.number = (uint32_t)world->comms[i]->rank,
			.gpu = (uint32_t)world->comms[i]->gpu};
	world->fd = reach(&like->id);
	if (world->fd < 0)
		return stub_group_fail(
			ncclSystemError, "Call to connect failed : Connection refused");
	if (stub_send_all(world->fd, &hello, sizeof(hello)) != 0 ||
		stub_send_all(world->fd, ranks, world->count * sizeof(ranks[0])) != 0 ||
		stub_recv_all(world->fd, &answer, sizeof(answer)) != 0)
		return stub_group_fail(ncclRemoteError, "socket closed by remote peer");
	return answer ? stub_group_fail((ncclResult_t)answer, "the ranks do not fit together")
		      : ncclSuccess;
}

static ncclResult_t make_world(struct init *inits, unsigned count)
{
	struct world *world = calloc(1, sizeof(*world));
	uint64_t key = inits[0].id.key;
	ncclResult_t result;

	if (!world || !(world->comms = calloc(count, sizeof(struct ncclComm *))))
		return ncclSystemError;
	world->nranks = inits[0].nranks;
	for (unsigned i = 0; i < count; i++) {
		struct ncclComm *comm;

		if (!inits[i].ret || inits[i].id.key != key)
			continue;
		comm = calloc(1, sizeof(*comm));
		if (!comm)
			return ncclSystemError;
		*comm = (struct ncclComm){.world = world,
			.rank = inits[i].rank,
			.index = world->count,
			.gpu = inits[i].gpu};
		world->comms[world->count++] = comm;
	}
	world->left = world->count;
	result = greet(world, &inits[0]);
	for (unsigned i = 0, at = 0; i < count; i++)
		if (inits[i].ret && inits[i].id.key == key) {
			*inits[i].ret = result == ncclSuccess ? world->comms[at++] : NULL;
			inits[i].ret = NULL;
		}
	return result;
}

static ncclResult_t make_worlds(void)
{
	ncclResult_t result = ncclSuccess;

	if (group.init_count)
		maybe_end(-1);
	for (unsigned i = 0; i < group.init_count && result == ncclSuccess; i++)
		if (group.inits[i].ret)
			result = make_world(&group.inits[i], group.init_count - i);
	group.init_count = 0;
	return result;
}

/* ---- a group's work ---- */

struct batch {
	struct world *world;
	struct stub_entry *entries;
	char **bodies;	 /* what goes with each */
	struct op **ops; /* of an entry: the first of them */
	uint32_t count;
};

static uint64_t op_bytes(const struct op *op)
{
	return op->count * stub_type_size(op->type);
}

/* The op of that rank which belongs to the same collective: its first that is left. */
static struct op *partner(const struct op *like, const struct ncclComm *comm)
{
	for (unsigned i = 0; i < group.op_count; i++) {
		struct op *op = &group.ops[i];

		if (!op->done && op->comm == comm && op->kind < STUB_SEND)
			return op->kind == like->kind && op->count == like->count &&
					       op->type == like->type && op->peer == like->peer
				       ? op
				       : NULL;
	}
	return NULL;
}

/* What a process puts into a collective: its ranks' sum, their parts, or the root's. */
static char *contribution(struct op **ops, uint32_t ranks, uint64_t *ret_len)
{
	const struct op *op = ops[0];
	uint64_t part = op_bytes(op);
	uint64_t whole = op->kind == STUB_REDUCE_SCATTER ? part * op->comm->world->nranks : part;
	char *body;

	*ret_len = op->kind == STUB_ALL_GATHER ? part * ranks : whole;
	body = calloc(1, *ret_len + 1);
	for (uint32_t i = 0; body && i < ranks; i++) {
		if (op->kind == STUB_ALL_GATHER)
			memcpy(body + i * part, ops[i]->send, part);
		else if (op->kind != STUB_BROADCAST)
			stub_add(op->type, body, ops[i]->send, whole / stub_type_size(op->type));
		else if (ops[i]->comm->rank == op->peer)
			memcpy(body, ops[i]->send, part);
	}
	return body;
}

static ncclResult_t add_collective(struct batch *batch, struct op *first)
{
	struct world *world = batch->world;
	struct op **ops = calloc(world->count, sizeof(struct op *));
	struct stub_entry *entry = &batch->entries[batch->count];

	if (!ops)
		return ncclSystemError;
	for (uint32_t i = 0; i < world->count; i++) {
		ops[i] = partner(first, world->comms[i]);
		if (!ops[i])
			return stub_group_fail(
				ncclInvalidUsage, "the ranks call different collectives");
		ops[i]->done = true;
		ops[i]->entry = batch->count;
	}
	*entry = (struct stub_entry){.kind = first->kind,
		.type = first->type,
		.count = first->count,
		.root = first->peer};
	batch->bodies[batch->count] = contribution(ops, world->count, &entry->bytes);
	batch->ops[batch->count++] = first;
	free(ops);
	return batch->bodies[batch->count - 1] ? ncclSuccess : ncclSystemError;
}

static void add_one(struct batch *batch, struct op *op)
{
	int own = op->comm->rank;

	batch->entries[batch->count] = (struct stub_entry){.kind = op->kind,
		.type = op->type,
		.count = op->count,
		.src = op->kind == STUB_SEND ? own : op->peer,
		.dst = op->kind == STUB_SEND ? op->peer : own,
		.bytes = op->kind == STUB_SEND ? op_bytes(op) : 0};
	batch->ops[batch->count++] = op;
	op->done = true;
}

/* A group's end does not wait for other ranks in NCCL: here it does, for a while. */
static bool is_answered(int fd)
{
	struct pollfd at = {.fd = fd, .events = POLLIN};

	return poll(&at, 1, (int)stub_number("PATIENCE", 3600000)) > 0;
}

static int exchange(struct batch *batch)
{
	struct stub_batch head = {.entries = batch->count};
	int fd = batch->world->fd, result;

	for (uint32_t i = 0; i < batch->count; i++)
		head.bytes += batch->entries[i].bytes;
	result = stub_send_all(fd, &head, sizeof(head));
	if (result == 0)
		result =
			stub_send_all(fd, batch->entries, batch->count * sizeof(struct stub_entry));
	for (uint32_t i = 0; i < batch->count && result == 0; i++)
		result =
			stub_send_all(fd, batch->bodies[i] ? batch->bodies[i] : batch->ops[i]->send,
				batch->entries[i].bytes);
	/* 64 MiB of every node there is, while the answer of as much comes */
	for (uint32_t i = 0; i < batch->count; i++) {
		free(batch->bodies[i]);
		batch->bodies[i] = NULL;
	}
	if (result == 0 && !is_answered(fd))
		return ncclInProgress;
	if (result != 0 || stub_recv_all(fd, &head, sizeof(head)) != 0)
		return ncclRemoteError;
	if (head.failed)
		return (int)head.failed;
	return stub_recv_all(fd, batch->entries, batch->count * sizeof(struct stub_entry)) == 0
		       ? 0
		       : ncclRemoteError;
}

/* one element, once a group, of a GPU that has the fault */
static void spoil(const struct op *op, char *bytes, uint64_t len)
{
	if (len < 4 || !stub_fault("wrong-sum", op->comm->gpu))
		return;
	bytes[len / 8 * 4 + 2] ^= 0x40;
}

/* What each rank receives of an entry's result. */
static int take(struct batch *batch, uint32_t at)
{
	const struct stub_entry *entry = &batch->entries[at];
	struct op *first = batch->ops[at];
	uint64_t part = op_bytes(first);
	char *bytes = malloc(entry->result_bytes + 1);

	if (!bytes || stub_recv_all(batch->world->fd, bytes, entry->result_bytes) != 0)
		return -1;
	if (first->kind == STUB_RECV) {
		memcpy(first->recv, bytes, entry->result_bytes);
		spoil(first, first->recv, entry->result_bytes);
		stub_cuda_wrote((CUdeviceptr)(uintptr_t)first->recv);
	}
	for (unsigned i = 0; first->kind < STUB_SEND && i < group.op_count; i++) {
		struct op *op = &group.ops[i];
		bool scatter = op->kind == STUB_REDUCE_SCATTER;
		uint64_t len = scatter ? part : entry->result_bytes;

		if (op->comm->world != batch->world || op->entry != at || op->kind >= STUB_SEND)
			continue;
		memcpy(op->recv, bytes + (scatter ? op->comm->index * part : 0), len);
		spoil(op, op->recv, len);
		stub_cuda_wrote((CUdeviceptr)(uintptr_t)op->recv);
	}
	free(bytes);
	return 0;
}

/* Seconds of a rank's part: collectives one after another; what is sent and received, at once. */
static double seconds_of(const struct batch *batch, const struct ncclComm *comm)
{
	double seconds = 0, sent = 0, received = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		const struct stub_entry *entry = &batch->entries[i];

		if (entry->kind < STUB_SEND)
			seconds += entry->seconds;
		else if (batch->ops[i]->comm == comm)
			*(entry->kind == STUB_SEND ? &sent : &received) += entry->seconds;
	}
	if (sent > 0 || received > 0)
		seconds += STUB_NCCL_LATENCY_S + (sent > received ? sent : received);
	return seconds;
}

/* A rank's operations are on one stream; they begin when all ranks here are so far. */
static void spend(struct batch *batch)
{
	CUstream streams[STUB_MOST_INITS] = {NULL};
	double start = 0;

	for (unsigned i = 0; i < group.op_count; i++) {
		const struct op *op = &group.ops[i];

		if (op->comm->world != batch->world)
			continue;
		streams[op->comm->index] = op->stream;
		if (op->kind < STUB_SEND && start < stub_cuda_clock(op->stream))
			start = stub_cuda_clock(op->stream);
	}
	for (uint32_t r = 0; r < batch->world->count; r++) {
		if (!streams[r])
			continue;
		stub_cuda_wait_until(streams[r], start);
		stub_cuda_advance(streams[r], seconds_of(batch, batch->world->comms[r]));
	}
}

static ncclResult_t collect(struct batch *batch)
{
	ncclResult_t result = ncclSuccess;

	for (unsigned i = 0; i < group.op_count && result == ncclSuccess; i++) {
		struct op *op = &group.ops[i];

		if (op->done || op->comm->world != batch->world)
			continue;
		if (op->kind < STUB_SEND)
			result = add_collective(batch, op);
		else
			add_one(batch, op);
	}
	return result;
}

static ncclResult_t run_world(struct world *world)
{
	struct batch batch = {.world = world,
		.entries = calloc(group.op_count, sizeof(struct stub_entry)),
		.bodies = calloc(group.op_count, sizeof(char *)),
		.ops = calloc(group.op_count, sizeof(struct op *))};
	ncclResult_t result = collect(&batch);
	int lost = 0;

	if (result == ncclSuccess && world->error == ncclSuccess) {
		maybe_end((int)world->groups++);
		lost = exchange(&batch);
		for (uint32_t i = 0; i < batch.count && lost == 0; i++)
			lost = take(&batch, i) == 0 ? 0 : ncclRemoteError;
		if (lost == 0)
			spend(&batch);
		if (lost == ncclInvalidUsage)
			result = stub_group_fail(
				ncclInvalidUsage, "the ranks call different collectives");
		else
			world->error = (ncclResult_t)lost;
	}
	for (uint32_t i = 0; i < batch.count; i++)
		free(batch.bodies[i]);
	free(batch.entries);
	free(batch.bodies);
	free(batch.ops);
	return result;
}

ncclResult_t stub_group_run(void)
{
	ncclResult_t result = make_worlds();

	for (unsigned i = 0; i < group.op_count && result == ncclSuccess; i++)
		if (!group.ops[i].done)
			result = run_world(group.ops[i].comm->world);
	group.op_count = 0;
	return result;
}
