/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_STUBS_NCCL_MODEL_H
#define DISAGG_TESTS_STUBS_NCCL_MODEL_H

#include <stdint.h>

/*
 * How long NCCL takes, in a model: inside a node the all-reduce curve of 8 H200
 * (stas00/ml-engineering, NCCL 2.27.7, NVLS), of fewer GPUs the ring's share of it;
 * across nodes, and where NCCL_P2P_DISABLE and NCCL_SHM_DISABLE are 1, NICs of
 * STUB_NIC=50 GB/s a GPU that reach 97 %.  Over that lies STUB_NOISE (faults.h), drawn
 * for a communicator from its nodes' names, a tenth of it for an operation.
 * Faults, beside those of faults.h:
 *
 *   nvls-off [node=]             all-reduces inside a node at 367 / 473
 *   slow-nvlink [node=] [by=0.7] what stays inside that node
 *   slow-node [node=] [by=0.7]   what leaves that node
 *   slow-pair a=n1 b=n2 [by=0.7] what passes between the two
 *   slow-rail [node=] rail=3 [by=0.7]  the NIC of one of its GPUs
 *   wrong-sum [node=] [gpu=]     one element of what a GPU receives
 *   nccl-hang [node=] [at=init] [after=N]  never returns: from the start, or after N groups
 *   nccl-dead [node=] [at=init] [after=N]  ends the process there
 *
 * STUB_PATIENCE=3600000 ms that the end of a group waits for other ranks; then the
 * communicator is ncclInProgress for ever.
 */
#define STUB_NODE_NAME 64

struct stub_place {
	char node[STUB_NODE_NAME];
	uint32_t index; /* of the GPU among its node's */
};

struct stub_model {
	uint32_t nranks, nodes;
	struct stub_place *places;
	double slow_inside, slow_between; /* factors of this communicator */
	double spread;			  /* its noise, a factor */
	uint64_t state;			  /* of the noise of operations */
};

int stub_model_init(struct stub_model *model, uint32_t nranks);
void stub_model_place(struct stub_model *model, uint32_t rank, const char *node, uint32_t index);
/* All ranks are placed. */
void stub_model_start(struct stub_model *model);

/* Seconds; bytes is the larger buffer of a rank. */
double stub_model_collective(struct stub_model *model, uint32_t kind, uint64_t bytes);
/* Without what an operation costs whatever it moves. */
#define STUB_NCCL_LATENCY_S 15e-6
double stub_model_send(struct stub_model *model, int32_t src, int32_t dst, uint64_t bytes);

#endif
