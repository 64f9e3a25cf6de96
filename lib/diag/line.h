/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_LINE_H
#define DISAGG_DIAG_LINE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What a line of a log says of itself: when, how grave, who.  Pure; any bytes
 * are a line.
 *
 * Times are read in the forms that the engines and Slurm write:
 *   2026-08-22T10:00:00.123456Z   RFC 3339, Rust's tracing, JSON
 *   2026-08-22 10:00:00,123       Python's logging, SGLang
 *   2026/08/22 10:00:00           nginx, NATS
 *   08/22/2026-10:00:00           TensorRT-LLM
 *   08-22 10:00:00                vLLM
 *   E0822 10:00:00.123456, E822   glog, PyTorch (month without its zero)
 *   Sat Aug 22 10:00:00 2026, Aug 22 10:00:00    dmesg -T, syslog
 *   10:00:00                      at the start of a line
 */
enum disagg_stamp {
	DISAGG_STAMP_NONE,
	DISAGG_STAMP_LOCAL, /* no zone: time_s is as if it were UTC */
	DISAGG_STAMP_ZONED,
};

enum disagg_level {
	DISAGG_LEVEL_NONE, /* does not say */
	DISAGG_LEVEL_DEBUG,
	DISAGG_LEVEL_INFO,
	DISAGG_LEVEL_WARN,
	DISAGG_LEVEL_ERROR,
	DISAGG_LEVEL_FATAL,
};

struct disagg_line {
	enum disagg_stamp stamp;
	double time_s; /* Unix time */
	enum disagg_level level;
	int rank;      /* -1 */
	int gpu;       /* -1 */
	char node[64]; /* that the line is about; "" */
	char pci[24];  /* "0000:9a:00"; "" */
};

/* A time without a date or a year is the latest one not after about_s (one
 * day more is allowed for); about_s 0: it has no time. */
bool disagg_line_time(
	const char *text, size_t len, double about_s, enum disagg_stamp *ret_stamp, double *ret_s);

void disagg_line_read(const char *text, size_t len, double about_s, struct disagg_line *ret);

enum disagg_level disagg_line_level(const char *text, size_t len);

/* Whether it is source code that a Python trace shows: the line before it says
 * 'File "...", line N'. */
bool disagg_line_is_source(const char *before, size_t before_len, const char *text, size_t len);

#endif
