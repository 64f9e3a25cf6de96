/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_PROLOG_CACHE_H
#define DISAGG_PROBE_PROLOG_CACHE_H

#include "lib/diag/kmsg.h"

/*
 * What a check leaves for the next: a file of the user that runs it, in a
 * folder that nobody else may write to.  Whatever is not so is not believed,
 * and not written.
 */
struct disagg_prolog_cache {
	bool good;	  /* NVML found nothing */
	double checked_s; /* Unix time of that */
	struct disagg_kmsg_cursor cursor;
};

/* An open folder, or -1: err says why there will be no cache. */
int disagg_prolog_cache_open(const char *folder, struct disagg_err *err);

/* -1: none that may be believed. */
int disagg_prolog_cache_read(int folder_fd, struct disagg_prolog_cache *ret);
int disagg_prolog_cache_write(
	int folder_fd, const struct disagg_prolog_cache *cache, struct disagg_err *err);

#endif
