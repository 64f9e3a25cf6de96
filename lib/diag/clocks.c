/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/clocks.h"

#include <math.h>

#define STEP_S	   900.0   /* zones differ by quarters of an hour */
#define NEAR_S	   300.0   /* logs that end together end this near */
#define ZONE_S	   50400.0 /* 14 h */
#define AT_LEAST_S 2700.0  /* less apart is an end that came earlier, no zone */

/* The zone that brings `from` near `to`; false where none does. */
static bool zone_between(double from, double to, double *ret)
{
	double step = round((to - from) / STEP_S) * STEP_S;

	if (fabs(step) < AT_LEAST_S) {
		*ret = 0;
		return fabs(to - from) < AT_LEAST_S;
	}
	*ret = step;
	return fabs(to - from - step) <= NEAR_S && fabs(step) <= ZONE_S;
}

static bool is_local(const struct disagg_clock_file *file)
{
	return file->stamp == DISAGG_STAMP_LOCAL;
}

/* How many of the local files end near `at` when they are shifted by `offset`. */
static unsigned votes(
	const struct disagg_clock_file *file, unsigned count, double at, double offset)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += is_local(&file[i]) && fabs(file[i].last_s + offset - at) < AT_LEAST_S;
	return n;
}

/* From what is known of workers' ends. */
static bool from_ends(struct disagg_clock_file *file, unsigned count, double *ret)
{
	bool found = false;

	for (unsigned i = 0; i < count; i++) {
		if (!is_local(&file[i]) || file[i].ended_s <= 0 ||
			!zone_between(file[i].last_s, file[i].ended_s, &file[i].offset_s))
			continue;
		file[i].estimated = false;
		*ret = file[i].offset_s;
		found = true;
	}
	return found;
}

/* The end that most agree on: of those with a zone the latest, else that which
 * most of the others end near. */
static double common_end(const struct disagg_clock_file *file, unsigned count)
{
	double best = 0;
	unsigned most = 0;

	for (unsigned i = 0; i < count; i++) {
		if (file[i].stamp == DISAGG_STAMP_ZONED && file[i].last_s > best)
			best = file[i].last_s;
	}
	for (unsigned i = 0; best <= 0 && i < count; i++) {
		unsigned n = is_local(&file[i]) ? votes(file, count, file[i].last_s, 0) : 0;

		if (n > most) {
			most = n;
			best = file[i].last_s;
		}
	}
	return best;
}

void disagg_clocks_estimate(struct disagg_clock_file *file, unsigned count, const double *told_s)
{
	double end, zone = 0, usual = 0;
	bool known;

	for (unsigned i = 0; i < count; i++) {
		file[i].offset_s = told_s && is_local(&file[i]) ? -*told_s : 0;
		file[i].estimated = !told_s && is_local(&file[i]);
	}
	if (told_s)
		return;
	known = from_ends(file, count, &usual);
	end = known ? 0 : common_end(file, count);
	for (unsigned i = 0; known && i < count; i++) {
		if (file[i].ended_s > end)
			end = file[i].ended_s;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!file[i].estimated)
			continue;
		if (end > 0 && zone_between(file[i].last_s, end, &zone))
			file[i].offset_s = zone;
		else if (known)
			file[i].offset_s = usual;
	}
}
