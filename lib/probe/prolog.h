/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_PROLOG_H
#define DISAGG_PROBE_PROLOG_H

#include "lib/base/err.h"
#include <stdbool.h>

/*
 * The check before a job, for Slurm's Prolog or HealthCheckProgram: the kernel
 * log since the last check, and what NVML says of all GPUs of the node, without
 * a CUDA context, in a forked child with a deadline.
 *
 * A failing Prolog drains the node and holds the job, so `bad` is only what the
 * hardware of this node says beyond doubt: an Xid or other record whose policy
 * is to drain (xid.yaml) and that blames the node, or a hard finding of
 * gpu.health.  What crashes, hangs, is missing or may not be read is `unknown`,
 * and no reason to refuse a job.
 *
 * A good verdict of NVML is kept for fresh_s seconds of the same boot; the
 * kernel log is read each time, from where the last check left it.  A bad one is
 * not kept: whoever resumed the node may have repaired it.
 */
struct disagg_prolog_spec {
	const char *folder;	/* "/run/disagg": made where it is missing; ours alone */
	const char *kernel_log; /* in place of /dev/kmsg; NULL */
	const char *xid_table;	/* a site's file over the table of Xids; NULL */
	unsigned deadline_ms;	/* 0: 2000 */
	unsigned fresh_s;	/* 0: 600 */
};

struct disagg_prolog_verdict {
	bool bad;
	bool cached;	   /* NVML was not asked: its last verdict was good */
	char text[512];	   /* what is bad; "" */
	char unknown[512]; /* what could not be checked, and why; "" */
};

/* Always a verdict. */
void disagg_prolog_check(const struct disagg_prolog_spec *spec, struct disagg_prolog_verdict *ret);

#endif
