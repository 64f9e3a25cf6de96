/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_COLLECTIVES_H
#define DISAGG_PROBE_COLLECTIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a collective's time says: the formulas of nccl-tests
 * (doc/PERFORMANCE.md and the *_perf sources of github.com/NVIDIA/nccl-tests).
 * Pure: no I/O.
 *
 *	algbw = S / t			S bytes, t seconds, GB/s of 1e9 bytes
 *	busbw = algbw * factor		n ranks
 *
 *	all_reduce			2 (n - 1) / n	S = a rank's buffer
 *	all_gather, reduce_scatter,
 *	alltoall			(n - 1) / n	S = the larger of a rank's two buffers
 *	sendrecv, broadcast		1		S = a rank's buffer
 *
 * busbw is to be compared with the speed of the wires whatever n is.  With one
 * rank nothing moves: the factors of the first two rows are 0.
 */
enum disagg_collective {
	DISAGG_ALL_REDUCE,
	DISAGG_ALL_GATHER,
	DISAGG_REDUCE_SCATTER,
	DISAGG_ALLTOALL,
	DISAGG_SENDRECV,
	DISAGG_BROADCAST,
	DISAGG_COLLECTIVES /* how many */
};

/* "all_reduce": nccl-tests' names */
const char *disagg_collective_name(enum disagg_collective collective);

double disagg_collective_factor(enum disagg_collective collective, unsigned ranks);
double disagg_collective_algbw(uint64_t bytes, double seconds); /* 0 where seconds is not > 0 */
double disagg_collective_busbw(
	enum disagg_collective collective, unsigned ranks, uint64_t bytes, double seconds);

/*
 * What of S bytes a rank sends from and receives to: all_gather sends a part of
 * S / n, reduce_scatter receives one.  S is first cut to a whole number of
 * `element` bytes a part, so that every collective of n ranks can do it; 0: S is
 * too small for that.
 */
struct disagg_collective_shape {
	uint64_t bytes; /* S, cut */
	uint64_t send_bytes, recv_bytes;
	uint64_t part_bytes; /* S / n */
};
struct disagg_collective_shape disagg_collective_shape(
	enum disagg_collective collective, unsigned ranks, uint64_t bytes, unsigned element);

/*
 * What a NIC carries for each GPU, GB/s, in an all-reduce of `ranks` ranks on `nodes` nodes
 * with one NIC a GPU.  In two levels (inside the nodes, then between them) a GPU's NIC
 * carries S * 2 (k - 1) / n, so wire = busbw (k - 1) / (n - 1): why busbw across nodes may
 * be above a NIC's speed.  0 for one node or one rank.
 */
double disagg_collective_wire(double busbw, unsigned nodes, unsigned ranks);
/* The reverse: the busbw that NICs of so many GB/s give. */
double disagg_collective_from_wire(double wire, unsigned nodes, unsigned ranks);

/* "8", "64K", "8M", "1G": binary units where they are whole, else bytes. */
#define DISAGG_SIZE_NAME 24
const char *disagg_size_name(uint64_t bytes, char buf[DISAGG_SIZE_NAME]);

/*
 * Whether an all-reduce inside a node has the speed of rings over NVLink 4
 * (H100, H200) without the switches' multicast (NVLS): a matter of the fabric
 * manager, the driver or NCCL_NVLS_ENABLE, not a bad link.  8 GPUs with NVLS reach
 * 473 GB/s at 4 GiB, without it 360 to 375 (stas00/ml-engineering: 367; NVIDIA/nccl-tests
 * issues 212 and 272: 370).  Only sizes of 4 GiB and more are told: there both
 * have their full speed, and below that the two overlap.
 */
bool disagg_nvls_inactive(const char *gpu_name, unsigned gpus, uint64_t bytes, double busbw);

/* The p-th percentile (0 to 100, nearest rank) of values in any order; 0 of none. Sorts. */
double disagg_percentile(double *values, size_t count, double percent);

#endif
