/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_MACHINE_H
#define DISAGG_DIAG_MACHINE_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * What a node looks like at the end of a job, as texts for people: one source a
 * file.  Every command has a fixed argv, no shell, and a deadline; what could not
 * be read says so in its place.
 */
enum disagg_machine_mode {
	DISAGG_MACHINE_BASIC,	      /* GPUs, processes, disks */
	DISAGG_MACHINE_STANDARD,      /* memory, network, RDMA, limits, versions too */
	DISAGG_MACHINE_COMPREHENSIVE, /* nvidia-smi -q, topology, mounts, modules too */
};
extern const char *const disagg_machine_modes[]; /* names; NULL ends */

struct disagg_machine_look {
	enum disagg_machine_mode mode;
	const char *root;	 /* "" or a folder in place of / for /proc and /sys */
	const char *path;	 /* where commands are looked for, as $PATH */
	const char *const *envp; /* of this process: what of it may be shown is shown */
	int command_ms;		 /* of one command */
	int64_t until_ns;	 /* CLOCK_MONOTONIC: later sources are left out, and say so */
};

struct disagg_machine_source {
	const char *file; /* "processes.txt" */
	enum disagg_machine_mode from;
	/* Appends; -1: no memory. */
	int (*write)(const struct disagg_machine_look *look, struct disagg_strbuf *out,
		struct disagg_err *err);
};

/* Ends with file NULL. */
extern const struct disagg_machine_source disagg_machine_sources[];

/*
 * Whether a variable of the environment may be shown: its name is one of the engines',
 * Slurm's and the libraries' and holds no word such as TOKEN or KEY (facts: the list of
 * what secrets are called).
 */
bool disagg_machine_shows(const char *name);

#endif
