/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_MEASURED_H
#define DISAGG_HOST_MEASURED_H

#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * What a load generator's result file says was measured: a few numbers of its
 * outermost object, or of the last one of a file of JSON lines.  Such a file
 * holds every token's time and may be larger than memory: it is read as a
 * stream, and what is in lists and objects is passed over.
 */
struct disagg_measured {
	double completed, output_tokens, prompts; /* -1: it does not say */
};

/* DISAGG_INVALID where the file is no JSON object, or is cut off. */
int disagg_measured_read(const char *path, struct disagg_measured *ret, struct disagg_err *err);

/* The same of bytes as they come; disagg_measured_end when there are no more. */
struct disagg_measured_scan {
	struct disagg_measured seen;
	unsigned depth, objects;
	bool in_text, escaped, is_value, broken;
	char word[64]; /* of a key or a number of the outermost object */
	size_t len;
	char key[64];
};
void disagg_measured_begin(struct disagg_measured_scan *scan);
void disagg_measured_feed(struct disagg_measured_scan *scan, const char *bytes, size_t len);
bool disagg_measured_end(struct disagg_measured_scan *scan, struct disagg_measured *ret);

/* Why a result means nothing: nothing completed, no token came, or more than
 * one request of a hundred is missing.  NULL: it does mean something. */
const char *disagg_measured_problem(
	const struct disagg_measured *measured, char *text, size_t size);

#endif
