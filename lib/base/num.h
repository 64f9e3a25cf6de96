/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_BASE_NUM_H
#define DISAGG_BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whole-string readers: the text is a value from its first byte to its last,
 * or the call returns -1 and leaves *ret alone.  No locale, no blanks.
 */

/* Decimal with an optional sign, in [min, max]. */
int disagg_num_int(const char *text, int64_t min, int64_t max, int64_t *ret);

/* Hexadecimal digits with an optional "0x", at most max. */
int disagg_num_hex(const char *text, uint64_t max, uint64_t *ret);

/* Decimal or exponent form, finite. */
int disagg_num_real(const char *text, double *ret);

/*
 * The number that a text begins with, as JSON writes it; *text then stands behind it.
 * For many of them: -1 where there is none, and also where its value is not plain (more
 * than 15 digits, a power of ten beyond 22), which disagg_num_real reads.
 */
int disagg_num_next(const char **text, double *ret);
/* Bytes from "4096", "64K", "8M", "1G", "1T": powers of 1024. */
int disagg_num_size(const char *text, uint64_t *ret_bytes);

/* Seconds from "90", "90s", "15m", "2h", "1d", "500ms" (rounded up),
 * "MM:SS", "HH:MM:SS", "D-HH", "D-HH:MM", "D-HH:MM:SS". */
int disagg_num_duration(const char *text, int64_t *ret_seconds);

/* Minutes as Slurm reads --time (sbatch(1)): "M", "M:S", "H:M:S", "D-H",
 * "D-H:M", "D-H:M:S"; "UNLIMITED" and "INFINITE" give INT64_MAX. */
int disagg_num_slurm_time(const char *text, int64_t *ret_minutes);

#endif
