/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/p2pmatrix.h"

#include <stdlib.h>
#include <string.h>

#define MOST DISAGG_MAX_GPUS_PER_NODE

size_t disagg_p2p_rounds(size_t count)
{
	return count < 2 ? 0 : count - 1 + count % 2;
}

/* One place stays, the others turn by one a round; across the circle is the partner. */
size_t disagg_p2p_round(size_t count, size_t round, size_t (*ret)[2])
{
	size_t even = count + count % 2, turning = even - 1, pairs = 0;

	for (size_t i = 0; i < even / 2; i++) {
		size_t a = i == 0 ? turning : (round + i) % turning;
		size_t b = (round + turning - i) % turning;

		if (a >= count || b >= count) /* the one that rests */
			continue;
		ret[pairs][0] = a < b ? a : b;
		ret[pairs++][1] = a < b ? b : a;
	}
	return pairs;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of(double *values, size_t count)
{
	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double disagg_p2pmatrix_of(const struct disagg_p2pmatrix *matrix, size_t gpu)
{
	double values[2 * MOST];
	size_t count = 0;

	for (size_t i = 0; i < matrix->count; i++)
		if (i != gpu) {
			values[count++] = matrix->rate[gpu][i];
			values[count++] = matrix->rate[i][gpu];
		}
	return median_of(values, count);
}

static double median_of_all(const struct disagg_p2pmatrix *matrix)
{
	double values[MOST * MOST];
	size_t count = 0;

	for (size_t i = 0; i < matrix->count; i++)
		for (size_t j = 0; j < matrix->count; j++)
			if (i != j)
				values[count++] = matrix->rate[i][j];
	return median_of(values, count);
}

/* Of the paths of a GPU that are bad: how many, and whether it is the GPU's. */
static bool is_to_blame(const bool (*bad)[MOST], size_t count, size_t gpu, size_t *ret_bad)
{
	size_t from = 0, to = 0, each = count - 1;

	for (size_t i = 0; i < count; i++) {
		from += bad[gpu][i];
		to += bad[i][gpu];
	}
	*ret_bad = from + to;
	return count > 2 && (from == each || to == each || from + to > each);
}

void disagg_p2pmatrix_judge(struct disagg_p2pmatrix *matrix)
{
	size_t count = matrix->count;

	matrix->median = median_of_all(matrix);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			matrix->low[i][j] = i != j && count > 2 &&
					    matrix->rate[i][j] < DISAGG_P2P_LOW * matrix->median;
	for (size_t i = 0; i < count; i++) {
		matrix->blamed[i] =
			is_to_blame((const bool(*)[MOST])matrix->low, count, i, &matrix->low_of[i]);
		matrix->spoils[i] = is_to_blame(
			(const bool(*)[MOST])matrix->wrong, count, i, &matrix->wrong_of[i]);
	}
}
