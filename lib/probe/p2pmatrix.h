/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_P2PMATRIX_H
#define DISAGG_PROBE_P2PMATRIX_H

#include "lib/base/limits.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * The paths between the GPUs of a node: bandwidth of each ordered pair, and who
 * is to blame for what is low.  No GPU is touched here.
 */
#define DISAGG_P2P_LOW 0.9 /* of the matrix' median: below it a path is slow */

struct disagg_p2pmatrix {
	size_t count;							 /* GPUs */
	double rate[DISAGG_MAX_GPUS_PER_NODE][DISAGG_MAX_GPUS_PER_NODE]; /* [from][to], GB/s */
	bool wrong[DISAGG_MAX_GPUS_PER_NODE][DISAGG_MAX_GPUS_PER_NODE];	 /* came out changed */

	/* what disagg_p2pmatrix_judge finds */
	double median;
	bool low[DISAGG_MAX_GPUS_PER_NODE][DISAGG_MAX_GPUS_PER_NODE];
	size_t low_of[DISAGG_MAX_GPUS_PER_NODE]; /* slow paths from and to a GPU */
	/* all from it are slow, or all to it, or more than half of both: not the paths' fault */
	bool blamed[DISAGG_MAX_GPUS_PER_NODE];
	size_t wrong_of[DISAGG_MAX_GPUS_PER_NODE]; /* the same for what came out changed */
	bool spoils[DISAGG_MAX_GPUS_PER_NODE];
};

/*
 * Circle method: in round r of `count` - 1 (of `count` where it is odd: one GPU
 * rests) every GPU has one partner, and each pair meets in one round.  Fills the
 * pairs {a, b} with a < b and returns how many.
 */
size_t disagg_p2p_rounds(size_t count);
size_t disagg_p2p_round(size_t count, size_t round, size_t (*ret)[2]);

/* Who is slow: of 3 GPUs and more; two have one path each way, and nothing to compare it
 * with.  Who changes data: of 3 GPUs and more too, for of two it may be either. */
void disagg_p2pmatrix_judge(struct disagg_p2pmatrix *matrix);

/* The median of the paths from and to a GPU. */
double disagg_p2pmatrix_of(const struct disagg_p2pmatrix *matrix, size_t gpu);

#endif
