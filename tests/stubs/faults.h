/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_STUBS_FAULTS_H
#define DISAGG_TESTS_STUBS_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the stub libraries are told, by environment, the same on all nodes; read
 * once a process.
 *
 *   STUB_GPUS=8          GPUs of a node          STUB_NAME="NVIDIA H200"
 *   STUB_DRIVER=580.95.05                        STUB_CUDA=13000
 *   STUB_NOISE=0         spread of values from GPU to GPU, percent (standard
 *                        deviation); a tenth of it from one operation to the next
 *   STUB_SEED=1          another seed is another cluster
 *   STUB_MEMORY=150754   MiB of a GPU            STUB_FREE=64 MiB that CUDA says are free
 *   STUB_TFLOPS=790  STUB_HBM=4350  STUB_H2D=56  STUB_D2H=55.6  STUB_P2P=400  GB/s; with
 *                        STUB_NOISE=2 none of these is 5 % below an H200's reference
 *   STUB_LAUNCH=4        us of one operation on the device
 *   STUB_NODE=n3         in place of SLURMD_NODENAME and the host's name
 *   STUB_FAULTS="KIND [node=n3,n5] [gpu=5] [KEY=VALUE]...; KIND ..."
 *
 * A fault without node= is on every node, without gpu= on every GPU.  gpu= is the
 * position among all of the node's GPUs, whatever a process may see of them.
 *   slow-gemm by=0.8     slow-copy by=0.5 (PCIe)     slow-hbm by=0.8
 *   slow-p2p by=0.5 [peer=3]     wrong-p2p [peer=3]
 *   wrong-result [every=N]       wrong-memory        slow-launch by=3 (times longer)
 *   missing-gpu (the last without gpu=)              hang (its first wait never ends)
 *   crash (in its first GEMM)    mig [count=2]       ecc [count=1]
 *   remap-pending  remap-failure retired [count=1]   recovery action=1
 *   throttle [reasons=N, of nvmlClocksEventReasons]  hot [degrees=90]
 *   power-limit watts=500        nvlink-down [link=3]  nvlink-errors [count=100]
 *   pcie-narrow [width=8] [gen=5]                    lost (fell off the bus)
 *   busy [pid=1234]              persistence-off     fabric [clique=1] [state=3] [domain=7]
 *   nvml-hang  nvml-crash (both in nvmlInit)
 *   no-driver  old-driver  mismatch  cuinit code=999 (or cuinit=999)
 * Those of the NCCL stub are said there.
 */

struct stub_fault;

/* SLURMD_NODENAME, or the host's name up to its first dot. */
const char *stub_node(void);

/* STUB_<name>; the second where it is unset or no number. */
const char *stub_text(const char *name, const char *otherwise);
double stub_number(const char *name, double otherwise);

/* The first fault of this kind on this node; gpu -1: whatever GPU it names.  NULL: none. */
const struct stub_fault *stub_fault(const char *kind, int gpu);

/* The next of a kind after `last` (NULL: the first), on whatever node. */
const struct stub_fault *stub_fault_next(const char *kind, const struct stub_fault *last);
bool stub_fault_has(const struct stub_fault *fault, const char *key);
const char *stub_fault_text(const struct stub_fault *fault, const char *key, const char *otherwise);
double stub_fault_number(const struct stub_fault *fault, const char *key, double otherwise);

/* by= of the fault, where it is there; else 1 */
double stub_slower(const char *kind, int gpu);

/* The same for the same text, everywhere. */
uint64_t stub_hash(const char *text);

/*
 * What a value of this GPU is multiplied with: 1 + STUB_NOISE times a number of
 * the seed, the node, the GPU and the text (triangular, so never more than 2.45
 * standard deviations from 1).
 */
double stub_spread(const char *what, int gpu);
/* The same from one operation to the next; *state is the caller's, at first any number. */
double stub_jitter(uint64_t *state);

#endif
