/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_NOISE_H
#define DISAGG_PROBE_NOISE_H

#include "lib/probe/record.h"

/*
 * How uncertain the values of like records are by their own samples (raw): the standard
 * error of a median of n samples, 1.2533 s / sqrt(n), with s of each record's samples and
 * of all records the median, so that one GPU that swings does not speak for the others.
 * A median of the variances of k + 1 samples is (1 - 2 / 9k)^3 of the true one (Wilson and
 * Hilferty's approximation of chi squared), which is undone.  0: less than three records
 * with three samples or more.
 *
 * In a fleet of 32 this knows the noise from a hundred samples, where the MAD of the
 * values has but 32.
 */
int disagg_noise_of(struct disagg_arena *arena, struct disagg_probe_record *const *record,
	size_t count, double *ret);

#endif
