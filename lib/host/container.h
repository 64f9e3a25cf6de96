/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_CONTAINER_H
#define DISAGG_HOST_CONTAINER_H

#include "lib/base/err.h"
#include "lib/conf/job.h"

/*
 * What srun is told of a step's container, in pyxis's own options.  A role's
 * container: and the container-* options of its slurm.srun (srun_options) are one
 * description, in which the options count.
 *
 * pyxis keeps one value of an option, so that all mounts are in one; a mount hides
 * what an earlier one has below its place, so that ours come last.
 */

/* Where our own programs are in a container.  Their folder on the node may be
 * /usr/local/bin, which would hide the image's. */
#define DISAGG_CONTAINER_BIN "/run/disagg/bin"

/* Whether it is an option of pyxis's: "container-..." or "no-container-...". */
bool disagg_container_option(const char *option);

/* NULL each where there is none; the name without its flag (NULL: no memory, too). */
const char *disagg_container_image(
	const struct disagg_container *container, const struct disagg_map *options);
const char *disagg_container_name(struct disagg_arena *arena,
	const struct disagg_container *container, const struct disagg_map *options);

/* A path of the node and where it is to be inside. */
struct disagg_container_place {
	const char *source, *target;
};
#define DISAGG_CONTAINER_PLACES 4

struct disagg_container_call {
	const struct disagg_container *container;
	const struct disagg_map *options;
	const char *bin;     /* folder of our programs on the node */
	const char *run_dir; /* has the same path inside */
	/* what commands take for granted: mounted where no mount of the file's covers
	 * it */
	struct disagg_container_place place[DISAGG_CONTAINER_PLACES];
	unsigned place_count;
	bool shared; /* other steps of a node have the same name */
	/* for $NAME in the image and in the sources of mounts */
	const char *(*getenv)(const char *name);
	/* for {NAME} in both ends of mounts; may be NULL, and answer NULL */
	const char *(*fill)(void *context, const char *name);
	void *context;
};

/* "--container-image=..." and so on, ends with NULL.  DISAGG_CONFIG where a path
 * has a comma or a colon, which pyxis takes for the end of it. */
int disagg_container_options(struct disagg_arena *arena, const struct disagg_container_call *call,
	const char *const **ret, struct disagg_err *err);

/* Whether a mount of the file's puts something at `path`. */
bool disagg_container_covers(const struct disagg_container_call *call, const char *path);

#endif
