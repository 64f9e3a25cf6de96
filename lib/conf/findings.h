/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_FINDINGS_H
#define DISAGG_CONF_FINDINGS_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/conf/yamltree.h"

/*
 * What a reader of a configuration found, gathered so that a user can fix a
 * file in one go: up to DISAGG_MAX_ERRORS errors and DISAGG_MAX_WARNINGS
 * warnings, the rest counted.  Everything lives in the arena.
 */
struct disagg_finding {
	bool is_error;
	struct disagg_origin at;
	const char *text;
};

struct disagg_findings {
	struct disagg_arena *arena;
	struct disagg_finding *item;
	unsigned count, size;
	unsigned errors, warnings; /* all of them, kept or not */
};

void disagg_findings_init(struct disagg_findings *found, struct disagg_arena *arena);

/* `at` may be NULL.  The same text at the same place is kept once. */
void disagg_findings_error(struct disagg_findings *found, const struct disagg_origin *at,
	const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void disagg_findings_warn(struct disagg_findings *found, const struct disagg_origin *at,
	const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* An error that a lower layer returned becomes a finding. */
void disagg_findings_take(struct disagg_findings *found, const struct disagg_err *err);

/* In the order of the file, for those who print; those without a place keep
 * theirs among themselves. */
void disagg_findings_sort(struct disagg_findings *found);

/* "file:line:col: text" of one finding into buf, as disagg_err_format. */
int disagg_finding_format(const struct disagg_finding *finding, char *buf, size_t size);

#endif
