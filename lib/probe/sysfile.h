/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_SYSFILE_H
#define DISAGG_PROBE_SYSFILE_H

#include "lib/base/arena.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Small files of /proc, /sys and /etc, below a root that a test may choose (""
 * is /).  What is not there or cannot be read is NULL or -1: none of it is an
 * error of a probe's own.
 */

/* The file, at most 64 KiB, without blanks at its end; path as printf has it. */
const char *disagg_sysfile_text(struct disagg_arena *arena, const char *root, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

/* Its first line. */
const char *disagg_sysfile_line(struct disagg_arena *arena, const char *root, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

/* Its first line as a whole decimal number. */
int disagg_sysfile_int(int64_t *ret, const char *root, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

bool disagg_sysfile_exists(const char *root, const char *path, ...)
	__attribute__((format(printf, 2, 3)));

/* The last part of what a link points to: "nvidia" of .../driver. */
const char *disagg_sysfile_link(struct disagg_arena *arena, const char *root, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

/* Names in a folder, sorted, without those that begin with a dot; at most 4096. */
struct disagg_sysfile_names {
	const char **name;
	size_t count;
};
struct disagg_sysfile_names disagg_sysfile_list(struct disagg_arena *arena, const char *root,
	const char *path, ...) __attribute__((format(printf, 3, 4)));

/* The rest of the line of `text` that begins with `name`, behind blanks, colons and an equals
 * sign: "ModelName" of "Model:  H200"; NULL: none. */
const char *disagg_sysfile_value(struct disagg_arena *arena, const char *text, const char *name);

#endif
