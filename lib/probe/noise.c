/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/noise.h"

#include "lib/probe/stats.h"
#include <math.h>

#define MEDIAN_ERROR  1.2533 /* sqrt(pi / 2) */
#define FEWEST_RAW    3u
#define FEWEST_VALUES 3u

/* The square of the standard error of one record's value. */
static double error_of(const struct disagg_probe_record *record)
{
	double mean = 0, sum = 0, k = (double)record->raw_count - 1;
	double shrink = 1 - 2 / (9 * k);

	for (size_t i = 0; i < record->raw_count; i++)
		mean += record->raw[i] / (double)record->raw_count;
	for (size_t i = 0; i < record->raw_count; i++)
		sum += (record->raw[i] - mean) * (record->raw[i] - mean);
	return MEDIAN_ERROR * MEDIAN_ERROR * sum / k / (double)record->raw_count /
	       (shrink * shrink * shrink);
}

int disagg_noise_of(struct disagg_arena *arena, struct disagg_probe_record *const *record,
	size_t count, double *ret)
{
	double *errors = disagg_arena_array(arena, count + 1, sizeof(*errors));
	size_t known = 0;

	if (!errors)
		return -1;
	for (size_t i = 0; i < count; i++) {
		double error = record[i]->raw_count >= FEWEST_RAW ? error_of(record[i]) : NAN;

		if (isfinite(error))
			errors[known++] = error;
	}
	disagg_stats_sort(errors, known);
	*ret = known < FEWEST_VALUES ? 0 : sqrt(disagg_stats_percentile(errors, known, 0.5));
	return 0;
}
