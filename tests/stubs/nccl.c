/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libnccl.so.2 of the tests: adds and copies host memory, which is what the CUDA
 * stub's device memory is, among the ranks of one process and of others over TCP
 * (nccl_hub.h), and moves the CUDA stub's clock by what that takes in the model
 * (nccl_model.h).  A call that ends a group returns when its data is there; a peer
 * that is lost shows in ncclCommGetAsyncError, as it does in NCCL.
 */
#include "tests/stubs/cuda_stub.h"
#include "tests/stubs/faults.h"
#include "tests/stubs/nccl_group.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STUB_VERSION 22809

/* each symbol's prototype, as the product's table has it */
#define PROTOTYPE(field, symbol, params) ncclResult_t symbol params;
#pragma GCC visibility push(default)
DISAGG_NCCL_FUNCTIONS(PROTOTYPE)
const char *ncclGetErrorString(ncclResult_t result);
const char *ncclGetLastError(ncclComm_t comm);
#pragma GCC visibility pop

static ncclResult_t add(const struct op *op)
{
	if (!op->comm || stub_type_size(op->type) == 0)
		return stub_group_fail(
			ncclInvalidArgument, "no communicator, or a type the stub lacks");
	if (op->kind >= STUB_BROADCAST &&
		(op->peer < 0 || (uint32_t)op->peer >= op->comm->world->nranks))
		return stub_group_fail(ncclInvalidArgument, "no such rank");
	if (stub_group()->op_count == STUB_MOST_OPS)
		return stub_group_fail(ncclInternalError, "too many operations in a group");
	stub_group()->ops[stub_group()->op_count++] = *op;
	return stub_group()->depth ? ncclSuccess : stub_group_run();
}

/* ---- NCCL's names ---- */

ncclResult_t ncclGetVersion(int *version)
{
	*version = (int)stub_number("NCCL", STUB_VERSION);
	return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result)
{
	static const char *const texts[] = {"no error", "unhandled cuda error",
		"unhandled system error", "internal error", "invalid argument", "invalid usage",
		"remote process exited or there was a network error", "NCCL operation in progress"};

	return (unsigned)result < sizeof(texts) / sizeof(texts[0]) ? texts[result]
								   : "unknown result code";
}

const char *ncclGetLastError(ncclComm_t comm)
{
	(void)comm;
	return stub_group()->last;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *ret)
{
	struct stub_id id;

	stub_node(); /* read before there is a second thread */
	if (stub_hub_start(&id) != 0)
		return stub_group_fail(ncclSystemError, "no address to listen at");
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->internal, &id, sizeof(id));
	return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t *comm, int nranks, ncclUniqueId id, int rank)
{
	struct init *init = &stub_group()->inits[stub_group()->init_count];

	if (nranks < 1 || nranks > STUB_MOST_RANKS || rank < 0 || rank >= nranks ||
		stub_group()->init_count == STUB_MOST_INITS - 1)
		return stub_group_fail(ncclInvalidArgument, "no such rank");
	*init = (struct init){.ret = comm,
		.nranks = (uint32_t)nranks,
		.rank = rank,
		.gpu = stub_cuda_gpu() < 0 ? rank : stub_cuda_gpu()};
	memcpy(&init->id, id.internal, sizeof(init->id));
	if (init->id.magic != STUB_NCCL_MAGIC)
		return stub_group_fail(ncclInvalidArgument, "no unique id");
	stub_group()->init_count++;
	return stub_group()->depth ? ncclSuccess : stub_group_run();
}

ncclResult_t ncclCommInitAll(ncclComm_t *comms, int count, const int *devices)
{
	ncclResult_t result;
	ncclUniqueId id;

	(void)devices;
	result = ncclGetUniqueId(&id);
	stub_group()->depth++;
	for (int i = 0; i < count && result == ncclSuccess; i++)
		result = ncclCommInitRank(&comms[i], count, id, i);
	stub_group()->depth--;
	return result == ncclSuccess && stub_group()->depth == 0 ? stub_group_run() : result;
}

static ncclResult_t leave(ncclComm_t comm)
{
	struct world *world = comm ? comm->world : NULL;

	if (!world)
		return ncclInvalidArgument;
	comm->world = NULL;
	if (--world->left == 0)
		close(world->fd);
	return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
	return leave(comm);
}

ncclResult_t ncclCommAbort(ncclComm_t comm)
{
	return leave(comm);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *ret)
{
	*ret = comm->world->error;
	return ncclSuccess;
}

ncclResult_t ncclGroupStart(void)
{
	stub_group()->depth++;
	return ncclSuccess;
}

ncclResult_t ncclGroupEnd(void)
{
	if (stub_group()->depth == 0)
		return stub_group_fail(ncclInvalidUsage, "ncclGroupEnd: not in a group call");
	return --stub_group()->depth == 0 ? stub_group_run() : ncclSuccess;
}

ncclResult_t ncclAllReduce(const void *send, void *recv, size_t count, ncclDataType_t type,
	ncclRedOp_t op, ncclComm_t comm, CUstream stream)
{
	if (op != ncclSum)
		return stub_group_fail(ncclInvalidArgument, "the stub adds only");
	return add(
		&(struct op){STUB_ALL_REDUCE, comm, send, recv, count, type, -1, stream, 0, false});
}

ncclResult_t ncclReduceScatter(const void *send, void *recv, size_t count, ncclDataType_t type,
	ncclRedOp_t op, ncclComm_t comm, CUstream stream)
{
	if (op != ncclSum)
		return stub_group_fail(ncclInvalidArgument, "the stub adds only");
	return add(&(struct op){
		STUB_REDUCE_SCATTER, comm, send, recv, count, type, -1, stream, 0, false});
}

ncclResult_t ncclAllGather(const void *send, void *recv, size_t count, ncclDataType_t type,
	ncclComm_t comm, CUstream stream)
{
	return add(
		&(struct op){STUB_ALL_GATHER, comm, send, recv, count, type, -1, stream, 0, false});
}

ncclResult_t ncclBroadcast(const void *send, void *recv, size_t count, ncclDataType_t type,
	int root, ncclComm_t comm, CUstream stream)
{
	return add(&(struct op){
		STUB_BROADCAST, comm, send, recv, count, type, root, stream, 0, false});
}

ncclResult_t ncclSend(const void *send, size_t count, ncclDataType_t type, int peer,
	ncclComm_t comm, CUstream stream)
{
	return add(&(struct op){STUB_SEND, comm, send, NULL, count, type, peer, stream, 0, false});
}

ncclResult_t ncclRecv(
	void *recv, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, CUstream stream)
{
	return add(&(struct op){STUB_RECV, comm, NULL, recv, count, type, peer, stream, 0, false});
}
