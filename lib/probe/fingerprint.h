/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_FINGERPRINT_H
#define DISAGG_PROBE_FINGERPRINT_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/strbuf.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * What of a node has to be equal on all nodes: keys with values, in sections,
 * each with a digest, so that two nodes compare by a few bytes.  Nothing that
 * names a node (addresses, serial numbers, UUIDs) is in it, and of the
 * environment only what is listed: NCCL_*, UCX_* and their like, and never
 * what may be a secret.
 */
enum disagg_fingerprint_part {
	DISAGG_ENV_KERNEL, /* release, what of its command line counts */
	DISAGG_ENV_OS,	   /* distribution, glibc, cgroup */
	DISAGG_ENV_DRIVER, /* NVIDIA's: version, firmware, VBIOS by model */
	DISAGG_ENV_CUDA,   /* libraries that the loader would find, by their files' versions */
	DISAGG_ENV_FABRIC, /* rdma-core, adapters' firmware, MTU */
	DISAGG_ENV_SYSCTL,
	DISAGG_ENV_HOST,    /* CPU, microcode, memory, huge pages */
	DISAGG_ENV_PYTHON,  /* distributions of the interpreter that PATH leads to */
	DISAGG_ENV_ENV,	    /* environment variables and nccl.conf */
	DISAGG_ENV_PROGRAM, /* ours */
	DISAGG_ENV_PARTS,
};

/* "kernel", "os", ...: also what its keys begin with */
const char *disagg_fingerprint_name(enum disagg_fingerprint_part part);

#define DISAGG_DIGEST_TEXT 33 /* 128 bits in hex, with the NUL */

struct disagg_fingerprint_pair {
	const char *key; /* "kernel.release" */
	const char *value;
	size_t order; /* of their being added */
};

struct disagg_fingerprint_section {
	struct disagg_fingerprint_pair *pair; /* by key; each key once */
	size_t count, room;
	char digest[DISAGG_DIGEST_TEXT];
};

struct disagg_fingerprint {
	struct disagg_fingerprint_section section[DISAGG_ENV_PARTS];
};

struct disagg_fingerprint_source {
	const char *root;	 /* "" or a folder in place of / */
	const char *const *envp; /* "NAME=value", ends with NULL */
};

/* DISAGG_SYSTEM: no memory. What a node lacks has no key. */
int disagg_fingerprint_take(struct disagg_arena *arena,
	const struct disagg_fingerprint_source *source, struct disagg_fingerprint *ret,
	struct disagg_err *err);

/*
 * For who builds one: adds a pair, control characters shown as '?', at most 1024
 * bytes of value.  -1: no memory.  finish sorts, keeps the first of equal keys
 * and sets the digests.
 */
int disagg_fingerprint_add(struct disagg_arena *arena, struct disagg_fingerprint *print,
	enum disagg_fingerprint_part part, const char *key, const char *value);
void disagg_fingerprint_finish(struct disagg_fingerprint *print);

/*
 * 128 bits of FNV-1a (draft-eastlake-fnv): equality among honest nodes, no
 * defence against one that wants to look like another.
 */
struct disagg_digest {
	unsigned __int128 state;
};
void disagg_digest_init(struct disagg_digest *digest);
void disagg_digest_add(struct disagg_digest *digest, const char *bytes, size_t len);
void disagg_digest_text(const struct disagg_digest *digest, char ret[DISAGG_DIGEST_TEXT]);

/* True for a variable whose value may be shown: listed, and no secret by its name. */
bool disagg_fingerprint_env_shown(const char *name);

#endif
