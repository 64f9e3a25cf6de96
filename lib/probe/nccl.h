/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_NCCL_H
#define DISAGG_PROBE_NCCL_H

#include "lib/probe/cuda.h"

/*
 * NCCL, loaded at run time: libnccl.so.2.  Types are the toolkit's where it is
 * installed (DISAGG_HAVE_NCCL), else the project's own, made from the lists
 * below; a test holds the two against each other.
 *
 * Nothing here takes an ncclConfig_t, whose size and version number change with
 * the header: a library older than the header refuses it.  So communicators
 * block while they are made; whoever calls has a deadline.
 */

/* X(name, value) of <nccl.h> */
#define DISAGG_NCCL_RESULTS(X)                                                                     \
	X(ncclSuccess, 0)                                                                          \
	X(ncclUnhandledCudaError, 1)                                                               \
	X(ncclSystemError, 2)                                                                      \
	X(ncclInternalError, 3)                                                                    \
	X(ncclInvalidArgument, 4)                                                                  \
	X(ncclInvalidUsage, 5)                                                                     \
	X(ncclRemoteError, 6)                                                                      \
	X(ncclInProgress, 7)
#define DISAGG_NCCL_TYPES(X)                                                                       \
	X(ncclInt8, 0)                                                                             \
	X(ncclUint8, 1)                                                                            \
	X(ncclInt32, 2)                                                                            \
	X(ncclUint32, 3)                                                                           \
	X(ncclInt64, 4)                                                                            \
	X(ncclUint64, 5)                                                                           \
	X(ncclFloat16, 6)                                                                          \
	X(ncclFloat32, 7)                                                                          \
	X(ncclFloat64, 8)
#define DISAGG_NCCL_OPERATIONS(X) X(ncclSum, 0)

#ifdef DISAGG_HAVE_NCCL
#include <nccl.h>
#else
#define NCCL_UNIQUE_ID_BYTES 128
typedef struct ncclComm *ncclComm_t;
typedef struct {
	char internal[NCCL_UNIQUE_ID_BYTES];
} ncclUniqueId;
typedef enum { DISAGG_NCCL_RESULTS(DISAGG_CUDA_VALUE) } ncclResult_t;
typedef enum { DISAGG_NCCL_TYPES(DISAGG_CUDA_VALUE) } ncclDataType_t;
typedef enum { DISAGG_NCCL_OPERATIONS(DISAGG_CUDA_VALUE) } ncclRedOp_t;
#endif

/* X(field, symbol, parameters): each returns ncclResult_t; all since NCCL 2.7, the first
 * with point-to-point calls.  CUstream is the runtime's cudaStream_t. */
#define DISAGG_NCCL_FUNCTIONS(X)                                                                   \
	X(get_version, ncclGetVersion, (int *))                                                    \
	X(get_unique_id, ncclGetUniqueId, (ncclUniqueId *))                                        \
	X(init_rank, ncclCommInitRank, (ncclComm_t *, int, ncclUniqueId, int))                     \
	X(init_all, ncclCommInitAll, (ncclComm_t *, int, const int *))                             \
	X(destroy, ncclCommDestroy, (ncclComm_t))                                                  \
	X(abort, ncclCommAbort, (ncclComm_t))                                                      \
	X(async_error, ncclCommGetAsyncError, (ncclComm_t, ncclResult_t *))                        \
	X(group_start, ncclGroupStart, (void))                                                     \
	X(group_end, ncclGroupEnd, (void))                                                         \
	X(all_reduce, ncclAllReduce,                                                               \
		(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t, CUstream)) \
	X(all_gather, ncclAllGather,                                                               \
		(const void *, void *, size_t, ncclDataType_t, ncclComm_t, CUstream))              \
	X(reduce_scatter, ncclReduceScatter,                                                       \
		(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t, CUstream)) \
	X(broadcast, ncclBroadcast,                                                                \
		(const void *, void *, size_t, ncclDataType_t, int, ncclComm_t, CUstream))         \
	X(send, ncclSend, (const void *, size_t, ncclDataType_t, int, ncclComm_t, CUstream))       \
	X(recv, ncclRecv, (void *, size_t, ncclDataType_t, int, ncclComm_t, CUstream))

#define DISAGG_NCCL_MEMBER(field, symbol, params) ncclResult_t(*field) params;
struct disagg_nccl {
	void *library;
	int version; /* 22809 is 2.28.9 */
	DISAGG_NCCL_FUNCTIONS(DISAGG_NCCL_MEMBER)
	const char *(*error_string)(ncclResult_t);
	const char *(*last_error)(ncclComm_t); /* since 2.13; NULL */
};

/*
 * Reads its environment (NCCL_*) at the first call, so set it before.
 * DISAGG_SKIPPED: none on this node.  DISAGG_MISSING: older than 2.7.
 */
int disagg_nccl_open(struct disagg_nccl *ret, struct disagg_err *err);

/*
 * 0 for ncclSuccess.  Else -1, DISAGG_SYSTEM: "what: 2 ncclSystemError: unhandled system
 * error: Connection refused"; `comm` may be NULL.
 */
int disagg_nccl_check(const struct disagg_nccl *nccl, ncclResult_t result, ncclComm_t comm,
	const char *what, struct disagg_err *err);

/* "2.28.9"; what came before 2.9 counted in hundreds (2708 is 2.7.8). */
const char *disagg_nccl_version_text(int version, char buf[16]);

/* A unique id as 256 hex digits, to travel in JSON. -1: it is something else. */
#define DISAGG_NCCL_ID_HEX (2 * NCCL_UNIQUE_ID_BYTES + 1)
void disagg_nccl_id_put(const ncclUniqueId *id, char hex[DISAGG_NCCL_ID_HEX]);
int disagg_nccl_id_read(const char *hex, ncclUniqueId *ret, struct disagg_err *err);

#endif
