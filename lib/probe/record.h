/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_RECORD_H
#define DISAGG_PROBE_RECORD_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * One measurement of one node, GPU, pair or rail: what a probe says, one JSON
 * line each (schema disagg.probe/1).  A probe fills what it saw; the judge
 * (judge.h) fills reference, floor and fleet statistics, and may only make a
 * status worse.
 */
enum disagg_probe_status {
	DISAGG_PROBE_PASS, /* measured, and nothing against it */
	DISAGG_PROBE_WARN,
	DISAGG_PROBE_FAIL,
	DISAGG_PROBE_SKIP,    /* does not apply here, or was not asked for */
	DISAGG_PROBE_UNKNOWN, /* could not be measured: never a pass, never a drain */
};

/* What a value's better side is; NONE is never compared. */
enum disagg_probe_better {
	DISAGG_BETTER_NONE,
	DISAGG_BETTER_MORE, /* bandwidth */
	DISAGG_BETTER_LESS, /* latency */
};

#define DISAGG_PROBE_RAW_MAX 32 /* samples kept with a record */

struct disagg_probe_record {
	const char *probe;    /* "gemm.bf16" */
	const char *node;     /* host name */
	int gpu;	      /* position among the node's GPUs; -1: the node */
	const char *gpu_uuid; /* NULL: none */
	const char *gpu_name; /* "NVIDIA H200"; NULL: none */
	const char *peer;     /* the other node of a pair, "n5" or "n5:3" with its GPU; NULL */
	int rail;	      /* -1: none */
	const char
		*param; /* "8192", "1G", "all_reduce 8M": with the probe, what is compared; NULL */
	const char *cohort; /* equal among what is compared: GPU, driver, power limit; NULL */

	bool has_value;
	double value;
	const char *unit; /* "TFLOPS", "GB/s" (1e9 bytes), "us", "ms" */
	enum disagg_probe_better better;

	/* What is to be equal among the same probe, param and cohort, at most 64 bytes: a
	 * checksum in hex.  The judge names the minority; NULL: nothing of the kind */
	const char *digest;

	enum disagg_probe_status status;
	const char *reason; /* why it is not a pass; NULL */
	const char *hint;   /* what explains it, or what to do; NULL */

	double start_s; /* Unix time */
	double duration_ms;

	/* the judge's */
	bool has_ref, has_floor, has_fleet;
	double ref;
	/* "H200-SXM bf16_gemm: measured, ..."; with a digest the majority's, where it has another
	 */
	const char *ref_source;
	double floor; /* absolute; a ceiling where less is better */
	double fleet_median, fleet_mad;
	double z; /* (value - median) / (1.4826 MAD); 0 where MAD is 0 */

	/* samples behind the value, in its unit; last, for a report keeps no more than there are */
	size_t raw_count;
	double raw[DISAGG_PROBE_RAW_MAX];
};

#define DISAGG_PROBE_RECORD_INIT                                                                   \
	{                                                                                          \
		.gpu = -1, .rail = -1                                                              \
	}

/* "pass", "warn", "fail", "skip", "unknown" */
const char *disagg_probe_status_name(enum disagg_probe_status status);

/* One line of JSON with its newline; members that are not set are left out. */
void disagg_probe_record_put(struct disagg_strbuf *out, const struct disagg_probe_record *record);

/*
 * The reverse: bytes that another machine wrote.  Texts are copied into the
 * arena, bounded (names 256 bytes, reasons and hints 1024), their control
 * characters shown as '?'.  DISAGG_INVALID where it is no record; unknown
 * members are passed over.
 */
int disagg_probe_record_read(struct disagg_arena *arena, const char *line, size_t len,
	struct disagg_probe_record *ret, struct disagg_err *err);

/*
 * The same, fast and without copies, of a line (terminated, without its newline) in
 * just the form that disagg_probe_record_put gives it, of plain ASCII without escapes.
 * The texts are in the line, which is changed.  false: it has another form, the line is
 * as it was, and disagg_probe_record_read is to read it.
 */
bool disagg_probe_record_scan(char *line, struct disagg_probe_record *ret);

#endif
