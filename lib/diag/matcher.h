/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_MATCHER_H
#define DISAGG_DIAG_MATCHER_H

#include "lib/base/arena.h"
#include "lib/diag/signatures.h"
#include <stddef.h>

/*
 * Finds the lines that a signature is about.  In two steps: hyperscan (or
 * vectorscan, its twin for other machines) looks for the words that the
 * expressions cannot match without (words.h, literals.h), all at once; only on
 * a line that has one, the expressions with that word are tried, by PCRE2 with
 * its JIT, compiled when first needed.  The only user of PCRE2.
 *
 * Measured on one core of an AMD EPYC with 660 expressions and engine logs
 * (make bench): this 1.0 GB/s and 30 ms to start; hyperscan with the whole
 * expressions 0.5 GB/s and 1 s to start; PCRE2 with its JIT alone 0.0009 GB/s;
 * grep -E 0.001 to 0.01 GB/s.
 */
struct disagg_matcher;

/* Of a line longer than this only what is around the word is looked at. */
#define DISAGG_MATCH_LINE_MAX 8192u

/* `at` and `len` are the line's, without its end; lines come in order, each at
 * most once. */
typedef void disagg_matcher_hit(void *context, unsigned signature, size_t at, size_t len);

/* DISAGG_CONFIG where an expression of a site's file is none. */
int disagg_matcher_new(const struct disagg_signatures *signatures, struct disagg_matcher **ret,
	struct disagg_err *err);
void disagg_matcher_free(struct disagg_matcher *matcher);

/* A block of whole lines, at most DISAGG_MATCH_BLOCK_MAX bytes. */
#define DISAGG_MATCH_BLOCK_MAX (1024u * 1024u)
int disagg_matcher_scan(struct disagg_matcher *matcher, const char *bytes, size_t len,
	disagg_matcher_hit *hit, void *context, struct disagg_err *err);

/* "hyperscan 5.4.0, pcre2 10.42": for --version */
const char *disagg_matcher_version(char *buf, size_t size);

#endif
