/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_MOUNTS_H
#define DISAGG_HOST_MOUNTS_H

#include "lib/host/container.h"
#include "lib/host/inside.h"

/*
 * What a step's container sees of its node beside the file's own mounts: the
 * model at its place, and for srtctl's recipes the places that they take for
 * granted, /model, /logs and /srtctl-benchmarks.
 */
struct disagg_mounts {
	const struct disagg_inside *in;
	const struct disagg_role *role; /* of the job */
	const char *scripts;		/* DISAGG_SRTCTL_BENCHMARKS; NULL: not set */
	const char *model;		/* a folder of the node; NULL: none */
};

/* At most DISAGG_CONTAINER_PLACES into `ret`; returns how many. */
unsigned disagg_mounts_places(struct disagg_arena *arena, const struct disagg_mounts *mounts,
	struct disagg_container_place *ret);

/* What stands for {NAME} in the paths of srtctl's recipes; NULL: nothing, and in
 * all other files.  `context` is a struct disagg_mounts. */
const char *disagg_mounts_fill(void *context, const char *name);

#endif
