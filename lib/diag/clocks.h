/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_CLOCKS_H
#define DISAGG_DIAG_CLOCKS_H

#include "lib/diag/line.h"
#include <stdbool.h>

/*
 * How far the clocks of a run's logs are apart.  Engines write the worker's
 * local time and routers write UTC, mostly without saying so; a zone is a
 * multiple of 15 minutes.  All logs of a run end within minutes of each other,
 * and that, or what is known of a worker's end, tells the zone.
 */
struct disagg_clock_file {
	enum disagg_stamp stamp; /* of its last line with a time */
	double last_s;		 /* that time, as if it were UTC */
	double ended_s;		 /* when its worker ended, Unix time; 0: not known */
	double offset_s;	 /* the answer: to be added to its local times */
	bool estimated;		 /* the answer is a guess from the files' ends */
};

/* told: a zone that is known (seconds east of UTC), which then counts for all
 * local times; NULL: none. */
void disagg_clocks_estimate(struct disagg_clock_file *file, unsigned count, const double *told_s);

#endif
