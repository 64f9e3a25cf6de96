/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_REFERENCE_H
#define DISAGG_PROBE_REFERENCE_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>

/*
 * What a healthy GPU of a type reaches, and the floor it must not fall below:
 * lib/probe/reference.yaml, with a site's file laid over it.  The form of the
 * file is described at its head.
 */
struct disagg_reference;

/* What is asked for. */
struct disagg_reference_query {
	const char *probe;    /* "nccl.intra" */
	const char *param;    /* "all_reduce 8M"; NULL: none */
	const char *gpu_name; /* "NVIDIA H200"; NULL: none */
	unsigned gpus;	      /* that took part; 0: not known, so nothing that depends on it */
	const char *unit;     /* of the value; an entry in another unit is passed over; NULL: any */
};

struct disagg_reference_value {
	bool has_ref, has_floor;
	double ref;   /* of a healthy one */
	double floor; /* absolute; a ceiling where less is better */
	const char *unit;
	const char *source;	/* "H200-SXM gemm.bf16 8192: local 769-798 (confidence high)" */
	const char *confidence; /* "high", "low" */
};

/*
 * The built-in values with the file `over` (NULL: none) laid over them: maps
 * merge key by key, a null deletes, and a GPU whose key is new is asked first.
 * DISAGG_CONFIG with the position where it is malformed.
 */
int disagg_reference_load(struct disagg_arena *arena, const char *over,
	struct disagg_reference **ret, struct disagg_err *err);

/*
 * false: nothing is known of it.  A size that is not in the table is not
 * known: nothing is interpolated.  Texts live as long as the arena.
 */
bool disagg_reference_find(const struct disagg_reference *reference,
	const struct disagg_reference_query *query, struct disagg_reference_value *ret);

/* The key of a GPU's name ("H200-SXM"), NULL where there is none. */
const char *disagg_reference_key(const struct disagg_reference *reference, const char *gpu_name);

/* Of what is built in: "1", the version of the table. */
const char *disagg_reference_version(const struct disagg_reference *reference);

#endif
