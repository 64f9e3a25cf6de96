/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_STUBS_GPUS_H
#define DISAGG_TESTS_STUBS_GPUS_H

#include <stdbool.h>
#include <stdint.h>

/* The GPUs of a node as the stubs of CUDA and NVML have them: both the same. */
enum { STUB_MOST_GPUS = 64, STUB_MOST_MIG = 7 };

struct stub_gpu {
	int index;    /* position among all of the node's GPUs: what gpu= of a fault means */
	int instance; /* of MIG; -1: a whole GPU */
	unsigned char uuid[16];
	char uuid_text[48]; /* "GPU-..." or "MIG-..." */
	char name[96];
	char pci[16]; /* "0000:0f:00.0" */
	unsigned bus;
	unsigned long long memory; /* bytes */
};

/* Without those that are missing. */
int stub_gpu_list(struct stub_gpu *ret);
/* The MIG instances of a GPU; 0: it is not in that mode. */
int stub_gpu_instances(const struct stub_gpu *gpu, struct stub_gpu *ret);
/* What CUDA_VISIBLE_DEVICES leaves, in its order; of MIG instances the first alone. */
int stub_gpu_visible(struct stub_gpu *ret);

#endif
