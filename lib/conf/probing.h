/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_PROBING_H
#define DISAGG_CONF_PROBING_H

#include "lib/conf/schema.h"

/* `probes:`: every node is measured before the deployment is started on them. */
enum disagg_probing_suite {
	DISAGG_PROBING_NONE,
	DISAGG_PROBING_QUICK,
	DISAGG_PROBING_STANDARD,
	DISAGG_PROBING_THOROUGH,
};

/* What a node that fails does to the deployment. */
enum disagg_probing_failure {
	DISAGG_PROBING_ENDS,	 /* `fail` */
	DISAGG_PROBING_EXCLUDES, /* the plan takes the nodes that are left */
	DISAGG_PROBING_WARNS,
};

extern const char *const disagg_probing_suites[];   /* as in files; ends with NULL */
extern const char *const disagg_probing_failures[]; /* as in files; ends with NULL */

struct disagg_probing {
	bool own;    /* the job file has the section, not only the cluster file */
	int suite;   /* enum disagg_probing_suite */
	int failure; /* enum disagg_probing_failure */
	struct disagg_int spare_nodes;
	struct disagg_int timeout;     /* seconds, of all probes together */
	struct disagg_strs only, skip; /* names of probes; a '*' at the end is any rest */
	const char *reference;	       /* a file of values to hold against; NULL: none */
};

extern const struct disagg_table disagg_probing_table;

struct disagg_import;

/* The job file's section over the cluster file's, in every dialect, into
 * import->job->probing.  A section that names no suite means quick; the timeout is
 * the suite's where none is given.  -1: no memory. */
int disagg_probing_read(struct disagg_import *import);

/* The rules between its keys, and with the roles. */
void disagg_probing_check(struct disagg_import *import);

#endif
